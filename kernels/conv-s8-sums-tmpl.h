/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: the sums of a tile, biases and the products of all runs.
 */

/* Sums a product waits for: a small tile keeps several for each of its places, or it would wait for
 * each product. */
#define CONV_SPLIT(rows, vectors) ((rows) * (vectors) >= 8 ? 1 : (rows) * (vectors) >= 4 ? 2 : 4)

/* The products of one group of depth, `ahead` groups from where x and w point. */
static inline __attribute__((always_inline)) void
conv_step(const vec_staged *const *x, size_t pixel, const char *w, const unsigned ahead,
          const unsigned rows, const unsigned vectors, vec (*acc)[4]) {
    vec weights[4];
#pragma GCC unroll 4
    for (unsigned v = 0; v < vectors; v++)
        weights[v] = vec_load(w + (ahead * vectors + v) * VEC_WEIGHT_BYTES);
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows; i++) {
        const vec a = vec_broadcast(CONV_ROW(x, i) + ahead * VEC_GROUP);
#pragma GCC unroll 4
        for (unsigned v = 0; v < vectors; v++)
            acc[i][v] = vec_dot(acc[i][v], a, weights[v]);
    }
}

/* The products of one run. */
static inline __attribute__((always_inline)) void
conv_run_products(const struct conv_tile *t, const vec_staged *window, const char *w,
                  const unsigned rows, const unsigned vectors, vec (*acc)[CONV_MAX_ROWS][4]) {
    const unsigned split = CONV_SPLIT(rows, vectors);
    const size_t pixel = t->pixel;
    const vec_staged *x[(CONV_MAX_ROWS + 2) / 3];
#pragma GCC unroll 8
    for (unsigned i = 0; i < (rows + 2) / 3; i++)
        x[i] = window + 3 * i * pixel;
    size_t left = t->groups;
    for (; left >= split; left -= split) {
#pragma GCC unroll 4
        for (unsigned s = 0; s < split; s++)
            conv_step(x, pixel, w, s, rows, vectors, acc[s]);
        w += split * vectors * VEC_WEIGHT_BYTES;
#pragma GCC unroll 8
        for (unsigned i = 0; i < (rows + 2) / 3; i++) {
            x[i] += split * VEC_GROUP;
            KEEP_ADDRESS(x[i]);
        }
    }
    for (; split > 1 && left > 0; left--, x[0] += VEC_GROUP, x[1] += VEC_GROUP) {
        conv_step(x, pixel, w, 0, rows, vectors, acc[0]);
        w += vectors * VEC_WEIGHT_BYTES;
    }
}

static inline __attribute__((always_inline)) void conv_tile_sums(const struct conv_tile *t,
                                                                 vec (*ret)[4], const unsigned rows,
                                                                 const unsigned vectors) {
    const unsigned split = CONV_SPLIT(rows, vectors);
    const size_t run_bytes = t->groups * vectors * VEC_WEIGHT_BYTES;
    const char *w = conv_tile_weights(t, vectors);
    vec acc[4][CONV_MAX_ROWS][4];
#pragma GCC unroll 4
    for (unsigned s = 0; s < split; s++)
#pragma GCC unroll 16
        for (unsigned i = 0; i < rows; i++)
#pragma GCC unroll 4
            for (unsigned v = 0; v < vectors; v++)
                acc[s][i][v] = s ? vec_set1(0) : block_constant(t->block, vectors, BLOCK_BIAS, v);
    for (size_t ky = 0; ky < t->kernel_h; ky++)
        for (size_t kx = 0; kx < t->runs_x; kx++, w += run_bytes)
            conv_run_products(t, t->x + ky * t->kernel_step + kx * t->run_step, w, rows, vectors,
                              acc);
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows; i++) {
#pragma GCC unroll 4
        for (unsigned v = 0; v < vectors; v++) {
            ret[i][v] = acc[0][i][v];
#pragma GCC unroll 4
            for (unsigned s = 1; s < split; s++)
                ret[i][v] = vec_add(ret[i][v], acc[s][i][v]);
        }
    }
}
