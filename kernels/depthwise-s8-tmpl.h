/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: depthwise convolution.
 *
 * Output rows are flat: pixels and channels alike are elements, FLAT of them a block, and a tap is
 * the same staged row some pixels further on. So channels need no tails, whatever their number: only
 * the end of a row does. Weights and constants depend on an element's channel and repeat after
 * `sets` blocks.
 *
 * An input row takes these steps, all rows of a few output rows together, so that reads that fit no
 * single write find the writes done:
 *   staged       padded, as for any convolution;
 *   split        for a stride: into phases (columns x of the same x % stride_w), so that
 *                neighbouring outputs have neighbouring inputs at every tap; channels with several
 *                outputs are repeated;
 *   interleaved  VEC_GROUP taps of one element become the lane that vec_dot() takes.
 * A ring keeps the interleaved rows, as kernel_h output rows read each.
 *
 * Packed block: the shape, the place of each tap in a row to be interleaved, then for each set its
 * constants (requantize-s8-tmpl.h) and weights [kernel_h][groups][4 vectors][lanes][VEC_GROUP],
 * missing taps zero.
 */

#define FLAT (4 * (size_t)VEC_LANES)

/* Output rows at a time: they share loads. */
#define DEPTHWISE_ROWS 2

/* Whole rows are kept, each byte as often as the kernel is wide: a second-level cache of them and
 * some more. */
#define DEPTHWISE_MAX_SCRATCH ((size_t)4 * 1024 * 1024)

/* What a run derives from the parameters. */
struct depthwise_shape {
    struct conv_shape conv;
    int32_t in_zero;
    size_t channels, multiplier; /* of the output; of them for each of the input */
    size_t values;               /* of an output row */
    size_t blocks, sets;
    size_t groups; /* of a kernel row */
    size_t window; /* input rows under DEPTHWISE_ROWS output rows */
    bool split;
    size_t staged_pixels, staged_values; /* of an input row; with room for what is read beyond */
    size_t phases, phase_pixels;         /* phases that some tap reads */
    size_t phase_values;                 /* from one phase to the next */
    size_t row_bytes;                    /* of an interleaved row */
    size_t taps_at, sets_at, set_bytes;  /* in the packed block */
    size_t split_at, ring_at, rows_at;   /* in scratch, after the staged rows */
    uint32_t kind;                       /* enum requantize; pack() finds out */
};

static size_t depthwise_gcd(size_t a, size_t b) {
    while (b) {
        const size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static struct depthwise_shape depthwise_shape(const struct kern_conv *p) {
    struct depthwise_shape s = {
        .conv = conv_shape(p),
        .in_zero = p->in_zero,
        .channels = (size_t)p->out_c,
        .multiplier = (size_t)(p->out_c / p->in_c),
    };
    const size_t out_w = s.conv.out_w, last_tap = (s.conv.kernel_w - 1) * s.conv.dilation_w;
    s.values = out_w * s.channels;
    s.blocks = round_up(s.values, FLAT) / FLAT;
    s.sets = MIN(s.channels / depthwise_gcd(s.channels, FLAT), s.blocks);
    s.groups = round_up(s.conv.kernel_w, VEC_GROUP) / VEC_GROUP;
    s.window = conv_band_in(&s.conv, DEPTHWISE_ROWS);
    s.split = s.conv.stride_w > 1 || s.multiplier > 1;
    s.staged_pixels = (out_w - 1) * s.conv.stride_w + last_tap + 1;
    s.staged_values = s.staged_pixels * s.conv.in_c + 2 * FLAT;
    s.phases = MIN(s.conv.stride_w, last_tap + 1);
    s.phase_pixels = out_w + last_tap / s.conv.stride_w;
    s.phase_values = s.split ? s.phase_pixels * s.channels + 2 * FLAT : s.staged_values;
    s.row_bytes = s.blocks * s.groups * 4 * VEC_BYTES;

    s.taps_at = pack_room(sizeof(s));
    s.sets_at = s.taps_at + pack_room(s.groups * VEC_GROUP * sizeof(size_t));
    s.set_bytes = (BLOCK_CONSTANTS(4) + s.conv.kernel_h * s.groups * 4) * VEC_BYTES;

    s.split_at = pack_room(s.window * s.staged_values * sizeof(vec_staged));
    s.ring_at = s.split_at;
    if (s.split)
        s.ring_at += pack_room(s.window * s.phases * s.phase_values * sizeof(vec_staged));
    s.rows_at = s.ring_at + s.window * s.row_bytes;
    return s;
}

static const char *depthwise_refuses(const struct kern_conv *p) {
    if (!p->depthwise)
        return "";
    if (VEC_GROUP == 4 && p->weight_zero != 0)
        return "weights with a zero point";
    if (p->out_h == 0 || p->out_w == 0 || p->out_c == 0 || p->in_c == 0)
        return "empty";
    return depthwise_shape(p).rows_at > DEPTHWISE_MAX_SCRATCH ? "rows too wide to keep" : NULL;
}

static size_t depthwise_packed_size(const struct kern_conv *p) {
    const struct depthwise_shape s = depthwise_shape(p);
    return pack_room(s.sets_at + s.sets * s.set_bytes);
}

static size_t depthwise_scratch_size(const struct kern_conv *p) {
    const struct depthwise_shape s = depthwise_shape(p);
    return pack_room(s.rows_at + s.window * sizeof(char *));
}

/* The weights of channel c into a lane; returns their sum. */
static int32_t depthwise_pack_lane(const struct depthwise_shape *s, const int8_t *filter, size_t c,
                                   int32_t weight_zero, size_t lane, vec_weight *ret) {
    int32_t sum = 0;
    for (size_t ky = 0; ky < s->conv.kernel_h; ky++) {
        for (size_t kx = 0; kx < s->conv.kernel_w; kx++) {
            const int32_t w = filter[(ky * s->conv.kernel_w + kx) * s->channels + c] - weight_zero;
            const size_t group = ky * s->groups + kx / VEC_GROUP;
            ret[group * FLAT * VEC_GROUP + VEC_WEIGHT(lane, kx % VEC_GROUP)] = (vec_weight)w;
            sum += w;
        }
    }
    return sum;
}

static void depthwise_pack_taps(const struct depthwise_shape *s, size_t *ret) {
    for (size_t i = 0; i < s->groups * VEC_GROUP; i++) {
        /* A missing tap's weight is zero: any value serves. */
        const size_t column = MIN(i, s->conv.kernel_w - 1) * s->conv.dilation_w;
        ret[i] =
            column % s->conv.stride_w * s->phase_values + column / s->conv.stride_w * s->channels;
    }
}

static void depthwise_pack(const struct kern_conv *p, const struct kern_conv_weights *w,
                           void *ret_packed) {
    struct depthwise_shape s = depthwise_shape(p);
    const int32_t stage = p->in_zero + vec_stage_offset(p->in_zero);
    char *at = ret_packed;
    memset(at, 0, depthwise_packed_size(p));
    depthwise_pack_taps(&s, (void *)(at + s.taps_at));
    at += s.sets_at;
    for (size_t set = 0; set < s.sets; set++, at += s.set_bytes) {
        vec_weight *weights = (void *)(at + BLOCK_CONSTANTS(4) * VEC_BYTES);
        for (size_t i = 0; i < FLAT; i++) {
            const size_t v = i / VEC_LANES, lane = i % VEC_LANES;
            const size_t c = (set * FLAT + vec_flat_element(v, lane)) % s.channels;
            const int32_t sum = depthwise_pack_lane(&s, w->filter, c, p->weight_zero, lane,
                                                    weights + v * VEC_LANES * VEC_GROUP);
            block_set_constants(at, 4, v, lane, block_bias(w, c, stage, sum), w->mult[c],
                                w->shift[c]);
            s.kind = MAX(s.kind, requantize_kind(w->mult[c], w->shift[c]));
        }
    }
    memcpy(ret_packed, &s, sizeof(s));
}

/* Copies `pixels` of `bytes` each, `step` apart, close together; writes and reads up to `chunk`
 * more. */
static inline __attribute__((always_inline)) void depthwise_gather(char *dst, const char *src,
                                                                   size_t pixels, size_t bytes,
                                                                   size_t step,
                                                                   const size_t chunk) {
    for (; pixels > 0; pixels--, dst += bytes, src += step)
        for (size_t i = 0; i < bytes; i += chunk)
            memcpy(dst + i, src + i, chunk);
}

/* Copies pixels of c channels, each channel m times. */
static void depthwise_repeat(vec_staged *dst, const vec_staged *x, size_t pixels, size_t c,
                             size_t step, size_t m) {
    for (; pixels > 0; pixels--, x += step)
        for (size_t i = 0; i < c; i++)
            for (size_t j = 0; j < m; j++)
                *dst++ = x[i];
}

/* A staged row into its phases. */
static void depthwise_split(const struct depthwise_shape *s, const vec_staged *x, vec_staged *dst) {
    const size_t c = s->conv.in_c, m = s->multiplier;
    const size_t bytes = c * sizeof(*x), step = s->conv.stride_w * bytes;
    for (size_t phase = 0; phase < s->phases; phase++, x += c, dst += s->phase_values) {
        /* The last phases may lack their last pixel: it would be beyond the last tap. */
        const size_t pixels = MIN(
            s->phase_pixels, (s->staged_pixels - phase + s->conv.stride_w - 1) / s->conv.stride_w);
        if (m > 1) {
            depthwise_repeat(dst, x, pixels, c, s->conv.stride_w * c, m);
        } else if (bytes <= 8) {
            depthwise_gather((char *)dst, (const char *)x, pixels, bytes, step, 8);
        } else if (bytes <= 16) {
            depthwise_gather((char *)dst, (const char *)x, pixels, bytes, step, 16);
        } else {
            depthwise_gather((char *)dst, (const char *)x, pixels, bytes, step, 32);
        }
    }
}

/* One row: [blocks][groups][4 vectors]. */
static void depthwise_interleave(const struct depthwise_shape *s, const size_t *taps,
                                 const vec_staged *staged, char *dst) {
    for (size_t g = 0; g < s->groups; g++, taps += VEC_GROUP) {
        const vec_staged *x[VEC_GROUP];
        for (size_t i = 0; i < VEC_GROUP; i++)
            x[i] = staged + taps[i];
        char *to = dst + g * 4 * VEC_BYTES;
        for (size_t b = 0; b < s->blocks; b++, to += s->groups * 4 * VEC_BYTES)
            vec_interleave(to, x, b * FLAT);
    }
}

/* `n` input rows from row y on, counted from the padding's edge, into the ring from `slot` on;
 * returns the slot behind them. */
static size_t depthwise_feed(const struct depthwise_shape *s, const void *packed, const int8_t *x,
                             size_t y, size_t n, size_t slot, char *scratch) {
    const size_t *taps = (const void *)((const char *)packed + s->taps_at);
    vec_staged *staged = (void *)scratch;
    size_t row_values = s->staged_values;
    for (size_t i = 0; i < n; i++)
        stage_row(&s->conv, s->in_zero, x, y + i, 0, s->staged_pixels, staged + i * row_values);
    if (s->split) {
        vec_staged *split = (void *)(scratch + s->split_at);
        const size_t split_values = s->phases * s->phase_values;
        for (size_t i = 0; i < n; i++)
            depthwise_split(s, staged + i * row_values, split + i * split_values);
        staged = split;
        row_values = split_values;
    }
    for (size_t i = 0; i < n; i++) {
        depthwise_interleave(s, taps, staged + i * row_values,
                             scratch + s->ring_at + slot * s->row_bytes);
        slot = slot + 1 < s->window ? slot + 1 : 0;
    }
    return slot;
}

/* Some output rows, as their function needs them. */
struct depthwise_tile {
    const struct depthwise_shape *s;
    const char *packed;   /* the sets */
    const char *const *x; /* the window's rows */
    int8_t *y;
    struct vec_out out;
};

static inline __attribute__((always_inline)) void depthwise_store(int8_t *y, vec bytes,
                                                                  size_t left) {
    if (left >= FLAT) {
        vec_store(y, bytes);
        return;
    }
    int8_t all[FLAT];
    vec_store(all, bytes);
    memcpy(y, all, left);
}

/* Any kernel. */
static inline __attribute__((always_inline)) void
depthwise_any(const struct depthwise_tile *t, const unsigned rows, const unsigned kind) {
    const struct depthwise_shape *s = t->s;
    const size_t groups = s->groups, blocks = s->blocks, values = s->values;
    const struct vec_out out = t->out;
    const char *set = t->packed, *end = set + s->sets * s->set_bytes;
    for (size_t b = 0; b < blocks; b++) {
        const char *w = set + BLOCK_CONSTANTS(4) * VEC_BYTES;
        vec acc[DEPTHWISE_ROWS][4];
#pragma GCC unroll 4
        for (unsigned i = 0; i < rows; i++)
#pragma GCC unroll 4
            for (unsigned v = 0; v < 4; v++)
                acc[i][v] = block_constant(set, 4, BLOCK_BIAS, v);
        for (size_t ky = 0; ky < s->conv.kernel_h; ky++) {
            const char *x[DEPTHWISE_ROWS];
#pragma GCC unroll 4
            for (unsigned i = 0; i < rows; i++)
                x[i] = t->x[i * s->conv.stride_h + ky * s->conv.dilation_h] +
                       b * groups * 4 * VEC_BYTES;
#pragma GCC unroll 1
            for (size_t g = 0; g < groups; g++, w += 4 * VEC_BYTES)
#pragma GCC unroll 4
                for (unsigned i = 0; i < rows; i++)
#pragma GCC unroll 4
                    for (unsigned v = 0; v < 4; v++)
                        acc[i][v] = vec_dot(acc[i][v], vec_load(x[i] + (g * 4 + v) * VEC_BYTES),
                                            vec_load(w + v * VEC_BYTES));
        }
        const struct block_scales scales = block_scales(set, 4);
#pragma GCC unroll 4
        for (unsigned i = 0; i < rows; i++)
            depthwise_store(t->y + i * values + b * FLAT,
                            vec_flat_order(block_narrow_by(acc[i], &scales, 4, kind, &out)),
                            values - b * FLAT);
        set += s->set_bytes;
        set = set == end ? t->packed : set;
    }
}

/* 3 x 3, the usual kernel: the blocks of a set one after the other, so that its weights and
 * constants stay in registers. `near` says that output rows are one input row apart and share their
 * loads. */
#define DEPTHWISE_3 ((3 + VEC_GROUP - 1) / VEC_GROUP) /* groups of a kernel row */

static inline __attribute__((always_inline)) void depthwise_3x3(const struct depthwise_tile *t,
                                                                const unsigned rows,
                                                                const bool near,
                                                                const unsigned kind) {
    const struct depthwise_shape *s = t->s;
    const size_t blocks = s->blocks, sets = s->sets, values = s->values;
    const struct vec_out out = t->out;
    const char *x[DEPTHWISE_ROWS * 3];
#pragma GCC unroll 8
    for (unsigned i = 0; i < rows * 3; i++)
        x[i] = near ? t->x[MIN(i, rows + 1)]
                    : t->x[i / 3 * s->conv.stride_h + i % 3 * s->conv.dilation_h];
    for (size_t first = 0; first < sets; first++) {
        const char *set = t->packed + first * s->set_bytes;
        const struct block_scales scales = block_scales(set, 4);
        vec bias[4], w[3 * DEPTHWISE_3][4];
#pragma GCC unroll 4
        for (unsigned v = 0; v < 4; v++)
            bias[v] = block_constant(set, 4, BLOCK_BIAS, v);
#pragma GCC unroll 8
        for (unsigned g = 0; g < 3 * DEPTHWISE_3; g++)
#pragma GCC unroll 4
            for (unsigned v = 0; v < 4; v++)
                w[g][v] = vec_load(set + (BLOCK_CONSTANTS(4) + g * 4 + v) * VEC_BYTES);
        for (size_t b = first; b < blocks; b += sets) {
            vec acc[DEPTHWISE_ROWS][4];
#pragma GCC unroll 4
            for (unsigned i = 0; i < rows; i++)
#pragma GCC unroll 4
                for (unsigned v = 0; v < 4; v++) {
                    acc[i][v] = bias[v];
#pragma GCC unroll 8
                    for (unsigned g = 0; g < 3 * DEPTHWISE_3; g++) {
                        const unsigned ky = g / DEPTHWISE_3;
                        const char *at = x[near ? i + ky : i * 3 + ky];
                        const size_t group = b * DEPTHWISE_3 + g % DEPTHWISE_3;
                        acc[i][v] =
                            vec_dot(acc[i][v], vec_load(at + (group * 4 + v) * VEC_BYTES), w[g][v]);
                    }
                }
#pragma GCC unroll 4
            for (unsigned i = 0; i < rows; i++)
                depthwise_store(t->y + i * values + b * FLAT,
                                vec_flat_order(block_narrow_by(acc[i], &scales, 4, kind, &out)),
                                values - b * FLAT);
        }
    }
}

static inline __attribute__((always_inline)) void
depthwise_tile(const struct depthwise_tile *t, const unsigned rows, const unsigned kind) {
    const struct depthwise_shape *s = t->s;
    if (kind == REQUANTIZE_WIDE || s->conv.kernel_h != 3 || s->groups != DEPTHWISE_3)
        depthwise_any(t, rows, kind);
    else if (rows > 1 && s->conv.stride_h == 1 && s->conv.dilation_h == 1)
        depthwise_3x3(t, rows, true, kind);
    else
        depthwise_3x3(t, rows, false, kind);
}

typedef void (*depthwise_tile_fn)(const struct depthwise_tile *t);

#define DEPTHWISE_TILE(rows, kind)                                                                 \
    static void depthwise_tile_##rows##_##kind(const struct depthwise_tile *t) {                   \
        depthwise_tile(t, rows, kind);                                                             \
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
    const struct depthwise_shape *s = packed;
    const char *ring = (char *)scratch + s->ring_at;
    const char **rows = (void *)((char *)scratch + s->rows_at);
    struct depthwise_tile t = {
        .s = s,
        .packed = (const char *)packed + s->sets_at,
        .x = rows,
        .y = y,
        .out = vec_out_set(p->out_zero, p->out_min, p->out_max),
    };
    size_t fed = 0, slot = 0; /* input rows in the ring so far, the next one's place */
    for (size_t row = 0; row < s->conv.out_h; row += DEPTHWISE_ROWS) {
        const size_t n = MIN(s->conv.out_h - row, (size_t)DEPTHWISE_ROWS),
                     first = row * s->conv.stride_h;
        const size_t end = first + s->window - (DEPTHWISE_ROWS - n) * s->conv.stride_h;
        fed = MAX(fed, first);
        slot = depthwise_feed(s, packed, x, fed, end - fed, slot, scratch);
        fed = end;
        for (size_t i = end - first, at = slot; i-- > 0;) {
            at = at > 0 ? at - 1 : s->window - 1;
            rows[i] = ring + at * s->row_bytes;
        }
        depthwise_tiles[s->kind][n - 1](&t);
        t.y += n * s->values;
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
