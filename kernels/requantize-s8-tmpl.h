/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: how sums become bytes, and the constants of a block of sums.
 *
 * A block is 1, 2 or 4 vectors of sums, each lane of an output channel of its own. Its constants
 * are bias, mult, mult again for the odd lanes (where the even ones have it), before and right (see
 * below), as many vectors each as the block has; then scale, a vector for each two.
 *
 * With s = 31 - shift the reference's result is (acc * mult + 2^(s-1)) >> s. Where s >= 33 that is
 * (high + 2^(right-1)) >> right of the product's high half, right = s - 32, because 2^(s-1) is a
 * multiple of 2^32. The shift is split: before = right - after in 32 bits, then after, at most
 * SHIFT_AFTER, with the rounding, in 16 bits after a narrowing that saturates. That is exact too:
 * what saturates is at least 2^15 >> SHIFT_AFTER = 256 away from zero, and so beyond the bytes at
 * any zero point. Most layers need nothing before. Where the tier's shift rounds (VEC_SHIFT_ROUNDS)
 * all of it is in 32 bits, and as cheap.
 */
#define SHIFT_AFTER 7
#define BLOCK_CONSTANTS(vectors) (5 * (vectors) + ((vectors) + 1) / 2)
enum block_constant { BLOCK_BIAS, BLOCK_MULT, BLOCK_ODD, BLOCK_BEFORE, BLOCK_RIGHT, BLOCK_SCALE };

/* What a layer's requantization takes, in order of cost. */
enum requantize {
    REQUANTIZE_SHALLOW, /* right is at most SHIFT_AFTER everywhere */
    REQUANTIZE_DEEP,
    REQUANTIZE_WIDE, /* some multiplier is 1/4 or more: lane by lane */
    REQUANTIZE_NONE  /* sums stay what they are (conv-hybrid-tmpl.h) */
};

static uint32_t requantize_kind(int32_t mult, int32_t shift) {
    if (mult == 0)
        return REQUANTIZE_SHALLOW;
    if (shift > -2)
        return REQUANTIZE_WIDE;
    return VEC_SHIFT_ROUNDS || -1 - shift <= SHIFT_AFTER ? REQUANTIZE_SHALLOW : REQUANTIZE_DEEP;
}

/* The bias with what staging adds to the sums taken back; modulo 2^32, as the sums are. */
static int32_t block_bias(const struct kern_conv_weights *w, size_t channel, int32_t stage,
                          int32_t weight_sum) {
    const uint32_t bias = w->bias ? ((const uint32_t *)w->bias)[channel] : 0;
    return (int32_t)(bias - (uint32_t)stage * (uint32_t)weight_sum);
}

/* Writes the constants of a lane of vector v; `bias` with all corrections. */
static void block_set_constants(void *constants, size_t vectors, size_t v, size_t lane,
                                int32_t bias, int32_t mult, int32_t shift) {
    /* A multiplier of 0 gives 0 at any shift. */
    const int32_t right = mult ? -1 - shift : 1;
    const int32_t after = MIN(MAX(right, 1), SHIFT_AFTER);
    const size_t n = vectors * VEC_LANES, at = v * VEC_LANES + lane;
    int32_t *words = constants;
    words[BLOCK_BIAS * n + at] = bias;
    words[BLOCK_MULT * n + at] = mult;
    if (lane % 2)
        words[BLOCK_ODD * n + at - 1] = mult;
    words[BLOCK_BEFORE * n + at] = MAX(right, after) - after;
    words[BLOCK_RIGHT * n + at] = right;
    /* The lane of the 16-bit vector that it narrows to: the second row's where there is but one
     * vector. */
    int16_t *scale = (int16_t *)(words + BLOCK_SCALE * n);
    scale += v / 2 * 2 * VEC_LANES + lane / 4 * 8 + lane % 4;
    scale[v % 2 * 4] = (int16_t)(1 << (15 - after));
    if (vectors == 1)
        scale[4] = scale[0];
}

static inline vec block_constant(const char *constants, unsigned vectors, enum block_constant which,
                                 unsigned v) {
    return vec_load(constants + (which * vectors + v) * VEC_BYTES);
}

/* The result saturates well outside of a byte, so that adding the zero point later does not
 * wrap. */
static __attribute__((noinline)) vec requantize_wide(vec acc, const char *constants,
                                                     unsigned vectors, unsigned v) {
    int32_t sums[VEC_LANES], mult[VEC_LANES], right[VEC_LANES];
    vec_store(sums, acc);
    vec_store(mult, block_constant(constants, vectors, BLOCK_MULT, v));
    vec_store(right, block_constant(constants, vectors, BLOCK_RIGHT, v));
    for (unsigned i = 0; i < VEC_LANES; i++)
        sums[i] =
            clamp_s32(fixedpoint_multiply(sums[i], mult[i], -1 - right[i]), INT16_MIN, INT16_MAX);
    return vec_load(sums);
}

/* A block's constants but the bias, ready for registers. */
struct block_scales {
    const char *constants;
    vec mult[4], odd[4], before[4], right[4], scale[2];
};

static inline __attribute__((always_inline)) struct block_scales
block_scales(const char *constants, const unsigned vectors) {
    struct block_scales s = {.constants = constants};
#pragma GCC unroll 4
    for (unsigned v = 0; v < vectors; v++) {
        s.mult[v] = block_constant(constants, vectors, BLOCK_MULT, v);
        s.odd[v] = block_constant(constants, vectors, BLOCK_ODD, v);
        s.before[v] = block_constant(constants, vectors, BLOCK_BEFORE, v);
        s.right[v] = block_constant(constants, vectors, BLOCK_RIGHT, v);
    }
    s.scale[0] = block_constant(constants, vectors, BLOCK_SCALE, 0);
    s.scale[1] = block_constant(constants, vectors, BLOCK_SCALE, vectors == 4);
    return s;
}

/* The bytes of four vectors of sums: 4 / vectors rows of a block. `kind` and `vectors` are constants
 * of the caller. */
static inline __attribute__((always_inline)) vec
block_narrow_by(const vec *acc, const struct block_scales *s, const unsigned vectors,
                const enum requantize kind, const struct vec_out *out) {
    vec q[4];
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) {
        const unsigned v = i % vectors;
        if (kind == REQUANTIZE_WIDE) {
            q[i] = requantize_wide(acc[i], s->constants, vectors, v);
            continue;
        }
#if VEC_SHIFT_ROUNDS
        q[i] = vec_requantize(acc[i], s->mult[v], vec_set1(0), s->right[v]);
#else
        q[i] = vec_high(acc[i], s->mult[v], s->odd[v]);
        if (kind == REQUANTIZE_DEEP)
            q[i] = vec_shift(q[i], s->before[v]);
#endif
    }
#if !VEC_SHIFT_ROUNDS
    if (kind != REQUANTIZE_WIDE)
        return vec_narrow_scaled(q, s->scale[0], s->scale[1], out);
#endif
    return vec_narrow(q[0], q[1], q[2], q[3], out);
}

static inline __attribute__((always_inline)) vec block_narrow(const vec *acc, const char *constants,
                                                              const unsigned vectors,
                                                              const enum requantize kind,
                                                              const struct vec_out *out) {
    const struct block_scales scales = block_scales(constants, vectors);
    return block_narrow_by(acc, &scales, vectors, kind, out);
}
