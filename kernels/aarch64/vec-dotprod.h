/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The vector layer of int8-tmpl.h for the dot product instructions: sums of four products of signed
 * bytes, exact.
 */

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#define VEC_GROUP 4
#define VEC_ROWS_1 8
#define VEC_ROWS_2 8
#define VEC_ROWS_4 5
#define VEC_BLOCK 4
#define VEC_CONV_SUMS "kernels/aarch64/conv-s8-sums-lane-tmpl.h"

#include "kernels/aarch64/vec-128.h"

static inline vec vec_broadcast(const void *group) {
    int32_t v;
    memcpy(&v, group, sizeof(v));
    return vdupq_n_s32(v);
}

static inline vec vec_dot(vec acc, vec x, vec w) {
    return vdotq_s32(acc, vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(x));
}

static inline vec vec_dot_bytes(vec acc, vec w, vec x) {
    return vec_dot(acc, x, w);
}

/* acc + group `lane` of four . w */
static inline vec vec_dot_lane(vec acc, vec four, vec w, unsigned lane) {
    const int8x16_t a = vreinterpretq_s8_s32(w), b = vreinterpretq_s8_s32(four);
    switch (lane) {
    case 0:
        return vdotq_laneq_s32(acc, a, b, 0);
    case 1:
        return vdotq_laneq_s32(acc, a, b, 1);
    case 2:
        return vdotq_laneq_s32(acc, a, b, 2);
    default:
        return vdotq_laneq_s32(acc, a, b, 3);
    }
}

static inline void vec_interleave(char *dst, const vec_staged *const *x, size_t first) {
    uint8x16x4_t taps;
    for (unsigned i = 0; i < 4; i++)
        taps.val[i] = vld1q_u8((const uint8_t *)x[i] + first);
    vst4q_u8((uint8_t *)dst, taps);
}
