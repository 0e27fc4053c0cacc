/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to the pass `quantize`: what of a network becomes int8, and with which scales. Arrays are in the graph's
 * memory and have one element per operator or tensor of it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "compress/clip.h"

struct graph;
struct layers;
struct op;
struct tensor;

struct affine {
    float scale;
    int32_t zero_point;
};

struct quantize_plan {
    bool *ops;             /* computes in int8 */
    bool *tensors;         /* is needed in int8 */
    bool *is_layer;        /* of the operators: a layer of the scope */
    int32_t *groups;       /* first tensor of those with equal quantization; itself */
    struct range *ranges;  /* of the tensors that are needed in int8 */
    struct affine *affine; /* the same */
};

/*
 * Operators without weights compute in int8 where all their operands are; constants they share with others become their
 * own, so tensors may be appended. Without `io_int8`, probabilities that are outputs stay float. -ENOMEM,
 * COMPRESS_E_INVALID at the limits of a graph.
 */
_nodiscard_ int quantize_plan_init(struct quantize_plan *plan, struct graph *graph,
                                   const struct layers *layers, bool io_int8);
/* The activations whose ranges are to be observed. Returns their number, at most graph->n_tensors. */
uint32_t quantize_plan_observed(const struct quantize_plan *plan, const struct graph *graph,
                                int32_t *ret_tensors);
/* From ranges to scales and zero points of all tensors that are needed in int8: affine, or (fixed_bits not 0) in fixed
 * point with that many bits, the scale a power of two and zero at zero. */
void quantize_plan_scales(struct quantize_plan *plan, const struct graph *graph,
                          uint32_t fixed_bits);

/* Whether the result of the operator always has the same scale, and which. */
bool quantize_fixed_scale(const struct op *op, struct affine *ret_affine);

/* Puts int8 operators in the place of float ones. `io_int8`: inputs and outputs of the network become INT8 where
 * operators that compute in int8 read or write them. The layers' weights and biases are left to the caller, which gets
 * each layer's operator by `layer` before it is put in place; its inputs may be changed. */
struct quantize_build {
    const struct quantize_plan *plan;
    bool io_int8;
    int (*layer)(void *arg, uint32_t op, int32_t *inputs);
    void *arg;
};
_nodiscard_ int quantize_rebuild(struct graph *graph, const struct quantize_build *build);
