/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting the weights that are left, and the crossovers.
 */

#include "kernels/sparse.h"

#include <stdio.h>
#include <string.h>

#include "base/attributes.h"

/* Above this density nobody asks why a layer was not run sparsely. */
#define PRUNED 0.9F

/* Positions of the window looked at at a time. */
#define CHUNK ((size_t)512)

static const char *const kind_names[SPARSE_KIND_END] = {"s8-vector", "s8-many", "f32-vector",
                                                        "f32-many"};
static const char *const pattern_names[KERN_PATTERN_END] = {"1x1", "4x1", "8x1"};
static const char *const pattern_words[KERN_PATTERN_END] = {"single weights", "4x1 blocks",
                                                            "8x1 blocks"};

/* Measured where that tier could be measured, see docs/kernels.md. */
static float crossovers[TIER_END][SPARSE_KIND_END][KERN_PATTERN_END] = {
    [TIER_C] = {{0.14F, 0, 0}, {0.1F, 0, 0}, {0.18F, 0, 0}, {0.55F, 0, 0}},
    [TIER_AVX2] = {{0, 0.09F, 0.18F},
                   {0.27F, 0.39F, 0.46F},
                   {0.07F, 0.53F, 0.74F},
                   {0.35F, 0.7F, 0.7F}},
    [TIER_AVXVNNI] = {{0, 0, 0.11F},
                      {0.17F, 0.28F, 0.39F},
                      {0.06F, 0.53F, 0.73F},
                      {0.25F, 0.65F, 0.61F}},
    [TIER_AVX512VNNI] = {{0.25F, 0.46F, 0.53F},
                         {0.13F, 0.22F, 0.41F},
                         {0.49F, 0.44F, 0.68F},
                         {0.21F, 0.6F, 0.57F}},
    /* its tiles are too fast for many positions, and take no single ones */
    [TIER_AMX] = {{0.25F, 0.46F, 0.53F}, {0}, {0.49F, 0.44F, 0.68F}, {0.21F, 0.6F, 0.57F}},
    [TIER_NEON] = {{0}, {0.15F, 0.3F, 0.35F}, {0, 0.5F, 0.6F}, {0.25F, 0.5F, 0.5F}},
    [TIER_DOTPROD] = {{0, 0.1F, 0.15F}, {0.1F, 0.2F, 0.3F}, {0, 0.5F, 0.6F}, {0.25F, 0.5F, 0.5F}},
    [TIER_I8MM] = {{0, 0.1F, 0.15F}, {0, 0.1F, 0.15F}, {0, 0.5F, 0.6F}, {0.25F, 0.5F, 0.5F}},
};

enum sparse_kind sparse_kind_of(const struct kern_conv *p, bool is_float) {
    const bool many = (int64_t)p->out_h * p->out_w >= SPARSE_MANY;
    if (is_float)
        return many ? SPARSE_F32_MANY : SPARSE_F32_VECTOR;
    return many ? SPARSE_S8_MANY : SPARSE_S8_VECTOR;
}

const char *sparse_kind_name(enum sparse_kind kind) {
    return (unsigned)kind < SPARSE_KIND_END ? kind_names[kind] : NULL;
}

const char *sparse_pattern_name(enum kern_pattern pattern) {
    return (unsigned)pattern < KERN_PATTERN_END ? pattern_names[pattern] : NULL;
}

float sparse_crossover(enum tier tier, enum sparse_kind kind, enum kern_pattern pattern) {
    return crossovers[tier][kind][pattern];
}

void sparse_set_crossover(enum tier tier, enum sparse_kind kind, enum kern_pattern pattern,
                          float crossover) {
    crossovers[tier][kind][pattern] = crossover;
}

static void mark_s8(uint8_t *restrict marks, const int8_t *restrict w, size_t n, uint8_t bit) {
    for (size_t i = 0; i < n; i++)
        marks[i] |= w[i] ? bit : 0;
}

static void mark_f32(uint8_t *restrict marks, const float *restrict w, size_t n, uint8_t bit) {
    for (size_t i = 0; i < n; i++)
        marks[i] |= w[i] != 0 ? bit : 0;
}

static size_t count_singles(const void *filter, bool is_float, size_t n) {
    size_t left = 0;
    if (is_float)
        for (size_t i = 0; i < n; i++)
            left += ((const float *)filter)[i] != 0;
    else
        for (size_t i = 0; i < n; i++)
            left += ((const int8_t *)filter)[i] != 0;
    return left;
}

/* A byte for each position of the window, a bit for each of eight channels. */
static void count_marks(const uint8_t *marks, size_t n, size_t *left) {
    for (size_t i = 0; i < n; i++) {
        const unsigned m = marks[i];
        left[KERN_BLOCKS_4] += (m & 15) != 0;
        left[KERN_BLOCKS_4] += (m >> 4) != 0;
        left[KERN_BLOCKS_8] += m != 0;
    }
}

/* Blocks that are not empty, for each pattern of them. */
static void count_blocks(const struct kern_conv *p, const void *filter, bool is_float,
                         size_t *left) {
    const size_t depth = im2col_depth(p), out_c = (size_t)p->out_c;
    for (size_t c = 0; c < out_c; c += 8) {
        for (size_t k = 0; k < depth; k += CHUNK) {
            const size_t n = MIN(CHUNK, depth - k);
            uint8_t marks[CHUNK] = {0};
            for (size_t r = 0; r < MIN((size_t)8, out_c - c); r++) {
                const size_t at = (c + r) * depth + k;
                if (is_float)
                    mark_f32(marks, (const float *)filter + at, n, (uint8_t)(1U << r));
                else
                    mark_s8(marks, (const int8_t *)filter + at, n, (uint8_t)(1U << r));
            }
            count_marks(marks, n, left);
        }
    }
}

/* Depthwise and grouped convolutions have few weights, and with a zero point none is zero. */
static bool is_possible(const struct kern_conv *p) {
    return !p->depthwise && p->group_in_c == p->in_c && p->weight_zero == 0 && p->in_c > 0 &&
           p->kernel_h > 0 && p->kernel_w > 0 && p->out_c > 0 && p->out_h > 0 && p->out_w > 0;
}

void sparse_look(struct kern_conv *p, const void *filter, bool is_float, enum tier tier) {
    const size_t depth = im2col_depth(p), out_c = (size_t)p->out_c;
    p->sparsity = (struct kern_sparsity){0};
    if (!is_possible(p))
        return;
    const enum sparse_kind kind = sparse_kind_of(p, is_float);
    size_t left[KERN_PATTERN_END] = {0};
    p->sparsity.is_small =
        kind != SPARSE_S8_MANY && kind != SPARSE_F32_MANY && out_c * depth < SPARSE_MIN_WEIGHTS;
    left[KERN_SINGLES] = count_singles(filter, is_float, out_c * depth);
    /* The blocks of a filter that was not pruned are not looked at: none runs sparsely. */
    const bool is_pruned = (float)left[KERN_SINGLES] <= PRUNED * (float)(out_c * depth);
    if (is_pruned)
        count_blocks(p, filter, is_float, left);
    for (unsigned i = 0; i < KERN_PATTERN_END; i++) {
        const size_t block = sparse_block((enum kern_pattern)i);
        const size_t blocks = (out_c + block - 1) / block * depth;
        p->sparsity.density[i] =
            is_pruned || i == KERN_SINGLES ? (float)((double)left[i] / (double)blocks) : 1;
        p->sparsity.crossover[i] = sparse_crossover(tier, kind, (enum kern_pattern)i);
    }
}

/* The pattern whose kernel is expected to be the fastest; KERN_PATTERN_END: none pays. */
static enum kern_pattern best_pattern(const struct kern_sparsity *s) {
    enum kern_pattern best = KERN_PATTERN_END;
    float least = 1;
    for (unsigned i = KERN_PATTERN_END; i-- > 0;) {
        if (s->crossover[i] <= 0)
            continue;
        const float cost = s->density[i] / s->crossover[i];
        if (cost < least || (cost <= least && best == KERN_PATTERN_END)) {
            least = cost;
            best = (enum kern_pattern)i;
        }
    }
    return best;
}

const char *sparse_refuses(const struct kern_conv *p, enum kern_pattern pattern) {
    static _Thread_local char text[80];
    const struct kern_sparsity *s = &p->sparsity;
    const float density = s->density[pattern], crossover = s->crossover[pattern];
    if (crossover <= 0 || density > PRUNED || !is_possible(p))
        return "";
    if (s->is_small)
        return density <= crossover ? "fewer than 131072 weights" : "";
    if (density > crossover) {
        snprintf(text, sizeof(text), "density %.2f is above the crossover %.2f of %s",
                 (double)density, (double)crossover, pattern_words[pattern]);
        return text;
    }
    const enum kern_pattern best = best_pattern(s);
    if (best == pattern)
        return NULL;
    snprintf(text, sizeof(text), "%s are faster", pattern_words[best]);
    return text;
}
