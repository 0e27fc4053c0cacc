/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of float-tmpl.h: tiles. A tile is some pixels of one output row by one block of channels, all
 * sums in registers. A call does many tiles of one height.
 */

struct conv_tile {
    const float *x;               /* the window of the first tile's first pixel */
    float *y;                     /* its output */
    size_t pixel, out_pixel;      /* values from one pixel to the next in x and in y */
    size_t count, x_next, y_next; /* tiles, and values from one to the next */
    size_t kernel_h, kernel_step, runs_x, run_step, run_length;
    const float *block;
    size_t channels; /* there are, from y on; not all of them may belong to this block */
    float lo, hi;
};

typedef void (*conv_tile_fn)(const struct conv_tile *t);

/* `rows` rows of `width` pixels by one block, in tiles of nearly the same height up to `most`: along
 * a single row, else down columns of tiles. x_row, y_row: values from one row to the next. */
static void conv_walk(struct conv_tile *t, const conv_tile_fn *fns, size_t most, size_t width,
                      size_t rows, size_t x_row, size_t y_row) {
    size_t tiles = (width + most - 1) / most;
    while (tiles > 0) {
        const size_t height = (width + tiles - 1) / tiles;
        const size_t equal = rows > 1 ? 1 : tiles - (height * tiles - width);
        t->count = rows > 1 ? rows : equal;
        t->x_next = rows > 1 ? x_row : height * t->pixel;
        t->y_next = rows > 1 ? y_row : height * t->out_pixel;
        fns[height - 1](t);
        t->x += equal * height * t->pixel;
        t->y += equal * height * t->out_pixel;
        width -= equal * height;
        tiles -= equal;
    }
}

/* The first `channels` values of each row of `block` sums. */
static __attribute__((noinline)) void conv_store_part(float *y, size_t out_pixel, const float *all,
                                                      size_t rows, size_t block, size_t channels) {
    for (size_t i = 0; i < rows; i++)
        copy_values(y + i * out_pixel, all + i * block, channels);
}

/* Adds the bias, clamps and stores the channels that exist. */
static inline __attribute__((always_inline)) void
conv_tile_store(const struct conv_tile *t, float *y, vec (*acc)[4], const unsigned rows,
                const unsigned step, const unsigned vectors) {
    const size_t out_pixel = t->out_pixel, channels = t->channels;
    const float lo = t->lo, hi = t->hi;
    vec bias[4];
#pragma GCC unroll 4
    for (unsigned v = 0; v < vectors; v++)
        bias[v] = vec_load(t->block + v * LANES);
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (unsigned v = 0; v < vectors; v++)
            acc[i * step][v] = vec_clamp(acc[i * step][v] + bias[v], lo, hi);
    if (channels >= vectors * LANES) {
#pragma GCC unroll 16
        for (unsigned i = 0; i < rows; i++)
#pragma GCC unroll 4
            for (unsigned v = 0; v < vectors; v++)
                vec_store(y + i * out_pixel + v * LANES, acc[i * step][v]);
        return;
    }
    float all[KERN_ROWS_1 * 2 * LANES];
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (unsigned v = 0; v < vectors; v++)
            vec_store(all + (i * vectors + v) * LANES, acc[i * step][v]);
    conv_store_part(y, out_pixel, all, rows, vectors * LANES, channels);
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

#define CONV_ADDRESSES(rows) (((rows) + 2) / 3)

/* The next `n` values of each row. */
static inline __attribute__((always_inline)) void conv_tile_advance(const float **x, size_t n,
                                                                    const unsigned addresses) {
#pragma GCC unroll 8
    for (unsigned i = 0; i < addresses; i++) {
        x[i] += n;
        KEEP_ADDRESS(x[i]);
    }
}

static inline __attribute__((always_inline)) void
conv_tile_start(const float **x, const float *at, size_t pixel, const unsigned addresses) {
#pragma GCC unroll 8
    for (unsigned i = 0; i < addresses; i++)
        x[i] = at + 3 * i * pixel;
}

/* A sum is split over several registers in low tiles, or it would wait for each addition. */
#define CONV_SPLIT(rows, vectors)                                                                  \
    (!KERN_SPLIT_SUMS          ? 1                                                                 \
     : (rows) * (vectors) <= 1 ? 8                                                                 \
     : (rows) * (vectors) <= 2 ? 4                                                                 \
     : (rows) * (vectors) <= 4 ? 2                                                                 \
                               : 1)
#define CONV_MAX_SUMS (KERN_ROWS_1 > 8 ? KERN_ROWS_1 : 8)

static inline __attribute__((always_inline)) void
conv_tile(const struct conv_tile *t, const unsigned rows, const unsigned vectors) {
    const unsigned split = CONV_SPLIT(rows, vectors), addresses = CONV_ADDRESSES(rows);
    const size_t pixel = t->pixel;
    const float *tile = t->x;
    float *y = t->y;
    for (size_t n = t->count; n > 0; n--, tile += t->x_next, y += t->y_next) {
        const float *w = t->block + vectors * LANES;
        vec acc[CONV_MAX_SUMS][4];
#pragma GCC unroll 16
        for (unsigned i = 0; i < rows * split; i++)
#pragma GCC unroll 4
            for (unsigned v = 0; v < vectors; v++)
                acc[i][v] = (vec){0};
        for (size_t ky = 0; ky < t->kernel_h; ky++) {
            for (size_t kx = 0; kx < t->runs_x; kx++) {
                const float *x[CONV_ADDRESSES(KERN_ROWS_1)];
                size_t left = t->run_length;
                conv_tile_start(x, tile + ky * t->kernel_step + kx * t->run_step, pixel, addresses);
                for (; left >= split; left -= split, w += split * vectors * LANES) {
                    conv_tile_step(acc, x, pixel, w, rows, split, split, vectors);
                    conv_tile_advance(x, split, addresses);
                }
                for (; split > 1 && left > 0; left--, w += vectors * LANES) {
                    conv_tile_step(acc, x, pixel, w, rows, split, 1, vectors);
                    conv_tile_advance(x, 1, addresses);
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
        conv_tile_store(t, y, acc, rows, split, vectors);
    }
}

/* One vector of channels needs a load for each product, twice what the products themselves need.
 * Where windows are three pixels wide, a value belongs to three of them: it is loaded once. */
static inline __attribute__((always_inline)) void conv_tile_sliding(const struct conv_tile *t,
                                                                    const unsigned rows) {
    const unsigned addresses = CONV_ADDRESSES(rows + 2);
    const size_t pixel = t->pixel;
    const float *tile = t->x;
    float *y = t->y;
    for (size_t n = t->count; n > 0; n--, tile += t->x_next, y += t->y_next) {
        const float *w = t->block + LANES;
        vec acc[KERN_ROWS_1][4];
#pragma GCC unroll 16
        for (unsigned i = 0; i < rows; i++)
            acc[i][0] = (vec){0};
        for (size_t ky = 0; ky < t->kernel_h; ky++, w += 2 * pixel * LANES) {
            const float *x[CONV_ADDRESSES(KERN_ROWS_1 + 2)];
            conv_tile_start(x, tile + ky * t->kernel_step, pixel, addresses);
            for (size_t k = pixel; k > 0; k--, w += LANES) {
                vec weights[3];
#pragma GCC unroll 3
                for (unsigned v = 0; v < 3; v++)
                    weights[v] = vec_load(w + v * pixel * LANES);
#pragma GCC unroll 16
                for (unsigned i = 0; i < rows + 2; i++) {
                    const vec a = *CONV_ROW(x, i) - (vec){0};
#pragma GCC unroll 3
                    for (unsigned v = 0; v < 3; v++)
                        if (i >= v && i - v < rows)
                            acc[i - v][0] += a * weights[v];
                }
                conv_tile_advance(x, 1, addresses);
            }
        }
        conv_tile_store(t, y, acc, rows, 1, 1);
    }
}

#define CONV_TILE(rows, vectors)                                                                   \
    static void conv_tile_##rows##x##vectors(const struct conv_tile *t) {                          \
        conv_tile(t, rows, vectors);                                                               \
    }
#define CONV_TILE_SLIDING(rows, unused)                                                            \
    static void conv_tile_sliding_##rows(const struct conv_tile *t) {                              \
        conv_tile_sliding(t, rows);                                                                \
    }
#define CONV_TILE_NAME(rows, vectors) conv_tile_##rows##x##vectors,
#define CONV_TILE_SLIDING_NAME(rows, unused) conv_tile_sliding_##rows,

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
#if KERN_SPLIT_SUMS
CONV_TILES(KERN_ROWS_SLIDING)(CONV_TILE_SLIDING, )
static const conv_tile_fn conv_tiles_sliding[] = {
    CONV_TILES(KERN_ROWS_SLIDING)(CONV_TILE_SLIDING_NAME, )};
#else
#define KERN_ROWS_SLIDING KERN_ROWS_1
#define conv_tiles_sliding conv_tiles_1
#endif
/* clang-format on */
