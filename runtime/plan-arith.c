/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pooling, mean, softmax and the operators of two operands.
 */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "kernels/fixedpoint.h"
#include "runtime/plan.h"

int plan_pool(struct plan *plan) {
    const struct op *op = plan_op(plan);
    const struct tensor *x = plan_in(plan, 0), *y = plan_out(plan, 0);
    struct clamp clamp = plan_clamp(op->act, y);
    const char *relu = NULL;
    uint32_t out = plan_fuse_relu(plan, (uint32_t)op->outputs[0], &clamp, &relu);
    struct kern_pool p = {
        .in_h = x->dims[1],
        .in_w = x->dims[2],
        .c = x->dims[3],
        .out_h = y->dims[1],
        .out_w = y->dims[2],
        .kernel_h = op->pool.kernel_h,
        .kernel_w = op->pool.kernel_w,
        .stride_h = op->pool.stride_h,
        .stride_w = op->pool.stride_w,
        .pad_top = op->pool.pad_top,
        .pad_left = op->pool.pad_left,
        .out_min = clamp.lo,
        .out_max = clamp.hi,
        .out_min_f = clamp.lo_f,
        .out_max_f = clamp.hi_f,
    };
    uint32_t input;
    const struct op_pad *pad = plan_taken_pad(plan, &input);
    if (pad) {
        p.pad_top += pad->before[1];
        p.pad_left += pad->before[2];
        p.in_h -= pad->before[1] + pad->after[1];
        p.in_w -= pad->before[2] + pad->after[2];
    }
    bool average = op->kind == OP_AVERAGE_POOL_2D, s8 = x->dtype == DTYPE_INT8;
    return plan_step(plan, &(struct step_args){
                               .fn = average ? (s8 ? STEP_AVG_POOL_S8 : STEP_AVG_POOL_F32)
                                             : (s8 ? STEP_MAX_POOL_S8 : STEP_MAX_POOL_F32),
                               .params = &p,
                               .params_size = sizeof(p),
                               .inputs = {input},
                               .n_inputs = 1,
                               .outputs = {out},
                               .n_outputs = 1,
                               .fused = plan_fused_names(plan, pad, relu),
                           });
}

/* The multiplier of an int8 mean: the count is divided into it (reference: QuantizedMeanOrSum). */
static void mean_multiplier(const struct tensor *x, const struct tensor *y, struct kern_mean *p) {
    int64_t n = 1;
    for (int32_t d = 0; d < p->n_dims; d++)
        if (p->axes >> d & 1)
            n *= p->dims[d];
    int32_t mult, shift;
    fixedpoint_quantize((double)tensor_scale(x) / (double)tensor_scale(y), &mult, &shift);
    int32_t bits = 63 - __builtin_clzll((unsigned long long)n);
    bits = MIN(bits, 31 + shift);
    bits = MIN(bits, 32);
    p->mult = (int32_t)(((int64_t)mult << bits) / n);
    p->shift = shift - bits;
    p->in_zero = x->quant.zero_point;
    p->out_zero = y->quant.zero_point;
}

int plan_mean(struct plan *plan) {
    const struct op *op = plan_op(plan);
    const struct tensor *x = plan_in(plan, 0), *y = plan_out(plan, 0);
    struct kern_mean p = {.n_dims = x->n_dims, .axes = op->mean.axes};
    for (int d = 0; d < x->n_dims; d++)
        p.dims[d] = x->dims[d];
    bool s8 = x->dtype == DTYPE_INT8;
    if (s8)
        mean_multiplier(x, y, &p);
    return plan_step(plan, &(struct step_args){.fn = s8 ? STEP_MEAN_S8 : STEP_MEAN_F32,
                                               .params = &p,
                                               .params_size = sizeof(p),
                                               .inputs = {(uint32_t)op->inputs[0]},
                                               .n_inputs = 1,
                                               .outputs = {(uint32_t)op->outputs[0]},
                                               .n_outputs = 1});
}

int plan_softmax(struct plan *plan) {
    const struct op *op = plan_op(plan);
    const struct tensor *x = plan_in(plan, 0);
    int32_t cols = x->n_dims ? x->dims[x->n_dims - 1] : 1;
    struct kern_softmax p = {
        .rows = (int32_t)(tensor_elements(x) / (size_t)cols),
        .cols = cols,
        .beta = op->softmax.beta,
    };
    bool s8 = x->dtype == DTYPE_INT8;
    if (s8) {
        double m = (double)op->softmax.beta * (double)tensor_scale(x) * (1 << 26);
        fixedpoint_quantize(fmin(m, (double)((1 << 30) - 1)), &p.mult, &p.shift);
        p.diff_min = -(int32_t)floor(31.0 * (1 << 26) / ldexp(1.0, p.shift));
        kern_softmax_prepare(&p);
    }
    bool to_s16 = plan_out(plan, 0)->dtype == DTYPE_INT16;
    enum step_fn fn = !s8 ? STEP_SOFTMAX_F32 : to_s16 ? STEP_SOFTMAX_S8_S16 : STEP_SOFTMAX_S8;
    return plan_step(plan, &(struct step_args){.fn = fn,
                                               .params = &p,
                                               .params_size = sizeof(p),
                                               .inputs = {(uint32_t)op->inputs[0]},
                                               .n_inputs = 1,
                                               .outputs = {(uint32_t)op->outputs[0]},
                                               .n_outputs = 1});
}

/* ---- two operands ---- */

/* Element strides of an operand within the output's dims, right-aligned; 0 where it is broadcast. */
static void broadcast_strides(const struct tensor *t, const struct tensor *y,
                              int32_t ret_stride[KERN_MAX_DIMS]) {
    int32_t stride = 1;
    for (int d = y->n_dims - 1; d >= 0; d--) {
        int own = d - (y->n_dims - t->n_dims);
        int32_t dim = own >= 0 ? t->dims[own] : 1;
        ret_stride[d] = dim == 1 ? 0 : stride;
        stride *= dim;
    }
}

/* Neighbouring dims that both operands walk alike become one: the usual case ends as a single long row. */
static void merge_dims(struct kern_binary *p) {
    int32_t n = 0;
    for (int32_t d = 0; d < p->n_dims; d++) {
        if (p->dims[d] == 1)
            continue;
        if (n > 0 && p->a_stride[n - 1] == p->a_stride[d] * p->dims[d] &&
            p->b_stride[n - 1] == p->b_stride[d] * p->dims[d]) {
            p->dims[n - 1] *= p->dims[d];
            p->a_stride[n - 1] = p->a_stride[d];
            p->b_stride[n - 1] = p->b_stride[d];
            continue;
        }
        p->dims[n] = p->dims[d];
        p->a_stride[n] = p->a_stride[d];
        p->b_stride[n] = p->b_stride[d];
        n++;
    }
    if (n == 0) {
        p->dims[0] = 1;
        p->a_stride[0] = p->b_stride[0] = 0;
        n = 1;
    }
    p->n_dims = n;
}

#define ADD_LEFT_SHIFT 20

/* ADD forms its multipliers in double, SUB in float, as the reference kernels do. */
static void add_multipliers(const struct tensor *a, const struct tensor *b, const struct tensor *y,
                            bool sub, struct kern_binary *p) {
    float s_a = tensor_scale(a), s_b = tensor_scale(b), s_y = tensor_scale(y);
    double m_a, m_b, m_y;
    if (sub) {
        float twice = 2.0F * fmaxf(s_a, s_b);
        float unit = (float)(1 << ADD_LEFT_SHIFT) * s_y;
        m_a = (double)(s_a / twice);
        m_b = (double)(s_b / twice);
        m_y = (double)(twice / unit);
    } else {
        double twice = 2.0 * (double)fmaxf(s_a, s_b);
        m_a = (double)s_a / twice;
        m_b = (double)s_b / twice;
        m_y = twice / ((double)(1 << ADD_LEFT_SHIFT) * (double)s_y);
    }
    fixedpoint_quantize(m_a, &p->a_mult, &p->a_shift);
    fixedpoint_quantize(m_b, &p->b_mult, &p->b_shift);
    fixedpoint_quantize(m_y, &p->out_mult, &p->out_shift);
}

static enum step_fn binary_fn(enum op_kind kind, bool s8) {
    switch (kind) {
    case OP_ADD:
        return s8 ? STEP_ADD_S8 : STEP_ADD_F32;
    case OP_SUB:
        return s8 ? STEP_SUB_S8 : STEP_SUB_F32;
    case OP_MUL:
        return s8 ? STEP_MUL_S8 : STEP_MUL_F32;
    case OP_MAXIMUM:
        return s8 ? STEP_MAX_S8 : STEP_MAX_F32;
    default:
        return s8 ? STEP_MIN_S8 : STEP_MIN_F32;
    }
}

int plan_binary(struct plan *plan) {
    const struct op *op = plan_op(plan);
    const struct tensor *a = plan_in(plan, 0), *b = plan_in(plan, 1), *y = plan_out(plan, 0);
    struct kern_binary p = {.n_dims = y->n_dims};
    for (int d = 0; d < y->n_dims; d++)
        p.dims[d] = y->dims[d];
    broadcast_strides(a, y, p.a_stride);
    broadcast_strides(b, y, p.b_stride);
    merge_dims(&p);

    bool s8 = y->dtype == DTYPE_INT8;
    struct clamp clamp = plan_clamp(op->act, y);
    const char *relu = NULL;
    uint32_t out = (uint32_t)op->outputs[0];
    if (op->kind != OP_MAXIMUM && op->kind != OP_MINIMUM) /* their kernels do not clamp */
        out = plan_fuse_relu(plan, out, &clamp, &relu);
    p.out_min = clamp.lo;
    p.out_max = clamp.hi;
    p.out_min_f = clamp.lo_f;
    p.out_max_f = clamp.hi_f;
    if (s8) {
        p.a_zero = a->quant.zero_point;
        p.b_zero = b->quant.zero_point;
        p.out_zero = y->quant.zero_point;
        if (op->kind == OP_ADD || op->kind == OP_SUB) {
            add_multipliers(a, b, y, op->kind == OP_SUB, &p);
            kern_add_prepare(&p, op->kind == OP_SUB);
        }
        if (op->kind == OP_MUL)
            fixedpoint_quantize((double)tensor_scale(a) * (double)tensor_scale(b) /
                                    (double)tensor_scale(y),
                                &p.out_mult, &p.out_shift);
    }
    return plan_step(
        plan, &(struct step_args){.fn = binary_fn(op->kind, s8),
                                  .params = &p,
                                  .params_size = sizeof(p),
                                  .inputs = {(uint32_t)op->inputs[0], (uint32_t)op->inputs[1]},
                                  .n_inputs = 2,
                                  .outputs = {out},
                                  .n_outputs = 1,
                                  .fused = relu});
}
