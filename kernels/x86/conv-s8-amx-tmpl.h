/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: the tile of AMX, 16 pixels by up to 64 channels. Staging, packing and
 * requantization are AVX-512 VNNI's: a row of tile A is a piece of a pixel's run, tile B a piece of
 * the packed block as it lies.
 */

#include "base/attributes.h"

#define CONV_TILE_SIZE "16x4v"

/* Groups of a row of A: at least half a row, or the tiles are mostly empty. */
#define TILE_MAX_GROUPS 16
#define TILE_MIN_GROUPS 8
#define TILE_MIN_PIXELS 8
#define TILE_MAX_PIXELS 16

/* Into how many equal pieces of a row of A a run divides; 0: into none that are worth it. */
static size_t tile_pieces(size_t groups) {
    size_t n = (groups + TILE_MAX_GROUPS - 1) / TILE_MAX_GROUPS;
    while (groups % n)
        n++;
    return groups / n >= TILE_MIN_GROUPS ? n : 0;
}

static const char *conv_tile_refuses(const struct kern_conv *p) {
    const struct conv_shape s = conv_shape(p);
    if (s.out_w < TILE_MIN_PIXELS)
        return "rows of fewer than " KERN_STRING(TILE_MIN_PIXELS) " pixels";
    if (p->out_c < VEC_LANES)
        return "fewer than " KERN_STRING(VEC_LANES) " channels";
    const size_t groups = conv_run_groups(&s, VEC_GROUP);
    if (conv_runs(&s) * groups < TILE_MAX_GROUPS || !tile_pieces(groups))
        return "depth too small or odd for a tile";
    return NULL;
}

/* Pixels of a tile: as many for each, the last may do some of its neighbour's again. */
static size_t tile_pixels(size_t width) {
    const size_t tiles = (width + TILE_MAX_PIXELS - 1) / TILE_MAX_PIXELS;
    return (width + tiles - 1) / tiles;
}

/* Tiles 0 to 3 are sums, 4 is A, 5 to 7 are B. */
static void conv_band_begin(const struct conv_tile *t, size_t width) {
    const size_t groups = t->groups / tile_pieces(t->groups);
    struct tile_config config = {.palette = 1};
    for (unsigned i = 0; i < 8; i++) {
        config.rows[i] = (uint8_t)(i < 5 ? tile_pixels(width) : groups);
        config.row_bytes[i] = (uint16_t)(i == 4 ? groups * VEC_GROUP : VEC_BYTES);
    }
    tile_configure(&config);
}

static void conv_band_end(void) {
    tile_release();
}

/* The sums of one tile of `vectors` vectors of channels, without biases. */
static inline __attribute__((always_inline)) void
tile_sums(const struct conv_tile *t, const unsigned vectors, int32_t (*ret_sums)[16 * VEC_LANES]) {
    const size_t pieces = tile_pieces(t->groups), groups = t->groups / pieces;
    const size_t stride = vectors * VEC_BYTES;
    const char *w = t->block + BLOCK_CONSTANTS(vectors) * VEC_BYTES;
    tile_zero(0);
    tile_zero(1);
    tile_zero(2);
    tile_zero(3);
    for (size_t ky = 0; ky < t->kernel_h; ky++) {
        for (size_t kx = 0; kx < t->runs_x; kx++) {
            const vec_staged *x = t->x + ky * t->kernel_step + kx * t->run_step;
            for (size_t i = 0; i < pieces; i++, x += groups * VEC_GROUP, w += groups * stride) {
                tile_load(4, x, t->pixel);
                tile_load(5, w, stride);
                tile_dot(0, 4, 5);
                if (vectors > 1) {
                    tile_load(6, w + VEC_BYTES, stride);
                    tile_dot(1, 4, 6);
                }
                if (vectors > 2) {
                    tile_load(7, w + 2 * VEC_BYTES, stride);
                    tile_dot(2, 4, 7);
                    tile_load(5, w + 3 * VEC_BYTES, stride);
                    tile_dot(3, 4, 5);
                }
            }
        }
    }
    tile_store(0, ret_sums[0], VEC_BYTES);
    if (vectors > 1)
        tile_store(1, ret_sums[1], VEC_BYTES);
    if (vectors > 2) {
        tile_store(2, ret_sums[2], VEC_BYTES);
        tile_store(3, ret_sums[3], VEC_BYTES);
    }
}

/* Rows [row, row + rows) of a tile. */
static inline __attribute__((always_inline)) void tile_finish(struct conv_tile *t,
                                                              int32_t (*sums)[16 * VEC_LANES],
                                                              size_t row, const unsigned rows,
                                                              const unsigned vectors) {
    vec acc[4][4];
    for (unsigned i = 0; i < rows; i++)
        for (unsigned v = 0; v < vectors; v++)
            acc[i][v] = vec_add(vec_load(sums[v] + (row + i) * VEC_LANES),
                                block_constant(t->block, vectors, BLOCK_BIAS, v));
    int8_t *y = t->y;
    t->y += row * t->out_c;
    conv_tile_store(t, acc, rows, vectors);
    t->y = y;
}

static inline __attribute__((always_inline)) void conv_row_n(struct conv_tile *t, size_t width,
                                                             const unsigned vectors) {
    _Alignas(64) int32_t sums[4][16 * VEC_LANES];
    const size_t pixels = tile_pixels(width);
    for (size_t done = 0; done < width;) {
        const size_t back = done + pixels > width ? done + pixels - width : 0;
        t->x -= back * t->pixel;
        t->y -= back * t->out_c;
        tile_sums(t, vectors, sums);
        size_t row = 0;
        for (; row + 4 <= pixels; row += 4)
            tile_finish(t, sums, row, 4, vectors);
        for (; row < pixels; row++)
            tile_finish(t, sums, row, 1, vectors);
        t->x += pixels * t->pixel;
        t->y += pixels * t->out_c;
        done += pixels - back;
    }
}

static void conv_row(struct conv_tile *t, size_t width, unsigned vectors) {
    if (vectors == 4)
        conv_row_n(t, width, 4);
    else if (vectors == 2)
        conv_row_n(t, width, 2);
    else
        conv_row_n(t, width, 1);
}

/* Products of whole tiles that are loaded already, into four sums. */
uint64_t KERN_NAME(peak_s8)(uint64_t rounds) {
    struct tile_config config = {.palette = 1};
    for (unsigned i = 0; i < 8; i++) {
        config.rows[i] = TILE_MAX_PIXELS;
        config.row_bytes[i] = VEC_BYTES;
    }
    tile_configure(&config);
    for (uint64_t i = 0; i < rounds; i++) {
        tile_dot(0, 4, 5);
        tile_dot(1, 4, 6);
        tile_dot(2, 4, 7);
        tile_dot(3, 4, 5);
    }
    tile_release();
    return rounds * 4 * TILE_MAX_PIXELS * VEC_LANES * VEC_BYTES;
}
