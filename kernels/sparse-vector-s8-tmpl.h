/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: products of a few vectors with weights pruned in blocks of four or eight
 * output channels, for vectors of up to eight lanes. The inputs that a block looks at are gathered
 * one by one, then multiplied as densely as any: lanes are the channels of the block, as often as
 * they fit. The packed block is that of sparse-s8-tmpl.h.
 */

/* Groups that a vector takes, and vectors that a group takes. */
#define SPARSE_PARTS(block) ((block) < VEC_LANES ? VEC_LANES / (block) : 1)
#define SPARSE_HALVES(block) ((block) > VEC_LANES ? (block) / VEC_LANES : 1)

/* A group of inputs in all lanes, or two groups in half of them each. */
static inline __attribute__((always_inline)) vec sparse_spread(const uint32_t *groups,
                                                               const unsigned parts) {
#if VEC_LANES == 8
    if (parts == 2) {
        const int32_t a = (int32_t)groups[0], b = (int32_t)groups[1];
        return (vec)(vec_lanes){a, a, a, a, b, b, b, b};
    }
#endif
    return vec_broadcast(groups);
}

/* The sums of a block: n groups of gathered inputs, a group of zeros behind them. */
static inline __attribute__((always_inline)) void sparse_vector_sums(const vec_weight *w,
                                                                     const uint32_t *groups,
                                                                     size_t n, int32_t *ret,
                                                                     const unsigned block) {
    const unsigned parts = SPARSE_PARTS(block), halves = SPARSE_HALVES(block);
    vec acc[4][2];
#pragma GCC unroll 4
    for (unsigned s = 0; s < 4; s++)
        acc[s][0] = acc[s][1] = vec_set1(0);
    size_t g = 0;
    for (; g + 4 * parts <= n; g += 4 * parts)
#pragma GCC unroll 4
        for (unsigned s = 0; s < 4; s++) {
            const size_t at = g + s * parts;
            const vec x = sparse_spread(groups + at, parts);
#pragma GCC unroll 2
            for (unsigned h = 0; h < halves; h++)
                acc[s][h] =
                    vec_dot(acc[s][h], x, vec_load(w + (at * block + h * VEC_LANES) * VEC_GROUP));
        }
    for (; g < n; g += parts) {
        const vec x = sparse_spread(groups + g, parts);
#pragma GCC unroll 2
        for (unsigned h = 0; h < halves; h++)
            acc[0][h] =
                vec_dot(acc[0][h], x, vec_load(w + (g * block + h * VEC_LANES) * VEC_GROUP));
    }
    int32_t all[2 * VEC_LANES];
#pragma GCC unroll 2
    for (unsigned h = 0; h < halves; h++)
        vec_store(all + h * VEC_LANES,
                  vec_add(vec_add(acc[0][h], acc[1][h]), vec_add(acc[2][h], acc[3][h])));
#pragma GCC unroll 8
    for (unsigned r = 0; r < block; r++)
        ret[r] = (int32_t)((uint32_t)all[r] + (parts == 2 ? (uint32_t)all[block + r] : 0));
}

/* n groups of inputs, each put together in a register: bytes stored one by one would take twice as
 * long. */
static void sparse_gather(const vec_staged *restrict x, const uint16_t *restrict at, size_t n,
                          uint32_t *restrict ret) {
    for (size_t g = 0; g < n; g++, at += VEC_GROUP) {
        uint32_t group = 0;
#pragma GCC unroll 4
        for (unsigned i = 0; i < VEC_GROUP; i++)
            group |= (uint32_t)(VEC_GROUP == 2 ? (uint16_t)x[at[i]] : (uint8_t)x[at[i]])
                     << (32 / VEC_GROUP * i);
        ret[g] = group;
    }
    ret[n] = 0;
}

/* Staged inputs with room for a last vector, then the gathered ones with a group of zeros. */
static size_t sparse_vector_room(const struct kern_conv *p) {
    return pack_room((im2col_depth(p) + 2 * VEC_GROUP) * sizeof(vec_staged));
}

static size_t sparse_vector_scratch_size(const struct kern_conv *p) {
    return 2 * sparse_vector_room(p);
}

static void sparse_vector_run(const struct kern_conv *p, size_t block, const void *packed,
                              const void *x, void *y, void *scratch) {
    const struct sparse_packed w = sparse_view(p, block, packed);
    const size_t depth = im2col_depth(p), out_c = (size_t)p->out_c;
    const size_t pixels = (size_t)p->out_h * (size_t)p->out_w;
    vec_staged *window = scratch;
    uint32_t *groups = (void *)((char *)scratch + sparse_vector_room(p));
    int8_t *out = y;
    for (size_t pixel = 0; pixel < pixels; pixel++, out += out_c) {
        stage_values(window, (const int8_t *)x + pixel * depth, depth, p->in_zero);
        for (size_t b = 0; b * block < out_c; b++) {
            const size_t from = b ? w.end[b - 1] : 0, n = w.end[b] - from;
            const vec_weight *weights = w.w + from * block * VEC_GROUP;
            int32_t sums[8];
            sparse_gather(window, w.at + from * VEC_GROUP, n, groups);
            if (block == 4)
                sparse_vector_sums(weights, groups, n, sums, 4);
            else
                sparse_vector_sums(weights, groups, n, sums, 8);
            for (size_t r = 0; r < MIN(block, out_c - b * block); r++) {
                const struct sparse_channel *c = &w.channels[b * block + r];
                const uint32_t sum = (uint32_t)sums[r] + (uint32_t)c->bias;
                const int32_t q = fixedpoint_multiply((int32_t)sum, c->mult, c->shift);
                out[b * block + r] =
                    (int8_t)clamp_s64((int64_t)q + p->out_zero, p->out_min, p->out_max);
            }
        }
    }
}

static const char *sparse_vector_refuses(const struct kern_conv *p, enum kern_pattern pattern) {
    const char *why = sparse_refuses(p, pattern);
    if (why)
        return why;
    if (sparse_kind_of(p, false) != SPARSE_S8_VECTOR || !im2col_is_input(p))
        return "";
    return im2col_depth(p) > UINT16_MAX + (size_t)1 ? "too large" : NULL;
}

SPARSE_IMPL(vector, 4, KERN_BLOCKS_4)
SPARSE_IMPL(vector, 8, KERN_BLOCKS_8)
