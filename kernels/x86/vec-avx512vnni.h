/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The vector layer of int8-tmpl.h for AVX-512 VNNI: products of unsigned activations and signed
 * weights in groups of four, 512 bits wide.
 */

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define VEC_LANES 16
#define VEC_GROUP 4
#define VEC_ROWS_1 12
#define VEC_ROWS_2 12
#define VEC_ROWS_4 6
#define VEC_BLOCK 4
#define VEC_SLIDE 1
#define VEC_REGISTER "v"

#define VEC_MAX_FLOATS(a, b) _mm512_max_ps(a, b)
#define VEC_MIN_FLOATS(a, b) _mm512_min_ps(a, b)
#define GROUPS_ROWS 6
/* Weights are the products' unsigned operand. */
#define GROUPS_OFFSET(bits) ((bits) == 4 ? 8 : 128)
#define GROUPS_NIBBLE_ONE 1

typedef uint8_t vec_staged;
typedef __m512i vec;

/* Activations are staged as unsigned: their bytes with the top bit flipped. */
static inline int32_t vec_stage_offset(int32_t in_zero) {
    return 128;
}

static inline vec vec_load(const void *p) {
    return _mm512_loadu_si512(p);
}

static inline void vec_store(void *p, vec v) {
    _mm512_storeu_si512(p, v);
}

static inline vec vec_set1(int32_t v) {
    return _mm512_set1_epi32(v);
}

static inline vec vec_broadcast(const void *group) {
    int32_t v;
    memcpy(&v, group, sizeof(v));
    return _mm512_set1_epi32(v);
}

#define VEC_PAIRS 8 /* channels of half a vector */

static inline vec vec_broadcast_pair(const void *pair) {
    int64_t v;
    memcpy(&v, pair, sizeof(v));
    return _mm512_set1_epi64(v);
}

static inline vec vec_fold(vec a, vec b) {
    const vec even = _mm512_mask_shuffle_epi32(a, 0xaaaa, b, _MM_PERM_CCAA);
    const vec odd = _mm512_mask_shuffle_epi32(b, 0x5555, a, _MM_PERM_DDBB);
    return _mm512_add_epi32(even, odd);
}

static inline vec vec_order_pairs(vec bytes) {
    /* in each 128 bits the rows of two channels, then the channels of a row */
    const vec rows = _mm512_shuffle_epi8(
        bytes, _mm512_set4_epi32(0x0f0d0e0c, 0x0b090a08, 0x07050604, 0x03010200));
    return _mm512_permutexvar_epi16(_mm512_set_epi16(31, 23, 15, 7, 30, 22, 14, 6, 29, 21, 13, 5,
                                                     28, 20, 12, 4, 27, 19, 11, 3, 26, 18, 10, 2,
                                                     25, 17, 9, 1, 24, 16, 8, 0),
                                    rows);
}

static inline vec vec_add(vec a, vec b) {
    return _mm512_add_epi32(a, b);
}

static inline vec vec_dot(vec acc, vec x, vec w) {
    return _mm512_dpbusd_epi32(acc, x, w);
}

static inline vec vec_dot_bytes(vec acc, vec w, vec x) {
    return _mm512_dpbusd_epi32(acc, w, x);
}

static inline vec vec_low_nibbles(vec w) {
    return _mm512_and_si512(w, _mm512_set1_epi8(15));
}

static inline vec vec_high_nibbles(vec w) {
    return _mm512_and_si512(_mm512_srli_epi16(w, 4), _mm512_set1_epi8(15));
}

static inline vec vec_high(vec acc, vec mult, vec odd) {
    const vec even_product = _mm512_mul_epi32(acc, mult);
    const vec odd_product = _mm512_mul_epi32(_mm512_srli_epi64(acc, 32), odd);
    return _mm512_mask_shuffle_epi32(odd_product, 0x5555, even_product, _MM_PERM_DDBB);
}

static inline vec vec_shift(vec v, vec shift) {
    return _mm512_srav_epi32(v, shift);
}

static inline vec vec_requantize(vec acc, vec mult, vec round, vec shift) {
    const vec high = vec_high(acc, mult, _mm512_srli_epi64(mult, 32));
    return vec_shift(vec_add(high, round), shift);
}

struct vec_out {
    __m512i zero, lo, hi;
};

static inline struct vec_out vec_out_set(int32_t zero, int32_t lo, int32_t hi) {
    return (struct vec_out){
        .zero = _mm512_set1_epi16((int16_t)zero),
        .lo = _mm512_set1_epi8((int8_t)lo),
        .hi = _mm512_set1_epi8((int8_t)hi),
    };
}

/* Four vectors as two of 16 bits, in which they saturate. */
static inline vec vec_narrow_16(vec ab, vec cd, const struct vec_out *out) {
    const vec bytes =
        _mm512_packs_epi16(_mm512_adds_epi16(ab, out->zero), _mm512_adds_epi16(cd, out->zero));
    return _mm512_min_epi8(_mm512_max_epi8(bytes, out->lo), out->hi);
}

static inline vec vec_narrow(vec a, vec b, vec c, vec d, const struct vec_out *out) {
    return vec_narrow_16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d), out);
}

static inline vec vec_narrow_scaled(const vec q[4], vec scale_ab, vec scale_cd,
                                    const struct vec_out *out) {
    return vec_narrow_16(_mm512_mulhrs_epi16(_mm512_packs_epi32(q[0], q[1]), scale_ab),
                         _mm512_mulhrs_epi16(_mm512_packs_epi32(q[2], q[3]), scale_cd), out);
}

static inline vec vec_order(vec bytes, unsigned vectors) {
    if (vectors == 2)
        return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), bytes);
    if (vectors == 1)
        return _mm512_permutexvar_epi32(
            _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), bytes);
    return bytes;
}

static inline void vec_put_some(int8_t *y, vec bytes, unsigned vectors, unsigned part, size_t n) {
    const unsigned first = part * vectors; /* quarter of the vector */
    if (first & 2)
        bytes = _mm512_shuffle_i64x2(bytes, bytes, 0xee);
    if (first & 1)
        bytes = _mm512_shuffle_i64x2(bytes, bytes, 0x55);
    _mm512_mask_storeu_epi8(y, ((__mmask64)1 << n) - 1, bytes);
}

static inline void vec_put(int8_t *y, vec bytes, unsigned vectors, unsigned part) {
    if (vectors == 4) {
        _mm512_storeu_si512(y, bytes);
        return;
    }
    if (part * vectors >= 2)
        bytes = _mm512_castsi256_si512(_mm512_extracti64x4_epi64(bytes, 1));
    const __m256i half = _mm512_castsi512_si256(bytes);
    if (vectors == 2)
        _mm256_storeu_si256((void *)y, half);
    else if (part % 2 == 0)
        _mm_storeu_si128((void *)y, _mm256_castsi256_si128(half));
    else
        _mm_storeu_si128((void *)y, _mm256_extracti128_si256(half, 1));
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
    const vec ab_lo = _mm512_unpacklo_epi8(a, b), ab_hi = _mm512_unpackhi_epi8(a, b);
    const vec cd_lo = _mm512_unpacklo_epi8(c, d), cd_hi = _mm512_unpackhi_epi8(c, d);
    vec_store(dst, _mm512_unpacklo_epi16(ab_lo, cd_lo));
    vec_store(dst + sizeof(vec), _mm512_unpackhi_epi16(ab_lo, cd_lo));
    vec_store(dst + 2 * sizeof(vec), _mm512_unpacklo_epi16(ab_hi, cd_hi));
    vec_store(dst + 3 * sizeof(vec), _mm512_unpackhi_epi16(ab_hi, cd_hi));
}

static inline vec vec_load_some(const void *p, size_t n) {
    return _mm512_maskz_loadu_epi8(~0ULL >> (64 - n), p);
}

static inline void vec_store_some(void *p, vec v, size_t n) {
    _mm512_mask_storeu_epi8(p, ~0ULL >> (64 - n), v);
}

static inline vec vec_set1_byte(int8_t v) {
    return _mm512_set1_epi8(v);
}

static inline vec vec_max_bytes(vec a, vec b) {
    return _mm512_max_epi8(a, b);
}

static inline vec vec_min_bytes(vec a, vec b) {
    return _mm512_min_epi8(a, b);
}

static inline void vec_widen_16(const vec x[2], vec ret[4]) {
    for (unsigned i = 0; i < 2; i++) {
        ret[2 * i] = _mm512_srai_epi32(_mm512_unpacklo_epi16(x[i], x[i]), 16);
        ret[2 * i + 1] = _mm512_srai_epi32(_mm512_unpackhi_epi16(x[i], x[i]), 16);
    }
}

static inline void vec_widen(vec bytes, vec ret[4]) {
    const vec words[2] = {_mm512_srai_epi16(_mm512_unpacklo_epi8(bytes, bytes), 8),
                          _mm512_srai_epi16(_mm512_unpackhi_epi8(bytes, bytes), 8)};
    vec_widen_16(words, ret);
}

static inline void vec_sum_bytes(vec sum[2], vec a, vec b) {
    const vec ones = _mm512_set1_epi8(1);
    sum[0] = _mm512_add_epi16(sum[0], _mm512_maddubs_epi16(ones, _mm512_unpacklo_epi8(a, b)));
    sum[1] = _mm512_add_epi16(sum[1], _mm512_maddubs_epi16(ones, _mm512_unpackhi_epi8(a, b)));
}

typedef vec vec_pair;

static inline vec_pair vec_pair_set1(int16_t a, int16_t b) {
    return _mm512_set1_epi32((uint16_t)a | (int32_t)b * 65536);
}

static inline void vec_pairs(vec a, vec b, vec_pair ret[4]) {
    const vec zero = _mm512_setzero_si512();
    const vec lo = _mm512_unpacklo_epi8(a, b), hi = _mm512_unpackhi_epi8(a, b);
    ret[0] = _mm512_unpacklo_epi8(zero, lo);
    ret[1] = _mm512_unpackhi_epi8(zero, lo);
    ret[2] = _mm512_unpacklo_epi8(zero, hi);
    ret[3] = _mm512_unpackhi_epi8(zero, hi);
}

static inline vec vec_dot_pairs(vec acc, vec_pair x, vec_pair w) {
    return _mm512_dpwssd_epi32(acc, x, w);
}

/* A shuffle looks up the low four bits of the bytes below 128 and gives 0 for the others. So with
 * x - 16 h as its index, saturated below, it serves the rows from h to 7 of half a table, and those
 * up to a row must be in sum (by exclusive or) what the table has there. */
struct vec_table {
    vec rows[2][8];
};

static inline void vec_table_set(struct vec_table *t, const uint8_t table[256]) {
    for (unsigned half = 0; half < 2; half++) {
        vec before = _mm512_setzero_si512();
        for (unsigned h = 0; h < 8; h++) {
            const vec row = _mm512_broadcast_i32x4(
                _mm_loadu_si128((const void *)(table + 128 * half + 16 * h)));
            t->rows[half][h] = _mm512_xor_si512(row, before);
            before = row;
        }
    }
}

static inline vec vec_lookup(const struct vec_table *t, vec x) {
    const vec step = _mm512_set1_epi8(16);
    vec upper = _mm512_xor_si512(x, _mm512_set1_epi8(-128));
    vec y = _mm512_xor_si512(_mm512_shuffle_epi8(t->rows[0][0], x),
                             _mm512_shuffle_epi8(t->rows[1][0], upper));
#pragma GCC unroll 8
    for (unsigned h = 1; h < 8; h++) {
        x = _mm512_subs_epi8(x, step);
        upper = _mm512_subs_epi8(upper, step);
        y = _mm512_xor_si512(y, _mm512_shuffle_epi8(t->rows[0][h], x));
        y = _mm512_xor_si512(y, _mm512_shuffle_epi8(t->rows[1][h], upper));
    }
    return y;
}
