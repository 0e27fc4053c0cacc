/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: depthwise convolution.
 *
 * Output rows are flat: pixels and channels alike are elements, FLAT of them a block, and a tap is
 * the same staged row some pixels further on. So channels need no tails, whatever their number: only
 * the end of a row does. Weights and constants depend on an element's channel and repeat after
 * `sets` blocks.
 *
 * Each input row goes two steps. It is staged: padded, for a stride_w > 1 split into phases (the
 * columns x with the same x % stride_w), so that neighbouring outputs have neighbouring inputs at
 * every tap. Then its taps are interleaved: VEC_GROUP of one element become the lane that vec_dot()
 * takes. A ring keeps the interleaved rows, as kernel_h output rows read each. Some output rows are
 * computed at a time: they share the loads of weights and constants.
 *
 * Packed block: the kind of requantization, then for each set its constants (requantize-s8-tmpl.h)
 * and weights [kernel_h][groups][4 vectors][lanes][VEC_GROUP], missing taps zero.
 */

#define FLAT (4 * (size_t)VEC_LANES)
#define DEPTHWISE_ROWS 2
#define DEPTHWISE_HEADER KERN_PACK_ALIGN

struct depthwise_shape {
    size_t in_h, in_w, out_h, out_w;
    size_t channels, multiplier; /* staged channels are those of the output */
    size_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    size_t pad_top, pad_left;
    size_t values;        /* of an output row */
    size_t blocks, sets;  /* of an output row */
    size_t groups;        /* of a kernel row */
    size_t phases;        /* that some tap reads */
    size_t phase_pixels;  /* staged */
    size_t phase_values;  /* from one phase to the next */
    size_t window;        /* input rows under DEPTHWISE_ROWS output rows */
    size_t staged_values; /* of an input row */
    size_t row_bytes;     /* of an interleaved row */
};

static size_t depthwise_gcd(size_t a, size_t b) {
    while (b) {
        const size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static struct depthwise_shape depthwise_shape(const struct kern_conv *given) {
    const struct kern_conv p = stage_as_row(given);
    struct depthwise_shape s = {
        .in_h = (size_t)p.in_h,
        .in_w = (size_t)p.in_w,
        .out_h = (size_t)p.out_h,
        .out_w = (size_t)p.out_w,
        .channels = (size_t)p.out_c,
        .multiplier = (size_t)(p.out_c / p.in_c),
        .kernel_h = (size_t)p.kernel_h,
        .kernel_w = (size_t)p.kernel_w,
        .stride_h = (size_t)p.stride_h,
        .stride_w = (size_t)p.stride_w,
        .dilation_h = (size_t)p.dilation_h,
        .dilation_w = (size_t)p.dilation_w,
        .pad_top = (size_t)p.pad_top,
        .pad_left = (size_t)p.pad_left,
    };
    const size_t last_tap = (s.kernel_w - 1) * s.dilation_w;
    s.values = s.out_w * s.channels;
    s.blocks = round_up(s.values, FLAT) / FLAT;
    s.sets = MIN(s.channels / depthwise_gcd(s.channels, FLAT), s.blocks);
    s.groups = round_up(s.kernel_w, VEC_GROUP) / VEC_GROUP;
    s.phases = MIN(s.stride_w, last_tap + 1);
    s.phase_pixels = s.out_w + last_tap / s.stride_w;
    /* the last block reads beyond the last pixel */
    s.phase_values = s.blocks * FLAT + last_tap / s.stride_w * s.channels;
    s.window = (DEPTHWISE_ROWS - 1) * s.stride_h + (s.kernel_h - 1) * s.dilation_h + 1;
    s.staged_values = s.phases * s.phase_values;
    s.row_bytes = s.blocks * s.groups * 4 * VEC_BYTES;
    return s;
}

static size_t depthwise_set_bytes(const struct depthwise_shape *s) {
    return (BLOCK_CONSTANTS(4) + s->kernel_h * s->groups * 4) * VEC_BYTES;
}

static const char *depthwise_refuses(const struct kern_conv *p) {
    if (!p->depthwise)
        return "not depthwise";
    if (VEC_GROUP == 4 && p->weight_zero != 0)
        return "weights with a zero point";
    return p->out_h > 0 && p->out_w > 0 && p->out_c > 0 && p->in_c > 0 ? NULL : "empty";
}

static size_t depthwise_packed_size(const struct kern_conv *p) {
    const struct depthwise_shape s = depthwise_shape(p);
    return pack_room(DEPTHWISE_HEADER + s.sets * depthwise_set_bytes(&s));
}

/* Scratch: the ring, the staged rows, the window's rows as pointers into the ring. */
static size_t depthwise_staged_at(const struct depthwise_shape *s) {
    return s->window * s->row_bytes;
}

static size_t depthwise_rows_at(const struct depthwise_shape *s) {
    return depthwise_staged_at(s) + pack_room(s->window * s->staged_values * sizeof(vec_staged));
}

static size_t depthwise_scratch_size(const struct kern_conv *p) {
    const struct depthwise_shape s = depthwise_shape(p);
    return pack_room(depthwise_rows_at(&s) + s.window * sizeof(char *));
}

/* The weights of channel c into a lane; returns their sum. */
static int32_t depthwise_pack_lane(const struct depthwise_shape *s, const int8_t *filter, size_t c,
                                   int32_t weight_zero, vec_weight *ret) {
    int32_t sum = 0;
    for (size_t ky = 0; ky < s->kernel_h; ky++) {
        for (size_t kx = 0; kx < s->kernel_w; kx++) {
            const int32_t w = filter[(ky * s->kernel_w + kx) * s->channels + c] - weight_zero;
            const size_t group = ky * s->groups + kx / VEC_GROUP;
            ret[group * FLAT * VEC_GROUP + kx % VEC_GROUP] = (vec_weight)w;
            sum += w;
        }
    }
    return sum;
}

static void depthwise_pack(const struct kern_conv *p, const struct kern_conv_weights *w,
                           void *ret_packed) {
    const struct depthwise_shape s = depthwise_shape(p);
    const int32_t stage = p->in_zero + vec_stage_offset(p->in_zero);
    uint32_t kind = REQUANTIZE_SHALLOW;
    memset(ret_packed, 0, depthwise_packed_size(p));
    for (size_t set = 0; set < s.sets; set++) {
        char *constants = (char *)ret_packed + DEPTHWISE_HEADER + set * depthwise_set_bytes(&s);
        vec_weight *weights = (void *)(constants + BLOCK_CONSTANTS(4) * VEC_BYTES);
        for (size_t at = 0; at < FLAT; at++) {
            const size_t v = at / VEC_LANES, lane = at % VEC_LANES;
            const size_t c = (set * FLAT + vec_flat_element(v, lane)) % s.channels;
            const int32_t bias = w->bias ? ((const int32_t *)w->bias)[c] : 0;
            const int32_t sum =
                depthwise_pack_lane(&s, w->filter, c, p->weight_zero, weights + at * VEC_GROUP);
            block_set_constants(constants, 4, v, lane, bias - stage * sum, w->mult[c], w->shift[c]);
            kind = MAX(kind, requantize_kind(w->mult[c], w->shift[c]));
        }
    }
    memcpy(ret_packed, &kind, sizeof(kind));
}

/* Neighbouring pixels of the input, each channel as often as it has outputs. */
static void depthwise_stage_pixels(const struct depthwise_shape *s, vec_staged *dst,
                                   const int8_t *x, size_t pixels, int32_t in_zero) {
    const size_t m = s->multiplier;
    if (m == 1) {
        stage_values(dst, x, pixels * s->channels, in_zero);
        return;
    }
    for (size_t i = 0; i < pixels * s->channels / m; i++)
        for (size_t j = 0; j < m; j++)
            stage_values(dst++, x + i, 1, in_zero);
}

/* Row y, counted from the first row of padding. */
static void depthwise_stage_row(const struct kern_conv *p, const struct depthwise_shape *s,
                                const int8_t *x, size_t y, vec_staged *dst) {
    const size_t c = s->channels, in_c = c / s->multiplier, stride = s->stride_w;
    if (y < s->pad_top || y - s->pad_top >= s->in_h) {
        stage_values(dst, NULL, s->staged_values, p->in_zero);
        return;
    }
    x += (y - s->pad_top) * s->in_w * in_c;
    for (size_t phase = 0; phase < s->phases; phase++, dst += s->phase_values) {
        /* Pixel i is the input's column i * stride + phase - pad_left. */
        const size_t left = MIN(
            s->pad_left > phase ? (s->pad_left - phase + stride - 1) / stride : 0, s->phase_pixels);
        const size_t from = left * stride + phase - s->pad_left;
        const size_t inside =
            from < s->in_w ? MIN((s->in_w - from + stride - 1) / stride, s->phase_pixels - left)
                           : 0;
        stage_values(dst, NULL, left * c, p->in_zero);
        if (stride == 1)
            depthwise_stage_pixels(s, dst + left * c, x + from * in_c, inside, p->in_zero);
        else
            for (size_t i = 0; i < inside; i++)
                depthwise_stage_pixels(s, dst + (left + i) * c, x + (from + i * stride) * in_c, 1,
                                       p->in_zero);
        stage_values(dst + (left + inside) * c, NULL, (s->phase_pixels - left - inside) * c,
                     p->in_zero);
    }
}

/* One staged row: [blocks][groups][4 vectors]. */
static void depthwise_interleave(const struct depthwise_shape *s, const vec_staged *staged,
                                 char *dst) {
    for (size_t g = 0; g < s->groups; g++) {
        const vec_staged *x[VEC_GROUP];
        for (size_t i = 0; i < VEC_GROUP; i++) {
            /* A missing tap's weight is zero: any value serves. */
            const size_t tap = MIN(g * VEC_GROUP + i, s->kernel_w - 1) * s->dilation_w;
            x[i] = staged + tap % s->stride_w * s->phase_values + tap / s->stride_w * s->channels;
        }
        char *to = dst + g * 4 * VEC_BYTES;
        for (size_t b = 0; b < s->blocks; b++, to += s->groups * 4 * VEC_BYTES)
            vec_interleave(to, x, b * FLAT);
    }
}

/* Input rows [first, end) into their places in the ring. */
static void depthwise_feed(const struct kern_conv *p, const struct depthwise_shape *s,
                           const int8_t *x, size_t first, size_t end, char *scratch) {
    vec_staged *staged = (void *)(scratch + depthwise_staged_at(s));
    /* All are staged before the first is read, so that the reads, which fit no single write, find
     * the writes done. */
    for (size_t y = first; y < end; y++)
        depthwise_stage_row(p, s, x, y, staged + (y - first) * s->staged_values);
    for (size_t y = first; y < end; y++)
        depthwise_interleave(s, staged + (y - first) * s->staged_values,
                             scratch + y % s->window * s->row_bytes);
}

/* Some output rows, as their function needs them. */
struct depthwise_tile {
    const char *const *x; /* the window's rows */
    size_t row_step;      /* of them, from one output row to the next */
    size_t tap_step;      /* and from one kernel row to the next */
    size_t kernel_h, groups;
    size_t blocks, sets, set_bytes;
    const char *packed; /* the first set */
    int8_t *y;
    size_t values; /* of an output row */
    struct vec_out out;
};

static inline __attribute__((always_inline)) void
depthwise_tile(const struct depthwise_tile *t, const unsigned rows, const size_t kernel_h,
               const size_t groups, const unsigned kind) {
    const char *set = t->packed, *end = set + t->sets * t->set_bytes;
    for (size_t b = 0; b < t->blocks; b++) {
        const char *w = set + BLOCK_CONSTANTS(4) * VEC_BYTES;
        vec acc[DEPTHWISE_ROWS][4];
#pragma GCC unroll 4
        for (unsigned i = 0; i < rows; i++)
#pragma GCC unroll 4
            for (unsigned v = 0; v < 4; v++)
                acc[i][v] = block_constant(set, 4, BLOCK_BIAS, v);
#pragma GCC unroll 4
        for (size_t ky = 0; ky < kernel_h; ky++) {
#pragma GCC unroll 4
            for (size_t g = 0; g < groups; g++, w += 4 * VEC_BYTES) {
#pragma GCC unroll 4
                for (unsigned i = 0; i < rows; i++) {
                    const char *x =
                        t->x[i * t->row_step + ky * t->tap_step] + (b * groups + g) * 4 * VEC_BYTES;
#pragma GCC unroll 4
                    for (unsigned v = 0; v < 4; v++)
                        acc[i][v] = vec_dot(acc[i][v], vec_load(x + v * VEC_BYTES),
                                            vec_load(w + v * VEC_BYTES));
                }
            }
        }
        const size_t left = t->values - b * FLAT;
#pragma GCC unroll 4
        for (unsigned i = 0; i < rows; i++) {
            const vec bytes = vec_flat_order(block_narrow(acc[i], set, 4, kind, &t->out));
            int8_t *y = t->y + i * t->values + b * FLAT;
            if (left >= FLAT) {
                vec_store(y, bytes);
            } else {
                int8_t all[FLAT];
                vec_store(all, bytes);
                memcpy(y, all, left);
            }
        }
        set += t->set_bytes;
        set = set == end ? t->packed : set;
    }
}

typedef void (*depthwise_tile_fn)(const struct depthwise_tile *t);

#define DEPTHWISE_TILE(rows, kind)                                                                 \
    static void depthwise_tile_##rows##_##kind(const struct depthwise_tile *t) {                   \
        if (t->kernel_h == 3 && t->groups == 4 / VEC_GROUP)                                        \
            depthwise_tile(t, rows, 3, 4 / VEC_GROUP, kind);                                       \
        else                                                                                       \
            depthwise_tile(t, rows, t->kernel_h, t->groups, kind);                                 \
    }

DEPTHWISE_TILE(1, REQUANTIZE_SHALLOW)
DEPTHWISE_TILE(2, REQUANTIZE_SHALLOW)
DEPTHWISE_TILE(1, REQUANTIZE_DEEP)
DEPTHWISE_TILE(2, REQUANTIZE_DEEP)
DEPTHWISE_TILE(1, REQUANTIZE_WIDE)
DEPTHWISE_TILE(2, REQUANTIZE_WIDE)

static const depthwise_tile_fn depthwise_tiles[][DEPTHWISE_ROWS] = {
    [REQUANTIZE_SHALLOW] = {depthwise_tile_1_REQUANTIZE_SHALLOW,
                            depthwise_tile_2_REQUANTIZE_SHALLOW},
    [REQUANTIZE_DEEP] = {depthwise_tile_1_REQUANTIZE_DEEP, depthwise_tile_2_REQUANTIZE_DEEP},
    [REQUANTIZE_WIDE] = {depthwise_tile_1_REQUANTIZE_WIDE, depthwise_tile_2_REQUANTIZE_WIDE},
};

static void depthwise_run(const struct kern_conv *p, const void *packed, const void *x, void *y,
                          void *scratch) {
    const struct depthwise_shape s = depthwise_shape(p);
    const char **rows = (void *)((char *)scratch + depthwise_rows_at(&s));
    uint32_t kind;
    memcpy(&kind, packed, sizeof(kind));
    struct depthwise_tile t = {
        .x = rows,
        .row_step = s.stride_h,
        .tap_step = s.dilation_h,
        .kernel_h = s.kernel_h,
        .groups = s.groups,
        .blocks = s.blocks,
        .sets = s.sets,
        .set_bytes = depthwise_set_bytes(&s),
        .packed = (const char *)packed + DEPTHWISE_HEADER,
        .values = s.values,
        .out = vec_out_set(p->out_zero, p->out_min, p->out_max),
    };
    size_t fed = 0;
    for (size_t row = 0; row < s.out_h; row += DEPTHWISE_ROWS) {
        const size_t n = MIN(s.out_h - row, (size_t)DEPTHWISE_ROWS), first = row * s.stride_h;
        const size_t end = first + s.window - (DEPTHWISE_ROWS - n) * s.stride_h;
        fed = MAX(fed, first);
        depthwise_feed(p, &s, x, fed, end, scratch);
        fed = end;
        for (size_t i = 0; i < end - first; i++)
            rows[i] = (const char *)scratch + (first + i) % s.window * s.row_bytes;
        t.y = (int8_t *)y + row * s.values;
        depthwise_tiles[kind][n - 1](&t);
    }
}

const struct kern_conv_impl KERN_NAME(depthwise_s8) = {
    .name = "depthwise_s8_" KERN_STRING(DEPTHWISE_ROWS) "x4v_" KERN_STRING(KERN_SUFFIX),
    .refuses = depthwise_refuses,
    .packed_size = depthwise_packed_size,
    .scratch_size = depthwise_scratch_size,
    .pack = depthwise_pack,
    .run = depthwise_run,
};
