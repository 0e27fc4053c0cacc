/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolution and matrix product of float activations by integer weights: the C reference. What it computes is said in
 * conv-hybrid.h.
 *
 * Packed block: bias [out_c], scales [out_c][groups] as float, each padded to KERN_PACK_ALIGN, then the filter in the
 * graph's layout.
 */

#include "kernels/conv-hybrid.h"

#include "base/attributes.h"
#include "kernels/list.h"

/* Pixels laid out at a time. */
#define TILE 16

struct packed {
    const float *bias, *scales;
    const uint8_t *filter;
};

/* Where the parts of the scratch memory are. */
struct scratch {
    int8_t *q;        /* x in integers */
    float *scales;    /* of its items */
    int16_t *windows; /* [TILE][depth] */
    int8_t *weights;  /* of one channel */
};

static size_t bias_room(const struct kern_conv *p) {
    return pack_room((size_t)p->out_c * sizeof(float));
}

static size_t scales_room(const struct kern_conv *p) {
    return pack_room((size_t)p->out_c * hybrid_groups(p) * sizeof(float));
}

static size_t filter_size(const struct kern_conv *p) {
    return (size_t)p->out_c * im2col_depth(p) * (size_t)p->weight_bits / 8;
}

static size_t hybrid_packed_size(const struct kern_conv *p) {
    return bias_room(p) + scales_room(p) + pack_room(filter_size(p));
}

static void hybrid_pack(const struct kern_conv *p, const struct kern_conv_weights *w,
                        void *ret_packed) {
    char *at = ret_packed;
    memset(at, 0, hybrid_packed_size(p));
    if (w->bias)
        memcpy(at, w->bias, (size_t)p->out_c * sizeof(float));
    at += bias_room(p);
    memcpy(at, w->scales, (size_t)p->out_c * hybrid_groups(p) * sizeof(float));
    memcpy(at + scales_room(p), w->filter, filter_size(p));
}

static struct packed packed_view(const struct kern_conv *p, const void *packed) {
    const char *at = packed;
    return (struct packed){
        .bias = (const void *)at,
        .scales = (const void *)(at + bias_room(p)),
        .filter = (const void *)(at + bias_room(p) + scales_room(p)),
    };
}

static size_t hybrid_scratch_parts(const struct kern_conv *p, char *at, struct scratch *ret) {
    size_t n;
    const size_t items = hybrid_items(p, &n), depth = im2col_depth(p);
    const size_t q_room = pack_room(items * n), scale_room = pack_room(items * sizeof(float));
    const size_t window_room = pack_room(TILE * depth * sizeof(int16_t));
    if (ret)
        *ret = (struct scratch){
            .q = (void *)at,
            .scales = (void *)(at + q_room),
            .windows = (void *)(at + q_room + scale_room),
            .weights = (void *)(at + q_room + scale_room + window_room),
        };
    return q_room + scale_room + window_room + pack_room(depth);
}

static size_t hybrid_scratch_size(const struct kern_conv *p) {
    return hybrid_scratch_parts(p, NULL, NULL);
}

static const char *hybrid_refuses(const struct kern_conv *p) {
    return p->depthwise ? "" : NULL;
}

/* Weights of channel c as bytes; depth is even where they have 4 bits. */
static const int8_t *channel_weights(const struct kern_conv *p, const struct packed *w, size_t c,
                                     int8_t *room) {
    const size_t depth = im2col_depth(p);
    if (p->weight_bits == 8)
        return (const int8_t *)w->filter + c * depth;
    const uint8_t *pairs = w->filter + c * depth / 2;
    for (size_t i = 0; i < depth / 2; i++) {
        room[2 * i] = (int8_t)((pairs[i] & 15) - (pairs[i] & 8) * 2);
        room[2 * i + 1] = (int8_t)((int8_t)pairs[i] >> 4);
    }
    return room;
}

static float weighted_sum(const int16_t *restrict x, const int8_t *restrict w,
                          const float *restrict scales, size_t groups, size_t group) {
    float sum = 0;
    for (size_t g = 0; g < groups; g++, x += group, w += group) {
        int32_t acc = 0;
        for (size_t i = 0; i < group; i++)
            acc += x[i] * (int16_t)w[i];
        sum += scales[g] * (float)acc;
    }
    return sum;
}

/* The output channels [first, end) of n pixels from `pixel` on. */
static void hybrid_tile(const struct kern_conv *p, const struct packed *w, const struct scratch *s,
                        size_t pixel, size_t n, size_t first, size_t end, float *y) {
    const size_t depth = im2col_depth(p), groups = hybrid_groups(p);
    for (size_t c = first; c < end; c++) {
        const int8_t *weights = channel_weights(p, w, c, s->weights);
        for (size_t i = 0; i < n; i++) {
            const float sum = weighted_sum(s->windows + i * depth, weights, w->scales + c * groups,
                                           groups, (size_t)p->scale_group);
            const float scale = s->scales[p->scale_pixels ? pixel + i : 0];
            y[(pixel + i) * (size_t)p->out_c + c] = hybrid_finish(p, sum, scale, w->bias[c]);
        }
    }
}

static void hybrid_run(const struct kern_conv *p, const void *packed, const void *x, void *y,
                       void *scratch) {
    const struct packed w = packed_view(p, packed);
    const size_t conv_groups = (size_t)(p->in_c / p->group_in_c);
    const size_t group_out = (size_t)p->out_c / conv_groups;
    const size_t pixels = (size_t)p->out_h * (size_t)p->out_w;
    struct scratch s;
    size_t n_item;
    const size_t items = hybrid_items(p, &n_item);
    hybrid_scratch_parts(p, scratch, &s);
    for (size_t i = 0; i < items; i++)
        s.scales[i] = hybrid_item((const float *)x + i * n_item, n_item, s.q + i * n_item);
    for (size_t pixel = 0; pixel < pixels; pixel += TILE) {
        const size_t n = MIN(pixels - pixel, (size_t)TILE);
        for (size_t g = 0; g < conv_groups; g++) {
            im2col_s16(p, s.q, g * (size_t)p->group_in_c, pixel, n, 0, s.windows);
            hybrid_tile(p, &w, &s, pixel, n, g * group_out, (g + 1) * group_out, y);
        }
    }
}

const struct kern_conv_impl kern_hybrid_c = {
    .name = "hybrid_1x1_c",
    .refuses = hybrid_refuses,
    .packed_size = hybrid_packed_size,
    .scratch_size = hybrid_scratch_size,
    .pack = hybrid_pack,
    .run = hybrid_run,
};
