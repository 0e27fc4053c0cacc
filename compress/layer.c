/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers of a network and their weights.
 */

#include "compress/layer.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "compress/compress.h"
#include "model/graph-edit.h"
#include "model/graph.h"

static bool is_layer(const struct graph *graph, const struct op *op) {
    return (op->kind == OP_CONV_2D || op->kind == OP_DEPTHWISE_CONV_2D ||
            op->kind == OP_FULLY_CONNECTED) &&
           graph->tensors[op->inputs[1]].kind == TENSOR_CONST;
}

const char *layer_kind_word(const struct op *op) {
    return op->kind == OP_CONV_2D             ? "conv"
           : op->kind == OP_DEPTHWISE_CONV_2D ? "depthwise"
                                              : "dense";
}

static bool name_taken(const struct graph *graph, const char *name) {
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        if (graph->tensors[i].name && strcmp(graph->tensors[i].name, name) == 0)
            return true;
    return false;
}

/* The next free number of its kind. */
static int give_name(struct graph *graph, const struct op *op, unsigned *count) {
    char name[32];
    do
        snprintf(name, sizeof(name), "%s%u", layer_kind_word(op), ++*count);
    while (name_taken(graph, name));
    struct tensor *w = &graph->tensors[op->inputs[1]];
    w->name = graph_strndup(graph, name, strlen(name));
    return w->name ? 0 : err_origin(-ENOMEM);
}

static int name_layers(struct graph *graph) {
    unsigned counts[3] = {0};
    for (uint32_t i = 0; i < graph->n_ops; i++) {
        const struct op *op = &graph->ops[i];
        if (!is_layer(graph, op) || graph->tensors[op->inputs[1]].name)
            continue;
        unsigned which = op->kind == OP_CONV_2D ? 0 : op->kind == OP_DEPTHWISE_CONV_2D ? 1 : 2;
        int r = give_name(graph, op, &counts[which]);
        if (r)
            return r;
    }
    return 0;
}

static struct layer describe(const struct graph *graph, uint32_t at) {
    const struct op *op = &graph->ops[at];
    const struct tensor *w = &graph->tensors[op->inputs[1]];
    bool depthwise = op->kind == OP_DEPTHWISE_CONV_2D;
    uint32_t out = (uint32_t)(depthwise ? w->dims[3] : w->dims[0]);
    return (struct layer){
        .name = w->name,
        .op = at,
        .weights = op->inputs[1],
        .bias = op->n_inputs > 2 ? op->inputs[2] : GRAPH_NONE,
        .depthwise = depthwise,
        .out = out,
        .depth = (uint32_t)(tensor_elements(w) / out),
        .macs = graph_op_macs(graph, op),
    };
}

int layers_find(struct graph *graph, struct layers *ret_layers) {
    int r = name_layers(graph);
    if (r)
        return r;
    struct layers layers = {.items = graph_alloc(graph, graph->n_ops * sizeof(*layers.items))};
    if (!layers.items)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < graph->n_ops; i++)
        if (is_layer(graph, &graph->ops[i]))
            layers.items[layers.n++] = describe(graph, i);
    *ret_layers = layers;
    return 0;
}

const struct layer *layers_get(const struct layers *layers, const char *name) {
    for (uint32_t i = 0; i < layers->n; i++)
        if (strcmp(layers->items[i].name, name) == 0)
            return &layers->items[i];
    return NULL;
}

const struct op *layer_op(const struct graph *graph, const struct layer *layer) {
    return &graph->ops[layer->op];
}

const struct tensor *layer_weights(const struct graph *graph, const struct layer *layer) {
    return &graph->tensors[layer->weights];
}

const struct tensor *layer_bias(const struct graph *graph, const struct layer *layer) {
    return layer->bias == GRAPH_NONE ? NULL : &graph->tensors[layer->bias];
}

const struct tensor *layer_input(const struct graph *graph, const struct layer *layer) {
    return &graph->tensors[graph->ops[layer->op].inputs[0]];
}

bool layer_is_float(const struct graph *graph, const struct layer *layer) {
    const struct tensor *bias = layer_bias(graph, layer);
    return layer_weights(graph, layer)->dtype == DTYPE_FP32 &&
           layer_input(graph, layer)->dtype == DTYPE_FP32 && (!bias || bias->dtype == DTYPE_FP32);
}

/* Another layer may share the tensor: then this one gets its own. */
static bool is_shared(const struct graph *graph, int32_t tensor) {
    unsigned readers = 0;
    for (uint32_t i = 0; i < graph->n_ops; i++)
        for (unsigned k = 0; k < graph->ops[i].n_inputs; k++)
            readers += graph->ops[i].inputs[k] == tensor;
    return readers > 1;
}

float *layer_edit_weights(struct graph *graph, const struct layer *layer) {
    return graph_own_data(graph, layer->weights);
}

/* Its operands with another bias. */
static int set_bias(struct graph *graph, struct layer *layer, int32_t bias) {
    struct op *op = &graph->ops[layer->op];
    int32_t *inputs = graph_alloc(graph, 3 * sizeof(*inputs));
    if (!inputs)
        return err_origin(-ENOMEM);
    memcpy(inputs, op->inputs, 2 * sizeof(*inputs));
    inputs[2] = layer->bias = bias;
    op->inputs = inputs;
    op->n_inputs = 3;
    return 0;
}

float *layer_edit_bias(struct graph *graph, struct layer *layer) {
    if (layer->bias != GRAPH_NONE && !is_shared(graph, layer->bias))
        return graph_own_data(graph, layer->bias);
    const struct tensor *old = layer_bias(graph, layer);
    int32_t bias, dims = (int32_t)layer->out;
    float *data;
    if (layer_add_const(graph, NULL, &dims, 1, old ? old->data : NULL, &bias, &data) ||
        set_bias(graph, layer, bias))
        return NULL;
    return data;
}

int layer_add_const(struct graph *graph, const char *name, const int32_t *dims, uint8_t n_dims,
                    const float *data, int32_t *ret_tensor, float **ret_data) {
    struct tensor t = {.name = name, .dtype = DTYPE_FP32, .kind = TENSOR_CONST, .n_dims = n_dims};
    memcpy(t.dims, dims, n_dims * sizeof(*dims));
    t.size = tensor_elements(&t) * sizeof(float);
    float *copy = graph_alloc(graph, t.size);
    if (!copy)
        return err_origin(-ENOMEM);
    if (data)
        memcpy(copy, data, t.size);
    t.data = copy;
    int r = graph_add_tensor(graph, &t, ret_tensor);
    if (r)
        return r < 0 ? r : COMPRESS_E_INVALID;
    if (ret_data)
        *ret_data = copy;
    return 0;
}

const char *layer_part_name(struct graph *graph, const struct layer *layer, const char *part) {
    char name[GRAPH_MAX_NAME + 1];
    int n = snprintf(name, sizeof(name), "%s.%s", layer->name, part);
    return graph_strndup(graph, name, MIN((size_t)n, sizeof(name) - 1));
}
