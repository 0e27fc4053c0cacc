/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: convolution and matrix product. Windows are multiplied where they lie in the
 * staged input: there is no im2col matrix. The file of the tile, conv-s8-tile-tmpl.h or the tier's
 * own, gives
 *   CONV_TILE_SIZE                      its part of the name,
 *   conv_tile_refuses(p)                shapes it is not for,
 *   conv_band_begin(t, width), _end()   called around the rows of a band,
 *   conv_row(t, width, vectors)         a row of pixels by a block of channels.
 */

static const char *conv_refuses(const struct kern_conv *p) {
    /* Several outputs of a single input channel are as good as a convolution. */
    if (p->depthwise && (p->in_c > 1 || p->out_c < 4))
        return "";
    if (p->group_in_c != p->in_c)
        return "grouped";
    if (sizeof(vec_weight) == 1 && p->weight_zero != 0)
        return "weights with a zero point";
    if (p->out_h == 0 || p->out_w == 0 || p->out_c == 0 || p->in_c == 0)
        return "empty";
    return conv_tile_refuses(p);
}

typedef void (*conv_row_fn)(struct conv_tile *t, size_t width, unsigned vectors);

static inline __attribute__((always_inline)) void
conv_band(const struct kern_conv *p, const struct conv_shape *s, size_t groups, const void *packed,
          const vec_staged *staged, size_t rows, size_t width, int8_t *y, conv_row_fn row_fn) {
    const size_t out_c = (size_t)p->out_c, pitch = conv_band_pitch(s, width);
    uint32_t flags[2];
    memcpy(flags, packed, sizeof(flags));
    struct conv_tile t = {
        .pixel = s->stride_w * s->in_c,
        .kernel_h = s->kernel_h,
        .kernel_step = s->dilation_h * pitch,
        .runs_x = s->runs_x,
        .run_step = s->run_step,
        .groups = groups,
        .block = (const char *)packed + CONV_HEADER,
        .out_c = out_c,
        .out = vec_out_set(p->out_zero, p->out_min, p->out_max),
        .kind = flags[0],
        .may_wrap = flags[1],
    };
    conv_band_begin(&t, width);
    for (size_t first = 0; first < out_c;) {
        const unsigned n = conv_block_vectors(out_c, first);
        t.channels = out_c - first;
        for (size_t row = 0; row < rows; row++) {
            t.x = staged + row * s->stride_h * pitch;
            t.y = y + row * s->out_w * out_c + first;
            row_fn(&t, width, n);
        }
        t.block += conv_block_bytes(s, groups, n);
        first += n * VEC_LANES;
    }
    conv_band_end();
}

static inline __attribute__((always_inline)) void
conv_run_rows(const struct kern_conv *p, const struct conv_shape *s, size_t groups,
              const void *packed, const void *x, void *y, void *scratch, conv_row_fn row_fn) {
    const size_t width = conv_band_width(s, STAGE_VALUES, CONV_MAX_ROWS);
    const size_t height = conv_band_height(s, STAGE_VALUES, width);
    for (size_t row = 0; row < s->out_h; row += height) {
        const size_t rows = MIN(height, s->out_h - row);
        for (size_t col = 0; col < s->out_w; col += width) {
            const size_t n = MIN(width, s->out_w - col);
            conv_stage_band(p, s, x, row, rows, col, n, scratch);
            conv_band(p, s, groups, packed, scratch, rows, n,
                      (int8_t *)y + (row * s->out_w + col) * (size_t)p->out_c, row_fn);
        }
    }
}

static void conv_run(const struct kern_conv *p, const void *packed, const void *x, void *y,
                     void *scratch) {
    const struct conv_shape s = conv_shape(p);
    conv_run_rows(p, &s, conv_run_groups(&s, VEC_GROUP), packed, x, y, scratch, conv_row);
}

const struct kern_conv_impl KERN_NAME(conv_s8) = {
    .name = "conv_s8_" CONV_TILE_SIZE "_" KERN_STRING(KERN_SUFFIX),
    .refuses = conv_refuses,
    .packed_size = conv_packed_size,
    .scratch_size = conv_scratch_size,
    .pack = conv_pack,
    .run = conv_run,
};
