/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Float kernels: NEON with FMA.
 */

#define KERN_SUFFIX neon
#define KERN_VECTOR 16
#define KERN_ROWS_1 12
#define KERN_ROWS_2 10
#define KERN_ROWS_4 5
#define KERN_ROWS_SLIDING 12
#define KERN_MIN_MACS 1024
#define KERN_SPLIT_SUMS 1
#define KERN_SPARSE_4 6

#include "kernels/aarch64/aarch64.h"

#include "kernels/float-tmpl.h"
