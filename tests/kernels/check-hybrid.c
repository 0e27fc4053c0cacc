/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Float activations by integer weights: every implementation in a tier's list against the formula, with scales in groups
 * of all sizes, and what becomes of zeros and of numbers that are none.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/attributes.h"
#include "kernels/im2col.h"
#include "tests/kernels/check.h"
#include "tests/kernels/naive.h"

#define RANDOM_SHAPES 150

/* Each row has a scale of its own. */
static struct kern_conv product(int32_t rows, int32_t depth, int32_t out_c) {
    struct kern_conv p = kern_conv_product(rows, depth, out_c);
    p.scale_pixels = true;
    return p;
}

static struct kern_conv image(int32_t h, int32_t w, int32_t in_c, int32_t k, int32_t stride,
                              int32_t out_c) {
    struct kern_conv p = product(1, in_c, out_c);
    p.in_h = h;
    p.in_w = w;
    p.kernel_h = p.kernel_w = k;
    p.stride_h = p.stride_w = stride;
    p.out_h = (h + stride - 1) / stride;
    p.out_w = (w + stride - 1) / stride;
    p.pad_top = MAX((p.out_h - 1) * stride + k - h, 0) / 2;
    p.pad_left = MAX((p.out_w - 1) * stride + k - w, 0) / 2;
    p.scale_pixels = false;
    return p;
}

/* Any stride, dilation, padding and groups of channels. */
static struct kern_conv random_image(struct check *c) {
    const int32_t groups = check_between(c, 0, 3) ? 1 : check_between(c, 2, 3);
    const int32_t in_c = check_between(c, 1, 40), k = check_between(c, 1, 4);
    struct kern_conv p = image(check_between(c, 4, 9), check_between(c, 4, 30), groups * in_c, k,
                               check_between(c, 1, 3), groups * check_between(c, 1, 70 / groups));
    p.group_in_c = in_c;
    p.dilation_w = check_between(c, 1, 2);
    p.out_w = (p.in_w + 2 * p.pad_left - (k - 1) * p.dilation_w - 1) / p.stride_w + 1;
    if (p.out_w < 1) {
        p.dilation_w = 1;
        p.out_w = (p.in_w + 2 * p.pad_left - k) / p.stride_w + 1;
    }
    p.out_h = (p.in_h + 2 * p.pad_top - k) / p.stride_h + 1;
    return p;
}

static struct kern_conv shape(struct check *c, unsigned i) {
    static const int32_t depths[] = {1, 2, 6, 8, 31, 32, 64, 96, 100, 128, 256, 1000, 1024};
    const struct kern_conv fixed[] = {
        product(1, 4096, 70),       product(3, 1024, 129),      product(40, 640, 128),
        image(25, 5, 64, 1, 1, 64), image(8, 8, 64, 3, 1, 64),  image(32, 32, 16, 3, 1, 16),
        image(48, 9, 3, 3, 2, 8),   image(6, 6, 128, 1, 1, 12),
    };
    if (i < ARRAY_SIZE(fixed))
        return fixed[i];
    if (i % 2)
        return random_image(c);
    return product(check_between(c, 1, 20), depths[check_between(c, 0, ARRAY_SIZE(depths) - 1)],
                   check_between(c, 1, 140));
}

/* 4 bits where the weights of a channel fill bytes; groups of a size that kernels are made for, of any that divides, or
 * one. */
static void random_weights_kind(struct check *c, struct kern_conv *p) {
    static const int32_t usual[] = {32, 64, 128};
    const int32_t depth = (int32_t)im2col_depth(p), want = usual[check_between(c, 0, 2)];
    p->weight_bits = depth % 2 || check_between(c, 0, 1) ? 8 : 4;
    p->scale_group = depth;
    const int kind = check_between(c, 0, 3);
    if (kind == 0 && depth % want == 0)
        p->scale_group = want;
    else if (kind <= 1)
        do
            p->scale_group = check_between(c, 1, depth);
        while (depth % p->scale_group);
}

struct operands {
    struct kern_conv_weights w;
    float *x, *y, *expected;
    size_t n_x, n_y;
};

static struct operands operands_new(struct check *c, const struct kern_conv *p,
                                    enum check_fill fill) {
    const size_t depth = im2col_depth(p), out_c = (size_t)p->out_c;
    struct operands o = {.n_x = (size_t)p->in_h * (size_t)p->in_w * (size_t)p->in_c,
                         .n_y = (size_t)p->out_h * (size_t)p->out_w * out_c};
    const size_t filter_bytes = out_c * depth * (size_t)p->weight_bits / 8;
    const size_t n_scales = out_c * depth / (size_t)p->scale_group;
    int8_t *filter = check_input(c, filter_bytes);
    float *bias = check_input(c, out_c * sizeof(float));
    float *scales = check_input(c, n_scales * sizeof(float));
    o.x = check_input(c, o.n_x * sizeof(float));
    o.y = check_output(c, o.n_y * sizeof(float));
    o.expected = check_output(c, o.n_y * sizeof(float));
    check_fill_s8(c, filter, filter_bytes, fill);
    /* a pair of the smallest values of 4 bits, or of the largest */
    if (p->weight_bits == 4 && (fill == FILL_MIN || fill == FILL_MAX))
        memset(filter, fill == FILL_MIN ? 0x88 : 0x77, filter_bytes);
    check_fill_f32(c, bias, out_c, FILL_RANDOM);
    check_fill_f32(c, o.x, o.n_x, fill == FILL_MIN && check_between(c, 0, 1) ? FILL_MAX : fill);
    for (size_t i = 0; i < n_scales; i++)
        scales[i] = (float)(random_unit(&c->random) + 0.01) * 0.01F;
    const bool no_bias = check_between(c, 0, 7) == 0;
    o.w = (struct kern_conv_weights){
        .filter = filter, .bias = no_bias ? NULL : bias, .scales = scales};
    return o;
}

/* What an input of zeros, or with something that is no number, is made of. */
enum special { USUAL, ZEROS, TINY, WITH_NAN, WITH_INFINITY, SPECIAL_END };

static void make_special(struct check *c, const struct operands *o, enum special special) {
    const size_t at = (size_t)check_between(c, 0, (int32_t)o->n_x - 1);
    if (special == ZEROS)
        memset(o->x, 0, o->n_x * sizeof(float));
    for (size_t i = 0; special == TINY && i < o->n_x; i++)
        o->x[i] *= 0x1p-125F;
    if (special == WITH_NAN)
        o->x[at] = NAN;
    if (special == WITH_INFINITY)
        o->x[at] = -INFINITY;
}

static bool case_hybrid(struct check *c, const struct kern_conv_impl *impl, struct kern_conv p,
                        enum check_fill fill, enum special special) {
    const bool clamps = check_between(c, 0, 1);
    p.out_min_f = clamps ? 0 : -INFINITY;
    p.out_max_f = clamps ? 6 : INFINITY;
    random_weights_kind(c, &p);
    if (impl->refuses(&p))
        return false;
    check_describe(c, "%s %s %dx%dx%d k%dx%d s%d d%d g%d -> %dx%dx%d, %d bits / %d fill %u.%u %s",
                   tier_name(c->tier), impl->name, p.in_h, p.in_w, p.in_c, p.kernel_h, p.kernel_w,
                   p.stride_h, p.dilation_w, p.group_in_c, p.out_h, p.out_w, p.out_c, p.weight_bits,
                   p.scale_group, fill, special, c->at_start ? "start" : "end");
    const struct operands o = operands_new(c, &p, fill);
    make_special(c, &o, special);
    const double terms = naive_conv_hybrid(&p, &o.w, o.x, o.expected);
    void *packed = check_input(c, impl->packed_size(&p));
    impl->pack(&p, &o.w, packed);
    void *scratch = check_output(c, impl->scratch_size(&p));
    check_protect(c);
    impl->run(&p, packed, o.x, o.y, scratch);
    check_near(c, o.expected, o.y, o.n_y, CHECK_F32_BOUND * terms);
    check_done(c);
    return true;
}

static void check_impl(struct check *c, const struct kern_conv_impl *impl) {
    unsigned cases = 0;
    for (unsigned i = 0; i < RANDOM_SHAPES; i++) {
        const struct kern_conv p = shape(c, i);
        c->at_start = i % 2;
        cases += case_hybrid(c, impl, p, (enum check_fill)(i / 2 % FILL_END), USUAL);
        cases += case_hybrid(c, impl, p, FILL_RANDOM, (enum special)(i % SPECIAL_END));
    }
    check_describe(c, "%s %s", tier_name(c->tier), impl->name);
    check_true(c, cases >= RANDOM_SHAPES / 4, "hardly any shape fits it");
}

struct bench {
    const struct kern_conv_impl *impl;
    void *packed, *x, *y, *scratch;
};

static struct bench bench_new(struct check *c, const struct kernels *k, const struct kern_conv *p) {
    struct bench b = {.impl = k->conv_hybrid[kern_conv_choose(k->conv_hybrid, p)]};
    const struct operands o = operands_new(c, p, FILL_RANDOM);
    b.x = o.x;
    b.y = o.y;
    b.packed = check_output(c, b.impl->packed_size(p));
    b.scratch = check_output(c, b.impl->scratch_size(p));
    b.impl->pack(p, &o.w, b.packed);
    return b;
}

static void bench(struct check *c, const char *label, struct kern_conv p, int32_t bits,
                  int32_t group) {
    p.weight_bits = bits;
    p.scale_group = group ? group : (int32_t)im2col_depth(&p);
    p.out_min_f = 0;
    p.out_max_f = INFINITY;
    c->at_start = true;
    const struct bench r = bench_new(c, kernels_get(TIER_C), &p);
    const double ref_ns = CHECK_TIME(r.impl->run(&p, r.packed, r.x, r.y, r.scratch));
    check_done(c);
    const struct bench n = bench_new(c, c->new, &p);
    const double ns = CHECK_TIME(n.impl->run(&p, n.packed, n.x, n.y, n.scratch));
    check_done(c);
    char name[128];
    snprintf(name, sizeof(name), "%s %s %d/%d", n.impl->name, label, bits, group);
    const double macs = (double)p.out_h * p.out_w * p.out_c * (double)im2col_depth(&p);
    check_bench_print(c, name, ns, ref_ns, macs, "MAC");
}

static void bench_all(struct check *c) {
    static const struct {
        int32_t bits, group;
    } kinds[] = {{8, 0}, {8, 32}, {4, 0}, {4, 32}, {4, 128}};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const int32_t bits = kinds[i].bits, group = kinds[i].group;
        bench(c, "fc 4096-4096", product(1, 4096, 4096), bits, group);
        bench(c, "fc 640-128", product(1, 640, 128), bits, group);
        bench(c, "product 64x1024x1024", product(64, 1024, 1024), bits, group);
        bench(c, "1x1 64-64 25x5", image(25, 5, 64, 1, 1, 64), bits, MIN(group, 64));
        bench(c, "3x3 64-64 8x8", image(8, 8, 64, 3, 1, 64), bits, MIN(group, 64));
        bench(c, "3x3 16-16 32x32", image(32, 32, 16, 3, 1, 16), bits, MIN(group, 16));
    }
}

void check_conv_hybrid(struct check *c) {
    for (unsigned i = 0; c->new->conv_hybrid[i]; i++)
        check_impl(c, c->new->conv_hybrid[i]);
    if (c->bench)
        bench_all(c);
}
