/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removal of channels: constants are cut along the axes that have channels, then activations get their new sizes. What
 * several operators may share is copied, never cut in place.
 */

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/channels.h"
#include "compress/compress.h"
#include "model/graph.h"

static bool is_gone(const bool *removed, uint32_t unit) {
    return unit != CHANNEL_STAYS && removed[unit];
}

/* Which of the n channels of an activation's last axis stay: their number. */
static uint32_t stays(const struct channels *c, const bool *removed, int32_t tensor, uint32_t n,
                      uint32_t *ret_kept) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (is_gone(removed, channels_unit(c, tensor, i)))
            continue;
        if (ret_kept)
            ret_kept[count] = i;
        count++;
    }
    return count;
}

static uint64_t scaled(const struct channels *c, const bool *removed, int32_t tensor,
                       uint64_t value) {
    uint32_t n = channels_of(&c->graph->tensors[tensor]);
    return value * stays(c, removed, tensor, n, NULL) / n;
}

uint64_t channels_macs(const struct channels *channels, const bool *removed) {
    const struct graph *graph = channels->graph;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < graph->n_ops; i++) {
        const struct op *op = &graph->ops[i];
        uint64_t macs = graph_op_macs(graph, op);
        if (macs && (op->kind == OP_CONV_2D || op->kind == OP_DEPTHWISE_CONV_2D ||
                     op->kind == OP_FULLY_CONNECTED))
            macs = scaled(channels, removed, op->outputs[0], macs);
        /* a grouped convolution's channels stay */
        if (macs && (op->kind == OP_CONV_2D || op->kind == OP_FULLY_CONNECTED))
            macs = scaled(channels, removed, op->inputs[0], macs);
        sum += macs;
    }
    return sum;
}

/* ---- constants ---- */

/* The values of `t` [outer][n][inner] at the kept places of the axis; NULL where there is no memory. */
static float *cut(struct graph *graph, const struct tensor *t, size_t inner, uint32_t n,
                  const uint32_t *kept, uint32_t n_kept) {
    size_t outer = tensor_elements(t) / n / inner;
    const float *from = t->data;
    float *to = graph_alloc(graph, outer * n_kept * inner * sizeof(*to)), *at = to;
    for (size_t i = 0; to && i < outer; i++)
        for (uint32_t k = 0; k < n_kept; k++, at += inner)
            memcpy(at, from + (i * n + kept[k]) * inner, inner * sizeof(*at));
    return to;
}

/* Cuts an axis of a constant that only one operator has. */
static int cut_axis(struct graph *graph, int32_t tensor, int axis, const uint32_t *kept,
                    uint32_t n_kept) {
    struct tensor *t = &graph->tensors[tensor];
    size_t inner = 1;
    for (int d = axis + 1; d < t->n_dims; d++)
        inner *= (size_t)t->dims[d];
    if (n_kept == (uint32_t)t->dims[axis])
        return 0;
    float *data = cut(graph, t, inner, (uint32_t)t->dims[axis], kept, n_kept);
    if (!data)
        return err_origin(-ENOMEM);
    t->data = data;
    t->dims[axis] = (int32_t)n_kept;
    t->size = tensor_elements(t) * sizeof(*data);
    return 0;
}

static int set_operand(struct graph *graph, uint32_t at, unsigned i, int32_t tensor) {
    struct op *op = &graph->ops[at];
    int32_t *inputs = graph_alloc(graph, op->n_inputs * sizeof(*inputs));
    if (!inputs)
        return err_origin(-ENOMEM);
    memcpy(inputs, op->inputs, op->n_inputs * sizeof(*inputs));
    inputs[i] = tensor;
    op->inputs = inputs;
    return 0;
}

/* A copy of operand i, a constant that others may share, cut along its last axis. */
static int cut_copy(struct graph *graph, uint32_t at, unsigned i, const uint32_t *kept,
                    uint32_t n_kept) {
    int32_t old = graph->ops[at].inputs[i], copy;
    struct tensor t = graph->tensors[old];
    if (n_kept == channels_of(&t))
        return 0;
    int r = graph_add_tensor(graph, &t, &copy);
    if (r)
        return r < 0 ? r : COMPRESS_E_INVALID;
    r = cut_axis(graph, copy, t.n_dims - 1, kept, n_kept);
    return r ? r : set_operand(graph, at, i, copy);
}

/* ---- operators ---- */

struct cutter {
    struct channels *c;
    const bool *removed;
    uint32_t *kept; /* room */
};

static int cut_layer(struct cutter *t, uint32_t at) {
    struct graph *graph = t->c->graph;
    const struct op *op = &graph->ops[at];
    const struct tensor *w = &graph->tensors[op->inputs[1]];
    const uint32_t out = channels_of(&graph->tensors[op->outputs[0]]);
    const uint32_t in = channels_of(&graph->tensors[op->inputs[0]]);
    bool depthwise = op->kind == OP_DEPTHWISE_CONV_2D,
         bias = op->n_inputs > 2 && op->inputs[2] >= 0;
    uint32_t n = stays(t->c, t->removed, op->outputs[0], out, t->kept);
    int r = cut_axis(graph, op->inputs[1], depthwise ? 3 : 0, t->kept, n);
    if (r == 0 && bias)
        r = cut_copy(graph, at, 2, t->kept, n);
    if (r || depthwise || w->dims[w->n_dims - 1] % (int32_t)in)
        return r;
    /* columns; those of a flattened picture repeat the channels */
    op = &graph->ops[at];
    w = &graph->tensors[op->inputs[1]];
    n = 0;
    for (uint32_t k = 0; k < channels_of(w); k++)
        if (!is_gone(t->removed, channels_unit(t->c, op->inputs[0], k % in)))
            t->kept[n++] = k;
    return cut_axis(graph, op->inputs[1], w->n_dims - 1, t->kept, n);
}

/* Constants of as many values as channels. */
static int cut_operands(struct cutter *t, uint32_t at) {
    struct graph *graph = t->c->graph;
    const int32_t y = graph->ops[at].outputs[0];
    const uint32_t n = channels_of(&graph->tensors[y]);
    int r = 0;
    for (unsigned i = 0; i < 2 && r == 0; i++) {
        const struct tensor *x = &graph->tensors[graph->ops[at].inputs[i]];
        if (x->kind != TENSOR_CONST || x->n_dims == 0 || channels_of(x) != n || n == 1)
            continue;
        r = cut_copy(graph, at, i, t->kept, stays(t->c, t->removed, y, n, t->kept));
    }
    return r;
}

static int cut_op(struct cutter *t, uint32_t at) {
    struct op *op = &t->c->graph->ops[at];
    const struct tensor *x = op->n_inputs ? &t->c->graph->tensors[op->inputs[0]] : NULL;
    switch (op->kind) {
    case OP_CONV_2D:
    case OP_DEPTHWISE_CONV_2D:
    case OP_FULLY_CONNECTED:
        return x->dtype == DTYPE_FP32 ? cut_layer(t, at) : 0;
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_MAXIMUM:
    case OP_MINIMUM:
        return x->dtype == DTYPE_FP32 ? cut_operands(t, at) : 0;
    case OP_STRIDED_SLICE:
        if (x->n_dims && op->slice.count[x->n_dims - 1] == x->dims[x->n_dims - 1])
            op->slice.count[x->n_dims - 1] =
                (int32_t)stays(t->c, t->removed, op->inputs[0], channels_of(x), NULL);
        return 0;
    default:
        return 0;
    }
}

static int cut_all(struct cutter *t) {
    struct graph *graph = t->c->graph;
    uint32_t n_tensors = graph->n_tensors;
    int r = 0;
    for (uint32_t i = 0; i < graph->n_ops && r == 0; i++)
        r = cut_op(t, i);
    for (uint32_t i = 0; i < n_tensors && r == 0; i++) {
        struct tensor *a = &graph->tensors[i];
        if (a->kind != TENSOR_ACTIVATION || a->n_dims == 0)
            continue;
        a->dims[a->n_dims - 1] = (int32_t)stays(t->c, t->removed, (int32_t)i, channels_of(a), NULL);
        a->size = tensor_elements(a) * dtype_size(a->dtype);
    }
    return r;
}

int channels_remove(struct channels *channels, const bool *removed) {
    const struct graph *graph = channels->graph;
    size_t most = 1;
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        for (int d = 0; d < graph->tensors[i].n_dims; d++)
            most = MAX(most, (size_t)graph->tensors[i].dims[d]);
    struct cutter t = {.c = channels, .removed = removed, .kept = malloc(most * sizeof(*t.kept))};
    int r = t.kept ? cut_all(&t) : err_origin(-ENOMEM);
    free(t.kept);
    return r;
}
