/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Float products of a vector with pruned weights: AVX2 gathers from anywhere in the
 * window.
 */

#define KERN_SUFFIX avx2

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attributes.h"
#include "kernels/im2col.h"
#include "kernels/names.h"
#include "kernels/round.h"
#include "kernels/sparse-lookup.h"
#include "kernels/sparse.h"
#include "kernels/x86/x86.h"

#define LOOKUP_PIECE(depth) (depth)

typedef uint16_t lookup_at;
typedef struct {
    __m256 lo, hi;
} lookup_sums;

static inline lookup_sums lookup_zero(void) {
    return (lookup_sums){_mm256_setzero_ps(), _mm256_setzero_ps()};
}

static inline lookup_sums lookup_add(lookup_sums a, lookup_sums b) {
    return (lookup_sums){_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}

static inline void lookup_store(float *to, lookup_sums sums) {
    _mm256_storeu_ps(to, sums.lo);
    _mm256_storeu_ps(to + 8, sums.hi);
}

static inline __m256 fma_half(__m256 sum, const float *x, const lookup_at *at, const float *w) {
    const __m256i index = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)at));
    return _mm256_fmadd_ps(_mm256_i32gather_ps(x, index, 4), _mm256_loadu_ps(w), sum);
}

static inline lookup_sums lookup_fma(lookup_sums sums, const float *x, const lookup_at *at,
                                     const float *w) {
    return (lookup_sums){fma_half(sums.lo, x, at, w), fma_half(sums.hi, x, at + 8, w + 8)};
}

#include "kernels/x86/sparse-lookup-f32-tmpl.h"
