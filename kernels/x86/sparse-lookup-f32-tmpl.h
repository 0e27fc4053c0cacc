/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Float products of a few vectors with pruned weights, block by block of one channel: 16 channels
 * look their inputs up together (sparse-lookup.h). A tier's file gives
 *   LOOKUP_PIECE(depth)   values of a piece,
 *   lookup_at             what an index is,
 *   lookup_sums           16 sums, lookup_zero(), lookup_add(a, b), lookup_store(to, sums),
 *   lookup_fma            sums + the values at 16 indices, from an address on, times weights,
 * and its suffix. Windows are copied, with room for what pieces reach beyond their ends.
 *
 * Packed block: bias [tiles][16] as float, end [tiles] (look-ups up to there) as uint32, piece [ops]
 * as uint16, indices [ops][16], weights [ops][16] as float; each padded to KERN_PACK_ALIGN.
 */

#define SUMS 4 /* side by side, or each would wait for the one before */

struct packed {
    const float *bias;
    const uint32_t *end;
    const uint16_t *piece;
    const lookup_at *at;
    const float *w;
};

static size_t tiles_of(const struct kern_conv *p) {
    return ((size_t)p->out_c + LOOKUP_TILE - 1) / LOOKUP_TILE;
}

static struct packed packed_view(const struct kern_conv *p, const void *packed, size_t ops) {
    struct packed v = {.bias = packed};
    v.end = (const void *)(v.bias + tiles_of(p) * LOOKUP_TILE);
    v.piece = (const void *)((const char *)v.end + pack_room(tiles_of(p) * sizeof(*v.end)));
    v.at = (const void *)((const char *)v.piece + pack_room(ops * sizeof(*v.piece)));
    v.w = (const void *)((const char *)v.at + pack_room(ops * LOOKUP_TILE * sizeof(*v.at)));
    return v;
}

static struct lookup lookup_for(const struct kern_conv *p) {
    const size_t depth = im2col_depth(p);
    const struct conv_shape window = {.kernel_h = 1, .runs_x = 1, .run_length = depth};
    return lookup_of(&window, 1, LOOKUP_PIECE(depth), LOOKUP_TILE, 1, true);
}

static size_t ops_of(const struct kern_conv *p, const struct kern_conv_weights *w) {
    struct lookup l = lookup_for(p);
    size_t ops, groups;
    lookup_count(&l, p, w->filter, &ops, &groups);
    return ops;
}

static size_t packed_size_of(const struct kern_conv *p, const struct kern_conv_weights *w) {
    const size_t ops = ops_of(p, w), values = ops * LOOKUP_TILE;
    return tiles_of(p) * LOOKUP_TILE * sizeof(float) + pack_room(tiles_of(p) * sizeof(uint32_t)) +
           pack_room(ops * sizeof(uint16_t)) + pack_room(values * sizeof(lookup_at)) +
           values * sizeof(float);
}

static void pack(const struct kern_conv *p, const struct kern_conv_weights *w, void *ret_packed) {
    struct lookup l = lookup_for(p);
    struct lookup_op op;
    const struct packed v = packed_view(p, ret_packed, ops_of(p, w));
    memset(ret_packed, 0, packed_size_of(p, w));
    if (w->bias)
        memcpy(ret_packed, w->bias, (size_t)p->out_c * sizeof(float));
    uint32_t n = 0;
    for (size_t t = 0; t < tiles_of(p); t++) {
        lookup_start(&l, p, w->filter, t * LOOKUP_TILE);
        for (; lookup_next(&l, &op); n++) {
            ((uint16_t *)v.piece)[n] = (uint16_t)op.piece;
            for (size_t c = 0; c < LOOKUP_TILE; c++) {
                if (op.at[c] == LOOKUP_NONE)
                    continue;
                ((lookup_at *)v.at)[n * LOOKUP_TILE + c] =
                    (lookup_at)lookup_index(&l, op.piece, op.at[c]);
                ((float *)v.w)[n * LOOKUP_TILE + c] =
                    ((const float *)l.filter)[c * l.depth + op.at[c]];
            }
        }
        ((uint32_t *)v.end)[t] = n;
    }
}

static size_t scratch_size(const struct kern_conv *p) {
    return pack_room((round_up(im2col_depth(p), LOOKUP_TILE) + 2 * LOOKUP_TILE) * sizeof(float));
}

/* Look-ups [i, end) of a tile. */
static inline lookup_sums tile(const struct packed *w, size_t i, size_t end, size_t piece,
                               const float *x) {
    lookup_sums sums[SUMS];
#pragma GCC unroll 4
    for (unsigned j = 0; j < SUMS; j++)
        sums[j] = lookup_zero();
    for (; i + SUMS <= end; i += SUMS)
#pragma GCC unroll 4
        for (unsigned j = 0; j < SUMS; j++)
            sums[j] = lookup_fma(sums[j], x + w->piece[i + j] * piece,
                                 w->at + (i + j) * LOOKUP_TILE, w->w + (i + j) * LOOKUP_TILE);
    for (; i < end; i++)
        sums[0] = lookup_fma(sums[0], x + w->piece[i] * piece, w->at + i * LOOKUP_TILE,
                             w->w + i * LOOKUP_TILE);
    return lookup_add(lookup_add(sums[0], sums[1]), lookup_add(sums[2], sums[3]));
}

static void run(const struct kern_conv *p, const void *packed, const void *x, void *y,
                void *scratch) {
    const size_t out_c = (size_t)p->out_c, pixels = (size_t)p->out_h * (size_t)p->out_w;
    const uint32_t *end = packed_view(p, packed, 0).end;
    const struct packed w = packed_view(p, packed, end[tiles_of(p) - 1]);
    const size_t depth = im2col_depth(p), piece = LOOKUP_PIECE(depth);
    float *out = y, *window = scratch;
    memset(window + depth, 0, scratch_size(p) - depth * sizeof(*window));
    for (size_t pixel = 0; pixel < pixels; pixel++, out += out_c) {
        im2col_f32(p, x, 0, pixel, 1, 0, window);
        for (size_t t = 0; t < tiles_of(p); t++) {
            float sums[LOOKUP_TILE];
            lookup_store(sums, tile(&w, t ? end[t - 1] : 0, end[t], piece, window));
            for (size_t c = 0; c < LOOKUP_TILE; c++)
                sums[c] =
                    clamp_f32(sums[c] + w.bias[t * LOOKUP_TILE + c], p->out_min_f, p->out_max_f);
            memcpy(out + t * LOOKUP_TILE, sums,
                   MIN((size_t)LOOKUP_TILE, out_c - t * LOOKUP_TILE) * sizeof(*sums));
        }
    }
}

static const char *refuses(const struct kern_conv *p) {
    const char *why = sparse_refuses(p, KERN_SINGLES);
    if (why)
        return why;
    if (sparse_kind_of(p, true) != SPARSE_F32_VECTOR)
        return "";
    return im2col_depth(p) > UINT16_MAX ? "deeper than 65535" : NULL;
}

const struct kern_conv_impl KERN_NAME(sparse_vector_f32_1x1) = {
    .name = "sparse_vector_f32_1x1_" KERN_STRING(KERN_SUFFIX),
    .refuses = refuses,
    .packed_size_of = packed_size_of,
    .pattern = KERN_SINGLES,
    .scratch_size = scratch_size,
    .pack = pack,
    .run = run,
};
