/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sums of a tile of conv-s8-tile-tmpl.h by vec_dot_in_16_bits(), the rows' instructions woven
 * into each other. Where the weights do not allow it (vec_may_wrap()) the sums are vec_dot()'s.
 */

#define CONV_WOVEN 4 /* rows: a core that does not reorder waits for no product */

/* The sums of any tile, out of line: hardly any network has such weights. */
static __attribute__((noinline)) void conv_sums_exact(const struct conv_tile *t, unsigned rows,
                                                      unsigned vectors, vec *ret) {
    const size_t run_bytes = t->groups * vectors * VEC_WEIGHT_BYTES;
    for (unsigned at = 0; at < rows * vectors; at++) {
        const unsigned row = at / vectors, v = at % vectors;
        const char *w = conv_tile_weights(t, vectors) + v * VEC_WEIGHT_BYTES;
        vec acc = block_constant(t->block, vectors, BLOCK_BIAS, v);
        for (size_t ky = 0; ky < t->kernel_h; ky++) {
            for (size_t kx = 0; kx < t->runs_x; kx++, w += run_bytes) {
                const vec_staged *x =
                    t->x + row * t->pixel + ky * t->kernel_step + kx * t->run_step;
                for (size_t g = 0; g < t->groups; g++)
                    acc = vec_dot(acc, vec_broadcast(x + g * VEC_GROUP),
                                  vec_load(w + g * vectors * VEC_WEIGHT_BYTES));
            }
        }
        ret[at] = acc;
    }
}

/* Adds the products of one group by one vector of weights, a few rows at a time. */
static inline __attribute__((always_inline)) void
conv_sums_vector(vec (*acc)[4], const vec *x, const vec w, const unsigned v, const unsigned rows) {
    const int8x16_t b = vreinterpretq_s8_s32(w);
#pragma GCC unroll 4
    for (unsigned first = 0; first < rows; first += CONV_WOVEN) {
        const unsigned n = MIN(rows - first, (unsigned)CONV_WOVEN);
        int16x8_t products[CONV_WOVEN];
#pragma GCC unroll 4
        for (unsigned i = 0; i < n; i++) {
            const int8x16_t a = vreinterpretq_s8_s32(x[first + i]);
            products[i] = vmull_s8(vget_low_s8(a), vget_low_s8(b));
            VEC_KEEP_ORDER(products[i]);
        }
#pragma GCC unroll 4
        for (unsigned i = 0; i < n; i++) {
            products[i] = vmlal_high_s8(products[i], vreinterpretq_s8_s32(x[first + i]), b);
        }
#pragma GCC unroll 4
        for (unsigned i = 0; i < n; i++) {
            acc[first + i][v] = vpadalq_s16(acc[first + i][v], products[i]);
            VEC_KEEP_ORDER(acc[first + i][v]);
        }
    }
}

/* Adds the products of a run. */
static inline __attribute__((always_inline)) void
conv_sums_run(const struct conv_tile *t, vec (*acc)[4], const vec_staged *run, const char *w,
              const unsigned rows, const unsigned vectors) {
    const vec_staged *x[CONV_MAX_ROWS];
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows; i++)
        x[i] = run + i * t->pixel;
    for (size_t g = t->groups; g > 0; g--, w += vectors * VEC_WEIGHT_BYTES) {
        vec group[CONV_MAX_ROWS], weights[4];
#pragma GCC unroll 4
        for (unsigned v = 0; v < vectors; v++) {
            weights[v] = vec_load(w + v * VEC_WEIGHT_BYTES);
            VEC_KEEP_ORDER(weights[v]);
        }
#pragma GCC unroll 16
        for (unsigned i = 0; i < rows; i++) {
            group[i] = vec_broadcast(x[i]);
            x[i] += VEC_GROUP;
        }
#pragma GCC unroll 4
        for (unsigned v = 0; v < vectors; v++)
            conv_sums_vector(acc, group, weights[v], v, rows);
    }
}

static inline __attribute__((always_inline)) void conv_tile_sums(const struct conv_tile *t,
                                                                 vec (*acc)[4], const unsigned rows,
                                                                 const unsigned vectors) {
    const size_t run_bytes = t->groups * vectors * VEC_WEIGHT_BYTES;
    const char *w = conv_tile_weights(t, vectors);
    vec exact[CONV_MAX_ROWS * 4];
    if (t->may_wrap)
        conv_sums_exact(t, rows, vectors, exact);
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (unsigned v = 0; v < vectors; v++)
            acc[i][v] = t->may_wrap ? exact[i * vectors + v]
                                    : block_constant(t->block, vectors, BLOCK_BIAS, v);
    if (t->may_wrap)
        return;
    for (size_t ky = 0; ky < t->kernel_h; ky++)
        for (size_t kx = 0; kx < t->runs_x; kx++, w += run_bytes)
            conv_sums_run(t, acc, t->x + ky * t->kernel_step + kx * t->run_step, w, rows, vectors);
}
