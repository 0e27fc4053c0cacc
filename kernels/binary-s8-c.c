/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elementwise int8 operations of two operands: the C reference.
 */

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

BROADCAST_DEFINE(kern_add_s8_c, int8_t, finish(p, scale_a(p, u) + scale_b(p, v)))
BROADCAST_DEFINE(kern_sub_s8_c, int8_t, finish(p, scale_a(p, u) - scale_b(p, v)))
BROADCAST_DEFINE(kern_mul_s8_c, int8_t, finish(p, (u - p->a_zero) * (v - p->b_zero)))
BROADCAST_DEFINE(kern_max_s8_c, int8_t, MAX(u, v))
BROADCAST_DEFINE(kern_min_s8_c, int8_t, MIN(u, v))
