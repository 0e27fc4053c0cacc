/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How much there is in a network: parameters, multiplications, bytes. Thread-safe for distinct graphs.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct cJSON;
struct diag;
struct graph;
struct image;
struct op;
struct tensor;

/* Of a network, or of one of its operators. */
struct complexity {
    uint64_t parameters; /* elements of constants that operators compute with */
    uint64_t non_zeros;  /* of them; a quantized zero is the zero point */
    uint64_t bits;       /* of all parameters, as they are in the graph, uncoded */
    uint64_t macs;
    uint64_t effective_macs; /* those whose weight is not zero */
};
struct complexity complexity_of(const struct graph *graph);
/* A constant that several operators share counts in each. */
struct complexity complexity_of_op(const struct graph *graph, const struct op *op);
/* Elements that are not zero of a constant. */
uint64_t complexity_non_zeros(const struct tensor *tensor);

/* Bytes of the graph as a file, everything included. -ENOMEM, -EMSGSIZE; MODEL_E_INVALID for a graph no file can hold. */
_nodiscard_ int complexity_file_bytes(const struct graph *graph, size_t *ret_bytes,
                                      struct diag *diag);

/* {"parameters", "nonZeros", "bits", "macs", "effectiveMacs", "bytes" of the file, "imageBytes", "arenaBytes",
 * "stateBytes"}. NULL where there is no memory. */
struct cJSON *complexity_to_json(const struct complexity *c, size_t file_bytes,
                                 const struct image *image);
