/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The vector layer of int8-tmpl.h for AVX2. There is no exact product of bytes (vpmaddubsw
 * saturates), so activations are staged as 16-bit differences from their zero point and multiplied
 * in pairs.
 */

#include <immintrin.h>
#include <stdint.h>

#define VEC_LANES 8
#define VEC_GROUP 2
#define VEC_ROWS_1 8
#define VEC_ROWS_2 6
#define VEC_BLOCK 2
/* Of 4 bits they are the products' unsigned operand. */
#define GROUPS_OFFSET(bits) ((bits) == 4 ? 8 : 0)
#define GROUPS_JOINS_NIBBLES 1

typedef int16_t vec_staged;

/* Activations are staged less their zero point. */
static inline int32_t vec_stage_offset(int32_t in_zero) {
    return -in_zero;
}

#include "kernels/x86/vec-256.h"

static inline vec vec_dot(vec acc, vec x, vec w) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(x, w));
}

/* Two products of magnitudes up to 128 and numbers up to 127 fit 16 bits. */
static inline vec vec_dot_bytes(vec acc, vec w, vec x) {
    const vec pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

static inline vec vec_low_nibbles(vec w) {
    return _mm256_and_si256(w, _mm256_set1_epi8(15));
}

static inline vec vec_high_nibbles(vec w) {
    return _mm256_and_si256(_mm256_srli_epi16(w, 4), _mm256_set1_epi8(15));
}

/* Four products of weights up to 15 fit 16 bits too. */
static inline vec vec_dot_nibbles(vec acc, vec w, vec x, vec x_high) {
    const vec low = _mm256_maddubs_epi16(vec_low_nibbles(w), x);
    const vec high = _mm256_maddubs_epi16(vec_high_nibbles(w), x_high);
    const vec pairs = _mm256_add_epi16(low, high);
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* Pairs come from half a block at a time, so its quarters are out of order at the end. */
static inline size_t vec_flat_element(size_t v, size_t lane) {
    return v / 2 * 16 + lane / 4 * 8 + v % 2 * 4 + lane % 4;
}

static inline vec vec_flat_order(vec bytes) {
    return vec_order(bytes, 2);
}

static inline void vec_interleave(char *dst, const vec_staged *const *x, size_t first) {
    for (size_t half = 0; half < 2; half++) {
        const vec a = vec_load(x[0] + first + 16 * half), b = vec_load(x[1] + first + 16 * half);
        vec_store(dst + 2 * half * sizeof(vec), _mm256_unpacklo_epi16(a, b));
        vec_store(dst + (2 * half + 1) * sizeof(vec), _mm256_unpackhi_epi16(a, b));
    }
}

static inline vec vec_dot_pairs(vec acc, vec_pair x, vec_pair w) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(x, w));
}
