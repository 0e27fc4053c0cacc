/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of float-tmpl.h: convolution and matrix product. Windows are multiplied where they lie, in
 * the input itself if none needs padding, else in a padded copy of some rows: there is no window
 * matrix.
 *
 * Packed block, for each group and each block of its output channels: bias [vectors][lanes], filter
 * [depth][vectors][lanes], missing channels zero; conv-pairs-f32-tmpl.h has another form for few
 * channels.
 */

/* Values looked at at a time. A copy shares the first-level cache with the weights; the input
 * itself is to stay in the second level while the blocks of weights pass by. */
#define STAGE_VALUES ((size_t)6 * 1024)
#define DIRECT_VALUES ((size_t)32 * 1024)

static size_t conv_groups(const struct kern_conv *p) {
    return (size_t)(p->in_c / p->group_in_c);
}

static size_t conv_group_out(const struct kern_conv *p) {
    return (size_t)p->out_c / conv_groups(p);
}

/* Vectors of the block that begins at channel `first` of n. */
static unsigned conv_block_vectors(size_t n, size_t first) {
    const size_t left = n - first;
    if (KERN_ROWS_4 && left > 3 * LANES)
        return 4;
    return left > LANES ? 2 : 1;
}

static size_t conv_block_values(const struct kern_conv *p, unsigned vectors) {
    return vectors * LANES * (1 + im2col_depth(p));
}

static const char *conv_refuses(const struct kern_conv *p) {
    const size_t pixels = (size_t)p->out_h * (size_t)p->out_w;
    /* at least 1: the C reference is to fit anything, an empty product too */
    const size_t macs = MAX(pixels * (size_t)p->out_c * im2col_depth(p), (size_t)1);
    return macs >= KERN_MIN_MACS ? NULL : "fewer than " KERN_STRING(KERN_MIN_MACS) " multiply-adds";
}

/* Packed values of one group. */
static size_t conv_group_values(const struct kern_conv *p) {
    const size_t out = conv_group_out(p);
    size_t values = 0;
    for (size_t c = 0; c < out; c += conv_block_vectors(out, c) * LANES)
        values += conv_block_values(p, conv_block_vectors(out, c));
    return values;
}

static size_t conv_packed_size(const struct kern_conv *p) {
    return pack_room(conv_groups(p) * conv_group_values(p) * sizeof(float));
}

static size_t conv_scratch_size(const struct kern_conv *p) {
    const struct conv_shape s = conv_shape(p);
    if (s.out_h == 0 || s.out_w == 0 || conv_is_inside(&s))
        return 0;
    const size_t width = conv_band_width(&s, STAGE_VALUES, KERN_ROWS_1);
    const size_t height = conv_band_height(&s, STAGE_VALUES, width);
    return pack_room(conv_band_in(&s, height) * stage_pitch(&s, width) * sizeof(float));
}

static float conv_weight(const struct kern_conv *p, const float *filter, size_t out, size_t k) {
    return p->depthwise ? filter[k * (size_t)p->out_c + out] : filter[out * im2col_depth(p) + k];
}

/* A block of the `n` channels from `out` on. */
static void conv_pack_block(const struct kern_conv *p, const struct conv_shape *s,
                            const struct kern_conv_weights *w, size_t out, size_t n, size_t lanes,
                            float *ret) {
    const bool paired = conv_is_paired(n);
    for (size_t c = 0; c < MIN(n, lanes); c++) {
        ret[c] = w->bias ? ((const float *)w->bias)[out + c] : 0;
        if (paired)
            ret[LANES / 2 + c] = ret[c];
        for (size_t k = 0; k < im2col_depth(p); k++)
            ret[paired ? conv_pair_at(s, c, k) : (1 + k) * lanes + c] =
                conv_weight(p, w->filter, out + c, k);
    }
}

static void conv_pack(const struct kern_conv *p, const struct kern_conv_weights *w,
                      void *ret_packed) {
    const struct conv_shape s = conv_shape(p);
    const size_t group_out = conv_group_out(p);
    float *at = ret_packed;
    memset(ret_packed, 0, conv_packed_size(p));
    for (size_t g = 0; g < conv_groups(p); g++) {
        for (size_t first = 0; first < group_out;) {
            const unsigned vectors = conv_block_vectors(group_out, first);
            conv_pack_block(p, &s, w, g * group_out + first, group_out - first, vectors * LANES,
                            at);
            at += conv_block_values(p, vectors);
            first += vectors * LANES;
        }
    }
}

/* Output rows and pixels of each whose windows lie in `x`, rows `pitch` values apart, by the output
 * channels of a group. */
static void conv_band(const struct kern_conv *p, const struct conv_shape *s, const float *packed,
                      const float *x, size_t pitch, size_t rows, size_t width, float *y) {
    const size_t group_out = conv_group_out(p);
    struct conv_tile t = {
        .pixel = s->stride_w * s->in_c,
        .out_pixel = (size_t)p->out_c,
        .kernel_h = s->kernel_h,
        .kernel_step = s->dilation_h * pitch,
        .runs_x = s->runs_x,
        .run_step = s->run_step,
        .run_length = s->run_length,
        .block = packed,
        .lo = p->out_min_f,
        .hi = p->out_max_f,
    };
    for (size_t first = 0; first < group_out;) {
        const unsigned n = conv_block_vectors(group_out, first);
        size_t most;
        t.x = x;
        t.y = y + first;
        t.channels = group_out - first;
        const conv_tile_fn *fns = conv_tile_choose(&t, n, &most);
        conv_walk(&t, fns, most, width, rows, s->stride_h * pitch, s->out_w * t.out_pixel);
        t.block += conv_block_values(p, n);
        first += n * LANES;
    }
}

static void conv_run(const struct kern_conv *p, const void *packed, const void *x, void *y,
                     void *scratch) {
    const struct conv_shape s = conv_shape(p);
    if (s.out_h == 0 || s.out_w == 0)
        return;
    const bool inside = conv_is_inside(&s);
    const size_t values = inside ? DIRECT_VALUES : STAGE_VALUES;
    const size_t width = conv_band_width(&s, values, KERN_ROWS_1);
    const size_t height = conv_band_height(&s, values, width);
    for (size_t row = 0; row < s.out_h; row += height) {
        const size_t rows = MIN(height, s.out_h - row);
        for (size_t col = 0; col < s.out_w; col += width) {
            const size_t n = MIN(width, s.out_w - col);
            size_t pitch = s.in_w * s.in_c;
            const float *band = (const float *)x + row * s.stride_h * pitch;
            if (inside) {
                band += col * s.stride_w * s.in_c;
            } else {
                stage_band(&s, x, row, rows, col, n, scratch);
                band = scratch;
                pitch = stage_pitch(&s, n);
            }
            float *out = (float *)y + (row * s.out_w + col) * (size_t)p->out_c;
            for (size_t g = 0; g < conv_groups(p); g++)
                conv_band(p, &s, (const float *)packed + g * conv_group_values(p),
                          band + g * (size_t)p->group_in_c, pitch, rows, n,
                          out + g * conv_group_out(p));
        }
    }
}

const struct kern_conv_impl KERN_NAME(conv_f32) = {
    .name = "conv_f32_" KERN_STRING(KERN_ROWS_2) "x2v_" KERN_STRING(KERN_SUFFIX),
    .refuses = conv_refuses,
    .packed_size = conv_packed_size,
    .scratch_size = conv_scratch_size,
    .pack = conv_pack,
    .run = conv_run,
};
