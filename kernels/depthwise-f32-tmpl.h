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
        return "not depthwise";
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

static bool depthwise_is_staged(const struct kern_conv *p, const struct conv_shape *s) {
    return depthwise_is_flat(p) || !conv_is_inside(s);
}

static bool depthwise_removes_stride(const struct kern_conv *p, const struct conv_shape *s) {
    return depthwise_is_flat(p) && s->stride_w > 1;
}

/* Values of a row of a staged band. */
static size_t depthwise_pitch(const struct kern_conv *p, const struct conv_shape *s, size_t width) {
    return depthwise_removes_stride(p, s) ? s->kernel_w * width * s->in_c
                                          : conv_band_pitch(s, width);
}

static size_t depthwise_scratch_size(const struct kern_conv *p) {
    const struct conv_shape s = conv_shape(p);
    if (!depthwise_is_staged(p, &s))
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

/* One tile, as its function needs it. */
struct depthwise_tile {
    const float *x; /* the first tap of the first vector */
    size_t pixel;   /* values from one vector to the next, */
    size_t y_step;  /* and in the output */
    size_t kernel_h, kernel_step, kernel_w, run_step;
    const float *block;
    float *y;
    size_t values; /* of a vector: less than LANES at the end of a flat row */
    float lo, hi;
};

static inline __attribute__((always_inline)) void depthwise_tile(const struct depthwise_tile *t,
                                                                 const unsigned rows,
                                                                 const size_t kernel_h,
                                                                 const size_t kernel_w) {
    const size_t pixel = t->pixel;
    const float *w = t->block + LANES;
    vec acc[DEPTHWISE_ROWS];
#pragma GCC unroll 8
    for (unsigned i = 0; i < rows; i++)
        acc[i] = (vec){0};
#pragma GCC unroll 4
    for (size_t ky = 0; ky < kernel_h; ky++) {
        const float *x[(DEPTHWISE_ROWS + 2) / 3];
#pragma GCC unroll 4
        for (unsigned i = 0; i < (rows + 2) / 3; i++)
            x[i] = t->x + ky * t->kernel_step + 3 * i * pixel;
#pragma GCC unroll 4
        for (size_t kx = 0; kx < kernel_w; kx++, w += LANES) {
            const vec weights = vec_load(w);
#pragma GCC unroll 8
            for (unsigned i = 0; i < rows; i++)
                acc[i] += vec_load(CONV_ROW(x, i)) * weights;
#pragma GCC unroll 4
            for (unsigned i = 0; i < (rows + 2) / 3; i++) {
                x[i] += t->run_step;
                KEEP_ADDRESS(x[i]);
            }
        }
    }
    const vec bias = vec_load(t->block);
#pragma GCC unroll 8
    for (unsigned i = 0; i < rows; i++) {
        const vec out = vec_clamp(acc[i] + bias, t->lo, t->hi);
        if (rows > 1 || t->values == LANES)
            vec_store(t->y + i * t->y_step, out);
        else
            vec_store_part(t->y, out, t->values);
    }
}

typedef void (*depthwise_tile_fn)(const struct depthwise_tile *t);

/* Kernels of any size, and 3x3 unrolled. */
#define DEPTHWISE_TILE(rows, unused)                                                               \
    static void depthwise_tile_##rows(const struct depthwise_tile *t) {                            \
        depthwise_tile(t, rows, t->kernel_h, t->kernel_w);                                         \
    }                                                                                              \
    static void depthwise_tile_##rows##_3x3(const struct depthwise_tile *t) {                      \
        depthwise_tile(t, rows, 3, 3);                                                             \
    }
#define DEPTHWISE_TILE_NAME(rows, suffix) depthwise_tile_##rows##suffix,

/* clang-format off */
CONV_TILES(DEPTHWISE_ROWS)(DEPTHWISE_TILE, )
static const depthwise_tile_fn depthwise_tiles[] = {
    CONV_TILES(DEPTHWISE_ROWS)(DEPTHWISE_TILE_NAME, )};
static const depthwise_tile_fn depthwise_tiles_3x3[] = {
    CONV_TILES(DEPTHWISE_ROWS)(DEPTHWISE_TILE_NAME, _3x3)};
/* clang-format on */

/* n full vectors by one block. */
static void depthwise_vectors(struct depthwise_tile *t, size_t n) {
    const depthwise_tile_fn *fns =
        t->kernel_h == 3 && t->kernel_w == 3 ? depthwise_tiles_3x3 : depthwise_tiles;
    for (size_t tiles = (n + DEPTHWISE_ROWS - 1) / DEPTHWISE_ROWS; tiles > 0; tiles--) {
        const size_t rows = (n + tiles - 1) / tiles;
        fns[rows - 1](t);
        t->x += rows * t->pixel;
        t->y += rows * t->y_step;
        n -= rows;
    }
}

/* A row of `n` values by the block of every `blocks`-th vector, from vector number `block` on. */
static void depthwise_flat_row(struct depthwise_tile *t, size_t n, size_t block, size_t blocks) {
    const size_t full = n / LANES, tail = n % LANES;
    if (full > block)
        depthwise_vectors(t, (full - block + blocks - 1) / blocks);
    if (tail && full % blocks == block) {
        t->values = tail;
        depthwise_vectors(t, 1);
        t->values = LANES;
    }
}

static void depthwise_band(const struct kern_conv *p, const struct conv_shape *s,
                           const float *packed, const float *x, size_t pitch, size_t rows,
                           size_t width, float *y) {
    const bool flat = depthwise_is_flat(p);
    const size_t blocks = depthwise_blocks(p), channels = s->in_c;
    struct depthwise_tile t = {
        .pixel = flat ? blocks * LANES : s->stride_w * channels,
        .y_step = flat ? blocks * LANES : channels,
        .kernel_h = s->kernel_h,
        .kernel_step = s->dilation_h * pitch,
        .kernel_w = s->kernel_w,
        .run_step = depthwise_removes_stride(p, s) ? width * channels : s->run_step,
        .values = LANES,
        .lo = p->out_min_f,
        .hi = p->out_max_f,
    };
    for (size_t block = 0; block < blocks; block++) {
        const size_t first = flat ? block * LANES : depthwise_first(p, block);
        t.block = packed + block * depthwise_block_values(p);
        for (size_t row = 0; row < rows; row++) {
            t.x = x + row * s->stride_h * pitch + first;
            t.y = y + row * s->out_w * channels + first;
            if (flat)
                depthwise_flat_row(&t, width * channels, block, blocks);
            else
                depthwise_vectors(&t, width);
        }
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
