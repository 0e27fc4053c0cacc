/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The vector layer of int8-tmpl.h for the matrix products: two rows of eight signed bytes by two
 * channels of eight. A lane's weights are eight bytes, so that a vector of them is two operands.
 */

#include <arm_neon.h>

#define VEC_GROUP 8
#define VEC_ROWS_1 8
#define VEC_ROWS_2 8
#define VEC_ROWS_4 6
#define VEC_ROW_STEP 2
#define VEC_BLOCK 4
#define VEC_CONV_SUMS "kernels/aarch64/conv-s8-sums-i8mm-tmpl.h"

#include "kernels/aarch64/vec-128.h"

/* Eight bytes as both rows. */
static inline vec vec_broadcast(const void *group) {
    int64_t v;
    memcpy(&v, group, sizeof(v));
    return vreinterpretq_s32_s64(vdupq_n_s64(v));
}

/* acc + x . w of each row and channel. */
static inline vec vec_dot(vec acc, vec x, vec w) {
    return vmmlaq_s32(acc, vreinterpretq_s8_s32(x), vreinterpretq_s8_s32(w));
}
