/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What `edgectl show` says about a network, wherever it was learnt. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/edgectl/source.h"
#include "model/graph.h"

struct ctl;

/* What only the file tells: the daemon keeps packed weights, not parameters. */
struct weights {
    size_t file_bytes;
    uint64_t parameters, non_zeros, bits; /* bits: of all parameters together */
};

struct layer {
    const char *op, *kernel, *fused, *why;
    int32_t dims[GRAPH_MAX_DIMS];
    unsigned n_dims;
    uint64_t macs, weight_bytes;
};

struct summary {
    const char *name, *version, *description, *licence, *tier;
    bool frontend;
    uint64_t image_bytes, arena_bytes, state_bytes;
    const struct source *source; /* ports and labels */
    struct layer *layers;
    size_t n_layers;
    const struct weights *weights; /* NULL: not known */
};

/* Prints it as tables or as a document. Exit code. */
int summary_print(const struct ctl *ctl, const struct summary *s);
