/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The inputs of `edgectl infer`: files become runs of values in the network's own datatypes. One thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "client/edgectl/source.h"

#define FEED_MAX_BYTES ((size_t)2 << 30) /* of one input, all runs */

enum {
    FEED_E_INVALID = 1, /* a file that does not fit the network; the diag says why and what to do */
};

struct feed {
    const struct source *source;        /* borrowed */
    struct buffer values[GRAPH_MAX_IO]; /* of each input, run after run */
    uint32_t next;                      /* the input that the next file without a name goes to */
    size_t n_runs;                      /* after feed_finish() */
};

void feed_init(struct feed *feed, const struct source *source);
void feed_deinit(struct feed *feed);
/* Reads one argument of --input, [TENSOR=]FILE. 0, a negative errno, FEED_E_INVALID. */
_nodiscard_ int feed_add(struct feed *feed, const char *argument, struct diag *diag);
/* Checks that every input has the same number of runs, at least one. 0 or FEED_E_INVALID. */
_nodiscard_ int feed_finish(struct feed *feed, struct diag *diag);

/* The parts of feed_add(), each for bytes that are here already. `input` is an index. */
_nodiscard_ int feed_add_npy(struct feed *feed, uint32_t input, const void *bytes, size_t size,
                             struct diag *diag);
_nodiscard_ int feed_add_json(struct feed *feed, uint32_t input, const char *text, size_t size,
                              struct diag *diag);
/* Appends n values to an input, converted from `dtype` as real values, unless it is the input's own. Whole runs only. */
_nodiscard_ int feed_add_values(struct feed *feed, uint32_t input, enum dtype dtype,
                                const void *values, size_t n, struct diag *diag);
