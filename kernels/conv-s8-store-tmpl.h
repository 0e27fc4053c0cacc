/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: what a row of pixels by a block of channels is, and how its sums are stored.
 */

/* One tile, as its function needs it. */
struct conv_tile {
    const vec_staged *x; /* the first pixel's window */
    size_t pixel;        /* staged values from one pixel to the next */
    size_t kernel_h, kernel_step, runs_x, run_step, groups;
    const char *block;
    int8_t *y;
    size_t out_c, channels; /* of the network; of this block, from y on */
    struct vec_out out;
    uint32_t kind; /* enum requantize; NONE: y is room for whole vectors, out_c bytes a row */
    bool may_wrap; /* VEC_MAY_WRAP somewhere */
};

static inline const char *conv_tile_weights(const struct conv_tile *t, unsigned vectors) {
    return t->block + BLOCK_CONSTANTS(vectors) * VEC_BYTES;
}

static inline __attribute__((always_inline)) void
conv_tile_store_kind(const struct conv_tile *t, vec (*acc)[4], const unsigned rows,
                     const unsigned vectors, const enum requantize kind) {
    const unsigned together = 4 / vectors;
    const size_t width = vectors * VEC_LANES;
    int8_t *y = t->y;
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows; i += together, y += together * t->out_c) {
        vec sums[4];
#pragma GCC unroll 4
        for (unsigned j = 0; j < 4; j++)
            sums[j] = acc[i + j / vectors < rows ? i + j / vectors : rows - 1][j % vectors];
        const vec bytes = vec_order(block_narrow(sums, t->block, vectors, kind, &t->out), vectors);
        if (t->channels < width) {
#pragma GCC unroll 4
            for (unsigned r = 0; r < together; r++)
                if (i + r < rows)
                    vec_put_some(y + r * t->out_c, bytes, vectors, r, t->channels);
        } else if (t->out_c == width && i + together <= rows) {
            vec_store(y, bytes);
        } else {
#pragma GCC unroll 4
            for (unsigned r = 0; r < together; r++)
                if (i + r < rows)
                    vec_put(y + r * t->out_c, bytes, vectors, r);
        }
    }
}

static inline __attribute__((always_inline)) void conv_tile_store_sums(const struct conv_tile *t,
                                                                       vec (*acc)[4],
                                                                       const unsigned rows,
                                                                       const unsigned vectors) {
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (unsigned v = 0; v < vectors; v++)
            vec_store(t->y + (i * vectors + v) * VEC_BYTES, acc[i][v]);
}

/* Stores rows of `vectors` vectors each. */
static inline __attribute__((always_inline)) void conv_tile_store(const struct conv_tile *t,
                                                                  vec (*acc)[4],
                                                                  const unsigned rows,
                                                                  const unsigned vectors) {
    if (t->kind == REQUANTIZE_SHALLOW)
        conv_tile_store_kind(t, acc, rows, vectors, REQUANTIZE_SHALLOW);
    else if (!VEC_SHIFT_ROUNDS && t->kind == REQUANTIZE_DEEP)
        conv_tile_store_kind(t, acc, rows, vectors, REQUANTIZE_DEEP);
    else if (t->kind == REQUANTIZE_NONE)
        conv_tile_store_sums(t, acc, rows, vectors);
    else
        conv_tile_store_kind(t, acc, rows, vectors, REQUANTIZE_WIDE);
}
