/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Float kernels: AVX2 with FMA.
 */

#define KERN_SUFFIX avx2
#define KERN_VECTOR 32
#define KERN_ROWS_1 12
#define KERN_ROWS_2 6
#define KERN_ROWS_4 0
#define KERN_ROWS_SLIDING 8
#define KERN_MIN_MACS 1024
#define KERN_SPLIT_SUMS 1
#define KERN_SPARSE_4 3

#define KERN_MAX(a, b) _mm256_max_ps(a, b)
#define KERN_MIN(a, b) _mm256_min_ps(a, b)

#include <immintrin.h>

#include "kernels/x86/x86.h"

#include "kernels/float-tmpl.h"
