/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One image with the memory of a run, for measurements: samples of a data set in turn. One thread.
 */

#include <stddef.h>

#include "base/attributes.h"
#include "model/graph.h"

struct dataset;
struct image;

struct run {
    const struct image *image;
    const struct dataset *data; /* NULL: zeros */
    size_t next;                /* sample */
    void *inputs[GRAPH_MAX_IO], *outputs[GRAPH_MAX_IO], *arena;
};

/* -ENOMEM. */
_nodiscard_ int run_init(struct run *run, const struct image *image, const struct dataset *data);
void run_deinit(struct run *run);
/* Brings the next sample into place, and runs it. What dataset_input() gives; 0. */
_nodiscard_ int run_prepare(struct run *run);
_nodiscard_ int run_once(struct run *run);
