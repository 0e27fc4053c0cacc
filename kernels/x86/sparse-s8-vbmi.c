/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int8 products with pruned weights for AVX-512 VNNI with VBMI, which looks 64 bytes up in two
 * registers at once (sparse-lookup.h): pieces are 64 inputs. What is looked up is multiplied at once
 * where the rows of a tile are blocks of their own; else it is stored, and each group of four values
 * of every block is loaded into the lanes of the block's channels: lane i is channel i / blocks of
 * block i % blocks.
 *
 * Packed block: kind (enum requantize); the order of results, for store(); constants of each tile;
 * struct tile_end [tiles]; struct op [ops]; indices [ops][64], in the order [group of a block]
 * [block][4]; weights [groups][lanes][4]; each padded to KERN_PACK_ALIGN. Scratch: the staged band,
 * then where each piece is in a window.
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
#define BUFFER ((size_t)4 * LOOKUPS) /* looked up at a time, and some more */

/* A sum stays in its register: the compiler would copy all of them to and fro in every round. */
#define KEEP(sum) __asm__("" : "+" VEC_REGISTER(sum))

/* kind and order */
#define HEADER ((size_t)KERN_PACK_ALIGN + VEC_BYTES)

struct op {
    uint16_t piece, groups;
};

/* Look-ups and groups up to the end of a tile. */
struct tile_end {
    uint32_t ops, groups;
};

struct packed {
    uint32_t kind;
    const char *order, *constants;
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
    struct packed v = {
        .kind = *(const uint32_t *)packed, .order = at + KERN_PACK_ALIGN, .constants = at + HEADER};
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
    return HEADER + r.constants + r.ends + r.ops + r.indices + r.weights;
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
                               size_t block, size_t first, char *constants) {
    const size_t depth = im2col_depth(p), blocks = LOOKUP_TILE / block;
    uint32_t kind = REQUANTIZE_SHALLOW;
    for (size_t lane = 0; lane < LOOKUP_TILE; lane++) {
        const size_t c = first + lane % blocks * block + lane / blocks;
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

/* From the order that four rows of sums are narrowed in to that of the rows. */
static void pack_order(size_t block, uint8_t *ret) {
    const size_t blocks = LOOKUP_TILE / block;
    for (size_t i = 0; i < VEC_BYTES; i++) {
        const size_t c = i % LOOKUP_TILE, lane = c % block * blocks + c / block;
        ret[i] = (uint8_t)(lane / 4 * 16 + i / LOOKUP_TILE * 4 + lane % 4);
    }
}

static void pack(const struct kern_conv *p, const struct kern_conv_weights *w, size_t block,
                 void *ret_packed) {
    struct lookup l = lookup_for(p, block);
    struct lookup_op op;
    size_t n_ops, n_groups;
    lookup_count(&l, p, w->filter, &n_ops, &n_groups);
    const struct rooms rooms = rooms_of(p, n_ops, n_groups);
    char *constants = (char *)ret_packed + HEADER;
    struct tile_end *ends = (void *)(constants + rooms.constants);
    struct op *ops = (void *)((char *)ends + rooms.ends);
    uint8_t *indices = (uint8_t *)ops + rooms.ops;
    int8_t *weights = (int8_t *)indices + rooms.indices;
    uint32_t kind = REQUANTIZE_SHALLOW;
    memset(ret_packed, 0, packed_size(p, w, block));
    pack_order(block, (uint8_t *)ret_packed + KERN_PACK_ALIGN);
    n_ops = n_groups = 0;
    for (size_t t = 0; t < tiles_of(p); t++) {
        const size_t first = t * LOOKUP_TILE;
        const uint32_t its =
            pack_constants(p, w, block, first, constants + t * BLOCK_CONSTANTS(1) * VEC_BYTES);
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

/* Four bytes of every block, for all its channels. */
static inline vec spread(const uint8_t *values, const unsigned block) {
    if (block == 4)
        return _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)values));
    return vec_broadcast_pair(values);
}

/* The sums of blocks of single channels: what is looked up is multiplied. */
static inline __attribute__((always_inline)) void sums_of_singles(const struct lookups *l,
                                                                  const vec_staged *x, size_t pixel,
                                                                  vec *acc, const unsigned pixels) {
    for (size_t i = 0; i < l->n; i++) {
        const vec index = vec_load(l->indices + i * LOOKUPS);
        const vec weights = vec_load(l->weights + i * VEC_BYTES);
        const vec_staged *a = x + l->pieces[l->ops[i].piece];
        const vec_staged *b = x + l->pieces[l->ops[i].piece + 1];
#pragma GCC unroll 16
        for (unsigned j = 0; j < pixels; j++, a += pixel, b += pixel) {
            acc[j] =
                vec_dot(acc[j], _mm512_permutex2var_epi8(vec_load(a), index, vec_load(b)), weights);
            KEEP(acc[j]);
        }
    }
}

/* One pixel: the sum is split, or each product would wait for the one before. */
static inline vec sum_of_singles(const struct lookups *l, const vec_staged *x) {
    vec acc[4] = {vec_set1(0), vec_set1(0), vec_set1(0), vec_set1(0)};
    size_t i = 0;
    for (; i + 4 <= l->n; i += 4) {
#pragma GCC unroll 4
        for (unsigned j = 0; j < 4; j++) {
            const size_t piece = l->ops[i + j].piece;
            const vec index = vec_load(l->indices + (i + j) * LOOKUPS);
            const vec values = _mm512_permutex2var_epi8(vec_load(x + l->pieces[piece]), index,
                                                        vec_load(x + l->pieces[piece + 1]));
            acc[j] = vec_dot(acc[j], values, vec_load(l->weights + (i + j) * VEC_BYTES));
        }
    }
    const struct lookups rest = {l->ops + i, l->n - i, l->indices + i * LOOKUPS,
                                 l->weights + i * VEC_BYTES, l->pieces};
    sums_of_singles(&rest, x, 0, acc, 1);
    return vec_add(vec_add(acc[0], acc[1]), vec_add(acc[2], acc[3]));
}

/* Looks values up from the i-th look-up on until they are about a full buffer; returns which is the
 * next, and *ret_groups that there are now. Groups of all look-ups follow one another: what one does
 * not use the next overwrites. */
static inline __attribute__((always_inline)) size_t
look_up(const struct lookups *l, size_t i, const vec_staged *x, size_t pixel,
        uint8_t (*values)[BUFFER + LOOKUPS], const unsigned pixels, const unsigned block,
        size_t *ret_groups) {
    const size_t group = LOOKUPS / block;
    size_t at = 0;
    for (; i < l->n && at < BUFFER; i++) {
        const vec index = vec_load(l->indices + i * LOOKUPS);
        const vec_staged *a = x + l->pieces[l->ops[i].piece];
        const vec_staged *b = x + l->pieces[l->ops[i].piece + 1];
#pragma GCC unroll 16
        for (unsigned j = 0; j < pixels; j++, a += pixel, b += pixel)
            vec_store(values[j] + at, _mm512_permutex2var_epi8(vec_load(a), index, vec_load(b)));
        at += l->ops[i].groups * group;
    }
    *ret_groups = at / group;
    return i;
}

static inline __attribute__((always_inline)) void sums_of_blocks(const struct lookups *l,
                                                                 const vec_staged *x, size_t pixel,
                                                                 vec *acc, const unsigned pixels,
                                                                 const unsigned block) {
    uint8_t values[MAX_PIXELS][BUFFER + LOOKUPS] __attribute__((aligned(64)));
    const int8_t *w = l->weights;
    for (size_t i = 0; i < l->n;) {
        size_t groups;
        i = look_up(l, i, x, pixel, values, pixels, block, &groups);
        const uint8_t *from = values[0];
        for (; groups > 0; groups--, w += VEC_BYTES, from += LOOKUPS / block) {
            const vec weights = vec_load(w);
#pragma GCC unroll 16
            for (unsigned j = 0; j < pixels; j++) {
                acc[j] = vec_dot(acc[j], spread(from + j * sizeof(values[0]), block), weights);
                KEEP(acc[j]);
            }
        }
    }
}

/* One pixel: each look-up has a place of its own, as stores that overlap would hold up the loads. */
static inline __attribute__((always_inline)) vec
sum_of_blocks(const struct lookups *l, const vec_staged *x, const unsigned block) {
    vec acc[4] = {vec_set1(0), vec_set1(0), vec_set1(0), vec_set1(0)};
    const int8_t *w = l->weights;
    for (size_t i = 0; i < l->n; i++) {
        uint8_t values[LOOKUPS] __attribute__((aligned(64)));
        const size_t piece = l->ops[i].piece, groups = l->ops[i].groups;
        const vec index = vec_load(l->indices + i * LOOKUPS);
        vec_store(values, _mm512_permutex2var_epi8(vec_load(x + l->pieces[piece]), index,
                                                   vec_load(x + l->pieces[piece + 1])));
#pragma GCC unroll 8
        for (unsigned g = 0; g < block; g++, w += VEC_BYTES) {
            if (g >= groups)
                break;
            acc[g % 4] =
                vec_dot(acc[g % 4], spread(values + g * (LOOKUPS / block), block), vec_load(w));
        }
    }
    return vec_add(vec_add(acc[0], acc[1]), vec_add(acc[2], acc[3]));
}

/* Stores up to four rows of sums; `order` brings their bytes into the order of channels. */
static inline __attribute__((always_inline)) void
store(const struct conv_tile *t, int8_t *y, const vec *sums, const struct block_scales *scales,
      vec order, const unsigned rows, const enum requantize kind) {
    vec q[4];
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++)
        q[i] = sums[i < rows ? i : rows - 1];
    const vec bytes = _mm512_permutexvar_epi8(order, block_narrow_by(q, scales, 1, kind, &t->out));
#pragma GCC unroll 4
    for (unsigned i = 0; i < rows; i++) {
        if (t->channels >= LOOKUP_TILE)
            vec_put(y + i * t->out_c, bytes, 1, i);
        else
            vec_put_some(y + i * t->out_c, bytes, 1, i, t->channels);
    }
}

/* `count` times some neighbouring pixels by a tile of channels; `order` is that of the results. */
static inline __attribute__((always_inline)) void tile(const struct conv_tile *t,
                                                       const struct lookups *l, vec order,
                                                       size_t count, const unsigned pixels,
                                                       const unsigned block) {
    const vec bias = block_constant(t->block, 1, BLOCK_BIAS, 0);
    const struct block_scales scales = block_scales(t->block, 1);
    const vec_staged *x = t->x;
    int8_t *y = t->y;
    for (; count > 0; count--, x += pixels * t->pixel) {
        vec sums[MAX_PIXELS];
#pragma GCC unroll 16
        for (unsigned i = 0; i < pixels; i++)
            sums[i] = bias;
        if (pixels == 1)
            sums[0] = vec_add(bias, block == 1 ? sum_of_singles(l, x) : sum_of_blocks(l, x, block));
        else if (block == 1)
            sums_of_singles(l, x, t->pixel, sums, pixels);
        else
            sums_of_blocks(l, x, t->pixel, sums, pixels, block);
#pragma GCC unroll 16
        for (unsigned i = 0; i < pixels; i += 4) {
            const unsigned rows = pixels - i < 4 ? pixels - i : 4;
            if (t->kind == REQUANTIZE_SHALLOW)
                store(t, y, sums + i, &scales, order, rows, REQUANTIZE_SHALLOW);
            else if (t->kind == REQUANTIZE_DEEP)
                store(t, y, sums + i, &scales, order, rows, REQUANTIZE_DEEP);
            else
                store(t, y, sums + i, &scales, order, rows, REQUANTIZE_WIDE);
            y += rows * t->out_c;
        }
    }
}

typedef void (*tile_fn)(const struct conv_tile *t, const struct lookups *l, vec order,
                        size_t count);

static const unsigned heights[] = {12, 8, 4, 2, 1};

#define TILE(pixels, block)                                                                        \
    static void tile_##pixels##_##block(const struct conv_tile *t, const struct lookups *l,        \
                                        vec order, size_t count) {                                 \
        tile(t, l, order, count, pixels, block);                                                   \
    }
#define TILES(block)                                                                               \
    TILE(12, block)                                                                                \
    TILE(8, block)                                                                                 \
    TILE(4, block)                                                                                 \
    TILE(2, block)                                                                                 \
    TILE(1, block)                                                                                 \
    static const tile_fn tiles_##block[] = {tile_12_##block, tile_8_##block, tile_4_##block,       \
                                            tile_2_##block, tile_1_##block};
TILES(1)
TILES(4)
TILES(8)

static void row(struct conv_tile t, const struct lookups *l, vec order, size_t width,
                size_t block) {
    const tile_fn *fns = block == 1 ? tiles_1 : block == 4 ? tiles_4 : tiles_8;
    for (unsigned i = 0; width > 0; i++) {
        const size_t count = width / heights[i];
        if (count == 0)
            continue;
        fns[i](&t, l, order, count);
        t.x += count * heights[i] * t.pixel;
        t.y += count * heights[i] * t.out_c;
        width -= count * heights[i];
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
    const vec order = vec_load(packed->order);
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
            row(t, &l, order, width, block);
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
