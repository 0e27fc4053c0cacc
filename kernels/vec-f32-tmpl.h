/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of float-tmpl.h: the tier's vector, and the input staged in padded bands.
 */

#define LANES (KERN_VECTOR / 4)

typedef float vec __attribute__((vector_size(KERN_VECTOR)));
typedef float vec_unaligned __attribute__((vector_size(KERN_VECTOR), aligned(4), may_alias));
typedef int32_t vec_mask __attribute__((vector_size(KERN_VECTOR)));

static inline vec vec_load(const float *p) {
    return *(const vec_unaligned *)(const void *)p;
}

static inline void vec_store(float *p, vec v) {
    *(vec_unaligned *)(void *)p = v;
}

static inline vec vec_select(vec_mask mask, vec a, vec b) {
    return (vec)(((vec_mask)a & mask) | ((vec_mask)b & ~mask));
}

/* The second operand where they are not ordered. */
#ifndef KERN_MAX
#define KERN_MAX(a, b) vec_select((a) > (b), a, b)
#define KERN_MIN(a, b) vec_select((a) < (b), a, b)
#endif

static inline vec vec_clamp(vec v, float lo, float hi) {
    v = KERN_MAX(lo - (vec){0}, v);
    return KERN_MIN(hi - (vec){0}, v);
}

/* Copies n values, n < LANES, in pieces of known size. */
static inline void copy_part(float *y, const float *x, size_t n) {
#pragma GCC unroll 4
    for (size_t piece = LANES / 2; piece > 0; piece /= 2) {
        if (n & piece) {
            memcpy(y, x, piece * sizeof(float));
            y += piece;
            x += piece;
        }
    }
}

static void copy_values(float *y, const float *x, size_t n) {
    for (; n >= LANES; n -= LANES, y += LANES, x += LANES)
        vec_store(y, vec_load(x));
    copy_part(y, x, n);
}

/* n values; `x` NULL gives zeros. Runs are often a few vectors long: not worth a call. */
static inline void stage_run(float *dst, const float *x, size_t n) {
    static const float zeros[LANES];
    if (n < LANES) {
        copy_part(dst, x ? x : zeros, n);
        return;
    }
    /* the last vector goes back as far as it must to be full */
    const size_t last = n - LANES;
    if (x) {
        for (size_t i = 0; i < last; i += LANES)
            vec_store(dst + i, vec_load(x + i));
        vec_store(dst + last, vec_load(x + last));
    } else {
        for (size_t i = 0; i < last; i += LANES)
            vec_store(dst + i, (vec){0});
        vec_store(dst + last, (vec){0});
    }
}

/* `wide` pixels of a padded input row from pixel `start` on; `x` is the row, NULL where it is
 * padding. */
static inline void stage_row(const struct conv_shape *s, const float *x, size_t start, size_t wide,
                             float *dst) {
    if (!x) {
        stage_run(dst, NULL, wide * s->in_c);
        return;
    }
    const size_t left = start < s->pad_left ? MIN(s->pad_left - start, wide) : 0;
    const size_t from = start + left - s->pad_left;
    const size_t inside = from < s->in_w ? MIN(wide - left, s->in_w - from) : 0;
    stage_run(dst, NULL, left * s->in_c);
    if (inside)
        stage_run(dst + left * s->in_c, x + from * s->in_c, inside * s->in_c);
    stage_run(dst + (left + inside) * s->in_c, NULL, (wide - left - inside) * s->in_c);
}

/* The input row that padded row y is; NULL: padding. */
static inline const float *stage_source(const struct conv_shape *s, const float *x, size_t y) {
    if (y < s->pad_top || y - s->pad_top >= s->in_h)
        return NULL;
    return x + (y - s->pad_top) * s->in_w * s->in_c;
}

/* Values from one row of a staged band to the next: rows begin on whole vectors. */
static inline size_t stage_pitch(const struct conv_shape *s, size_t width) {
    return round_up(conv_band_pitch(s, width), LANES);
}

/* The input of output rows [row, row + rows) and pixels [col, col + width) of each. */
static void stage_band(const struct conv_shape *s, const float *x, size_t row, size_t rows,
                       size_t col, size_t width, float *dst) {
    const size_t wide = conv_band_pitch(s, width) / s->in_c;
    for (size_t i = 0; i < conv_band_in(s, rows); i++, dst += stage_pitch(s, width))
        stage_row(s, stage_source(s, x, row * s->stride_h + i), col * s->stride_w, wide, dst);
}
