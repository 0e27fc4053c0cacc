/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of TFLite operators that move data: shapes, axes and paddings become parameters.
 */

#include <string.h>

#include "base/bytes.h"
#include "model/tflite-reader.h"

/* The value PADV2 fills with, as one raw element of the input's type. */
static int32_t pad_value(struct tfl_op *o) {
    struct tfl_tensor *t = tfl_required(o, 2);
    struct tensor value;
    if (!t)
        return 0;
    if (!t->data) {
        tfl_unsupported(o, "the padding value is not constant");
        return 0;
    }
    o->err = tfl_constant(o->reader, t, &value);
    if (o->err)
        return 0;
    if (tensor_elements(&value) != 1 || value.dtype != tfl_pushed(o, 0)->dtype) {
        tfl_invalid(o, "the padding value is %zu elements of %s", tensor_elements(&value),
                    dtype_name(value.dtype));
        return 0;
    }
    switch (value.size) {
    case 1:
        return *(const int8_t *)value.data;
    case 2:
        return (int16_t)load_le16(value.data);
    case 4:
        return (int32_t)load_le32(value.data);
    default:
        tfl_unsupported(o, "padding of %s", dtype_name(value.dtype));
        return 0;
    }
}

void tfl_read_pad(struct tfl_op *o) {
    int32_t pads[2 * GRAPH_MAX_DIMS];
    int n = tfl_ints(o, 1, 2 * GRAPH_MAX_DIMS, pads);
    tfl_push(o, 0);
    if (o->err)
        return;
    const struct tensor *x = tfl_pushed(o, 0);
    if (n != 2 * x->n_dims) {
        tfl_invalid(o, "%d paddings for %d dimensions", n, x->n_dims);
        return;
    }
    for (int d = 0; d < x->n_dims; d++) {
        o->op.pad.before[d] = pads[2 * d];
        o->op.pad.after[d] = pads[2 * d + 1];
    }
    bool has_value = o->inputs.count > 2;
    /* PAD fills with real 0: the zero point of integers, all bits clear otherwise. */
    o->op.pad.value = has_value ? pad_value(o) : x->quant.zero_point;
    tfl_finish(o);
}

/* Resolves a negative axis. */
static int32_t axis_of(struct tfl_op *o, int32_t axis, int rank) {
    if (axis >= -rank && axis < rank)
        return axis < 0 ? axis + rank : axis;
    tfl_invalid(o, "axis %d of %d dimensions", axis, rank);
    return 0;
}

void tfl_read_concatenation(struct tfl_op *o) {
    for (uint32_t i = 0; i < o->inputs.count && !o->err; i++)
        tfl_push(o, i);
    if (o->err)
        return;
    if (o->op.n_inputs == 0) {
        tfl_invalid(o, "no operands");
        return;
    }
    o->op.act = tfl_activation_field(o, 1);
    o->op.axis.axis = axis_of(o, fb_i32(&o->options, 0, 0), tfl_pushed(o, 0)->n_dims);
    tfl_finish(o);
}

/* The result's declared shape says it all, be the wanted one an operand, an option or both. */
void tfl_read_reshape(struct tfl_op *o) {
    tfl_push(o, 0);
    tfl_finish(o);
}

void tfl_read_transpose(struct tfl_op *o) {
    int32_t perm[GRAPH_MAX_DIMS];
    int n = tfl_ints(o, 1, GRAPH_MAX_DIMS, perm);
    tfl_push(o, 0);
    if (o->err)
        return;
    if (n != tfl_pushed(o, 0)->n_dims) {
        tfl_invalid(o, "%d axes for %d dimensions", n, tfl_pushed(o, 0)->n_dims);
        return;
    }
    for (int d = 0; d < n; d++)
        o->op.transpose.perm[d] = axis_of(o, perm[d], n);
    tfl_finish(o);
}

struct slice_masks {
    int32_t begin, end, shrink;
};

/* Begin, stride and count of one axis (tflite-int8.md section 6). */
static void resolve_slice(struct tfl_op *o, int d, const struct slice_masks *masks, int64_t begin,
                          int64_t end, int64_t stride) {
    int64_t dim = tfl_pushed(o, 0)->dims[d];
    int32_t bit = 1 << d;
    if (stride == 0) {
        tfl_invalid(o, "stride 0");
        return;
    }
    bool forward = stride > 0;
    int64_t low = forward ? 0 : -1, high = forward ? dim : dim - 1;
    begin = MIN(MAX(begin < 0 ? begin + dim : begin, low), high);
    end = MIN(MAX(end < 0 ? end + dim : end, low), high);
    if (masks->begin & bit)
        begin = forward ? 0 : dim - 1;
    if (masks->end & bit)
        end = forward ? dim : -1;
    if (masks->shrink & bit) {
        stride = 1;
        end = begin + 1;
    }
    int64_t count =
        stride > 0 ? (end - begin + stride - 1) / stride : (begin - end - stride - 1) / -stride;
    if (count < 1 || begin < 0 || begin >= dim) {
        tfl_invalid(o, "nothing is left of dimension %d", d);
        return;
    }
    o->op.slice.begin[d] = (int32_t)begin;
    o->op.slice.stride[d] = (int32_t)stride;
    o->op.slice.count[d] = (int32_t)count;
}

void tfl_read_strided_slice(struct tfl_op *o) {
    int32_t begin[GRAPH_MAX_DIMS], end[GRAPH_MAX_DIMS], stride[GRAPH_MAX_DIMS];
    int n = tfl_ints(o, 1, GRAPH_MAX_DIMS, begin);
    int n_end = tfl_ints(o, 2, GRAPH_MAX_DIMS, end);
    int n_stride = tfl_ints(o, 3, GRAPH_MAX_DIMS, stride);
    tfl_push(o, 0);
    const struct slice_masks masks = {.begin = fb_i32(&o->options, 0, 0),
                                      .end = fb_i32(&o->options, 1, 0),
                                      .shrink = fb_i32(&o->options, 4, 0)};
    if (fb_i32(&o->options, 2, 0) || fb_i32(&o->options, 3, 0) || fb_bool(&o->options, 5, false))
        tfl_unsupported(o, "ellipsis, new axes or offsets");
    if (o->err)
        return;
    int rank = tfl_pushed(o, 0)->n_dims;
    if (n != n_end || n != n_stride || n > rank) {
        tfl_invalid(o, "%d begins, %d ends, %d strides for %d dimensions", n, n_end, n_stride,
                    rank);
        return;
    }
    for (int d = 0; d < rank && !o->err; d++) {
        if (d < n) {
            resolve_slice(o, d, &masks, begin[d], end[d], stride[d]);
        } else { /* axes that are not mentioned stay whole */
            o->op.slice.stride[d] = 1;
            o->op.slice.count[d] = tfl_pushed(o, 0)->dims[d];
        }
    }
    tfl_finish(o);
}

/* Operand `value` is split along the axis that operand `axis` holds; the results' shapes are the parts'. */
static void read_split(struct tfl_op *o, uint32_t value, uint32_t axis) {
    int32_t at;
    int n = tfl_ints(o, axis, 1, &at);
    tfl_push(o, value);
    if (o->err)
        return;
    if (n != 1) {
        tfl_invalid(o, "%d axes", n);
        return;
    }
    o->op.axis.axis = axis_of(o, at, tfl_pushed(o, 0)->n_dims);
    tfl_finish(o);
}

void tfl_read_split(struct tfl_op *o) {
    read_split(o, 1, 0);
}

void tfl_read_split_v(struct tfl_op *o) {
    read_split(o, 0, 2);
}
