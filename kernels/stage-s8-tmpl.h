/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: how the convolutions stage activations.
 */

/* One weight as the products take it: vec_staged's width, signed. */
typedef __typeof__(__builtin_choose_expr(sizeof(vec_staged) == 1, (int8_t)0,
                                         (int16_t)0)) vec_weight;

/* n values, `chunk` at a time, which n is not less than: the last chunk overlaps the one before it,
 * so that none are left over. */
static inline __attribute__((always_inline)) void stage_chunks(vec_staged *restrict dst,
                                                               const int8_t *restrict x, size_t n,
                                                               vec_staged offset,
                                                               const size_t chunk) {
    for (size_t i = 0; i < n; i += chunk) {
        i = MIN(i, n - chunk);
        for (size_t j = 0; j < chunk; j++)
            dst[i + j] = (vec_staged)(x[i + j] + offset);
    }
}

/* n values; `x` NULL stages padding. */
static inline __attribute__((always_inline)) void
stage_values(vec_staged *restrict dst, const int8_t *restrict x, size_t n, int32_t in_zero) {
    const vec_staged offset = (vec_staged)vec_stage_offset(in_zero);
    const vec_staged padding = (vec_staged)(in_zero + vec_stage_offset(in_zero));
    const size_t chunk = VEC_BYTES / sizeof(vec_staged);
    if (!x)
        for (size_t i = 0; i < n; i++)
            dst[i] = padding;
    else if (n >= chunk)
        stage_chunks(dst, x, n, offset, chunk);
    else if (n >= 8)
        stage_chunks(dst, x, n, offset, 8);
    else
        stage_chunks(dst, x, n, offset, 1);
}

/* Pixels [start, start + wide) of row y, both counted from the padding's edge. */
static inline __attribute__((always_inline)) void stage_row(const struct conv_shape *s,
                                                            int32_t in_zero, const int8_t *x,
                                                            size_t y, size_t start, size_t wide,
                                                            vec_staged *dst) {
    const size_t c = s->in_c;
    if (y < s->pad_top || y - s->pad_top >= s->in_h) {
        stage_values(dst, NULL, wide * c, in_zero);
        return;
    }
    const size_t left = start < s->pad_left ? MIN(s->pad_left - start, wide) : 0;
    const size_t from = start + left - s->pad_left;
    const size_t inside = from < s->in_w ? MIN(wide - left, s->in_w - from) : 0;
    if (left)
        stage_values(dst, NULL, left * c, in_zero);
    if (inside)
        stage_values(dst + left * c, x + ((y - s->pad_top) * s->in_w + from) * c, inside * c,
                     in_zero);
    stage_values(dst + (left + inside) * c, NULL, (wide - left - inside) * c, in_zero);
}
