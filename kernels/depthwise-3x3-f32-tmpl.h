/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of float-tmpl.h: the depthwise convolution almost all networks have: 3x3, at most one pixel of
 * padding on each side, channels for a vector. The weights of a block of channels stay in registers
 * down the whole image, a value is loaded once for all the windows of a row it belongs to, and as
 * tiles see the edges nothing is staged.
 */

#define SLIDING_ROWS 6
#define SLIDING_COLUMNS(rows, stride) (((rows)-1) * (stride) + 3)
#define SLIDING_MAX_COLUMNS SLIDING_COLUMNS(SLIDING_ROWS, 2)

/* Some pixels of each output row. */
struct sliding_tile {
    const float *x; /* the input's first row, first pixel of the first window inside the image */
    size_t in_h, pitch; /* rows, and values from one to the next */
    size_t stride_h, pad_top;
    size_t pixel;
    bool left, right;     /* the first, the last pixel of the windows is padding */
    struct conv_tile out; /* y, out_pixel, y_next, count, channels, block, lo, hi */
};

typedef void (*sliding_tile_fn)(const struct sliding_tile *t);

static inline __attribute__((always_inline)) void
sliding_tile(const struct sliding_tile *t, const unsigned rows, const unsigned stride) {
    static const float zeros[LANES];
    const unsigned columns = SLIDING_COLUMNS(rows, stride);
    const size_t pixel = t->pixel, in_h = t->in_h;
    const bool left = t->left, right = t->right;
    float *y = t->out.y;
    vec weights[9];
#pragma GCC unroll 9
    for (unsigned i = 0; i < 9; i++)
        weights[i] = vec_load(t->out.block + (1 + i) * LANES);
    size_t top = 0 - t->pad_top; /* wraps around where it is above the image */
    for (size_t n = t->out.count; n > 0; n--, y += t->out.y_next, top += t->stride_h) {
        vec acc[SLIDING_ROWS][4];
#pragma GCC unroll 8
        for (unsigned i = 0; i < rows; i++)
            acc[i][0] = (vec){0};
#pragma GCC unroll 3
        for (unsigned ky = 0; ky < 3; ky++) {
            if (top + ky >= in_h)
                continue;
            /* the pixel before the first one, where that is padding, is never read */
            const float *row = t->x + (top + ky) * t->pitch;
            const float *x[CONV_ADDRESSES(SLIDING_MAX_COLUMNS)];
            conv_tile_start(x, left ? row - pixel : row, pixel, CONV_ADDRESSES(columns));
#pragma GCC unroll 16
            for (unsigned j = 0; j < columns; j++) {
                const float *at = CONV_ROW(x, j);
                if (j == 0)
                    at = left ? zeros : at;
                if (j == columns - 1)
                    at = right ? zeros : at;
                const vec v = vec_load(at);
#pragma GCC unroll 3
                for (unsigned kx = 0; kx < 3; kx++)
                    if (j >= kx && (j - kx) % stride == 0 && (j - kx) / stride < rows)
                        acc[(j - kx) / stride][0] += v * weights[ky * 3 + kx];
            }
        }
        conv_tile_store(&t->out, y, acc, rows, 1, 1);
    }
}

#define SLIDING_TILE(rows, stride)                                                                 \
    static void sliding_tile_##rows##_s##stride(const struct sliding_tile *t) {                    \
        sliding_tile(t, rows, stride);                                                             \
    }
#define SLIDING_TILE_NAME(rows, stride) sliding_tile_##rows##_s##stride,

/* clang-format off */
CONV_TILES(SLIDING_ROWS)(SLIDING_TILE, 1)
CONV_TILES(SLIDING_ROWS)(SLIDING_TILE, 2)
static const sliding_tile_fn sliding_tiles[2][SLIDING_ROWS] = {
    {CONV_TILES(SLIDING_ROWS)(SLIDING_TILE_NAME, 1)},
    {CONV_TILES(SLIDING_ROWS)(SLIDING_TILE_NAME, 2)},
};
/* clang-format on */

#if LANES == 16
#define SLIDING_HALVES 1

/* The last half of a, the first of b. */
static inline vec halves_between(vec a, vec b) {
    return __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
                                   23);
}
#else
#define SLIDING_HALVES 0

static inline vec halves_between(vec a, vec b) {
    return a;
}
#endif

/* Two pixels of half a vector each at a time, `rows` times two of them. */
static inline __attribute__((always_inline)) void halves_tile(const struct sliding_tile *t,
                                                              const unsigned rows) {
    const size_t in_h = t->in_h;
    const bool left = t->left, right = t->right;
    float *y = t->out.y;
    vec weights[9];
#pragma GCC unroll 9
    for (unsigned i = 0; i < 9; i++)
        weights[i] = vec_load(t->out.block + (1 + i) * LANES);
    size_t top = 0 - t->pad_top;
    for (size_t n = t->out.count; n > 0; n--, y += t->out.y_next, top += t->stride_h) {
        vec acc[SLIDING_ROWS][4];
#pragma GCC unroll 8
        for (unsigned i = 0; i < rows; i++)
            acc[i][0] = (vec){0};
#pragma GCC unroll 3
        for (unsigned ky = 0; ky < 3; ky++) {
            if (top + ky >= in_h)
                continue;
            const float *x = t->x + (top + ky) * t->pitch;
            vec at = vec_load(x);
            vec before = halves_between(left ? (vec){0} : vec_load(x - LANES), at);
#pragma GCC unroll 8
            for (unsigned i = 0; i < rows; i++) {
                vec next = {0};
                if (i + 1 < rows || !right)
                    next = vec_load(x + (i + 1) * LANES);
                const vec after = halves_between(at, next);
                acc[i][0] += before * weights[ky * 3];
                acc[i][0] += at * weights[ky * 3 + 1];
                acc[i][0] += after * weights[ky * 3 + 2];
                before = after;
                at = next;
            }
        }
        conv_tile_store(&t->out, y, acc, rows, 1, 1);
    }
}

#define HALVES_TILE(rows, unused)                                                                  \
    static void halves_tile_##rows(const struct sliding_tile *t) {                                 \
        halves_tile(t, rows);                                                                      \
    }
#define HALVES_TILE_NAME(rows, unused) halves_tile_##rows,

/* clang-format off */
CONV_TILES(SLIDING_ROWS)(HALVES_TILE, )
static const sliding_tile_fn halves_tiles[] = {CONV_TILES(SLIDING_ROWS)(HALVES_TILE_NAME, )};
/* clang-format on */

/* Rows of pairs of pixels of half a vector each, with a pixel of padding on both sides. */
static bool depthwise_halves(const struct conv_shape *s) {
    return SLIDING_HALVES && s->in_c == LANES / 2 && s->stride_w == 1 && s->in_w % 2 == 0 &&
           s->out_w == s->in_w && s->pad_left == 1;
}

static bool depthwise_slides(const struct conv_shape *s) {
    if (s->kernel_h != 3 || s->kernel_w != 3 || s->dilation_h != 1 || s->dilation_w != 1)
        return false;
    if (depthwise_halves(s))
        return true;
    return s->in_c >= LANES && s->stride_w <= 2 && s->pad_left <= 1 &&
           (s->out_w - 1) * s->stride_w + 3 <= s->pad_left + s->in_w + 1;
}

static void depthwise_slide(const struct kern_conv *p, const struct conv_shape *s,
                            const float *packed, const float *x, float *y) {
    const bool halves = depthwise_halves(s);
    const size_t blocks = depthwise_blocks(p), stride = s->stride_w;
    const size_t pixel = halves ? LANES : s->in_c, width = halves ? s->out_w / 2 : s->out_w;
    const sliding_tile_fn *fns = halves ? halves_tiles : sliding_tiles[stride - 1];
    struct sliding_tile t = {
        .in_h = s->in_h,
        .pitch = s->in_w * s->in_c,
        .stride_h = s->stride_h,
        .pad_top = s->pad_top,
        .pixel = pixel,
        .out = {.out_pixel = pixel,
                .y_next = s->out_w * s->in_c,
                .count = s->out_h,
                .channels = LANES,
                .block = packed,
                .lo = p->out_min_f,
                .hi = p->out_max_f},
    };
    for (size_t block = 0; block < blocks; block++) {
        const size_t first = halves ? 0 : depthwise_first(p, block);
        for (size_t col = 0; col < width;) {
            const size_t left = width - col, tiles = (left + SLIDING_ROWS - 1) / SLIDING_ROWS;
            const size_t rows = (left + tiles - 1) / tiles, start = col * stride;
            const size_t before = halves ? 0 : s->pad_left;
            t.left = halves ? col == 0 : start < before;
            t.right =
                halves ? rows == left : start + SLIDING_COLUMNS(rows, stride) > before + s->in_w;
            t.x = x + (start > before ? start - before : 0) * pixel + first;
            t.out.y = y + col * pixel + first;
            fns[rows - 1](&t);
            col += rows;
        }
        t.out.block += depthwise_block_values(p);
    }
}
