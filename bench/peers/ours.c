/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/peers/ours.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/fd.h"
#include "bench/timing.h"
#include "model/graph.h"
#include "model/tflite.h"
#include "runtime/runtime.h"

#define FILE_MAX ((size_t)64 << 20)

struct graph *our_graph_read(const char *path) {
    struct diag diag;
    struct map map;
    struct graph *graph;
    if (map_read_file(path, FILE_MAX, &map, &diag) ||
        tflite_read(map.data, map.size, &graph, &diag))
        timing_die("%s", diag.text);
    map_deinit(&map);
    if (graph->n_inputs != 1 || graph->n_outputs != 1)
        timing_die("%s: more than one input or output", path);
    return graph;
}

/* Memory of the graph for n values. */
static float *reserve(struct graph *graph, size_t n) {
    float *values = graph_alloc(graph, n * sizeof(float));
    if (!values)
        timing_die("no memory");
    return values;
}

static void set_float(struct tensor *t, const float *data) {
    t->data = data;
    t->dtype = DTYPE_FP32;
    t->size = tensor_elements(t) * sizeof(float);
    t->quant = (struct quant){0};
}

/* int8 weights, with a scale for each channel or one for all, as real values. */
static float *real_weights(struct graph *graph, const struct tensor *t) {
    const int8_t *q = t->data;
    size_t n = tensor_elements(t), inner = 1;
    float *values = reserve(graph, n);
    for (unsigned d = t->quant.axis + 1U; d < t->n_dims; d++)
        inner *= (size_t)t->dims[d];
    for (size_t i = 0; i < n; i++) {
        size_t channel = t->quant.n_scales > 1 ? i / inner % t->quant.n_scales : 0;
        values[i] = (float)(q[i] - t->quant.zero_point) * t->quant.scales[channel];
    }
    return values;
}

/* The unit of a bias is that of the sums: the input's scale times the weights'. */
static float *real_bias(struct graph *graph, const struct op *op) {
    const struct quant *x = &graph->tensors[op->inputs[0]].quant;
    const struct quant *w = &graph->tensors[op->inputs[1]].quant;
    const struct tensor *t = &graph->tensors[op->inputs[2]];
    const int32_t *q = t->data;
    size_t n = tensor_elements(t);
    float *values = reserve(graph, n);
    for (size_t i = 0; i < n; i++)
        values[i] = (float)q[i] * x->scales[0] * w->scales[w->n_scales > 1 ? i : 0];
    return values;
}

void our_graph_to_float(struct graph *graph) {
    struct kern_conv unused;
    struct diag diag;
    for (uint32_t i = 0; i < graph->n_ops; i++) {
        const struct op *op = &graph->ops[i];
        if (our_graph_layer(graph, op, &unused) && op->n_inputs > 2 && op->inputs[2] != GRAPH_NONE)
            set_float(&graph->tensors[op->inputs[2]], real_bias(graph, op));
    }
    for (uint32_t i = 0; i < graph->n_tensors; i++) {
        struct tensor *t = &graph->tensors[i];
        if (t->dtype == DTYPE_INT8)
            set_float(t, t->kind == TENSOR_CONST ? real_weights(graph, t) : NULL);
    }
    if (graph_check(graph, &diag))
        timing_die("as a float network: %s", diag.text);
}

double our_graph_macs(const struct graph *graph) {
    double macs = 0;
    for (uint32_t i = 0; i < graph->n_ops; i++)
        macs += (double)graph_op_macs(graph, &graph->ops[i]);
    return macs;
}

static const struct op *producer(const struct graph *graph, int32_t tensor) {
    for (uint32_t i = 0; i < graph->n_ops; i++)
        if (graph->ops[i].outputs[0] == tensor)
            return &graph->ops[i];
    return NULL;
}

static void take_pad(const struct graph *graph, const struct op *op, struct kern_conv *p) {
    const struct op *pad = producer(graph, op->inputs[0]);
    if (!pad || pad->kind != OP_PAD)
        return;
    p->pad_top += pad->pad.before[1];
    p->pad_left += pad->pad.before[2];
    p->in_h -= pad->pad.before[1] + pad->pad.after[1];
    p->in_w -= pad->pad.before[2] + pad->pad.after[2];
}

static struct kern_conv dense_layer(const struct tensor *x, const struct tensor *w) {
    int32_t rows = (int32_t)(tensor_elements(x) / (size_t)w->dims[1]);
    return kern_conv_product(rows, w->dims[1], w->dims[0]);
}

bool our_graph_layer(const struct graph *graph, const struct op *op, struct kern_conv *ret_p) {
    if (op->kind != OP_CONV_2D && op->kind != OP_DEPTHWISE_CONV_2D &&
        op->kind != OP_FULLY_CONNECTED)
        return false;
    const struct tensor *x = &graph->tensors[op->inputs[0]], *w = &graph->tensors[op->inputs[1]];
    const struct tensor *y = &graph->tensors[op->outputs[0]];
    if (op->kind == OP_FULLY_CONNECTED) {
        *ret_p = dense_layer(x, w);
        return true;
    }
    bool depthwise = op->kind == OP_DEPTHWISE_CONV_2D;
    *ret_p = (struct kern_conv){.in_h = x->dims[1],
                                .in_w = x->dims[2],
                                .in_c = x->dims[3],
                                .out_h = y->dims[1],
                                .out_w = y->dims[2],
                                .out_c = y->dims[3],
                                .kernel_h = w->dims[1],
                                .kernel_w = w->dims[2],
                                .stride_h = op->conv.stride_h,
                                .stride_w = op->conv.stride_w,
                                .dilation_h = op->conv.dilation_h,
                                .dilation_w = op->conv.dilation_w,
                                .pad_top = op->conv.pad_top,
                                .pad_left = op->conv.pad_left,
                                .group_in_c = depthwise ? 1 : w->dims[3],
                                .depthwise = depthwise};
    take_pad(graph, op, ret_p);
    return true;
}

struct our_network *our_network_new(const struct graph *graph, enum tier tier) {
    struct our_network *n = timing_alloc(sizeof(*n));
    struct diag diag;
    if (image_build(graph, tier, &n->image, &diag))
        timing_die("%s", diag.text);
    n->arena = timing_alloc(image_arena_bytes(n->image));
    n->input = timing_alloc(image_input(n->image, 0)->size);
    n->output = timing_alloc(image_output(n->image, 0)->size);
    return n;
}

struct our_network *our_network_free(struct our_network *network) {
    if (network) {
        image_unref(network->image);
        free(network->arena);
        free(network->input);
        free(network->output);
        free(network);
    }
    return NULL;
}

void our_network_run(void *network) {
    struct our_network *n = network;
    const void *inputs[] = {n->input};
    void *outputs[] = {n->output};
    if (image_run(n->image, NULL, 1, inputs, outputs, n->arena, NULL))
        timing_die("a network does not run");
}
