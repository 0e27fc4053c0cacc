/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: staging. The input of some output rows is copied once into a padded band of
 * vec_staged, so that no window needs a check of borders.
 */

/* The input of output rows [row, row + rows) and pixels [col, col + width) of each. */
static void conv_stage_band(const struct kern_conv *p, const struct conv_shape *s, const int8_t *x,
                            size_t row, size_t rows, size_t col, size_t width, vec_staged *dst) {
    const size_t values = conv_band_pitch(s, width);
    for (size_t i = 0; i < conv_band_in(s, rows); i++, dst += values)
        stage_row(s, p->in_zero, x, row * s->stride_h + i, col * s->stride_w, values / s->in_c,
                  dst);
}
