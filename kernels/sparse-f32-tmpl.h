/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of float-tmpl.h: products with pruned weights of many positions. The lanes of a vector are
 * neighbouring positions (sparse-planes.h); a weight that is left is multiplied with some vectors of
 * them. A block's weights share the loads.
 *
 * Packed block, R output channels a block: bias [blocks][R] as float, end [blocks] (entries up to
 * there) as uint32, distances [entries] as uint32 (plane_tap), weights [entries][R] as float; each
 * padded to KERN_PACK_ALIGN.
 */

/* Values of all planes of a band: of a 1x1, which has no rows in common with the next band, most of a
 * first-level cache, else part of a second-level one. */
#define SPARSE_VALUES_1X1 ((size_t)8 * 1024)
#define SPARSE_VALUES ((size_t)48 * 1024)
/* Positions whose sums are kept at a time. */
#define SPARSE_TILE ((size_t)8 * LANES)

typedef float lane_f32 __attribute__((vector_size(16)));
typedef float lane_f32_unaligned __attribute__((vector_size(16), aligned(4), may_alias));

/* Pairs of the lower or upper half of each 128 bits, and four times 128 bits as a vector. */
#if LANES == 4
#define SPARSE_ZIP_LO 0, 4, 1, 5
#define SPARSE_ZIP_HI 2, 6, 3, 7
static inline vec sparse_join(const lane_f32 *part) {
    return part[0];
}
#elif LANES == 8
#define SPARSE_ZIP_LO 0, 8, 1, 9, 4, 12, 5, 13
#define SPARSE_ZIP_HI 2, 10, 3, 11, 6, 14, 7, 15
static inline vec sparse_join(const lane_f32 *part) {
    return __builtin_shufflevector(part[0], part[1], 0, 1, 2, 3, 4, 5, 6, 7);
}
#else
#define SPARSE_ZIP_LO 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define SPARSE_ZIP_HI 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
static inline vec sparse_join(const lane_f32 *part) {
    typedef float half __attribute__((vector_size(32)));
    const half lo = __builtin_shufflevector(part[0], part[1], 0, 1, 2, 3, 4, 5, 6, 7);
    const half hi = __builtin_shufflevector(part[2], part[3], 0, 1, 2, 3, 4, 5, 6, 7);
    return __builtin_shufflevector(lo, hi, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
#endif

/* Squares of four by four, in each 128 bits. */
static inline void sparse_turn(vec r[4]) {
    const vec a = __builtin_shufflevector(r[0], r[2], SPARSE_ZIP_LO);
    const vec b = __builtin_shufflevector(r[0], r[2], SPARSE_ZIP_HI);
    const vec c = __builtin_shufflevector(r[1], r[3], SPARSE_ZIP_LO);
    const vec d = __builtin_shufflevector(r[1], r[3], SPARSE_ZIP_HI);
    r[0] = __builtin_shufflevector(a, c, SPARSE_ZIP_LO);
    r[1] = __builtin_shufflevector(a, c, SPARSE_ZIP_HI);
    r[2] = __builtin_shufflevector(b, d, SPARSE_ZIP_LO);
    r[3] = __builtin_shufflevector(b, d, SPARSE_ZIP_HI);
}

/* As many pixels as a vector has lanes, as neighbouring positions of all planes. */
static void sparse_stage_group(const struct planes *l, const float *const *pixels, float *planes) {
    const size_t n = l->s.in_c, size = l->size;
    size_t c = 0;
    for (; c + 4 <= n; c += 4) {
        vec r[4];
#pragma GCC unroll 4
        for (unsigned i = 0; i < 4; i++) {
            lane_f32 part[LANES / 4];
#pragma GCC unroll 4
            for (unsigned j = 0; j < LANES / 4; j++)
                part[j] = *(const lane_f32_unaligned *)(const void *)(pixels[4 * j + i] + c);
            r[i] = sparse_join(part);
        }
        sparse_turn(r);
#pragma GCC unroll 4
        for (unsigned i = 0; i < 4; i++)
            vec_store(planes + (c + i) * size, r[i]);
    }
    for (; c < n; c++)
        for (unsigned i = 0; i < LANES; i++)
            planes[c * size + i] = pixels[i][c];
}

/* The planes of the band whose first output is (row, col); `zeros`: a pixel of them. */
static void sparse_stage(const struct planes *l, const float *x, const float *zeros, size_t row,
                         size_t col, float *planes) {
    const size_t n = planes_positions(l);
    struct plane_walk walk = {0};
    for (size_t i = 0; i < n; i += LANES) {
        const float *pixels[LANES];
        for (unsigned j = 0; j < LANES; j++) {
            const size_t pixel = i + j < n ? plane_pixel(l, &walk, row, col) : SIZE_MAX;
            pixels[j] = pixel == SIZE_MAX ? zeros : x + pixel * l->s.in_c;
            plane_walk_next(l, &walk);
        }
        sparse_stage_group(l, pixels, planes + i);
    }
}

struct sparse_packed {
    const float *bias;
    const uint32_t *end, *at;
    const float *w;
};

static size_t sparse_blocks(const struct kern_conv *p, size_t block) {
    return ((size_t)p->out_c + block - 1) / block;
}

static struct sparse_packed sparse_view(const struct kern_conv *p, size_t block,
                                        const void *packed) {
    const size_t blocks = sparse_blocks(p, block);
    struct sparse_packed v = {.bias = packed};
    v.end = (const void *)((const char *)packed + pack_room(blocks * block * sizeof(float)));
    v.at = (const void *)((const char *)v.end + pack_room(blocks * sizeof(*v.end)));
    v.w = (const void *)((const char *)v.at + pack_room(v.end[blocks - 1] * sizeof(*v.at)));
    return v;
}

static size_t sparse_left(const struct kern_conv *p, const struct kern_conv_weights *w,
                          size_t block, size_t step) {
    const size_t depth = im2col_depth(p), out_c = (size_t)p->out_c;
    size_t n = 0;
    for (size_t c = 0; c < out_c; c += block)
        n += round_up(
            sparse_count_f32((const float *)w->filter + c * depth, depth, MIN(block, out_c - c)),
            MAX(step, (size_t)1));
    return n;
}

static size_t sparse_packed_size(const struct kern_conv *p, const struct kern_conv_weights *w,
                                 size_t block, size_t step) {
    const size_t blocks = sparse_blocks(p, block), n = sparse_left(p, w, block, step);
    return pack_room(blocks * block * sizeof(float)) + pack_room(blocks * sizeof(uint32_t)) +
           pack_room(n * sizeof(uint32_t)) + pack_room(n * block * sizeof(float));
}

static struct planes sparse_planes(const struct kern_conv *p) {
    const bool is_1x1 = p->kernel_h == 1 && p->kernel_w == 1;
    return planes_of(p, is_1x1 ? SPARSE_VALUES_1X1 : SPARSE_VALUES, LANES);
}

/* `step` 0: for planes; else positions are those in the window, and the weights of a block are filled
 * up to a multiple of it. */
static void sparse_pack(const struct kern_conv *p, const struct kern_conv_weights *w, size_t block,
                        size_t step, void *ret_packed) {
    const struct planes l = sparse_planes(p);
    const size_t blocks = sparse_blocks(p, block), n = sparse_left(p, w, block, step);
    const size_t depth = im2col_depth(p), out_c = (size_t)p->out_c;
    const float *filter = w->filter;
    float *bias = ret_packed;
    uint32_t *end = (void *)((char *)ret_packed + pack_room(blocks * block * sizeof(float)));
    uint32_t *at = (void *)((char *)end + pack_room(blocks * sizeof(*end)));
    float *values = (void *)((char *)at + pack_room(n * sizeof(*at)));
    memset(ret_packed, 0, sparse_packed_size(p, w, block, step));
    if (w->bias)
        memcpy(bias, w->bias, out_c * sizeof(*bias));
    uint32_t entry = 0;
    for (size_t b = 0; b < blocks; b++, filter += block * depth) {
        const size_t rows = MIN(block, out_c - b * block);
        for (size_t k = 0; k < depth; k++) {
            if (!sparse_has_f32(filter, depth, rows, k))
                continue;
            for (size_t r = 0; r < rows; r++)
                values[entry * block + r] = filter[r * depth + k];
            at[entry++] = (uint32_t)(step ? k : plane_tap(&l, k));
        }
        if (step)
            entry = (uint32_t)round_up(entry, step);
        end[b] = entry;
    }
}

/* The sums of `rows` channels at `vectors` vectors of positions, `weights` of each entry. */
static inline __attribute__((always_inline)) void
sparse_sums(const struct kern_conv *p, const float *bias, const float *w, const size_t weights,
            const uint32_t *at, size_t n, const float *x, float *ret, const unsigned rows,
            const unsigned vectors) {
    vec acc[4][8];
#pragma GCC unroll 8
    for (unsigned r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (unsigned v = 0; v < vectors; v++)
            acc[r][v] = (vec){0};
    for (size_t i = 0; i < n; i++, w += weights) {
        const float *from = x + at[i];
        vec values[8];
#pragma GCC unroll 8
        for (unsigned v = 0; v < vectors; v++)
            values[v] = vec_load(from + v * LANES);
#pragma GCC unroll 8
        for (unsigned r = 0; r < rows; r++) {
            const float weight = w[r];
#pragma GCC unroll 8
            for (unsigned v = 0; v < vectors; v++)
                acc[r][v] += weight * values[v];
        }
    }
#pragma GCC unroll 8
    for (unsigned r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (unsigned v = 0; v < vectors; v++)
            vec_store(ret + r * SPARSE_TILE + v * LANES,
                      vec_clamp(acc[r][v] + bias[r], p->out_min_f, p->out_max_f));
}

typedef void (*sparse_sums_fn)(const struct kern_conv *p, const float *bias, const float *w,
                               size_t weights, const uint32_t *at, size_t n, const float *x,
                               float *ret);

#define SPARSE_SUMS(rows, vectors)                                                                 \
    static void sparse_sums_##rows##_##vectors(const struct kern_conv *p, const float *bias,       \
                                               const float *w, size_t weights, const uint32_t *at, \
                                               size_t n, const float *x, float *ret) {             \
        sparse_sums(p, bias, w, weights, at, n, x, ret, rows, vectors);                            \
    }
SPARSE_SUMS(1, 1)
SPARSE_SUMS(1, 2)
SPARSE_SUMS(1, 4)
SPARSE_SUMS(1, 8)
SPARSE_SUMS(4, 1)
SPARSE_SUMS(4, 2)
SPARSE_SUMS(4, 3)
#if KERN_SPARSE_4 == 6
SPARSE_SUMS(4, 4)
SPARSE_SUMS(4, 5)
SPARSE_SUMS(4, 6)
#endif

/* A tile of positions: where it is, and which of them exist. */
struct sparse_tile {
    size_t first, n; /* of the band's positions */
    size_t width;    /* of its rows */
};

/* Up to four channels of a pixel. */
static inline void sparse_put(float *y, const lane_f32 *values, size_t channels) {
    if (channels == 4)
        *(lane_f32_unaligned *)(void *)y = *values;
    else
        memcpy(y, values, channels * sizeof(*y));
}

/* Turns the sums of up to four channels of a tile and stores them. */
static void sparse_store(const struct planes *l, const struct sparse_tile *t, const float *sums,
                         size_t channels, size_t out_c, float *y) {
    size_t row = t->first / l->pitch, col = t->first % l->pitch;
    for (size_t i = 0; i < t->n; i += LANES) {
        vec r[4];
        lane_f32 out[LANES];
#pragma GCC unroll 4
        for (unsigned j = 0; j < 4; j++)
            r[j] = vec_load(sums + j * SPARSE_TILE + i);
        sparse_turn(r);
#pragma GCC unroll 4
        for (unsigned j = 0; j < 4; j++)
#pragma GCC unroll 4
            for (unsigned q = 0; q < LANES / 4; q++)
                out[4 * q + j] = *(const lane_f32 *)((const char *)&r[j] + 16 * q);
        if (i + LANES <= t->n && col + LANES <= t->width) {
            float *to = y + (row * l->s.out_w + col) * out_c;
            for (unsigned j = 0; j < LANES; j++)
                sparse_put(to + j * out_c, &out[j], channels);
            col += LANES;
            row += col / l->pitch;
            col %= l->pitch;
            continue;
        }
        for (unsigned j = 0; j < LANES && i + j < t->n; j++) {
            if (col < t->width)
                sparse_put(y + (row * l->s.out_w + col) * out_c, &out[j], channels);
            if (++col == l->pitch) {
                col = 0;
                row++;
            }
        }
    }
}

/* Vectors that the next step of `left` positions takes. */
static unsigned sparse_step(size_t left, unsigned rows) {
    const size_t vectors = (left + LANES - 1) / LANES;
    if (rows == 4)
        return (unsigned)MIN(vectors, (size_t)KERN_SPARSE_4);
    return vectors >= 8 ? 8 : vectors >= 4 ? 4 : vectors >= 2 ? 2 : 1;
}

/* The sums of four channels from `first` on of a tile. */
static void sparse_four(const struct kern_conv *p, const struct sparse_packed *w, size_t block,
                        size_t first, const struct sparse_tile *t, const float *planes,
                        float *sums) {
    static const sparse_sums_fn ones[9] = {
        [1] = sparse_sums_1_1, [2] = sparse_sums_1_2, [4] = sparse_sums_1_4, [8] = sparse_sums_1_8};
    static const sparse_sums_fn fours[KERN_SPARSE_4 + 1] = {
        [1] = sparse_sums_4_1,
        [2] = sparse_sums_4_2,
        [3] = sparse_sums_4_3,
#if KERN_SPARSE_4 == 6
        [4] = sparse_sums_4_4,
        [5] = sparse_sums_4_5,
        [6] = sparse_sums_4_6,
#endif
    };
    const unsigned rows = block == 1 ? 1 : 4;
    for (size_t c = first; c < MIN(first + 4, (size_t)p->out_c); c += rows) {
        const size_t b = c / block, from = b ? w->end[b - 1] : 0, n = w->end[b] - from;
        float *to = sums + (c - first) * SPARSE_TILE;
        for (size_t i = 0; i < t->n;) {
            const unsigned v = sparse_step(t->n - i, rows);
            (rows == 1 ? ones : fours)[v](p, w->bias + c, w->w + from * block + c % block, block,
                                          w->at + from, n, planes + t->first + i, to + i);
            i += v * LANES;
        }
    }
}

static size_t sparse_many_scratch_size(const struct kern_conv *p) {
    const struct planes l = sparse_planes(p);
    return pack_room((4 * SPARSE_TILE + l.size * l.s.in_c + 2 * SPARSE_TILE + l.s.in_c) *
                     sizeof(float));
}

static void sparse_many_run(const struct kern_conv *p, size_t block, const void *packed,
                            const void *x, void *y, void *scratch) {
    const struct planes l = sparse_planes(p);
    const struct sparse_packed w = sparse_view(p, block, packed);
    const size_t out_c = (size_t)p->out_c;
    float *sums = scratch, *planes = sums + 4 * SPARSE_TILE;
    float *zeros = planes + l.size * l.s.in_c + 2 * SPARSE_TILE;
    memset(zeros, 0, l.s.in_c * sizeof(*zeros));
    for (size_t row = 0; row < l.s.out_h; row += l.height) {
        const size_t rows = MIN(l.height, l.s.out_h - row);
        for (size_t col = 0; col < l.s.out_w; col += l.width) {
            struct sparse_tile t = {.width = MIN(l.width, l.s.out_w - col)};
            const size_t n = plane_positions(&l, rows, t.width);
            float *out = (float *)y + (row * l.s.out_w + col) * out_c;
            sparse_stage(&l, x, zeros, row, col, planes);
            for (; t.first < n; t.first += SPARSE_TILE) {
                t.n = MIN((size_t)SPARSE_TILE, n - t.first);
                for (size_t c = 0; c < out_c; c += 4) {
                    sparse_four(p, &w, block, c, &t, planes, sums);
                    sparse_store(&l, &t, sums, MIN((size_t)4, out_c - c), out_c, out + c);
                }
            }
        }
    }
}

/* Half of a vector's lanes at least have work. */
static const char *sparse_many_refuses(const struct kern_conv *p, enum kern_pattern pattern) {
    const char *why = sparse_refuses(p, pattern);
    if (why)
        return why;
    if (sparse_kind_of(p, true) != SPARSE_F32_MANY)
        return "";
    const struct planes l = sparse_planes(p);
    return l.size * l.s.in_c > UINT32_MAX ? "too large" : NULL;
}

#define SPARSE_STEP_many(block) 0

#define SPARSE_IMPL(kind, block, its_pattern)                                                      \
    static const char *sparse_##kind##_refuses_##block(const struct kern_conv *p) {                \
        return sparse_##kind##_refuses(p, its_pattern);                                            \
    }                                                                                              \
    static size_t sparse_##kind##_packed_size_##block(const struct kern_conv *p,                   \
                                                      const struct kern_conv_weights *w) {         \
        return sparse_packed_size(p, w, block, SPARSE_STEP_##kind(block));                         \
    }                                                                                              \
    static void sparse_##kind##_pack_##block(                                                      \
        const struct kern_conv *p, const struct kern_conv_weights *w, void *ret_packed) {          \
        sparse_pack(p, w, block, SPARSE_STEP_##kind(block), ret_packed);                           \
    }                                                                                              \
    static void sparse_##kind##_run_##block(const struct kern_conv *p, const void *packed,         \
                                            const void *x, void *y, void *scratch) {               \
        sparse_##kind##_run(p, block, packed, x, y, scratch);                                      \
    }                                                                                              \
    const struct kern_conv_impl KERN_NAME(sparse_##kind##_f32_##block##x1) = {                     \
        .name = "sparse_" #kind "_f32_" #block "x1_" KERN_STRING(KERN_SUFFIX),                     \
        .refuses = sparse_##kind##_refuses_##block,                                                \
        .packed_size_of = sparse_##kind##_packed_size_##block,                                     \
        .pattern = its_pattern,                                                                    \
        .scratch_size = sparse_##kind##_scratch_size,                                              \
        .pack = sparse_##kind##_pack_##block,                                                      \
        .run = sparse_##kind##_run_##block,                                                        \
    };

SPARSE_IMPL(many, 1, KERN_SINGLES)
SPARSE_IMPL(many, 4, KERN_BLOCKS_4)
SPARSE_IMPL(many, 8, KERN_BLOCKS_8)
