/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of float-tmpl.h: products of a few vectors with weights pruned in blocks of four or eight
 * output channels. The lanes of a vector are the channels of a block, as often as they fit: an input
 * for each such part goes to all its lanes. The packed block is that of sparse-f32-tmpl.h, with
 * positions in the window.
 */

/* Entries of a block that are multiplied together: in one vector, or in two halves of a block. */
#define SPARSE_STEP_vector(block) ((block) < LANES ? LANES / (block) : 1)
#define SPARSE_HALVES(block) ((block) > LANES ? (block) / LANES : 1)

/* Inputs of the next step, in the lanes of their part. */
static inline __attribute__((always_inline)) vec sparse_spread(const float *x, const uint32_t *at,
                                                               const unsigned block) {
    if (block >= LANES)
        return x[*at] - (vec){0};
    lane_f32 part[LANES / 4];
#pragma GCC unroll 4
    for (unsigned i = 0; i < LANES / 4; i++) {
        const float v = x[at[4 * i / block]];
        part[i] = (lane_f32){v, v, v, v};
    }
    return sparse_join(part);
}

/* The sums of a block, steps [i, end). */
static inline __attribute__((always_inline)) void
sparse_vector_sums(const float *w, const uint32_t *at, size_t i, size_t end, const float *x,
                   float *ret, const unsigned block) {
    const unsigned step = SPARSE_STEP_vector(block), halves = SPARSE_HALVES(block);
    const unsigned splits = 4;
    vec acc[4][2];
#pragma GCC unroll 4
    for (unsigned s = 0; s < splits; s++)
#pragma GCC unroll 2
        for (unsigned h = 0; h < halves; h++)
            acc[s][h] = (vec){0};
    for (; i + splits * step <= end; i += splits * step)
#pragma GCC unroll 4
        for (unsigned s = 0; s < splits; s++) {
            const vec values = sparse_spread(x, at + i + s * step, block);
#pragma GCC unroll 2
            for (unsigned h = 0; h < halves; h++)
                acc[s][h] += values * vec_load(w + (i + s * step) * block + h * LANES);
        }
    for (; i < end; i += step) {
        const vec values = sparse_spread(x, at + i, block);
#pragma GCC unroll 2
        for (unsigned h = 0; h < halves; h++)
            acc[0][h] += values * vec_load(w + i * block + h * LANES);
    }
    float all[8 > LANES ? 8 : LANES];
#pragma GCC unroll 2
    for (unsigned h = 0; h < halves; h++)
        vec_store(all + h * LANES, (acc[0][h] + acc[1][h]) + (acc[2][h] + acc[3][h]));
#pragma GCC unroll 8
    for (unsigned r = 0; r < block; r++) {
        ret[r] = all[r];
#pragma GCC unroll 4
        for (unsigned part = 1; part < step; part++)
            ret[r] += all[part * block + r];
    }
}

static void sparse_vector_run(const struct kern_conv *p, size_t block, const void *packed,
                              const void *x, void *y, void *scratch) {
    const struct sparse_packed w = sparse_view(p, block, packed);
    const size_t out_c = (size_t)p->out_c, pixels = (size_t)p->out_h * (size_t)p->out_w;
    const bool is_input = im2col_is_input(p);
    float *out = y;
    for (size_t pixel = 0; pixel < pixels; pixel++, out += out_c) {
        const float *window = is_input ? (const float *)x + pixel * im2col_depth(p) : scratch;
        if (!is_input)
            im2col_f32(p, x, 0, pixel, 1, 0, scratch);
        for (size_t b = 0; b < sparse_blocks(p, block); b++) {
            const size_t from = b ? w.end[b - 1] : 0, n = MIN(block, out_c - b * block);
            float sums[8];
            if (block == 4)
                sparse_vector_sums(w.w, w.at, from, w.end[b], window, sums, 4);
            else
                sparse_vector_sums(w.w, w.at, from, w.end[b], window, sums, 8);
            for (size_t r = 0; r < n; r++) {
                const float sum = sums[r] + w.bias[b * block + r];
                out[b * block + r] = clamp_f32(sum, p->out_min_f, p->out_max_f);
            }
        }
    }
}

static size_t sparse_vector_scratch_size(const struct kern_conv *p) {
    return im2col_is_input(p) ? 0 : pack_room(im2col_depth(p) * sizeof(float));
}

static const char *sparse_vector_refuses(const struct kern_conv *p, enum kern_pattern pattern) {
    const char *why = sparse_refuses(p, pattern);
    if (why)
        return why;
    return sparse_kind_of(p, true) == SPARSE_F32_VECTOR ? NULL : "";
}

SPARSE_IMPL(vector, 4, KERN_BLOCKS_4)
SPARSE_IMPL(vector, 8, KERN_BLOCKS_8)
