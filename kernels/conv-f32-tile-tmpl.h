/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of float-tmpl.h: a tile is some pixels of one output row by one block of channels, all sums in
 * registers.
 */

#define CONV_MAX_ROWS KERN_ROWS_1

/* One tile, as its function needs it. */
struct conv_tile {
    const float *x; /* the first pixel's window */
    size_t pixel;   /* values from one pixel to the next */
    size_t kernel_h, kernel_step, runs_x, run_step, run_length;
    const float *block;
    float *y;
    size_t out_c, channels; /* of the network; of this block, from y on */
    float lo, hi;
};

/* Adds the bias, clamps and stores the channels that exist. */
static inline __attribute__((always_inline)) void
conv_tile_store(const struct conv_tile *t, vec (*acc)[4], const unsigned rows, const unsigned step,
                const unsigned vectors) {
    float *y = t->y;
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows; i++, y += t->out_c) {
#pragma GCC unroll 4
        for (unsigned v = 0; v < vectors; v++) {
            const vec sum = acc[i * step][v] + vec_load(t->block + v * LANES);
            const vec out = vec_clamp(sum, t->lo, t->hi);
            if (t->channels >= (v + 1) * LANES)
                vec_store(y + v * LANES, out);
            else if (t->channels > v * LANES)
                vec_store_part(y + v * LANES, out, t->channels - v * LANES);
        }
    }
}

/* The products of `split` neighbouring values of each row. */
static inline __attribute__((always_inline)) void
conv_tile_step(vec (*acc)[4], const float *const *x, size_t pixel, const float *w,
               const unsigned rows, const unsigned step, const unsigned split,
               const unsigned vectors) {
#pragma GCC unroll 8
    for (unsigned s = 0; s < split; s++) {
        vec weights[4];
#pragma GCC unroll 4
        for (unsigned v = 0; v < vectors; v++)
            weights[v] = vec_load(w + (s * vectors + v) * LANES);
#pragma GCC unroll 16
        for (unsigned i = 0; i < rows; i++) {
            const float a = CONV_ROW(x, i)[s];
#pragma GCC unroll 4
            for (unsigned v = 0; v < vectors; v++)
                acc[i * step + s][v] += a * weights[v];
        }
    }
}

/* A sum is split over several registers in low tiles, or it would wait for each addition. */
#define CONV_SPLIT(rows, vectors)                                                                  \
    (!KERN_SPLIT_SUMS          ? 1                                                                 \
     : (rows) * (vectors) <= 1 ? 8                                                                 \
     : (rows) * (vectors) <= 2 ? 4                                                                 \
     : (rows) * (vectors) <= 4 ? 2                                                                 \
                               : 1)

static inline __attribute__((always_inline)) void
conv_tile(const struct conv_tile *t, const unsigned rows, const unsigned vectors) {
    const unsigned split = CONV_SPLIT(rows, vectors);
    const size_t pixel = t->pixel;
    const float *w = t->block + vectors * LANES;
    vec acc[CONV_MAX_ROWS > 8 ? CONV_MAX_ROWS : 8][4];
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows * split; i++)
#pragma GCC unroll 4
        for (unsigned v = 0; v < vectors; v++)
            acc[i][v] = (vec){0};
    for (size_t ky = 0; ky < t->kernel_h; ky++) {
        for (size_t kx = 0; kx < t->runs_x; kx++) {
            const float *x[(CONV_MAX_ROWS + 2) / 3];
#pragma GCC unroll 8
            for (unsigned i = 0; i < (rows + 2) / 3; i++)
                x[i] = t->x + ky * t->kernel_step + kx * t->run_step + 3 * i * pixel;
            size_t left = t->run_length;
            for (; left >= split; left -= split, w += split * vectors * LANES) {
                conv_tile_step(acc, x, pixel, w, rows, split, split, vectors);
#pragma GCC unroll 8
                for (unsigned i = 0; i < (rows + 2) / 3; i++) {
                    x[i] += split;
                    KEEP_ADDRESS(x[i]);
                }
            }
            if (split == 1)
                continue;
            for (; left > 0; left--, w += vectors * LANES) {
                conv_tile_step(acc, x, pixel, w, rows, split, 1, vectors);
#pragma GCC unroll 8
                for (unsigned i = 0; i < (rows + 2) / 3; i++)
                    x[i]++;
            }
        }
    }
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (unsigned s = 1; s < split; s++)
#pragma GCC unroll 4
            for (unsigned v = 0; v < vectors; v++)
                acc[i * split][v] += acc[i * split + s][v];
    conv_tile_store(t, acc, rows, split, vectors);
}

typedef void (*conv_tile_fn)(const struct conv_tile *t);

#define CONV_TILE(rows, vectors)                                                                   \
    static void conv_tile_##rows##x##vectors(const struct conv_tile *t) {                          \
        conv_tile(t, rows, vectors);                                                               \
    }
#define CONV_TILE_NAME(rows, vectors) conv_tile_##rows##x##vectors,

/* clang-format off */
CONV_TILES(KERN_ROWS_1)(CONV_TILE, 1)
CONV_TILES(KERN_ROWS_2)(CONV_TILE, 2)
static const conv_tile_fn conv_tiles_1[] = {CONV_TILES(KERN_ROWS_1)(CONV_TILE_NAME, 1)};
static const conv_tile_fn conv_tiles_2[] = {CONV_TILES(KERN_ROWS_2)(CONV_TILE_NAME, 2)};
#if KERN_ROWS_4
CONV_TILES(KERN_ROWS_4)(CONV_TILE, 4)
static const conv_tile_fn conv_tiles_4[] = {CONV_TILES(KERN_ROWS_4)(CONV_TILE_NAME, 4)};
#else
#define conv_tiles_4 conv_tiles_2
#endif
/* clang-format on */

/* `width` pixels of one output row by one block: tiles of nearly the same height. */
static void conv_row(struct conv_tile *t, size_t width, unsigned vectors) {
    const size_t most = vectors == 4 ? KERN_ROWS_4 : vectors == 2 ? KERN_ROWS_2 : KERN_ROWS_1;
    const conv_tile_fn *fns = vectors == 4   ? conv_tiles_4
                              : vectors == 2 ? conv_tiles_2
                                             : conv_tiles_1;
    for (size_t tiles = (width + most - 1) / most; tiles > 0; tiles--) {
        const size_t rows = (width + tiles - 1) / tiles;
        fns[rows - 1](t);
        t->x += rows * t->pixel;
        t->y += rows * t->out_c;
        width -= rows;
    }
}
