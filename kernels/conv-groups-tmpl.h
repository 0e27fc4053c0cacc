/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: float activations by weights of 4 bits, or of 8 with scales in groups. Windows are rows of a matrix
 * in integers (for matrix products and pointwise convolutions they are x itself); a tile is 1 or GROUPS_ROWS of them by one
 * or two vectors of channels. Weights of 4 bits are read as such and spread in registers, so that one row, a matrix by a
 * vector, reads half the memory of bytes. The sums of a group become floats before the next group begins.
 *
 * Packed block: for each block of channels its biases, then for each group its scales and its weights
 * [steps][vectors][lanes][4 bytes]. A step is 4 inputs, of 4 bits 8: byte k has those of inputs k and k + 4.
 */

#define GROUPS_STEP(bits) ((bits) == 4 ? 8 : 4)
#if VEC_GROUP == 4
#define GROUPS_WEIGHT VEC_WEIGHT
#else
#define GROUPS_WEIGHT(lane, k) ((lane)*4 + (k))
#endif
/* Bytes of windows at a time: half of a first-level cache. */
#define GROUPS_BAND (16 * 1024)
#define GROUPS_MAX_BAND ((size_t)64)

struct groups_shape {
    size_t out_c, depth; /* bytes of a window */
    size_t groups, group, steps;
    size_t band;   /* windows at a time */
    bool is_input; /* windows are where q is */
    unsigned bits;
};

static struct groups_shape groups_shape(const struct kern_conv *p) {
    struct groups_shape s = {
        .out_c = (size_t)p->out_c,
        .depth = im2col_depth(p),
        .groups = hybrid_groups(p),
        .group = (size_t)p->scale_group,
        .bits = (unsigned)p->weight_bits,
    };
    const size_t pixels = (size_t)p->out_h * (size_t)p->out_w;
    s.steps = round_up(s.group, GROUPS_STEP(s.bits)) / GROUPS_STEP(s.bits);
    s.is_input = im2col_is_input(p);
    s.band =
        MIN(MAX(GROUPS_BAND / s.depth / GROUPS_ROWS, (size_t)1) * GROUPS_ROWS, GROUPS_MAX_BAND);
    s.band = MIN(s.band, pixels);
    return s;
}

static const char *groups_refuses(const struct kern_conv *p) {
    if (p->depthwise)
        return "";
    if (p->group_in_c != p->in_c)
        return "grouped";
    if (p->out_h == 0 || p->out_w == 0 || p->out_c == 0 || p->in_c == 0)
        return "empty";
    return NULL;
}

static const char *groups_s4_refuses(const struct kern_conv *p) {
    return p->weight_bits == 4 ? groups_refuses(p) : "";
}

static const char *groups_s8_refuses(const struct kern_conv *p) {
    return p->weight_bits == 8 ? groups_refuses(p) : "";
}

static unsigned groups_vectors(const struct groups_shape *s, size_t first) {
    return s->out_c - first > VEC_LANES ? 2 : 1;
}

static size_t groups_block_bytes(const struct groups_shape *s, unsigned vectors) {
    return vectors * VEC_BYTES * (1 + s->groups * (1 + s->steps));
}

static size_t groups_packed_size(const struct kern_conv *p) {
    const struct groups_shape s = groups_shape(p);
    size_t size = 0;
    for (size_t c = 0; c < s.out_c; c += groups_vectors(&s, c) * VEC_LANES)
        size += groups_block_bytes(&s, groups_vectors(&s, c));
    return pack_room(size);
}

/* Weight i of the filter as it is stored. */
static uint8_t groups_weight(unsigned bits, const void *filter, size_t i) {
    if (bits == 8)
        return (uint8_t)(((const uint8_t *)filter)[i] + GROUPS_OFFSET(8));
    const uint8_t pair = ((const uint8_t *)filter)[i / 2];
    return (uint8_t)((i % 2 ? pair >> 4 : pair) + GROUPS_OFFSET(4)) & 15;
}

/* One output channel, in lane `lane` of vectors `next` bytes apart. */
static void groups_pack_channel(const struct groups_shape *s, const struct kern_conv_weights *w,
                                size_t c, size_t lane, size_t next, char *ret) {
    const size_t step = GROUPS_STEP(s->bits);
    ((float *)(void *)ret)[lane] = w->bias ? ((const float *)w->bias)[c] : 0;
    ret += next;
    for (size_t g = 0; g < s->groups; g++, ret += next * (1 + s->steps)) {
        const float scale = w->scales[c * s->groups + g];
        ((float *)(void *)ret)[lane] = s->bits == 4 ? scale / GROUPS_NIBBLE_ONE : scale;
        for (size_t k = 0; k < s->group; k++) {
            uint8_t *at = (uint8_t *)ret + next * (1 + k / step) + GROUPS_WEIGHT(lane, k % 4);
            const uint8_t q = groups_weight(s->bits, w->filter, c * s->depth + g * s->group + k);
            *at = k % step >= 4 ? (uint8_t)((*at & 15) | q << 4) : q;
        }
    }
}

static void groups_pack(const struct kern_conv *p, const struct kern_conv_weights *w,
                        void *ret_packed) {
    const struct groups_shape s = groups_shape(p);
    char *block = ret_packed;
    /* A group's last step may reach beyond it: there bytes of 0, whatever they stand for, make products of 0. */
    memset(ret_packed, 0, groups_packed_size(p));
    for (size_t first = 0; first < s.out_c;) {
        const unsigned n = groups_vectors(&s, first);
        for (size_t at = 0; at < n * VEC_LANES && first + at < s.out_c; at++)
            groups_pack_channel(&s, w, first + at, at % VEC_LANES, n * VEC_BYTES,
                                block + at / VEC_LANES * VEC_BYTES);
        block += groups_block_bytes(&s, n);
        first += n * VEC_LANES;
    }
}

/* Where the parts of the scratch memory begin, and where it ends. Behind windows there always is some: steps and vectors
 * read beyond the last one. */
struct groups_scratch {
    size_t windows, scales, fours, offsets, end; /* q is at 0 */
};

static struct groups_scratch groups_scratch_parts(const struct kern_conv *p,
                                                  const struct groups_shape *s) {
    size_t n;
    const size_t items = hybrid_items(p, &n);
    struct groups_scratch at = {.windows = pack_room(items * n)};
    at.scales = at.windows + (s->is_input ? 0 : pack_room(s->band * s->depth));
    at.fours = at.scales + pack_room(items * sizeof(float));
    at.offsets = at.end = at.fours;
    if (GROUPS_OFFSET(s->bits) != 0) {
        at.offsets += round_up(s->depth, VEC_BYTES);
        at.end = pack_room(at.offsets + s->band * s->groups * sizeof(int32_t));
    }
    return at;
}

static size_t groups_scratch_size(const struct kern_conv *p) {
    const struct groups_shape s = groups_shape(p);
    return groups_scratch_parts(p, &s).end;
}

/* Some windows by a block of channels. */
struct groups_tile {
    const struct kern_conv *p;
    const struct groups_shape *s;
    const char *block;
    const int8_t *x;        /* the first window */
    const int32_t *offsets; /* its groups' */
    const float *scale;     /* of x; the next window's is `scale_step` further */
    float *y;
    size_t scale_step, windows, channels;
};

/* The products of one step, of 4 bits those of one half, or of both where the tier joins them. */
static inline __attribute__((always_inline)) void
groups_half(const int8_t *const *x, size_t at, const char *w, const unsigned bits,
            const unsigned half, const unsigned rows, const unsigned vectors, vec (*acc)[2]) {
    const bool joins = bits == 4 && GROUPS_JOINS_NIBBLES;
    vec weights[2];
#pragma GCC unroll 2
    for (unsigned v = 0; v < vectors; v++) {
        weights[v] = vec_load(w + v * VEC_BYTES);
        if (bits == 4 && !joins)
            weights[v] = half ? vec_high_nibbles(weights[v]) : vec_low_nibbles(weights[v]);
    }
#pragma GCC unroll 8
    for (unsigned i = 0; i < rows; i++) {
        const vec a = vec_broadcast(x[i] + at + 4 * half);
        const vec b = joins ? vec_broadcast(x[i] + at + 4) : a;
#pragma GCC unroll 2
        for (unsigned v = 0; v < vectors; v++)
            acc[i][v] = joins ? vec_dot_nibbles(acc[i][v], weights[v], a, b)
                              : vec_dot_bytes(acc[i][v], weights[v], a);
    }
}

/* The sums of a group of each window. */
static inline __attribute__((always_inline)) void
groups_sums(const struct groups_tile *t, const int8_t *const *x, size_t g, const char *w,
            const unsigned bits, const unsigned rows, const unsigned vectors, vec (*ret)[2]) {
    vec second[GROUPS_ROWS][2];
#pragma GCC unroll 8
    for (unsigned i = 0; i < rows; i++) {
        const size_t row = MIN(i, t->windows - 1);
        const vec start =
            vec_set1(GROUPS_OFFSET(bits) != 0 ? t->offsets[row * t->s->groups + g] : 0);
#pragma GCC unroll 2
        for (unsigned v = 0; v < vectors; v++) {
            ret[i][v] = start;
            second[i][v] = vec_set1(0);
        }
    }
    const size_t from = g * t->s->group;
    for (size_t step = 0; step < t->s->steps; step++, w += vectors * VEC_BYTES) {
        const size_t at = from + step * GROUPS_STEP(bits);
        groups_half(x, at, w, bits, 0, rows, vectors, ret);
        /* registers hold the weights of one half; a row alone has room for two sums, so that no product waits for the
         * other */
        if (bits == 4 && !GROUPS_JOINS_NIBBLES)
            groups_half(x, at, w, bits, 1, rows, vectors, rows == 1 ? second : ret);
    }
    if (bits == 4 && rows == 1)
#pragma GCC unroll 2
        for (unsigned v = 0; v < vectors; v++)
            ret[0][v] = vec_add(ret[0][v], second[0][v]);
}

static inline __attribute__((always_inline)) void groups_tile(const struct groups_tile *t,
                                                              const unsigned bits,
                                                              const unsigned rows,
                                                              const unsigned vectors) {
    const size_t next = vectors * VEC_BYTES;
    const char *w = t->block + next;
    const int8_t *x[GROUPS_ROWS];
    vec_floats sums[GROUPS_ROWS][2];
#pragma GCC unroll 8
    for (unsigned i = 0; i < rows; i++) {
        /* rows that are not there are the last one again, and not stored */
        x[i] = t->x + MIN(i, t->windows - 1) * t->s->depth;
#pragma GCC unroll 2
        for (unsigned v = 0; v < vectors; v++)
            sums[i][v] = floats_set1(0);
    }
    for (size_t g = 0; g < t->s->groups; g++, w += next * (1 + t->s->steps)) {
        vec acc[GROUPS_ROWS][2];
        groups_sums(t, x, g, w + next, bits, rows, vectors, acc);
#pragma GCC unroll 2
        for (unsigned v = 0; v < vectors; v++) {
            const vec_floats scales = floats_load(w + v * VEC_BYTES);
#pragma GCC unroll 8
            for (unsigned i = 0; i < rows; i++)
                sums[i][v] += __builtin_convertvector((vec_lanes)acc[i][v], vec_floats) * scales;
        }
    }
#pragma GCC unroll 8
    for (unsigned i = 0; i < rows; i++) {
        if (i >= t->windows)
            break;
        const vec_floats scale = floats_set1(t->scale[i * t->scale_step]);
#pragma GCC unroll 2
        for (unsigned v = 0; v < vectors; v++) {
            const vec_floats bias = floats_load(t->block + v * VEC_BYTES);
            floats_store(t->y + i * t->s->out_c + v * VEC_LANES,
                         floats_clamp(t->p, sums[i][v] * scale + bias),
                         t->channels - v * VEC_LANES);
        }
    }
}

typedef void (*groups_tile_fn)(const struct groups_tile *t);

#define GROUPS_TILE(bits, name, rows, vectors)                                                     \
    static void groups_s##bits##_##name##x##vectors(const struct groups_tile *t) {                 \
        groups_tile(t, bits, rows, vectors);                                                       \
    }
GROUPS_TILE(4, 1, 1, 1)
GROUPS_TILE(4, 1, 1, 2)
GROUPS_TILE(4, n, GROUPS_ROWS, 1)
GROUPS_TILE(4, n, GROUPS_ROWS, 2)
GROUPS_TILE(8, 1, 1, 1)
GROUPS_TILE(8, 1, 1, 2)
GROUPS_TILE(8, n, GROUPS_ROWS, 1)
GROUPS_TILE(8, n, GROUPS_ROWS, 2)

/* By bits, rows and vectors. */
static const groups_tile_fn groups_tiles[2][2][2] = {
    {{groups_s4_1x1, groups_s4_1x2}, {groups_s4_nx1, groups_s4_nx2}},
    {{groups_s8_1x1, groups_s8_1x2}, {groups_s8_nx1, groups_s8_nx2}},
};

/* All channels of n windows; `t` has the first of them. */
static void groups_band(struct groups_tile *t, const char *packed, size_t n) {
    const struct groups_tile start = *t;
    t->block = packed;
    for (size_t first = 0; first < t->s->out_c;) {
        const unsigned vectors = groups_vectors(t->s, first);
        t->channels = t->s->out_c - first;
        for (size_t i = 0; i < n; i += t->windows) {
            t->windows = MIN(n - i, (size_t)GROUPS_ROWS);
            t->x = start.x + i * t->s->depth;
            t->offsets = start.offsets + i * t->s->groups;
            t->scale = start.scale + i * t->scale_step;
            t->y = start.y + i * t->s->out_c + first;
            groups_tiles[t->s->bits == 8][t->windows > 1][vectors - 1](t);
        }
        t->block += groups_block_bytes(t->s, vectors);
        first += vectors * VEC_LANES;
    }
}

/* Sums of four neighbours of a window; `ret` has room for whole vectors. */
static void groups_add_fours(const int8_t *x, size_t n, int32_t *ret) {
    const vec ones = vec_set1_byte(1);
    for (size_t i = 0; i < n; i += VEC_BYTES)
        vec_store(ret + i / 4, vec_dot_bytes(vec_set1(0), ones, vec_load(x + i)));
}

static int32_t groups_sum(const int32_t *fours, size_t n) {
    int32_t sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += fours[k];
    return sum;
}

static int32_t groups_sum_bytes(const int8_t *x, size_t n) {
    int32_t sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += x[k];
    return sum;
}

/* What the products of a group have too much because weights are stored with an offset, taken back. Fours are a group's
 * own where its size is a multiple of four, or it is the only one. */
static void groups_set_offsets(const struct groups_shape *s, const int8_t *x, size_t n,
                               int32_t *fours, int32_t *ret_offsets) {
    const size_t length = s->group / 4, rest = s->group % 4;
    const bool own = rest == 0 || s->groups == 1;
    for (size_t i = 0; i < n; i++, x += s->depth) {
        if (own)
            groups_add_fours(x, s->depth, fours);
        for (size_t g = 0; g < s->groups; g++) {
            const int8_t *group = x + g * s->group;
            const int32_t sum = own ? groups_sum(fours + g * length, length) +
                                          groups_sum_bytes(group + length * 4, rest)
                                    : groups_sum_bytes(group, s->group);
            *ret_offsets++ = -GROUPS_OFFSET(s->bits) * sum;
        }
    }
}

static void groups_run(const struct kern_conv *p, const void *packed, const void *x, void *y,
                       void *scratch) {
    const struct groups_shape s = groups_shape(p);
    const struct groups_scratch at = groups_scratch_parts(p, &s);
    const size_t pixels = (size_t)p->out_h * (size_t)p->out_w;
    int8_t *q = scratch, *windows = q + at.windows;
    float *scales = (void *)(q + at.scales);
    int32_t *offsets = (void *)(q + at.offsets);
    hybrid_quantize_all(p, x, q, scales);
    for (size_t pixel = 0; pixel < pixels; pixel += s.band) {
        const size_t n = MIN(pixels - pixel, s.band);
        if (!s.is_input)
            im2col_s8(p, q, 0, pixel, n, 0, windows);
        struct groups_tile t = {
            .p = p,
            .s = &s,
            .x = s.is_input ? q + pixel * s.depth : windows,
            .offsets = offsets,
            .scale = scales + (p->scale_pixels ? pixel : 0),
            .scale_step = p->scale_pixels,
            .y = (float *)y + pixel * s.out_c,
        };
        if (GROUPS_OFFSET(s.bits) != 0)
            groups_set_offsets(&s, t.x, n, (void *)(q + at.fours), offsets);
        groups_band(&t, packed, n);
    }
    hybrid_spread_nan(p, scales, y);
}

#define GROUPS_IMPL(type, label)                                                                   \
    const struct kern_conv_impl KERN_NAME(hybrid_##label) = {                                      \
        .name = "hybrid_" #label "_" KERN_STRING(GROUPS_ROWS) "x2v_" KERN_STRING(KERN_SUFFIX),     \
        .refuses = groups_##type##_refuses,                                                        \
        .packed_size = groups_packed_size,                                                         \
        .scratch_size = groups_scratch_size,                                                       \
        .pack = groups_pack,                                                                       \
        .run = groups_run,                                                                         \
    };
GROUPS_IMPL(s4, s4)
GROUPS_IMPL(s8, s8g)
