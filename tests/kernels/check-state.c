/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations with state (LSTM, SVDF) over several calls, and the MFCC of synthetic signals.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/attributes.h"
#include "kernels/fixedpoint.h"
#include "tests/kernels/check.h"

#define CASES 24
#define STEPS 3

static void random_multiplier(struct check *c, double about, int32_t *ret_mult,
                              int32_t *ret_shift) {
    fixedpoint_quantize(about * (0.5 + random_unit(&c->random)), ret_mult, ret_shift);
}

static struct kern_lstm random_lstm(struct check *c, unsigned i) {
    struct kern_lstm p = {
        .batch = check_between(c, 1, 3),
        .time = check_between(c, 1, 4),
        .in = check_between(c, 1, 37),
        .cells = check_between(c, 1, 21),
        .time_major = i % 2,
        .in_zero = check_between(c, -128, 127),
        .hidden_zero = check_between(c, -128, 127),
        .cell_clip = i % 3   ? -1
                     : i % 2 ? 0
                             : 20000,
        .cell_clip_f = i % 3 ? 0 : 0.5F,
        .cell_tanh_mult = i % 4 == 3 ? 3 : 0,
        .cell_tanh_shift = i % 4 == 3 ? 2 : (int32_t)(i % 2),
    };
    for (unsigned g = 0; g < 4; g++) {
        random_multiplier(c, 0.2, &p.gate[g].in_mult, &p.gate[g].in_shift);
        random_multiplier(c, 0.1, &p.gate[g].rec_mult, &p.gate[g].rec_shift);
    }
    random_multiplier(c, 0x1p-15, &p.forget_mult, &p.forget_shift);
    random_multiplier(c, 0x1p-15, &p.update_mult, &p.update_shift);
    random_multiplier(c, 0x1p-23, &p.hidden_mult, &p.hidden_shift);
    return p;
}

/* The operation's own state and the reference's start equal and must stay so. */
#define LSTM(op, type, bias_type, cell_type, fill, fill_bias, fill_cell, compare, compare_cell)    \
    void check_##op(struct check *c) {                                                             \
        for (unsigned i = 0; i < CASES; i++) {                                                     \
            const struct kern_lstm p = random_lstm(c, i);                                          \
            const size_t cells = (size_t)p.cells, state = (size_t)p.batch * cells;                 \
            const size_t weights = 4 * cells * (size_t)(p.in + p.cells);                           \
            const size_t steps = (size_t)p.batch * (size_t)p.time;                                 \
            const size_t in = steps * (size_t)p.in, n = steps * cells;                             \
            c->at_start = i / 2 % 2;                                                               \
            check_describe(c, "%s " #op " case %u, %d in, %d cells", tier_name(c->tier), i, p.in,  \
                           p.cells);                                                               \
            type *w = check_input(c, weights * sizeof(*w));                                        \
            bias_type *b = check_input(c, 4 * cells * sizeof(*b));                                 \
            type *x = check_input(c, in * sizeof(*x));                                             \
            type *h = check_output(c, state * sizeof(*h)),                                         \
                 *he = check_output(c, state * sizeof(*h));                                        \
            cell_type *s = check_output(c, state * sizeof(*s));                                    \
            cell_type *se = check_output(c, state * sizeof(*s));                                   \
            type *y = check_output(c, n * sizeof(*y)), *e = check_output(c, n * sizeof(*e));       \
            void *scratch = check_output(c, kern_lstm_scratch_size(&p));                           \
            const enum check_fill kind = (enum check_fill)(i % FILL_END);                          \
            fill(c, w, weights, kind == FILL_MIN ? FILL_RANDOM : kind);                            \
            fill_bias(c, b, 4 * cells);                                                            \
            fill(c, x, in, kind);                                                                  \
            fill(c, h, state, FILL_RANDOM);                                                        \
            fill_cell(c, s, state, kind);                                                          \
            memcpy(he, h, state * sizeof(*h));                                                     \
            memcpy(se, s, state * sizeof(*s));                                                     \
            check_protect(c);                                                                      \
            for (int step = 0; step < STEPS; step++) {                                             \
                c->ref->op(&p, w, b, x, he, se, e, scratch);                                       \
                c->new->op(&p, w, b, x, h, s, y, scratch);                                         \
                compare(c, e, y, n);                                                               \
                compare(c, he, h, state);                                                          \
                compare_cell(c, se, s, state);                                                     \
            }                                                                                      \
            check_done(c);                                                                         \
        }                                                                                          \
    }

static void fill_bias_s32(struct check *c, int32_t *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] = check_between(c, -10000, 10000);
}

static void fill_bias_f32(struct check *c, float *x, size_t n) {
    check_fill_f32(c, x, n, FILL_RANDOM);
}

static void equal_s8(struct check *c, const int8_t *e, const int8_t *g, size_t n) {
    check_equal(c, e, g, n, 1);
}

static void equal_s16(struct check *c, const int16_t *e, const int16_t *g, size_t n) {
    check_equal(c, e, g, n, 2);
}

static void close_f32(struct check *c, const float *e, const float *g, size_t n) {
    check_close(c, e, g, n, CHECK_F32_BOUND);
}

LSTM(lstm_s8, int8_t, int32_t, int16_t, check_fill_s8, fill_bias_s32, check_fill_s16, equal_s8,
     equal_s16)
LSTM(lstm_f32, float, float, float, check_fill_f32, fill_bias_f32, check_fill_f32, close_f32,
     close_f32)

static struct kern_svdf random_svdf(struct check *c, unsigned i) {
    struct kern_svdf p = {
        .batch = check_between(c, 1, 3),
        .in = check_between(c, 1, 40),
        .units = check_between(c, 1, 12),
        .rank = check_between(c, 1, 3),
        .memory = check_between(c, 1, 17),
        .state_is_s16 = i % 2,
        .in_zero = check_between(c, -128, 127),
        .out_zero = check_between(c, -128, 127),
        .state_zero = i % 2 ? 0 : check_between(c, -128, 127),
        .out_min = check_between(c, -128, 0),
        .out_max = check_between(c, 0, 127),
        .out_min_f = i % 2 ? 0 : -INFINITY,
        .out_max_f = INFINITY,
    };
    random_multiplier(c, i % 2 ? 0.1 : 0.003, &p.feature_mult, &p.feature_shift);
    random_multiplier(c, i % 2 ? 0x1p-22 : 0x1p-8, &p.out_mult, &p.out_shift);
    return p;
}

void check_svdf_s8(struct check *c) {
    for (unsigned i = 0; i < CASES; i++) {
        const struct kern_svdf p = random_svdf(c, i);
        const size_t size = p.state_is_s16 ? 2 : 1, filters = (size_t)(p.units * p.rank);
        const size_t times = filters * (size_t)p.memory, state = times * (size_t)p.batch * size;
        const size_t n = (size_t)(p.batch * p.units), in = (size_t)(p.batch * p.in);
        c->at_start = i / 2 % 2;
        check_describe(c, "%s svdf_s8 case %u", tier_name(c->tier), i);
        int8_t *feature = check_input(c, filters * (size_t)p.in);
        int8_t *time = check_input(c, times * size), *x = check_input(c, in);
        int32_t *bias = check_input(c, (size_t)p.units * sizeof(*bias));
        int8_t *s = check_output(c, state), *se = check_output(c, state);
        int8_t *y = check_output(c, n), *e = check_output(c, n);
        check_fill_s8(c, feature, filters * (size_t)p.in, (enum check_fill)(i / 3 % FILL_END));
        check_fill_s8(c, time, times * size, FILL_RANDOM);
        check_fill_s8(c, x, in, (enum check_fill)(i / 2 % FILL_END));
        check_fill_s8(c, s, state, FILL_RANDOM);
        fill_bias_s32(c, bias, (size_t)p.units);
        memcpy(se, s, state);
        check_protect(c);
        for (int step = 0; step < STEPS; step++) {
            c->ref->svdf_s8(&p, feature, time, i % 5 ? bias : NULL, x, se, e);
            c->new->svdf_s8(&p, feature, time, i % 5 ? bias : NULL, x, s, y);
            check_equal(c, e, y, n, 1);
            check_equal(c, se, s, state, 1);
        }
        check_done(c);
    }
}

void check_svdf_f32(struct check *c) {
    for (unsigned i = 0; i < CASES; i++) {
        const struct kern_svdf p = random_svdf(c, i);
        const size_t filters = (size_t)(p.units * p.rank), times = filters * (size_t)p.memory;
        const size_t state = times * (size_t)p.batch, n = (size_t)(p.batch * p.units);
        const size_t in = (size_t)(p.batch * p.in), features = filters * (size_t)p.in;
        c->at_start = i / 2 % 2;
        check_describe(c, "%s svdf_f32 case %u", tier_name(c->tier), i);
        float *feature = check_input(c, features * sizeof(float));
        float *time = check_input(c, times * sizeof(float));
        float *x = check_input(c, in * sizeof(float));
        float *bias = check_input(c, (size_t)p.units * sizeof(float));
        float *s = check_output(c, state * sizeof(float)), *se = check_output(c, state * 4);
        float *y = check_output(c, n * sizeof(float)), *e = check_output(c, n * sizeof(float));
        fill_bias_f32(c, feature, features);
        fill_bias_f32(c, time, times);
        fill_bias_f32(c, x, in);
        fill_bias_f32(c, s, state);
        fill_bias_f32(c, bias, (size_t)p.units);
        memcpy(se, s, state * sizeof(float));
        check_protect(c);
        for (int step = 0; step < STEPS; step++) {
            c->ref->svdf_f32(&p, feature, time, i % 5 ? bias : NULL, x, se, e);
            c->new->svdf_f32(&p, feature, time, i % 5 ? bias : NULL, x, s, y);
            close_f32(c, e, y, n);
            close_f32(c, se, s, state);
        }
        check_done(c);
    }
}

/* Silence, quiet and loud noise, a constant, a tone in noise, a tone alone. */
#define SIGNALS 6
static int16_t signal(struct check *c, unsigned kind, int32_t i) {
    switch (kind) {
    case 0:
        return 0;
    case 1:
        return (int16_t)check_between(c, -2, 2);
    case 2:
        return (int16_t)check_between(c, -32768, 32767);
    case 3:
        return (int16_t)(100 + check_between(c, -1, 1));
    case 4:
        return (int16_t)(3000 * sin(0.37 * i) + check_between(c, -30, 30));
    default:
        return (int16_t)(32767 * sin(0.37 * i));
    }
}

#define MFCC_BOUND 1e-6

void check_mfcc(struct check *c) {
    struct kern_mfcc p = {
        .samples = 16000,
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
    };
    for (unsigned i = 0; i < 2 * SIGNALS; i++) {
        p.in_is_s16 = i < SIGNALS;
        p.samples = i % SIGNALS == 4 ? 16000 : 480 + 320;
        const size_t samples = (size_t)p.samples;
        const size_t frames = (samples - (size_t)p.frame) / (size_t)p.hop + 1;
        const size_t n = frames * (size_t)p.coefficients;
        c->at_start = i % 2;
        check_describe(c, "%s mfcc of signal %u", tier_name(c->tier), i);
        void *tables = check_input(c, kern_mfcc_tables_size(&p));
        int16_t *s16 = check_input(c, samples * sizeof(*s16));
        float *f32 = check_input(c, samples * sizeof(*f32));
        void *scratch = check_output(c, kern_mfcc_scratch_size(&p));
        float *y = check_output(c, n * sizeof(*y)), *e = check_output(c, n * sizeof(*e));
        for (int32_t s = 0; s < p.samples; s++) {
            s16[s] = signal(c, i % SIGNALS, s);
            f32[s] = (float)s16[s] / 32768;
        }
        kern_mfcc_tables(&p, tables);
        check_protect(c);
        const void *x = p.in_is_s16 ? (const void *)s16 : f32;
        c->ref->mfcc(&p, tables, x, e, scratch);
        c->new->mfcc(&p, tables, x, y, scratch);
        check_near(c, e, y, n, MFCC_BOUND);
        check_done(c);
    }
}
