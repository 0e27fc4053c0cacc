/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: the constants of a block of output channels, and how its sums become bytes.
 *
 * A block of n vectors holds n * VEC_LANES channels in the order that vec_narrow() and vec_order()
 * turn into memory order. Its constants are bias, mult, round and shift, n vectors each.
 */

#define BLOCK_CONSTANTS 4 /* vectors for each vector of the block */

/* The channel of a lane of vector v, counted from the block's first. */
static inline size_t block_channel(size_t vectors, size_t v, size_t lane) {
    return lane / 4 * 4 * vectors + v * 4 + lane % 4;
}

/* Whether the product's high half is enough. */
static inline bool requantize_is_plain(int32_t mult, int32_t shift) {
    return mult == 0 || shift <= -2;
}

/* Writes the constants of a channel; `bias` with all corrections. */
static inline void block_set_constants(int32_t *constants, size_t vectors, size_t v, size_t lane,
                                       int32_t bias, int32_t mult, int32_t shift) {
    /* A multiplier of 0 gives 0 at any shift. */
    const int32_t right = mult ? -1 - shift : 1;
    int32_t *at = constants + v * VEC_LANES + lane;
    const size_t n = vectors * VEC_LANES;
    at[0] = bias;
    at[n] = mult;
    at[2 * n] = right > 0 ? (int32_t)1 << (right - 1) : 0;
    at[3 * n] = right;
}

static inline vec block_constant(const char *constants, unsigned vectors, unsigned which,
                                 unsigned v) {
    return vec_load(constants + (which * vectors + v) * VEC_BYTES);
}

/* Lane by lane, for multipliers of 1/4 and more. The result saturates well outside of a byte, so
 * that adding the zero point later does not wrap. */
static __attribute__((noinline)) vec requantize_wide(vec acc, const char *constants,
                                                     unsigned vectors, unsigned v) {
    int32_t sums[VEC_LANES];
    const int32_t *mult = (const int32_t *)(const void *)constants + (vectors + v) * VEC_LANES;
    const int32_t *right = mult + 2 * vectors * VEC_LANES;
    vec_store(sums, acc);
    for (unsigned i = 0; i < VEC_LANES; i++)
        sums[i] =
            clamp_s32(fixedpoint_multiply(sums[i], mult[i], -1 - right[i]), INT16_MIN, INT16_MAX);
    return vec_load(sums);
}

static inline vec block_requantize(vec acc, const char *constants, unsigned vectors, unsigned v,
                                   bool plain) {
    if (!plain)
        return requantize_wide(acc, constants, vectors, v);
    return vec_requantize(acc, block_constant(constants, vectors, 1, v),
                          block_constant(constants, vectors, 2, v),
                          block_constant(constants, vectors, 3, v));
}
