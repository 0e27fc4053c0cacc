/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of float-tmpl.h: convolution and matrix product by tiles of KERN_ROWS pixels x one block of
 * output channels.
 *
 * Packed block, for each group and each block of its output channels: bias [block], filter
 * [depth][block]. A block is one vector or two; missing channels are zeros.
 */

#define LANES (KERN_VECTOR / 4)
/* Windows laid out at a time: within the second-level cache, with room for the weights. */
#define WINDOW_BYTES ((size_t)128 * 1024)

typedef float vec __attribute__((vector_size(KERN_VECTOR)));
typedef float vec_unaligned __attribute__((vector_size(KERN_VECTOR), aligned(4), may_alias));
typedef int32_t vec_mask __attribute__((vector_size(KERN_VECTOR)));

static inline vec vec_select(vec_mask mask, vec a, vec b) {
    return (vec)(((vec_mask)a & mask) | ((vec_mask)b & ~mask));
}

static inline vec vec_clamp(vec v, float lo, float hi) {
    const vec l = lo - (vec){0}, h = hi - (vec){0};
    v = vec_select(v < l, l, v);
    return vec_select(v > h, h, v);
}

static size_t conv_groups(const struct kern_conv *p) {
    return (size_t)(p->in_c / p->group_in_c);
}

static size_t conv_group_out(const struct kern_conv *p) {
    return (size_t)p->out_c / conv_groups(p);
}

/* Vectors of a block: a second one only where there are channels for it. */
static unsigned conv_vectors(const struct kern_conv *p) {
    return conv_group_out(p) > LANES ? 2 : 1;
}

static size_t conv_block(const struct kern_conv *p) {
    return conv_vectors(p) * (size_t)LANES;
}

static size_t conv_blocks(const struct kern_conv *p) {
    return round_up(conv_group_out(p), conv_block(p)) / conv_block(p);
}

static const char *conv_refuses(const struct kern_conv *p) {
    const size_t pixels = (size_t)p->out_h * (size_t)p->out_w;
    /* at least 1: the C reference is to fit anything, an empty product too */
    const size_t macs = MAX(pixels * (size_t)p->out_c * im2col_depth(p), (size_t)1);
    return macs >= KERN_MIN_MACS ? NULL : "fewer than " KERN_STRING(KERN_MIN_MACS) " multiply-adds";
}

static size_t conv_packed_size(const struct kern_conv *p) {
    const size_t floats = conv_groups(p) * conv_blocks(p) * conv_block(p) * (1 + im2col_depth(p));
    return pack_room(floats * sizeof(float));
}

static size_t conv_tile(const struct kern_conv *p) {
    const size_t pixels = (size_t)p->out_h * (size_t)p->out_w;
    const size_t fit = WINDOW_BYTES / (im2col_depth(p) * sizeof(float)) / KERN_ROWS * KERN_ROWS;
    return MIN(MAX(fit, (size_t)KERN_ROWS), pixels);
}

static size_t conv_scratch_size(const struct kern_conv *p) {
    if (im2col_is_input(p))
        return 0;
    return pack_room(conv_tile(p) * im2col_depth(p) * sizeof(float));
}

static float conv_weight(const struct kern_conv *p, const float *filter, size_t out, size_t k) {
    return p->depthwise ? filter[k * (size_t)p->out_c + out] : filter[out * im2col_depth(p) + k];
}

static void conv_pack(const struct kern_conv *p, const struct kern_conv_weights *w,
                      void *ret_packed) {
    const size_t depth = im2col_depth(p), block = conv_block(p), group_out = conv_group_out(p);
    float *at = ret_packed;
    memset(ret_packed, 0, conv_packed_size(p));
    for (size_t g = 0; g < conv_groups(p); g++) {
        for (size_t first = 0; first < group_out; first += block, at += block * (1 + depth)) {
            for (size_t c = 0; c < MIN(block, group_out - first); c++) {
                const size_t out = g * group_out + first + c;
                at[c] = w->bias ? ((const float *)w->bias)[out] : 0;
                for (size_t k = 0; k < depth; k++)
                    at[(1 + k) * block + c] = conv_weight(p, w->filter, out, k);
            }
        }
    }
}

/* Adds the bias, clamps and stores the channels that exist. */
static inline void conv_store(const struct kern_conv *p, vec acc, const float *bias, size_t n,
                              float *y) {
    const vec v =
        vec_clamp(acc + *(const vec_unaligned *)(const void *)bias, p->out_min_f, p->out_max_f);
    if (n >= LANES)
        *(vec_unaligned *)(void *)y = v;
    else
        memcpy(y, &v, n * sizeof(float));
}

/* n (1 to KERN_ROWS) rows of the window matrix by one block; `channels` of it exist. */
static inline __attribute__((always_inline)) void
conv_tile_n(const struct kern_conv *p, const float *windows, size_t n, const float *block,
            const unsigned vectors, size_t channels, float *y) {
    const size_t depth = im2col_depth(p);
    const float *weights = block + vectors * LANES;
    const float *rows[KERN_ROWS];
    vec acc[KERN_ROWS][2];
#pragma GCC unroll 16
    for (unsigned i = 0; i < KERN_ROWS; i++) {
        rows[i] = windows + MIN(i, n - 1) * depth;
        acc[i][0] = acc[i][1] = (vec){0};
    }
    for (size_t k = 0; k < depth; k++, weights += vectors * LANES) {
        const vec w0 = *(const vec_unaligned *)(const void *)weights;
        const vec w1 = *(const vec_unaligned *)(const void *)(weights + (vectors - 1) * LANES);
#pragma GCC unroll 16
        for (unsigned i = 0; i < KERN_ROWS; i++) {
            acc[i][0] += rows[i][k] * w0;
            if (vectors > 1)
                acc[i][1] += rows[i][k] * w1;
        }
    }
    const size_t left = channels > LANES ? channels - LANES : 0;
#pragma GCC unroll 16
    for (unsigned i = 0; i < KERN_ROWS; i++) {
        if (i >= n)
            break;
        conv_store(p, acc[i][0], block, channels, y);
        if (vectors > 1 && left)
            conv_store(p, acc[i][1], block + LANES, left, y + LANES);
        y += p->out_c;
    }
}

/* One row by one block: the sum is split where it may be, or it would wait for each addition. */
static inline __attribute__((always_inline)) void conv_row(const struct kern_conv *p,
                                                           const float *window, const float *block,
                                                           const unsigned vectors, size_t channels,
                                                           float *y) {
    enum { SPLIT = KERN_SPLIT_SUMS ? 4 : 1 };
    const size_t depth = im2col_depth(p);
    const float *weights = block + vectors * LANES;
    vec acc[SPLIT][2];
    for (unsigned s = 0; s < SPLIT; s++)
        acc[s][0] = acc[s][1] = (vec){0};
    size_t k = 0;
    for (; k + SPLIT <= depth; k += SPLIT, weights += SPLIT * vectors * LANES) {
#pragma GCC unroll 4
        for (unsigned s = 0; s < SPLIT; s++) {
            const float *w = weights + s * vectors * LANES;
            acc[s][0] += window[k + s] * *(const vec_unaligned *)(const void *)w;
            if (vectors > 1)
                acc[s][1] += window[k + s] * *(const vec_unaligned *)(const void *)(w + LANES);
        }
    }
    for (; k < depth; k++, weights += vectors * LANES) {
        acc[0][0] += window[k] * *(const vec_unaligned *)(const void *)weights;
        if (vectors > 1)
            acc[0][1] += window[k] * *(const vec_unaligned *)(const void *)(weights + LANES);
    }
    for (unsigned s = 1; s < SPLIT; s++) {
        acc[0][0] += acc[s][0];
        acc[0][1] += acc[s][1];
    }
    conv_store(p, acc[0][0], block, channels, y);
    if (vectors > 1 && channels > LANES)
        conv_store(p, acc[0][1], block + LANES, channels - LANES, y + LANES);
}

static inline __attribute__((always_inline)) void
conv_windows_n(const struct kern_conv *p, const float *windows, size_t n, const float *block,
               const unsigned vectors, size_t channels, float *y) {
    for (size_t i = 0; i < n; i += KERN_ROWS) {
        const float *rows = windows + i * im2col_depth(p);
        float *out = y + i * (size_t)p->out_c;
        if (n - i == 1)
            conv_row(p, rows, block, vectors, channels, out);
        else
            conv_tile_n(p, rows, MIN(n - i, (size_t)KERN_ROWS), block, vectors, channels, out);
    }
}

/* n windows by all output channels of a group. */
static void conv_windows(const struct kern_conv *p, const float *windows, size_t n,
                         const float *packed, float *y) {
    const size_t block = conv_block(p), group_out = conv_group_out(p);
    for (size_t first = 0; first < group_out; first += block) {
        if (conv_vectors(p) == 2)
            conv_windows_n(p, windows, n, packed, 2, group_out - first, y + first);
        else
            conv_windows_n(p, windows, n, packed, 1, group_out - first, y + first);
        packed += block * (1 + im2col_depth(p));
    }
}

static void conv_run(const struct kern_conv *p, const void *packed, const void *x, void *y,
                     void *scratch) {
    const size_t pixels = (size_t)p->out_h * (size_t)p->out_w, tile = conv_tile(p);
    const size_t depth = im2col_depth(p), group_out = conv_group_out(p);
    const size_t group_packed = conv_blocks(p) * conv_block(p) * (1 + depth);
    const bool direct = im2col_is_input(p);
    for (size_t pixel = 0; pixel < pixels; pixel += tile) {
        const size_t n = MIN(pixels - pixel, tile);
        for (size_t g = 0; g < conv_groups(p); g++) {
            const float *windows = scratch;
            if (direct)
                windows = (const float *)x + pixel * depth;
            else
                im2col_f32(p, x, g * (size_t)p->group_in_c, pixel, n, 0, scratch);
            conv_windows(p, windows, n, (const float *)packed + g * group_packed,
                         (float *)y + pixel * (size_t)p->out_c + g * group_out);
        }
    }
}

const struct kern_conv_impl KERN_NAME(conv_f32) = {
    .name = "conv_f32_" KERN_STRING(KERN_ROWS) "x2v_" KERN_STRING(KERN_SUFFIX),
    .refuses = conv_refuses,
    .packed_size = conv_packed_size,
    .scratch_size = conv_scratch_size,
    .pack = conv_pack,
    .run = conv_run,
};
