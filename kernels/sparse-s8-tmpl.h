/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: products with pruned weights of many positions. The lanes of a vector are
 * neighbouring positions (sparse-planes.h). VEC_GROUP weights that are left in a block of channels
 * make a group: the planes they look at are interleaved into the lanes that vec_dot() takes, for all
 * channels of the block at once.
 *
 * Packed block: kind (enum requantize), constants [channels] (struct sparse_channel), end [blocks]
 * (groups up to there) as uint32, distances [depth] (plane_tap) as uint32, window positions [groups]
 * [VEC_GROUP] as uint16, weights [groups][channels of a block][VEC_GROUP]; each padded to
 * KERN_PACK_ALIGN, and one more at the end. A last group is filled up with weights of zero.
 */

/* Values of all planes of a band: of a 1x1, which has no rows in common with the next band, most of a
 * first-level cache, else part of a second-level one. */
#define SPARSE_VALUES_1X1 (32 * 1024 / sizeof(vec_staged))
#define SPARSE_VALUES (192 * 1024 / sizeof(vec_staged))
/* Groups interleaved at a time. */
#define SPARSE_GROUPS ((size_t)64)
/* Vectors of sums of four channels that the registers hold. */
#define SPARSE_VECTORS (VEC_LANES == 8 ? 2 : 4)

struct sparse_channel {
    int32_t bias, mult, shift, before, right, scale, unused[2];
};

struct sparse_packed {
    uint32_t kind;
    const struct sparse_channel *channels;
    const uint32_t *end, *taps;
    const uint16_t *at;
    const vec_weight *w;
};

static size_t sparse_blocks(const struct kern_conv *p, size_t block) {
    return ((size_t)p->out_c + block - 1) / block;
}

static size_t sparse_channels_room(const struct kern_conv *p, size_t block) {
    return pack_room(sparse_blocks(p, block) * block * sizeof(struct sparse_channel));
}

static struct sparse_packed sparse_view(const struct kern_conv *p, size_t block,
                                        const void *packed) {
    const size_t blocks = sparse_blocks(p, block);
    const char *at = (const char *)packed + KERN_PACK_ALIGN;
    struct sparse_packed v = {.kind = *(const uint32_t *)packed, .channels = (const void *)at};
    v.end = (const void *)(at += sparse_channels_room(p, block));
    v.taps = (const void *)(at += pack_room(blocks * sizeof(uint32_t)));
    v.at = (const void *)(at += pack_room(im2col_depth(p) * sizeof(uint32_t)));
    v.w = (const void *)(at + pack_room(v.end[blocks - 1] * VEC_GROUP * sizeof(*v.at)));
    return v;
}

/* Groups of all blocks. */
static size_t sparse_left(const struct kern_conv *p, const struct kern_conv_weights *w,
                          size_t block) {
    const size_t depth = im2col_depth(p), out_c = (size_t)p->out_c;
    size_t n = 0;
    for (size_t c = 0; c < out_c; c += block)
        n += round_up(sparse_count_s8((const int8_t *)w->filter + c * depth, depth,
                                      MIN(block, out_c - c)),
                      VEC_GROUP) /
             VEC_GROUP;
    return n;
}

static size_t sparse_packed_size(const struct kern_conv *p, const struct kern_conv_weights *w,
                                 size_t block) {
    const size_t n = sparse_left(p, w, block);
    return KERN_PACK_ALIGN + sparse_channels_room(p, block) +
           pack_room(sparse_blocks(p, block) * sizeof(uint32_t)) +
           pack_room(im2col_depth(p) * sizeof(uint32_t)) +
           pack_room(n * VEC_GROUP * sizeof(uint16_t)) +
           pack_room(n * VEC_GROUP * block * sizeof(vec_weight)) + KERN_PACK_ALIGN;
}

static struct planes sparse_planes(const struct kern_conv *p) {
    const bool is_1x1 = p->kernel_h == 1 && p->kernel_w == 1;
    return planes_of(p, is_1x1 ? SPARSE_VALUES_1X1 : SPARSE_VALUES, SPARSE_FLAT);
}

/* Constants of a channel with weights of that sum. */
static struct sparse_channel sparse_channel(const struct kern_conv *p,
                                            const struct kern_conv_weights *w, size_t c,
                                            int32_t sum) {
    const int32_t right = w->mult[c] ? -1 - w->shift[c] : 1;
    const int32_t after = MIN(MAX(right, 1), SHIFT_AFTER);
    return (struct sparse_channel){
        .bias = block_bias(w, c, p->in_zero + vec_stage_offset(p->in_zero), sum),
        .mult = w->mult[c],
        .shift = w->shift[c],
        .before = MAX(right, after) - after,
        .right = right,
        .scale = (1 << (15 - after)) * 0x10001,
    };
}

static void sparse_pack(const struct kern_conv *p, const struct kern_conv_weights *w, size_t block,
                        void *ret_packed) {
    const struct planes l = sparse_planes(p);
    const size_t blocks = sparse_blocks(p, block), depth = im2col_depth(p),
                 n = sparse_left(p, w, block);
    const int8_t *filter = w->filter;
    memset(ret_packed, 0, sparse_packed_size(p, w, block));
    char *at = (char *)ret_packed + KERN_PACK_ALIGN;
    struct sparse_channel *channels = (void *)at;
    uint32_t *end = (void *)(at += sparse_channels_room(p, block));
    uint32_t *taps = (void *)(at += pack_room(blocks * sizeof(*end)));
    uint16_t *positions = (void *)(at += pack_room(depth * sizeof(*taps)));
    vec_weight *values = (void *)(at + pack_room(n * VEC_GROUP * sizeof(*positions)));
    uint32_t kind = REQUANTIZE_SHALLOW, group = 0;
    for (size_t k = 0; k < depth; k++)
        taps[k] = (uint32_t)plane_tap(&l, k);
    for (size_t b = 0; b < blocks; b++, filter += block * depth) {
        const size_t rows = MIN(block, (size_t)p->out_c - b * block);
        int32_t sums[8] = {0};
        size_t entry = 0;
        for (size_t k = 0; k < depth; k++) {
            if (!sparse_has_s8(filter, depth, rows, k))
                continue;
            const size_t g = group + entry / VEC_GROUP, lane = entry % VEC_GROUP;
            positions[g * VEC_GROUP + lane] = (uint16_t)k;
            for (size_t r = 0; r < rows; r++) {
                values[(g * block + r) * VEC_GROUP + lane] = filter[r * depth + k];
                sums[r] += filter[r * depth + k];
            }
            entry++;
        }
        group += (uint32_t)((entry + VEC_GROUP - 1) / VEC_GROUP);
        end[b] = group;
        for (size_t r = 0; r < rows; r++) {
            const size_t c = b * block + r;
            channels[c] = sparse_channel(p, w, c, sums[r]);
            kind = MAX(kind, requantize_kind(w->mult[c], w->shift[c]));
        }
    }
    memcpy(ret_packed, &kind, sizeof(kind));
}

/* The results of a channel at SPARSE_FLAT positions. */
static void sparse_requantize(const struct sparse_channel *c, uint32_t kind, const vec *sums,
                              const struct vec_out *out, uint8_t *ret) {
    int32_t constants[BLOCK_CONSTANTS(1) * VEC_LANES];
    const vec mult = vec_set1(c->mult);
    struct block_scales s = {.constants = (const char *)constants};
    s.mult[0] = s.odd[0] = mult;
    s.before[0] = vec_set1(c->before);
    s.right[0] = vec_set1(c->right);
    s.scale[0] = s.scale[1] = vec_set1(c->scale);
    vec bytes;
    if (kind == REQUANTIZE_SHALLOW) {
        bytes = block_narrow_by(sums, &s, 1, REQUANTIZE_SHALLOW, out);
    } else if (kind == REQUANTIZE_DEEP) {
        bytes = block_narrow_by(sums, &s, 1, REQUANTIZE_DEEP, out);
    } else {
        vec_store(constants + BLOCK_MULT * VEC_LANES, mult);
        vec_store(constants + BLOCK_RIGHT * VEC_LANES, s.right[0]);
        bytes = block_narrow_by(sums, &s, 1, REQUANTIZE_WIDE, out);
    }
    vec_store(ret, vec_flat_order(bytes));
}

static inline __attribute__((always_inline)) void
sparse_interleave(const struct sparse_packed *w, size_t group, const vec_staged *x, vec *ret) {
    const vec_staged *from[VEC_GROUP];
#pragma GCC unroll 4
    for (unsigned i = 0; i < VEC_GROUP; i++)
        from[i] = x + w->taps[w->at[group * VEC_GROUP + i]];
    vec_interleave((char *)ret, from, 0);
}

/* A channel of its own, groups [from, end). */
static void sparse_single(const struct sparse_packed *w, size_t from, size_t end, int32_t bias,
                          const vec_staged *x, vec sums[4]) {
    vec acc[4];
#pragma GCC unroll 4
    for (unsigned v = 0; v < 4; v++)
        acc[v] = vec_set1(bias);
    for (size_t g = from; g < end; g++) {
        vec values[4];
        sparse_interleave(w, g, x, values);
        const vec weight = vec_broadcast(w->w + g * VEC_GROUP);
#pragma GCC unroll 4
        for (unsigned v = 0; v < 4; v++)
            acc[v] = vec_dot(acc[v], values[v], weight);
    }
#pragma GCC unroll 4
    for (unsigned v = 0; v < 4; v++)
        sums[v] = acc[v];
}

/* Adds n groups of a block of `block` channels, interleaved, to the sums of four of them. */
static void sparse_add(const vec_weight *w, size_t block, const vec (*groups)[4], size_t n,
                       vec (*sums)[4]) {
#pragma GCC unroll 1
    for (unsigned first = 0; first < 4; first += SPARSE_VECTORS) {
        const vec_weight *from = w;
        vec acc[4][4];
#pragma GCC unroll 4
        for (unsigned r = 0; r < 4; r++)
#pragma GCC unroll 4
            for (unsigned v = 0; v < SPARSE_VECTORS; v++)
                acc[r][v] = sums[r][first + v];
        for (size_t g = 0; g < n; g++, from += block * VEC_GROUP) {
            vec values[4];
#pragma GCC unroll 4
            for (unsigned v = 0; v < SPARSE_VECTORS; v++)
                values[v] = groups[g][first + v];
#pragma GCC unroll 4
            for (unsigned r = 0; r < 4; r++) {
                const vec weight = vec_broadcast(from + r * VEC_GROUP);
#pragma GCC unroll 4
                for (unsigned v = 0; v < SPARSE_VECTORS; v++)
                    acc[r][v] = vec_dot(acc[r][v], values[v], weight);
            }
        }
#pragma GCC unroll 4
        for (unsigned r = 0; r < 4; r++)
#pragma GCC unroll 4
            for (unsigned v = 0; v < SPARSE_VECTORS; v++)
                sums[r][first + v] = acc[r][v];
    }
}

/* The sums of a block of four or eight channels. */
static void sparse_block_sums(const struct sparse_packed *w, size_t b, size_t block,
                              const vec_staged *x, vec (*groups)[4], vec (*sums)[4]) {
    for (size_t r = 0; r < block; r++)
        for (unsigned v = 0; v < 4; v++)
            sums[r][v] = vec_set1(w->channels[b * block + r].bias);
    for (size_t g = b ? w->end[b - 1] : 0; g < w->end[b];) {
        const size_t n = MIN(SPARSE_GROUPS, w->end[b] - g);
        for (size_t i = 0; i < n; i++)
            sparse_interleave(w, g + i, x, groups[i]);
        for (size_t r = 0; r < block; r += 4)
            sparse_add(w->w + (g * block + r) * VEC_GROUP, block, (const vec(*)[4])groups, n,
                       sums + r);
        g += n;
    }
}

/* Results of 16 channels from `first` on at a tile's positions. */
static void sparse_sixteen(const struct kern_conv *p, const struct sparse_packed *w, size_t block,
                           size_t first, const vec_staged *x, const struct vec_out *out,
                           vec (*groups)[4], uint8_t *ret) {
    for (size_t c = first; c < MIN(first + 16, (size_t)p->out_c); c += block) {
        const size_t b = c / block;
        vec sums[8][4];
        if (block == 1)
            sparse_single(w, b ? w->end[b - 1] : 0, w->end[b], w->channels[c].bias, x, sums[0]);
        else
            sparse_block_sums(w, b, block, x, groups, sums);
        for (size_t r = 0; r < block; r++)
            sparse_requantize(&w->channels[c + r], w->kind, sums[r], out,
                              ret + (c - first + r) * SPARSE_FLAT);
    }
}

struct sparse_scratch {
    vec (*groups)[4];
    uint8_t *results, *padding;
    vec_staged *planes;
};

static size_t sparse_many_scratch_size(const struct kern_conv *p) {
    const struct planes l = sparse_planes(p);
    return SPARSE_GROUPS * 4 * VEC_BYTES + 16 * SPARSE_FLAT +
           pack_room((l.size * l.s.in_c + 2 * SPARSE_FLAT) * sizeof(vec_staged)) +
           pack_room(l.s.in_c);
}

static struct sparse_scratch sparse_scratch(const struct planes *l, void *scratch) {
    char *at = scratch;
    struct sparse_scratch s = {.groups = scratch};
    s.results = (uint8_t *)(at += SPARSE_GROUPS * 4 * VEC_BYTES);
    s.planes = (void *)(at += 16 * SPARSE_FLAT);
    s.padding =
        (uint8_t *)at + pack_room((l->size * l->s.in_c + 2 * SPARSE_FLAT) * sizeof(vec_staged));
    return s;
}

static void sparse_many_run(const struct kern_conv *p, size_t block, const void *packed,
                            const void *x, void *y, void *scratch) {
    const struct planes l = sparse_planes(p);
    const struct sparse_packed w = sparse_view(p, block, packed);
    const struct sparse_scratch s = sparse_scratch(&l, scratch);
    const struct vec_out out = vec_out_set(p->out_zero, p->out_min, p->out_max);
    const size_t out_c = (size_t)p->out_c;
    memset(s.padding, p->in_zero, l.s.in_c);
    for (size_t row = 0; row < l.s.out_h; row += l.height) {
        const size_t rows = MIN(l.height, l.s.out_h - row);
        for (size_t col = 0; col < l.s.out_w; col += l.width) {
            struct sparse_tile t = {.width = MIN(l.width, l.s.out_w - col)};
            const size_t n = plane_positions(&l, rows, t.width);
            int8_t *to = (int8_t *)y + (row * l.s.out_w + col) * out_c;
            sparse_stage(&l, p->in_zero, x, s.padding, row, col, s.planes);
            for (; t.first < n; t.first += SPARSE_FLAT) {
                t.n = MIN(SPARSE_FLAT, n - t.first);
                for (size_t c = 0; c < out_c; c += 16) {
                    sparse_sixteen(p, &w, block, c, s.planes + t.first, &out, s.groups, s.results);
                    sparse_store(&l, &t, s.results, MIN((size_t)16, out_c - c), out_c, to + c);
                }
            }
        }
    }
}

static const char *sparse_many_refuses(const struct kern_conv *p, enum kern_pattern pattern) {
    const char *why = sparse_refuses(p, pattern);
    if (why)
        return why;
    if (sparse_kind_of(p, false) != SPARSE_S8_MANY)
        return "";
    const struct planes l = sparse_planes(p);
    if (im2col_depth(p) > UINT16_MAX + (size_t)1 || l.size * l.s.in_c > UINT32_MAX)
        return "too large";
    /* vectors would be mostly empty */
    return (size_t)p->out_h * (size_t)p->out_w * 2 < SPARSE_FLAT ? "few positions" : NULL;
}

#define SPARSE_IMPL(kind, block, its_pattern)                                                      \
    static const char *sparse_##kind##_refuses_##block(const struct kern_conv *p) {                \
        return sparse_##kind##_refuses(p, its_pattern);                                            \
    }                                                                                              \
    static size_t sparse_##kind##_packed_size_##block(const struct kern_conv *p,                   \
                                                      const struct kern_conv_weights *w) {         \
        return sparse_packed_size(p, w, block);                                                    \
    }                                                                                              \
    static void sparse_##kind##_pack_##block(                                                      \
        const struct kern_conv *p, const struct kern_conv_weights *w, void *ret_packed) {          \
        sparse_pack(p, w, block, ret_packed);                                                      \
    }                                                                                              \
    static void sparse_##kind##_run_##block(const struct kern_conv *p, const void *packed,         \
                                            const void *x, void *y, void *scratch) {               \
        sparse_##kind##_run(p, block, packed, x, y, scratch);                                      \
    }                                                                                              \
    const struct kern_conv_impl KERN_NAME(sparse_##kind##_s8_##block##x1) = {                      \
        .name = "sparse_" #kind "_s8_" #block "x1_" KERN_STRING(KERN_SUFFIX),                      \
        .refuses = sparse_##kind##_refuses_##block,                                                \
        .packed_size_of = sparse_##kind##_packed_size_##block,                                     \
        .pattern = its_pattern,                                                                    \
        .scratch_size = sparse_##kind##_scratch_size,                                              \
        .pack = sparse_##kind##_pack_##block,                                                      \
        .run = sparse_##kind##_run_##block,                                                        \
    };

SPARSE_IMPL(many, 1, KERN_SINGLES)
SPARSE_IMPL(many, 4, KERN_BLOCKS_4)
SPARSE_IMPL(many, 8, KERN_BLOCKS_8)
