/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a written network is called. One thread.
 */

#include "base/attributes.h"

struct diag;
struct graph;

enum {
    NAMING_E_INVALID = 1, /* the file's name is no name for a network */
};

/* A copy of the text becomes *ret, a text of the graph; NULL leaves it. 0 or -ENOMEM. */
_nodiscard_ int naming_set_text(struct graph *graph, const char *text, const char **ret,
                                struct diag *diag);
/* Calls the network `name`, or without one as the file at `path` is called, without its ending, so that what is called
 * x.edge is served as x. 0, -ENOMEM, NAMING_E_INVALID. */
_nodiscard_ int naming_set_name(struct graph *graph, const char *name, const char *path,
                                struct diag *diag);
