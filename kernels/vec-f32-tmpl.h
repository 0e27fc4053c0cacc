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

static inline vec vec_clamp(vec v, float lo, float hi) {
    const vec l = lo - (vec){0}, h = hi - (vec){0};
    v = vec_select(v < l, l, v);
    return vec_select(v > h, h, v);
}

/* The first n values, n < LANES, in pieces of known size. */
static inline void vec_store_part(float *y, vec v, size_t n) {
    float all[LANES];
    const float *from = all;
    vec_store(all, v);
#pragma GCC unroll 4
    for (size_t piece = LANES / 2; piece > 0; piece /= 2) {
        if (n & piece) {
            memcpy(y, from, piece * sizeof(float));
            y += piece;
            from += piece;
        }
    }
}

/* n values; `x` NULL gives zeros. Rows are often a few vectors long: not worth a call. */
static inline void stage_run(float *dst, const float *x, size_t n) {
    size_t i = 0;
    if (!x) {
        for (; i + LANES <= n; i += LANES)
            vec_store(dst + i, (vec){0});
        for (; i < n; i++)
            dst[i] = 0;
        return;
    }
    for (; i + LANES <= n; i += LANES)
        vec_store(dst + i, vec_load(x + i));
    for (; i < n; i++)
        dst[i] = x[i];
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

/* The input of output rows [row, row + rows) and pixels [col, col + width) of each. */
static void stage_band(const struct conv_shape *s, const float *x, size_t row, size_t rows,
                       size_t col, size_t width, float *dst) {
    const size_t pitch = conv_band_pitch(s, width);
    for (size_t i = 0; i < conv_band_in(s, rows); i++, dst += pitch)
        stage_row(s, stage_source(s, x, row * s->stride_h + i), col * s->stride_w, pitch / s->in_c,
                  dst);
}
