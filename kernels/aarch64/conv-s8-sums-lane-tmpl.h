/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sums of a tile of conv-s8-tile-tmpl.h where the products take their activations out of any
 * lane of a vector: four groups of a row are loaded at a time.
 */

/* Adds the products of one group, in that lane of each row's vector. */
static inline __attribute__((always_inline)) void
conv_sums_group(vec (*acc)[4], const vec *x, const unsigned lane, const char *w,
                const unsigned rows, const unsigned vectors) {
    vec weights[4];
#pragma GCC unroll 4
    for (unsigned v = 0; v < vectors; v++) {
        weights[v] = vec_load(w + v * VEC_WEIGHT_BYTES);
        VEC_KEEP_ORDER(weights[v]);
    }
#pragma GCC unroll 4
    for (unsigned v = 0; v < vectors; v++) {
#pragma GCC unroll 16
        for (unsigned i = 0; i < rows; i++) {
            acc[i][v] = vec_dot_lane(acc[i][v], x[i], weights[v], lane);
            VEC_KEEP_ORDER(acc[i][v]);
        }
    }
}

static inline __attribute__((always_inline)) void conv_tile_sums(const struct conv_tile *t,
                                                                 vec (*acc)[4], const unsigned rows,
                                                                 const unsigned vectors) {
    const size_t step = vectors * VEC_WEIGHT_BYTES;
    const char *w = conv_tile_weights(t, vectors);
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (unsigned v = 0; v < vectors; v++)
            acc[i][v] = block_constant(t->block, vectors, BLOCK_BIAS, v);
    for (size_t ky = 0; ky < t->kernel_h; ky++) {
        for (size_t kx = 0; kx < t->runs_x; kx++) {
            const vec_staged *run = t->x + ky * t->kernel_step + kx * t->run_step;
            const vec_staged *x[CONV_MAX_ROWS];
            vec groups[CONV_MAX_ROWS];
#pragma GCC unroll 16
            for (unsigned i = 0; i < rows; i++)
                x[i] = run + i * t->pixel;
            size_t g = t->groups;
            for (; g >= 4; g -= 4, w += 4 * step) {
#pragma GCC unroll 16
                for (unsigned i = 0; i < rows; i++) {
                    groups[i] = vec_load(x[i]);
                    x[i] += 4 * VEC_GROUP;
                }
#pragma GCC unroll 4
                for (unsigned lane = 0; lane < 4; lane++)
                    conv_sums_group(acc, groups, lane, w + lane * step, rows, vectors);
            }
            for (; g > 0; g--, w += step) {
#pragma GCC unroll 16
                for (unsigned i = 0; i < rows; i++) {
                    groups[i] = vec_broadcast(x[i]);
                    x[i] += VEC_GROUP;
                }
                conv_sums_group(acc, groups, 0, w, rows, vectors);
            }
        }
    }
}
