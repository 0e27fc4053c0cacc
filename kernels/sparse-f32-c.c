/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Float products with pruned weights: the C reference. Windows of some pixels are laid out side by
 * side, so that a weight is multiplied with a row of them; sums keep the dense reference's order.
 *
 * Packed block: bias [out_c] as float, end [out_c] (of each channel's weights) as uint32, then for
 * all weights that are not zero their positions as uint16, then the weights as float; each padded to
 * KERN_PACK_ALIGN.
 */

#include <string.h>

#include "base/attributes.h"
#include "kernels/im2col.h"
#include "kernels/list.h"
#include "kernels/round.h"
#include "kernels/sparse.h"

/* Pixels laid out at a time. */
#define TILE 16

struct packed {
    const float *bias;
    const uint32_t *end;
    const uint16_t *at;
    const float *w;
};

static size_t channel_room(const struct kern_conv *p) {
    return pack_room((size_t)p->out_c * sizeof(float));
}

static struct packed packed_view(const struct kern_conv *p, const void *packed) {
    const char *at = packed;
    const size_t room = channel_room(p);
    struct packed v = {
        .bias = (const void *)at,
        .end = (const void *)(at + room),
        .at = (const void *)(at + 2 * room),
    };
    v.w = (const void *)((const char *)v.at + pack_room(v.end[p->out_c - 1] * sizeof(*v.at)));
    return v;
}

static size_t left(const struct kern_conv *p, const struct kern_conv_weights *w) {
    const size_t depth = im2col_depth(p);
    size_t n = 0;
    for (size_t c = 0; c < (size_t)p->out_c; c++)
        n += sparse_count_f32((const float *)w->filter + c * depth, depth, 1);
    return n;
}

static size_t packed_size_of(const struct kern_conv *p, const struct kern_conv_weights *w) {
    const size_t n = left(p, w);
    return 2 * channel_room(p) + pack_room(n * sizeof(uint16_t)) + pack_room(n * sizeof(float));
}

static void pack(const struct kern_conv *p, const struct kern_conv_weights *w, void *ret_packed) {
    char *at = ret_packed;
    const size_t room = channel_room(p), depth = im2col_depth(p), out_c = (size_t)p->out_c;
    const float *filter = w->filter;
    uint32_t *end = (void *)(at + room), n = 0;
    uint16_t *positions = (void *)(at + 2 * room);
    float *values = (void *)((char *)positions + pack_room(left(p, w) * sizeof(*positions)));
    memset(at, 0, packed_size_of(p, w));
    if (w->bias)
        memcpy(at, w->bias, out_c * sizeof(float));
    for (size_t c = 0; c < out_c; c++, filter += depth) {
        for (size_t k = 0; k < depth; k++) {
            if (filter[k] != 0) {
                positions[n] = (uint16_t)k;
                values[n++] = filter[k];
            }
        }
        end[c] = n;
    }
}

static size_t scratch_size(const struct kern_conv *p) {
    const size_t pixels = MIN((size_t)p->out_h * (size_t)p->out_w, (size_t)TILE);
    const size_t windows = pixels * im2col_depth(p), columns = pixels > 1 ? TILE : 0;
    return pack_room((windows + columns * im2col_depth(p)) * sizeof(float));
}

static const char *refuses(const struct kern_conv *p) {
    if (im2col_depth(p) > UINT16_MAX + (size_t)1)
        return "deeper than 65536";
    return sparse_refuses(p, KERN_SINGLES);
}

static float finish(const struct kern_conv *p, const struct packed *w, size_t channel, float acc) {
    return clamp_f32(acc + w->bias[channel], p->out_min_f, p->out_max_f);
}

static void one_pixel(const struct kern_conv *p, const struct packed *w, const float *window,
                      float *y) {
    size_t i = 0;
    for (size_t c = 0; c < (size_t)p->out_c; c++) {
        float acc = 0;
        for (; i < w->end[c]; i++)
            acc += window[w->at[i]] * w->w[i];
        y[c] = finish(p, w, c, acc);
    }
}

/* columns [depth][TILE] */
static void tile(const struct kern_conv *p, const struct packed *w, const float *columns,
                 size_t pixels, float *y) {
    const size_t out_c = (size_t)p->out_c;
    size_t i = 0;
    for (size_t c = 0; c < out_c; c++) {
        float acc[TILE] = {0};
        for (; i < w->end[c]; i++) {
            const float *x = columns + (size_t)w->at[i] * TILE, v = w->w[i];
            for (size_t j = 0; j < TILE; j++)
                acc[j] += x[j] * v;
        }
        for (size_t j = 0; j < pixels; j++)
            y[j * out_c + c] = finish(p, w, c, acc[j]);
    }
}

static void run(const struct kern_conv *p, const void *packed, const void *x, void *y,
                void *scratch) {
    const struct packed w = packed_view(p, packed);
    const size_t depth = im2col_depth(p), pixels = (size_t)p->out_h * (size_t)p->out_w;
    float *windows = scratch, *columns = windows + MIN(pixels, (size_t)TILE) * depth;
    for (size_t pixel = 0; pixel < pixels; pixel += TILE) {
        const size_t n = MIN(pixels - pixel, (size_t)TILE);
        float *out = (float *)y + pixel * (size_t)p->out_c;
        im2col_f32(p, x, 0, pixel, n, 0, windows);
        if (pixels == 1) {
            one_pixel(p, &w, windows, out);
            return;
        }
        for (size_t k = 0; k < depth; k++)
            for (size_t j = 0; j < TILE; j++)
                columns[k * TILE + j] = j < n ? windows[j * depth + k] : 0;
        tile(p, &w, columns, n, out);
    }
}

const struct kern_conv_impl kern_sparse_f32_c = {
    .name = "sparse_f32_1x16_c",
    .refuses = refuses,
    .packed_size_of = packed_size_of,
    .pattern = KERN_SINGLES,
    .scratch_size = scratch_size,
    .pack = pack,
    .run = run,
};
