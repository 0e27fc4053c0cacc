/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builtin operators of TFLite that become one operator of the graph: the table, and the readers of those that compute.
 * Parameters are read as they are; graph_check() judges them.
 */

#include "model/tflite-reader.h"

enum { PADDING_SAME = 0, PADDING_VALID = 1 };

/* Padding before and after one axis (tflite-int8.md 1.8): an odd element goes after. */
static void resolve_padding(struct tfl_op *o, int8_t padding, int64_t in, int64_t kernel,
                            int64_t stride, int64_t dilation, int32_t *ret_before,
                            int32_t *ret_after) {
    if (padding == PADDING_VALID)
        return;
    if (padding != PADDING_SAME || stride < 1 || dilation < 1) {
        tfl_invalid(o, "padding %d, stride %lld, dilation %lld", padding, (long long)stride,
                    (long long)dilation);
        return;
    }
    int64_t reach = (kernel - 1) * dilation + 1;
    int64_t out = (in + stride - 1) / stride;
    int64_t total = MAX((out - 1) * stride + reach - in, (int64_t)0);
    if (total > INT32_MAX) {
        tfl_unsupported(o, "%lld elements of padding", (long long)total);
        return;
    }
    *ret_before = (int32_t)(total / 2);
    *ret_after = (int32_t)(total - total / 2);
}

/* Operands of a convolution; false where they are no images and filters. */
static bool push_conv(struct tfl_op *o) {
    tfl_push(o, 0);
    tfl_push_filter(o, 1);
    tfl_push_bias(o, 2);
    if (o->err)
        return false;
    if (tfl_pushed(o, 0)->n_dims != 4 || tfl_pushed(o, 1)->n_dims != 4) {
        tfl_invalid(o, "input and filter have %d and %d dimensions, not 4",
                    tfl_pushed(o, 0)->n_dims, tfl_pushed(o, 1)->n_dims);
        return false;
    }
    return true;
}

static void finish_conv(struct tfl_op *o, int8_t padding) {
    struct op_conv *p = &o->op.conv;
    const struct tensor *x = tfl_pushed(o, 0), *w = tfl_pushed(o, 1);
    resolve_padding(o, padding, x->dims[1], w->dims[1], p->stride_h, p->dilation_h, &p->pad_top,
                    &p->pad_bottom);
    resolve_padding(o, padding, x->dims[2], w->dims[2], p->stride_w, p->dilation_w, &p->pad_left,
                    &p->pad_right);
    tfl_finish(o);
}

static void read_conv(struct tfl_op *o) {
    if (!push_conv(o))
        return;
    const struct fb_table *opts = &o->options;
    o->op.act = tfl_activation_field(o, 3);
    o->op.conv = (struct op_conv){.stride_w = fb_i32(opts, 1, 0),
                                  .stride_h = fb_i32(opts, 2, 0),
                                  .dilation_w = fb_i32(opts, 4, 1),
                                  .dilation_h = fb_i32(opts, 5, 1)};
    finish_conv(o, fb_i8(opts, 0, PADDING_SAME));
}

static void read_depthwise(struct tfl_op *o) {
    if (!push_conv(o))
        return;
    const struct fb_table *opts = &o->options;
    o->op.act = tfl_activation_field(o, 4); /* field 3, the multiplier, follows from the filter */
    o->op.conv = (struct op_conv){.stride_w = fb_i32(opts, 1, 0),
                                  .stride_h = fb_i32(opts, 2, 0),
                                  .dilation_w = fb_i32(opts, 5, 1),
                                  .dilation_h = fb_i32(opts, 6, 1)};
    finish_conv(o, fb_i8(opts, 0, PADDING_SAME));
}

static void read_fully_connected(struct tfl_op *o) {
    tfl_push(o, 0);
    tfl_push_filter(o, 1);
    tfl_push_bias(o, 2);
    o->op.act = tfl_activation_field(o, 0);
    if (fb_i8(&o->options, 1, 0) != 0)
        tfl_unsupported(o, "shuffled weights");
    tfl_finish(o);
}

static void read_pool(struct tfl_op *o) {
    const struct fb_table *opts = &o->options;
    struct op_pool *p = &o->op.pool;
    tfl_push(o, 0);
    if (o->err)
        return;
    const struct tensor *x = tfl_pushed(o, 0);
    if (x->n_dims != 4) {
        tfl_invalid(o, "the input has %d dimensions, not 4", x->n_dims);
        return;
    }
    *p = (struct op_pool){.stride_w = fb_i32(opts, 1, 0),
                          .stride_h = fb_i32(opts, 2, 0),
                          .kernel_w = fb_i32(opts, 3, 0),
                          .kernel_h = fb_i32(opts, 4, 0)};
    o->op.act = tfl_activation_field(o, 5);
    int8_t padding = fb_i8(opts, 0, PADDING_SAME);
    resolve_padding(o, padding, x->dims[1], p->kernel_h, p->stride_h, 1, &p->pad_top,
                    &p->pad_bottom);
    resolve_padding(o, padding, x->dims[2], p->kernel_w, p->stride_w, 1, &p->pad_left,
                    &p->pad_right);
    tfl_finish(o);
}

static void read_mean(struct tfl_op *o) {
    int32_t axes[GRAPH_MAX_DIMS];
    int n = tfl_ints(o, 1, GRAPH_MAX_DIMS, axes);
    tfl_push(o, 0);
    for (int i = 0; i < n && !o->err; i++) {
        int rank = tfl_pushed(o, 0)->n_dims;
        if (axes[i] < -rank || axes[i] >= rank)
            tfl_invalid(o, "axis %d of %d dimensions", axes[i], rank);
        else
            o->op.mean.axes |= 1U << (axes[i] < 0 ? axes[i] + rank : axes[i]);
    }
    tfl_finish(o);
}

/* Like tfl_push(); a quantized constant under a float operator is made float. */
static void push_term(struct tfl_op *o, uint32_t i) {
    struct tfl_tensor *t = tfl_required(o, i);
    int32_t index = GRAPH_NONE;
    if (t)
        o->err = o->is_float ? tfl_float_constant(o->reader, t, &index)
                             : tfl_value(o->reader, t, &index);
    tfl_push_index(o, index);
}

/* Arithmetic of two operands with a fused activation. */
static void read_arithmetic(struct tfl_op *o) {
    tfl_push(o, 0);
    push_term(o, 1);
    o->op.act = tfl_activation_field(o, 0);
    tfl_finish(o);
}

static void read_binary(struct tfl_op *o) {
    tfl_push(o, 0);
    tfl_push(o, 1);
    tfl_finish(o);
}

static void read_unary(struct tfl_op *o) {
    tfl_push(o, 0);
    tfl_finish(o);
}

static void read_softmax(struct tfl_op *o) {
    o->op.softmax.beta = fb_f32(&o->options, 0, 0);
    read_unary(o);
}

static void read_leaky_relu(struct tfl_op *o) {
    o->op.leaky.alpha = fb_f32(&o->options, 0, 0);
    read_unary(o);
}

/* Conversions read and write UINT8 itself where it is an input or output of the network. */
static void push_raw(struct tfl_op *o) {
    struct tfl_tensor *t = tfl_required(o, 0);
    if (t && t->raw_index != GRAPH_NONE && t->index == GRAPH_NONE)
        tfl_push_index(o, t->raw_index);
    else
        tfl_push(o, 0);
}

static void read_quantize(struct tfl_op *o) {
    push_raw(o);
    o->raw_result = true;
    tfl_finish(o);
}

/* Of a constant the result is a float constant, and there is nothing to compute. */
static void read_dequantize(struct tfl_op *o) {
    struct tfl_tensor *x = tfl_required(o, 0);
    if (!x)
        return;
    if (!x->data || x->type == TFL_INT16) {
        push_raw(o);
        tfl_finish(o);
        return;
    }
    int32_t index = o->outputs.count == 1 ? fb_i32_at(&o->outputs, 0) : -1;
    if (index < 0 || (uint32_t)index >= o->subgraph->n_tensors) {
        tfl_invalid(o, "its result does not exist");
        return;
    }
    struct tfl_tensor *y = &o->subgraph->tensors[index];
    if (y->data || y->index != GRAPH_NONE || y->type != TFL_FLOAT32)
        tfl_invalid(o, "its result already has a value or is not FLOAT32");
    else
        o->err = tfl_float_constant(o->reader, x, &y->index);
}

/* clang-format off */
static const struct tfl_op_kind kinds[] = {
    {0,   OP_ADD,               11,  read_arithmetic},
    {1,   OP_AVERAGE_POOL_2D,   5,   read_pool},
    {2,   OP_CONCATENATION,     10,  tfl_read_concatenation},
    {3,   OP_CONV_2D,           1,   read_conv},
    {4,   OP_DEPTHWISE_CONV_2D, 2,   read_depthwise},
    {6,   OP_DEQUANTIZE,        38,  read_dequantize},
    {9,   OP_FULLY_CONNECTED,   8,   read_fully_connected},
    {14,  OP_LOGISTIC,          0,   read_unary},
    {17,  OP_MAX_POOL_2D,       5,   read_pool},
    {18,  OP_MUL,               21,  read_arithmetic},
    {19,  OP_RELU,              0,   read_unary},
    {20,  OP_RELU_N1_TO_1,      0,   read_unary},
    {21,  OP_RELU6,             0,   read_unary},
    {22,  OP_RESHAPE,           17,  tfl_read_reshape},
    {25,  OP_SOFTMAX,           9,   read_softmax},
    {27,  OP_SVDF,              6,   tfl_read_svdf},
    {28,  OP_TANH,              0,   read_unary},
    {34,  OP_PAD,               22,  tfl_read_pad},
    {39,  OP_TRANSPOSE,         26,  tfl_read_transpose},
    {40,  OP_MEAN,              27,  read_mean},
    {41,  OP_SUB,               28,  read_arithmetic},
    {43,  OP_RESHAPE,           30,  tfl_read_reshape}, /* SQUEEZE */
    {44,  OP_LSTM,              71,  tfl_read_lstm},
    {45,  OP_STRIDED_SLICE,     32,  tfl_read_strided_slice},
    {49,  OP_SPLIT,             35,  tfl_read_split},
    {55,  OP_MAXIMUM,           39,  read_binary},
    {57,  OP_MINIMUM,           39,  read_binary},
    {60,  OP_PAD,               43,  tfl_read_pad}, /* PADV2 */
    {70,  OP_RESHAPE,           52,  tfl_read_reshape}, /* EXPAND_DIMS */
    {98,  OP_LEAKY_RELU,        75,  read_leaky_relu},
    {102, OP_SPLIT,             79,  tfl_read_split_v}, /* SPLIT_V */
    {114, OP_QUANTIZE,          89,  read_quantize},
    {129, 0,                    103, tfl_read_call_once},
    {142, 0,                    111, tfl_read_var_handle},
    {143, OP_READ_STATE,        112, tfl_read_read_variable},
    {144, OP_WRITE_STATE,       113, tfl_read_assign_variable},
};
/* clang-format on */

const struct tfl_op_kind *tfl_op_kind_find(int32_t code) {
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (kinds[i].code == code)
            return &kinds[i];
    return NULL;
}
