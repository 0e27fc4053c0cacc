/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: a tile is some pixels of one output row by one block of channels, all sums in
 * registers.
 */

#include VEC_CONV_SUMS

#define CONV_TILE_SIZE KERN_STRING(VEC_ROWS_2) "x2v"

static const char *conv_tile_refuses(const struct kern_conv *p) {
    if (VEC_GROUP > 4 && conv_shape(p).run_length <= VEC_GROUP / 2)
        return "products half empty";
    /* 7104 products take 1.85 us with a lane of 512 bits, 0.68 us as the C reference's row */
    if (p->out_c == 1 && p->out_h == 1 && p->out_w == 1)
        return "a single sum";
    return NULL;
}

static inline void conv_band_begin(const struct conv_tile *t, size_t width) {
}

static inline void conv_band_end(void) {
}

static inline __attribute__((always_inline)) void
conv_tile(const struct conv_tile *t, const unsigned rows, const unsigned vectors) {
    vec acc[CONV_MAX_ROWS][4];
    conv_tile_sums(t, acc, rows, vectors);
    conv_tile_store(t, acc, rows, vectors);
}

typedef void (*conv_tile_fn)(const struct conv_tile *t);

#define CONV_TILE(rows, vectors)                                                                   \
    static void conv_tile_##rows##x##vectors(const struct conv_tile *t) {                          \
        conv_tile(t, rows, vectors);                                                               \
    }
#define CONV_TILE_NAME(rows, vectors) conv_tile_##rows##x##vectors,

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
        size_t rows = (width + tiles - 1) / tiles;
        if (VEC_ROW_STEP > 1)
            rows = MIN(round_up(rows, VEC_ROW_STEP), width);
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
