/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elementwise int8 operations of two operands: the C reference.
 */

#include <math.h>
#include <string.h>

#include "base/attributes.h"
#include "kernels/broadcast.h"
#include "kernels/fixedpoint.h"
#include "kernels/list.h"
#include "kernels/round.h"

/* ADD and SUB keep this many bits below the unit while they bring both operands to one scale. */
#define LEFT_SHIFT 20

static inline int32_t scale_a(const struct kern_binary *p, int32_t a) {
    return fixedpoint_multiply((a - p->a_zero) * (1 << LEFT_SHIFT), p->a_mult, p->a_shift);
}

static inline int32_t scale_b(const struct kern_binary *p, int32_t b) {
    return fixedpoint_multiply((b - p->b_zero) * (1 << LEFT_SHIFT), p->b_mult, p->b_shift);
}

static inline int8_t finish(const struct kern_binary *p, int32_t v) {
    int64_t y = fixedpoint_multiply(v, p->out_mult, p->out_shift);
    return (int8_t)clamp_s64(y + p->out_zero, p->out_min, p->out_max);
}

/* ---- one sum of products in place of three multiplications ---- */

/* Bits of a multiplier: 14 of its high half, 15 of its low one. More would not fit the sum. */
#define FUSED_BITS 29
#define FUSED_LOW_BITS 15

static double real(int32_t mult, int32_t shift) {
    return ldexp((double)mult, shift - 31);
}

/* Splits m * 2^shift of bytes that are taken 256 times as large. */
static void fused_split(double m, int32_t shift, int16_t *ret_hi, int16_t *ret_lo) {
    const int64_t bits = llround(ldexp(m, shift + FUSED_LOW_BITS - 8));
    *ret_hi = (int16_t)(bits >> FUSED_LOW_BITS);
    *ret_lo = (int16_t)(bits & ((1 << FUSED_LOW_BITS) - 1));
}

/* One operand's part of the reference's last multiplication and of both sums, for each byte. */
struct fused_side {
    int64_t product[256];
    int32_t hi[256], lo[256];
};

static void fused_side(struct fused_side *s, int32_t hi, int32_t lo, int32_t zero, int32_t mult,
                       int32_t shift, int64_t out_mult) {
    for (int32_t q = INT8_MIN; q <= INT8_MAX; q++) {
        const int32_t at = q - INT8_MIN, x = (q - zero) * (1 << LEFT_SHIFT);
        s->product[at] = fixedpoint_multiply(x, mult, shift) * out_mult;
        s->hi[at] = q * 256 * hi;
        s->lo[at] = q * 256 * lo;
    }
}

/* The smallest offset that is not too small for a pair of bytes, modulo 2^32. `high` is the upper
 * half of the reference's product, `right` how far it is still to be shifted. */
static inline int32_t fused_least(const struct fused_side *b, int j, int32_t high, int right,
                                  int32_t lo, int32_t hi, int32_t shift) {
    const int32_t y = high >> right;
    return (int32_t)((uint32_t)y << shift) - (((lo + b->lo[j]) >> FUSED_LOW_BITS) + hi + b->hi[j]);
}

/* The range of the smallest offsets of all pairs, less that of the first pair. No two of them are
 * further apart than about 2^shift, so 32 bits do, and the compiler has vectors for the loop. */
static void fused_range(const struct fused_side *a, const struct fused_side *b, int64_t half,
                        int right, int32_t shift, int32_t *ret_lo, int32_t *ret_hi) {
    int32_t lo = 0, hi = 0, first = 0;
    for (int i = 0; i < 256; i++) {
        const uint64_t product = (uint64_t)(a->product[i] + half);
        const int32_t a_lo = a->lo[i], a_hi = a->hi[i];
        if (i == 0)
            first = fused_least(b, 0, (int32_t)((product + (uint64_t)b->product[0]) >> 32), right,
                                a_lo, a_hi, shift);
        for (int j = 0; j < 256; j++) {
            const int32_t high = (int32_t)((product + (uint64_t)b->product[j]) >> 32);
            const int32_t least = fused_least(b, j, high, right, a_lo, a_hi, shift) - first;
            lo = MIN(lo, least);
            hi = MAX(hi, least);
        }
    }
    *ret_lo = lo;
    *ret_hi = hi;
}

/* Whether the offset makes no sum wrap: the ends have the largest and the smallest. */
static bool fused_fits(const struct fused_side *a, const struct fused_side *b, int64_t offset) {
    for (int i = 0; i < 256; i += 255) {
        for (int j = 0; j < 256; j += 255) {
            const int64_t sum =
                ((a->lo[i] + b->lo[j]) >> FUSED_LOW_BITS) + a->hi[i] + b->hi[j] + offset;
            if (sum < INT32_MIN || sum > INT32_MAX)
                return false;
        }
    }
    return true;
}

/* Finds the offset for the multipliers in p->fused; false if there is none. */
static bool fused_offset(struct kern_binary *p, bool subtract) {
    struct fused_side a, b;
    fused_side(&a, p->fused.a_hi, p->fused.a_lo, p->a_zero, p->a_mult, p->a_shift, p->out_mult);
    fused_side(&b, p->fused.b_hi, p->fused.b_lo, p->b_zero, p->b_mult, p->b_shift,
               subtract ? -(int64_t)p->out_mult : p->out_mult);
    const int32_t shift = p->fused.shift, right = -1 - p->out_shift;
    const int64_t half = (int64_t)1 << (30 - p->out_shift), unit = (int64_t)1 << shift;
    int32_t lo, hi;
    fused_range(&a, &b, half, right, shift, &lo, &hi);
    if ((int64_t)hi - lo >= unit)
        return false;
    /* Every smallest offset plus less than a unit is right for its pair: any from `hi` on that is
     * below `lo` plus a unit is right for all. */
    const int64_t y = (a.product[0] + b.product[0] + half) >> (32 + right);
    const int64_t sum = ((a.lo[0] + b.lo[0]) >> FUSED_LOW_BITS) + a.hi[0] + b.hi[0];
    const int64_t offset = y * unit - sum + ((int64_t)hi + lo + unit - 1) / 2;
    p->fused.offset = (int32_t)offset;
    return fused_fits(&a, &b, offset);
}

void kern_add_prepare(struct kern_binary *p, bool subtract) {
    memset(&p->fused, 0, sizeof(p->fused));
    /* Scaled operands have at most 28 bits, and the product's upper half is enough. */
    if (p->a_shift > 0 || p->b_shift > 0 || p->out_shift > -2)
        return;
    const double out = ldexp(real(p->out_mult, p->out_shift), LEFT_SHIFT);
    const double a = real(p->a_mult, p->a_shift) * out, b = real(p->b_mult, p->b_shift) * out;
    int exponent;
    frexp(fmax(a, b), &exponent);
    const int32_t shift = FUSED_BITS - FUSED_LOW_BITS + 8 - exponent;
    if (!(fmax(a, b) > 0) || shift < 1 || shift >= FUSED_BITS)
        return;
    p->fused.shift = shift;
    fused_split(a, shift, &p->fused.a_hi, &p->fused.a_lo);
    fused_split(subtract ? -b : b, shift, &p->fused.b_hi, &p->fused.b_lo);
    p->fused.is_exact = fused_offset(p, subtract);
}

BROADCAST_DEFINE(kern_add_s8_c, int8_t, finish(p, scale_a(p, u) + scale_b(p, v)))
BROADCAST_DEFINE(kern_sub_s8_c, int8_t, finish(p, scale_a(p, u) - scale_b(p, v)))
BROADCAST_DEFINE(kern_mul_s8_c, int8_t, finish(p, (u - p->a_zero) * (v - p->b_zero)))
BROADCAST_DEFINE(kern_max_s8_c, int8_t, MAX(u, v))
BROADCAST_DEFINE(kern_min_s8_c, int8_t, MIN(u, v))
