/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/: plans on small graphs built by hand: fusion, aliases, placement, batches, sessions, conversions.
 */

#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/attributes.h"
#include "base/error.h"
#include "base/random.h"
#include "model/frontend.h"
#include "model/graph.h"
#include "runtime/runtime.h"

static struct graph *graph;

static void setup(void) {
    ck_assert_int_eq(graph_new(&graph), 0);
}

static void teardown(void) {
    graph = graph_free(graph);
}

/* A tensor of up to four dims; `scale` 0: float. */
static int32_t tensor(const char *name, const int32_t dims[4], float scale, int32_t zero,
                      const void *data) {
    struct tensor t = {.name = name, .dtype = scale > 0 ? DTYPE_INT8 : DTYPE_FP32, .data = data};
    while (t.n_dims < 4 && dims[t.n_dims]) {
        t.dims[t.n_dims] = dims[t.n_dims];
        t.n_dims++;
    }
    t.kind = data ? TENSOR_CONST : TENSOR_ACTIVATION;
    t.size = tensor_elements(&t) * dtype_size(t.dtype);
    if (scale > 0) {
        float *s = graph_alloc(graph, sizeof(*s));
        *s = scale;
        t.quant = (struct quant){.scales = s, .n_scales = 1, .zero_point = zero};
    }
    int32_t index;
    ck_assert_int_eq(graph_add_tensor(graph, &t, &index), 0);
    return index;
}

static void op(enum op_kind kind, int32_t in0, int32_t in1, int32_t out) {
    struct op o = {.kind = kind, .n_inputs = in1 == GRAPH_NONE ? 1 : 2, .n_outputs = 1};
    ck_assert_int_eq(graph_add_op(graph, &o, (int32_t[]){in0, in1}, &out), 0);
}

static void io(const int32_t *in, uint32_t n_in, const int32_t *out, uint32_t n_out) {
    graph->inputs = graph_alloc(graph, n_in * sizeof(int32_t));
    graph->outputs = graph_alloc(graph, n_out * sizeof(int32_t));
    memcpy(graph->inputs, in, n_in * sizeof(int32_t));
    memcpy(graph->outputs, out, n_out * sizeof(int32_t));
    graph->n_inputs = n_in;
    graph->n_outputs = n_out;
}

static struct image *build(void) {
    struct diag diag = {""};
    ck_assert_msg(graph_check(graph, &diag) == 0, "%s", diag.text);
    struct image *image = NULL;
    ck_assert_msg(image_build(graph, TIER_C, &image, &diag) == 0, "%s", diag.text);
    return image;
}

static void run(const struct image *image, struct session *session, uint32_t batch, const void *x,
                void *y) {
    void *arena = aligned_alloc(RUNTIME_ARENA_ALIGN, MAX(image_arena_bytes(image), (size_t)64));
    ck_assert_int_eq(
        image_run(image, session, batch, (const void *[]){x}, (void *[]){y}, arena, NULL), 0);
    free(arena);
}

static const int32_t row4[4] = {1, 4, 0, 0};

START_TEST(test_chain_reuses_memory) {
    int32_t x = tensor("x", (int32_t[]){1, 1000, 0, 0}, 0, 0, NULL), last = x;
    for (int i = 0; i < 8; i++) {
        int32_t y = tensor("y", (int32_t[]){1, 1000, 0, 0}, 0, 0, NULL);
        op(i % 2 ? OP_TANH : OP_LOGISTIC, last, GRAPH_NONE, y);
        last = y;
    }
    io(&x, 1, &last, 1);
    _cleanup_(image_unrefp) struct image *image = build();
    /* Seven values between input and output, each in the place of the one before. */
    ck_assert_uint_eq(image_arena_bytes(image), 4032);
    ck_assert_str_eq(image_layer(image, 0).why, "");
    ck_assert_str_eq(image_layer(image, 1).why, "in place");
    ck_assert_uint_eq(image_n_layers(image), 8);
    float in[1000] = {0}, out[1000];
    run(image, NULL, 1, in, out);
    float v = 0;
    for (int i = 0; i < 8; i++)
        v = i % 2 ? tanhf(v) : 1.0F / (1.0F + expf(-v));
    ck_assert(fabsf(out[0] - v) < 1e-6F && out[0] == out[999]);
}
END_TEST

START_TEST(test_relu_fuses_into_add) {
    static const float b[4] = {1, -2, 3, -4};
    int32_t x = tensor("x", row4, 0, 0, NULL), c = tensor(NULL, row4, 0, 0, b);
    int32_t s = tensor(NULL, row4, 0, 0, NULL), y = tensor("y", row4, 0, 0, NULL);
    op(OP_ADD, x, c, s);
    op(OP_RELU, s, GRAPH_NONE, y);
    io(&x, 1, &y, 1);
    _cleanup_(image_unrefp) struct image *image = build();
    ck_assert_uint_eq(image_n_layers(image), 1);
    ck_assert_str_eq(image_layer(image, 0).fused, "RELU");
    float in[8] = {1, 1, 1, 1, 10, 10, 10, 10}, out[8];
    run(image, NULL, 2, in, out);
    const float want[8] = {2, 0, 4, 0, 11, 8, 13, 6};
    ck_assert_mem_eq(out, want, sizeof(want));
}
END_TEST

/* Whatever takes a RELU over, and whatever must not, gives what the two give one after the other. */
START_TEST(test_relu_behind_two_operands) {
    static const enum op_kind kinds[] = {OP_ADD, OP_SUB, OP_MUL, OP_MAXIMUM, OP_MINIMUM};
    static const enum op_kind relus[] = {OP_RELU, OP_RELU6, OP_RELU_N1_TO_1};
    float scale = _i % 2 ? 0.1F : 0;
    for (size_t k = 0; k < ARRAY_SIZE(kinds) * ARRAY_SIZE(relus); k++) {
        uint8_t out[2][2][64] = {{{0}}};
        for (int apart = 0; apart < 2; apart++) {
            teardown();
            setup();
            int32_t a = tensor("a", row4, scale, 3, NULL), b = tensor("b", row4, scale, 3, NULL);
            int32_t s = tensor("s", row4, scale, 3, NULL), y = tensor("y", row4, scale, 3, NULL);
            op(kinds[k % ARRAY_SIZE(kinds)], a, b, s);
            op(relus[k / ARRAY_SIZE(kinds)], s, GRAPH_NONE, y);
            /* What is an output too is not fused away. */
            io((int32_t[]){a, b}, 2, (int32_t[]){y, s}, apart ? 2 : 1);
            _cleanup_(image_unrefp) struct image *image = build();
            const float real[2][4] = {{-5, -5, 3, -1}, {-2, -9, 4, 0.5F}};
            uint8_t in[2][16];
            for (uint32_t i = 0; i < 2; i++)
                ck_assert_int_eq(
                    port_quantize(image_input(image, i), DTYPE_FP32, real[i], 4, in[i]), 0);
            char arena[4096] __attribute__((aligned(RUNTIME_ARENA_ALIGN)));
            ck_assert_uint_le(image_arena_bytes(image), sizeof(arena));
            ck_assert_int_eq(image_run(image, NULL, 1, (const void *[]){in[0], in[1]},
                                       (void *[]){out[apart][0], out[apart][1]}, arena, NULL),
                             0);
        }
        ck_assert_mem_eq(out[0][0], out[1][0], sizeof(out[0][0]));
    }
}
END_TEST

START_TEST(test_byte_chain_is_one_table) {
    int32_t x = tensor("x", row4, 0.05F, 3, NULL);
    int32_t a = tensor(NULL, row4, 1.0F / 256, -128, NULL);
    int32_t f = tensor(NULL, row4, 0, 0, NULL), y = tensor("y", row4, 1.0F / 128, 0, NULL);
    op(OP_LOGISTIC, x, GRAPH_NONE, a);
    op(OP_DEQUANTIZE, a, GRAPH_NONE, f);
    op(OP_QUANTIZE, f, GRAPH_NONE, y);
    io(&x, 1, &y, 1);
    _cleanup_(image_unrefp) struct image *image = build();
    ck_assert_uint_eq(image_n_layers(image), 1);
    ck_assert_str_eq(image_layer(image, 0).kernel, "lut_8");
    int8_t in[4] = {3, 127, -128, 23}, out[4];
    run(image, NULL, 1, in, out);
    ck_assert_int_eq(out[0], 64); /* sigmoid(0) = 0.5 */
    ck_assert_int_eq(out[1], 127);
    ck_assert_int_eq(out[2], 0);
    ck_assert_int_eq(out[3], 94); /* sigmoid(1) = 0.731: 187 / 256, rounded to 128ths, halves up */
}
END_TEST

/* A QUANTIZE between the same scales is no step, nor is a RELU of what cannot be negative. */
START_TEST(test_identities_are_free) {
    int32_t x = tensor("x", row4, 1.0F / 256, -128, NULL);
    int32_t a = tensor(NULL, row4, 1.0F / 256, -128, NULL);
    int32_t f = tensor(NULL, row4, 0, 0, NULL), b = tensor(NULL, row4, 1.0F / 256, -128, NULL);
    int32_t y = tensor("y", row4, 1.0F / 256, -128, NULL);
    op(OP_RELU, x, GRAPH_NONE, a);
    op(OP_DEQUANTIZE, a, GRAPH_NONE, f);
    op(OP_QUANTIZE, f, GRAPH_NONE, b);
    op(OP_MAXIMUM, b, b, y);
    io(&x, 1, &y, 1);
    _cleanup_(image_unrefp) struct image *image = build();
    ck_assert_uint_eq(image_n_layers(image), 1);
    ck_assert_str_eq(image_layer(image, 0).why, "RELU before it is free");
    int8_t in[4] = {-128, -1, 0, 127}, out[4];
    run(image, NULL, 1, in, out);
    ck_assert_mem_eq(out, in, 4);
}
END_TEST

/* PAD with the lowest value and MAX_POOL_2D: one step, unless a window would see nothing but padding. */
START_TEST(test_pad_before_a_pool) {
    static const int32_t lowest = (int32_t)0xff800000;
    for (int32_t wide = 0; wide < 2; wide++) {
        teardown();
        setup();
        int32_t side = wide ? 6 : 4, out_side = side / 2;
        int32_t x = tensor("x", (int32_t[4]){1, 2, 2, 1}, 0, 0, NULL);
        int32_t p = tensor(NULL, (int32_t[4]){1, side, side, 1}, 0, 0, NULL);
        int32_t y = tensor("y", (int32_t[4]){1, out_side, out_side, 1}, 0, 0, NULL);
        struct op o = {.kind = OP_PAD, .n_inputs = 1, .n_outputs = 1};
        o.pad = (struct op_pad){.value = lowest};
        for (int d = 1; d < 3; d++)
            o.pad.before[d] = o.pad.after[d] = wide ? 2 : 1;
        ck_assert_int_eq(graph_add_op(graph, &o, &x, &p), 0);
        o = (struct op){.kind = OP_MAX_POOL_2D, .n_inputs = 1, .n_outputs = 1};
        o.pool = (struct op_pool){.kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2};
        ck_assert_int_eq(graph_add_op(graph, &o, &p, &y), 0);
        io(&x, 1, &y, 1);
        _cleanup_(image_unrefp) struct image *image = build();
        ck_assert_uint_eq(image_n_layers(image), wide ? 3 : 1);
        float in[4] = {-1, -2, -3, -4}, out[9];
        run(image, NULL, 1, in, out);
        ck_assert(wide ? out[0] == -INFINITY && out[4] == -1 : out[0] == -1 && out[3] == -4);
    }
}
END_TEST

static void transpose(int32_t in, int32_t out) {
    struct op o = {.kind = OP_TRANSPOSE, .n_inputs = 1, .n_outputs = 1};
    memcpy(o.transpose.perm, (int32_t[]){0, 2, 1}, 3 * sizeof(int32_t));
    ck_assert_int_eq(graph_add_op(graph, &o, &in, &out), 0);
}

/* Values that overlap by mistake show in a transposition: it cannot be done in place. */
START_TEST(test_byte_chain_ends_at_a_reshape) {
    static const int32_t square[4] = {1, 2, 2, 0};
    const float scale = 1.0F / 256;
    int32_t x = tensor("x", row4, 0.05F, 3, NULL), a = tensor(NULL, row4, scale, -128, NULL);
    int32_t b = tensor(NULL, square, scale, -128, NULL),
            t = tensor(NULL, square, scale, -128, NULL);
    int32_t y = tensor("y", square, scale, -128, NULL);
    op(OP_LOGISTIC, x, GRAPH_NONE, a);
    op(OP_RESHAPE, a, GRAPH_NONE, b);
    transpose(b, t);
    transpose(t, y);
    io(&x, 1, &y, 1);
    _cleanup_(image_unrefp) struct image *image = build();
    int8_t in[4] = {3, 127, -128, 23}, out[4];
    run(image, NULL, 1, in, out);
    const int8_t want[4] = {0, 127, -128, 59};
    ck_assert_mem_eq(out, want, sizeof(want));
}
END_TEST

START_TEST(test_outputs_that_are_no_results) {
    /* A reshape of the input, and a result with a reshape of it. */
    int32_t x = tensor("x", row4, 0, 0, NULL), y = tensor("y", row4, 0, 0, NULL);
    int32_t r = tensor("r", (int32_t[]){2, 2, 0, 0}, 0, 0, NULL);
    int32_t q = tensor("q", (int32_t[]){2, 2, 0, 0}, 0, 0, NULL);
    op(OP_RESHAPE, x, GRAPH_NONE, r);
    op(OP_TANH, x, GRAPH_NONE, y);
    op(OP_RESHAPE, y, GRAPH_NONE, q);
    io(&x, 1, (int32_t[]){y, r, q}, 3);
    _cleanup_(image_unrefp) struct image *image = build();
    float in[4] = {0.5F, -1, 0, 2}, out[3][4];
    void *arena = aligned_alloc(RUNTIME_ARENA_ALIGN, 4096);
    ck_assert_uint_le(image_arena_bytes(image), 4096);
    ck_assert_int_eq(image_run(image, NULL, 1, (const void *[]){in},
                               (void *[]){out[0], out[1], out[2]}, arena, NULL),
                     0);
    free(arena);
    ck_assert_mem_eq(out[1], in, sizeof(in));
    ck_assert_mem_eq(out[0], out[2], sizeof(in));
    ck_assert(out[0][3] == tanhf(2));
}
END_TEST

/* A pruned layer runs sparsely, in the memory that takes; one that is not pruned enough says so. */
START_TEST(test_pruned) {
    enum { SIDE = 512 };
    static float weights[SIDE * SIDE];
    static const unsigned every[] = {20, 2};
    for (size_t round = 0; round < ARRAY_SIZE(every); round++) {
        memset(weights, 0, sizeof(weights));
        for (size_t i = 0; i < ARRAY_SIZE(weights); i += every[round])
            weights[i] = 1;
        graph = graph_free(graph);
        setup();
        int32_t x = tensor("x", (int32_t[4]){1, SIDE}, 0, 0, NULL);
        int32_t w = tensor(NULL, (int32_t[4]){SIDE, SIDE}, 0, 0, weights);
        int32_t y = tensor("y", (int32_t[4]){1, SIDE}, 0, 0, NULL);
        struct op o = {.kind = OP_FULLY_CONNECTED, .n_inputs = 3, .n_outputs = 1};
        ck_assert_int_eq(graph_add_op(graph, &o, (int32_t[]){x, w, GRAPH_NONE}, &y), 0);
        io(&x, 1, &y, 1);
        _cleanup_(image_unrefp) struct image *image = build();
        const struct layer_info info = image_layer(image, 0);
        if (round == 0) {
            ck_assert_str_eq(info.kernel, "sparse_f32_1x16_c");
            ck_assert_uint_lt(info.weight_bytes, sizeof(weights) / 10);
        } else {
            ck_assert_str_eq(info.why, "sparse_f32_1x16_c: density 0.50 is above the crossover "
                                       "0.18 of single weights");
        }
        float in[SIDE], out[SIDE];
        for (size_t i = 0; i < SIDE; i++)
            in[i] = (float)(i % 7);
        run(image, NULL, 1, in, out);
        for (size_t r = 0; r < SIDE; r++) {
            float sum = 0;
            for (size_t c = 0; c < SIDE; c++)
                sum += weights[r * SIDE + c] * in[c];
            ck_assert_float_eq(out[r], sum);
        }
    }
}
END_TEST

/* A layer says which kernels were passed over, and what came for free before it, or behind the last one. */
START_TEST(test_layers_say_why) {
    static const float weights[8] = {1, 1, 1, 1, 2, 1, 1, 1};
    int32_t x = tensor("x", (int32_t[]){1, 2, 2, 0}, 0, 0, NULL);
    int32_t flat = tensor(NULL, row4, 0, 0, NULL), y = tensor(NULL, (int32_t[4]){1, 2}, 0, 0, NULL);
    int32_t w = tensor(NULL, (int32_t[4]){2, 4}, 0, 0, weights);
    int32_t z = tensor("z", (int32_t[4]){2, 1}, 0, 0, NULL);
    op(OP_RESHAPE, x, GRAPH_NONE, flat);
    struct op o = {.kind = OP_FULLY_CONNECTED, .n_inputs = 3, .n_outputs = 1};
    ck_assert_int_eq(graph_add_op(graph, &o, (int32_t[]){flat, w, GRAPH_NONE}, &y), 0);
    op(OP_RESHAPE, y, GRAPH_NONE, z);
    io(&x, 1, &z, 1);
    _cleanup_(image_unrefp) struct image *image = build();
    ck_assert_uint_eq(image_n_layers(image), 1);
    ck_assert_str_eq(image_layer(image, 0).why,
                     "RESHAPE before it is free; first choice; RESHAPE behind it is free");
    float in[4] = {7, 8, 9, 10}, out[2];
    run(image, NULL, 1, in, out);
    ck_assert(out[0] == 34 && out[1] == 41);
}
END_TEST

/* y = state; state = x: answers the input of the step before. With `early` the state is written before y is read. */
static struct image *delay_network(bool early) {
    static const float initial[4] = {9, 8, 7, 6};
    int32_t x = tensor("x", row4, 0, 0, NULL), s = tensor("s", row4, 0, 0, initial);
    graph->tensors[s].kind = TENSOR_STATE;
    int32_t v = tensor(NULL, row4, 0, 0, NULL), y = tensor("y", row4, 0, 0, NULL);
    op(OP_READ_STATE, s, GRAPH_NONE, v);
    struct op write = {.kind = OP_WRITE_STATE, .n_inputs = 2};
    if (early)
        ck_assert_int_eq(graph_add_op(graph, &write, (int32_t[]){s, x}, NULL), 0);
    op(OP_MAXIMUM, v, v, y);
    if (!early)
        ck_assert_int_eq(graph_add_op(graph, &write, (int32_t[]){s, x}, NULL), 0);
    io(&x, 1, &y, 1);
    return build();
}

START_TEST(test_state) {
    _cleanup_(image_unrefp) struct image *image = delay_network(_i);
    ck_assert_uint_eq(image_state_bytes(image), 64);
    const float in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, initial[4] = {9, 8, 7, 6};
    float out[8];
    /* Without a session every item starts from the initial state. */
    run(image, NULL, 2, in, out);
    ck_assert_mem_eq(out, initial, 16);
    ck_assert_mem_eq(out + 4, initial, 16);
    _cleanup_(session_freep) struct session *one = NULL, *two = NULL;
    ck_assert_int_eq(session_new(image, &one), 0);
    ck_assert_int_eq(session_new(image, &two), 0);
    run(image, one, 2, in, out);
    ck_assert_mem_eq(out, initial, 16);
    ck_assert_mem_eq(out + 4, in, 16);
    run(image, two, 1, in, out);
    ck_assert_mem_eq(out, initial, 16);
    run(image, one, 1, in, out);
    ck_assert_mem_eq(out, in + 4, 16);
    session_reset(one);
    run(image, one, 1, in, out);
    ck_assert_mem_eq(out, initial, 16);
}
END_TEST

/* The PAD reads the state before it is overwritten, the convolution that could take it over comes after. */
START_TEST(test_pad_of_an_old_state) {
    static const float centre[9] = {[4] = 1};
    const int32_t picture[4] = {1, 2, 2, 1}, padded[4] = {1, 4, 4, 1};
    int32_t x = tensor("x", picture, 0, 0, NULL), s = tensor("s", picture, 0, 0, NULL);
    graph->tensors[s].kind = TENSOR_STATE;
    int32_t v = tensor(NULL, picture, 0, 0, NULL), p = tensor(NULL, padded, 0, 0, NULL);
    int32_t w = tensor(NULL, (int32_t[]){1, 3, 3, 1}, 0, 0, centre);
    int32_t y = tensor("y", picture, 0, 0, NULL);
    op(OP_READ_STATE, s, GRAPH_NONE, v);
    struct op o = {.kind = OP_PAD, .n_inputs = 1, .n_outputs = 1};
    o.pad = (struct op_pad){.before = {0, 1, 1, 0}, .after = {0, 1, 1, 0}};
    ck_assert_int_eq(graph_add_op(graph, &o, &v, &p), 0);
    o = (struct op){.kind = OP_WRITE_STATE, .n_inputs = 2};
    ck_assert_int_eq(graph_add_op(graph, &o, (int32_t[]){s, x}, NULL), 0);
    o = (struct op){.kind = OP_CONV_2D, .n_inputs = 3, .n_outputs = 1};
    o.conv = (struct op_conv){.stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1};
    ck_assert_int_eq(graph_add_op(graph, &o, (int32_t[]){p, w, GRAPH_NONE}, &y), 0);
    io(&x, 1, &y, 1);
    _cleanup_(image_unrefp) struct image *image = build();
    _cleanup_(session_freep) struct session *session = NULL;
    ck_assert_int_eq(session_new(image, &session), 0);
    float in[12] = {1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3}, out[12];
    run(image, session, 3, in, out);
    ck_assert(out[0] == 0 && out[4] == 1 && out[8] == 2);
}
END_TEST

/* A constant of integers with scales of their own. */
static int32_t hybrid_weights(enum dtype dtype, const int32_t dims[4], const void *data,
                              const float *scales, uint32_t n_scales, uint32_t group,
                              uint8_t axis) {
    int32_t w = tensor(NULL, dims, 0, 0, data);
    struct tensor *t = &graph->tensors[w];
    t->dtype = dtype;
    t->size = dtype_bytes(dtype, tensor_elements(t));
    t->quant = (struct quant){.scales = scales, .n_scales = n_scales, .group = group, .axis = axis};
    return w;
}

/* Rows have scales of their own; two groups of two weights each; a row of zeros, and one with a NaN. */
START_TEST(test_int4_product) {
    static const uint8_t weights[6] = {0x21, 0xf3, 0x80, 0x07, 0x11, 0x11}; /* 1 2 3 -1, 0 -8 7 0 */
    static const float scales[6] = {1, 2, 0.5F, 4, 1, 1}, bias[3] = {0, 1, -1};
    int32_t x = tensor("x", (int32_t[]){4, 4, 0, 0}, 0, 0, NULL);
    int32_t w = hybrid_weights(DTYPE_INT4, (int32_t[]){3, 4, 0, 0}, weights, scales, 6, 2, 0);
    int32_t b = tensor(NULL, (int32_t[]){3, 0, 0, 0}, 0, 0, bias);
    int32_t s = tensor(NULL, (int32_t[]){4, 3, 0, 0}, 0, 0, NULL);
    int32_t y = tensor("y", (int32_t[]){4, 3, 0, 0}, 0, 0, NULL);
    struct op o = {.kind = OP_FULLY_CONNECTED, .n_inputs = 3, .n_outputs = 1};
    ck_assert_int_eq(graph_add_op(graph, &o, (int32_t[]){x, w, b}, &s), 0);
    op(OP_RELU, s, GRAPH_NONE, y);
    io(&x, 1, &y, 1);
    _cleanup_(image_unrefp) struct image *image = build();
    ck_assert_uint_eq(image_n_layers(image), 1);
    ck_assert_str_eq(image_layer(image, 0).kernel, "hybrid_1x1_c");
    ck_assert_str_eq(image_layer(image, 0).fused, "RELU");
    ck_assert_uint_eq(image_layer(image, 0).macs, 4 * 4 * 3);
    const float in[16] = {127, 1, 2, 3, 0, 0, 0, 0, 0.5F, 0, -0.5F, 0.25F, 1, NAN, 2, 3};
    float out[12];
    run(image, NULL, 1, in, out);
    /* 0.25 is 63.5 of 127 and counts as 64 */
    const float third = 0.5F / 127;
    const float want[9] = {129 + 2 * (6 - 3), 0 - 4 + 56 + 1, 132, 0, 1, 0, 0, 0, third * 64 - 1};
    for (size_t i = 0; i < 9; i++)
        ck_assert_msg(fabsf(out[i] - MAX(want[i], 0.0F)) < 1e-4F, "%zu: %g, not %g", i,
                      (double)out[i], (double)want[i]);
    for (size_t i = 9; i < 12; i++)
        ck_assert(isnan(out[i]));
}
END_TEST

/* One scale for a whole picture; depthwise weights are made float. */
START_TEST(test_int8_filters_under_float) {
    static const int8_t filter[8] = {1, 2, 3, 4, -128, 127, 0, 1};
    static const float scales[2] = {0.5F, 0.25F};
    bool depthwise = _i;
    int32_t x = tensor("x", (int32_t[]){1, 1, 2, 4}, 0, 0, NULL);
    int32_t c = depthwise ? 4 : 2;
    int32_t w = depthwise
                    ? hybrid_weights(DTYPE_INT8, (int32_t[]){1, 1, 2, 4}, filter, scales, 1, 0, 0)
                    : hybrid_weights(DTYPE_INT8, (int32_t[]){2, 1, 1, 4}, filter, scales, 2, 0, 0);
    int32_t y = tensor("y", (int32_t[]){1, 1, depthwise ? 1 : 2, c}, 0, 0, NULL);
    struct op o = {.kind = depthwise ? OP_DEPTHWISE_CONV_2D : OP_CONV_2D,
                   .n_inputs = 3,
                   .n_outputs = 1,
                   .conv = {1, 1, 1, 1, 0, 0, 0, 0}};
    ck_assert_int_eq(graph_add_op(graph, &o, (int32_t[]){x, w, GRAPH_NONE}, &y), 0);
    io(&x, 1, &y, 1);
    _cleanup_(image_unrefp) struct image *image = build();
    const float in[8] = {1, 2, -3, 4, 127, -126, 0, 0.4F};
    float out[4];
    run(image, NULL, 1, in, out);
    if (depthwise) {
        const float want[4] = {0.5F * (1 - 128 * 127.0F), 0.5F * (2 * 2 - 127 * 126), -4.5F,
                               0.5F * (16 + 0.4F)};
        ck_assert_ptr_nonnull(strstr(image_layer(image, 0).why, "made float"));
        ck_assert_ptr_nonnull(strstr(image_layer(image, 0).kernel, "depthwise_f32"));
        for (size_t i = 0; i < 4; i++)
            ck_assert(fabsf(out[i] - want[i]) < 1e-3F);
        return;
    }
    const float want[4] = {0.5F * (1 + 4 - 9 + 16), 0.25F * (-128 + 254 + 4), 0.5F * (127 - 252),
                           0.25F * (-128 * 127 - 127 * 126)};
    for (size_t i = 0; i < 4; i++)
        ck_assert(fabsf(out[i] - want[i]) < 1e-3F);
}
END_TEST

/* A pointwise convolution of 64 channels by weights of 4 bits; those of a channel are the same for any `out_c`. */
static struct image *pointwise_int4(enum tier tier, int32_t positions, int32_t out_c,
                                    uint32_t group, uint8_t *weights, float *scales) {
    struct random random = {.state = 7};
    teardown();
    setup();
    for (int32_t i = 0; i < out_c * 32; i++)
        weights[i] = (uint8_t)random_below(&random, 256);
    const uint32_t n_scales = (uint32_t)out_c * (group ? 64 / group : 1);
    for (uint32_t i = 0; i < n_scales; i++)
        scales[i] = 0.01F * (float)(1 + i % 5);
    int32_t x = tensor("x", (int32_t[]){1, 1, positions, 64}, 0, 0, NULL);
    int32_t w = hybrid_weights(DTYPE_INT4, (int32_t[]){out_c, 1, 1, 64}, weights, scales, n_scales,
                               group, 0);
    int32_t y = tensor("y", (int32_t[]){1, 1, positions, out_c}, 0, 0, NULL);
    struct op o = {
        .kind = OP_CONV_2D, .n_inputs = 3, .n_outputs = 1, .conv = {1, 1, 1, 1, 0, 0, 0, 0}};
    ck_assert_int_eq(graph_add_op(graph, &o, (int32_t[]){x, w, GRAPH_NONE}, &y), 0);
    io(&x, 1, &y, 1);
    struct diag diag = {""};
    struct image *image = NULL;
    ck_assert_msg(graph_check(graph, &diag) == 0, "%s", diag.text);
    ck_assert_msg(image_build(graph, tier, &image, &diag) == 0, "%s", diag.text);
    return image;
}

/* Few weights are widened for 8 positions and more, at every tier: those with scales in groups to float, others to int8. On
 * either side of the limits results agree within what the quantization of x, at most half a step, can change. */
START_TEST(test_few_int4_weights_are_widened) {
    static const struct {
        int32_t positions, out_c;
        bool wide;
    } cases[] = {{8, 64, false}, {7, 63, false}, {8, 63, true}};
    const enum tier tier = _i % 2 ? tier_best() : TIER_C;
    const uint32_t group = _i / 2 ? 16 : 0;
    static float in[8 * 64], want[8 * 64], out[8 * 64];
    uint8_t weights[64 * 32];
    float scales[64 * 4];
    struct random random = {.state = 11};
    for (size_t i = 0; i < ARRAY_SIZE(in); i++)
        in[i] = (float)(random_unit(&random) * 2 - 1);
    in[0] = 1; /* the largest, for 7 positions as for 8 */
    for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
        const size_t out_c = (size_t)cases[k].out_c;
        _cleanup_(image_unrefp) struct image *image =
            pointwise_int4(tier, cases[k].positions, cases[k].out_c, group, weights, scales);
        const struct layer_info layer = image_layer(image, 0);
        const char *made = group ? "weights made float" : "weights made int8";
        ck_assert_msg(!!strstr(layer.why, made) == cases[k].wide, "%zu: %s", k, layer.why);
        ck_assert_msg(!!strstr(layer.kernel, "conv_f32") == (cases[k].wide && group), "%zu: %s", k,
                      layer.kernel);
        run(image, NULL, 1, in, k ? out : want);
        for (size_t c = 0; k && c < out_c; c++) {
            float bound = 1e-4F;
            for (size_t i = 0; i < 64; i++) {
                const int v = (weights[c * 32 + i / 2] >> i % 2 * 4 & 15) ^ 8;
                const float scale = scales[group ? c * 4 + i / group : c];
                bound += cases[k].wide && group ? fabsf(scale * (float)(v - 8)) * 0.5F / 127 : 0;
            }
            for (size_t i = 0; i < (size_t)cases[k].positions; i++)
                ck_assert_msg(fabsf(out[i * out_c + c] - want[i * 64 + c]) <= bound,
                              "%zu, position %zu, channel %zu: %g, not %g within %g", k, i, c,
                              (double)out[i * out_c + c], (double)want[i * 64 + c], (double)bound);
        }
    }
}
END_TEST

START_TEST(test_stop) {
    _cleanup_(image_unrefp) struct image *image = delay_network(false);
    bool stop = true;
    float in[4] = {0}, out[4];
    void *arena = aligned_alloc(RUNTIME_ARENA_ALIGN, MAX(image_arena_bytes(image), (size_t)64));
    ck_assert_int_eq(image_run(image, NULL, 1, (const void *[]){in}, (void *[]){out}, arena, &stop),
                     RUNTIME_E_STOPPED);
    free(arena);
}
END_TEST

START_TEST(test_pixels_frontend) {
    int32_t x = tensor("x", (int32_t[]){1, 2, 2, 1}, 1.0F / 255, -128, NULL);
    int32_t y = tensor("y", (int32_t[]){1, 2, 2, 1}, 1.0F / 255, -128, NULL);
    op(OP_MAXIMUM, x, x, y);
    io(&x, 1, &y, 1);
    struct diag diag;
    ck_assert_int_eq(frontend_pixels(graph, &diag), 0);
    _cleanup_(image_unrefp) struct image *image = build();
    ck_assert(image_has_frontend(image));
    ck_assert_int_eq(image_input(image, 0)->dtype, DTYPE_UINT8);
    ck_assert_str_eq(image_input(image, 0)->name, "pixels");
    ck_assert_uint_eq(image_n_layers(image), 2);
    const uint8_t in[4] = {0, 1, 128, 255};
    int8_t out[4];
    run(image, NULL, 1, in, out);
    const int8_t want[4] = {-128, -127, 0, 127};
    ck_assert_mem_eq(out, want, 4);
    /* A second front end does not fit before the first. */
    ck_assert_int_eq(frontend_mfcc(graph, &diag), MODEL_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(diag.text, "'pixels' is UINT8"));
}
END_TEST

START_TEST(test_port_conversions) {
    struct port q = {.dtype = DTYPE_INT8, .scale = 0.5F, .zero_point = 10};
    const float real[6] = {0, 0.25F, -0.25F, 1000, -INFINITY, NAN};
    int8_t y[6];
    ck_assert_int_eq(port_quantize(&q, DTYPE_FP32, real, 6, y), 0);
    const int8_t want[6] = {10, 11, 9, 127, -128, 10}; /* halves away from zero */
    ck_assert_mem_eq(y, want, 6);
    const int64_t integers[3] = {1, -3, INT64_MAX};
    ck_assert_int_eq(port_quantize(&q, DTYPE_INT64, integers, 3, y), 0);
    ck_assert_int_eq(y[0], 12);
    ck_assert_int_eq(y[1], 4);
    ck_assert_int_eq(y[2], 127);
    /* The port's own type is copied as it is. */
    ck_assert_int_eq(port_quantize(&q, DTYPE_INT8, want, 6, y), 0);
    ck_assert_mem_eq(y, want, 6);
    float back[2];
    ck_assert_int_eq(port_dequantize(&q, want, 2, back), 0);
    ck_assert(back[0] == 0.0F && back[1] == 0.5F);
    struct port plain = {.dtype = DTYPE_INT16};
    int16_t pcm[3];
    const float sound[3] = {-1.5F, 40000, 7};
    ck_assert_int_eq(port_quantize(&plain, DTYPE_FP32, sound, 3, pcm), 0);
    ck_assert_int_eq(pcm[0], -2);
    ck_assert_int_eq(pcm[1], 32767);
    ck_assert_int_eq(pcm[2], 7);
    ck_assert_int_eq(port_quantize(&plain, DTYPE_NONE, sound, 1, pcm), -EINVAL);
}
END_TEST

/* Bytes from FP32, which has a way of its own, are those from the same values as FP64: any bits, and what is near a half. */
START_TEST(test_port_bytes) {
    enum { N = 1000 };
    static const float scales[] = {0.5F, 1.0F / 255, 0.1F, 3e-5F, 1e30F};
    struct random random = {.state = 13};
    for (int round = 0; round < 1000; round++) {
        struct port port = {.dtype = round % 2 ? DTYPE_INT8 : DTYPE_UINT8,
                            .scale = scales[round % 5]};
        port.zero_point = (int32_t)random_below(&random, 256) - (round % 2 ? 128 : 0);
        float x[N];
        double wide[N];
        uint8_t got[N], want[N];
        for (size_t i = 0; i < N; i++) {
            uint32_t bits = (uint32_t)random_u64(&random);
            float half = (float)random_below(&random, 1024) - 511.5F;
            memcpy(&x[i], &bits, sizeof(bits));
            if (i % 2)
                x[i] = (half + (float)((int)(i % 6) - 3) * 3e-8F * fabsf(half)) * port.scale;
            wide[i] = (double)x[i];
        }
        ck_assert_int_eq(port_quantize(&port, DTYPE_FP32, x, N, got), 0);
        ck_assert_int_eq(port_quantize(&port, DTYPE_FP64, wide, N, want), 0);
        for (size_t i = 0; i < N; i++)
            ck_assert_msg(got[i] == want[i], "%a / %a + %d: %d, not %d", wide[i],
                          (double)port.scale, port.zero_point, got[i], want[i]);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("runtime");
    TCase *tc = tcase_create("runtime");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_chain_reuses_memory);
    tcase_add_test(tc, test_relu_fuses_into_add);
    tcase_add_loop_test(tc, test_relu_behind_two_operands, 0, 2);
    tcase_add_test(tc, test_byte_chain_is_one_table);
    tcase_add_test(tc, test_identities_are_free);
    tcase_add_test(tc, test_pad_before_a_pool);
    tcase_add_test(tc, test_byte_chain_ends_at_a_reshape);
    tcase_add_test(tc, test_outputs_that_are_no_results);
    tcase_add_test(tc, test_layers_say_why);
    tcase_add_test(tc, test_pruned);
    tcase_add_loop_test(tc, test_state, 0, 2);
    tcase_add_test(tc, test_pad_of_an_old_state);
    tcase_add_test(tc, test_int4_product);
    tcase_add_loop_test(tc, test_int8_filters_under_float, 0, 2);
    tcase_add_loop_test(tc, test_few_int4_weights_are_widened, 0, 4);
    tcase_add_test(tc, test_stop);
    tcase_add_test(tc, test_pixels_frontend);
    tcase_add_test(tc, test_port_conversions);
    tcase_add_test(tc, test_port_bytes);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
