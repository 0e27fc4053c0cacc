/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: bytes of pixels as bytes of planes, and back. A square of 16 channels of 16
 * pixels is turned in each 128 bits of a vector, so that SPARSE_FLAT pixels are done at a time.
 */

#define SPARSE_FLAT ((size_t)VEC_BYTES)

typedef uint8_t sparse_bytes __attribute__((vector_size(VEC_BYTES)));
typedef uint8_t sparse_bytes_unaligned
    __attribute__((vector_size(VEC_BYTES), aligned(1), may_alias));
typedef uint8_t sparse_part __attribute__((vector_size(16)));
typedef uint8_t sparse_part_unaligned __attribute__((vector_size(16), aligned(1), may_alias));

/* Pairs of eight bytes of both vectors, from byte i on. */
#define SPARSE_ZIP(i)                                                                              \
    (i), (i) + VEC_BYTES, (i) + 1, (i) + 1 + VEC_BYTES, (i) + 2, (i) + 2 + VEC_BYTES, (i) + 3,     \
        (i) + 3 + VEC_BYTES, (i) + 4, (i) + 4 + VEC_BYTES, (i) + 5, (i) + 5 + VEC_BYTES, (i) + 6,  \
        (i) + 6 + VEC_BYTES, (i) + 7, (i) + 7 + VEC_BYTES

#if VEC_LANES == 4
#define SPARSE_ZIP_LO SPARSE_ZIP(0)
#define SPARSE_ZIP_HI SPARSE_ZIP(8)
#else
#define SPARSE_ZIP_LO SPARSE_ZIP(0), SPARSE_ZIP(16)
#define SPARSE_ZIP_HI SPARSE_ZIP(8), SPARSE_ZIP(24)
#endif

typedef uint64_t sparse_words __attribute__((vector_size(16), may_alias));

/* Sixteen bytes at at[0], and with two halves as many at at[16], as one vector. */
static inline sparse_bytes sparse_join(const uint8_t *const *at, size_t offset) {
    const sparse_words a =
        (sparse_words) * (const sparse_part_unaligned *)(const void *)(at[0] + offset);
#if VEC_LANES == 4
    return (sparse_bytes)a;
#else
    const sparse_words b =
        (sparse_words) * (const sparse_part_unaligned *)(const void *)(at[16] + offset);
    return (sparse_bytes)__builtin_shufflevector(a, b, 0, 1, 2, 3);
#endif
}

/* Squares of 16 by 16 bytes, in each 128 bits: four times the same perfect shuffle. */
static inline __attribute__((always_inline)) void sparse_turn(sparse_bytes r[16]) {
#pragma GCC unroll 4
    for (unsigned round = 0; round < 4; round++) {
        sparse_bytes t[16];
#pragma GCC unroll 8
        for (unsigned i = 0; i < 8; i++) {
            t[2 * i] = __builtin_shufflevector(r[i], r[i + 8], SPARSE_ZIP_LO);
            t[2 * i + 1] = __builtin_shufflevector(r[i], r[i + 8], SPARSE_ZIP_HI);
        }
#pragma GCC unroll 16
        for (unsigned i = 0; i < 16; i++)
            r[i] = t[i];
    }
}

/* One channel of SPARSE_FLAT pixels, as the products take it. */
static inline void sparse_stage_row(vec_staged *dst, sparse_bytes bytes, int32_t in_zero) {
    const vec_staged offset = (vec_staged)vec_stage_offset(in_zero);
    if (sizeof(vec_staged) == 1) {
        *(sparse_bytes_unaligned *)(void *)dst = bytes + (uint8_t)offset;
        return;
    }
    int8_t x[SPARSE_FLAT];
    memcpy(x, &bytes, sizeof(x));
    for (size_t i = 0; i < SPARSE_FLAT; i++)
        dst[i] = (vec_staged)(x[i] + offset);
}

/* SPARSE_FLAT pixels as neighbouring positions of all planes. */
static void sparse_stage_group(const struct planes *l, int32_t in_zero,
                               const uint8_t *const *pixels, vec_staged *planes) {
    const size_t n = l->s.in_c, size = l->size;
    const vec_staged offset = (vec_staged)vec_stage_offset(in_zero);
    size_t c = 0;
    for (; c + 16 <= n; c += 16) {
        sparse_bytes r[16];
#pragma GCC unroll 16
        for (unsigned i = 0; i < 16; i++)
            r[i] = sparse_join(pixels + i, c);
        sparse_turn(r);
#pragma GCC unroll 16
        for (unsigned i = 0; i < 16; i++)
            sparse_stage_row(planes + (c + i) * size, r[i], in_zero);
    }
    for (; c < n; c++)
        for (size_t i = 0; i < SPARSE_FLAT; i++)
            planes[c * size + i] = (vec_staged)((int8_t)pixels[i][c] + offset);
}

/* The planes of the band whose first output is (row, col); `padding`: a pixel of it. */
static void sparse_stage(const struct planes *l, int32_t in_zero, const uint8_t *x,
                         const uint8_t *padding, size_t row, size_t col, vec_staged *planes) {
    const size_t n = planes_positions(l);
    struct plane_walk walk = {0};
    for (size_t i = 0; i < n; i += SPARSE_FLAT) {
        const uint8_t *pixels[SPARSE_FLAT];
        for (size_t j = 0; j < SPARSE_FLAT; j++) {
            const size_t pixel = i + j < n ? plane_pixel(l, &walk, row, col) : SIZE_MAX;
            pixels[j] = pixel == SIZE_MAX ? padding : x + pixel * l->s.in_c;
            plane_walk_next(l, &walk);
        }
        sparse_stage_group(l, in_zero, pixels, planes + i);
    }
}

/* Positions of a band whose results are to be stored. */
struct sparse_tile {
    size_t first, n; /* of the band's positions */
    size_t width;    /* of its rows */
};

/* Turns results [16][SPARSE_FLAT] of up to 16 channels and stores them. */
static void sparse_store(const struct planes *l, const struct sparse_tile *t,
                         const uint8_t *results, size_t channels, size_t out_c, int8_t *y) {
    size_t row = t->first / l->pitch, col = t->first % l->pitch;
    sparse_bytes r[16];
    uint8_t out[16][VEC_BYTES];
#pragma GCC unroll 16
    for (unsigned i = 0; i < 16; i++)
        r[i] = *(const sparse_bytes_unaligned *)(const void *)(results + i * SPARSE_FLAT);
    sparse_turn(r);
#pragma GCC unroll 16
    for (unsigned i = 0; i < 16; i++)
        memcpy(out[i], &r[i], VEC_BYTES);
    for (size_t i = 0; i < t->n; i++) {
        if (col < t->width) {
            const uint8_t *from = out[i % 16] + i / 16 * 16;
            int8_t *to = y + (row * l->s.out_w + col) * out_c;
            if (channels == 16)
                memcpy(to, from, 16);
            else
                memcpy(to, from, channels);
        }
        if (++col == l->pitch) {
            col = 0;
            row++;
        }
    }
}
