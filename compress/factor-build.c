/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a decomposed layer in the graph.
 */

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/factor.h"
#include "model/graph-edit.h"

/* The result of a part that reads x. */
static struct tensor part_result(const struct factor_part *part, const struct tensor *x,
                                 const struct tensor *y) {
    struct tensor t = {.dtype = DTYPE_FP32, .kind = TENSOR_ACTIVATION};
    if (part->kind == OP_FULLY_CONNECTED) {
        t.n_dims = y->n_dims;
        memcpy(t.dims, y->dims, y->n_dims * sizeof(t.dims[0]));
        t.dims[t.n_dims - 1] = part->dims[0];
    } else {
        const struct op_conv *c = &part->conv;
        int32_t reach_h = (part->dims[1] - 1) * c->dilation_h + 1;
        int32_t reach_w = (part->dims[2] - 1) * c->dilation_w + 1;
        t.n_dims = 4;
        t.dims[0] = x->dims[0];
        t.dims[1] = (x->dims[1] + c->pad_top + c->pad_bottom - reach_h) / c->stride_h + 1;
        t.dims[2] = (x->dims[2] + c->pad_left + c->pad_right - reach_w) / c->stride_w + 1;
        t.dims[3] = part->kind == OP_DEPTHWISE_CONV_2D ? part->dims[3] : part->dims[0];
    }
    t.size = tensor_elements(&t) * sizeof(float);
    return t;
}

uint64_t factor_macs(const struct factor *f) {
    const struct graph *graph = f->context->graph;
    const struct op *op = layer_op(graph, &f->layer);
    const struct tensor *y = &graph->tensors[op->outputs[0]];
    struct tensor x = *layer_input(graph, &f->layer);
    uint64_t macs = 0;
    for (unsigned i = 0; i < f->n_parts; i++) {
        const struct factor_part *part = &f->parts[i];
        struct tensor result = part_result(part, &x, y);
        /* Every result is a sum over all weights of its channel. */
        size_t channels =
            (size_t)(part->kind == OP_DEPTHWISE_CONV_2D ? part->dims[3] : part->dims[0]);
        macs += (uint64_t)tensor_elements(&result) * (part->n / channels);
        x = result;
    }
    return macs;
}

static int add_weights(struct factor *f, unsigned i, int32_t *ret_tensor) {
    struct graph *graph = f->context->graph;
    const struct factor_part *part = &f->parts[i];
    const char *name = layer_part_name(graph, &f->layer, (const char[]){(char)('a' + i), 0});
    if (!name)
        return err_origin(-ENOMEM);
    float *values = NULL;
    int r = layer_add_const(graph, name, part->dims, part->n_dims, NULL, ret_tensor, &values);
    for (size_t k = 0; r == 0 && k < part->n; k++)
        values[k] = (float)part->values[k];
    return r;
}

static int correct_bias(struct factor *f, const double *bias) {
    float *values = layer_edit_bias(f->context->graph, &f->layer);
    if (!values)
        return err_origin(-ENOMEM);
    for (uint32_t o = 0; o < f->out; o++)
        values[o] = (float)((double)values[o] + bias[o]);
    return 0;
}

/* Tensors of part i, which reads `x` and makes `y`. */
static int build_part(struct factor *f, unsigned i, int32_t x, int32_t y, int32_t *inputs,
                      struct op *ret_op) {
    const struct factor_part *part = &f->parts[i];
    bool is_last = i + 1 == f->n_parts;
    inputs[0] = x;
    int r = add_weights(f, i, &inputs[1]);
    inputs[2] = is_last ? f->layer.bias : GRAPH_NONE;
    *ret_op = (struct op){
        .kind = part->kind,
        .act = is_last ? layer_op(f->context->graph, &f->layer)->act : ACT_NONE,
        .n_inputs = 3,
        .n_outputs = 1,
        .inputs = inputs,
        .outputs = &inputs[3],
    };
    if (part->kind != OP_FULLY_CONNECTED)
        ret_op->conv = part->conv;
    inputs[3] = y;
    return r;
}

static int build_parts(struct factor *f) {
    struct graph *graph = f->context->graph;
    int32_t operands[FACTOR_MAX_PARTS][4], x = layer_op(graph, &f->layer)->inputs[0];
    int32_t last = layer_op(graph, &f->layer)->outputs[0];
    struct op ops[FACTOR_MAX_PARTS];
    int r = 0;
    for (unsigned i = 0; i < f->n_parts && r == 0; i++) {
        int32_t y = last;
        if (i + 1 < f->n_parts) {
            struct tensor t = part_result(&f->parts[i], &graph->tensors[x], &graph->tensors[last]);
            r = graph_add_tensor(graph, &t, &y);
        }
        if (r == 0)
            r = build_part(f, i, x, y, operands[i], &ops[i]);
        x = y;
    }
    return r ? r : graph_splice(graph, f->layer.op, 1, ops, f->n_parts);
}

int factor_apply(struct factor *f, const double *bias) {
    int r = bias ? correct_bias(f, bias) : 0;
    if (r == 0)
        r = build_parts(f);
    if (r > 0)
        return diag_set(f->context->diag, COMPRESS_E_INVALID,
                        "%s: its parts are more than a network may have", f->layer.name);
    return r;
}
