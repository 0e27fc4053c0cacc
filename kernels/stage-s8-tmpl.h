/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: what the convolutions share: which way a shape is read, and how activations
 * are staged.
 */

/* One weight as the products take it: vec_staged's width, signed. */
typedef __typeof__(__builtin_choose_expr(sizeof(vec_staged) == 1, (int8_t)0,
                                         (int16_t)0)) vec_weight;

/* The same convolution along a row where it can be: rows make tiles. */
static struct kern_conv stage_as_row(const struct kern_conv *given) {
    struct kern_conv p = *given;
    if (im2col_is_input(&p)) {
        p.out_w = p.in_w = p.out_h * p.out_w;
        p.out_h = p.in_h = 1;
    } else if (p.in_w == 1 && p.kernel_w == 1 && p.out_w == 1 && p.pad_left == 0) {
        /* A column is as good as a row. */
        p.in_w = p.in_h;
        p.out_w = p.out_h;
        p.kernel_w = p.kernel_h;
        p.stride_w = p.stride_h;
        p.dilation_w = p.dilation_h;
        p.pad_left = p.pad_top;
        p.in_h = p.out_h = p.kernel_h = p.stride_h = p.dilation_h = 1;
        p.pad_top = 0;
    }
    return p;
}

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

/* What staging has to know of an input. */
struct stage_input {
    size_t h, w, c, pad_top, pad_left;
    int32_t zero;
};

static struct stage_input stage_input(const struct kern_conv *p) {
    return (struct stage_input){
        .h = (size_t)p->in_h,
        .w = (size_t)p->in_w,
        .c = (size_t)p->in_c,
        .pad_top = (size_t)p->pad_top,
        .pad_left = (size_t)p->pad_left,
        .zero = p->in_zero,
    };
}

/* Pixels [start, start + wide) of row y, both counted from the padding's edge. */
static inline __attribute__((always_inline)) void stage_row(const struct stage_input *in,
                                                            const int8_t *x, size_t y, size_t start,
                                                            size_t wide, vec_staged *dst) {
    if (y < in->pad_top || y - in->pad_top >= in->h) {
        stage_values(dst, NULL, wide * in->c, in->zero);
        return;
    }
    const size_t left = start < in->pad_left ? MIN(in->pad_left - start, wide) : 0;
    const size_t from = start + left - in->pad_left;
    const size_t inside = from < in->w ? MIN(wide - left, in->w - from) : 0;
    if (left)
        stage_values(dst, NULL, left * in->c, in->zero);
    if (inside)
        stage_values(dst + left * in->c, x + ((y - in->pad_top) * in->w + from) * in->c,
                     inside * in->c, in->zero);
    stage_values(dst + (left + inside) * in->c, NULL, (wide - left - inside) * in->c, in->zero);
}
