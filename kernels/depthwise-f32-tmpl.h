/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of float-tmpl.h: depthwise convolution with one output channel for each input channel. A tile
 * is some vectors of one output row that have the same weights.
 *
 * Where there are channels for a vector, a block is a vector of channels, the last one as far back
 * as it must be to be full, and a tile is some pixels. Fewer channels make a row flat: its vectors
 * go over pixels and channels alike, and a block is one of the patterns in which the channels then
 * repeat. So that the windows of a flat row are flat too, a stride is removed while it is staged: the
 * band has a row for each kernel column.
 *
 * Packed block, for each block: bias [lanes], filter [kernel_h][kernel_w][lanes].
 */

#define DEPTHWISE_ROWS 8

static const char *depthwise_refuses(const struct kern_conv *p) {
    if (!p->depthwise)
        return "";
    if (p->in_c != p->out_c)
        return "several output channels for an input channel";
    return p->out_h == 0 || p->out_w == 0 || p->in_c == 0 ? "empty" : NULL;
}

static bool depthwise_is_flat(const struct kern_conv *p) {
    return p->in_c < LANES;
}

/* Different vectors of channels. */
static size_t depthwise_blocks(const struct kern_conv *p) {
    const size_t c = (size_t)p->in_c;
    if (!depthwise_is_flat(p))
        return round_up(c, LANES) / LANES;
    size_t blocks = c;
    for (size_t power = 2; power <= LANES && blocks % 2 == 0; power *= 2)
        blocks /= 2;
    return blocks;
}

/* First channel of a block that is not flat. */
static size_t depthwise_first(const struct kern_conv *p, size_t block) {
    return MIN(block * LANES, (size_t)p->in_c - LANES);
}

static size_t depthwise_block_values(const struct kern_conv *p) {
    return LANES * (1 + im2col_depth(p));
}

static size_t depthwise_packed_size(const struct kern_conv *p) {
    return pack_room(depthwise_blocks(p) * depthwise_block_values(p) * sizeof(float));
}

#include "kernels/depthwise-3x3-f32-tmpl.h"

static bool depthwise_is_staged(const struct kern_conv *p, const struct conv_shape *s) {
    return depthwise_is_flat(p) || !conv_is_inside(s);
}

static bool depthwise_removes_stride(const struct kern_conv *p, const struct conv_shape *s) {
    return depthwise_is_flat(p) && s->stride_w > 1;
}

/* Values of a row of a staged band. */
static size_t depthwise_pitch(const struct kern_conv *p, const struct conv_shape *s, size_t width) {
    return depthwise_removes_stride(p, s) ? s->kernel_w * width * s->in_c : stage_pitch(s, width);
}

static size_t depthwise_scratch_size(const struct kern_conv *p) {
    const struct conv_shape s = conv_shape(p);
    if (depthwise_slides(&s) || !depthwise_is_staged(p, &s))
        return 0;
    const size_t width = conv_band_width(&s, STAGE_VALUES, DEPTHWISE_ROWS);
    const size_t height = conv_band_height(&s, STAGE_VALUES, width);
    /* the last vector may reach beyond the last row */
    const size_t values = conv_band_in(&s, height) * depthwise_pitch(p, &s, width) + LANES;
    return pack_room(values * sizeof(float));
}

static void depthwise_pack(const struct kern_conv *p, const struct kern_conv_weights *w,
                           void *ret_packed) {
    const size_t channels = (size_t)p->in_c, taps = im2col_depth(p);
    const float *filter = w->filter, *bias = w->bias;
    float *at = ret_packed;
    memset(ret_packed, 0, depthwise_packed_size(p));
    for (size_t block = 0; block < depthwise_blocks(p); block++) {
        for (size_t lane = 0; lane < LANES; lane++) {
            const size_t c = depthwise_is_flat(p) ? (block * LANES + lane) % channels
                                                  : depthwise_first(p, block) + lane;
            at[lane] = bias ? bias[c] : 0;
            for (size_t k = 0; k < taps; k++)
                at[(1 + k) * LANES + lane] = filter[k * channels + c];
        }
        at += depthwise_block_values(p);
    }
}

/* A tile whose pixels are vectors that share the block's weights; those of a 3x3 kernel stay in
 * registers. */
static inline __attribute__((always_inline)) void
depthwise_tile(const struct conv_tile *t, const unsigned rows, const size_t kernel_h,
               const size_t kernel_w, const bool keep) {
    const unsigned addresses = CONV_ADDRESSES(rows);
    const size_t pixel = t->pixel, run_step = t->run_step;
    const float *tile = t->x;
    float *y = t->y;
    vec kept[9];
#pragma GCC unroll 9
    for (unsigned i = 0; keep && i < 9; i++)
        kept[i] = vec_load(t->block + (1 + i) * LANES);
    for (size_t n = t->count; n > 0; n--, tile += t->x_next, y += t->y_next) {
        vec acc[DEPTHWISE_ROWS][4];
#pragma GCC unroll 8
        for (unsigned i = 0; i < rows; i++)
            acc[i][0] = (vec){0};
#pragma GCC unroll 4
        for (size_t ky = 0; ky < kernel_h; ky++) {
            const float *x[CONV_ADDRESSES(DEPTHWISE_ROWS)];
            conv_tile_start(x, tile + ky * t->kernel_step, pixel, addresses);
#pragma GCC unroll 4
            for (size_t kx = 0; kx < kernel_w; kx++) {
                const size_t tap = ky * kernel_w + kx;
                const vec weights = keep ? kept[tap] : vec_load(t->block + (1 + tap) * LANES);
#pragma GCC unroll 8
                for (unsigned i = 0; i < rows; i++)
                    acc[i][0] += vec_load(CONV_ROW(x, i)) * weights;
                conv_tile_advance(x, run_step, addresses);
            }
        }
        conv_tile_store(t, y, acc, rows, 1, 1);
    }
}

#define DEPTHWISE_TILE(rows, unused)                                                               \
    static void depthwise_tile_##rows(const struct conv_tile *t) {                                 \
        depthwise_tile(t, rows, t->kernel_h, t->runs_x, false);                                    \
    }                                                                                              \
    static void depthwise_tile_##rows##_3x3(const struct conv_tile *t) {                           \
        depthwise_tile(t, rows, 3, 3, true);                                                       \
    }
#define DEPTHWISE_TILE_NAME(rows, suffix) depthwise_tile_##rows##suffix,

/* clang-format off */
CONV_TILES(DEPTHWISE_ROWS)(DEPTHWISE_TILE, )
static const conv_tile_fn depthwise_tiles[] = {
    CONV_TILES(DEPTHWISE_ROWS)(DEPTHWISE_TILE_NAME, )};
static const conv_tile_fn depthwise_tiles_3x3[] = {
    CONV_TILES(DEPTHWISE_ROWS)(DEPTHWISE_TILE_NAME, _3x3)};
/* clang-format on */

/* Vectors of a row that share the weights of `block`: all pixels, or every `blocks`-th of a flat row
 * from number `block` on. */
static size_t depthwise_vectors(const struct kern_conv *p, size_t width, size_t block,
                                size_t blocks) {
    if (!depthwise_is_flat(p))
        return width;
    const size_t full = width * (size_t)p->in_c / LANES;
    return full > block ? (full - block + blocks - 1) / blocks : 0;
}

static void depthwise_band(const struct kern_conv *p, const struct conv_shape *s,
                           const float *packed, const float *x, size_t pitch, size_t rows,
                           size_t width, float *y) {
    const bool flat = depthwise_is_flat(p);
    const size_t blocks = depthwise_blocks(p), channels = s->in_c;
    const size_t x_row = s->stride_h * pitch, y_row = s->out_w * channels;
    const conv_tile_fn *fns =
        s->kernel_h == 3 && s->kernel_w == 3 ? depthwise_tiles_3x3 : depthwise_tiles;
    struct conv_tile t = {
        .pixel = flat ? blocks * LANES : s->stride_w * channels,
        .out_pixel = flat ? blocks * LANES : channels,
        .kernel_h = s->kernel_h,
        .kernel_step = s->dilation_h * pitch,
        .runs_x = s->kernel_w,
        .run_step = depthwise_removes_stride(p, s) ? width * channels : s->run_step,
        .block = packed,
        .lo = p->out_min_f,
        .hi = p->out_max_f,
    };
    const size_t tail = flat ? width * channels % LANES : 0;
    for (size_t block = 0; block < blocks; block++) {
        const size_t first = flat ? block * LANES : depthwise_first(p, block);
        t.x = x + first;
        t.y = y + first;
        t.channels = LANES;
        conv_walk(&t, fns, DEPTHWISE_ROWS, depthwise_vectors(p, width, block, blocks), rows, x_row,
                  y_row);
        if (tail && width * channels / LANES % blocks == block) {
            t.channels = tail;
            conv_walk(&t, fns, 1, 1, rows, x_row, y_row);
        }
        t.block += depthwise_block_values(p);
    }
}

/* The band as stage_band() lays it out, each row once for each kernel column, without stride. */
static void depthwise_stage_columns(const struct conv_shape *s, const float *x, size_t row,
                                    size_t rows, size_t col, size_t width, float *dst) {
    for (size_t i = 0; i < conv_band_in(s, rows); i++) {
        const float *source = stage_source(s, x, row * s->stride_h + i);
        for (size_t kx = 0; kx < s->kernel_w; kx++) {
            for (size_t ox = col; ox < col + width; ox++, dst += s->in_c)
                stage_row(s, source, ox * s->stride_w + kx * s->dilation_w, 1, dst);
        }
    }
}

static void depthwise_run(const struct kern_conv *p, const void *packed, const void *x, void *y,
                          void *scratch) {
    const struct conv_shape s = conv_shape(p);
    if (depthwise_slides(&s)) {
        depthwise_slide(p, &s, packed, x, y);
        return;
    }
    const bool staged = depthwise_is_staged(p, &s);
    const size_t values = staged ? STAGE_VALUES : DIRECT_VALUES;
    const size_t width = conv_band_width(&s, values, DEPTHWISE_ROWS);
    const size_t height = conv_band_height(&s, values, width);
    for (size_t row = 0; row < s.out_h; row += height) {
        const size_t rows = MIN(height, s.out_h - row);
        for (size_t col = 0; col < s.out_w; col += width) {
            const size_t n = MIN(width, s.out_w - col);
            const float *band = scratch;
            size_t pitch = depthwise_pitch(p, &s, n);
            if (depthwise_removes_stride(p, &s)) {
                depthwise_stage_columns(&s, x, row, rows, col, n, scratch);
            } else if (staged) {
                stage_band(&s, x, row, rows, col, n, scratch);
            } else {
                pitch = s.in_w * s.in_c;
                band = (const float *)x + row * s.stride_h * pitch + col * s.stride_w * s.in_c;
            }
            depthwise_band(p, &s, packed, band, pitch, rows, n,
                           (float *)y + (row * s.out_w + col) * s.in_c);
        }
    }
}

const struct kern_conv_impl KERN_NAME(depthwise_f32) = {
    .name = "depthwise_f32_" KERN_STRING(DEPTHWISE_ROWS) "xv_" KERN_STRING(KERN_SUFFIX),
    .refuses = depthwise_refuses,
    .packed_size = depthwise_packed_size,
    .scratch_size = depthwise_scratch_size,
    .pack = depthwise_pack,
    .run = depthwise_run,
};
