/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: convolution and matrix product.
 *
 * The input is staged first, some output rows at a time: copied once into a padded band of
 * vec_staged, so that no window needs a check of borders. A window is then kernel_h runs of
 * kernel_w * in_c neighbouring values (where dilation tears it apart, kernel_h * kernel_w runs of
 * in_c), and is multiplied where it lies: there is no im2col matrix. A tile is some pixels of one
 * output row by one block of channels, all sums in registers.
 *
 * Packed block: flags, then for each block of output channels its constants (requantize-s8-tmpl.h)
 * and its weights [runs][groups of a run][vectors][lanes][VEC_GROUP], missing ones zero.
 */

/* Staged at a time: half of a first-level cache, so that weights have the other half. */
#define STAGE_BYTES ((size_t)24 * 1024)
#define CONV_MAX_ROWS (VEC_ROWS_1 > VEC_ROWS_2 ? VEC_ROWS_1 : VEC_ROWS_2)
#define CONV_HEADER KERN_PACK_ALIGN

/* One weight as the products take it: vec_staged's width, signed. */
typedef __typeof__(__builtin_choose_expr(sizeof(vec_staged) == 1, (int8_t)0,
                                         (int16_t)0)) vec_weight;

/* What a run derives from the parameters. */
struct conv_shape {
    size_t out_h, out_w; /* a 1x1 over everything is one row */
    size_t in_h, in_w, in_c;
    size_t kernel_h, stride_h, stride_w, dilation_h;
    size_t pad_top, pad_left;
    size_t runs_x, run_length; /* runs of one kernel row */
    size_t run_step;           /* from one to the next, in staged values */
    size_t groups;             /* of a run */
    size_t pitch;              /* staged values of an input row */
};

static struct conv_shape conv_shape(const struct kern_conv *p) {
    struct conv_shape s = {
        .out_h = (size_t)p->out_h,
        .out_w = (size_t)p->out_w,
        .in_h = (size_t)p->in_h,
        .in_w = (size_t)p->in_w,
        .in_c = (size_t)p->in_c,
        .kernel_h = (size_t)p->kernel_h,
        .stride_h = (size_t)p->stride_h,
        .stride_w = (size_t)p->stride_w,
        .dilation_h = (size_t)p->dilation_h,
        .pad_top = (size_t)p->pad_top,
        .pad_left = (size_t)p->pad_left,
    };
    size_t kernel_w = (size_t)p->kernel_w, dilation_w = (size_t)p->dilation_w;
    if (im2col_is_input(p)) {
        s.out_w = s.in_w = s.out_h * s.out_w;
        s.out_h = s.in_h = 1;
    } else if (s.in_w == 1 && kernel_w == 1 && s.out_w == 1 && s.pad_left == 0) {
        /* A column is as good as a row, and rows make tiles. */
        s.in_w = s.in_h;
        s.out_w = s.out_h;
        kernel_w = s.kernel_h;
        s.stride_w = s.stride_h;
        dilation_w = s.dilation_h;
        s.pad_left = s.pad_top;
        s.in_h = s.out_h = s.kernel_h = s.stride_h = s.dilation_h = 1;
        s.pad_top = 0;
    }
    s.runs_x = dilation_w == 1 ? 1 : kernel_w;
    s.run_length = dilation_w == 1 ? kernel_w * s.in_c : s.in_c;
    s.run_step = dilation_w * s.in_c;
    s.groups = round_up(s.run_length, VEC_GROUP) / VEC_GROUP;
    s.pitch = ((s.out_w - 1) * s.stride_w + (kernel_w - 1) * dilation_w + 1) * s.in_c;
    return s;
}

static size_t conv_runs(const struct conv_shape *s) {
    return s->kernel_h * s->runs_x;
}

/* Vectors of the block that begins at channel `first`. */
static unsigned conv_block_vectors(size_t out_c, size_t first) {
    const size_t left = out_c - first;
    if (VEC_BLOCK == 4 && left > 3 * VEC_LANES)
        return 4;
    return left > VEC_LANES ? 2 : 1;
}

static size_t conv_block_bytes(const struct conv_shape *s, unsigned vectors) {
    return vectors * VEC_BYTES * (BLOCK_CONSTANTS + conv_runs(s) * s->groups);
}

/* Input rows that a band of output rows reads. */
static size_t conv_band_in(const struct conv_shape *s, size_t rows) {
    return (rows - 1) * s->stride_h + (s->kernel_h - 1) * s->dilation_h + 1;
}

/* Output pixels staged at a time: a part of a row, or whole rows. */
static size_t conv_band_width(const struct conv_shape *s) {
    const size_t window = (s->kernel_h - 1) * s->dilation_h + 1;
    const size_t pixel = window * s->stride_w * s->in_c * sizeof(vec_staged);
    return MIN(s->out_w, round_up(MAX(STAGE_BYTES / pixel, (size_t)1), CONV_MAX_ROWS));
}

static size_t conv_band_height(const struct conv_shape *s) {
    size_t rows = 1;
    if (conv_band_width(s) == s->out_w)
        while (rows < s->out_h &&
               conv_band_in(s, rows + 1) * s->pitch * sizeof(vec_staged) <= STAGE_BYTES)
            rows++;
    return rows;
}

/* Staged values of an input row of a band of `width` pixels. */
static size_t conv_band_pitch(const struct conv_shape *s, size_t width) {
    return s->pitch - (s->out_w - width) * s->stride_w * s->in_c;
}

static const char *conv_refuses(const struct kern_conv *p) {
    if (p->depthwise)
        return "depthwise";
    if (p->group_in_c != p->in_c)
        return "grouped";
    if (VEC_GROUP == 4 && p->weight_zero != 0)
        return "weights with a zero point";
    return p->out_h > 0 && p->out_w > 0 && p->out_c > 0 && p->in_c > 0 ? NULL : "empty";
}

static size_t conv_packed_size(const struct kern_conv *p) {
    const struct conv_shape s = conv_shape(p);
    const size_t out_c = (size_t)p->out_c;
    size_t size = CONV_HEADER;
    for (size_t c = 0; c < out_c; c += conv_block_vectors(out_c, c) * VEC_LANES)
        size += conv_block_bytes(&s, conv_block_vectors(out_c, c));
    return pack_room(size);
}

static size_t conv_scratch_size(const struct kern_conv *p) {
    const struct conv_shape s = conv_shape(p);
    const size_t pitch = conv_band_pitch(&s, conv_band_width(&s));
    const size_t values = conv_band_in(&s, conv_band_height(&s)) * pitch;
    /* the last group may reach beyond the last run */
    return pack_room((values + VEC_GROUP) * sizeof(vec_staged));
}

/* The weights of one output channel; returns their sum. */
static int32_t conv_pack_channel(const struct conv_shape *s, const int8_t *filter,
                                 int32_t weight_zero, size_t step, vec_weight *ret) {
    int32_t sum = 0;
    for (size_t r = 0; r < conv_runs(s); r++) {
        for (size_t k = 0; k < s->run_length; k++) {
            const int32_t w = *filter++ - weight_zero;
            ret[(r * s->groups + k / VEC_GROUP) * step + k % VEC_GROUP] = (vec_weight)w;
            sum += w;
        }
    }
    return sum;
}

static void conv_pack(const struct kern_conv *p, const struct kern_conv_weights *w,
                      void *ret_packed) {
    const struct conv_shape s = conv_shape(p);
    const size_t out_c = (size_t)p->out_c, depth = im2col_depth(p);
    const int32_t stage = p->in_zero + vec_stage_offset(p->in_zero);
    uint32_t plain = 1;
    char *block = (char *)ret_packed + CONV_HEADER;
    memset(ret_packed, 0, conv_packed_size(p));
    for (size_t first = 0; first < out_c;) {
        const unsigned n = conv_block_vectors(out_c, first);
        vec_weight *weights = (void *)(block + n * BLOCK_CONSTANTS * VEC_BYTES);
        for (size_t at = 0; at < n * VEC_LANES; at++) {
            const size_t v = at / VEC_LANES, lane = at % VEC_LANES;
            const size_t c = first + block_channel(n, v, lane);
            if (c >= out_c) {
                block_set_constants((void *)block, n, v, lane, 0, 0, 0);
                continue;
            }
            const int32_t sum =
                conv_pack_channel(&s, (const int8_t *)w->filter + c * depth, p->weight_zero,
                                  n * VEC_LANES * VEC_GROUP, weights + at * VEC_GROUP);
            const int32_t bias = w->bias ? ((const int32_t *)w->bias)[c] : 0;
            block_set_constants((void *)block, n, v, lane, bias - stage * sum, w->mult[c],
                                w->shift[c]);
            plain &= requantize_is_plain(w->mult[c], w->shift[c]);
        }
        block += conv_block_bytes(&s, n);
        first += n * VEC_LANES;
    }
    memcpy(ret_packed, &plain, sizeof(plain));
}

/* n values; `x` NULL stages padding. */
static inline void conv_stage(vec_staged *dst, const int8_t *x, size_t n, int32_t in_zero) {
    const vec_staged offset = (vec_staged)vec_stage_offset(in_zero);
    const vec_staged padding = (vec_staged)(in_zero + vec_stage_offset(in_zero));
    if (x)
        for (size_t i = 0; i < n; i++)
            dst[i] = (vec_staged)(x[i] + offset);
    else
        for (size_t i = 0; i < n; i++)
            dst[i] = padding;
}

/* The input of output rows [row, row + rows) and pixels [col, col + width) of each. */
static void conv_stage_band(const struct kern_conv *p, const struct conv_shape *s, const int8_t *x,
                            size_t row, size_t rows, size_t col, size_t width, vec_staged *dst) {
    const size_t values = conv_band_pitch(s, width), wide = values / s->in_c;
    const size_t start = col * s->stride_w;
    const size_t left = start < s->pad_left ? MIN(s->pad_left - start, wide) : 0;
    const size_t from = start + left - s->pad_left;
    const size_t inside = from < s->in_w ? MIN(wide - left, s->in_w - from) : 0;
    for (size_t i = 0; i < conv_band_in(s, rows); i++, dst += values) {
        const size_t y = row * s->stride_h + i;
        if (y < s->pad_top || y - s->pad_top >= s->in_h) {
            conv_stage(dst, NULL, values, p->in_zero);
            continue;
        }
        const int8_t *src = x + ((y - s->pad_top) * s->in_w + from) * s->in_c;
        if (left)
            conv_stage(dst, NULL, left * s->in_c, p->in_zero);
        if (inside)
            conv_stage(dst + left * s->in_c, src, inside * s->in_c, p->in_zero);
        conv_stage(dst + (left + inside) * s->in_c, NULL, (wide - left - inside) * s->in_c,
                   p->in_zero);
    }
}

/* One tile, as its function needs it. */
struct conv_tile {
    const vec_staged *x; /* the first pixel's window */
    size_t pixel;        /* staged values from one pixel to the next */
    size_t kernel_h, kernel_step, runs_x, run_step, groups;
    const char *block;
    int8_t *y;
    size_t out_c, channels; /* of the network; of this block, from y on */
    struct vec_out out;
    bool plain;
};

/* Stores rows of `vectors` vectors each. */
static inline __attribute__((always_inline)) void conv_tile_store(const struct conv_tile *t,
                                                                  vec (*acc)[4],
                                                                  const unsigned rows,
                                                                  const unsigned vectors) {
    const unsigned together = 4 / vectors;
    const char *constants = t->block;
    const size_t width = vectors * VEC_LANES;
    int8_t *y = t->y;
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows; i += together, y += together * t->out_c) {
        vec q[4];
#pragma GCC unroll 4
        for (unsigned j = 0; j < 4; j++) {
            const unsigned row = i + j / vectors < rows ? i + j / vectors : rows - 1;
            q[j] =
                block_requantize(acc[row][j % vectors], constants, vectors, j % vectors, t->plain);
        }
        const vec bytes = vec_order(vec_narrow(q[0], q[1], q[2], q[3], &t->out), vectors);
        if (t->channels < width) {
            int8_t all[VEC_BYTES];
            vec_store(all, bytes);
            for (unsigned r = 0; r < together && i + r < rows; r++)
                memcpy(y + r * t->out_c, all + r * width, t->channels);
        } else if (t->out_c == width && i + together <= rows) {
            vec_store(y, bytes);
        } else {
#pragma GCC unroll 4
            for (unsigned r = 0; r < together; r++)
                if (i + r < rows)
                    vec_put(y + r * t->out_c, bytes, vectors, r);
        }
    }
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

static void conv_band(const struct kern_conv *p, const struct conv_shape *s, const void *packed,
                      const vec_staged *staged, size_t rows, size_t width, int8_t *y) {
    const size_t out_c = (size_t)p->out_c, pitch = conv_band_pitch(s, width);
    uint32_t plain;
    memcpy(&plain, packed, sizeof(plain));
    struct conv_tile t = {
        .pixel = s->stride_w * s->in_c,
        .kernel_h = s->kernel_h,
        .kernel_step = s->dilation_h * pitch,
        .runs_x = s->runs_x,
        .run_step = s->run_step,
        .groups = s->groups,
        .block = (const char *)packed + CONV_HEADER,
        .out_c = out_c,
        .out = vec_out_set(p->out_zero, p->out_min, p->out_max),
        .plain = plain,
    };
    for (size_t first = 0; first < out_c;) {
        const unsigned n = conv_block_vectors(out_c, first);
        t.channels = out_c - first;
        for (size_t row = 0; row < rows; row++) {
            t.x = staged + row * s->stride_h * pitch;
            t.y = y + row * s->out_w * out_c + first;
            conv_row(&t, width, n);
        }
        t.block += conv_block_bytes(s, n);
        first += n * VEC_LANES;
    }
}

static void conv_run(const struct kern_conv *p, const void *packed, const void *x, void *y,
                     void *scratch) {
    const struct conv_shape s = conv_shape(p);
    const size_t height = conv_band_height(&s), width = conv_band_width(&s);
    for (size_t row = 0; row < s.out_h; row += height) {
        const size_t rows = MIN(height, s.out_h - row);
        for (size_t col = 0; col < s.out_w; col += width) {
            const size_t n = MIN(width, s.out_w - col);
            conv_stage_band(p, &s, x, row, rows, col, n, scratch);
            conv_band(p, &s, packed, scratch, rows, n,
                      (int8_t *)y + (row * s.out_w + col) * (size_t)p->out_c);
        }
    }
}

const struct kern_conv_impl KERN_NAME(conv_s8) = {
    .name = "conv_s8_" KERN_STRING(VEC_ROWS_2) "x2v_" KERN_STRING(KERN_SUFFIX),
    .refuses = conv_refuses,
    .packed_size = conv_packed_size,
    .scratch_size = conv_scratch_size,
    .pack = conv_pack,
    .run = conv_run,
};
