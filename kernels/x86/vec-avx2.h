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
#define VEC_ROWS_4 2
#define VEC_BLOCK 2

typedef int16_t vec_staged;

/* Activations are staged less their zero point. */
static inline int32_t vec_stage_offset(int32_t in_zero) {
    return -in_zero;
}

#include "kernels/x86/vec-256.h"

static inline vec vec_dot(vec acc, vec x, vec w) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(x, w));
}
