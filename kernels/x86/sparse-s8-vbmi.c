/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int8 products with pruned weights for AVX-512 VNNI with VBMI, which looks 64 bytes up in two
 * registers at once (sparse-lookup.h): pieces are 64 inputs. What is looked up is multiplied at once
 * where the rows of a tile are blocks of their own; else it is stored, and each group of four values
 * of every block is loaded into the lanes of the block's channels: lane i is channel i / blocks of
 * block i % blocks.
 *
 * Packed block: kind (enum requantize); constants of each tile; struct tile_end [tiles]; struct op
 * [ops]; indices [ops][64], in the order [group of a block][block][4]; weights [groups][lanes][4];
 * each padded to KERN_PACK_ALIGN. Scratch: the staged band, then where each piece is in a window.
 */

#define KERN_SUFFIX avx512vbmi

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attributes.h"
#include "kernels/conv-shape.h"
#include "kernels/cpu-arch.h"
#include "kernels/fixedpoint.h"
#include "kernels/list.h"
#include "kernels/names.h"
#include "kernels/round.h"
#include "kernels/sparse-lookup.h"
#include "kernels/sparse.h"
#include "kernels/x86/vec-avx512vnni.h"
#include "kernels/x86/x86.h"

#define VEC_BYTES 64
#define VEC_SHIFT_ROUNDS 0
typedef int32_t vec_lanes __attribute__((vector_size(VEC_BYTES)));

#include "kernels/requantize-s8-tmpl.h"
#include "kernels/stage-s8-tmpl.h"

#include "kernels/conv-s8-stage-tmpl.h"
#include "kernels/conv-s8-store-tmpl.h"

#define STAGE_VALUES ((size_t)24 * 1024)
#define PIECE 64
#define LOOKUPS 64
#define MAX_PIXELS 12

struct op {
    uint16_t piece, groups;
};

/* Look-ups and groups up to the end of a tile. */
struct tile_end {
    uint32_t ops, groups;
};

struct packed {
    uint32_t kind;
    const char *constants;
    const struct tile_end *ends;
    const struct op *ops;
    const uint8_t *indices;
    const int8_t *weights;
};

/* Bytes of the parts. */
struct rooms {
    size_t constants, ends, ops, indices, weights;
};

static size_t tiles_of(const struct kern_conv *p) {
    return ((size_t)p->out_c + LOOKUP_TILE - 1) / LOOKUP_TILE;
}

static struct rooms rooms_of(const struct kern_conv *p, size_t ops, size_t groups) {
    return (struct rooms){
        .constants = tiles_of(p) * BLOCK_CONSTANTS(1) * VEC_BYTES,
        .ends = pack_room(tiles_of(p) * sizeof(struct tile_end)),
        .ops = pack_room(ops * sizeof(struct op)),
        .indices = ops * LOOKUPS,
        .weights = groups * VEC_BYTES,
    };
}

static struct packed packed_view(const struct kern_conv *p, const void *packed) {
    const char *at = packed;
    struct packed v = {.kind = *(const uint32_t *)packed, .constants = at + KERN_PACK_ALIGN};
    struct rooms rooms = rooms_of(p, 0, 0);
    v.ends = (const void *)(v.constants + rooms.constants);
    const struct tile_end *last = &v.ends[tiles_of(p) - 1];
    rooms = rooms_of(p, last->ops, last->groups);
    v.ops = (const void *)((const char *)v.ends + rooms.ends);
    v.indices = (const uint8_t *)v.ops + rooms.ops;
    v.weights = (const int8_t *)v.indices + rooms.indices;
    return v;
}

static struct lookup lookup_for(const struct kern_conv *p, size_t block) {
    const struct conv_shape s = conv_shape(p);
    return lookup_of(&s, block, PIECE, LOOKUPS, VEC_GROUP, false);
}

static size_t packed_size(const struct kern_conv *p, const struct kern_conv_weights *w,
                          size_t block) {
    struct lookup l = lookup_for(p, block);
    size_t ops, groups;
    lookup_count(&l, p, w->filter, &ops, &groups);
    const struct rooms r = rooms_of(p, ops, groups);
    return KERN_PACK_ALIGN + r.constants + r.ends + r.ops + r.indices + r.weights;
}

/* The indices and weights of a look-up. */
static void pack_op(const struct lookup *l, const struct lookup_op *op, uint8_t *indices,
                    int8_t *weights) {
    for (size_t i = 0; i < l->blocks * l->entries; i++) {
        const size_t b = i / l->entries, entry = i % l->entries, k = op->at[i];
        const size_t group = entry / VEC_GROUP, of = entry % VEC_GROUP;
        if (op->at[i] == LOOKUP_NONE)
            continue;
        indices[(group * l->blocks + b) * VEC_GROUP + of] = (uint8_t)lookup_index(l, op->piece, k);
        for (size_t r = 0; r < MIN(l->block, l->rows - b * l->block); r++) {
            const size_t lane = r * l->blocks + b;
            weights[group * VEC_BYTES + lane * VEC_GROUP + of] =
                ((const int8_t *)l->filter)[(b * l->block + r) * l->depth + k];
        }
    }
}

/* The constants of the tile whose first channel is `first`; returns what its requantization takes. */
static uint32_t pack_constants(const struct kern_conv *p, const struct kern_conv_weights *w,
                               size_t first, char *constants) {
    const size_t depth = im2col_depth(p);
    uint32_t kind = REQUANTIZE_SHALLOW;
    for (size_t lane = 0; lane < LOOKUP_TILE; lane++) {
        const size_t c = first + lane;
        if (c >= (size_t)p->out_c) {
            block_set_constants(constants, 1, 0, lane, 0, 0, 0);
            continue;
        }
        int32_t sum = 0;
        for (size_t k = 0; k < depth; k++)
            sum += ((const int8_t *)w->filter)[c * depth + k];
        const int32_t bias = block_bias(w, c, p->in_zero + vec_stage_offset(p->in_zero), sum);
        block_set_constants(constants, 1, 0, lane, bias, w->mult[c], w->shift[c]);
        kind = MAX(kind, requantize_kind(w->mult[c], w->shift[c]));
    }
    return kind;
}

static void pack(const struct kern_conv *p, const struct kern_conv_weights *w, size_t block,
                 void *ret_packed) {
    struct lookup l = lookup_for(p, block);
    struct lookup_op op;
    size_t n_ops, n_groups;
    lookup_count(&l, p, w->filter, &n_ops, &n_groups);
    const struct rooms rooms = rooms_of(p, n_ops, n_groups);
    char *constants = (char *)ret_packed + KERN_PACK_ALIGN;
    struct tile_end *ends = (void *)(constants + rooms.constants);
    struct op *ops = (void *)((char *)ends + rooms.ends);
    uint8_t *indices = (uint8_t *)ops + rooms.ops;
    int8_t *weights = (int8_t *)indices + rooms.indices;
    uint32_t kind = REQUANTIZE_SHALLOW;
    memset(ret_packed, 0, packed_size(p, w, block));
    n_ops = n_groups = 0;
    for (size_t t = 0; t < tiles_of(p); t++) {
        const size_t first = t * LOOKUP_TILE;
        const uint32_t its =
            pack_constants(p, w, first, constants + t * BLOCK_CONSTANTS(1) * VEC_BYTES);
        kind = MAX(kind, its);
        lookup_start(&l, p, w->filter, first);
        for (; lookup_next(&l, &op); n_ops++) {
            ops[n_ops] = (struct op){(uint16_t)op.piece, (uint16_t)op.groups};
            pack_op(&l, &op, indices + n_ops * LOOKUPS, weights + n_groups * VEC_BYTES);
            n_groups += op.groups;
        }
        ends[t] = (struct tile_end){(uint32_t)n_ops, (uint32_t)n_groups};
    }
    memcpy(ret_packed, &kind, sizeof(kind));
}

/* The look-ups of a tile of channels. */
struct lookups {
    const struct op *ops;
    size_t n;
    const uint8_t *indices;
    const int8_t *weights;
    const uint32_t *pieces; /* where in a window they begin */
};

/* The same four bytes of every block, for all its channels. */
static inline vec spread(const uint8_t *values, const unsigned block) {
    if (block == 4)
        return _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)values));
    return vec_broadcast_pair(values);
}

static inline __attribute__((always_inline)) void tile_sums(const struct lookups *l,
                                                            const vec_staged *x, size_t pixel,
                                                            vec *acc, const unsigned pixels,
                                                            const unsigned block) {
    const unsigned group = VEC_BYTES / block;
    const uint8_t *indices = l->indices;
    const int8_t *w = l->weights;
    uint8_t values[MAX_PIXELS][VEC_BYTES] __attribute__((aligned(64)));
    for (const struct op *op = l->ops; op < l->ops + l->n; op++, indices += LOOKUPS) {
        const vec index = vec_load(indices);
        const vec_staged *a = x + l->pieces[op->piece], *b = x + l->pieces[op->piece + 1];
        if (block == 1) {
            const vec weights = vec_load(w);
            w += VEC_BYTES;
#pragma GCC unroll 16
            for (unsigned i = 0; i < pixels; i++, a += pixel, b += pixel)
                acc[i] = vec_dot(acc[i], _mm512_permutex2var_epi8(vec_load(a), index, vec_load(b)),
                                 weights);
            continue;
        }
#pragma GCC unroll 16
        for (unsigned i = 0; i < pixels; i++, a += pixel, b += pixel)
            vec_store(values[i], _mm512_permutex2var_epi8(vec_load(a), index, vec_load(b)));
        for (unsigned g = 0; g < op->groups; g++, w += VEC_BYTES) {
            const vec weights = vec_load(w);
#pragma GCC unroll 16
            for (unsigned i = 0; i < pixels; i++)
                acc[i] = vec_dot(acc[i], spread(values[i] + g * group, block), weights);
        }
    }
}

/* One pixel: sums are split, or each would wait for the one before. */
static inline __attribute__((always_inline)) vec
one_sum(const struct lookups *l, const vec_staged *x, const unsigned block) {
    const uint8_t *indices = l->indices;
    const int8_t *w = l->weights;
    vec acc[4] = {vec_set1(0), vec_set1(0), vec_set1(0), vec_set1(0)};
    size_t i = 0;
    if (block == 1) {
        for (; i + 4 <= l->n; i += 4) {
#pragma GCC unroll 4
            for (unsigned j = 0; j < 4; j++, indices += LOOKUPS, w += VEC_BYTES) {
                const size_t piece = l->ops[i + j].piece;
                const vec values =
                    _mm512_permutex2var_epi8(vec_load(x + l->pieces[piece]), vec_load(indices),
                                             vec_load(x + l->pieces[piece + 1]));
                acc[j] = vec_dot(acc[j], values, vec_load(w));
            }
        }
    }
    const struct lookups rest = {l->ops + i, l->n - i, indices, w, l->pieces};
    if (block == 1) {
        tile_sums(&rest, x, 0, acc, 1, 1);
    } else {
        const unsigned group = VEC_BYTES / block;
        for (; i < l->n; i++, indices += LOOKUPS) {
            uint8_t values[VEC_BYTES] __attribute__((aligned(64)));
            const size_t piece = l->ops[i].piece;
            vec_store(values,
                      _mm512_permutex2var_epi8(vec_load(x + l->pieces[piece]), vec_load(indices),
                                               vec_load(x + l->pieces[piece + 1])));
#pragma GCC unroll 8
            for (unsigned g = 0; g < block; g++, w += VEC_BYTES) {
                if (g >= l->ops[i].groups)
                    break;
                acc[g % 4] = vec_dot(acc[g % 4], spread(values + g * group, block), vec_load(w));
            }
        }
    }
    return vec_add(vec_add(acc[0], acc[1]), vec_add(acc[2], acc[3]));
}

/* Some pixels of a row by a tile of channels. */
static inline __attribute__((always_inline)) void tile(const struct conv_tile *t,
                                                       const struct lookups *l,
                                                       const unsigned pixels,
                                                       const unsigned block) {
    const unsigned blocks = LOOKUP_TILE / block;
    const vec bias = block_constant(t->block, 1, BLOCK_BIAS, 0);
    const vec channel = (vec)(vec_lanes){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const vec lane = (vec)((vec_lanes)channel % (int32_t)block * (int32_t)blocks +
                           (vec_lanes)channel / (int32_t)block);
    vec sums[MAX_PIXELS], acc[MAX_PIXELS][4];
#pragma GCC unroll 16
    for (unsigned i = 0; i < pixels; i++)
        sums[i] = vec_set1(0);
    if (pixels == 1)
        sums[0] = one_sum(l, t->x, block);
    else
        tile_sums(l, t->x, t->pixel, sums, pixels, block);
#pragma GCC unroll 16
    for (unsigned i = 0; i < pixels; i++) {
        if (block > 1)
            sums[i] = _mm512_permutexvar_epi32(lane, sums[i]);
        acc[i][0] = vec_add(sums[i], bias);
    }
    conv_tile_store(t, acc, pixels, 1);
}

static const unsigned heights[] = {12, 8, 4, 2, 1};

#define TILE(pixels, block)                                                                        \
    static void tile_##pixels##_##block(const struct conv_tile *t, const struct lookups *l) {      \
        tile(t, l, pixels, block);                                                                 \
    }
#define TILES(block)                                                                               \
    TILE(12, block)                                                                                \
    TILE(8, block)                                                                                 \
    TILE(4, block) TILE(2, block) TILE(1, block) static void (*const tiles_##block[])(             \
        const struct conv_tile *, const struct lookups *) = {                                      \
        tile_12_##block, tile_8_##block, tile_4_##block, tile_2_##block, tile_1_##block};
TILES(1)
TILES(4)
TILES(8)

static void row(struct conv_tile t, const struct lookups *l, size_t width, size_t block) {
    for (unsigned i = 0; i < ARRAY_SIZE(heights); i++) {
        for (; width >= heights[i]; width -= heights[i]) {
            (block == 1 ? tiles_1 : block == 4 ? tiles_4 : tiles_8)[i](&t, l);
            t.x += heights[i] * t.pixel;
            t.y += heights[i] * t.out_c;
        }
    }
}

/* All channels of a staged band. */
static void band(const struct kern_conv *p, const struct conv_shape *s, size_t block,
                 const struct packed *packed, const vec_staged *staged, const uint32_t *pieces,
                 size_t rows, size_t width, int8_t *y) {
    const size_t out_c = (size_t)p->out_c, pitch = conv_band_pitch(s, width);
    struct conv_tile t = {
        .pixel = s->stride_w * s->in_c,
        .out_c = out_c,
        .out = vec_out_set(p->out_zero, p->out_min, p->out_max),
        .kind = packed->kind,
    };
    struct tile_end from = {0};
    for (size_t i = 0; i < tiles_of(p); i++) {
        const struct lookups l = {
            .ops = packed->ops + from.ops,
            .n = packed->ends[i].ops - from.ops,
            .indices = packed->indices + (size_t)from.ops * LOOKUPS,
            .weights = packed->weights + (size_t)from.groups * VEC_BYTES,
            .pieces = pieces,
        };
        t.block = packed->constants + i * BLOCK_CONSTANTS(1) * VEC_BYTES;
        t.channels = out_c - i * LOOKUP_TILE;
        for (size_t r = 0; r < rows; r++) {
            t.x = staged + r * s->stride_h * pitch;
            t.y = y + r * s->out_w * out_c + i * LOOKUP_TILE;
            row(t, &l, width, block);
        }
        from = packed->ends[i];
    }
}

/* Where the pieces begin in a window of a band of such rows; one more, which nothing looks at. */
static void place_pieces(const struct lookup *l, const struct conv_shape *s, size_t pitch,
                         uint32_t *ret) {
    for (size_t ky = 0; ky < s->kernel_h; ky++)
        for (size_t kx = 0; kx < s->runs_x; kx++)
            for (size_t i = 0; i < l->run_pieces; i++)
                *ret++ = (uint32_t)(ky * s->dilation_h * pitch + kx * s->run_step + i * l->piece);
    *ret = ret[-1];
}

static size_t staged_room(const struct conv_shape *s, size_t width, size_t height) {
    /* pieces reach beyond the last run */
    return pack_room(conv_band_in(s, height) * conv_band_pitch(s, width) + PIECE);
}

static size_t scratch_size(const struct kern_conv *p) {
    const struct conv_shape s = conv_shape(p);
    const struct lookup l = lookup_for(p, 1);
    const size_t width = conv_band_width(&s, STAGE_VALUES, MAX_PIXELS);
    const size_t height = conv_band_height(&s, STAGE_VALUES, width);
    return staged_room(&s, width, height) + pack_room((lookup_pieces(&l) + 1) * sizeof(uint32_t));
}

static void run(const struct kern_conv *p, size_t block, const void *packed, const void *x, void *y,
                void *scratch) {
    const struct conv_shape s = conv_shape(p);
    const struct lookup l = lookup_for(p, block);
    const struct packed w = packed_view(p, packed);
    const size_t width = conv_band_width(&s, STAGE_VALUES, MAX_PIXELS);
    const size_t height = conv_band_height(&s, STAGE_VALUES, width);
    uint32_t *pieces = (void *)((char *)scratch + staged_room(&s, width, height));
    for (size_t first = 0; first < s.out_h; first += height) {
        const size_t rows = MIN(height, s.out_h - first);
        for (size_t col = 0; col < s.out_w; col += width) {
            const size_t n = MIN(width, s.out_w - col);
            place_pieces(&l, &s, conv_band_pitch(&s, n), pieces);
            conv_stage_band(p, &s, x, first, rows, col, n, scratch);
            band(p, &s, block, &w, scratch, pieces, rows, n,
                 (int8_t *)y + (first * s.out_w + col) * (size_t)p->out_c);
        }
    }
}

static const char *refuses(const struct kern_conv *p, enum kern_pattern pattern) {
    const char *why = sparse_refuses(p, pattern);
    if (why)
        return why;
    if (!cpu_arch_has_vbmi())
        return "no AVX-512 VBMI here";
    const struct lookup l = lookup_for(p, 1);
    return lookup_pieces(&l) > UINT16_MAX ? "too deep" : NULL;
}

#define IMPL(block, its_pattern)                                                                   \
    static const char *refuses_##block(const struct kern_conv *p) {                                \
        return refuses(p, its_pattern);                                                            \
    }                                                                                              \
    static size_t packed_size_##block(const struct kern_conv *p,                                   \
                                      const struct kern_conv_weights *w) {                         \
        return packed_size(p, w, block);                                                           \
    }                                                                                              \
    static void pack_##block(const struct kern_conv *p, const struct kern_conv_weights *w,         \
                             void *ret_packed) {                                                   \
        pack(p, w, block, ret_packed);                                                             \
    }                                                                                              \
    static void run_##block(const struct kern_conv *p, const void *packed, const void *x, void *y, \
                            void *scratch) {                                                       \
        run(p, block, packed, x, y, scratch);                                                      \
    }                                                                                              \
    const struct kern_conv_impl KERN_NAME(sparse_s8_##block##x1) = {                               \
        .name = "sparse_s8_" #block "x1_" KERN_STRING(KERN_SUFFIX),                                \
        .refuses = refuses_##block,                                                                \
        .packed_size_of = packed_size_##block,                                                     \
        .pattern = its_pattern,                                                                    \
        .scratch_size = scratch_size,                                                              \
        .pack = pack_##block,                                                                      \
        .run = run_##block,                                                                        \
    };

IMPL(1, KERN_SINGLES)
IMPL(4, KERN_BLOCKS_4)
IMPL(8, KERN_BLOCKS_8)
