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
#define VEC_ROWS_4 2
#define VEC_BLOCK 2

typedef uint8_t vec_staged;

/* Activations are staged as unsigned: their bytes with the top bit flipped. */
static inline int32_t vec_stage_offset(int32_t in_zero) {
    return 128;
}

#include "kernels/x86/vec-256.h"

static inline vec vec_dot(vec acc, vec x, vec w) {
    return _mm256_dpbusd_avx_epi32(acc, x, w);
}
