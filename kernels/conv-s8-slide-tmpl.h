/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: the tile of conv-s8-tile-tmpl.h for kernels three wide and stride 1. Pixels
 * of a tile are neighbours then, and each group of an input pixel meets all three taps of its
 * kernel row: it is loaded once instead of three times, where loads set the pace.
 */

#define SLIDE_TAPS 3

/* Whether a window is three pixels of whole groups. */
static bool conv_slides(const struct conv_tile *t) {
    return t->runs_x == 1 && t->pixel % VEC_GROUP == 0 &&
           t->groups * VEC_GROUP == SLIDE_TAPS * t->pixel;
}

/* The products of group `g` of each pixel of a kernel row. */
static inline __attribute__((always_inline)) void
slide_group(const vec_staged *const *x, size_t pixel, const char *w, size_t tap_bytes,
            const unsigned rows, const unsigned vectors, vec (*acc)[4]) {
    vec weights[SLIDE_TAPS][2];
#pragma GCC unroll 4
    for (unsigned k = 0; k < SLIDE_TAPS; k++)
#pragma GCC unroll 2
        for (unsigned v = 0; v < vectors; v++)
            weights[k][v] = vec_load(w + k * tap_bytes + v * VEC_BYTES);
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows + SLIDE_TAPS - 1; i++) {
        const vec a = vec_broadcast(CONV_ROW(x, i));
#pragma GCC unroll 4
        for (unsigned k = 0; k < SLIDE_TAPS; k++)
#pragma GCC unroll 2
            for (unsigned v = 0; v < vectors; v++)
                if (i >= k && i - k < rows)
                    acc[i - k][v] = vec_dot(acc[i - k][v], a, weights[k][v]);
    }
}

static inline __attribute__((always_inline)) void
slide_tile(const struct conv_tile *t, const unsigned rows, const unsigned vectors) {
    const size_t pixel = t->pixel, tap_bytes = t->groups / SLIDE_TAPS * vectors * VEC_BYTES;
    const char *w = t->block + BLOCK_CONSTANTS(vectors) * VEC_BYTES;
    vec acc[CONV_MAX_ROWS][4];
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (unsigned v = 0; v < vectors; v++)
            acc[i][v] = block_constant(t->block, vectors, BLOCK_BIAS, v);
    for (size_t ky = 0; ky < t->kernel_h; ky++, w += (SLIDE_TAPS - 1) * tap_bytes) {
        const vec_staged *x[(CONV_MAX_ROWS + SLIDE_TAPS + 1) / 3];
#pragma GCC unroll 8
        for (unsigned i = 0; i < (rows + SLIDE_TAPS + 1) / 3; i++)
            x[i] = t->x + ky * t->kernel_step + 3 * i * pixel;
        for (size_t g = t->groups / SLIDE_TAPS; g > 0; g--, w += vectors * VEC_BYTES) {
            slide_group(x, pixel, w, tap_bytes, rows, vectors, acc);
#pragma GCC unroll 8
            for (unsigned i = 0; i < (rows + SLIDE_TAPS + 1) / 3; i++) {
                x[i] += VEC_GROUP;
                KEEP_ADDRESS(x[i]);
            }
        }
    }
    conv_tile_store(t, acc, rows, vectors);
}

#define SLIDE_TILE(rows, vectors)                                                                  \
    static void slide_tile_##rows##x##vectors(const struct conv_tile *t) {                         \
        slide_tile(t, rows, vectors);                                                              \
    }
#define SLIDE_TILES(X, vectors)                                                                    \
    X(8, vectors) X(9, vectors) X(10, vectors) X(11, vectors) X(12, vectors)
#define SLIDE_TILE_NAME(rows, vectors) slide_tile_##rows##x##vectors,
/* Lower tiles share little. */
#define SLIDE_DEFINE_TILES(vectors)                                                                \
    SLIDE_TILES(SLIDE_TILE, vectors)                                                               \
    static const conv_tile_fn slide_tiles_##vectors[] = {CONV_TILES_6(                             \
        CONV_TILE_NAME, vectors) CONV_TILE_NAME(7, vectors) SLIDE_TILES(SLIDE_TILE_NAME, vectors)}

SLIDE_DEFINE_TILES(1);
SLIDE_DEFINE_TILES(2);
