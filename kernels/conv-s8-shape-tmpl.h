/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: the shape of a convolution as its kernels see it, and its packed weights.
 *
 * A window is kernel_h runs of kernel_w * in_c neighbouring values (where dilation tears it apart,
 * kernel_h * kernel_w runs of in_c).
 *
 * Packed block: flags, then for each block of output channels its constants (requantize-s8-tmpl.h)
 * and its weights [runs][groups of a run][vectors][lanes][VEC_GROUP] (within a vector in the
 * layer's order), missing ones zero.
 */

/* Staged at a time: half of a first-level cache, so that weights have the other half. */
#define STAGE_BYTES ((size_t)24 * 1024)
#define CONV_MAX_ROWS (VEC_ROWS_1 > VEC_ROWS_2 ? VEC_ROWS_1 : VEC_ROWS_2)
#define CONV_HEADER KERN_PACK_ALIGN

/* What a run derives from the parameters. */
struct conv_shape {
    size_t out_h, out_w; /* a 1x1 over everything is one row */
    size_t in_c;
    size_t kernel_h, stride_h, stride_w, dilation_h;
    size_t runs_x, run_length; /* runs of one kernel row */
    size_t run_step;           /* from one to the next, in staged values */
    size_t groups;             /* of a run */
    size_t pitch;              /* staged values of an input row */
};

static struct conv_shape conv_shape(const struct kern_conv *given) {
    const struct kern_conv p = stage_as_row(given);
    const size_t kernel_w = (size_t)p.kernel_w, dilation_w = (size_t)p.dilation_w;
    struct conv_shape s = {
        .out_h = (size_t)p.out_h,
        .out_w = (size_t)p.out_w,
        .in_c = (size_t)p.in_c,
        .kernel_h = (size_t)p.kernel_h,
        .stride_h = (size_t)p.stride_h,
        .stride_w = (size_t)p.stride_w,
        .dilation_h = (size_t)p.dilation_h,
    };
    s.runs_x = dilation_w == 1 ? 1 : kernel_w;
    s.run_length = dilation_w == 1 ? kernel_w * s.in_c : s.in_c;
    s.run_step = dilation_w * s.in_c;
    s.groups = round_up(s.run_length, VEC_GROUP) / VEC_GROUP;
    s.pitch = ((s.out_w - 1) * s.stride_w + (kernel_w - 1) * dilation_w + 1) * s.in_c;
    return s;
}

static size_t conv_runs(const struct conv_shape *s) {
    return s->kernel_h * s->runs_x;
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

static size_t conv_block_bytes(const struct conv_shape *s, unsigned vectors) {
    return BLOCK_CONSTANTS(vectors) * VEC_BYTES +
           conv_runs(s) * s->groups * vectors * VEC_WEIGHT_BYTES;
}

/* Input rows that a band of output rows reads. */
static size_t conv_band_in(const struct conv_shape *s, size_t rows) {
    return (rows - 1) * s->stride_h + (s->kernel_h - 1) * s->dilation_h + 1;
}

/* Output pixels staged at a time: a part of a row, or whole rows. */
static size_t conv_band_width(const struct conv_shape *s) {
    const size_t window = (s->kernel_h - 1) * s->dilation_h + 1;
    const size_t pixel = window * s->stride_w * s->in_c * sizeof(vec_staged);
    return MIN(s->out_w, round_up(MAX(STAGE_BYTES / pixel, (size_t)1), CONV_MAX_ROWS));
}

static size_t conv_band_height(const struct conv_shape *s) {
    size_t rows = 1;
    if (conv_band_width(s) == s->out_w)
        while (rows < s->out_h &&
               conv_band_in(s, rows + 1) * s->pitch * sizeof(vec_staged) <= STAGE_BYTES)
            rows++;
    return rows;
}

/* Staged values of an input row of a band of `width` pixels. */
static size_t conv_band_pitch(const struct conv_shape *s, size_t width) {
    return s->pitch - (s->out_w - width) * s->stride_w * s->in_c;
}

static size_t conv_packed_size(const struct kern_conv *p) {
    const struct conv_shape s = conv_shape(p);
    const size_t out_c = (size_t)p->out_c;
    size_t size = CONV_HEADER;
    for (size_t c = 0; c < out_c; c += conv_block_vectors(out_c, c) * VEC_LANES)
        size += conv_block_bytes(&s, conv_block_vectors(out_c, c));
    return pack_room(size);
}

static size_t conv_scratch_size(const struct kern_conv *p) {
    const struct conv_shape s = conv_shape(p);
    const size_t pitch = conv_band_pitch(&s, conv_band_width(&s));
    const size_t values = conv_band_in(&s, conv_band_height(&s)) * pitch;
    /* the last group may reach beyond the last run */
    return pack_room((values + VEC_GROUP) * sizeof(vec_staged));
}

/* The weights of one output channel, `next` from one to the next, in a lane of vectors `step` apart;
 * returns their sum. */
static int32_t conv_pack_channel(const struct conv_shape *s, const int8_t *filter, size_t next,
                                 int32_t weight_zero, size_t lane, size_t step, vec_weight *ret) {
    int32_t sum = 0;
    for (size_t r = 0; r < conv_runs(s); r++) {
        for (size_t k = 0; k < s->run_length; k++, filter += next) {
            const int32_t w = *filter - weight_zero;
            vec_weight *group = ret + (r * s->groups + k / VEC_GROUP) * step;
            group[VEC_WEIGHT(lane, k % VEC_GROUP)] = (vec_weight)w;
            sum += w;
        }
    }
    return sum;
}

static void conv_pack(const struct kern_conv *p, const struct kern_conv_weights *w,
                      void *ret_packed) {
    const struct conv_shape s = conv_shape(p);
    const size_t out_c = (size_t)p->out_c;
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
            const int32_t bias = w->bias ? ((const int32_t *)w->bias)[c] : 0;
            block_set_constants(block, n, v, lane, bias - stage * sum, w->mult[c], w->shift[c]);
            kind = MAX(kind, requantize_kind(w->mult[c], w->shift[c]));
        }
        for (size_t i = 0; i < n * conv_runs(&s) * s.groups; i++)
            may_wrap |= VEC_MAY_WRAP(weights + i * VEC_LANES * VEC_GROUP);
        block += conv_block_bytes(&s, n);
        first += n * VEC_LANES;
    }
    memcpy(ret_packed, (const uint32_t[]){kind, may_wrap}, 2 * sizeof(uint32_t));
}
