/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: operations of two operands, VEC_BYTES elements at a time. A block is read
 * before it is written, so that the output may be one of the operands.
 */

#include "kernels/broadcast.h"

/* The next n elements of an operand. */
static inline vec binary_load(const int8_t *x, ptrdiff_t stride, size_t n) {
    if (stride == 0)
        return vec_set1_byte(*x);
    if (stride == 1)
        return vec_load_some(x, n);
    int8_t values[VEC_BYTES] = {0};
    for (size_t i = 0; i < n; i++)
        values[i] = x[(ptrdiff_t)i * stride];
    return vec_load(values);
}

/* Defines a static function that applies op(constants, a, b) along all runs of the operands. */
#define BINARY_DEFINE(name, type, op)                                                              \
    static void name(const struct kern_binary *p, const type *constants, const int8_t *a,          \
                     const int8_t *b, int8_t *y) {                                                 \
        const type k = *constants;                                                                 \
        struct broadcast w;                                                                        \
        broadcast_init(&w, p);                                                                     \
        const size_t n = w.dims[w.n_dims - 1];                                                     \
        const ptrdiff_t sa = w.a_stride[w.n_dims - 1], sb = w.b_stride[w.n_dims - 1];              \
        size_t at[KERN_MAX_DIMS] = {0};                                                            \
        ptrdiff_t a_at = 0, b_at = 0;                                                              \
        do {                                                                                       \
            const int8_t *u = a + a_at, *v = b + b_at;                                             \
            size_t i = 0;                                                                          \
            if (sa == 1 && sb == 1)                                                                \
                for (; i + VEC_BYTES <= n; i += VEC_BYTES)                                         \
                    vec_store(y + i, op(&k, vec_load(u + i), vec_load(v + i)));                    \
            for (; i < n; i += VEC_BYTES) {                                                        \
                const size_t some = MIN(n - i, (size_t)VEC_BYTES);                                 \
                const vec bytes = op(&k, binary_load(u + (ptrdiff_t)i * sa, sa, some),             \
                                     binary_load(v + (ptrdiff_t)i * sb, sb, some));                \
                vec_store_some(y + i, bytes, some);                                                \
            }                                                                                      \
            y += n;                                                                                \
        } while (broadcast_next(&w, at, &a_at, &b_at));                                            \
    }

/* ---- ADD and SUB, one sum of products (kern_add_prepare() proved it) ---- */

struct fused_constants {
    vec_pair hi, lo;
    vec offset;
    int32_t shift;
    struct vec_out out;
};

static inline vec fused_block(const struct fused_constants *k, vec a, vec b) {
    vec_pair pairs[4];
    vec q[4];
    vec_pairs(a, b, pairs);
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) {
        const vec_lanes lo = (vec_lanes)vec_dot_pairs(vec_set1(0), pairs[i], k->lo) >> 15;
        const vec_lanes hi = (vec_lanes)vec_dot_pairs(k->offset, pairs[i], k->hi);
        q[i] = (vec)((hi + lo) >> k->shift);
    }
    return vec_narrow(q[0], q[1], q[2], q[3], &k->out);
}

BINARY_DEFINE(fused_run, struct fused_constants, fused_block)

static void fused(const struct kern_binary *p, const int8_t *a, const int8_t *b, int8_t *y) {
    const struct fused_constants k = {
        .hi = vec_pair_set1(p->fused.a_hi, p->fused.b_hi),
        .lo = vec_pair_set1(p->fused.a_lo, p->fused.b_lo),
        .offset = vec_set1(p->fused.offset),
        .shift = p->fused.shift,
        .out = vec_out_set(p->out_zero, p->out_min, p->out_max),
    };
    fused_run(p, &k, a, b, y);
}

/* ---- ADD and SUB in the reference's three steps ---- */

/* Operands stand this far left, two bits further than the reference has them: then even a
 * multiplier of 1/2 leaves a shift of 33. */
#define SIDE_LEFT_SHIFT 22

struct side_constants {
    vec_lanes zero; /* shifted too */
    vec mult, round, shift;
};

struct add_constants {
    struct side_constants a, b;
    vec_lanes sign; /* of b: 0 or -1 */
    vec mult, round, shift;
    struct vec_out out;
};

static struct side_constants side_constants(int32_t zero, int32_t mult, int32_t shift) {
    const int32_t right = 31 - shift + 2 - 32;
    return (struct side_constants){
        .zero = (vec_lanes)vec_set1(zero * (1 << SIDE_LEFT_SHIFT)),
        .mult = vec_set1(mult),
        .round = vec_set1((int32_t)1 << (right - 1)),
        .shift = vec_set1(right),
    };
}

static inline vec_lanes side_scale(const struct side_constants *k, vec x) {
    const vec_lanes d = ((vec_lanes)x << SIDE_LEFT_SHIFT) - k->zero;
    return (vec_lanes)vec_requantize((vec)d, k->mult, k->round, k->shift);
}

static inline vec add_block(const struct add_constants *k, vec a, vec b) {
    vec u[4], v[4], q[4];
    vec_widen(a, u);
    vec_widen(b, v);
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) {
        const vec_lanes second = (side_scale(&k->b, v[i]) ^ k->sign) - k->sign;
        const vec_lanes sum = side_scale(&k->a, u[i]) + second;
        q[i] = vec_requantize((vec)sum, k->mult, k->round, k->shift);
    }
    return vec_narrow(q[0], q[1], q[2], q[3], &k->out);
}

BINARY_DEFINE(add_run, struct add_constants, add_block)

/* Whether the multipliers' shifts fit the lanes: those of any graph whose scales are sane do. */
static bool add_fits(const struct kern_binary *p) {
    return p->a_shift <= 0 && p->a_shift >= -30 && p->b_shift <= 0 && p->b_shift >= -30 &&
           p->out_shift <= -2;
}

static void add_or_sub(const struct kern_binary *p, bool sub, const int8_t *a, const int8_t *b,
                       int8_t *y) {
    const int32_t right = -1 - p->out_shift;
    const struct add_constants k = {
        .a = side_constants(p->a_zero, p->a_mult, p->a_shift),
        .b = side_constants(p->b_zero, p->b_mult, p->b_shift),
        .sign = (vec_lanes)vec_set1(sub ? -1 : 0),
        .mult = vec_set1(p->out_mult),
        .round = vec_set1((int32_t)1 << (right - 1)),
        .shift = vec_set1(right),
        .out = vec_out_set(p->out_zero, p->out_min, p->out_max),
    };
    add_run(p, &k, a, b, y);
}

void KERN_NAME(add_s8)(const struct kern_binary *p, const int8_t *a, const int8_t *b, int8_t *y) {
    if (p->fused.is_exact)
        fused(p, a, b, y);
    else if (add_fits(p))
        add_or_sub(p, false, a, b, y);
    else
        kern_add_s8_c(p, a, b, y);
}

void KERN_NAME(sub_s8)(const struct kern_binary *p, const int8_t *a, const int8_t *b, int8_t *y) {
    if (p->fused.is_exact)
        fused(p, a, b, y);
    else if (add_fits(p))
        add_or_sub(p, true, a, b, y);
    else
        kern_sub_s8_c(p, a, b, y);
}

/* ---- MUL, MAXIMUM, MINIMUM ---- */

/* What a product of two differences (17 bits) can be shifted left. */
#define MUL_LEFT_SHIFT 14

struct mul_constants {
    vec_lanes a_zero, b_zero;
    int32_t left;
    vec mult, round, shift;
    struct vec_out out;
};

static inline vec mul_block(const struct mul_constants *k, vec a, vec b) {
    vec u[4], v[4], q[4];
    vec_widen(a, u);
    vec_widen(b, v);
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) {
        const vec_lanes product = ((vec_lanes)u[i] - k->a_zero) * ((vec_lanes)v[i] - k->b_zero);
        q[i] = vec_requantize((vec)(product << k->left), k->mult, k->round, k->shift);
    }
    return vec_narrow(q[0], q[1], q[2], q[3], &k->out);
}

BINARY_DEFINE(mul_run, struct mul_constants, mul_block)

void KERN_NAME(mul_s8)(const struct kern_binary *p, const int8_t *a, const int8_t *b, int8_t *y) {
    const int32_t left = p->out_shift <= -2 ? 0 : MUL_LEFT_SHIFT;
    const int32_t right = left - 1 - p->out_shift;
    if (right < 1) {
        kern_mul_s8_c(p, a, b, y);
        return;
    }
    const struct mul_constants k = {
        .a_zero = (vec_lanes)vec_set1(p->a_zero),
        .b_zero = (vec_lanes)vec_set1(p->b_zero),
        .left = left,
        .mult = vec_set1(p->out_mult),
        .round = vec_set1((int32_t)1 << (right - 1)),
        .shift = vec_set1(right),
        .out = vec_out_set(p->out_zero, p->out_min, p->out_max),
    };
    mul_run(p, &k, a, b, y);
}

struct no_constants {
    char none;
};

static inline vec max_block(const struct no_constants *k, vec a, vec b) {
    return vec_max_bytes(a, b);
}

static inline vec min_block(const struct no_constants *k, vec a, vec b) {
    return vec_min_bytes(a, b);
}

BINARY_DEFINE(max_run, struct no_constants, max_block)
BINARY_DEFINE(min_run, struct no_constants, min_block)

void KERN_NAME(max_s8)(const struct kern_binary *p, const int8_t *a, const int8_t *b, int8_t *y) {
    max_run(p, &(struct no_constants){0}, a, b, y);
}

void KERN_NAME(min_s8)(const struct kern_binary *p, const int8_t *a, const int8_t *b, int8_t *y) {
    min_run(p, &(struct no_constants){0}, a, b, y);
}
