/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the 256-bit vector layers (vec-avx2.h, vec-avxvnni.h) share. int8-tmpl.h says what each
 * function is for.
 */

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define VEC_REGISTER "x"
#define VEC_MAX_FLOATS(a, b) _mm256_max_ps(a, b)
#define VEC_MIN_FLOATS(a, b) _mm256_min_ps(a, b)
#define GROUPS_ROWS 4
#define GROUPS_NIBBLE_ONE 1

typedef __m256i vec;

static inline vec vec_load(const void *p) {
    return _mm256_loadu_si256(p);
}

static inline void vec_store(void *p, vec v) {
    _mm256_storeu_si256(p, v);
}

static inline vec vec_set1(int32_t v) {
    return _mm256_set1_epi32(v);
}

static inline vec vec_broadcast(const void *group) {
    int32_t v;
    memcpy(&v, group, sizeof(v));
    return _mm256_set1_epi32(v);
}

static inline vec vec_add(vec a, vec b) {
    return _mm256_add_epi32(a, b);
}

static inline vec vec_high(vec acc, vec mult, vec odd) {
    const vec even_product = _mm256_mul_epi32(acc, mult);
    const vec odd_product = _mm256_mul_epi32(_mm256_srli_epi64(acc, 32), odd);
    return _mm256_blend_epi32(_mm256_srli_epi64(even_product, 32), odd_product, 0xaa);
}

static inline vec vec_shift(vec v, vec shift) {
    return _mm256_srav_epi32(v, shift);
}

static inline vec vec_requantize(vec acc, vec mult, vec round, vec shift) {
    const vec high = vec_high(acc, mult, _mm256_srli_epi64(mult, 32));
    return vec_shift(vec_add(high, round), shift);
}

struct vec_out {
    __m256i zero, lo, hi;
};

static inline struct vec_out vec_out_set(int32_t zero, int32_t lo, int32_t hi) {
    return (struct vec_out){
        .zero = _mm256_set1_epi16((int16_t)zero),
        .lo = _mm256_set1_epi8((int8_t)lo),
        .hi = _mm256_set1_epi8((int8_t)hi),
    };
}

/* Four vectors as two of 16 bits, in which they saturate. */
static inline vec vec_narrow_16(vec ab, vec cd, const struct vec_out *out) {
    const vec bytes =
        _mm256_packs_epi16(_mm256_adds_epi16(ab, out->zero), _mm256_adds_epi16(cd, out->zero));
    return _mm256_min_epi8(_mm256_max_epi8(bytes, out->lo), out->hi);
}

static inline vec vec_narrow(vec a, vec b, vec c, vec d, const struct vec_out *out) {
    return vec_narrow_16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d), out);
}

static inline vec vec_narrow_scaled(const vec q[4], vec scale_ab, vec scale_cd,
                                    const struct vec_out *out) {
    return vec_narrow_16(_mm256_mulhrs_epi16(_mm256_packs_epi32(q[0], q[1]), scale_ab),
                         _mm256_mulhrs_epi16(_mm256_packs_epi32(q[2], q[3]), scale_cd), out);
}

static inline vec vec_order(vec bytes, unsigned vectors) {
    if (vectors == 2)
        return _mm256_permute4x64_epi64(bytes, 0xd8);
    if (vectors == 1)
        return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    return bytes;
}

static inline void vec_put_some(int8_t *y, vec bytes, unsigned vectors, unsigned part, size_t n) {
    int8_t all[32];
    vec_store(all, bytes);
    const int8_t *from = all + part * vectors * 8;
    for (size_t i = 0; i < n; i++)
        y[i] = from[i];
}

static inline void vec_put(int8_t *y, vec bytes, unsigned vectors, unsigned part) {
    const __m128i half =
        part * vectors < 2 ? _mm256_castsi256_si128(bytes) : _mm256_extracti128_si256(bytes, 1);
    if (vectors == 4)
        _mm256_storeu_si256((void *)y, bytes);
    else if (vectors == 2)
        _mm_storeu_si128((void *)y, half);
    else if (part % 2 == 0)
        _mm_storel_epi64((void *)y, half);
    else
        _mm_storeh_pd((void *)y, _mm_castsi128_pd(half));
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

static inline vec vec_set1_byte(int8_t v) {
    return _mm256_set1_epi8(v);
}

static inline vec vec_max_bytes(vec a, vec b) {
    return _mm256_max_epi8(a, b);
}

static inline vec vec_min_bytes(vec a, vec b) {
    return _mm256_min_epi8(a, b);
}

static inline void vec_widen_16(const vec x[2], vec ret[4]) {
    for (unsigned i = 0; i < 2; i++) {
        ret[2 * i] = _mm256_srai_epi32(_mm256_unpacklo_epi16(x[i], x[i]), 16);
        ret[2 * i + 1] = _mm256_srai_epi32(_mm256_unpackhi_epi16(x[i], x[i]), 16);
    }
}

static inline void vec_widen(vec bytes, vec ret[4]) {
    const vec words[2] = {_mm256_srai_epi16(_mm256_unpacklo_epi8(bytes, bytes), 8),
                          _mm256_srai_epi16(_mm256_unpackhi_epi8(bytes, bytes), 8)};
    vec_widen_16(words, ret);
}

static inline void vec_sum_bytes(vec sum[2], vec a, vec b) {
    const vec ones = _mm256_set1_epi8(1);
    sum[0] = _mm256_add_epi16(sum[0], _mm256_maddubs_epi16(ones, _mm256_unpacklo_epi8(a, b)));
    sum[1] = _mm256_add_epi16(sum[1], _mm256_maddubs_epi16(ones, _mm256_unpackhi_epi8(a, b)));
}

typedef vec vec_pair;

static inline vec_pair vec_pair_set1(int16_t a, int16_t b) {
    return _mm256_set1_epi32((uint16_t)a | (int32_t)b * 65536);
}

static inline void vec_pairs(vec a, vec b, vec_pair ret[4]) {
    const vec zero = _mm256_setzero_si256();
    const vec lo = _mm256_unpacklo_epi8(a, b), hi = _mm256_unpackhi_epi8(a, b);
    ret[0] = _mm256_unpacklo_epi8(zero, lo);
    ret[1] = _mm256_unpackhi_epi8(zero, lo);
    ret[2] = _mm256_unpacklo_epi8(zero, hi);
    ret[3] = _mm256_unpackhi_epi8(zero, hi);
}

/* A shuffle looks up the low four bits of the bytes below 128 and gives 0 for the others. So with
 * x - 16 h as its index, saturated below, it serves the rows from h to 7 of half a table, and those
 * up to a row must be in sum (by exclusive or) what the table has there. */
struct vec_table {
    vec rows[2][8];
};

static inline void vec_table_set(struct vec_table *t, const uint8_t table[256]) {
    for (unsigned half = 0; half < 2; half++) {
        vec before = _mm256_setzero_si256();
        for (unsigned h = 0; h < 8; h++) {
            const vec row = _mm256_broadcastsi128_si256(
                _mm_loadu_si128((const void *)(table + 128 * half + 16 * h)));
            t->rows[half][h] = _mm256_xor_si256(row, before);
            before = row;
        }
    }
}

static inline vec vec_lookup(const struct vec_table *t, vec x) {
    const vec step = _mm256_set1_epi8(16);
    vec upper = _mm256_xor_si256(x, _mm256_set1_epi8(-128));
    vec y = _mm256_xor_si256(_mm256_shuffle_epi8(t->rows[0][0], x),
                             _mm256_shuffle_epi8(t->rows[1][0], upper));
#pragma GCC unroll 8
    for (unsigned h = 1; h < 8; h++) {
        x = _mm256_subs_epi8(x, step);
        upper = _mm256_subs_epi8(upper, step);
        y = _mm256_xor_si256(y, _mm256_shuffle_epi8(t->rows[0][h], x));
        y = _mm256_xor_si256(y, _mm256_shuffle_epi8(t->rows[1][h], upper));
    }
    return y;
}
