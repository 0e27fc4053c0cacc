/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model/graph: memory, and the check of one small network of each family, broken in one place at a time.
 */

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/graph.h"

static int32_t add(struct graph *g, enum dtype dtype, enum tensor_kind kind, int n_dims,
                   const int32_t *dims, float scale, int32_t zero_point) {
    struct tensor t = {.dtype = dtype, .kind = kind, .n_dims = (uint8_t)n_dims};
    memcpy(t.dims, dims, (size_t)n_dims * sizeof(*dims));
    t.size = dtype_bytes(dtype, tensor_elements(&t));
    if (scale > 0) {
        float *scales = graph_alloc(g, sizeof(float));
        *scales = scale;
        t.quant = (struct quant){.scales = scales, .n_scales = 1, .zero_point = zero_point};
    }
    if (kind == TENSOR_CONST)
        t.data = graph_alloc(g, t.size);
    int32_t index;
    ck_assert_int_eq(graph_add_tensor(g, &t, &index), 0);
    return index;
}

static void port(struct graph *g, int32_t **list, uint32_t *n, int32_t index, const char *name) {
    *list = graph_alloc(g, sizeof(int32_t));
    (*list)[0] = index;
    *n = 1;
    g->tensors[index].name = name;
}

#define D(...) ((int32_t[]){__VA_ARGS__})

/* int8 [1,5,5,2] -> CONV_2D 3x3 stride 2, SAME, 4 channels -> [1,3,3,4] */
static struct graph *conv_graph(void) {
    struct graph *g;
    ck_assert_int_eq(graph_new(&g), 0);
    int32_t x = add(g, DTYPE_INT8, TENSOR_ACTIVATION, 4, D(1, 5, 5, 2), 0.5F, -3);
    int32_t w = add(g, DTYPE_INT8, TENSOR_CONST, 4, D(4, 3, 3, 2), 0.01F, 0);
    int32_t b = add(g, DTYPE_INT32, TENSOR_CONST, 1, D(4), 0.005F, 0);
    int32_t y = add(g, DTYPE_INT8, TENSOR_ACTIVATION, 4, D(1, 3, 3, 4), 0.25F, 7);
    struct op op = {.kind = OP_CONV_2D, .act = ACT_RELU6, .n_inputs = 3, .n_outputs = 1};
    op.conv = (struct op_conv){2, 2, 1, 1, 1, 1, 1, 1};
    ck_assert_int_eq(graph_add_op(g, &op, D(x, w, b), &y), 0);
    port(g, &g->inputs, &g->n_inputs, x, "in");
    port(g, &g->outputs, &g->n_outputs, y, "out");
    return g;
}

/* One operator from x to y, both with names. */
static struct graph *unary_graph(const struct op *op, enum dtype from, int n_from,
                                 const int32_t *from_dims, enum dtype to, int n_to,
                                 const int32_t *to_dims) {
    struct graph *g;
    ck_assert_int_eq(graph_new(&g), 0);
    int32_t x =
        add(g, from, TENSOR_ACTIVATION, n_from, from_dims, from == DTYPE_FP32 ? 0 : 0.5F, 0);
    int32_t y = add(g, to, TENSOR_ACTIVATION, n_to, to_dims, to == DTYPE_FP32 ? 0 : 0.5F, 0);
    struct op copy = *op;
    copy.n_inputs = copy.n_outputs = 1;
    ck_assert_int_eq(graph_add_op(g, &copy, &x, &y), 0);
    port(g, &g->inputs, &g->n_inputs, x, "in");
    port(g, &g->outputs, &g->n_outputs, y, "out");
    return g;
}

static void check_is(struct graph *g, int code, const char *says) {
    struct diag diag = {.text = ""};
    int r = graph_check(g, &diag);
    ck_assert_msg(r == code, "code %d, expected %d: %s", r, code, diag.text);
    if (says)
        ck_assert_msg(strstr(diag.text, says), "'%s' does not say '%s'", diag.text, says);
    graph_free(g);
}

START_TEST(test_memory) {
    struct graph *g;
    ck_assert_int_eq(graph_new(&g), 0);
    ck_assert_str_eq(g->name, "");
    for (size_t size = 0; size < 100000; size += 977) {
        uint8_t *p = graph_alloc(g, size);
        ck_assert_uint_eq((uintptr_t)p % 16, 0);
        uint8_t any = 0;
        for (size_t i = 0; i < size; i++)
            any |= p[i];
        ck_assert_uint_eq(any, 0);
        memset(p, 0xff, size);
    }
    ck_assert_ptr_null(graph_alloc(g, SIZE_MAX));
    ck_assert_ptr_null(graph_alloc(g, SIZE_MAX - 64));
    ck_assert_str_eq(graph_strndup(g, "abcdef", 3), "abc");
    ck_assert_ptr_null(graph_free(g));
    ck_assert_ptr_null(graph_free(NULL));
}
END_TEST

START_TEST(test_limits) {
    struct graph *g;
    struct tensor t = {.dtype = DTYPE_INT8, .size = 1};
    struct op op = {.kind = OP_RELU, .n_inputs = 1, .n_outputs = 1};
    int32_t index;
    ck_assert_int_eq(graph_new(&g), 0);
    for (int32_t i = 0; i < GRAPH_MAX_TENSORS; i++) {
        ck_assert_int_eq(graph_add_tensor(g, &t, &index), 0);
        ck_assert_int_eq(index, i);
    }
    ck_assert_int_eq(graph_add_tensor(g, &t, &index), MODEL_E_UNSUPPORTED);
    for (int32_t i = 0; i < GRAPH_MAX_OPS; i++)
        ck_assert_int_eq(graph_add_op(g, &op, &i, &i), 0);
    ck_assert_int_eq(graph_add_op(g, &op, &index, &index), MODEL_E_UNSUPPORTED);
    ck_assert_int_eq(g->ops[17].inputs[0], 17);
    graph_free(g);
}
END_TEST

START_TEST(test_names) {
    ck_assert_str_eq(op_kind_name(OP_LSTM), "UNIDIRECTIONAL_SEQUENCE_LSTM");
    for (int kind = 1; kind < OP_KIND_END; kind++)
        ck_assert_ptr_nonnull(op_kind_name((enum op_kind)kind));
    ck_assert_ptr_null(op_kind_name((enum op_kind)0));
    ck_assert_ptr_null(op_kind_name(OP_KIND_END));
}
END_TEST

START_TEST(test_conv) {
    struct graph *g = conv_graph();
    ck_assert_uint_eq(graph_op_macs(g, &g->ops[0]), 3 * 3 * 4 * 3 * 3 * 2);
    check_is(g, 0, NULL);

    g = conv_graph();
    g->ops[0].conv.pad_bottom = 0;
    g->ops[0].conv.pad_top = 3; /* a window that touches only padding */
    check_is(g, MODEL_E_INVALID, "operator 0 (CONV_2D): its padding of height");
    g = conv_graph();
    g->ops[0].conv.stride_w = 3;
    check_is(g, MODEL_E_INVALID, "width");
    g = conv_graph();
    g->ops[0].conv.stride_h = 0;
    check_is(g, MODEL_E_INVALID, "height");
    g = conv_graph();
    g->ops[0].conv.dilation_h = 1 << 30;
    check_is(g, MODEL_E_UNSUPPORTED, "window");
    g = conv_graph();
    g->ops[0].act = ACT_TANH;
    check_is(g, MODEL_E_UNSUPPORTED, "activation");
    g = conv_graph();
    g->tensors[1].kind = TENSOR_ACTIVATION;
    g->tensors[1].data = NULL;
    check_is(g, MODEL_E_UNSUPPORTED, "not constant");
    g = conv_graph();
    g->tensors[2].dtype = DTYPE_FP32;
    g->tensors[2].quant = (struct quant){0};
    check_is(g, MODEL_E_UNSUPPORTED, "the bias is FP32");
    g = conv_graph();
    ((int32_t *)g->ops[0].inputs)[2] = GRAPH_NONE;
    check_is(g, 0, NULL);
    g = conv_graph();
    ((int32_t *)g->ops[0].inputs)[1] = GRAPH_NONE;
    check_is(g, MODEL_E_INVALID, "operand 1 is missing");
    g = conv_graph();
    ((int32_t *)g->ops[0].inputs)[0] = 4;
    check_is(g, MODEL_E_INVALID, "does not exist");
    g = conv_graph();
    ((int32_t *)g->ops[0].inputs)[0] = g->ops[0].outputs[0];
    check_is(g, MODEL_E_INVALID, "no value yet");
    g = conv_graph();
    ((int32_t *)g->ops[0].outputs)[0] = g->inputs[0];
    check_is(g, MODEL_E_INVALID, "already has a value");
    g = conv_graph();
    g->ops[0].kind = (enum op_kind)200;
    check_is(g, MODEL_E_INVALID, "no kind 200");
}
END_TEST

START_TEST(test_quantization) {
    static const float bad[] = {0, -1, NAN, INFINITY, 0x1p-41F, 0x1p41F};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct graph *g = conv_graph();
        g->tensors[0].quant.scales = &bad[i];
        struct diag diag;
        ck_assert_int_gt(graph_check(g, &diag), 0);
        graph_free(g);
    }
    struct graph *g = conv_graph();
    g->tensors[0].quant.zero_point = 128;
    check_is(g, MODEL_E_INVALID, "tensor 0: zero point 128");
    g = conv_graph();
    g->tensors[0].quant.zero_point = -128;
    check_is(g, 0, NULL);
    g = conv_graph();
    g->tensors[0].quant.n_scales = 0;
    g->tensors[0].quant.zero_point = 0;
    check_is(g, MODEL_E_INVALID, "0 scales");

    static const float per_channel[4] = {1, 2, 3, 4};
    g = conv_graph();
    g->tensors[1].quant = (struct quant){.scales = per_channel, .n_scales = 4};
    check_is(g, 0, NULL);
    g = conv_graph();
    g->tensors[1].quant = (struct quant){.scales = per_channel, .n_scales = 3, .axis = 1};
    check_is(g, MODEL_E_INVALID, "the weights have 3 scales for 4 channels");
    g = conv_graph();
    g->tensors[1].quant = (struct quant){.scales = per_channel, .n_scales = 2, .axis = 0};
    check_is(g, MODEL_E_INVALID, "tensor 1: 2 scales");
    g = conv_graph();
    g->tensors[1].quant = (struct quant){.scales = per_channel, .n_scales = 4, .zero_point = 1};
    check_is(g, MODEL_E_INVALID, "zero point");
    static const float large = 0x1p39F, small = 0x1p-20F;
    g = conv_graph();
    g->tensors[1].quant.scales = &large;
    g->tensors[3].quant.scales = &small;
    check_is(g, MODEL_E_UNSUPPORTED, "multiplier");
}
END_TEST

/* FP32 [1,5,5,2] -> CONV_2D 3x3, 4 channels, weights of `dtype`, one scale for all or `n_scales` in groups. */
static struct graph *hybrid_graph(enum dtype dtype, uint32_t group, uint32_t n_scales) {
    struct graph *g;
    ck_assert_int_eq(graph_new(&g), 0);
    int32_t x = add(g, DTYPE_FP32, TENSOR_ACTIVATION, 4, D(1, 5, 5, 2), 0, 0);
    int32_t w = add(g, dtype, TENSOR_CONST, 4, D(4, 3, 3, 2), 0, 0);
    int32_t b = add(g, DTYPE_FP32, TENSOR_CONST, 1, D(4), 0, 0);
    int32_t y = add(g, DTYPE_FP32, TENSOR_ACTIVATION, 4, D(1, 5, 5, 4), 0, 0);
    struct op op = {.kind = OP_CONV_2D, .act = ACT_RELU6, .n_inputs = 3, .n_outputs = 1};
    op.conv = (struct op_conv){1, 1, 1, 1, 1, 1, 1, 1};
    ck_assert_int_eq(graph_add_op(g, &op, D(x, w, b), &y), 0);
    port(g, &g->inputs, &g->n_inputs, x, "in");
    port(g, &g->outputs, &g->n_outputs, y, "out");
    float *scales = graph_alloc(g, n_scales * sizeof(float));
    for (uint32_t i = 0; i < n_scales; i++)
        scales[i] = 0.01F * (float)(i + 1);
    g->tensors[w].quant = (struct quant){.scales = scales, .n_scales = n_scales, .group = group};
    return g;
}

/* The weights' scales, to change. */
static float *scales_of(struct graph *g) {
    return (float *)g->tensors[1].quant.scales;
}

START_TEST(test_hybrid) {
    static const enum dtype dtypes[] = {DTYPE_INT8, DTYPE_INT4};
    for (size_t i = 0; i < 2; i++) {
        check_is(hybrid_graph(dtypes[i], 0, 1), 0, NULL);
        check_is(hybrid_graph(dtypes[i], 0, 4), 0, NULL);
        check_is(hybrid_graph(dtypes[i], 18, 4), 0, NULL);
        check_is(hybrid_graph(dtypes[i], 3, 24), 0, NULL);
        check_is(hybrid_graph(dtypes[i], 1, 72), 0, NULL);
        check_is(hybrid_graph(dtypes[i], 0, 3), MODEL_E_INVALID, "3 scales");
        check_is(hybrid_graph(dtypes[i], 0, 0), MODEL_E_INVALID, "0 scales for 4 channels");
        check_is(hybrid_graph(dtypes[i], 4, 18), MODEL_E_INVALID, "groups of 4 do not divide 18");
        check_is(hybrid_graph(dtypes[i], 36, 2), MODEL_E_INVALID, "groups of 36 do not divide 18");
        check_is(hybrid_graph(dtypes[i], 9, 4), MODEL_E_INVALID, "4 scales for groups of 9 of 72");
    }
    struct graph *g = hybrid_graph(DTYPE_INT4, 9, 8);
    ck_assert_uint_eq(graph_op_macs(g, &g->ops[0]), 5 * 5 * 4 * 18);
    scales_of(g)[7] = 0;
    check_is(g, MODEL_E_INVALID, "operator 0 (CONV_2D): scale 7 of the weights is 0");
    g = hybrid_graph(DTYPE_INT4, 9, 8);
    scales_of(g)[3] = INFINITY;
    check_is(g, MODEL_E_INVALID, "scale 3");
    g = hybrid_graph(DTYPE_INT8, 9, 8);
    g->tensors[1].quant.axis = 1;
    check_is(g, MODEL_E_INVALID, "8 scales for groups");
    g = hybrid_graph(DTYPE_INT8, 9, 8);
    g->tensors[1].quant.zero_point = 1;
    check_is(g, MODEL_E_INVALID, "zero point 1");
    g = hybrid_graph(DTYPE_INT8, 0, 1);
    g->tensors[1].quant.zero_point = 1;
    check_is(g, MODEL_E_UNSUPPORTED, "zero point");
    g = hybrid_graph(DTYPE_UINT8, 0, 1);
    check_is(g, MODEL_E_UNSUPPORTED, "the weights are UINT8 under FP32");
    g = hybrid_graph(DTYPE_INT4, 0, 1);
    g->tensors[1].size = 72;
    check_is(g, MODEL_E_INVALID, "72 bytes where 36 are needed");
    g = hybrid_graph(DTYPE_INT8, 0, 1);
    g->tensors[2].dtype = DTYPE_INT32;
    check_is(g, MODEL_E_UNSUPPORTED, "the bias is INT32");
    g = hybrid_graph(DTYPE_INT8, 0, 1);
    g->tensors[3].dtype = DTYPE_INT8;
    g->tensors[3].size = 100;
    check_is(g, MODEL_E_UNSUPPORTED, "the result is INT8");
    /* INT4 and groups are for such weights only. */
    g = conv_graph();
    g->tensors[1].quant.group = 18;
    g->tensors[1].quant.n_scales = 4;
    g->tensors[1].quant.scales = (const float[]){1, 1, 1, 1};
    check_is(g, MODEL_E_UNSUPPORTED, "INT8 activations with weights quantized in groups");
    g = conv_graph();
    g->tensors[1].dtype = DTYPE_INT4;
    g->tensors[1].size = 36;
    check_is(g, MODEL_E_UNSUPPORTED, "the weights is INT4, not INT8");
    g = hybrid_graph(DTYPE_INT8, 0, 1);
    g->tensors[0].dtype = DTYPE_INT4;
    g->tensors[0].size = 25;
    check_is(g, MODEL_E_INVALID, "tensor 0: INT4 is for weights only");
    g = hybrid_graph(DTYPE_INT4, 0, 1);
    g->ops[0].kind = OP_DEPTHWISE_CONV_2D;
    check_is(g, MODEL_E_UNSUPPORTED, "operand 1 is INT4");
    g = hybrid_graph(DTYPE_INT8, 0, 1);
    g->tensors[0].quant.group = 1;
    check_is(g, MODEL_E_INVALID, "tensor 0: scales in groups on a tensor that is no weights");
}
END_TEST

/* Depths about the largest sum that fits, and an odd number of INT4 weights. */
START_TEST(test_hybrid_depth) {
    for (int32_t depth = (1 << 17) - 1; depth <= (1 << 17) + 1; depth++) {
        struct graph *g;
        struct op op = {.kind = OP_FULLY_CONNECTED, .n_inputs = 3, .n_outputs = 1};
        ck_assert_int_eq(graph_new(&g), 0);
        int32_t x = add(g, DTYPE_FP32, TENSOR_ACTIVATION, 2, D(1, depth), 0, 0);
        int32_t w = add(g, DTYPE_INT8, TENSOR_CONST, 2, D(1, depth), 1, 0);
        int32_t y = add(g, DTYPE_FP32, TENSOR_ACTIVATION, 2, D(1, 1), 0, 0);
        ck_assert_int_eq(graph_add_op(g, &op, D(x, w, GRAPH_NONE), &y), 0);
        port(g, &g->inputs, &g->n_inputs, x, "in");
        port(g, &g->outputs, &g->n_outputs, y, "out");
        struct diag diag = {.text = ""};
        ck_assert_int_eq(graph_check(g, &diag), depth > 1 << 17 ? MODEL_E_UNSUPPORTED : 0);
        g->tensors[w].dtype = DTYPE_INT4;
        g->tensors[w].size = dtype_bytes(DTYPE_INT4, (size_t)depth);
        if (depth % 2)
            check_is(g, MODEL_E_UNSUPPORTED, "for each output channel");
        else
            check_is(g, 0, NULL);
    }
}
END_TEST

START_TEST(test_tensors) {
    struct graph *g = conv_graph();
    g->tensors[0].dims[1] = 0;
    check_is(g, MODEL_E_INVALID, "tensor 0: dimension 1 is 0");
    g = conv_graph();
    g->tensors[0].dims[1] = INT32_MAX;
    check_is(g, MODEL_E_UNSUPPORTED, "elements");
    g = conv_graph();
    g->tensors[0].n_dims = GRAPH_MAX_DIMS + 1;
    check_is(g, MODEL_E_INVALID, "type");
    g = conv_graph();
    g->tensors[0].size++;
    check_is(g, MODEL_E_INVALID, "bytes");
    g = conv_graph();
    g->tensors[2].data = (const char *)g->tensors[2].data + 2;
    check_is(g, MODEL_E_INVALID, "aligned");
    g = conv_graph();
    g->tensors[0].name = "a\xff";
    check_is(g, MODEL_E_INVALID, "UTF-8");
    g = conv_graph();
    g->tensors[0].name = "\xe2\x82\xac";
    check_is(g, 0, NULL);
    g = conv_graph();
    g->tensors[0].name = "";
    check_is(g, MODEL_E_INVALID, "input 0 has no name");
    g = conv_graph();
    g->n_outputs = 0;
    check_is(g, MODEL_E_INVALID, "0 outputs");
    g = conv_graph();
    g->outputs[0] = 0;
    check_is(g, MODEL_E_INVALID, "output 0 is not computed");
    g = conv_graph();
    add(g, DTYPE_INT8, TENSOR_ACTIVATION, 1, D(1), 0, 0);
    check_is(g, MODEL_E_INVALID, "tensor 4 is not computed");
}
END_TEST

START_TEST(test_pool) {
    struct op op = {.kind = OP_AVERAGE_POOL_2D, .pool = {3, 3, 2, 2, 1, 1, 1, 1}};
    check_is(unary_graph(&op, DTYPE_INT8, 4, D(1, 5, 5, 2), DTYPE_INT8, 4, D(1, 3, 3, 2)), 0, NULL);
    op.pool.pad_left = 3;
    check_is(unary_graph(&op, DTYPE_INT8, 4, D(1, 5, 5, 2), DTYPE_INT8, 4, D(1, 3, 4, 2)),
             MODEL_E_INVALID, "padding of width");
    op = (struct op){.kind = OP_MAX_POOL_2D, .pool = {1 << 12, 1 << 12, 1, 1}};
    int32_t half = (1 << 12) - 1;
    op.pool.pad_top = op.pool.pad_left = op.pool.pad_bottom = op.pool.pad_right = half;
    check_is(unary_graph(&op, DTYPE_INT8, 4, D(1, 512, 512, 1), DTYPE_INT8, 4,
                         D(1, 512 + half, 512 + half, 1)),
             MODEL_E_UNSUPPORTED, "multiplications");
}
END_TEST

START_TEST(test_moves) {
    struct op op = {.kind = OP_STRIDED_SLICE,
                    .slice = {.begin = {1, 4}, .stride = {1, -2}, .count = {1, 3}}};
    check_is(unary_graph(&op, DTYPE_FP32, 2, D(2, 5), DTYPE_FP32, 1, D(3)), 0, NULL);
    check_is(unary_graph(&op, DTYPE_FP32, 2, D(2, 5), DTYPE_FP32, 2, D(1, 3)), 0, NULL);
    check_is(unary_graph(&op, DTYPE_FP32, 2, D(2, 5), DTYPE_FP32, 2, D(3, 1)), MODEL_E_INVALID,
             "result");
    check_is(unary_graph(&op, DTYPE_FP32, 2, D(2, 4), DTYPE_FP32, 1, D(3)), MODEL_E_INVALID,
             "dimension 1");
    op.slice.stride[1] = INT32_MIN;
    check_is(unary_graph(&op, DTYPE_FP32, 2, D(2, 5), DTYPE_FP32, 1, D(3)), MODEL_E_INVALID,
             "dimension 1");

    op = (struct op){.kind = OP_TRANSPOSE, .transpose = {.perm = {1, 0}}};
    check_is(unary_graph(&op, DTYPE_INT8, 2, D(2, 5), DTYPE_INT8, 2, D(5, 2)), 0, NULL);
    op.transpose.perm[0] = 0;
    check_is(unary_graph(&op, DTYPE_INT8, 2, D(2, 2), DTYPE_INT8, 2, D(2, 2)), MODEL_E_INVALID,
             "permutation");

    op = (struct op){.kind = OP_PAD, .pad = {.before = {1}, .after = {2}, .value = -128}};
    check_is(unary_graph(&op, DTYPE_INT8, 1, D(2), DTYPE_INT8, 1, D(5)), 0, NULL);
    op.pad.value = -129;
    check_is(unary_graph(&op, DTYPE_INT8, 1, D(2), DTYPE_INT8, 1, D(5)), MODEL_E_INVALID, "-129");

    op = (struct op){.kind = OP_SPLIT, .axis = {.axis = 1}};
    check_is(unary_graph(&op, DTYPE_INT8, 2, D(2, 5), DTYPE_INT8, 2, D(2, 4)), MODEL_E_INVALID,
             "add up to 4");
    op = (struct op){.kind = OP_RESHAPE};
    check_is(unary_graph(&op, DTYPE_INT8, 2, D(2, 5), DTYPE_INT8, 1, D(9)), MODEL_E_INVALID,
             "10 elements in, 9 out");
    op = (struct op){.kind = OP_MEAN, .mean = {.axes = 2}};
    check_is(unary_graph(&op, DTYPE_INT8, 3, D(2, 5, 3), DTYPE_INT8, 2, D(2, 3)), 0, NULL);
    check_is(unary_graph(&op, DTYPE_INT8, 3, D(2, 5, 3), DTYPE_INT8, 3, D(2, 1, 3)), 0, NULL);
    check_is(unary_graph(&op, DTYPE_INT8, 3, D(2, 5, 3), DTYPE_INT8, 2, D(2, 5)), MODEL_E_INVALID,
             "dimensions");
}
END_TEST

START_TEST(test_functions) {
    struct op op = {.kind = OP_LOGISTIC};
    check_is(unary_graph(&op, DTYPE_FP32, 1, D(5), DTYPE_FP32, 1, D(5)), 0, NULL);
    check_is(unary_graph(&op, DTYPE_INT8, 1, D(5), DTYPE_INT8, 1, D(5)), MODEL_E_UNSUPPORTED,
             "scale 0.5 and zero point 0 of its result, not 0.00390625 and -128");
    op = (struct op){.kind = OP_SOFTMAX, .softmax = {.beta = NAN}};
    check_is(unary_graph(&op, DTYPE_FP32, 1, D(5), DTYPE_FP32, 1, D(5)), MODEL_E_INVALID, "beta");
    op = (struct op){.kind = OP_QUANTIZE};
    check_is(unary_graph(&op, DTYPE_FP32, 1, D(5), DTYPE_INT16, 1, D(5)), 0, NULL);
    check_is(unary_graph(&op, DTYPE_INT32, 1, D(5), DTYPE_INT8, 1, D(5)), MODEL_E_UNSUPPORTED,
             "from INT32 to INT8");
}
END_TEST

/* A state that is read and written back. */
static struct graph *state_graph(void) {
    struct op op = {.kind = OP_RELU};
    struct graph *g = unary_graph(&op, DTYPE_INT8, 1, D(5), DTYPE_INT8, 1, D(5));
    int32_t state = add(g, DTYPE_INT8, TENSOR_STATE, 1, D(5), 0.5F, 0);
    int32_t value = add(g, DTYPE_INT8, TENSOR_ACTIVATION, 1, D(5), 0.5F, 0);
    struct op read = {.kind = OP_READ_STATE, .n_inputs = 1, .n_outputs = 1};
    struct op write = {.kind = OP_WRITE_STATE, .n_inputs = 2};
    ck_assert_int_eq(graph_add_op(g, &read, &state, &value), 0);
    ck_assert_int_eq(graph_add_op(g, &write, D(state, value), NULL), 0);
    return g;
}

START_TEST(test_state) {
    check_is(state_graph(), 0, NULL);
    struct graph *g = state_graph();
    g->tensors[2].dims[0] = 4;
    g->tensors[2].size = 4;
    check_is(g, MODEL_E_INVALID, "operator 1 (READ_VARIABLE): state and value");
    g = state_graph();
    ((int32_t *)g->ops[2].inputs)[0] = 0;
    check_is(g, MODEL_E_INVALID, "operand 0 is not a state");
    g = state_graph();
    ((int32_t *)g->ops[0].inputs)[0] = 2;
    check_is(g, MODEL_E_INVALID, "operand 0 is a state");
}
END_TEST

/* int8 LSTM: x [1,2,3], 4 cells. */
static struct graph *lstm_graph(void) {
    struct graph *g;
    int32_t in[15];
    ck_assert_int_eq(graph_new(&g), 0);
    in[0] = add(g, DTYPE_INT8, TENSOR_ACTIVATION, 3, D(1, 2, 3), 0.05F, 1);
    for (int gate = 0; gate < 4; gate++) {
        in[1 + gate] = add(g, DTYPE_INT8, TENSOR_CONST, 2, D(4, 3), 0.01F, 0);
        in[5 + gate] = add(g, DTYPE_INT8, TENSOR_CONST, 2, D(4, 4), 0.01F, 0);
        in[9 + gate] = add(g, DTYPE_INT32, TENSOR_CONST, 1, D(4), 0, 0);
    }
    in[13] = add(g, DTYPE_INT8, TENSOR_STATE, 2, D(1, 4), 0.0078F, -2);
    in[14] = add(g, DTYPE_INT16, TENSOR_STATE, 2, D(1, 4), 0x1p-12F, 0);
    int32_t y = add(g, DTYPE_INT8, TENSOR_ACTIVATION, 3, D(1, 2, 4), 0.0078F, -2);
    struct op op = {.kind = OP_LSTM, .act = ACT_TANH, .n_inputs = 15, .n_outputs = 1};
    op.lstm.cell_clip = 10;
    ck_assert_int_eq(graph_add_op(g, &op, in, &y), 0);
    port(g, &g->inputs, &g->n_inputs, in[0], "in");
    port(g, &g->outputs, &g->n_outputs, y, "out");
    return g;
}

START_TEST(test_lstm) {
    static const float odd = 0.0003F, other = 0.01F;
    struct graph *g = lstm_graph();
    ck_assert_uint_eq(graph_op_macs(g, &g->ops[0]), 2 * 4 * 4 * (3 + 4));
    check_is(g, 0, NULL);
    g = lstm_graph();
    g->tensors[g->ops[0].inputs[14]].quant.scales = &odd;
    check_is(g, MODEL_E_UNSUPPORTED, "cell state");
    g = lstm_graph();
    g->tensors[g->ops[0].outputs[0]].quant.scales = &other;
    check_is(g, MODEL_E_UNSUPPORTED, "hidden state and result");
    g = lstm_graph();
    g->tensors[g->ops[0].inputs[6]].quant.zero_point = 1;
    check_is(g, MODEL_E_UNSUPPORTED, "operand 6 has a zero point");
    g = lstm_graph();
    g->ops[0].lstm.time_major = true; /* then the states are [2, 4] */
    check_is(g, MODEL_E_INVALID, "states");
    g = lstm_graph();
    g->ops[0].lstm.cell_clip = NAN;
    check_is(g, MODEL_E_INVALID, "cell clip");
    g = lstm_graph();
    g->ops[0].act = ACT_NONE;
    check_is(g, MODEL_E_UNSUPPORTED, "activation");
    g = lstm_graph();
    ((int32_t *)g->ops[0].inputs)[14] = g->ops[0].inputs[13];
    check_is(g, MODEL_E_INVALID, "state of another operator");
}
END_TEST

/* int8 SVDF: x [1,5], 4 filters of rank 2, 3 steps of memory. */
static struct graph *svdf_graph(void) {
    struct graph *g;
    int32_t in[5];
    ck_assert_int_eq(graph_new(&g), 0);
    in[0] = add(g, DTYPE_INT8, TENSOR_ACTIVATION, 2, D(1, 5), 0.05F, 1);
    in[1] = add(g, DTYPE_INT8, TENSOR_CONST, 2, D(4, 5), 0.01F, 0);
    in[2] = add(g, DTYPE_INT16, TENSOR_CONST, 2, D(4, 3), 0.01F, 0);
    in[3] = GRAPH_NONE;
    in[4] = add(g, DTYPE_INT16, TENSOR_STATE, 2, D(1, 12), 0.02F, 0);
    int32_t y = add(g, DTYPE_INT8, TENSOR_ACTIVATION, 2, D(1, 2), 0.1F, -2);
    struct op op = {.kind = OP_SVDF, .act = ACT_RELU, .n_inputs = 5, .n_outputs = 1};
    op.svdf.rank = 2;
    ck_assert_int_eq(graph_add_op(g, &op, in, &y), 0);
    port(g, &g->inputs, &g->n_inputs, in[0], "in");
    port(g, &g->outputs, &g->n_outputs, y, "out");
    return g;
}

START_TEST(test_svdf) {
    check_is(svdf_graph(), 0, NULL);
    struct graph *g = svdf_graph();
    g->ops[0].svdf.rank = 3;
    check_is(g, MODEL_E_INVALID, "rank 3 for 4 filters");
    g = svdf_graph();
    g->ops[0].svdf.rank = 0;
    check_is(g, MODEL_E_INVALID, "rank 0");
    g = svdf_graph();
    g->ops[0].act = ACT_TANH;
    check_is(g, MODEL_E_UNSUPPORTED, "activation");
    g = svdf_graph();
    struct tensor *state = &g->tensors[g->ops[0].inputs[4]];
    state->dtype = DTYPE_INT8; /* the time weights stay INT16 */
    state->size /= 2;
    check_is(g, MODEL_E_UNSUPPORTED, "weight matrix is INT16, not INT8");
    g = svdf_graph();
    state = &g->tensors[g->ops[0].inputs[4]];
    state->dims[1] = 11;
    state->size = 22;
    check_is(g, MODEL_E_INVALID, "its state is not [1, 4 * 3]");
}
END_TEST

static struct graph *add_graph(int n_b, const int32_t *b_dims, float result_scale) {
    struct graph *g;
    ck_assert_int_eq(graph_new(&g), 0);
    int32_t a = add(g, DTYPE_INT8, TENSOR_ACTIVATION, 2, D(3, 4), 0.05F, 1);
    int32_t b = add(g, DTYPE_INT8, TENSOR_CONST, n_b, b_dims, 0.05F, 1);
    int32_t y = add(g, DTYPE_INT8, TENSOR_ACTIVATION, 2, D(3, 4), result_scale, 0);
    struct op op = {.kind = OP_ADD, .n_inputs = 2, .n_outputs = 1};
    ck_assert_int_eq(graph_add_op(g, &op, D(a, b), &y), 0);
    port(g, &g->inputs, &g->n_inputs, a, "in");
    port(g, &g->outputs, &g->n_outputs, y, "out");
    return g;
}

START_TEST(test_broadcast) {
    check_is(add_graph(1, D(4), 0.1F), 0, NULL);
    check_is(add_graph(2, D(3, 1), 0.1F), 0, NULL);
    check_is(add_graph(0, D(0), 0.1F), 0, NULL);
    check_is(add_graph(1, D(3), 0.1F), MODEL_E_INVALID, "broadcast");
    check_is(add_graph(3, D(2, 3, 4), 0.1F), MODEL_E_INVALID, "broadcast");
    check_is(add_graph(1, D(4), 0x1p-30F), MODEL_E_UNSUPPORTED, "too small");
    struct graph *g = add_graph(1, D(4), 0.1F);
    g->ops[0].kind = OP_MAXIMUM;
    check_is(g, MODEL_E_UNSUPPORTED, "differ in scale");
}
END_TEST

START_TEST(test_served_names) {
    char name[GRAPH_MAX_SERVED_NAME + 2] = "";
    ck_assert(!graph_name_served(name));
    for (size_t n = 1; n <= GRAPH_MAX_SERVED_NAME; n++) {
        name[n - 1] = "aZ0._-"[n % 6];
        ck_assert(graph_name_served(name));
    }
    name[GRAPH_MAX_SERVED_NAME] = 'x';
    ck_assert(!graph_name_served(name));
    ck_assert(!graph_name_served("a b"));
    ck_assert(!graph_name_served("a/b"));
    ck_assert(!graph_name_served("\xc3\xa4"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("graph");
    TCase *tc = tcase_create("graph");
    tcase_add_test(tc, test_memory);
    tcase_add_test(tc, test_limits);
    tcase_add_test(tc, test_names);
    tcase_add_test(tc, test_conv);
    tcase_add_test(tc, test_quantization);
    tcase_add_test(tc, test_hybrid);
    tcase_add_test(tc, test_hybrid_depth);
    tcase_add_test(tc, test_tensors);
    tcase_add_test(tc, test_pool);
    tcase_add_test(tc, test_moves);
    tcase_add_test(tc, test_functions);
    tcase_add_test(tc, test_state);
    tcase_add_test(tc, test_lstm);
    tcase_add_test(tc, test_svdf);
    tcase_add_test(tc, test_broadcast);
    tcase_add_test(tc, test_served_names);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
