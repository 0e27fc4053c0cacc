/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sums of a tile of conv-s8-tile-tmpl.h by matrix products: those of two rows by two channels
 * are one vector.
 */

#define CONV_MAX_PAIRS ((CONV_MAX_ROWS + 1) / 2)

/* The first, or the second, 64 bits of both. */
static inline vec conv_zip(vec a, vec b, unsigned half) {
    const int64x2_t a64 = vreinterpretq_s64_s32(a), b64 = vreinterpretq_s64_s32(b);
    return vreinterpretq_s32_s64(half ? vzip2q_s64(a64, b64) : vzip1q_s64(a64, b64));
}

/* Adds the products of one group: x has it of both rows of each pair. */
static inline __attribute__((always_inline)) void conv_sums_group(vec (*sums)[8], const vec *x,
                                                                  const char *w,
                                                                  const unsigned pairs,
                                                                  const unsigned vectors) {
#pragma GCC unroll 8
    for (unsigned c = 0; c < 2 * vectors; c++) {
        const vec weights = vec_load(w + c * VEC_BYTES);
#pragma GCC unroll 8
        for (unsigned i = 0; i < pairs; i++) {
            sums[i][c] = vec_dot(sums[i][c], x[i], weights);
            VEC_KEEP_ORDER(sums[i][c]);
        }
    }
}

/* A run's groups, two at a time; x are the first pixel's and `pixel` the way to the next. */
static inline __attribute__((always_inline)) void
conv_sums_run(const struct conv_tile *t, vec (*sums)[8], const vec_staged *run, const char *w,
              const unsigned rows, const unsigned vectors) {
    const size_t step = vectors * VEC_WEIGHT_BYTES;
    const unsigned pairs = (rows + 1) / 2;
    const vec_staged *x[CONV_MAX_ROWS + 1];
#pragma GCC unroll 16
    for (unsigned i = 0; i < 2 * pairs; i++)
        x[i] = run + (i < rows ? i : i - 1) * t->pixel;
    size_t g = t->groups;
    for (; g >= 2; g -= 2, w += 2 * step) {
        vec first[CONV_MAX_PAIRS], second[CONV_MAX_PAIRS];
#pragma GCC unroll 8
        for (unsigned i = 0; i < pairs; i++) {
            const vec a = vec_load(x[2 * i]), b = vec_load(x[2 * i + 1]);
            first[i] = conv_zip(a, b, 0);
            second[i] = conv_zip(a, b, 1);
        }
        conv_sums_group(sums, first, w, pairs, vectors);
        conv_sums_group(sums, second, w + step, pairs, vectors);
#pragma GCC unroll 16
        for (unsigned i = 0; i < 2 * pairs; i++)
            x[i] += 2 * VEC_GROUP;
    }
    if (g > 0) {
        vec last[CONV_MAX_PAIRS];
#pragma GCC unroll 8
        for (unsigned i = 0; i < pairs; i++)
            last[i] = vreinterpretq_s32_s8(vcombine_s8(vld1_s8(x[2 * i]), vld1_s8(x[2 * i + 1])));
        conv_sums_group(sums, last, w, pairs, vectors);
    }
}

static inline __attribute__((always_inline)) void conv_tile_sums(const struct conv_tile *t,
                                                                 vec (*acc)[4], const unsigned rows,
                                                                 const unsigned vectors) {
    const unsigned pairs = (rows + 1) / 2;
    const char *w = conv_tile_weights(t, vectors);
    vec sums[CONV_MAX_PAIRS][8];
#pragma GCC unroll 8
    for (unsigned c = 0; c < 2 * vectors; c++) {
        const vec bias = block_constant(t->block, vectors, BLOCK_BIAS, c / 2);
#pragma GCC unroll 8
        for (unsigned i = 0; i < pairs; i++)
            sums[i][c] = conv_zip(bias, bias, c % 2);
    }
    for (size_t ky = 0; ky < t->kernel_h; ky++) {
        for (size_t kx = 0; kx < t->runs_x; kx++) {
            conv_sums_run(t, sums, t->x + ky * t->kernel_step + kx * t->run_step, w, rows, vectors);
            w += t->groups * vectors * VEC_WEIGHT_BYTES;
        }
    }
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (unsigned v = 0; v < vectors; v++)
            acc[i][v] = conv_zip(sums[i / 2][2 * v], sums[i / 2][2 * v + 1], i % 2);
}
