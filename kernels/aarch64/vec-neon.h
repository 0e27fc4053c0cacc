/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The vector layer of int8-tmpl.h for what every 64-bit Arm CPU has: products of signed bytes in 16
 * bits, whose pairs are added to the sums. The lower half of a vector has the first two weights of
 * each lane, the upper half the other two.
 */

#include <arm_neon.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define VEC_GROUP 4
#define VEC_ROWS_1 8
#define VEC_ROWS_2 8
#define VEC_ROWS_4 4
#define VEC_BLOCK 4
#define VEC_WEIGHT(lane, k) ((k) / 2 * 8 + (lane)*2 + (k) % 2)
#define VEC_FASTEST_DOT vec_dot_in_16_bits
#define VEC_MAY_WRAP vec_may_wrap
#define VEC_CONV_SUMS "kernels/aarch64/conv-s8-sums-neon-tmpl.h"

#include "kernels/aarch64/vec-128.h"

/* The group's halves in the vector's halves. */
static inline vec vec_broadcast(const void *group) {
    const uint8x16_t at = vreinterpretq_u8_u64(
        vcombine_u64(vcreate_u64(0x0100010001000100), vcreate_u64(0x0302030203020302)));
    int32_t v;
    vec four;
    memcpy(&v, group, sizeof(v));
    __asm__("" : "=w"(four) : "0"(v)); /* whatever the other lanes are */
    return vreinterpretq_s32_u8(vqtbl1q_u8(vreinterpretq_u8_s32(four), at));
}

static inline vec vec_dot(vec acc, vec x, vec w) {
    const int8x16_t a = vreinterpretq_s8_s32(x), b = vreinterpretq_s8_s32(w);
    acc = vpadalq_s16(acc, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    return vpadalq_s16(acc, vmull_high_s8(a, b));
}

/* The same in three instructions: the halves' products are added in 16 bits first. */
static inline vec vec_dot_in_16_bits(vec acc, vec x, vec w) {
    const int8x16_t a = vreinterpretq_s8_s32(x), b = vreinterpretq_s8_s32(w);
    return vpadalq_s16(acc, vmlal_high_s8(vmull_s8(vget_low_s8(a), vget_low_s8(b)), a, b));
}

/* Exact: activations are not -128. */
static inline vec vec_dot_bytes(vec acc, vec w, vec x) {
    return vec_dot_in_16_bits(acc, x, w);
}

/* Whether they may be too large for that: -128 * -128, twice. */
static inline bool vec_may_wrap(const int8_t *w) {
    bool wraps = false;
    for (unsigned i = 0; i < 8; i++)
        wraps |= w[i] == INT8_MIN && w[8 + i] == INT8_MIN;
    return wraps;
}

static inline void vec_interleave(char *dst, const vec_staged *const *x, size_t first) {
    const int8x16_t a = vld1q_s8(x[0] + first), b = vld1q_s8(x[1] + first);
    const int8x16_t c = vld1q_s8(x[2] + first), d = vld1q_s8(x[3] + first);
    for (unsigned half = 0; half < 2; half++) {
        const int64x2_t ab = vreinterpretq_s64_s8(half ? vzip2q_s8(a, b) : vzip1q_s8(a, b));
        const int64x2_t cd = vreinterpretq_s64_s8(half ? vzip2q_s8(c, d) : vzip1q_s8(c, d));
        vec_store(dst + 32 * half, vreinterpretq_s32_s64(vzip1q_s64(ab, cd)));
        vec_store(dst + 32 * half + 16, vreinterpretq_s32_s64(vzip2q_s64(ab, cd)));
    }
}
