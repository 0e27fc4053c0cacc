/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The layers of a network: its convolutions, depthwise convolutions and dense layers with constant weights. A layer is
 * known by the name of its weight tensor, which the container keeps; a layer that is split keeps it as the beginning of
 * its parts' names (conv2 becomes conv2.a, conv2.b). One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct graph;
struct op;
struct tensor;

struct layer {
    const char *name; /* in the graph's memory */
    uint32_t op;      /* index of the operator; good until operators change */
    int32_t weights;  /* tensor */
    int32_t bias;     /* tensor or GRAPH_NONE */
    bool depthwise;   /* filter [1][kh][kw][out], else [out][kh][kw][in] or [out][in] */
    uint32_t out;     /* output channels */
    uint32_t depth;   /* weights of one output channel */
    uint64_t macs;
};

struct layers {
    struct layer *items; /* in execution order; in the graph's memory */
    uint32_t n;
};

/* All layers. Those without a name get one: conv1, depthwise1, dense1, counted per kind in execution order. -ENOMEM. */
_nodiscard_ int layers_find(struct graph *graph, struct layers *ret_layers);
/* NULL for an unknown name. */
const struct layer *layers_get(const struct layers *layers, const char *name);

/* "conv", "depthwise" or "dense". */
const char *layer_kind_word(const struct op *op);
const struct op *layer_op(const struct graph *graph, const struct layer *layer);
const struct tensor *layer_weights(const struct graph *graph, const struct layer *layer);
/* NULL where it has none. */
const struct tensor *layer_bias(const struct graph *graph, const struct layer *layer);
/* Its operand. */
const struct tensor *layer_input(const struct graph *graph, const struct layer *layer);
/* Weights and bias are FP32, and so is its operand. */
bool layer_is_float(const struct graph *graph, const struct layer *layer);

/* Where weight k (0 <= k < depth) of output channel c stands among the tensor's elements. */
static inline size_t layer_index(const struct layer *layer, uint32_t c, uint32_t k) {
    return layer->depthwise ? (size_t)k * layer->out + c : (size_t)c * layer->depth + k;
}

/* A copy of the weights that may be changed; it is the layer's from now on. NULL where there is no memory. */
float *layer_edit_weights(struct graph *graph, const struct layer *layer);
/* The same for the bias; a layer without one gets zeros, and layer->bias its number. */
float *layer_edit_bias(struct graph *graph, struct layer *layer);

/* A constant of these dims; `data` is copied unless NULL, when it is zeros that may be written through *ret_data (may be
 * NULL). -ENOMEM, COMPRESS_E_INVALID above the limits of a graph. */
_nodiscard_ int layer_add_const(struct graph *graph, const char *name, const int32_t *dims,
                                uint8_t n_dims, const float *data, int32_t *ret_tensor,
                                float **ret_data);
/* A name in the graph's memory: printf() of layer and part, "conv2.a". NULL where there is no memory. */
const char *layer_part_name(struct graph *graph, const struct layer *layer, const char *part);
