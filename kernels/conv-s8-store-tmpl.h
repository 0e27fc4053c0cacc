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
    bool plain;
};

/* Stores rows of `vectors` vectors each. */
static inline __attribute__((always_inline)) void conv_tile_store(const struct conv_tile *t,
                                                                  vec (*acc)[4],
                                                                  const unsigned rows,
                                                                  const unsigned vectors) {
    const unsigned together = 4 / vectors;
    const char *constants = t->block;
    const size_t width = vectors * VEC_LANES;
    int8_t *y = t->y;
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows; i += together, y += together * t->out_c) {
        vec q[4];
#pragma GCC unroll 4
        for (unsigned j = 0; j < 4; j++) {
            const unsigned row = i + j / vectors < rows ? i + j / vectors : rows - 1;
            q[j] =
                block_requantize(acc[row][j % vectors], constants, vectors, j % vectors, t->plain);
        }
        const vec bytes = vec_order(vec_narrow(q[0], q[1], q[2], q[3], &t->out), vectors);
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
