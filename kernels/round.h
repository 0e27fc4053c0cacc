/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Small arithmetic shared by the kernels.
 */

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

static inline size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

/* Room for n bytes in a block whose parts stay aligned for every kernel. */
static inline size_t pack_room(size_t n) {
    return round_up(n, KERN_PACK_ALIGN);
}

static inline int32_t clamp_s32(int32_t v, int32_t lo, int32_t hi) {
    return v < lo ? lo : v > hi ? hi : v;
}

/* Sums that may leave int32 when the zero point is added. */
static inline int32_t clamp_s64(int64_t v, int32_t lo, int32_t hi) {
    return v < lo ? lo : v > hi ? hi : (int32_t)v;
}

static inline float clamp_f32(float v, float lo, float hi) {
    v = v < lo ? lo : v;
    return v > hi ? hi : v;
}
