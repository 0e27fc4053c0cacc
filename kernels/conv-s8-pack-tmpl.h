/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: the packed weights of a convolution (conv-shape.h).
 *
 * Packed block: flags, then for each block of output channels its constants (requantize-s8-tmpl.h)
 * and its weights [runs][groups of a run][vectors][lanes][VEC_GROUP] (within a vector in the
 * layer's order), missing ones zero.
 */

/* Staged at a time: half of a first-level cache, so that weights have the other half. */
#define STAGE_VALUES (24 * 1024 / sizeof(vec_staged))
#define CONV_MAX_ROWS (VEC_ROWS_1 > VEC_ROWS_2 ? VEC_ROWS_1 : VEC_ROWS_2)
#define CONV_HEADER KERN_PACK_ALIGN

static size_t conv_runs(const struct conv_shape *s) {
    return s->kernel_h * s->runs_x;
}

/* Groups of `group` values of depth in a run, the last one filled with zeros. */
static size_t conv_run_groups(const struct conv_shape *s, size_t group) {
    return round_up(s->run_length, group) / group;
}

/* The channel of a lane of vector v, counted from the block's first: the order that vec_narrow()
 * and vec_order() turn into memory order. */
static size_t block_channel(size_t vectors, size_t v, size_t lane) {
    return lane / 4 * 4 * vectors + v * 4 + lane % 4;
}

/* Vectors of the block that begins at channel `first`. */
static unsigned conv_block_vectors(size_t out_c, size_t first) {
    const size_t left = out_c - first;
    if (VEC_BLOCK == 4 && left > 3 * VEC_LANES)
        return 4;
    return left > VEC_LANES ? 2 : 1;
}

static size_t conv_block_bytes(const struct conv_shape *s, size_t groups, unsigned vectors) {
    return BLOCK_CONSTANTS(vectors) * VEC_BYTES +
           conv_runs(s) * groups * vectors * VEC_WEIGHT_BYTES;
}

static size_t conv_packed_size(const struct kern_conv *p) {
    const struct conv_shape s = conv_shape(p);
    const size_t out_c = (size_t)p->out_c, groups = conv_run_groups(&s, VEC_GROUP);
    size_t size = CONV_HEADER;
    for (size_t c = 0; c < out_c; c += conv_block_vectors(out_c, c) * VEC_LANES)
        size += conv_block_bytes(&s, groups, conv_block_vectors(out_c, c));
    return pack_room(size);
}

static size_t conv_scratch_size(const struct kern_conv *p) {
    const struct conv_shape s = conv_shape(p);
    const size_t width = conv_band_width(&s, STAGE_VALUES, CONV_MAX_ROWS);
    const size_t height = conv_band_height(&s, STAGE_VALUES, width);
    const size_t values = conv_band_in(&s, height) * conv_band_pitch(&s, width);
    /* the last group may reach beyond the last run */
    return pack_room((values + VEC_GROUP) * sizeof(vec_staged));
}

/* The weights of one output channel, `next` from one to the next, in a lane of vectors `step` apart;
 * returns their sum. */
static int32_t conv_pack_channel(const struct conv_shape *s, const int8_t *filter, size_t next,
                                 int32_t weight_zero, size_t lane, size_t step, vec_weight *ret) {
    const size_t groups = conv_run_groups(s, VEC_GROUP);
    int32_t sum = 0;
    for (size_t r = 0; r < conv_runs(s); r++) {
        for (size_t k = 0; k < s->run_length; k++, filter += next) {
            const int32_t w = *filter - weight_zero;
            vec_weight *group = ret + (r * groups + k / VEC_GROUP) * step;
            group[VEC_WEIGHT(lane, k % VEC_GROUP)] = (vec_weight)w;
            sum += w;
        }
    }
    return sum;
}

static void conv_pack(const struct kern_conv *p, const struct kern_conv_weights *w,
                      void *ret_packed) {
    const struct conv_shape s = conv_shape(p);
    const size_t out_c = (size_t)p->out_c, groups = conv_run_groups(&s, VEC_GROUP);
    /* A depthwise filter has the channels innermost. */
    const size_t first_step = p->depthwise ? 1 : im2col_depth(p), next = p->depthwise ? out_c : 1;
    const int32_t stage = p->in_zero + vec_stage_offset(p->in_zero);
    uint32_t kind = REQUANTIZE_SHALLOW, may_wrap = 0;
    char *block = (char *)ret_packed + CONV_HEADER;
    memset(ret_packed, 0, conv_packed_size(p));
    for (size_t first = 0; first < out_c;) {
        const unsigned n = conv_block_vectors(out_c, first);
        vec_weight *weights = (void *)(block + BLOCK_CONSTANTS(n) * VEC_BYTES);
        for (size_t at = 0; at < n * VEC_LANES; at++) {
            const size_t v = at / VEC_LANES, lane = at % VEC_LANES;
            const size_t c = first + block_channel(n, v, lane);
            if (c >= out_c) {
                block_set_constants(block, n, v, lane, 0, 0, 0);
                continue;
            }
            const int32_t sum = conv_pack_channel(
                &s, (const int8_t *)w->filter + c * first_step, next, p->weight_zero, lane,
                n * VEC_LANES * VEC_GROUP, weights + v * VEC_LANES * VEC_GROUP);
            block_set_constants(block, n, v, lane, block_bias(w, c, stage, sum), w->mult[c],
                                w->shift[c]);
            kind = MAX(kind, requantize_kind(w->mult[c], w->shift[c]));
        }
        for (size_t i = 0; i < n * conv_runs(&s) * groups; i++)
            may_wrap |= VEC_MAY_WRAP(weights + i * VEC_LANES * VEC_GROUP);
        block += conv_block_bytes(&s, groups, n);
        first += n * VEC_LANES;
    }
    memcpy(ret_packed, (const uint32_t[]){kind, may_wrap}, 2 * sizeof(uint32_t));
}
