/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions: every implementation in a tier's list, on every shape it can run, against the seven
 * loops.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attributes.h"
#include "kernels/blas.h"
#include "kernels/fixedpoint.h"
#include "kernels/im2col.h"
#include "tests/kernels/check.h"
#include "tests/kernels/naive.h"

static int32_t out_size(int32_t in, int32_t kernel, int32_t stride, int32_t dilation,
                        int32_t before, int32_t after) {
    return (in + before + after - (kernel - 1) * dilation - 1) / stride + 1;
}

/* [h, w, in_c] by a kernel of k_h x k_w with "same" padding. */
static struct kern_conv image(int32_t h, int32_t w, int32_t in_c, int32_t k_h, int32_t k_w,
                              int32_t stride, int32_t out_c, bool depthwise) {
    struct kern_conv p = kern_conv_product(1, in_c, out_c);
    p.in_h = h;
    p.in_w = w;
    p.kernel_h = k_h;
    p.kernel_w = k_w;
    p.stride_h = p.stride_w = stride;
    p.out_h = (h + stride - 1) / stride;
    p.out_w = (w + stride - 1) / stride;
    p.pad_top = MAX((p.out_h - 1) * stride + k_h - h, 0) / 2;
    p.pad_left = MAX((p.out_w - 1) * stride + k_w - w, 0) / 2;
    p.group_in_c = depthwise ? 1 : in_c;
    p.depthwise = depthwise;
    return p;
}

/* Any stride, dilation, padding, groups, multiplier; sizes about the edges of vectors and tiles. */
static struct kern_conv random_shape(struct check *c) {
    static const int32_t channels[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 65};
    struct kern_conv p = kern_conv_product(1, 1, 1);
    const int32_t kind = check_between(c, 0, 3);
    int32_t groups = 1;
    p.in_c = channels[check_between(c, 0, ARRAY_SIZE(channels) - 1)];
    p.out_c = channels[check_between(c, 0, ARRAY_SIZE(channels) - 1)];
    if (kind == 1) { /* grouped */
        groups = check_between(c, 2, 5);
        p.in_c = groups * check_between(c, 1, 9);
        p.out_c = groups * check_between(c, 1, 19);
    } else if (kind >= 2) { /* depthwise, with one or several outputs a channel */
        groups = p.in_c;
        p.out_c = p.in_c * (kind == 2 ? 1 : check_between(c, 1, 4));
        p.depthwise = true;
    }
    p.group_in_c = p.in_c / groups;
    do {
        p.in_h = check_between(c, 1, 9);
        p.in_w = check_between(c, 1, 11);
        p.kernel_h = check_between(c, 1, 4);
        p.kernel_w = check_between(c, 1, 5);
        p.stride_h = check_between(c, 1, 3);
        p.stride_w = check_between(c, 1, 3);
        p.dilation_h = check_between(c, 1, 2);
        p.dilation_w = check_between(c, 1, 3);
        p.pad_top = check_between(c, 0, p.kernel_h - 1);
        p.pad_left = check_between(c, 0, p.kernel_w - 1);
        p.out_h = out_size(p.in_h, p.kernel_h, p.stride_h, p.dilation_h, p.pad_top,
                           check_between(c, 0, p.kernel_h - 1));
        p.out_w = out_size(p.in_w, p.kernel_w, p.stride_w, p.dilation_w, p.pad_left,
                           check_between(c, 0, p.kernel_w - 1));
    } while (p.out_h < 1 || p.out_w < 1);
    return p;
}

/* A streaming network's kernel of k frames on a ring of h. */
static struct kern_conv frames(int32_t h, int32_t in_c, int32_t k, int32_t dilation) {
    struct kern_conv p = image(h, 1, in_c, k, 1, 1, in_c, true);
    p.dilation_h = dilation;
    p.pad_top = 0;
    p.out_h = out_size(h, k, 1, dilation, 0, 0);
    return p;
}

static struct kern_conv dilated(int32_t h, int32_t w, int32_t in_c, int32_t k, int32_t dilation) {
    struct kern_conv p = image(h, w, in_c, k, k, 1, in_c, true);
    p.dilation_h = p.dilation_w = dilation;
    p.pad_top = p.pad_left = (k - 1) * dilation / 2;
    return p;
}

static struct kern_conv depthwise(int32_t h, int32_t w, int32_t in_c, int32_t k, int32_t stride) {
    return image(h, w, in_c, k, k, stride, in_c, true);
}

#define FIXED_SHAPES 51
#define RANDOM_SHAPES 120
#define PRODUCTS 40

static struct kern_conv shape(struct check *c, unsigned i) {
    const struct kern_conv fixed[FIXED_SHAPES] = {
        image(49, 10, 1, 10, 4, 2, 64, false),
        depthwise(25, 5, 64, 3, 1),
        image(25, 5, 64, 1, 1, 1, 64, false),
        image(8, 8, 64, 3, 3, 1, 64, false),
        image(48, 48, 3, 3, 3, 2, 8, false),
        image(6, 6, 128, 1, 1, 1, 128, false),
        kern_conv_product(1, 640, 128),
        kern_conv_product(1, 784, 300),
        /* whole rows of a tile, several bands, parts of a row, pieces of a deep run */
        image(32, 32, 16, 3, 3, 1, 16, false),
        image(24, 24, 64, 3, 3, 1, 24, false),
        image(9, 33, 48, 3, 3, 1, 33, false),
        kern_conv_product(500, 64, 20),
        kern_conv_product(13, 256, 80),
        kern_conv_product(41, 240, 129),
        /* depthwise: strides, dilations, rows of one to three pixels, channels about a block */
        depthwise(48, 48, 8, 3, 1),
        depthwise(24, 24, 32, 3, 2),
        depthwise(12, 12, 64, 3, 2),
        depthwise(6, 6, 128, 3, 1),
        depthwise(6, 6, 128, 3, 2),
        depthwise(3, 3, 256, 3, 1),
        depthwise(13, 11, 24, 3, 1),
        depthwise(13, 11, 40, 5, 2),
        depthwise(9, 3, 7, 3, 1),
        depthwise(7, 2, 130, 3, 1),
        depthwise(5, 1, 63, 3, 1),
        depthwise(5, 1, 65, 3, 2),
        depthwise(10, 17, 12, 3, 3),
        depthwise(12, 33, 1, 3, 1),
        depthwise(9, 40, 2, 7, 2),
        image(9, 14, 48, 1, 7, 1, 48, true),
        image(14, 9, 48, 7, 1, 1, 48, true),
        image(7, 7, 96, 7, 7, 7, 96, true), /* one pixel over everything */
        dilated(14, 14, 24, 3, 2),
        dilated(20, 20, 16, 3, 6),
        image(49, 40, 1, 10, 8, 2, 8, true), /* several outputs of a channel */
        image(9, 11, 6, 3, 3, 2, 18, true),
        frames(5, 64, 5, 1),
        frames(30, 48, 29, 1),
        frames(40, 40, 9, 4),
        /* depthwise tiles that see the edges: of pixels, of pairs of half a vector */
        image(5, 13, 40, 3, 3, 2, 40, true),
        image(7, 11, 65, 3, 3, 1, 65, true),
        image(5, 14, 8, 3, 3, 1, 8, true),
        image(3, 2, 8, 3, 3, 1, 8, true),
        image(4, 1, 16, 3, 3, 1, 16, true),
        /* few output channels: pairs of inputs, an odd one left */
        image(9, 26, 3, 3, 3, 1, 7, false),
        image(12, 12, 3, 3, 3, 1, 8, false),
        /* vectors that reach beyond what a look-up sees, many positions, strides in planes */
        kern_conv_product(1, 1024, 70),
        kern_conv_product(2, 333, 50),
        image(14, 14, 128, 1, 1, 1, 40, false),
        image(17, 19, 20, 3, 3, 2, 37, false),
        image(40, 40, 16, 5, 5, 3, 17, false),
    };
    if (i < FIXED_SHAPES)
        return fixed[i];
    if (i < FIXED_SHAPES + PRODUCTS)
        return kern_conv_product(check_between(c, 1, 40), check_between(c, 1, 140),
                                 check_between(c, 1, 140));
    return random_shape(c);
}

#define SHAPES (FIXED_SHAPES + PRODUCTS + RANDOM_SHAPES)

static void describe(struct check *c, const char *name, const struct kern_conv *p, unsigned fill) {
    check_describe(c, "%s %s %dx%dx%d k%dx%d s%dx%d d%dx%d p%d,%d g%d%s -> %dx%dx%d fill %u %s",
                   tier_name(c->tier), name, p->in_h, p->in_w, p->in_c, p->kernel_h, p->kernel_w,
                   p->stride_h, p->stride_w, p->dilation_h, p->dilation_w, p->pad_top, p->pad_left,
                   p->group_in_c, p->depthwise ? " depthwise" : "", p->out_h, p->out_w, p->out_c,
                   fill, c->at_start ? "start" : "end");
}

static size_t in_size(const struct kern_conv *p) {
    return (size_t)p->in_h * (size_t)p->in_w * (size_t)p->in_c;
}

static size_t result_size(const struct kern_conv *p) {
    return (size_t)p->out_h * (size_t)p->out_w * (size_t)p->out_c;
}

static size_t weight_size(const struct kern_conv *p) {
    return (size_t)p->out_c * im2col_depth(p);
}

static double macs(const struct kern_conv *p) {
    return (double)p->out_h * p->out_w * (double)weight_size(p);
}

/* Packs and runs between guard pages; the packed block is read-only by then. */
static void run(struct check *c, const struct kern_conv_impl *impl, const struct kern_conv *p,
                const struct kern_conv_weights *w, const void *x, void *y) {
    void *packed = check_input(c, kern_conv_packed_size(impl, p, w));
    impl->pack(p, w, packed);
    void *scratch = check_output(c, impl->scratch_size(p));
    check_protect(c);
    impl->run(p, packed, x, y, scratch);
}

/* Sparse kernels take any density here. */
static void allow_sparse(const struct kern_conv_impl *impl, struct kern_conv *p) {
    if (!impl->packed_size_of)
        return;
    p->weight_zero = 0;
    p->sparsity = (struct kern_sparsity){0};
    p->sparsity.crossover[impl->pattern] = 1;
}

/* Zeros: everywhere, nowhere, at random, in blocks, whole channels, all but the last ones. */
static void prune(struct check *c, const struct kern_conv *p, void *filter, size_t size) {
    const size_t depth = im2col_depth(p), out_c = (size_t)p->out_c;
    const int32_t kind = check_between(c, 0, 7), kept = check_between(c, 1, 60);
    static const size_t blocks[] = {1, 4, 8, 16};
    const size_t block = blocks[check_between(c, 0, ARRAY_SIZE(blocks) - 1)];
    if (kind == 0) {
        memset(filter, 0, weight_size(p) * size);
        return;
    }
    if (kind == 1)
        return;
    for (size_t first = 0; first < out_c; first += block) {
        const bool empty = kind == 2 && check_between(c, 0, 1);
        for (size_t k = 0; k < depth; k++) {
            bool keep = check_between(c, 0, 99) < kept;
            if (kind == 3)
                keep = first + block >= out_c && k + 3 >= depth;
            for (size_t o = first; o < MIN(first + block, out_c) && (empty || !keep); o++)
                memset((char *)filter + (o * depth + k) * size, 0, size);
        }
    }
}

static void random_quantization(struct check *c, struct kern_conv *p) {
    p->in_zero = check_between(c, -128, 127);
    p->weight_zero = check_between(c, 0, 3) ? 0 : check_between(c, -128, 127);
    p->out_zero = check_between(c, -128, 127);
    p->out_min = check_between(c, 0, 1) ? -128 : p->out_zero;
    p->out_max = check_between(c, 0, 1) ? 127 : check_between(c, p->out_min, 127);
}

/* Weights, biases and multipliers that bring the sums about the range of a byte; with `extremes`
 * a few of them far beyond. */
static struct kern_conv_weights random_weights_s8(struct check *c, const struct kern_conv *p,
                                                  enum check_fill fill, bool extremes) {
    const size_t n = (size_t)p->out_c;
    int8_t *filter = check_input(c, weight_size(p));
    int32_t *bias = check_input(c, n * sizeof(*bias));
    int32_t *mult = check_input(c, n * sizeof(*mult)), *shift = check_input(c, n * sizeof(*shift));
    check_fill_s8(c, filter, weight_size(p), fill);
    for (size_t i = 0; i < n; i++) {
        bias[i] = check_between(c, -20000, 20000);
        double m = random_unit(&c->random) * 0.05 / sqrt((double)im2col_depth(p));
        fixedpoint_quantize(m, &mult[i], &shift[i]);
        if (extremes && check_between(c, 0, 15) == 0) {
            bias[i] = check_between(c, INT32_MIN / 2, INT32_MAX / 2);
            shift[i] = check_between(c, -31, 30);
        }
    }
    bool no_bias = check_between(c, 0, 7) == 0;
    return (struct kern_conv_weights){
        .filter = filter, .bias = no_bias ? NULL : bias, .mult = mult, .shift = shift};
}

static bool case_s8(struct check *c, const struct kern_conv_impl *impl, struct kern_conv p,
                    enum check_fill fill) {
    random_quantization(c, &p);
    allow_sparse(impl, &p);
    if (impl->refuses(&p))
        return false;
    describe(c, impl->name, &p, fill);
    struct kern_conv_weights w = random_weights_s8(c, &p, fill, check_between(c, 0, 1));
    if (impl->packed_size_of)
        prune(c, &p, (void *)w.filter, 1);
    int8_t *x = check_input(c, in_size(&p)), *y = check_output(c, result_size(&p));
    int8_t *expected = check_output(c, result_size(&p));
    const bool opposite = fill == FILL_MIN && check_between(c, 0, 1);
    check_fill_s8(c, x, in_size(&p), opposite ? FILL_MAX : fill);
    naive_conv_s8(&p, &w, x, expected);
    run(c, impl, &p, &w, x, y);
    check_equal(c, expected, y, result_size(&p), 1);
    check_done(c);
    return true;
}

/* OpenBLAS asks for large shapes; all shapes it can run are checked. */
static bool possible_f32(const struct kern_conv_impl *impl, const struct kern_conv *p) {
    return impl == &kern_conv_f32_blas ? kern_conv_f32_blas_possible(p) : !impl->refuses(p);
}

/* The largest sum of magnitudes under an output: what rounding is relative to where extreme terms
 * cancel. */
static double largest_terms(struct check *c, struct kern_conv *p, const struct kern_conv_weights *w,
                            const float *x) {
    const struct kern_conv given = *p;
    const size_t n = result_size(p), n_filter = weight_size(p), n_x = in_size(p);
    float *filter = check_output(c, n_filter * sizeof(float));
    float *magnitudes = check_output(c, n_x * sizeof(float));
    float *sums = check_output(c, n * sizeof(float));
    for (size_t i = 0; i < n_filter; i++)
        filter[i] = fabsf(((const float *)w->filter)[i]);
    for (size_t i = 0; i < n_x; i++)
        magnitudes[i] = fabsf(x[i]);
    p->out_max_f = INFINITY;
    naive_conv_f32(p, &(struct kern_conv_weights){.filter = filter}, magnitudes, sums);
    *p = given;
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = MAX(most, (double)sums[i]);
    return most;
}

static bool case_f32(struct check *c, const struct kern_conv_impl *impl, struct kern_conv p,
                     enum check_fill fill) {
    const bool clamps = check_between(c, 0, 1);
    p.out_min_f = clamps ? 0 : -INFINITY;
    p.out_max_f = clamps ? 6 : INFINITY;
    allow_sparse(impl, &p);
    if (!possible_f32(impl, &p))
        return false;
    describe(c, impl->name, &p, fill);
    float *filter = check_input(c, weight_size(&p) * sizeof(float));
    float *bias = check_input(c, (size_t)p.out_c * sizeof(float));
    float *x = check_input(c, in_size(&p) * sizeof(float));
    float *y = check_output(c, result_size(&p) * sizeof(float));
    float *expected = check_output(c, result_size(&p) * sizeof(float));
    check_fill_f32(c, filter, weight_size(&p), FILL_RANDOM);
    check_fill_f32(c, bias, (size_t)p.out_c, FILL_RANDOM);
    check_fill_f32(c, x, in_size(&p), fill);
    if (impl->packed_size_of)
        prune(c, &p, filter, sizeof(*filter));
    const bool no_bias = check_between(c, 0, 7) == 0;
    const struct kern_conv_weights w = {.filter = filter, .bias = no_bias ? NULL : bias};
    naive_conv_f32(&p, &w, x, expected);
    run(c, impl, &p, &w, x, y);
    if (c->tier == TIER_C)
        check_equal(c, expected, y, result_size(&p), sizeof(float));
    else if (fill == FILL_RANDOM) /* the bound is on the sums; a clamp hides how large they were */
        check_close(c, expected, y, result_size(&p),
                    CHECK_F32_BOUND * (clamps ? sqrt((double)im2col_depth(&p)) : 1));
    else
        check_near(c, expected, y, result_size(&p), CHECK_F32_BOUND * largest_terms(c, &p, &w, x));
    check_done(c);
    return true;
}

typedef bool (*case_fn)(struct check *c, const struct kern_conv_impl *impl, struct kern_conv p,
                        enum check_fill fill);

static void check_impl(struct check *c, const struct kern_conv_impl *impl, case_fn run_case) {
    unsigned cases = 0;
    for (unsigned i = 0; i < SHAPES; i++) {
        struct kern_conv p = shape(c, i);
        c->at_start = i % 2;
        const enum check_fill fill = (enum check_fill)(i / 2 % FILL_END);
        cases += run_case(c, impl, p, fill);
        /* Equal weights hide where they are. */
        if (i < FIXED_SHAPES && fill != FILL_RANDOM)
            cases += run_case(c, impl, p, FILL_RANDOM);
    }
    if (cases)
        return;
    if (impl == &kern_conv_f32_blas && !blas_available()) {
        printf("SKIPPED %s: OpenBLAS is not there\n", impl->name);
        return;
    }
    struct kern_conv p = kern_conv_product(1, 64, 64);
    allow_sparse(impl, &p);
    const char *why = impl->refuses(&p);
    if (impl->packed_size_of && why && strncmp(why, "no AVX-512 VBMI", 15) == 0) {
        printf("SKIPPED %s: %s\n", impl->name, why);
        return;
    }
    printf("FAILED %s: no shape fits it\n", impl->name);
    c->failed++;
}

/* The packed block and all operands of a bench, in ordinary memory. */
struct bench {
    const struct kern_conv_impl *impl;
    void *packed, *x, *y, *scratch;
};

static struct bench bench_new(struct check *c, const struct kern_conv_impl *const *list,
                              const struct kern_conv *p, bool is_float) {
    const size_t size = is_float ? sizeof(float) : 1;
    struct bench b = {.impl = list[kern_conv_choose(list, p)]};
    struct kern_conv_weights w;
    if (is_float) {
        float *filter = check_input(c, weight_size(p) * size), *x = check_input(c, in_size(p) * 4);
        check_fill_f32(c, filter, weight_size(p), FILL_RANDOM);
        check_fill_f32(c, x, in_size(p), FILL_RANDOM);
        w = (struct kern_conv_weights){.filter = filter};
        b.x = x;
    } else {
        w = random_weights_s8(c, p, FILL_RANDOM, false);
        b.x = check_input(c, in_size(p));
        check_fill_s8(c, b.x, in_size(p), FILL_RANDOM);
    }
    b.y = check_output(c, result_size(p) * size);
    b.packed = check_output(c, kern_conv_packed_size(b.impl, p, &w));
    b.scratch = check_output(c, b.impl->scratch_size(p));
    b.impl->pack(p, &w, b.packed);
    return b;
}

static void bench(struct check *c, const char *label, struct kern_conv p, bool is_float) {
    p.out_min = INT8_MIN;
    p.out_max = INT8_MAX;
    p.out_min_f = 0;
    p.out_max_f = INFINITY;
    const struct kernels *ref = kernels_get(TIER_C);
    struct bench r = bench_new(c, is_float ? ref->conv_f32 : ref->conv_s8, &p, is_float);
    double ref_ns = CHECK_TIME(r.impl->run(&p, r.packed, r.x, r.y, r.scratch));
    check_done(c);
    struct bench n = bench_new(c, is_float ? c->new->conv_f32 : c->new->conv_s8, &p, is_float);
    double ns = CHECK_TIME(n.impl->run(&p, n.packed, n.x, n.y, n.scratch));
    check_done(c);
    char name[128];
    snprintf(name, sizeof(name), "%s %s", n.impl->name, label);
    check_bench_print(c, name, ns, ref_ns, macs(&p) * (is_float ? 2 : 1),
                      is_float ? "FLOP" : "MAC");
}

static void bench_all(struct check *c, bool is_float) {
    bench(c, "10x4 s2 1-64 49x10", image(49, 10, 1, 10, 4, 2, 64, false), is_float);
    bench(c, "3x3 dw 64 25x5", depthwise(25, 5, 64, 3, 1), is_float);
    bench(c, "1x1 64-64 25x5", image(25, 5, 64, 1, 1, 1, 64, false), is_float);
    bench(c, "3x3 16-16 32x32", image(32, 32, 16, 3, 3, 1, 16, false), is_float);
    bench(c, "3x3 64-64 8x8", image(8, 8, 64, 3, 3, 1, 64, false), is_float);
    bench(c, "3x3 dw 8 48x48", depthwise(48, 48, 8, 3, 1), is_float);
    bench(c, "3x3 dw 16 48x48 s2", depthwise(48, 48, 16, 3, 2), is_float);
    bench(c, "3x3 dw 64 12x12 s2", depthwise(12, 12, 64, 3, 2), is_float);
    bench(c, "3x3 dw 128 6x6", depthwise(6, 6, 128, 3, 1), is_float);
    bench(c, "3x3 dw 256 3x3", depthwise(3, 3, 256, 3, 1), is_float);
    bench(c, "3x3 dw 24 24x24", depthwise(24, 24, 24, 3, 1), is_float);
    bench(c, "5x5 dw 40 14x14", depthwise(14, 14, 40, 5, 1), is_float);
    bench(c, "10x8 dw s2 1-8 49x40", image(49, 40, 1, 10, 8, 2, 8, true), is_float);
    bench(c, "29x1 dw 48 30", frames(30, 48, 29, 1), is_float);
    bench(c, "3x3 s2 3-8 96x96", image(96, 96, 3, 3, 3, 2, 8, false), is_float);
    bench(c, "1x1 8-16 48x48", image(48, 48, 8, 1, 1, 1, 16, false), is_float);
    bench(c, "1x1 256-256 14x14", image(14, 14, 256, 1, 1, 1, 256, false), is_float);
    bench(c, "fc 640-128", kern_conv_product(1, 640, 128), is_float);
    if (is_float) {
        bench(c, "product 256^3", kern_conv_product(256, 256, 256), is_float);
        bench(c, "product 1024^3", kern_conv_product(1024, 1024, 1024), is_float);
        bench(c, "product 2048^3", kern_conv_product(2048, 2048, 2048), is_float);
    }
}

#ifdef __x86_64__
extern const struct kern_conv_impl kern_conv_s8_amx_emulated;
#endif

void check_conv_s8(struct check *c) {
#ifdef __x86_64__
    if (c->tier == TIER_AVX512VNNI)
        check_impl(c, &kern_conv_s8_amx_emulated, case_s8);
#endif
    for (unsigned i = 0; c->new->conv_s8[i]; i++)
        check_impl(c, c->new->conv_s8[i], case_s8);
    if (c->bench)
        bench_all(c, false);
}

void check_conv_f32(struct check *c) {
    for (unsigned i = 0; c->new->conv_f32[i]; i++)
        check_impl(c, c->new->conv_f32[i], case_f32);
    if (c->bench)
        bench_all(c, true);
}
