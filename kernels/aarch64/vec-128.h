/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the 128-bit vector layers (vec-neon.h, vec-dotprod.h, vec-i8mm.h) share. int8-tmpl.h says
 * what each function is for.
 */

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC_LANES 4
#define VEC_REGISTER "w"
#define VEC_SHIFT_ROUNDS 1
#define VEC_MAX_FLOATS(a, b) vmaxq_f32((float32x4_t)(a), (float32x4_t)(b))
#define VEC_MIN_FLOATS(a, b) vminq_f32((float32x4_t)(a), (float32x4_t)(b))
#define GROUPS_ROWS 4
#define GROUPS_OFFSET(bits) 0
#define GROUPS_NIBBLE_ONE 16 /* weights stay in the upper half of a byte */

typedef int32x4_t vec;
typedef int8_t vec_staged;

/* Keeps sums in the order they are written: the compiler's own needs more registers than there are.
 */
#define VEC_KEEP_ORDER(sum) __asm__ volatile("" : "+" VEC_REGISTER(sum))

/* Activations are staged as they are: their zero point is all in the bias. */
static inline int32_t vec_stage_offset(int32_t in_zero) {
    return 0;
}

static inline vec vec_load(const void *p) {
    return vreinterpretq_s32_u8(vld1q_u8(p));
}

static inline void vec_store(void *p, vec v) {
    vst1q_u8(p, vreinterpretq_u8_s32(v));
}

static inline vec vec_set1(int32_t v) {
    return vdupq_n_s32(v);
}

static inline vec vec_add(vec a, vec b) {
    return vaddq_s32(a, b);
}

/* The doubling product's high half has one bit more: a rounding shift by one more. Shifts are to the
 * left: ~shift is -(shift + 1). */
static inline vec vec_requantize(vec acc, vec mult, vec round, vec shift) {
    return vrshlq_s32(vqdmulhq_s32(acc, mult), vmvnq_s32(shift));
}

struct vec_out {
    int16x8_t zero;
    int8x16_t lo, hi;
};

static inline struct vec_out vec_out_set(int32_t zero, int32_t lo, int32_t hi) {
    return (struct vec_out){
        .zero = vdupq_n_s16((int16_t)zero),
        .lo = vdupq_n_s8((int8_t)lo),
        .hi = vdupq_n_s8((int8_t)hi),
    };
}

static inline vec vec_narrow(vec a, vec b, vec c, vec d, const struct vec_out *out) {
    const int16x8_t ab = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(a), b), out->zero);
    const int16x8_t cd = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(c), d), out->zero);
    const int8x16_t bytes = vqmovn_high_s16(vqmovn_s16(ab), cd);
    return vreinterpretq_s32_s8(vminq_s8(vmaxq_s8(bytes, out->lo), out->hi));
}

/* One vector of 128 bits: they are in order. */
static inline vec vec_order(vec bytes, unsigned vectors) {
    return bytes;
}

/* The bytes from part * vectors * 4 on; what goes before them follows. */
static inline int8x16_t vec_from(vec bytes, unsigned vectors, unsigned part) {
    switch (part * vectors) {
    case 0:
        return vreinterpretq_s8_s32(bytes);
    case 1:
        return vreinterpretq_s8_s32(vextq_s32(bytes, bytes, 1));
    case 2:
        return vreinterpretq_s8_s32(vextq_s32(bytes, bytes, 2));
    default:
        return vreinterpretq_s8_s32(vextq_s32(bytes, bytes, 3));
    }
}

static inline void vec_put_some(int8_t *y, vec bytes, unsigned vectors, unsigned part, size_t n) {
    int8x16_t v = vec_from(bytes, vectors, part);
    if (n & 8) {
        vst1_s8(y, vget_low_s8(v));
        v = vextq_s8(v, v, 8);
        y += 8;
    }
    if (n & 4) {
        const int32_t four = vgetq_lane_s32(vreinterpretq_s32_s8(v), 0);
        memcpy(y, &four, sizeof(four));
        v = vextq_s8(v, v, 4);
        y += 4;
    }
    if (n & 2) {
        const int16_t two = vgetq_lane_s16(vreinterpretq_s16_s8(v), 0);
        memcpy(y, &two, sizeof(two));
        v = vextq_s8(v, v, 2);
        y += 2;
    }
    if (n & 1)
        *y = vgetq_lane_s8(v, 0);
}

static inline void vec_put(int8_t *y, vec bytes, unsigned vectors, unsigned part) {
    const int8x16_t v = vec_from(bytes, vectors, part);
    const int32_t four = vgetq_lane_s32(vreinterpretq_s32_s8(v), 0);
    if (vectors == 4)
        vst1q_s8(y, v);
    else if (vectors == 2)
        vst1_s8(y, vget_low_s8(v));
    else
        memcpy(y, &four, sizeof(four));
}

static inline size_t vec_flat_element(size_t v, size_t lane) {
    return v * 4 + lane;
}

static inline vec vec_flat_order(vec bytes) {
    return bytes;
}

static inline vec vec_load_some(const void *p, size_t n) {
    int8_t bytes[sizeof(vec)] = {0};
    memcpy(bytes, p, n);
    return vec_load(bytes);
}

static inline void vec_store_some(void *p, vec v, size_t n) {
    int8_t bytes[sizeof(vec)];
    vec_store(bytes, v);
    memcpy(p, bytes, n);
}

static inline vec vec_low_nibbles(vec w) {
    return vreinterpretq_s32_s8(vshlq_n_s8(vreinterpretq_s8_s32(w), 4));
}

static inline vec vec_high_nibbles(vec w) {
    return vreinterpretq_s32_s8(vandq_s8(vreinterpretq_s8_s32(w), vdupq_n_s8(-16)));
}

static inline vec vec_set1_byte(int8_t v) {
    return vreinterpretq_s32_s8(vdupq_n_s8(v));
}

static inline vec vec_max_bytes(vec a, vec b) {
    return vreinterpretq_s32_s8(vmaxq_s8(vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b)));
}

static inline vec vec_min_bytes(vec a, vec b) {
    return vreinterpretq_s32_s8(vminq_s8(vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b)));
}

static inline void vec_widen_16(const vec x[2], vec ret[4]) {
    for (unsigned i = 0; i < 2; i++) {
        const int16x8_t words = vreinterpretq_s16_s32(x[i]);
        ret[2 * i] = vmovl_s16(vget_low_s16(words));
        ret[2 * i + 1] = vmovl_high_s16(words);
    }
}

static inline void vec_widen(vec bytes, vec ret[4]) {
    const int8x16_t b = vreinterpretq_s8_s32(bytes);
    const vec words[2] = {vreinterpretq_s32_s16(vmovl_s8(vget_low_s8(b))),
                          vreinterpretq_s32_s16(vmovl_high_s8(b))};
    vec_widen_16(words, ret);
}

static inline void vec_sum_bytes(vec sum[2], vec a, vec b) {
    const int8x16_t x = vreinterpretq_s8_s32(a), y = vreinterpretq_s8_s32(b);
    const int16x8_t lo = vaddl_s8(vget_low_s8(x), vget_low_s8(y)), hi = vaddl_high_s8(x, y);
    sum[0] = vreinterpretq_s32_s16(vaddq_s16(vreinterpretq_s16_s32(sum[0]), lo));
    sum[1] = vreinterpretq_s32_s16(vaddq_s16(vreinterpretq_s16_s32(sum[1]), hi));
}

typedef struct {
    int16x4_t a, b;
} vec_pair;

static inline vec_pair vec_pair_set1(int16_t a, int16_t b) {
    return (vec_pair){vdup_n_s16(a), vdup_n_s16(b)};
}

static inline void vec_pairs(vec a, vec b, vec_pair ret[4]) {
    const int8x16_t x = vreinterpretq_s8_s32(a), y = vreinterpretq_s8_s32(b);
    const int16x8_t a_lo = vshll_n_s8(vget_low_s8(x), 8), a_hi = vshll_high_n_s8(x, 8);
    const int16x8_t b_lo = vshll_n_s8(vget_low_s8(y), 8), b_hi = vshll_high_n_s8(y, 8);
    ret[0] = (vec_pair){vget_low_s16(a_lo), vget_low_s16(b_lo)};
    ret[1] = (vec_pair){vget_high_s16(a_lo), vget_high_s16(b_lo)};
    ret[2] = (vec_pair){vget_low_s16(a_hi), vget_low_s16(b_hi)};
    ret[3] = (vec_pair){vget_high_s16(a_hi), vget_high_s16(b_hi)};
}

static inline vec vec_dot_pairs(vec acc, vec_pair x, vec_pair w) {
    return vmlal_s16(vmlal_s16(acc, x.a, w.a), x.b, w.b);
}

struct vec_table {
    uint8x16x4_t quarters[4];
};

static inline void vec_table_set(struct vec_table *t, const uint8_t table[256]) {
    for (unsigned i = 0; i < 16; i++)
        t->quarters[i / 4].val[i % 4] = vld1q_u8(table + 16 * i);
}

/* A byte beyond a quarter leaves what is there. */
static inline vec vec_lookup(const struct vec_table *t, vec x) {
    const uint8x16_t i = vreinterpretq_u8_s32(x);
    uint8x16_t y = vqtbl4q_u8(t->quarters[0], i);
    y = vqtbx4q_u8(y, t->quarters[1], vsubq_u8(i, vdupq_n_u8(64)));
    y = vqtbx4q_u8(y, t->quarters[2], vsubq_u8(i, vdupq_n_u8(128)));
    y = vqtbx4q_u8(y, t->quarters[3], vsubq_u8(i, vdupq_n_u8(192)));
    return vreinterpretq_s32_u8(y);
}
