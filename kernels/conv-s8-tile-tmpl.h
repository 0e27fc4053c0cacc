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

static inline __attribute__((always_inline)) void
conv_tile(const struct conv_tile *t, const unsigned rows, const unsigned vectors) {
    const size_t pixel = t->pixel;
    const char *w = t->block + BLOCK_CONSTANTS * vectors * VEC_BYTES;
    vec acc[CONV_MAX_ROWS][4];
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (unsigned v = 0; v < vectors; v++)
            acc[i][v] = block_constant(t->block, vectors, 0, v);
    for (size_t ky = 0; ky < t->kernel_h; ky++) {
        for (size_t kx = 0; kx < t->runs_x; kx++) {
            const vec_staged *x[(CONV_MAX_ROWS + 2) / 3];
#pragma GCC unroll 8
            for (unsigned i = 0; i < (rows + 2) / 3; i++)
                x[i] = t->x + ky * t->kernel_step + kx * t->run_step + 3 * i * pixel;
            for (size_t g = t->groups; g > 0; g--) {
                vec weights[4];
#pragma GCC unroll 4
                for (unsigned v = 0; v < vectors; v++)
                    weights[v] = vec_load(w + v * VEC_BYTES);
#pragma GCC unroll 16
                for (unsigned i = 0; i < rows; i++) {
                    const vec a = vec_broadcast(CONV_ROW(x, i));
#pragma GCC unroll 4
                    for (unsigned v = 0; v < vectors; v++)
                        acc[i][v] = vec_dot(acc[i][v], a, weights[v]);
                }
                w += vectors * VEC_BYTES;
#pragma GCC unroll 8
                for (unsigned i = 0; i < (rows + 2) / 3; i++) {
                    x[i] += VEC_GROUP;
                    KEEP_ADDRESS(x[i]);
                }
            }
        }
    }
    conv_tile_store(t, acc, rows, vectors);
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
#define CONV_TILES_(rows) CONV_TILES_##rows
#define CONV_TILES(rows) CONV_TILES_(rows)

CONV_TILES(VEC_ROWS_1)
(CONV_TILE, 1) CONV_TILES(VEC_ROWS_2)(CONV_TILE, 2)
#if VEC_BLOCK == 4
    CONV_TILES(VEC_ROWS_4)(CONV_TILE, 4)
#endif

        static const conv_tile_fn conv_tiles_1[] = {CONV_TILES(VEC_ROWS_1)(CONV_TILE_NAME, 1)};
static const conv_tile_fn conv_tiles_2[] = {CONV_TILES(VEC_ROWS_2)(CONV_TILE_NAME, 2)};
#if VEC_BLOCK == 4
static const conv_tile_fn conv_tiles_4[] = {CONV_TILES(VEC_ROWS_4)(CONV_TILE_NAME, 4)};
#else
#define conv_tiles_4 conv_tiles_2
#endif

/* `width` pixels of one output row by one block: tiles of nearly the same height. */
static void conv_row(struct conv_tile *t, size_t width, unsigned vectors) {
    const size_t most = vectors == 4 ? VEC_ROWS_4 : vectors == 2 ? VEC_ROWS_2 : VEC_ROWS_1;
    const conv_tile_fn *fns = vectors == 4   ? conv_tiles_4
                              : vectors == 2 ? conv_tiles_2
                                             : conv_tiles_1;
    size_t tiles = (width + most - 1) / most;
    for (; tiles > 0; tiles--) {
        const size_t rows = (width + tiles - 1) / tiles;
        fns[rows - 1](t);
        t->x += rows * t->pixel;
        t->y += rows * t->out_c;
        width -= rows;
    }
}
