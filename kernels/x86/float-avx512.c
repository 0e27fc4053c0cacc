/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Float kernels: AVX-512.
 */

#define KERN_SUFFIX avx512
#define KERN_VECTOR 64
#define KERN_ROWS_1 12
#define KERN_ROWS_2 12
#define KERN_ROWS_4 6
#define KERN_ROWS_SLIDING 12
#define KERN_MIN_MACS 1024
#define KERN_SPLIT_SUMS 1
#define KERN_SPARSE_4 6

#define KERN_MAX(a, b) _mm512_max_ps(a, b)
#define KERN_MIN(a, b) _mm512_min_ps(a, b)

#include <immintrin.h>

#include "kernels/x86/x86.h"

#include "kernels/float-tmpl.h"
