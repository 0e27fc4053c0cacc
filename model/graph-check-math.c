/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of elementwise arithmetic, activations, means and conversions.
 */

#include "model/graph-check.h"

#include <math.h>
#include <stdlib.h>

#define SCALE_TOLERANCE 1e-3F /* of the fixed output scales, as TensorFlow Lite allows */

/* Numpy broadcasting, right-aligned: each dim of `x` is the result's or 1. */
static bool broadcasts_to(const struct tensor *x, const struct tensor *y) {
    if (x->n_dims > y->n_dims)
        return false;
    for (int d = 0; d < x->n_dims; d++) {
        int32_t want = y->dims[y->n_dims - x->n_dims + d];
        if (x->dims[d] != want && x->dims[d] != 1)
            return false;
    }
    return true;
}

/* The dim of operand `x` under dim d of the result. */
static int32_t aligned_dim(const struct tensor *x, const struct tensor *y, int d) {
    int at = d - (y->n_dims - x->n_dims);
    return at < 0 ? 1 : x->dims[at];
}

static int check_binary(const struct op_check *c, bool *ret_is_int8) {
    const struct tensor *a = check_in(c, 0), *b = check_in(c, 1), *y = check_out(c, 0);
    int r = check_float_or_int8(c, ret_is_int8);
    if (r == 0)
        r = check_dtype(c, b, "operand 1", a->dtype);
    if (r == 0 && *ret_is_int8)
        r = check_per_tensor(c, b, "operand 1");
    if (r == 0 && *ret_is_int8)
        r = check_clamp(c, y, c->op->act);
    if (r)
        return r;
    if (!broadcasts_to(a, y) || !broadcasts_to(b, y))
        return check_invalid(c, "its operands do not broadcast to the result");
    for (int d = 0; d < y->n_dims; d++)
        if (MAX(aligned_dim(a, y, d), aligned_dim(b, y, d)) != y->dims[d])
            return check_invalid(c, "dimension %d of its result is in neither operand", d);
    return 0;
}

int check_add(const struct op_check *c) {
    bool is_int8;
    int r = check_binary(c, &is_int8);
    if (r || !is_int8)
        return r;
    double a = (double)check_in(c, 0)->quant.scales[0], b = (double)check_in(c, 1)->quant.scales[0];
    double y = (double)check_out(c, 0)->quant.scales[0];
    if (2 * MAX(a, b) / (0x1p20 * y) >= 1) /* the kernels shift right only */
        return check_unsupported(c,
                                 "the scale of its result is too small for those of its operands");
    return 0;
}

int check_mul(const struct op_check *c) {
    bool is_int8;
    int r = check_binary(c, &is_int8);
    if (r || !is_int8)
        return r;
    double a = (double)check_in(c, 0)->quant.scales[0], b = (double)check_in(c, 1)->quant.scales[0];
    return check_multiplier(c, a * b / (double)check_out(c, 0)->quant.scales[0]);
}

int check_extremum(const struct op_check *c) {
    bool is_int8;
    int r = check_binary(c, &is_int8);
    if (r)
        return r;
    const struct tensor *y = check_out(c, 0);
    if (!check_same_quant(check_in(c, 0), y) || !check_same_quant(check_in(c, 1), y))
        return check_unsupported(c, "operands and result differ in scale or zero point");
    return 0;
}

/* The result's dims are the input's without the reduced ones, or with 1 in their place. */
static bool mean_dims_ok(const struct tensor *x, const struct tensor *y, uint32_t axes) {
    bool keeps = y->n_dims == x->n_dims;
    int at = 0;
    for (int d = 0; d < x->n_dims; d++) {
        bool reduced = axes >> d & 1;
        if (reduced && !keeps)
            continue;
        if (at >= y->n_dims || y->dims[at] != (reduced ? 1 : x->dims[d]))
            return false;
        at++;
    }
    return at == y->n_dims;
}

int check_mean(const struct op_check *c) {
    const struct tensor *x = check_in(c, 0), *y = check_out(c, 0);
    uint32_t axes = c->op->mean.axes;
    bool is_int8;
    int r = check_float_or_int8(c, &is_int8);
    if (r)
        return r;
    if (axes == 0 || axes >> x->n_dims)
        return check_invalid(c, "its axes do not exist");
    if (!mean_dims_ok(x, y, axes))
        return check_invalid(c, "the dimensions of its result do not follow");
    if (!is_int8)
        return 0;
    if (tensor_elements(x) / tensor_elements(y) > CHECK_MAX_MEAN_INT8)
        return check_unsupported(c, "a mean of more than %d elements", CHECK_MAX_MEAN_INT8);
    return check_multiplier(c, (double)x->quant.scales[0] / (double)y->quant.scales[0]);
}

static int check_same_shape(const struct op_check *c) {
    if (check_same_dims(check_in(c, 0), check_out(c, 0)))
        return 0;
    return check_invalid(c, "input and result differ in their dimensions");
}

/* A function whose result has one fixed scale and zero point. */
static int check_fixed_output(const struct op_check *c, float scale, int32_t zero_point) {
    const struct quant *q = &check_out(c, 0)->quant;
    if (fabsf(q->scales[0] - scale) <= SCALE_TOLERANCE * scale && q->zero_point == zero_point)
        return 0;
    return check_unsupported(c, "scale %g and zero point %d of its result, not %g and %d",
                             (double)q->scales[0], q->zero_point, (double)scale, zero_point);
}

static int check_softmax_int8(const struct op_check *c) {
    const struct tensor *x = check_in(c, 0), *y = check_out(c, 0);
    int r = check_per_tensor(c, x, "the input");
    if (r == 0)
        r = check_per_tensor(c, y, "the result");
    if (r)
        return r;
    if ((double)c->op->softmax.beta * (double)x->quant.scales[0] < 0x1p-26)
        return check_unsupported(c, "its input scale times beta is below 2^-26");
    if (y->dtype == DTYPE_INT16)
        return check_fixed_output(c, 0x1p-16F, INT16_MIN);
    r = check_dtype(c, y, "the result", DTYPE_INT8);
    return r ? r : check_fixed_output(c, 0x1p-8F, INT8_MIN);
}

int check_softmax(const struct op_check *c) {
    const struct tensor *x = check_in(c, 0);
    float beta = c->op->softmax.beta;
    int r = check_same_shape(c);
    if (r)
        return r;
    if (x->n_dims == 0 || !(beta > 0 && beta <= 0x1p20F))
        return check_invalid(c, "beta %g, %d dimensions", (double)beta, x->n_dims);
    if (x->dtype == DTYPE_INT8)
        return check_softmax_int8(c);
    r = check_dtype(c, x, "the input", DTYPE_FP32);
    return r ? r : check_dtype(c, check_out(c, 0), "the result", DTYPE_FP32);
}

int check_sigmoid(const struct op_check *c) {
    bool is_int8;
    int r = check_same_shape(c);
    if (r == 0)
        r = check_float_or_int8(c, &is_int8);
    if (r || !is_int8)
        return r;
    if (check_in(c, 0)->quant.scales[0] < 0x1p-27F)
        return check_unsupported(c, "its input scale is below 2^-27");
    return c->op->kind == OP_TANH ? check_fixed_output(c, 0x1p-7F, 0)
                                  : check_fixed_output(c, 0x1p-8F, INT8_MIN);
}

int check_relu(const struct op_check *c) {
    bool is_int8;
    int r = check_same_shape(c);
    if (r == 0)
        r = check_float_or_int8(c, &is_int8);
    if (r)
        return r;
    float alpha = c->op->kind == OP_LEAKY_RELU ? c->op->leaky.alpha : 0;
    if (!(alpha >= -0x1p20F && alpha <= 0x1p20F))
        return check_invalid(c, "alpha is %g", (double)alpha);
    if (!is_int8)
        return 0;
    if (alpha < 0)
        return check_unsupported(c, "a negative alpha");
    double m = (double)check_in(c, 0)->quant.scales[0] / (double)check_out(c, 0)->quant.scales[0];
    r = check_multiplier(c, m);
    return r ? r : check_multiplier(c, m * (double)alpha);
}

int check_relu_n(const struct op_check *c) {
    bool is_int8;
    int r = check_same_shape(c);
    if (r == 0)
        r = check_float_or_int8(c, &is_int8);
    if (r || !is_int8)
        return r;
    if (!check_same_quant(check_in(c, 0), check_out(c, 0)))
        return check_unsupported(c, "input and result differ in scale or zero point");
    return check_clamp(c, check_in(c, 0), c->op->kind == OP_RELU6 ? ACT_RELU6 : ACT_RELU_N1_TO_1);
}

/* The conversions there are kernels for: bit `to` of the row `from`. */
static const uint16_t conversions[] = {
    [DTYPE_FP32] = BIT(DTYPE_INT8) | BIT(DTYPE_UINT8) | BIT(DTYPE_INT16),
    [DTYPE_INT8] = BIT(DTYPE_INT8) | BIT(DTYPE_UINT8) | BIT(DTYPE_INT16) | BIT(DTYPE_INT32),
    [DTYPE_UINT8] = BIT(DTYPE_INT8) | BIT(DTYPE_UINT8),
    [DTYPE_INT16] = BIT(DTYPE_INT8) | BIT(DTYPE_INT16) | BIT(DTYPE_INT32),
};

int check_quantize(const struct op_check *c) {
    const struct tensor *x = check_in(c, 0), *y = check_out(c, 0);
    if ((size_t)x->dtype >= ARRAY_SIZE(conversions) || !(conversions[x->dtype] & BIT(y->dtype)))
        return check_unsupported(c, "from %s to %s", dtype_name(x->dtype), dtype_name(y->dtype));
    int r = check_same_shape(c);
    if (r == 0)
        r = check_per_tensor(c, y, "the result");
    if (r || x->dtype == DTYPE_FP32)
        return r;
    r = check_per_tensor(c, x, "the input");
    if (r)
        return r;
    return check_multiplier(c, (double)x->quant.scales[0] / (double)y->quant.scales[0]);
}

int check_dequantize(const struct op_check *c) {
    const struct tensor *x = check_in(c, 0);
    if (x->dtype != DTYPE_INT8 && x->dtype != DTYPE_UINT8 && x->dtype != DTYPE_INT16)
        return check_unsupported(c, "from %s", dtype_name(x->dtype));
    int r = check_same_shape(c);
    if (r == 0)
        r = check_dtype(c, check_out(c, 0), "the result", DTYPE_FP32);
    return r ? r : check_per_tensor(c, x, "the input");
}
