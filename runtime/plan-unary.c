/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of one argument, QUANTIZE and DEQUANTIZE. Whatever maps bytes to bytes becomes a table of 256 entries, and a
 * chain of such operators one table.
 */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "kernels/fixedpoint.h"
#include "runtime/plan.h"

static bool is_byte(const struct tensor *t) {
    return t->dtype == DTYPE_INT8 || t->dtype == DTYPE_UINT8;
}

static int32_t byte_value(enum dtype dtype, uint8_t byte) {
    return dtype == DTYPE_INT8 ? (int8_t)byte : byte;
}

static void dtype_range(enum dtype dtype, int32_t *ret_lo, int32_t *ret_hi) {
    switch (dtype) {
    case DTYPE_INT8:
        *ret_lo = INT8_MIN;
        *ret_hi = INT8_MAX;
        break;
    case DTYPE_UINT8:
        *ret_lo = 0;
        *ret_hi = UINT8_MAX;
        break;
    case DTYPE_INT16:
        *ret_lo = INT16_MIN;
        *ret_hi = INT16_MAX;
        break;
    default:
        *ret_lo = INT32_MIN;
        *ret_hi = INT32_MAX;
        break;
    }
}

static struct kern_quantize quantize_params(const struct tensor *x, const struct tensor *y) {
    struct kern_quantize p = {0};
    if (x->dtype == DTYPE_FP32 || y->dtype == DTYPE_FP32) {
        const struct tensor *q = x->dtype == DTYPE_FP32 ? y : x;
        p.scale = tensor_scale(q);
        p.zero = q->quant.zero_point;
    } else {
        fixedpoint_quantize((double)tensor_scale(x) / (double)tensor_scale(y), &p.mult, &p.shift);
        p.in_zero = x->quant.zero_point;
        p.out_zero = y->quant.zero_point;
    }
    dtype_range(y->dtype, &p.out_min, &p.out_max);
    return p;
}

/* Integer to integer, one value (tflite-int8 QUANTIZE). */
static int32_t requantize(const struct kern_quantize *p, int32_t q) {
    int64_t v = (int64_t)fixedpoint_multiply(q - p->in_zero, p->mult, p->shift) + p->out_zero;
    return (int32_t)MIN(MAX(v, (int64_t)p->out_min), (int64_t)p->out_max);
}

static void table_quantize(const struct tensor *x, const struct tensor *y, uint8_t table[256]) {
    struct kern_quantize p = quantize_params(x, y);
    for (int i = 0; i < 256; i++)
        table[i] = (uint8_t)requantize(&p, byte_value(x->dtype, (uint8_t)i));
}

/* DEQUANTIZE then QUANTIZE: through the real value, as the two operators do it. */
static void table_through_float(const struct plan *plan, const struct tensor *x,
                                const struct tensor *y, uint8_t table[256]) {
    struct kern_quantize in = {.scale = tensor_scale(x), .zero = x->quant.zero_point};
    struct kern_quantize out = {.scale = tensor_scale(y), .zero = y->quant.zero_point};
    dtype_range(y->dtype, &out.out_min, &out.out_max);
    for (int i = 0; i < 256; i++) {
        uint8_t byte = (uint8_t)i;
        float real;
        if (x->dtype == DTYPE_INT8)
            plan->kernels->dequantize_s8_f32(&in, (const int8_t *)&byte, &real, 1);
        else
            plan->kernels->dequantize_u8_f32(&in, &byte, &real, 1);
        if (y->dtype == DTYPE_INT8)
            plan->kernels->quantize_f32_s8(&out, &real, (int8_t *)&table[i], 1);
        else
            plan->kernels->quantize_f32_u8(&out, &real, &table[i], 1);
    }
}

/* The table of operator `index`, if it maps bytes to bytes. A DEQUANTIZE with the QUANTIZE behind it counts as one
 * operator. *ret_output: the tensor it ends at; *ret_second: that QUANTIZE or PLAN_NONE. Both are undefined where it does
 * not. */
static bool byte_function(const struct plan *plan, uint32_t index, uint8_t table[256],
                          uint32_t *ret_output, uint32_t *ret_second) {
    const struct graph *g = plan->graph;
    const struct op *op = &g->ops[index];
    if (op->n_inputs != 1 || op->n_outputs != 1)
        return false;
    const struct tensor *x = &g->tensors[op->inputs[0]], *y = &g->tensors[op->outputs[0]];
    struct fixedpoint_lut p = {.in_scale = tensor_scale(x),
                               .out_scale = tensor_scale(y),
                               .in_zero = x->quant.zero_point,
                               .out_zero = y->quant.zero_point};
    *ret_output = (uint32_t)op->outputs[0];
    *ret_second = PLAN_NONE;
    if (!is_byte(x))
        return false;
    if (op->kind == OP_DEQUANTIZE) {
        uint32_t next = plan->consumer[op->outputs[0]];
        if (next == PLAN_NONE || g->ops[next].kind != OP_QUANTIZE)
            return false;
        const struct tensor *z = &g->tensors[g->ops[next].outputs[0]];
        if (!is_byte(z))
            return false;
        table_through_float(plan, x, z, table);
        *ret_output = (uint32_t)g->ops[next].outputs[0];
        *ret_second = next;
        return true;
    }
    if (!is_byte(y))
        return false;
    switch (op->kind) {
    case OP_LOGISTIC:
        fixedpoint_lut_logistic(&p, table);
        return true;
    case OP_TANH:
        fixedpoint_lut_tanh(&p, table);
        return true;
    case OP_RELU:
        fixedpoint_lut_relu(&p, table);
        return true;
    case OP_RELU6:
        fixedpoint_lut_relu6(&p, table);
        return true;
    case OP_RELU_N1_TO_1:
        fixedpoint_lut_relu_n1_to_1(&p, table);
        return true;
    case OP_LEAKY_RELU:
        fixedpoint_lut_leaky_relu(&p, op->leaky.alpha, table);
        return true;
    case OP_QUANTIZE:
        table_quantize(x, y, table);
        return true;
    default:
        return false;
    }
}

/* Enough for people; a chain of thousands must not become a text of thousands. */
#define FUSED_TEXT 120

static const char *append_name(struct plan *plan, const char *names, enum op_kind kind) {
    const char *name = op_kind_name(kind);
    if (!names)
        return name;
    if (strlen(names) > FUSED_TEXT)
        return names;
    size_t size = strlen(names) + strlen(name) + sizeof(", ");
    char *text = plan_alloc(plan, 1, size);
    if (text)
        snprintf(text, size, "%s, %s", names, name);
    return text;
}

/* Between the same scales QUANTIZE changes nothing, nor does a RELU of what is not negative. */
static bool is_identity(const uint8_t table[256]) {
    for (int i = 0; i < 256; i++)
        if (table[i] != i)
            return false;
    return true;
}

/* Plans the byte function at plan->op and all that follow it alone. Positive: it is none. */
#define NOT_A_BYTE_FUNCTION 100
static int plan_byte_chain(struct plan *plan) {
    uint8_t table[256];
    uint32_t output, second;
    if (!byte_function(plan, plan->op, table, &output, &second))
        return NOT_A_BYTE_FUNCTION;
    const char *names = NULL;
    if (second != PLAN_NONE) {
        plan->done[second] = true;
        names = append_name(plan, names, OP_QUANTIZE);
    }
    for (uint32_t next; (next = plan->consumer[output]) != PLAN_NONE;) {
        uint8_t then[256];
        uint32_t end;
        if (!byte_function(plan, next, then, &end, &second))
            break;
        output = end;
        for (int i = 0; i < 256; i++)
            table[i] = then[table[i]];
        plan->done[next] = true;
        names = append_name(plan, names, plan->graph->ops[next].kind);
        if (second != PLAN_NONE)
            plan->done[second] = true;
    }
    if (is_identity(table) && plan_space(plan, (uint32_t)plan_op(plan)->inputs[0]) != SPACE_STATE) {
        plan_alias(plan, output, (uint32_t)plan_op(plan)->inputs[0], 0);
        plan_note_free(plan);
        return 0;
    }
    uint8_t *kept = plan_alloc(plan, 256, 1);
    if (!kept)
        return err_origin(-ENOMEM);
    memcpy(kept, table, 256);
    uint32_t lut;
    int r = plan_const(plan, kept, 256, &lut);
    if (r)
        return r;
    return plan_step(plan, &(struct step_args){.fn = STEP_LUT_8,
                                               .inputs = {lut, (uint32_t)plan_op(plan)->inputs[0]},
                                               .n_inputs = 2,
                                               .outputs = {output},
                                               .n_outputs = 1,
                                               .count = tensor_elements(plan_in(plan, 0)),
                                               .fused = names});
}

/* A step with one operand in, one out and a count. */
static int plan_map(struct plan *plan, enum step_fn fn, const void *params, size_t params_size,
                    float arg0, float arg1, uint32_t output) {
    return plan_step(plan, &(struct step_args){.fn = fn,
                                               .params = params,
                                               .params_size = params_size,
                                               .inputs = {(uint32_t)plan_op(plan)->inputs[0]},
                                               .n_inputs = 1,
                                               .outputs = {output},
                                               .n_outputs = 1,
                                               .count = tensor_elements(plan_in(plan, 0)),
                                               .arg = {arg0, arg1}});
}

int plan_unary(struct plan *plan) {
    int r = plan_byte_chain(plan);
    if (r != NOT_A_BYTE_FUNCTION)
        return r;
    const struct op *op = plan_op(plan);
    uint32_t y = (uint32_t)op->outputs[0];
    switch (op->kind) {
    case OP_LOGISTIC:
        return plan_map(plan, STEP_LOGISTIC_F32, NULL, 0, 0, 0, y);
    case OP_TANH:
        return plan_map(plan, STEP_TANH_F32, NULL, 0, 0, 0, y);
    case OP_RELU:
        return plan_map(plan, STEP_CLAMP_F32, NULL, 0, 0.0F, INFINITY, y);
    case OP_RELU6:
        return plan_map(plan, STEP_CLAMP_F32, NULL, 0, 0.0F, 6.0F, y);
    case OP_RELU_N1_TO_1:
        return plan_map(plan, STEP_CLAMP_F32, NULL, 0, -1.0F, 1.0F, y);
    default:
        return plan_map(plan, STEP_LEAKY_RELU_F32, NULL, 0, op->leaky.alpha, 0, y);
    }
}

static const struct {
    enum dtype in, out;
    enum step_fn fn;
} conversions[] = {
    {DTYPE_FP32, DTYPE_INT8, STEP_QUANTIZE_F32_S8},
    {DTYPE_FP32, DTYPE_UINT8, STEP_QUANTIZE_F32_U8},
    {DTYPE_FP32, DTYPE_INT16, STEP_QUANTIZE_F32_S16},
    {DTYPE_INT8, DTYPE_FP32, STEP_DEQUANTIZE_S8_F32},
    {DTYPE_UINT8, DTYPE_FP32, STEP_DEQUANTIZE_U8_F32},
    {DTYPE_INT16, DTYPE_FP32, STEP_DEQUANTIZE_S16_F32},
    {DTYPE_INT8, DTYPE_INT16, STEP_REQUANTIZE_S8_S16},
    {DTYPE_INT8, DTYPE_INT32, STEP_REQUANTIZE_S8_S32},
    {DTYPE_INT16, DTYPE_INT8, STEP_REQUANTIZE_S16_S8},
    {DTYPE_INT16, DTYPE_INT16, STEP_REQUANTIZE_S16_S16},
    {DTYPE_INT16, DTYPE_INT32, STEP_REQUANTIZE_S16_S32},
};

int plan_quantize(struct plan *plan) {
    int r = plan_byte_chain(plan);
    if (r != NOT_A_BYTE_FUNCTION)
        return r;
    const struct tensor *x = plan_in(plan, 0), *y = plan_out(plan, 0);
    struct kern_quantize p = quantize_params(x, y);
    for (size_t i = 0; i < ARRAY_SIZE(conversions); i++)
        if (conversions[i].in == x->dtype && conversions[i].out == y->dtype)
            return plan_map(plan, conversions[i].fn, &p, sizeof(p), 0, 0,
                            (uint32_t)plan_op(plan)->outputs[0]);
    return plan_unsupported(plan, "no conversion between these datatypes");
}
