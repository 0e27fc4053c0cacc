/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a compressed network's file says of how it was made. One thread.
 */

#include "base/attributes.h"

struct diag;
struct graph;
struct recipe;

/* {"input", "seed", "recipe"} becomes the graph's history, which passes keep: it may be set before they run. `input` is the
 * name of the file it was made from; NULL: none is known. 0 or -ENOMEM. */
_nodiscard_ int history_set(struct graph *graph, const struct recipe *recipe, const char *input,
                            struct diag *diag);
