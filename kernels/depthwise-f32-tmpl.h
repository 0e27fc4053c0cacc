/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of float-tmpl.h: depthwise convolution with one output channel for each input channel,
 * vectors along the channels.
 *
 * Packed block: bias [out_c], filter [kernel_h][kernel_w][out_c].
 */

static const char *depthwise_refuses(const struct kern_conv *p) {
    if (!p->depthwise)
        return "not depthwise";
    return p->in_c == p->out_c ? NULL : "several output channels for an input channel";
}

static size_t depthwise_packed_size(const struct kern_conv *p) {
    return pack_room((size_t)p->out_c * (1 + im2col_depth(p)) * sizeof(float));
}

static size_t depthwise_scratch_size(const struct kern_conv *p) {
    return 0;
}

static void depthwise_pack(const struct kern_conv *p, const struct kern_conv_weights *w,
                           void *ret_packed) {
    const size_t channels = (size_t)p->out_c;
    float *at = ret_packed;
    memset(ret_packed, 0, depthwise_packed_size(p));
    if (w->bias)
        memcpy(at, w->bias, channels * sizeof(float));
    memcpy(at + channels, w->filter, channels * im2col_depth(p) * sizeof(float));
}

/* The taps of one output pixel that are inside the image. */
struct depthwise_window {
    int32_t ky0, ky1, kx0, kx1;
    int64_t iy, ix; /* of tap (0, 0); may be outside */
};

static inline void depthwise_span(int64_t at, int32_t size, int32_t kernel, int32_t dilation,
                                  int32_t *ret_first, int32_t *ret_end) {
    int32_t first = 0, end = kernel;
    if (at < 0)
        first = (int32_t)MIN((-at + dilation - 1) / dilation, (int64_t)kernel);
    if (at + (int64_t)(kernel - 1) * dilation >= size)
        end = (int32_t)MAX((size - at + dilation - 1) / dilation, (int64_t)first);
    *ret_first = first;
    *ret_end = end;
}

/* Defines the function of `count` neighbouring vectors of `lanes` channels of one pixel. */
#define DEPTHWISE_DEFINE(lanes, count)                                                             \
    static inline void depthwise_##lanes##x##count(                                                \
        const struct kern_conv *p, const struct depthwise_window *win, const float *packed,        \
        const float *x, float *y) {                                                                \
        typedef float vector __attribute__((vector_size((lanes)*4), aligned(4), may_alias));       \
        typedef int32_t mask __attribute__((vector_size((lanes)*4)));                              \
        const size_t channels = (size_t)p->in_c;                                                   \
        const size_t row = (size_t)p->in_w * channels;                                             \
        const size_t step = (size_t)p->dilation_w * channels;                                      \
        vector acc[count] = {{0}};                                                                 \
        for (int32_t ky = win->ky0; ky < win->ky1; ky++) {                                         \
            const float *w = packed + (1 + (size_t)(ky * p->kernel_w + win->kx0)) * channels;      \
            const float *in = x + (size_t)(win->iy + (int64_t)ky * p->dilation_h) * row +          \
                              (size_t)(win->ix + (int64_t)win->kx0 * p->dilation_w) * channels;    \
            for (int32_t kx = win->kx0; kx < win->kx1; kx++, w += channels, in += step) {          \
                for (unsigned i = 0; i < (count); i++)                                             \
                    acc[i] += *(const vector *)(const void *)(in + i * (lanes)) *                  \
                              *(const vector *)(const void *)(w + i * (lanes));                    \
            }                                                                                      \
        }                                                                                          \
        const vector lo = p->out_min_f - (vector){0}, hi = p->out_max_f - (vector){0};             \
        for (unsigned i = 0; i < (count); i++) {                                                   \
            vector v = acc[i] + *(const vector *)(const void *)(packed + i * (lanes));             \
            mask m = v < lo;                                                                       \
            v = (vector)(((mask)lo & m) | ((mask)v & ~m));                                         \
            m = v > hi;                                                                            \
            v = (vector)(((mask)hi & m) | ((mask)v & ~m));                                         \
            *(vector *)(void *)(y + i * (lanes)) = v;                                              \
        }                                                                                          \
    }

#define DEPTHWISE_ALL(lanes, count)                                                                \
    for (; c + (lanes) * (count) <= channels; c += (lanes) * (count))                              \
        depthwise_##lanes##x##count(p, win, packed + c, x + c, y + c);

DEPTHWISE_DEFINE(1, 1)
DEPTHWISE_DEFINE(4, 1)
#if KERN_VECTOR == 16
DEPTHWISE_DEFINE(4, 4)
#endif
#if KERN_VECTOR >= 32
DEPTHWISE_DEFINE(8, 1)
#endif
#if KERN_VECTOR == 32
DEPTHWISE_DEFINE(8, 4)
#endif
#if KERN_VECTOR == 64
DEPTHWISE_DEFINE(16, 1)
DEPTHWISE_DEFINE(16, 4)
#endif

/* The widest vectors first, several at a time so that the sums do not wait for each other. */
static void depthwise_pixel(const struct kern_conv *p, const struct depthwise_window *win,
                            const float *packed, const float *x, float *y) {
    const size_t channels = (size_t)p->in_c;
    size_t c = 0;
#if KERN_VECTOR == 64
    DEPTHWISE_ALL(16, 4)
    DEPTHWISE_ALL(16, 1)
#endif
#if KERN_VECTOR == 32
    DEPTHWISE_ALL(8, 4)
#endif
#if KERN_VECTOR >= 32
    DEPTHWISE_ALL(8, 1)
#endif
#if KERN_VECTOR == 16
    DEPTHWISE_ALL(4, 4)
#endif
    DEPTHWISE_ALL(4, 1)
    DEPTHWISE_ALL(1, 1)
}

static void depthwise_run(const struct kern_conv *p, const void *packed, const void *x, void *y,
                          void *scratch) {
    float *out = y;
    for (int32_t oy = 0; oy < p->out_h; oy++) {
        struct depthwise_window win = {.iy = (int64_t)oy * p->stride_h - p->pad_top};
        depthwise_span(win.iy, p->in_h, p->kernel_h, p->dilation_h, &win.ky0, &win.ky1);
        for (int32_t ox = 0; ox < p->out_w; ox++, out += p->out_c) {
            win.ix = (int64_t)ox * p->stride_w - p->pad_left;
            depthwise_span(win.ix, p->in_w, p->kernel_w, p->dilation_w, &win.kx0, &win.kx1);
            depthwise_pixel(p, &win, packed, x, out);
        }
    }
}

const struct kern_conv_impl KERN_NAME(depthwise_f32) = {
    .name = "depthwise_f32_1xv_" KERN_STRING(KERN_SUFFIX),
    .refuses = depthwise_refuses,
    .packed_size = depthwise_packed_size,
    .scratch_size = depthwise_scratch_size,
    .pack = depthwise_pack,
    .run = depthwise_run,
};
