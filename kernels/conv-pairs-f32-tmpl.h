/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of float-tmpl.h: tiles for half a vector of output channels or less. Half of each product
 * would be wasted, so that lane 2 c + i takes input i of a pair for channel c, and pairs are
 * broadcast; in the end neighbouring lanes are added.
 *
 * Such a block is: bias [2][lanes / 2], filter [runs][pairs of a run][channels][2], missing ones
 * zero.
 */

#if KERN_SPLIT_SUMS && LANES == 16
#define CONV_PAIRS 1

typedef int64_t vec_pairs __attribute__((vector_size(KERN_VECTOR)));

static inline vec pair_broadcast(const float *x) {
    int64_t pair;
    memcpy(&pair, x, sizeof(pair));
    return (vec)(pair - (vec_pairs){0});
}

/* x and 0: infinite values would make NaN of a weight that is not there. */
static inline vec pair_broadcast_one(const float *x) {
    uint32_t one;
    memcpy(&one, x, sizeof(one));
    return (vec)((int64_t)one - (vec_pairs){0});
}

/* The channels of a, then those of b. */
static inline vec pair_add(vec a, vec b) {
    const vec even =
        __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const vec odd =
        __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    return even + odd;
}

static inline __attribute__((always_inline)) void
conv_tile_pairs_store(const struct conv_tile *t, float *y, const vec *acc, const unsigned rows) {
    const vec bias = vec_load(t->block);
    const bool dense = t->out_pixel == LANES / 2 && t->channels == LANES / 2;
    float all[KERN_ROWS_1 * LANES];
#pragma GCC unroll 8
    for (unsigned i = 0; i < rows; i += 2) {
        const vec sums = pair_add(acc[i], acc[i + 1 < rows ? i + 1 : i]) + bias;
        const vec out = vec_clamp(sums, t->lo, t->hi);
        if (dense && i + 1 < rows)
            vec_store(y + i * (LANES / 2), out);
        else
            vec_store(all + i * (LANES / 2), out);
    }
    const size_t done = dense ? rows / 2 * 2 : 0;
    if (done < rows)
        conv_store_part(y + done * t->out_pixel, t->out_pixel, all + done * (LANES / 2),
                        rows - done, LANES / 2, t->channels);
}

static inline __attribute__((always_inline)) void
conv_tile_pairs(const struct conv_tile *t, const unsigned rows, const size_t kernel_h,
                const size_t runs_x, const size_t run_length) {
    const unsigned addresses = CONV_ADDRESSES(rows);
    const size_t pixel = t->pixel;
    const float *tile = t->x;
    float *y = t->y;
    for (size_t n = t->count; n > 0; n--, tile += t->x_next, y += t->y_next) {
        const float *w = t->block + LANES;
        vec acc[KERN_ROWS_1];
#pragma GCC unroll 16
        for (unsigned i = 0; i < rows; i++)
            acc[i] = (vec){0};
#pragma GCC unroll 3
        for (size_t ky = 0; ky < kernel_h; ky++) {
            for (size_t kx = 0; kx < runs_x; kx++) {
                const float *x[CONV_ADDRESSES(KERN_ROWS_1)];
                conv_tile_start(x, tile + ky * t->kernel_step + kx * t->run_step, pixel, addresses);
#pragma GCC unroll 4
                for (size_t left = run_length / 2; left > 0; left--, w += LANES) {
                    const vec weights = vec_load(w);
#pragma GCC unroll 16
                    for (unsigned i = 0; i < rows; i++)
                        acc[i] += pair_broadcast(CONV_ROW(x, i)) * weights;
                    conv_tile_advance(x, 2, addresses);
                }
                if (run_length % 2 == 0)
                    continue;
                const vec weights = vec_load(w);
#pragma GCC unroll 16
                for (unsigned i = 0; i < rows; i++)
                    acc[i] += pair_broadcast_one(CONV_ROW(x, i)) * weights;
                w += LANES;
            }
        }
        conv_tile_pairs_store(t, y, acc, rows);
    }
}

/* Windows of any size, and unrolled for the usual first layer: 3x3 of three channels. */
#define CONV_TILE_PAIRS(rows, unused)                                                              \
    static void conv_tile_pairs_##rows(const struct conv_tile *t) {                                \
        conv_tile_pairs(t, rows, t->kernel_h, t->runs_x, t->run_length);                           \
    }                                                                                              \
    static void conv_tile_pairs_##rows##_3x3x3(const struct conv_tile *t) {                        \
        conv_tile_pairs(t, rows, 3, 1, 9);                                                         \
    }
#define CONV_TILE_PAIRS_NAME(rows, suffix) conv_tile_pairs_##rows##suffix,

/* clang-format off */
CONV_TILES(KERN_ROWS_1)(CONV_TILE_PAIRS, )
static const conv_tile_fn conv_tiles_pairs[] = {
    CONV_TILES(KERN_ROWS_1)(CONV_TILE_PAIRS_NAME, )};
static const conv_tile_fn conv_tiles_pairs_3x3x3[] = {
    CONV_TILES(KERN_ROWS_1)(CONV_TILE_PAIRS_NAME, _3x3x3)};
/* clang-format on */
#else
#define CONV_PAIRS 0
#define conv_tiles_pairs conv_tiles_1
#define conv_tiles_pairs_3x3x3 conv_tiles_1
#endif

/* Whether the last `n` channels of a group are such a block. */
static bool conv_is_paired(size_t n) {
    return CONV_PAIRS && n <= LANES / 2;
}

/* The tiles of blocks of `vectors` vectors, and how high they may be. */
static const conv_tile_fn *conv_tile_choose(const struct conv_tile *t, unsigned vectors,
                                            size_t *ret_most) {
    if (vectors == 4) {
        *ret_most = KERN_ROWS_4;
        return conv_tiles_4;
    }
    if (vectors == 2) {
        *ret_most = KERN_ROWS_2;
        return conv_tiles_2;
    }
    *ret_most = KERN_ROWS_1;
    if (conv_is_paired(t->channels))
        return t->kernel_h == 3 && t->runs_x == 1 && t->run_length == 9 ? conv_tiles_pairs_3x3x3
                                                                        : conv_tiles_pairs;
    if (!KERN_SPLIT_SUMS || t->runs_x != 1 || t->run_length != 3 * t->pixel)
        return conv_tiles_1;
    *ret_most = KERN_ROWS_SLIDING;
    return conv_tiles_sliding;
}

/* Where the weight number k of a channel stands in its block, lane by lane. */
static size_t conv_pair_at(const struct conv_shape *s, size_t channel, size_t k) {
    const size_t run = k / s->run_length, i = k % s->run_length;
    return LANES * (1 + run * ((s->run_length + 1) / 2) + i / 2) + 2 * channel + i % 2;
}
