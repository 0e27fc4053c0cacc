/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Float products of a vector with pruned weights: AVX-512 looks 16 values up in two
 * registers at once, so that pieces are 16 inputs.
 */

#define KERN_SUFFIX avx512

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

#define LOOKUP_PIECE(depth) ((size_t)16)

typedef uint8_t lookup_at;
typedef __m512 lookup_sums;

static inline lookup_sums lookup_zero(void) {
    return _mm512_setzero_ps();
}

static inline lookup_sums lookup_add(lookup_sums a, lookup_sums b) {
    return _mm512_add_ps(a, b);
}

static inline void lookup_store(float *to, lookup_sums sums) {
    _mm512_storeu_ps(to, sums);
}

static inline lookup_sums lookup_fma(lookup_sums sums, const float *x, const lookup_at *at,
                                     const float *w) {
    const __m512i index = _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)at));
    const __m512 values =
        _mm512_permutex2var_ps(_mm512_loadu_ps(x), index, _mm512_loadu_ps(x + 16));
    return _mm512_fmadd_ps(values, _mm512_loadu_ps(w), sums);
}

#include "kernels/x86/sparse-lookup-f32-tmpl.h"
