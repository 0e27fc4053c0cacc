/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Float kernels: the C reference, in the reference's order of summation.
 */

#define KERN_SUFFIX c
#define KERN_VECTOR 16
#define KERN_ROWS_1 4
#define KERN_ROWS_2 4
#define KERN_ROWS_4 0
#define KERN_MIN_MACS 1
#define KERN_SPLIT_SUMS 0
#define KERN_SPARSE_4 0

#include "kernels/float-tmpl.h"
