/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: convolution with half a vector of output channels. A vector takes two groups
 * of depth at once: channel c has lanes 2c and 2c + 1, which are added at the end. The vectors of
 * two rows fold into one then, so that no lane of the requantization is empty either.
 *
 * Packed block: as in conv-s8-pack-tmpl.h, one block with groups of twice the size.
 */

#define PAIRS_CHANNELS VEC_PAIRS
#define PAIRS_GROUP (2 * VEC_GROUP)

static const char *pairs_refuses(const struct kern_conv *p) {
    if (p->out_c != PAIRS_CHANNELS)
        return "";
    return conv_refuses(p);
}

static size_t pairs_packed_size(const struct kern_conv *p) {
    const struct conv_shape s = conv_shape(p);
    return pack_room(CONV_HEADER + conv_block_bytes(&s, conv_run_groups(&s, PAIRS_GROUP), 1));
}

static size_t pairs_scratch_size(const struct kern_conv *p) {
    /* the last pair may reach beyond the last group */
    return pack_room(conv_scratch_size(p) + VEC_GROUP * sizeof(vec_staged));
}

/* The weights of one channel, `next` from one to the next, into its two lanes; returns their sum. */
static int32_t pairs_pack_channel(const struct conv_shape *s, const int8_t *filter, size_t next,
                                  vec_weight *ret) {
    const size_t groups = conv_run_groups(s, PAIRS_GROUP);
    int32_t sum = 0;
    for (size_t r = 0; r < conv_runs(s); r++) {
        for (size_t k = 0; k < s->run_length; k++, filter += next) {
            const size_t group = r * groups + k / PAIRS_GROUP;
            sum += *filter;
            ret[group * VEC_BYTES + k % PAIRS_GROUP] = (vec_weight)*filter;
        }
    }
    return sum;
}

static void pairs_pack(const struct kern_conv *p, const struct kern_conv_weights *w,
                       void *ret_packed) {
    const struct conv_shape s = conv_shape(p);
    /* A depthwise filter has the channels innermost. */
    const size_t first_step = p->depthwise ? 1 : im2col_depth(p);
    const size_t next = p->depthwise ? PAIRS_CHANNELS : 1;
    const int32_t stage = p->in_zero + vec_stage_offset(p->in_zero);
    uint32_t kind = REQUANTIZE_SHALLOW;
    char *block = (char *)ret_packed + CONV_HEADER;
    vec_weight *weights = (void *)(block + BLOCK_CONSTANTS(1) * VEC_BYTES);
    memset(ret_packed, 0, pairs_packed_size(p));
    for (size_t c = 0; c < PAIRS_CHANNELS; c++) {
        const int32_t sum = pairs_pack_channel(&s, (const int8_t *)w->filter + c * first_step, next,
                                               weights + c * PAIRS_GROUP);
        const int32_t bias = block_bias(w, c, stage, sum);
        block_set_constants(block, 1, 0, 2 * c, bias, w->mult[c], w->shift[c]);
        block_set_constants(block, 1, 0, 2 * c + 1, 0, w->mult[c], w->shift[c]);
        kind = MAX(kind, requantize_kind(w->mult[c], w->shift[c]));
    }
    memcpy(ret_packed, &kind, sizeof(kind));
}

/* Rows are neighbours in memory: eight of them are a vector of bytes. */
static inline __attribute__((always_inline)) void pairs_store(const struct conv_tile *t,
                                                              const vec *acc, const unsigned rows,
                                                              const enum requantize kind) {
#pragma GCC unroll 4
    for (unsigned i = 0; i < rows; i += 8) {
        vec sums[4];
#pragma GCC unroll 4
        for (unsigned j = 0; j < 4; j++) {
            const unsigned a = i + 2 * j, b = a + 1;
            sums[j] = vec_fold(acc[a < rows ? a : rows - 1], acc[b < rows ? b : rows - 1]);
        }
        const vec bytes = vec_order_pairs(block_narrow(sums, t->block, 1, kind, &t->out));
        int8_t *y = t->y + i * PAIRS_CHANNELS;
        if (i + 8 <= rows)
            vec_store(y, bytes);
        else
            vec_put_some(y, bytes, 4, 0, (rows - i) * PAIRS_CHANNELS);
    }
}

static inline __attribute__((always_inline)) void pairs_tile(const struct conv_tile *t,
                                                             const unsigned rows) {
    const size_t pixel = t->pixel;
    const char *w = t->block + BLOCK_CONSTANTS(1) * VEC_BYTES;
    vec acc[16];
#pragma GCC unroll 16
    for (unsigned i = 0; i < rows; i++)
        acc[i] = block_constant(t->block, 1, BLOCK_BIAS, 0);
    for (size_t ky = 0; ky < t->kernel_h; ky++) {
        for (size_t kx = 0; kx < t->runs_x; kx++) {
            const vec_staged *x[6];
#pragma GCC unroll 8
            for (unsigned i = 0; i < (rows + 2) / 3; i++)
                x[i] = t->x + ky * t->kernel_step + kx * t->run_step + 3 * i * pixel;
            for (size_t g = t->groups; g > 0; g--, w += VEC_BYTES) {
                const vec weights = vec_load(w);
#pragma GCC unroll 16
                for (unsigned i = 0; i < rows; i++)
                    acc[i] = vec_dot(acc[i], vec_broadcast_pair(CONV_ROW(x, i)), weights);
#pragma GCC unroll 8
                for (unsigned i = 0; i < (rows + 2) / 3; i++) {
                    x[i] += PAIRS_GROUP;
                    KEEP_ADDRESS(x[i]);
                }
            }
        }
    }
    if (t->kind == REQUANTIZE_SHALLOW)
        pairs_store(t, acc, rows, REQUANTIZE_SHALLOW);
    else if (t->kind == REQUANTIZE_DEEP)
        pairs_store(t, acc, rows, REQUANTIZE_DEEP);
    else
        pairs_store(t, acc, rows, REQUANTIZE_WIDE);
}

#define PAIRS_TILE(rows, unused)                                                                   \
    static void pairs_tile_##rows(const struct conv_tile *t) {                                     \
        pairs_tile(t, rows);                                                                       \
    }
#define PAIRS_TILE_NAME(rows, unused) pairs_tile_##rows,

CONV_TILES(16)
(PAIRS_TILE, ) static const conv_tile_fn pairs_tiles[] = {CONV_TILES(16)(PAIRS_TILE_NAME, )};

static void pairs_row(struct conv_tile *t, size_t width, unsigned vectors) {
    conv_row_tiles(t, width, pairs_tiles, ARRAY_SIZE(pairs_tiles));
}

static void pairs_run(const struct kern_conv *p, const void *packed, const void *x, void *y,
                      void *scratch) {
    const struct conv_shape s = conv_shape(p);
    conv_run_rows(p, &s, conv_run_groups(&s, PAIRS_GROUP), packed, x, y, scratch, pairs_row);
}

const struct kern_conv_impl KERN_NAME(conv_pairs_s8) = {
    .name = "conv_pairs_s8_16x" KERN_STRING(PAIRS_CHANNELS) "_" KERN_STRING(KERN_SUFFIX),
    .refuses = pairs_refuses,
    .packed_size = pairs_packed_size,
    .scratch_size = pairs_scratch_size,
    .pack = pairs_pack,
    .run = pairs_run,
};
