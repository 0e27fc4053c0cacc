/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: staging. The input of some output rows is copied once into a padded band of
 * vec_staged, so that no window needs a check of borders.
 */

/* The input of output rows [row, row + rows) and pixels [col, col + width) of each. */
static void conv_stage_band(const struct kern_conv *p, const struct conv_shape *s, const int8_t *x,
                            size_t row, size_t rows, size_t col, size_t width, vec_staged *dst) {
    const size_t values = conv_band_pitch(s, width), wide = values / s->in_c;
    const size_t start = col * s->stride_w;
    const size_t left = start < s->pad_left ? MIN(s->pad_left - start, wide) : 0;
    const size_t from = start + left - s->pad_left;
    const size_t inside = from < s->in_w ? MIN(wide - left, s->in_w - from) : 0;
    for (size_t i = 0; i < conv_band_in(s, rows); i++, dst += values) {
        const size_t y = row * s->stride_h + i;
        if (y < s->pad_top || y - s->pad_top >= s->in_h) {
            stage_values(dst, NULL, values, p->in_zero);
            continue;
        }
        const int8_t *src = x + ((y - s->pad_top) * s->in_w + from) * s->in_c;
        if (left)
            stage_values(dst, NULL, left * s->in_c, p->in_zero);
        if (inside)
            stage_values(dst + left * s->in_c, src, inside * s->in_c, p->in_zero);
        stage_values(dst + (left + inside) * s->in_c, NULL, (wide - left - inside) * s->in_c,
                     p->in_zero);
    }
}
