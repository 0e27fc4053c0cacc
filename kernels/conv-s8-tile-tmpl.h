/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: a tile is some pixels of one output row by one block of channels, all sums in
 * registers.
 */

#define CONV_TILE_SIZE KERN_STRING(VEC_ROWS_2) "x2v"

static const char *conv_tile_refuses(const struct kern_conv *p) {
    return NULL;
}

static inline void conv_band_begin(const struct conv_tile *t, size_t width) {
}

static inline void conv_band_end(void) {
}

/* Three rows share an address, which x86-64 can add one and two times the distance to: twelve
 * addresses would not fit the registers. KEEP_ADDRESS hides from the compiler what it points at, or
 * it would split them again. */
#define CONV_ROW(p, i) ((p)[(i) / 3] + (i) % 3 * pixel)
#define KEEP_ADDRESS(p) __asm__("" : "+r"(p))

/* Sums a product waits for: a small tile keeps several for each of its places, or it would wait for
 * each product. */
#define CONV_SPLIT(rows, vectors) ((rows) * (vectors) >= 8 ? 1 : (rows) * (vectors) >= 4 ? 2 : 4)

/* The products of one group of depth, `ahead` groups from where x and w point. */
static inline __attribute__((always_inline)) void
conv_step(const vec_staged *const *x, size_t pixel, const char *w, const unsigned ahead,
          const unsigned rows, const unsigned vectors, vec (*acc)[4]) {
    vec weights[4];
#pragma GCC unroll 4
    for (unsigned v = 0; v < vectors; v++)
        weights[v] = vec_load(w + (ahead * vectors + v) * VEC_BYTES);
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows; i++) {
        const vec a = vec_broadcast(CONV_ROW(x, i) + ahead * VEC_GROUP);
#pragma GCC unroll 4
        for (unsigned v = 0; v < vectors; v++)
            acc[i][v] = vec_dot(acc[i][v], a, weights[v]);
    }
}

/* The products of one run. */
static inline __attribute__((always_inline)) void
conv_run_products(const struct conv_tile *t, const vec_staged *window, const char *w,
                  const unsigned rows, const unsigned vectors, vec (*acc)[CONV_MAX_ROWS][4]) {
    const unsigned split = CONV_SPLIT(rows, vectors);
    const size_t pixel = t->pixel;
    const vec_staged *x[(CONV_MAX_ROWS + 2) / 3];
#pragma GCC unroll 8
    for (unsigned i = 0; i < (rows + 2) / 3; i++)
        x[i] = window + 3 * i * pixel;
    size_t left = t->groups;
    for (; left >= split; left -= split) {
#pragma GCC unroll 4
        for (unsigned s = 0; s < split; s++)
            conv_step(x, pixel, w, s, rows, vectors, acc[s]);
        w += split * vectors * VEC_BYTES;
#pragma GCC unroll 8
        for (unsigned i = 0; i < (rows + 2) / 3; i++) {
            x[i] += split * VEC_GROUP;
            KEEP_ADDRESS(x[i]);
        }
    }
    for (; split > 1 && left > 0; left--, x[0] += VEC_GROUP, x[1] += VEC_GROUP) {
        conv_step(x, pixel, w, 0, rows, vectors, acc[0]);
        w += vectors * VEC_BYTES;
    }
}

static inline __attribute__((always_inline)) void
conv_tile(const struct conv_tile *t, const unsigned rows, const unsigned vectors) {
    const unsigned split = CONV_SPLIT(rows, vectors);
    const size_t run_bytes = t->groups * vectors * VEC_BYTES;
    const char *w = t->block + BLOCK_CONSTANTS(vectors) * VEC_BYTES;
    vec acc[4][CONV_MAX_ROWS][4];
#pragma GCC unroll 4
    for (unsigned s = 0; s < split; s++)
#pragma GCC unroll 16
        for (unsigned i = 0; i < rows; i++)
#pragma GCC unroll 4
            for (unsigned v = 0; v < vectors; v++)
                acc[s][i][v] = s ? vec_set1(0) : block_constant(t->block, vectors, BLOCK_BIAS, v);
    for (size_t ky = 0; ky < t->kernel_h; ky++)
        for (size_t kx = 0; kx < t->runs_x; kx++, w += run_bytes)
            conv_run_products(t, t->x + ky * t->kernel_step + kx * t->run_step, w, rows, vectors,
                              acc);
#pragma GCC unroll 4
    for (unsigned s = 1; s < split; s++)
#pragma GCC unroll 16
        for (unsigned i = 0; i < rows; i++)
#pragma GCC unroll 4
            for (unsigned v = 0; v < vectors; v++)
                acc[0][i][v] = vec_add(acc[0][i][v], acc[s][i][v]);
    conv_tile_store(t, acc[0], rows, vectors);
}

typedef void (*conv_tile_fn)(const struct conv_tile *t);

#define CONV_TILE(rows, vectors)                                                                   \
    static void conv_tile_##rows##x##vectors(const struct conv_tile *t) {                          \
        conv_tile(t, rows, vectors);                                                               \
    }
#define CONV_TILE_NAME(rows, vectors) conv_tile_##rows##x##vectors,

#define CONV_TILES_2(X, vectors) X(1, vectors) X(2, vectors)
#define CONV_TILES_6(X, vectors)                                                                   \
    CONV_TILES_2(X, vectors) X(3, vectors) X(4, vectors) X(5, vectors) X(6, vectors)
#define CONV_TILES_8(X, vectors) CONV_TILES_6(X, vectors) X(7, vectors) X(8, vectors)
#define CONV_TILES_12(X, vectors)                                                                  \
    CONV_TILES_8(X, vectors) X(9, vectors) X(10, vectors) X(11, vectors) X(12, vectors)
#define CONV_TILES_16(X, vectors)                                                                  \
    CONV_TILES_12(X, vectors) X(13, vectors) X(14, vectors) X(15, vectors) X(16, vectors)
#define CONV_TILES(rows) CONV_TILES_##rows
/* The functions of 1 to `rows` rows, and their table. */
#define CONV_DEFINE_TILES(rows, vectors)                                                           \
    CONV_TILES(rows)                                                                               \
    (CONV_TILE, vectors) static const conv_tile_fn conv_tiles_##vectors[] = {                      \
        CONV_TILES(rows)(CONV_TILE_NAME, vectors)}
#define CONV_DEFINE_TILES_(rows, vectors) CONV_DEFINE_TILES(rows, vectors)

CONV_DEFINE_TILES_(VEC_ROWS_1, 1);
CONV_DEFINE_TILES_(VEC_ROWS_2, 2);
#if VEC_BLOCK == 4
CONV_DEFINE_TILES_(VEC_ROWS_4, 4);
#else
#define conv_tiles_4 conv_tiles_2
#endif

/* `width` pixels of one output row: tiles of nearly the same height, at most `most` rows. */
static void conv_row_tiles(struct conv_tile *t, size_t width, const conv_tile_fn *fns,
                           size_t most) {
    for (size_t tiles = (width + most - 1) / most; tiles > 0; tiles--) {
        const size_t rows = (width + tiles - 1) / tiles;
        fns[rows - 1](t);
        t->x += rows * t->pixel;
        t->y += rows * t->out_c;
        width -= rows;
    }
}

#ifdef VEC_SLIDE
#include "kernels/conv-s8-slide-tmpl.h"
#else
#define conv_slides(t) false
#define slide_tiles_1 conv_tiles_1
#define slide_tiles_2 conv_tiles_2
#endif

static void conv_row(struct conv_tile *t, size_t width, unsigned vectors) {
    const bool slides = conv_slides(t);
    if (vectors == 4)
        conv_row_tiles(t, width, conv_tiles_4, ARRAY_SIZE(conv_tiles_4));
    else if (vectors == 2)
        conv_row_tiles(t, width, slides ? slide_tiles_2 : conv_tiles_2, ARRAY_SIZE(conv_tiles_2));
    else
        conv_row_tiles(t, width, slides ? slide_tiles_1 : conv_tiles_1, ARRAY_SIZE(conv_tiles_1));
}
