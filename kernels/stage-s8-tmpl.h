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

/* n values; `x` NULL stages padding. */
static inline void stage_values(vec_staged *dst, const int8_t *x, size_t n, int32_t in_zero) {
    const vec_staged offset = (vec_staged)vec_stage_offset(in_zero);
    const vec_staged padding = (vec_staged)(in_zero + vec_stage_offset(in_zero));
    if (x)
        for (size_t i = 0; i < n; i++)
            dst[i] = (vec_staged)(x[i] + offset);
    else
        for (size_t i = 0; i < n; i++)
            dst[i] = padding;
}
