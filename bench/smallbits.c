/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights of 4 and 8 bits under float activations, on one pinned thread, slice by slice in turn with the int8 kernels:
 * a matrix by a vector, which is bound by reading its weights, and layers of small networks. With --check the first is
 * held to its bound.
 *
 *     bench-smallbits [--check] [--tier NAME]
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/random.h"
#include "bench/timing.h"
#include "kernels/im2col.h"
#include "kernels/kernels.h"

#define ROUNDS 41
#define SLICE_NS 1000000
#define MAX_RUNS 200
#define MIN_RATIO 1.6 /* int4 in groups of CHECKED_GROUP to the faster int8 kernel */
#define CHECKED_GROUP 128

/* A matrix product where h is 1, else a convolution of k by k that keeps the picture's size. */
struct layer {
    const char *name;
    int32_t h, w, in_c, k, out_c;
};

/* One kernel with its operands. */
struct subject {
    struct kern_conv p;
    const struct kern_conv_impl *impl;
    void *packed, *x, *y, *scratch;
};

static struct kern_conv shape(const struct layer *l, int32_t bits, int32_t group) {
    const int32_t depth = l->k * l->k * l->in_c;
    return (struct kern_conv){
        .in_h = l->h,
        .in_w = l->w,
        .in_c = l->in_c,
        .out_h = l->h,
        .out_w = l->w,
        .out_c = l->out_c,
        .kernel_h = l->k,
        .kernel_w = l->k,
        .stride_h = 1,
        .stride_w = 1,
        .dilation_h = 1,
        .dilation_w = 1,
        .pad_top = l->k / 2,
        .pad_left = l->k / 2,
        .group_in_c = l->in_c,
        .out_min = INT8_MIN,
        .out_max = INT8_MAX,
        .out_min_f = 0,
        .out_max_f = INFINITY,
        .weight_bits = bits,
        .scale_group = group ? group : depth,
        .scale_pixels = l->h == 1,
    };
}

/* The kernel that a plan takes: the hybrid one for `bits` in groups, or the static int8 one for 0 bits. */
static struct subject subject_new(const struct kernels *k, const struct layer *l, int32_t bits,
                                  int32_t group) {
    struct subject s = {.p = shape(l, bits, group)};
    const struct kern_conv_impl *const *list = bits ? k->conv_hybrid : k->conv_s8;
    const size_t out_c = (size_t)l->out_c, n = out_c * im2col_depth(&s.p);
    const size_t n_x = (size_t)l->h * (size_t)l->w * (size_t)l->in_c;
    const size_t n_y = (size_t)l->h * (size_t)l->w * out_c;
    struct random random = {.state = 1};
    int8_t *filter = timing_alloc(n);
    float *scales = timing_alloc(n * sizeof(*scales));
    int32_t *mult = timing_alloc(out_c * sizeof(*mult)),
            *shift = timing_alloc(out_c * sizeof(*shift));
    for (size_t i = 0; i < n; i++) {
        filter[i] = (int8_t)random_below(&random, 256);
        scales[i] = 0.01F;
    }
    for (size_t i = 0; i < out_c; i++) {
        mult[i] = 1 << 30;
        shift[i] = -9;
    }
    s.impl = list[kern_conv_choose(list, &s.p)];
    s.packed = timing_alloc(s.impl->packed_size(&s.p));
    s.scratch = timing_alloc(s.impl->scratch_size(&s.p));
    s.y = timing_alloc(n_y * sizeof(float));
    s.x = timing_alloc(n_x * sizeof(float));
    for (size_t i = 0; i < n_x; i++) {
        const float v = (float)(random_unit(&random) * 2 - 1);
        if (bits)
            ((float *)s.x)[i] = v;
        else
            ((int8_t *)s.x)[i] = (int8_t)(v * 127);
    }
    const struct kern_conv_weights weights = {
        .filter = filter, .mult = mult, .shift = shift, .scales = scales};
    s.impl->pack(&s.p, &weights, s.packed);
    free(filter);
    free(scales);
    free(mult);
    free(shift);
    return s;
}

static void subject_free(struct subject *s) {
    free(s->packed);
    free(s->scratch);
    free(s->x);
    free(s->y);
}

static double run_once(const struct subject *s) {
    const uint64_t start = clock_now_ns();
    s->impl->run(&s->p, s->packed, s->x, s->y, s->scratch);
    return (double)(clock_now_ns() - start);
}

/* Median nanoseconds of a run; the first ones bring the weights back and are not counted. */
static double slice(const struct subject *s) {
    double ns[MAX_RUNS], spent = run_once(s) + run_once(s);
    size_t n = 0;
    for (; n < MAX_RUNS && (n < 5 || spent < SLICE_NS); n++) {
        ns[n] = run_once(s);
        spent += ns[n];
    }
    return timing_median(ns, n);
}

struct kind {
    const char *name;
    int32_t bits, group;
};

static const struct kind kinds[] = {
    {"int8 static", 0, 0}, {"int8", 8, 0},       {"int8 / 32", 8, 32},   {"int4", 4, 0},
    {"int4 / 32", 4, 32},  {"int4 / 64", 4, 64}, {"int4 / 128", 4, 128},
};

/* Times all kinds in turn; the ratio of the faster int8 kernel's time to each kind's, as the median of the rounds'. Returns
 * that of int4 in groups of CHECKED_GROUP. */
static double compare(const struct kernels *k, const struct layer *l) {
    static double ns[ARRAY_SIZE(kinds)][ROUNDS], ratio[ARRAY_SIZE(kinds)][ROUNDS];
    const int32_t depth = l->k * l->k * l->in_c;
    struct subject s[ARRAY_SIZE(kinds)];
    double checked = 0;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        s[i] =
            subject_new(k, l, kinds[i].bits, depth % MAX(kinds[i].group, 1) ? 0 : kinds[i].group);
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
            ns[i][round] = slice(&s[i]);
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
            ratio[i][round] = MIN(ns[0][round], ns[1][round]) / ns[i][round];
    }
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const double r = timing_median(ratio[i], ROUNDS);
        printf("%-18s %-12s %-28s %9.2f us  %5.2f x int8\n", l->name, kinds[i].name,
               s[i].impl->name, timing_median(ns[i], ROUNDS) / 1000, r);
        if (kinds[i].bits == 4 && kinds[i].group == CHECKED_GROUP)
            checked = r;
        subject_free(&s[i]);
    }
    return checked;
}

int main(int argc, char **argv) {
    static const struct layer layers[] = {
        {"dense 4096-4096", 1, 1, 4096, 1, 4096}, {"dense 640-128", 1, 1, 640, 1, 128},
        {"64 x 1024-1024", 1, 64, 1024, 1, 1024}, {"1x1 64-64 25x5", 25, 5, 64, 1, 64},
        {"3x3 16-16 32x32", 32, 32, 16, 3, 16},   {"3x3 64-64 8x8", 8, 8, 64, 3, 64},
    };
    enum tier tier = tier_best();
    bool check = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--check") == 0) {
            check = true;
        } else if (strcmp(argv[i], "--tier") == 0 && i + 1 < argc) {
            tier = tier_parse(argv[++i]);
        } else {
            fprintf(stderr, "usage: bench-smallbits [--check] [--tier NAME]\n");
            return 2;
        }
    }
    if (tier == TIER_END || !tier_supported(tier)) {
        printf("SKIPPED: this CPU does not have that tier\n");
        return 77;
    }
    timing_pin();
    printf("tier %s\n", tier_name(tier));
    double ratio = 0;
    for (size_t i = 0; i < ARRAY_SIZE(layers); i++) {
        const double r = compare(kernels_get(tier), &layers[i]);
        if (i == 0)
            ratio = r;
    }
    if (check && ratio < MIN_RATIO) {
        printf("int4 / %d is %.2f times as fast as int8, not %.1f\n", CHECKED_GROUP, ratio,
               MIN_RATIO);
        return 1;
    }
    return 0;
}
