/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The vector layer of int8-tmpl.h for AVX-VNNI: products of unsigned activations and signed weights
 * in groups of four, 256 bits wide.
 */

#include <immintrin.h>
#include <stdint.h>

#define VEC_LANES 8
#define VEC_GROUP 4
#define VEC_ROWS_1 8
#define VEC_ROWS_2 6
#define VEC_BLOCK 2
/* Weights are the products' unsigned operand. */
#define GROUPS_OFFSET(bits) ((bits) == 4 ? 8 : 128)

typedef uint8_t vec_staged;

/* Activations are staged as unsigned: their bytes with the top bit flipped. */
static inline int32_t vec_stage_offset(int32_t in_zero) {
    return 128;
}

#include "kernels/x86/vec-256.h"

static inline vec vec_dot(vec acc, vec x, vec w) {
    return _mm256_dpbusd_avx_epi32(acc, x, w);
}

static inline vec vec_dot_bytes(vec acc, vec w, vec x) {
    return _mm256_dpbusd_avx_epi32(acc, w, x);
}

static inline vec vec_low_nibbles(vec w) {
    return _mm256_and_si256(w, _mm256_set1_epi8(15));
}

static inline vec vec_high_nibbles(vec w) {
    return _mm256_and_si256(_mm256_srli_epi16(w, 4), _mm256_set1_epi8(15));
}

static inline size_t vec_flat_element(size_t v, size_t lane) {
    return lane / 4 * 16 + v * 4 + lane % 4;
}

static inline vec vec_flat_order(vec bytes) {
    return bytes;
}

static inline void vec_interleave(char *dst, const vec_staged *const *x, size_t first) {
    const vec a = vec_load(x[0] + first), b = vec_load(x[1] + first);
    const vec c = vec_load(x[2] + first), d = vec_load(x[3] + first);
    const vec ab_lo = _mm256_unpacklo_epi8(a, b), ab_hi = _mm256_unpackhi_epi8(a, b);
    const vec cd_lo = _mm256_unpacklo_epi8(c, d), cd_hi = _mm256_unpackhi_epi8(c, d);
    vec_store(dst, _mm256_unpacklo_epi16(ab_lo, cd_lo));
    vec_store(dst + sizeof(vec), _mm256_unpackhi_epi16(ab_lo, cd_lo));
    vec_store(dst + 2 * sizeof(vec), _mm256_unpacklo_epi16(ab_hi, cd_hi));
    vec_store(dst + 3 * sizeof(vec), _mm256_unpackhi_epi16(ab_hi, cd_hi));
}

static inline vec vec_dot_pairs(vec acc, vec_pair x, vec_pair w) {
    return _mm256_dpwssd_avx_epi32(acc, x, w);
}
