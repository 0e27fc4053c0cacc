/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of operators that only move data, whatever its type.
 */

#include "model/graph-check.h"

static int check_same_type(const struct op_check *c, const struct tensor *x,
                           const struct tensor *y) {
    int r = check_dtype(c, y, "the result", x->dtype);
    if (r)
        return r;
    if (!check_same_quant(x, y))
        return check_unsupported(c, "input and result differ in scale or zero point");
    return 0;
}

/* Whether `value` is one of the type's values; floats are bits. */
static bool raw_value_ok(enum dtype dtype, int32_t value) {
    switch (dtype) {
    case DTYPE_INT8:
        return value >= INT8_MIN && value <= INT8_MAX;
    case DTYPE_INT16:
        return value >= INT16_MIN && value <= INT16_MAX;
    default:
        return true;
    }
}

int check_pad(const struct op_check *c) {
    const struct tensor *x = check_in(c, 0), *y = check_out(c, 0);
    const struct op_pad *p = &c->op->pad;
    if (x->dtype != DTYPE_FP32 && x->dtype != DTYPE_INT8 && x->dtype != DTYPE_INT16 &&
        x->dtype != DTYPE_INT32)
        return check_unsupported(c, "the input is %s", dtype_name(x->dtype));
    int r = check_same_type(c, x, y);
    if (r == 0)
        r = check_rank(c, y, "the result", x->n_dims);
    if (r)
        return r;
    for (int d = 0; d < x->n_dims; d++) {
        int64_t want = (int64_t)x->dims[d] + p->before[d] + p->after[d];
        if (p->before[d] < 0 || p->after[d] < 0 || y->dims[d] != want)
            return check_invalid(c, "dimension %d: %d + %d + %d is not %d", d, p->before[d],
                                 x->dims[d], p->after[d], y->dims[d]);
    }
    if (!raw_value_ok(x->dtype, p->value))
        return check_invalid(c, "the padding value %d is out of range", p->value);
    return 0;
}

/* `part` equals `whole` but for the axis, whose size is added to *total. */
static int check_part(const struct op_check *c, const struct tensor *part,
                      const struct tensor *whole, int32_t axis, int64_t *total) {
    int r = check_same_type(c, part, whole);
    if (r == 0)
        r = check_rank(c, part, "a part", whole->n_dims);
    if (r)
        return r;
    for (int d = 0; d < whole->n_dims; d++)
        if (d != axis && part->dims[d] != whole->dims[d])
            return check_invalid(c, "dimension %d of a part is %d, not %d", d, part->dims[d],
                                 whole->dims[d]);
    *total += part->dims[axis];
    return 0;
}

static int check_parts(const struct op_check *c, const struct tensor *whole,
                       bool parts_are_inputs) {
    int32_t axis = c->op->axis.axis;
    if (axis < 0 || axis >= whole->n_dims)
        return check_invalid(c, "axis %d of %d dimensions", axis, whole->n_dims);
    int n = parts_are_inputs ? c->op->n_inputs : c->op->n_outputs;
    int64_t total = 0;
    for (int i = 0; i < n; i++) {
        int r =
            check_part(c, parts_are_inputs ? check_in(c, i) : check_out(c, i), whole, axis, &total);
        if (r)
            return r;
    }
    if (total != whole->dims[axis])
        return check_invalid(c, "its parts add up to %lld, not %d", (long long)total,
                             whole->dims[axis]);
    return 0;
}

int check_concatenation(const struct op_check *c) {
    return check_parts(c, check_out(c, 0), true);
}

int check_split(const struct op_check *c) {
    return check_parts(c, check_in(c, 0), false);
}

int check_reshape(const struct op_check *c) {
    const struct tensor *x = check_in(c, 0), *y = check_out(c, 0);
    if (tensor_elements(x) != tensor_elements(y))
        return check_invalid(c, "%zu elements in, %zu out", tensor_elements(x), tensor_elements(y));
    return check_same_type(c, x, y);
}

int check_transpose(const struct op_check *c) {
    const struct tensor *x = check_in(c, 0), *y = check_out(c, 0);
    const int32_t *perm = c->op->transpose.perm;
    uint32_t used = 0;
    int r = check_same_type(c, x, y);
    if (r == 0)
        r = check_rank(c, y, "the result", x->n_dims);
    if (r)
        return r;
    for (int d = 0; d < x->n_dims; d++) {
        if (perm[d] < 0 || perm[d] >= x->n_dims || used & BIT(perm[d]))
            return check_invalid(c, "not a permutation");
        used |= BIT(perm[d]);
        if (y->dims[d] != x->dims[perm[d]])
            return check_invalid(c, "dimension %d is %d, not %d", d, y->dims[d], x->dims[perm[d]]);
    }
    return 0;
}

int check_slice(const struct op_check *c) {
    const struct tensor *x = check_in(c, 0), *y = check_out(c, 0);
    const struct op_slice *p = &c->op->slice;
    int r = check_same_type(c, x, y);
    if (r)
        return r;
    int at = 0;
    for (int d = 0; d < x->n_dims; d++) {
        int64_t last = p->begin[d] + ((int64_t)p->count[d] - 1) * p->stride[d];
        if (p->count[d] < 1 || p->stride[d] == 0 || p->begin[d] < 0 || p->begin[d] >= x->dims[d] ||
            last < 0 || last >= x->dims[d])
            return check_invalid(c, "dimension %d: elements %d to %lld of %d", d, p->begin[d],
                                 (long long)last, x->dims[d]);
        if (at < y->n_dims && y->dims[at] == p->count[d])
            at++;
        else if (p->count[d] != 1) /* only an axis of one element may be absent */
            return check_invalid(c, "the dimensions of its result do not follow");
    }
    if (at != y->n_dims)
        return check_invalid(c, "the dimensions of its result do not follow");
    return 0;
}
