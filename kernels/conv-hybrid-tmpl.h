/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: float activations by int8 weights with one scale for an output channel. The tiles are those of the
 * int8 convolution; they leave their sums in a buffer, from where they become floats.
 *
 * Packed block: as conv-s8-pack-tmpl.h's, but for a block's constants: what staging adds to the sums taken back, then as
 * floats its scales (HYBRID_SCALE) and biases (HYBRID_BIAS), and channels in the order of lanes.
 */

/* Pixels of a row whose sums are kept at a time: they stay in the first-level cache. */
#define HYBRID_PIXELS (4 * CONV_MAX_ROWS)
#define HYBRID_SCALE BLOCK_MULT
#define HYBRID_BIAS BLOCK_ODD

static inline vec_floats floats_load(const void *p) {
    return (vec_floats)vec_load(p);
}

static inline vec_floats floats_set1(float v) {
    return v - (vec_floats){0};
}

/* The first n floats. */
static inline void floats_store(float *y, vec_floats v, size_t n) {
    if (n >= VEC_LANES)
        vec_store(y, (vec)v);
    else
        vec_store_some(y, (vec)v, n * sizeof(float));
}

static inline vec_floats floats_clamp(const struct kern_conv *p, vec_floats v) {
    v = (vec_floats)VEC_MAX_FLOATS(v, floats_set1(p->out_min_f));
    return (vec_floats)VEC_MIN_FLOATS(v, floats_set1(p->out_max_f));
}

static const char *hybrid_refuses(const struct kern_conv *p) {
    if (p->weight_bits != 8 || p->depthwise)
        return "";
    if ((size_t)p->scale_group != im2col_depth(p))
        return "scales in groups";
    if (p->group_in_c != p->in_c)
        return "grouped";
    /* 4096 x 4096 with AVX2: 1.2 ms, as bytes 0.4 */
    if (sizeof(vec_weight) > 1 && p->out_h == 1 && p->out_w == 1)
        return "one row: bytes are half to read";
    if (p->out_h == 0 || p->out_w == 0 || p->out_c == 0 || p->in_c == 0)
        return "empty";
    return NULL;
}

/* Where the parts of the scratch memory begin, and where it ends. */
struct hybrid_scratch {
    size_t scales, sums, staged, end; /* q is at 0 */
};

static struct hybrid_scratch hybrid_scratch_parts(const struct kern_conv *p) {
    size_t n;
    const size_t items = hybrid_items(p, &n);
    struct hybrid_scratch s = {.scales = pack_room(items * n)};
    s.sums = s.scales + pack_room(items * sizeof(float));
    s.staged = s.sums + HYBRID_PIXELS * VEC_BLOCK * VEC_BYTES;
    s.end = s.staged + conv_scratch_size(p);
    return s;
}

static size_t hybrid_scratch_size(const struct kern_conv *p) {
    return hybrid_scratch_parts(p).end;
}

static void hybrid_pack(const struct kern_conv *p, const struct kern_conv_weights *w,
                        void *ret_packed) {
    const struct conv_shape s = conv_shape(p);
    const size_t out_c = (size_t)p->out_c, depth = im2col_depth(p);
    const size_t groups = conv_run_groups(&s, VEC_GROUP);
    char *block = (char *)ret_packed + CONV_HEADER;
    memset(ret_packed, 0, conv_packed_size(p));
    for (size_t first = 0; first < out_c;) {
        const unsigned n = conv_block_vectors(out_c, first);
        vec_weight *weights = (void *)(block + BLOCK_CONSTANTS(n) * VEC_BYTES);
        int32_t *offsets = (int32_t *)(void *)block + BLOCK_BIAS * n * VEC_LANES;
        float *scales = (float *)(void *)block + HYBRID_SCALE * n * VEC_LANES;
        float *biases = (float *)(void *)block + HYBRID_BIAS * n * VEC_LANES;
        for (size_t at = 0; at < n * VEC_LANES && first + at < out_c; at++) {
            const size_t v = at / VEC_LANES, c = first + at;
            const int32_t sum =
                conv_pack_channel(&s, (const int8_t *)w->filter + c * depth, 1, 0, at % VEC_LANES,
                                  n * VEC_LANES * VEC_GROUP, weights + v * VEC_LANES * VEC_GROUP);
            offsets[at] = -vec_stage_offset(0) * sum;
            scales[at] = w->scales[c];
            biases[at] = w->bias ? ((const float *)w->bias)[c] : 0;
        }
        block += conv_block_bytes(&s, groups, n);
        first += n * VEC_LANES;
    }
}

/* The results of some pixels of a block of channels. `step` is 0 where they share their scale, else 1. */
static void hybrid_store(const struct kern_conv *p, const struct conv_tile *t, unsigned vectors,
                         const char *sums, size_t pixels, const float *scale, size_t step,
                         float *y) {
    for (unsigned v = 0; v < vectors && v * VEC_LANES < t->channels; v++) {
        const size_t n = t->channels - v * VEC_LANES;
        const vec_floats scales = (vec_floats)block_constant(t->block, vectors, HYBRID_SCALE, v);
        const vec_floats bias = (vec_floats)block_constant(t->block, vectors, HYBRID_BIAS, v);
        for (size_t i = 0; i < pixels; i++) {
            const vec sum = vec_load(sums + (i * vectors + v) * VEC_BYTES);
            const vec_floats x = __builtin_convertvector((vec_lanes)sum, vec_floats);
            const vec_floats r = x * (scales * floats_set1(scale[i * step])) + bias;
            floats_store(y + i * t->out_c + v * VEC_LANES, floats_clamp(p, r), n);
        }
    }
}

/* As conv_band(); `scale` is that of the first pixel. */
static void hybrid_band(const struct kern_conv *p, const struct conv_shape *s, const void *packed,
                        const vec_staged *staged, size_t rows, size_t width, const float *scale,
                        int8_t *sums, float *y) {
    const size_t out_c = (size_t)p->out_c, pitch = conv_band_pitch(s, width);
    const size_t step = p->scale_pixels;
    struct conv_tile t = {
        .pixel = s->stride_w * s->in_c,
        .kernel_h = s->kernel_h,
        .kernel_step = s->dilation_h * pitch,
        .runs_x = s->runs_x,
        .run_step = s->run_step,
        .groups = conv_run_groups(s, VEC_GROUP),
        .block = (const char *)packed + CONV_HEADER,
        .kind = REQUANTIZE_NONE,
    };
    for (size_t first = 0; first < out_c;) {
        const unsigned n = conv_block_vectors(out_c, first);
        t.channels = out_c - first;
        for (size_t row = 0; row < rows; row++) {
            for (size_t col = 0; col < width; col += HYBRID_PIXELS) {
                const size_t pixels = MIN(width - col, (size_t)HYBRID_PIXELS);
                const size_t at = row * s->out_w + col;
                t.x = staged + row * s->stride_h * pitch + col * t.pixel;
                t.y = sums;
                t.out_c = n * VEC_BYTES;
                conv_row(&t, pixels, n);
                t.out_c = out_c;
                hybrid_store(p, &t, n, (const char *)sums, pixels, scale + at * step, step,
                             y + at * out_c + first);
            }
        }
        t.block += conv_block_bytes(s, t.groups, n);
        first += n * VEC_LANES;
    }
}

/* Quantizes x; q and the scales of its items. */
static void hybrid_quantize_all(const struct kern_conv *p, const float *x, int8_t *q,
                                float *scales) {
    size_t n;
    const size_t items = hybrid_items(p, &n);
    for (size_t i = 0; i < items; i++)
        scales[i] = hybrid_item(x + i * n, n, q + i * n);
}

/* The results that share a scale which is none. */
static void hybrid_spread_nan(const struct kern_conv *p, const float *scales, float *y) {
    size_t n;
    const size_t items = hybrid_items(p, &n);
    const size_t results = (size_t)p->out_h * (size_t)p->out_w * (size_t)p->out_c / items;
    for (size_t i = 0; i < items; i++)
        for (size_t k = 0; isnan(scales[i]) && k < results; k++)
            y[i * results + k] = NAN;
}

static void hybrid_run(const struct kern_conv *p, const void *packed, const void *x, void *y,
                       void *scratch) {
    const struct conv_shape s = conv_shape(p);
    const struct hybrid_scratch at = hybrid_scratch_parts(p);
    const size_t width = conv_band_width(&s, STAGE_VALUES, CONV_MAX_ROWS);
    const size_t height = conv_band_height(&s, STAGE_VALUES, width);
    int8_t *q = scratch;
    float *scales = (void *)(q + at.scales);
    vec_staged *staged = (void *)(q + at.staged);
    hybrid_quantize_all(p, x, q, scales);
    for (size_t row = 0; row < s.out_h; row += height) {
        const size_t rows = MIN(height, s.out_h - row);
        for (size_t col = 0; col < s.out_w; col += width) {
            const size_t n = MIN(width, s.out_w - col), first = row * s.out_w + col;
            conv_stage_band(p, &s, q, row, rows, col, n, staged);
            hybrid_band(p, &s, packed, staged, rows, n, scales + (p->scale_pixels ? first : 0),
                        q + at.sums, (float *)y + first * (size_t)p->out_c);
        }
    }
    hybrid_spread_nan(p, scales, y);
}

const struct kern_conv_impl KERN_NAME(hybrid_s8) = {
    .name = "hybrid_s8_" CONV_TILE_SIZE "_" KERN_STRING(KERN_SUFFIX),
    .refuses = hybrid_refuses,
    .packed_size = conv_packed_size,
    .scratch_size = hybrid_scratch_size,
    .pack = hybrid_pack,
    .run = hybrid_run,
};
