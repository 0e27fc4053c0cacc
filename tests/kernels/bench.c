/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of each operation, on operands that fit into L1. Elementwise ones are bound by the bytes they move, recurrent ones
 * by their products; pools read each value once.
 */

#include "tests/kernels/bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/attributes.h"

#define N 4096      /* elements of an elementwise operation */
#define CHANNELS 64 /* of pictures */
#define PIXELS 64   /* 8 x 8 */
#define LABELS 12   /* of a softmax */
#define STEPS 28    /* of an LSTM, with as many inputs */
#define CELLS 20
#define UNITS 64 /* of an SVDF */
#define MEMORY 16

#define ONE (1 << 30) /* a multiplier of 2^-1 */

/* Operands of every type. The 32-bit integers are small. */
static _Alignas(64) int8_t s8_a[4 * N], s8_b[4 * N];
static _Alignas(64) int16_t s16_a[4 * N];
static _Alignas(64) float f32_a[7 * N], f32_b[4 * N];
static _Alignas(64) int32_t s32_a[N];
static _Alignas(64) char y[4 * N * sizeof(float)], state[N * sizeof(float)];
static _Alignas(64) char cell[N * sizeof(float)], scratch[1 << 20], tables[1 << 20];

static const struct kern_binary binary = {.n_dims = 1,
                                          .dims = {N},
                                          .a_stride = {1},
                                          .b_stride = {1},
                                          .a_zero = 3,
                                          .b_zero = -5,
                                          .out_zero = 1,
                                          .a_mult = ONE,
                                          .b_mult = ONE,
                                          .out_mult = ONE,
                                          .out_shift = -18,
                                          .out_min = -128,
                                          .out_max = 127,
                                          .out_min_f = -INFINITY,
                                          .out_max_f = INFINITY};
static const struct kern_pool pool = {.in_h = 8,
                                      .in_w = 8,
                                      .c = CHANNELS,
                                      .out_h = 1,
                                      .out_w = 1,
                                      .kernel_h = 8,
                                      .kernel_w = 8,
                                      .stride_h = 1,
                                      .stride_w = 1,
                                      .out_min = -128,
                                      .out_max = 127,
                                      .out_min_f = -INFINITY,
                                      .out_max_f = INFINITY};
static const struct kern_mean mean = {
    .n_dims = 3, .dims = {8, 8, CHANNELS}, .axes = 3, .mult = ONE, .shift = -5};
static struct kern_softmax softmax = {
    .rows = N / LABELS, .cols = LABELS, .mult = ONE, .shift = 23, .diff_min = -248, .beta = 1};
static struct kern_binary fused_add, fused_sub, residual;
static struct kern_softmax labels;
static const struct kern_pool pool_kws = {.in_h = 25,
                                          .in_w = 5,
                                          .c = 64,
                                          .out_h = 1,
                                          .out_w = 1,
                                          .kernel_h = 25,
                                          .kernel_w = 5,
                                          .stride_h = 1,
                                          .stride_w = 1,
                                          .out_min = -128,
                                          .out_max = 127};
static const struct kern_pool pool_vww = {.in_h = 3,
                                          .in_w = 3,
                                          .c = 256,
                                          .out_h = 1,
                                          .out_w = 1,
                                          .kernel_h = 3,
                                          .kernel_w = 3,
                                          .stride_h = 1,
                                          .stride_w = 1,
                                          .out_min = -128,
                                          .out_max = 127};
static const struct kern_quantize quantize = {
    .scale = 0.05F, .zero = 3, .mult = ONE, .shift = 0, .out_min = -128, .out_max = 127};
static const struct kern_copy transpose = {.n_dims = 2,
                                           .elem_size = 1,
                                           .count = {PIXELS, CHANNELS},
                                           .src_stride = {CHANNELS, 1},
                                           .dst_stride = {1, PIXELS}};
static const struct kern_lstm lstm = {
    .batch = 1,
    .time = STEPS,
    .in = STEPS,
    .cells = CELLS,
    .gate = {{ONE, -2, ONE, -3}, {ONE, -2, ONE, -3}, {ONE, -2, ONE, -3}, {ONE, -2, ONE, -3}},
    .forget_mult = ONE,
    .forget_shift = -14,
    .update_mult = ONE,
    .update_shift = -14,
    .hidden_mult = ONE,
    .hidden_shift = -22,
    .cell_clip = -1};
static const struct kern_svdf svdf = {.batch = 1,
                                      .in = 32,
                                      .units = UNITS,
                                      .rank = 1,
                                      .memory = MEMORY,
                                      .feature_mult = ONE,
                                      .feature_shift = -7,
                                      .out_mult = ONE,
                                      .out_shift = -7,
                                      .out_min = -128,
                                      .out_max = 127,
                                      .out_min_f = -INFINITY,
                                      .out_max_f = INFINITY};
static const struct kern_mfcc mfcc = {.samples = 16000,
                                      .frame = 480,
                                      .hop = 320,
                                      .fft = 512,
                                      .bands = 40,
                                      .coefficients = 10,
                                      .first_bin = 2,
                                      .last_bin = 128,
                                      .sample_rate = 16000,
                                      .low_hz = 20,
                                      .high_hz = 4000,
                                      .floor = 1e-12F,
                                      .in_is_s16 = true};

#define LSTM_MACS (4.0 * CELLS * (STEPS + CELLS) * STEPS)
#define SVDF_MACS (1.0 * UNITS * (32 + MEMORY))

/* X(operation, label, unit, how many of it, arguments) */
#define BENCHES(X)                                                                                 \
    X(add_s8, "4096", "B", 3 * N, (&fused_add, s8_a, s8_b, (int8_t *)y))                           \
    X(sub_s8, "4096", "B", 3 * N, (&fused_sub, s8_a, s8_b, (int8_t *)y))                           \
    X(mul_s8, "4096", "B", 3 * N, (&binary, s8_a, s8_b, (int8_t *)y))                              \
    X(max_s8, "4096", "B", 3 * N, (&binary, s8_a, s8_b, (int8_t *)y))                              \
    X(min_s8, "4096", "B", 3 * N, (&binary, s8_a, s8_b, (int8_t *)y))                              \
    X(add_f32, "4096", "B", 12 * N, (&binary, f32_a, f32_b, (float *)y))                           \
    X(sub_f32, "4096", "B", 12 * N, (&binary, f32_a, f32_b, (float *)y))                           \
    X(mul_f32, "4096", "B", 12 * N, (&binary, f32_a, f32_b, (float *)y))                           \
    X(max_f32, "4096", "B", 12 * N, (&binary, f32_a, f32_b, (float *)y))                           \
    X(min_f32, "4096", "B", 12 * N, (&binary, f32_a, f32_b, (float *)y))                           \
    X(lut_8, "4096", "B", 2 * N, ((uint8_t *)s8_b, (uint8_t *)s8_a, (uint8_t *)y, N))              \
    X(logistic_f32, "4096", "B", 8 * N, (f32_a, (float *)y, N))                                    \
    X(tanh_f32, "4096", "B", 8 * N, (f32_a, (float *)y, N))                                        \
    X(clamp_f32, "4096", "B", 8 * N, (-1, 2, f32_a, (float *)y, N))                                \
    X(leaky_relu_f32, "4096", "B", 8 * N, (0.1F, f32_a, (float *)y, N))                            \
    X(quantize_f32_s8, "4096", "B", 5 * N, (&quantize, f32_a, (int8_t *)y, N))                     \
    X(quantize_f32_u8, "4096", "B", 5 * N, (&quantize, f32_a, (uint8_t *)y, N))                    \
    X(quantize_f32_s16, "4096", "B", 6 * N, (&quantize, f32_a, (int16_t *)y, N))                   \
    X(dequantize_s8_f32, "4096", "B", 5 * N, (&quantize, s8_a, (float *)y, N))                     \
    X(dequantize_u8_f32, "4096", "B", 5 * N, (&quantize, (uint8_t *)s8_a, (float *)y, N))          \
    X(dequantize_s16_f32, "4096", "B", 6 * N, (&quantize, s16_a, (float *)y, N))                   \
    X(requantize_s8_s16, "4096", "B", 3 * N, (&quantize, s8_a, (int16_t *)y, N))                   \
    X(requantize_s8_s32, "4096", "B", 5 * N, (&quantize, s8_a, (int32_t *)y, N))                   \
    X(requantize_s16_s8, "4096", "B", 3 * N, (&quantize, s16_a, (int8_t *)y, N))                   \
    X(requantize_s16_s16, "4096", "B", 4 * N, (&quantize, s16_a, (int16_t *)y, N))                 \
    X(requantize_s16_s32, "4096", "B", 6 * N, (&quantize, s16_a, (int32_t *)y, N))                 \
    X(softmax_s8, "341x12", "B", 2 * N, (&softmax, s8_a, (int8_t *)y))                             \
    X(softmax_s8_s16, "341x12", "B", 3 * N, (&softmax, s8_a, (int16_t *)y))                        \
    X(softmax_f32, "341x12", "B", 8 * N, (&softmax, f32_a, (float *)y))                            \
    X(avg_pool_s8, "8x8x64", "B", N, (&pool, s8_a, (int8_t *)y))                                   \
    X(max_pool_s8, "8x8x64", "B", N, (&pool, s8_a, (int8_t *)y))                                   \
    X(avg_pool_f32, "8x8x64", "B", 4 * N, (&pool, f32_a, (float *)y))                              \
    X(max_pool_f32, "8x8x64", "B", 4 * N, (&pool, f32_a, (float *)y))                              \
    X(mean_s8, "8x8x64", "B", N, (&mean, s8_a, (int8_t *)y))                                       \
    X(mean_f32, "8x8x64", "B", 4 * N, (&mean, f32_a, (float *)y))                                  \
    X(copy_nd, "transpose 64x64", "B", 2 * N, (&transpose, s8_a, y))                               \
    X(fill, "4096", "B", N, (s8_a, 1, y, N))                                                       \
    X(lstm_s8, "28x28-20", "MAC", LSTM_MACS,                                                       \
      (&lstm, s8_a, s32_a, s8_b, (int8_t *)state, (int16_t *)cell, (int8_t *)y, scratch))          \
    X(lstm_f32, "28x28-20", "FLOP", 2 * LSTM_MACS,                                                 \
      (&lstm, f32_a, f32_b, f32_b, (float *)state, (float *)cell, (float *)y, scratch))            \
    X(svdf_s8, "32-64", "MAC", SVDF_MACS, (&svdf, s8_a, s8_b, s32_a, s8_b, state, (int8_t *)y))    \
    X(svdf_f32, "32-64", "FLOP", 2 * SVDF_MACS,                                                    \
      (&svdf, f32_a, f32_b, f32_b, f32_b, (float *)state, (float *)y))                             \
    X(mfcc, "1 s", "", 0, (&mfcc, tables, s16_a, (float *)y, scratch))

/* The same with a name before: shapes of networks. */
#define SHAPES(X)                                                                                  \
    X(add_exact, add_s8, "4096 in three steps", "B", 3 * N, (&binary, s8_a, s8_b, (int8_t *)y))    \
    X(add_resnet, add_s8, "32x32x16", "B", 12 * N, (&residual, s8_a, s8_b, (int8_t *)y))           \
    X(pool_kws, avg_pool_s8, "25x5x64", "B", 125 * 64, (&pool_kws, s8_a, (int8_t *)y))             \
    X(pool_vww, avg_pool_s8, "3x3x256", "B", 9 * 256, (&pool_vww, s8_a, (int8_t *)y))              \
    X(softmax_kws, softmax_s8, "12", "B", 2 * LABELS, (&labels, s8_a, (int8_t *)y))                \
    X(quantize_kws, quantize_f32_s8, "490", "B", 5 * 490, (&quantize, f32_a, (int8_t *)y, 490))    \
    X(quantize_vww, quantize_f32_s8, "27648", "B", 5 * 27648,                                      \
      (&quantize, f32_a, (int8_t *)y, 27648))

#define RUN(name, op, label, unit, work, arguments)                                                \
    static void run_##name(const struct kernels *k) {                                              \
        k->op arguments;                                                                           \
    }
#define RUN_OP(op, ...) RUN(op, op, __VA_ARGS__)
BENCHES(RUN_OP)
SHAPES(RUN)
#undef RUN_OP
#undef RUN

static const struct row {
    const char *op, *label, *unit;
    double work;
    void (*run)(const struct kernels *k);
} rows[] = {
#define ROW(name, op, label, unit, work, arguments) {#op, label, unit, work, run_##name},
#define ROW_OP(op, ...) ROW(op, op, __VA_ARGS__)
    BENCHES(ROW_OP) SHAPES(ROW)
#undef ROW_OP
#undef ROW
};

static void fill_operands(struct check *c) {
    check_fill_s8(c, s8_a, ARRAY_SIZE(s8_a), FILL_RANDOM);
    check_fill_s8(c, s8_b, ARRAY_SIZE(s8_b), FILL_RANDOM);
    check_fill_s16(c, s16_a, ARRAY_SIZE(s16_a), FILL_RANDOM);
    check_fill_f32(c, f32_a, ARRAY_SIZE(f32_a), FILL_RANDOM);
    check_fill_f32(c, f32_b, ARRAY_SIZE(f32_b), FILL_RANDOM);
    for (size_t i = 0; i < ARRAY_SIZE(s32_a); i++)
        s32_a[i] = check_between(c, -1000, 1000);
    kern_mfcc_tables(&mfcc, tables);
    kern_softmax_prepare(&softmax);
    labels = softmax;
    labels.rows = 1;
    fused_add = fused_sub = binary;
    kern_add_prepare(&fused_add, false);
    kern_add_prepare(&fused_sub, true);
    residual = fused_add;
    residual.dims[0] = 4 * N;
}

/* From the same state for both. */
static double time_row(const struct row *row, const struct kernels *kernels) {
    memset(state, 0, sizeof(state));
    memset(cell, 0, sizeof(cell));
    return CHECK_TIME(row->run(kernels));
}

void bench_op(struct check *c, const char *op) {
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *row = &rows[i];
        char name[64];
        if (strcmp(row->op, op))
            continue;
        fill_operands(c);
        snprintf(name, sizeof(name), "%s %s", row->op, row->label);
        const double reference = time_row(row, kernels_get(TIER_C));
        check_bench_print(c, name, time_row(row, c->new), reference, row->work, row->unit);
    }
}
