/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of convolutions, matrix products and pools, and the quantization helpers all rules share.
 */

#include "model/graph-check.h"

#include <math.h>
#include <string.h>

/* Scales of activations: products and quotients of any three stay finite in single precision. */
#define MIN_SCALE 0x1p-40F
#define MAX_SCALE 0x1p40F
#define MAX_MULTIPLIER 0x1p30 /* beyond it the fixed-point form saturates */
#define MAX_CLAMP 0x1p30F

bool check_same_dims(const struct tensor *a, const struct tensor *b) {
    return a->n_dims == b->n_dims && memcmp(a->dims, b->dims, a->n_dims * sizeof(a->dims[0])) == 0;
}

bool check_same_quant(const struct tensor *a, const struct tensor *b) {
    return a->quant.n_scales == b->quant.n_scales && a->quant.zero_point == b->quant.zero_point &&
           (a->quant.n_scales <= 1 || a->quant.axis == b->quant.axis) &&
           (a->quant.n_scales == 0 ||
            memcmp(a->quant.scales, b->quant.scales, a->quant.n_scales * sizeof(float)) == 0);
}

int check_dtype(const struct op_check *c, const struct tensor *t, const char *what,
                enum dtype dtype) {
    if (t->dtype == dtype)
        return 0;
    return check_unsupported(c, "%s is %s, not %s", what, dtype_name(t->dtype), dtype_name(dtype));
}

int check_rank(const struct op_check *c, const struct tensor *t, const char *what, int n_dims) {
    if (t->n_dims == n_dims)
        return 0;
    return check_invalid(c, "%s has %d dimensions, not %d", what, t->n_dims, n_dims);
}

int check_per_tensor(const struct op_check *c, const struct tensor *t, const char *what) {
    if (t->quant.n_scales != 1)
        return check_invalid(c, "%s has %u scales, not 1", what, t->quant.n_scales);
    if (!(t->quant.scales[0] >= MIN_SCALE && t->quant.scales[0] <= MAX_SCALE))
        return check_unsupported(c, "%s has the scale %g", what, (double)t->quant.scales[0]);
    return 0;
}

int check_multiplier(const struct op_check *c, double m) {
    if (m >= 0 && m < MAX_MULTIPLIER)
        return 0;
    return check_unsupported(c, "its scales make the multiplier %g", m);
}

int check_clamp(const struct op_check *c, const struct tensor *y, enum activation act) {
    float bound = act == ACT_RELU6 ? 6.0F : act == ACT_RELU_N1_TO_1 ? 1.0F : 0.0F;
    if (bound / y->quant.scales[0] <= MAX_CLAMP)
        return 0;
    return check_unsupported(c, "its scale %g is too small for the fused activation",
                             (double)y->quant.scales[0]);
}

int check_float_or_int8(const struct op_check *c, bool *ret_is_int8) {
    const struct tensor *x = check_in(c, 0), *y = check_out(c, 0);
    if (x->dtype != DTYPE_FP32 && x->dtype != DTYPE_INT8)
        return check_unsupported(c, "operand 0 is %s", dtype_name(x->dtype));
    *ret_is_int8 = x->dtype == DTYPE_INT8;
    int r = check_dtype(c, y, "the result", x->dtype);
    if (r || !*ret_is_int8)
        return r;
    r = check_per_tensor(c, x, "operand 0");
    return r ? r : check_per_tensor(c, y, "the result");
}

/* One scale, one per output channel on axis `axis`, or one per group. */
static int check_weight_scales(const struct op_check *c, int axis) {
    const struct tensor *w = check_in(c, 1);
    const struct quant *q = &w->quant;
    if (!q->group && q->n_scales != 1 &&
        (q->n_scales != (uint32_t)w->dims[axis] || q->axis != axis))
        return check_invalid(c, "the weights have %u scales for %d channels", q->n_scales,
                             w->dims[axis]);
    return 0;
}

/* Integer weights under float activations. The sum of as many products as a scale covers fits 32 bits. */
static int check_hybrid_weights(const struct op_check *c, int axis) {
    const struct tensor *w = check_in(c, 1);
    const struct quant *q = &w->quant;
    if (w->dtype != DTYPE_INT8 && w->dtype != DTYPE_INT4)
        return check_unsupported(c, "the weights are %s under FP32", dtype_name(w->dtype));
    int r = check_weight_scales(c, axis);
    if (r)
        return r;
    if (q->zero_point != 0)
        return check_unsupported(c, "weights with a zero point under FP32");
    for (uint32_t i = 0; i < q->n_scales; i++)
        if (!(q->scales[i] > 0))
            return check_invalid(c, "scale %u of the weights is 0", i);
    size_t depth = tensor_elements(w) / (size_t)w->dims[axis];
    if (w->dtype == DTYPE_INT4 && depth % 2)
        return check_unsupported(c, "INT4 weights, %zu for each output channel", depth);
    if ((q->group ? q->group : depth) > CHECK_MAX_HYBRID)
        return check_unsupported(c, "a scale for more than %d weights", CHECK_MAX_HYBRID);
    return 0;
}

/* Weights and bias of a convolution or matrix product with the output channels on axis `axis` of the weights. */
static int check_weights(const struct op_check *c, int axis, bool is_int8) {
    const struct tensor *w = check_in(c, 1), *bias = check_in(c, 2);
    bool is_hybrid = !is_int8 && w->dtype != DTYPE_FP32;
    int r = is_hybrid ? check_hybrid_weights(c, axis)
                      : check_dtype(c, w, "the weights", is_int8 ? DTYPE_INT8 : DTYPE_FP32);
    if (r == 0 && bias) {
        r = check_dtype(c, bias, "the bias", is_int8 ? DTYPE_INT32 : DTYPE_FP32);
        if (r == 0 && tensor_elements(bias) != (size_t)w->dims[axis])
            r = check_invalid(c, "the bias has %zu elements for %d channels", tensor_elements(bias),
                              w->dims[axis]);
    }
    if (r || !is_int8)
        return r;
    if (w->quant.group)
        return check_unsupported(c, "INT8 activations with weights quantized in groups");
    return check_weight_scales(c, axis);
}

/* All multipliers x * w[i] / y. A matrix product with one scale forms the product in single precision. */
static int check_weight_multipliers(const struct op_check *c) {
    const struct quant *q = &check_in(c, 1)->quant;
    float x = check_in(c, 0)->quant.scales[0], y = check_out(c, 0)->quant.scales[0];
    for (uint32_t i = 0; i < q->n_scales; i++) {
        int r = check_multiplier(c, (double)x * (double)q->scales[i] / (double)y);
        if (r == 0)
            r = check_multiplier(c, (double)(x * q->scales[i]) / (double)y);
        if (r)
            return r;
    }
    return check_clamp(c, check_out(c, 0), c->op->act);
}

/* One axis of a sliding window: the sizes agree and every position of the window touches the image. */
struct window {
    int64_t in, out, kernel, stride, dilation, before, after;
};

static int check_window(const struct op_check *c, const char *axis, const struct window *w) {
    if (w->stride < 1 || w->dilation < 1 || w->kernel < 1 || w->stride > CHECK_MAX_WINDOW)
        return check_invalid(c, "stride, dilation or kernel of its %s is out of range", axis);
    int64_t reach = (w->kernel - 1) * w->dilation + 1;
    if (reach > CHECK_MAX_WINDOW)
        return check_unsupported(c, "its window reaches over %lld positions of %s",
                                 (long long)reach, axis);
    if (w->before < 0 || w->after < 0 || w->before >= reach || w->after >= reach)
        return check_invalid(c, "its padding of %s is out of range", axis);
    int64_t room = w->in + w->before + w->after - reach;
    if (room < 0 || room / w->stride + 1 != w->out)
        return check_invalid(c, "the %s of its result is %lld, which does not follow from %lld",
                             axis, (long long)w->out, (long long)w->in);
    return 0;
}

static int check_conv_windows(const struct op_check *c) {
    const struct tensor *x = check_in(c, 0), *w = check_in(c, 1), *y = check_out(c, 0);
    const struct op_conv *p = &c->op->conv;
    struct window h = {x->dims[1],    y->dims[1], w->dims[1],   p->stride_h,
                       p->dilation_h, p->pad_top, p->pad_bottom};
    struct window v = {x->dims[2],    y->dims[2],  w->dims[2],  p->stride_w,
                       p->dilation_w, p->pad_left, p->pad_right};
    int r = check_window(c, "height", &h);
    return r ? r : check_window(c, "width", &v);
}

/* What CONV_2D and DEPTHWISE_CONV_2D share; `axis` is that of the output channels in the filter. */
static int check_conv_common(const struct op_check *c, int axis) {
    const struct tensor *x = check_in(c, 0), *w = check_in(c, 1), *y = check_out(c, 0);
    bool is_int8;
    int r = check_rank(c, x, "the input", 4);
    if (r == 0)
        r = check_rank(c, w, "the filter", 4);
    if (r == 0)
        r = check_rank(c, y, "the result", 4);
    if (r == 0)
        r = check_float_or_int8(c, &is_int8);
    if (r == 0)
        r = check_weights(c, axis, is_int8);
    if (r == 0 && is_int8)
        r = check_weight_multipliers(c);
    if (r)
        return r;
    if (x->dims[0] != y->dims[0] || y->dims[3] != w->dims[axis])
        return check_invalid(c, "batch or channels of its result do not match");
    if (x->dims[0] != 1)
        return check_unsupported(c, "a declared shape of %d pictures", x->dims[0]);
    return check_conv_windows(c);
}

int check_conv(const struct op_check *c) {
    int r = check_conv_common(c, 0);
    if (r)
        return r;
    const struct tensor *x = check_in(c, 0), *w = check_in(c, 1);
    if (x->dims[3] % w->dims[3] || w->dims[0] % (x->dims[3] / w->dims[3]))
        return check_invalid(c, "%d input channels do not divide into groups of %d", x->dims[3],
                             w->dims[3]);
    return 0;
}

int check_depthwise(const struct op_check *c) {
    int r = check_conv_common(c, 3);
    if (r)
        return r;
    const struct tensor *x = check_in(c, 0), *w = check_in(c, 1);
    if (w->dims[0] != 1 || w->dims[3] % x->dims[3])
        return check_invalid(c, "%d filters for %d channels", w->dims[3], x->dims[3]);
    return 0;
}

int check_fully_connected(const struct op_check *c) {
    const struct tensor *x = check_in(c, 0), *w = check_in(c, 1), *y = check_out(c, 0);
    bool is_int8;
    int r = check_rank(c, w, "the weights", 2);
    if (r == 0)
        r = check_float_or_int8(c, &is_int8);
    if (r == 0)
        r = check_weights(c, 0, is_int8);
    if (r == 0 && is_int8)
        r = check_weight_multipliers(c);
    if (r)
        return r;
    size_t n = tensor_elements(x), depth = (size_t)w->dims[1], out = (size_t)w->dims[0];
    if (n % depth || tensor_elements(y) != n / depth * out || y->n_dims == 0 ||
        (size_t)y->dims[y->n_dims - 1] != out)
        return check_invalid(c, "%zu elements in, weights [%zu, %zu], %zu elements out", n, out,
                             depth, tensor_elements(y));
    return 0;
}

int check_pool(const struct op_check *c) {
    const struct tensor *x = check_in(c, 0), *y = check_out(c, 0);
    const struct op_pool *p = &c->op->pool;
    bool is_int8;
    int r = check_rank(c, x, "the input", 4);
    if (r == 0)
        r = check_rank(c, y, "the result", 4);
    if (r == 0)
        r = check_float_or_int8(c, &is_int8);
    if (r == 0 && is_int8)
        r = check_clamp(c, y, c->op->act);
    if (r)
        return r;
    if (!check_same_quant(x, y))
        return check_unsupported(c, "input and result differ in scale or zero point");
    if (x->dims[0] != y->dims[0] || x->dims[3] != y->dims[3])
        return check_invalid(c, "batch or channels of its result do not match");
    if (x->dims[0] != 1)
        return check_unsupported(c, "a declared shape of %d pictures", x->dims[0]);
    if ((int64_t)MIN(p->kernel_h, x->dims[1]) * MIN(p->kernel_w, x->dims[2]) > CHECK_MAX_MEAN_INT8)
        return check_unsupported(c, "a window of more than %d elements", CHECK_MAX_MEAN_INT8);
    struct window h = {x->dims[1], y->dims[1], p->kernel_h,  p->stride_h,
                       1,          p->pad_top, p->pad_bottom};
    struct window v = {x->dims[2], y->dims[2],  p->kernel_w, p->stride_w,
                       1,          p->pad_left, p->pad_right};
    r = check_window(c, "height", &h);
    return r ? r : check_window(c, "width", &v);
}
