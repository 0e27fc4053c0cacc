/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network anew: int8 operators where the plan has them, conversions at the borders. A tensor keeps its number in the
 * form that its operator computes; its other form, where somebody wants it, is a new tensor.
 */

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "compress/compress.h"
#include "compress/quantize-plan.h"
#include "model/graph-edit.h"
#include "model/graph.h"

struct builder {
    struct graph *graph;
    const struct quantize_build *build;
    struct op *ops; /* the new list */
    uint32_t n, limit;
    uint32_t n_old;  /* tensors before */
    int32_t *others; /* of each of them: its other form, or GRAPH_NONE */
};

static int limit_reached(int r) {
    return r < 0 ? r : COMPRESS_E_INVALID;
}

static bool is_int8(const struct builder *b, int32_t tensor) {
    return b->graph->tensors[tensor].dtype == DTYPE_INT8;
}

/* The tensor is INT8 from now on. */
static int make_int8(struct builder *b, int32_t tensor, struct affine affine) {
    struct tensor *t = &b->graph->tensors[tensor];
    float *scale = graph_alloc(b->graph, sizeof(*scale));
    if (!scale)
        return err_origin(-ENOMEM);
    *scale = affine.scale;
    t->quant = (struct quant){.scales = scale, .n_scales = 1, .zero_point = affine.zero_point};
    t->dtype = DTYPE_INT8;
    t->size = tensor_elements(t);
    return 0;
}

static int make_float(struct builder *b, int32_t tensor) {
    struct tensor *t = &b->graph->tensors[tensor];
    t->quant = (struct quant){0};
    t->dtype = DTYPE_FP32;
    t->size = tensor_elements(t) * sizeof(float);
    return 0;
}

/* A tensor like this one without a name. */
static int add_like(struct builder *b, int32_t tensor, int32_t *ret_new) {
    struct tensor t = b->graph->tensors[tensor];
    t.name = NULL;
    int r = graph_add_tensor(b->graph, &t, ret_new);
    return r ? limit_reached(r) : 0;
}

/* Appends an operator; its arrays are copied when the list is put in place. */
static int append(struct builder *b, const struct op *op) {
    if (b->n == b->limit)
        return COMPRESS_E_INVALID;
    b->ops[b->n++] = *op;
    return 0;
}

static int append_unary(struct builder *b, enum op_kind kind, int32_t from, int32_t to) {
    int32_t *operands = graph_alloc(b->graph, 2 * sizeof(*operands));
    if (!operands)
        return err_origin(-ENOMEM);
    operands[0] = from;
    operands[1] = to;
    return append(b, &(struct op){.kind = kind,
                                  .n_inputs = 1,
                                  .n_outputs = 1,
                                  .inputs = operands,
                                  .outputs = operands + 1});
}

/* The other form of a tensor: made where there is none yet. */
static int other_form(struct builder *b, int32_t tensor, int32_t *ret_other) {
    if (b->others[tensor] == GRAPH_NONE) {
        bool from_int8 = is_int8(b, tensor);
        int32_t other;
        int r = add_like(b, tensor, &other);
        if (r == 0)
            r = from_int8 ? make_float(b, other)
                          : make_int8(b, other, b->build->plan->affine[tensor]);
        if (r == 0)
            r = append_unary(b, from_int8 ? OP_DEQUANTIZE : OP_QUANTIZE, tensor, other);
        if (r)
            return r;
        b->others[tensor] = other;
    }
    *ret_other = b->others[tensor];
    return 0;
}

static int8_t to_code(float value, struct affine affine) {
    float code = roundf(value / affine.scale) + (float)affine.zero_point;
    return (int8_t)fminf(fmaxf(code, INT8_MIN), INT8_MAX);
}

static int quantize_constant(struct builder *b, int32_t tensor) {
    struct affine affine = b->build->plan->affine[tensor];
    const float *values = b->graph->tensors[tensor].data;
    size_t n = tensor_elements(&b->graph->tensors[tensor]);
    int8_t *codes = graph_alloc(b->graph, n);
    if (!codes)
        return err_origin(-ENOMEM);
    for (size_t i = 0; i < n; i++)
        codes[i] = to_code(values[i], affine);
    b->graph->tensors[tensor].data = codes;
    return make_int8(b, tensor, affine);
}

/* Operand k in the form that the operator computes with. */
static int take_operand(struct builder *b, bool int8, int32_t *operand) {
    if (*operand == GRAPH_NONE)
        return 0;
    const struct tensor *t = &b->graph->tensors[*operand];
    if (t->kind == TENSOR_CONST)
        return int8 && t->dtype == DTYPE_FP32 ? quantize_constant(b, *operand) : 0;
    /* INT8 that is not of our making is what the operator was written for. */
    bool ours = (uint32_t)*operand < b->n_old && b->build->plan->tensors[*operand];
    if (t->kind != TENSOR_ACTIVATION || !ours || is_int8(b, *operand) == int8)
        return 0;
    return other_form(b, *operand, operand);
}

/* A result of fixed scale that has to be of another one: converted behind the operator. */
static int put_fixed_result(struct builder *b, struct op *op) {
    struct affine fixed, wanted = b->build->plan->affine[op->outputs[0]];
    if (!quantize_fixed_scale(op, &fixed) ||
        (fixed.scale == wanted.scale && fixed.zero_point == wanted.zero_point))
        return append(b, op);
    int32_t *result = graph_alloc(b->graph, sizeof(*result));
    int32_t y = op->outputs[0];
    if (!result)
        return err_origin(-ENOMEM);
    int r = add_like(b, y, result);
    if (r == 0)
        r = make_int8(b, *result, fixed);
    op->outputs = result;
    if (r == 0)
        r = append(b, op);
    return r ? r : append_unary(b, OP_QUANTIZE, *result, y);
}

static int put_int8(struct builder *b, uint32_t i, struct op *op, int32_t *inputs) {
    const struct quantize_plan *plan = b->build->plan;
    int r = 0;
    unsigned n = plan->is_layer[i] ? 1 : op->n_inputs;
    for (unsigned k = 0; k < n && r == 0; k++)
        r = take_operand(b, true, &inputs[k]);
    for (unsigned k = 0; k < op->n_outputs && r == 0; k++)
        r = make_int8(b, op->outputs[k], plan->affine[op->outputs[k]]);
    if (r == 0 && plan->is_layer[i])
        r = b->build->layer(b->build->arg, i, inputs);
    if (r)
        return r;
    if (op->kind == OP_PAD) {
        float value;
        memcpy(&value, &op->pad.value, sizeof(value));
        op->pad.value = to_code(value, plan->affine[op->outputs[0]]);
    }
    return put_fixed_result(b, op);
}

static int put_float(struct builder *b, struct op *op, int32_t *inputs) {
    for (unsigned k = 0; k < op->n_inputs; k++) {
        int r = take_operand(b, false, &inputs[k]);
        if (r)
            return r;
    }
    return append(b, op);
}

static int put_op(struct builder *b, uint32_t i) {
    struct op op = b->graph->ops[i];
    int32_t *inputs = graph_alloc(b->graph, op.n_inputs * sizeof(*inputs));
    if (!inputs)
        return err_origin(-ENOMEM);
    memcpy(inputs, op.inputs, op.n_inputs * sizeof(*inputs));
    op.inputs = inputs;
    return b->build->plan->ops[i] ? put_int8(b, i, &op, inputs) : put_float(b, &op, inputs);
}

static int put_inputs(struct builder *b) {
    struct graph *graph = b->graph;
    for (uint32_t i = 0; i < graph->n_inputs && b->build->io_int8; i++) {
        int32_t x = graph->inputs[i];
        int r = b->build->plan->tensors[x] ? make_int8(b, x, b->build->plan->affine[x]) : 0;
        if (r)
            return r;
    }
    return 0;
}

/* Results that callers know as floats stay floats, under their name. */
static int put_outputs(struct builder *b) {
    struct graph *graph = b->graph;
    for (uint32_t i = 0; i < graph->n_outputs && !b->build->io_int8; i++) {
        int32_t y = graph->outputs[i], real;
        if (!b->build->plan->tensors[y] || !is_int8(b, y))
            continue;
        int r = other_form(b, y, &real);
        if (r)
            return r;
        graph->tensors[real].name = graph->tensors[y].name;
        graph->tensors[y].name = NULL;
        graph->outputs[i] = real;
    }
    return 0;
}

int quantize_rebuild(struct graph *graph, const struct quantize_build *build) {
    struct builder b = {.graph = graph,
                        .build = build,
                        .n_old = graph->n_tensors,
                        .limit = MIN((uint32_t)GRAPH_MAX_OPS, graph->n_tensors + 2 * graph->n_ops)};
    b.ops = graph_alloc(graph, b.limit * sizeof(*b.ops));
    b.others = graph_alloc(graph, b.n_old * sizeof(*b.others));
    if (!b.ops || !b.others)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < b.n_old; i++)
        b.others[i] = GRAPH_NONE;
    int r = put_inputs(&b);
    for (uint32_t i = 0; i < graph->n_ops && r == 0; i++)
        r = put_op(&b, i);
    if (r == 0)
        r = put_outputs(&b);
    if (r == 0)
        r = graph_splice(graph, 0, graph->n_ops, b.ops, b.n);
    return r > 0 ? COMPRESS_E_INVALID : r;
}
