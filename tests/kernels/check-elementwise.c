/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elementwise operations of one and two operands, tables, softmax and quantization.
 */

#include <math.h>
#include <string.h>

#include "base/attributes.h"
#include "kernels/fixedpoint.h"
#include "tests/kernels/check.h"

#define CASES 40

static const size_t lengths[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127, 300, 4100};

static size_t elements(const struct kern_binary *p) {
    size_t n = 1;
    for (int32_t d = 0; d < p->n_dims; d++)
        n *= (size_t)p->dims[d];
    return n;
}

/* Random dims; each operand is broadcast along some of them. Returns the operands' sizes. */
static void random_broadcast(struct check *c, unsigned i, struct kern_binary *p, size_t *ret_a,
                             size_t *ret_b) {
    p->n_dims = i < 8 ? 1 : check_between(c, 1, KERN_MAX_DIMS);
    *ret_a = *ret_b = 1;
    for (int32_t d = p->n_dims - 1; d >= 0; d--) {
        p->dims[d] = p->n_dims == 1 ? (int32_t)lengths[i % ARRAY_SIZE(lengths)]
                                    : check_between(c, 1, d == p->n_dims - 1 ? 37 : 4);
        bool a_whole = i % 4 == 0 || check_between(c, 0, 2);
        bool b_whole = i % 4 == 0 || check_between(c, 0, 2);
        p->a_stride[d] = a_whole ? (int32_t)*ret_a : 0;
        p->b_stride[d] = b_whole ? (int32_t)*ret_b : 0;
        *ret_a *= a_whole ? (size_t)p->dims[d] : 1;
        *ret_b *= b_whole ? (size_t)p->dims[d] : 1;
    }
}

static void random_scales(struct check *c, struct kern_binary *p) {
    p->a_zero = check_between(c, -128, 127);
    p->b_zero = check_between(c, -128, 127);
    p->out_zero = check_between(c, -128, 127);
    p->out_min = check_between(c, -128, 0);
    p->out_max = check_between(c, 0, 127);
    fixedpoint_quantize(0.5, &p->a_mult, &p->a_shift);
    fixedpoint_quantize(random_unit(&c->random) / 2, &p->b_mult, &p->b_shift);
    fixedpoint_quantize(random_unit(&c->random) * 4 / 1048576, &p->out_mult, &p->out_shift);
    p->out_min_f = check_between(c, 0, 1) ? 0 : -INFINITY;
    p->out_max_f = check_between(c, 0, 1) ? 6 : INFINITY;
}

/* Every other case by the one sum of products, if it is exact, the rest in three steps. */
static void prepare(unsigned i, const char *op, struct kern_binary *p) {
    const bool add = !strcmp(op, "add_s8"), subtract = !strcmp(op, "sub_s8");
    if (i % 2 == 0 && (add || subtract))
        kern_add_prepare(p, subtract);
}

#define BINARY(op, type, fill, compare)                                                            \
    void check_##op(struct check *c) {                                                             \
        for (unsigned i = 0; i < CASES; i++) {                                                     \
            struct kern_binary p = {0};                                                            \
            size_t a_size, b_size;                                                                 \
            c->at_start = i % 2;                                                                   \
            random_broadcast(c, i, &p, &a_size, &b_size);                                          \
            random_scales(c, &p);                                                                  \
            prepare(i, #op, &p);                                                                   \
            check_describe(c, "%s " #op " case %u", tier_name(c->tier), i);                        \
            const size_t n = elements(&p);                                                         \
            type *a = check_input(c, a_size * sizeof(type));                                       \
            type *b = check_input(c, b_size * sizeof(type));                                       \
            type *y = check_output(c, n * sizeof(type)), *e = check_output(c, n * sizeof(type));   \
            fill(c, a, a_size, (enum check_fill)(i / 2 % FILL_END));                               \
            fill(c, b, b_size, (enum check_fill)(i / 3 % FILL_END));                               \
            check_protect(c);                                                                      \
            c->ref->op(&p, a, b, e);                                                               \
            c->new->op(&p, a, b, y);                                                               \
            compare;                                                                               \
            if (a_size == n) { /* in place of either */                                            \
                memcpy(y, a, n * sizeof(type));                                                    \
                c->new->op(&p, y, b, y);                                                           \
                compare;                                                                           \
            }                                                                                      \
            if (b_size == n) {                                                                     \
                memcpy(y, b, n * sizeof(type));                                                    \
                c->new->op(&p, a, y, y);                                                           \
                compare;                                                                           \
            }                                                                                      \
            check_done(c);                                                                         \
        }                                                                                          \
    }

#define BINARY_S8(op) BINARY(op, int8_t, check_fill_s8, check_equal(c, e, y, n, 1))
#define BINARY_F32(op) BINARY(op, float, check_fill_f32, check_close(c, e, y, n, CHECK_F32_BOUND))

BINARY_S8(add_s8)
BINARY_S8(sub_s8)
BINARY_S8(mul_s8)
BINARY_S8(max_s8)
BINARY_S8(min_s8)
BINARY_F32(add_f32)
BINARY_F32(sub_f32)
BINARY_F32(mul_f32)
BINARY_F32(max_f32)
BINARY_F32(min_f32)

/* Defines a check of a function of n elements; the calls get x, the result and n. */
#define UNARY(op, in_type, out_type, fill, prepare, call_ref, call_new, compare)                   \
    void check_##op(struct check *c) {                                                             \
        for (unsigned i = 0; i < CASES; i++) {                                                     \
            const size_t n = lengths[i % ARRAY_SIZE(lengths)];                                     \
            c->at_start = i / 2 % 2;                                                               \
            check_describe(c, "%s " #op " case %u, %zu elements", tier_name(c->tier), i, n);       \
            in_type *x = check_input(c, n * sizeof(*x));                                           \
            out_type *y = check_output(c, n * sizeof(*y)), *e = check_output(c, n * sizeof(*e));   \
            fill(c, x, n, (enum check_fill)(i / 2 % FILL_END));                                    \
            prepare;                                                                               \
            check_protect(c);                                                                      \
            call_ref;                                                                              \
            call_new;                                                                              \
            compare;                                                                               \
            check_done(c);                                                                         \
        }                                                                                          \
    }

/* The same of a function whose result may take the place of x. */
#define UNARY_IN_PLACE(op, type, fill, prepare, call_ref, call_new, compare)                       \
    UNARY(op, type, type, fill, prepare, call_ref, call_new, ({                                    \
              compare;                                                                             \
              memcpy(y, x, n * sizeof(type));                                                      \
              x = y;                                                                               \
              call_new;                                                                            \
              compare;                                                                             \
          }))

#define UNARY_F32(op)                                                                              \
    UNARY_IN_PLACE(op, float, check_fill_f32, (void)0, c->ref->op(x, e, n), c->new->op(x, y, n),   \
                   check_close(c, e, y, n, CHECK_F32_BOUND))

UNARY_F32(logistic_f32)
UNARY_F32(tanh_f32)
UNARY_IN_PLACE(clamp_f32, float, check_fill_f32, (void)0, c->ref->clamp_f32(-1, 2.5F, x, e, n),
               c->new->clamp_f32(-1, 2.5F, x, y, n), check_equal(c, e, y, n, 4))
UNARY_IN_PLACE(leaky_relu_f32, float, check_fill_f32, (void)0,
               c->ref->leaky_relu_f32(0.3F, x, e, n), c->new->leaky_relu_f32(0.3F, x, y, n),
               check_close(c, e, y, n, CHECK_F32_BOUND))

static const uint8_t *random_table(struct check *c) {
    uint8_t *table = check_input(c, 256);
    check_fill_s8(c, (int8_t *)table, 256, FILL_RANDOM);
    return table;
}

static void fill_u8(struct check *c, uint8_t *x, size_t n, enum check_fill fill) {
    check_fill_s8(c, (int8_t *)x, n, fill);
}

UNARY_IN_PLACE(lut_8, uint8_t, fill_u8, const uint8_t *table = random_table(c),
               c->ref->lut_8(table, x, e, n), c->new->lut_8(table, x, y, n),
               check_equal(c, e, y, n, 1))

/* Any multiplier, sometimes one that sends everything to the ends of the range. */
static struct kern_quantize random_quantize(struct check *c, int32_t lo, int32_t hi) {
    struct kern_quantize p = {
        /* sometimes 1, so that halves are halves */
        .scale = check_between(c, 0, 2) ? (float)(random_unit(&c->random) * 0.1 + 1e-5) : 1,
        .zero = check_between(c, lo, hi),
        .in_zero = check_between(c, -128, 127),
        .out_zero = check_between(c, -128, 127),
        .out_min = lo,
        .out_max = hi,
    };
    double m = ldexp(random_unit(&c->random), check_between(c, -8, 20));
    fixedpoint_quantize(m, &p.mult, &p.shift);
    return p;
}

#define QUANTIZE(op, in_type, out_type, fill, lo, hi)                                              \
    UNARY(op, in_type, out_type, fill, const struct kern_quantize p = random_quantize(c, lo, hi),  \
          c->ref->op(&p, x, e, n), c->new->op(&p, x, y, n), check_equal(c, e, y, n, sizeof(*y)))

/* Real values, some of them special, halves and their neighbours. */
static void fill_quantized(struct check *c, float *x, size_t n, enum check_fill fill) {
    static const float special[] = {NAN,   -NAN,     INFINITY, -INFINITY, 0.0F,     -0.0F,
                                    1e38F, -1e38F,   1e-42F,   3e9F,      -3e9F,    2147483648.0F,
                                    1024,  1023.99F, -1024,    0x1p-149F, -0x1p-30F};
    check_fill_f32(c, x, n, fill);
    for (size_t i = 0; i < n; i++) {
        const int32_t kind = check_between(c, 0, 9);
        if (kind == 0)
            x[i] = special[check_between(c, 0, ARRAY_SIZE(special) - 1)];
        else if (kind == 1)
            x[i] = (float)check_between(c, -600, 600) / 2;
        else if (kind == 2)
            x[i] = nextafterf((float)check_between(c, -600, 600) / 2, x[i]);
    }
}

QUANTIZE(quantize_f32_s8, float, int8_t, fill_quantized, -128, 127)
QUANTIZE(quantize_f32_u8, float, uint8_t, fill_quantized, 0, 255)
QUANTIZE(quantize_f32_s16, float, int16_t, fill_quantized, -32768, 32767)
QUANTIZE(dequantize_s8_f32, int8_t, float, check_fill_s8, -128, 127)
QUANTIZE(dequantize_u8_f32, uint8_t, float, fill_u8, 0, 255)
QUANTIZE(dequantize_s16_f32, int16_t, float, check_fill_s16, -32768, 32767)
QUANTIZE(requantize_s8_s16, int8_t, int16_t, check_fill_s8, -32768, 32767)
QUANTIZE(requantize_s8_s32, int8_t, int32_t, check_fill_s8, INT32_MIN, INT32_MAX)
QUANTIZE(requantize_s16_s8, int16_t, int8_t, check_fill_s16, -128, 127)
QUANTIZE(requantize_s16_s16, int16_t, int16_t, check_fill_s16, -32768, 32767)
QUANTIZE(requantize_s16_s32, int16_t, int32_t, check_fill_s16, INT32_MIN, INT32_MAX)

/* beta * scale as the plan prepares it. */
static struct kern_softmax random_softmax(struct check *c, unsigned i) {
    struct kern_softmax p = {
        .rows = check_between(c, 1, 5),
        .cols = i % 8 == 7 ? 600 : check_between(c, 1, 40),
        .beta = i % 2 ? 1 : 0.5F,
    };
    double m = fmin(random_unit(&c->random) * 0.5 * 67108864, 1073741823);
    fixedpoint_quantize(m, &p.mult, &p.shift);
    p.diff_min = (int32_t)-floor(31 * 67108864.0 / ldexp(1, p.shift));
    kern_softmax_prepare(&p);
    return p;
}

#define SOFTMAX(op, type, out_type, fill, compare)                                                 \
    void check_##op(struct check *c) {                                                             \
        for (unsigned i = 0; i < CASES; i++) {                                                     \
            const struct kern_softmax p = random_softmax(c, i);                                    \
            const size_t n = (size_t)p.rows * (size_t)p.cols;                                      \
            c->at_start = i % 2;                                                                   \
            check_describe(c, "%s " #op " %dx%d", tier_name(c->tier), p.rows, p.cols);             \
            type *x = check_input(c, n * sizeof(*x));                                              \
            out_type *y = check_output(c, n * sizeof(*y));                                         \
            out_type *e = check_output(c, n * sizeof(*e));                                         \
            fill(c, x, n, (enum check_fill)(i / 2 % FILL_END));                                    \
            check_protect(c);                                                                      \
            c->ref->op(&p, x, e);                                                                  \
            c->new->op(&p, x, y);                                                                  \
            compare;                                                                               \
            check_done(c);                                                                         \
        }                                                                                          \
    }

SOFTMAX(softmax_s8, int8_t, int8_t, check_fill_s8, check_equal(c, e, y, n, 1))
SOFTMAX(softmax_s8_s16, int8_t, int16_t, check_fill_s8, check_equal(c, e, y, n, 2))
SOFTMAX(softmax_f32, float, float, check_fill_f32, check_close(c, e, y, n, CHECK_F32_BOUND))
