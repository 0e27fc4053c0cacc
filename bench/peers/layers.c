/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single layers: the kernel that the tier's list gives a shape, beside oneDNN's for the same shape and instructions.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attributes.h"
#include "base/random.h"
#include "bench/peers/bounds.h"
#include "bench/peers/onednn.h"
#include "bench/peers/ours.h"
#include "bench/peers/peers.h"
#include "bench/timing.h"
#include "kernels/fixedpoint.h"
#include "model/graph.h"

#define BLOCK_US 1000
#define GROUP_US 10
#define LIMIT_ROUNDS 4096
#define NAME_MAX_SIZE 64

/* SAME padding. */
struct shape {
    const char *name;
    int32_t h, w, in_c, kernel_h, kernel_w, stride, out_c;
    bool depthwise, dense;
    double bound; /* oneDNN / ours */
};

static const struct shape shapes[] = {
    {"1x1 64-64 25x5", 25, 5, 64, 1, 1, 1, 64, false, false, 1},
    {"3x3 16-16 32x32", 32, 32, 16, 3, 3, 1, 16, false, false, 1},
    {"3x3 64-64 8x8", 8, 8, 64, 3, 3, 1, 64, false, false, 1},
    {"1x1 128-128 6x6", 6, 6, 128, 1, 1, 1, 128, false, false, 1},
    {"1x1 256-256 14x14", 14, 14, 256, 1, 1, 1, 256, false, false, 1},
    {"10x4 s2 1-64 49x10", 49, 10, 1, 10, 4, 2, 64, false, false, 2},
    {"depthwise 3x3 64 25x5", 25, 5, 64, 3, 3, 1, 64, true, false, 2},
    {"depthwise 3x3 8 48x48", 48, 48, 8, 3, 3, 1, 8, true, false, 2},
    {"1x1 8-16 48x48", 48, 48, 8, 1, 1, 1, 16, false, false, 1.4},
    {"dense 640-128", 1, 1, 640, 1, 1, 1, 128, false, true, 1},
    {"dense 128-128", 1, 1, 128, 1, 1, 1, 128, false, true, 2},
};

static int32_t pad_begin(int32_t in, int32_t out, int32_t kernel, int32_t stride) {
    int32_t all = (out - 1) * stride + kernel - in;
    return all > 0 ? all / 2 : 0;
}

/* The activations of a layer that has a ReLU before it and its own. */
static void as_behind_relu(struct kern_conv *p) {
    p->in_zero = p->out_zero = p->out_min = -128;
    p->out_max = 127;
}

static struct kern_conv geometry(const struct shape *s) {
    int32_t out_h = (s->h + s->stride - 1) / s->stride, out_w = (s->w + s->stride - 1) / s->stride;
    struct kern_conv p = {.in_h = s->h,
                          .in_w = s->w,
                          .in_c = s->in_c,
                          .out_h = out_h,
                          .out_w = out_w,
                          .out_c = s->out_c,
                          .kernel_h = s->kernel_h,
                          .kernel_w = s->kernel_w,
                          .stride_h = s->stride,
                          .stride_w = s->stride,
                          .dilation_h = 1,
                          .dilation_w = 1,
                          .pad_top = pad_begin(s->h, out_h, s->kernel_h, s->stride),
                          .pad_left = pad_begin(s->w, out_w, s->kernel_w, s->stride),
                          .group_in_c = s->depthwise ? 1 : s->in_c,
                          .depthwise = s->depthwise};
    as_behind_relu(&p);
    return p;
}

static double macs(const struct kern_conv *p) {
    return (double)p->out_h * p->out_w * p->out_c * p->kernel_h * p->kernel_w * p->group_in_c;
}

struct our_layer {
    const struct kern_conv_impl *impl;
    struct kern_conv p;
    int8_t *x, *y;
    void *packed, *scratch;
};

static void fill(int8_t *x, size_t n, struct random *random) {
    for (size_t i = 0; i < n; i++)
        x[i] = (int8_t)((int)random_below(random, 256) - 128);
}

static void our_layer_init(struct our_layer *l, const struct kern_conv *p,
                           const struct kernels *kernels) {
    struct random random = {1};
    size_t in = (size_t)p->in_h * p->in_w * p->in_c, out = (size_t)p->out_h * p->out_w * p->out_c;
    size_t depth = (size_t)p->kernel_h * p->kernel_w * p->group_in_c, n = (size_t)p->out_c;
    int8_t *filter = timing_alloc(depth * n);
    int32_t *bias = timing_alloc(n * sizeof(*bias)), *mult = timing_alloc(n * sizeof(*mult));
    int32_t *shift = timing_alloc(n * sizeof(*shift));
    l->p = *p;
    l->impl = kernels->conv_s8[kern_conv_choose(kernels->conv_s8, p)];
    l->x = timing_alloc(in);
    l->y = timing_alloc(out);
    fill(l->x, in, &random);
    fill(filter, depth * n, &random);
    for (size_t i = 0; i < n; i++) {
        bias[i] = (int32_t)random_below(&random, 2000) - 1000;
        fixedpoint_quantize(0.02 / sqrt((double)depth) * (1 + random_unit(&random)), &mult[i],
                            &shift[i]);
    }
    l->packed = timing_alloc(l->impl->packed_size(p));
    l->scratch = timing_alloc(l->impl->scratch_size(p));
    const struct kern_conv_weights weights = {
        .filter = filter, .bias = bias, .mult = mult, .shift = shift};
    l->impl->pack(p, &weights, l->packed);
    free(filter);
    free(bias);
    free(mult);
    free(shift);
}

static void our_layer_deinit(struct our_layer *l) {
    free(l->x);
    free(l->y);
    free(l->packed);
    free(l->scratch);
}

static void our_layer_run(void *layer) {
    struct our_layer *l = layer;
    l->impl->run(&l->p, l->packed, l->x, l->y, l->scratch);
}

/* A stretch of the tier's products in registers: what no layer can exceed. */
static void limit_run(void *kernels) {
    ((const struct kernels *)kernels)->peak_s8(LIMIT_ROUNDS);
}

/* One row. Returns oneDNN / ours. */
static double compare(const char *name, const struct kern_conv *p, bool dense,
                      const struct peers_options *options) {
    struct our_layer ours;
    struct onednn_layers *theirs = onednn_layers_new();
    const struct kernels *kernels = kernels_get(options->tier);
    our_layer_init(&ours, p, kernels);
    onednn_layers_add(theirs, p, dense);
    struct contender c[] = {{.name = "ours", .run = our_layer_run, .context = &ours},
                            {.name = "oneDNN", .run = onednn_layers_run, .context = theirs},
                            {.name = "limit", .run = limit_run, .context = (void *)kernels}};
    timing_alternate(c, ARRAY_SIZE(c), options->rounds, BLOCK_US, GROUP_US);
    double ratio = timing_ratio(&c[1], &c[0], options->rounds);
    double limit = (double)kernels->peak_s8(LIMIT_ROUNDS) / c[2].median_us;
    printf("  %-30s %9.2f %8.1f %7.0f %% %9.2f %8.1f %7.2f  %s\n", name, c[0].median_us,
           macs(p) / c[0].median_us / 1000, 100 * macs(p) / c[0].median_us / limit, c[1].median_us,
           macs(p) / c[1].median_us / 1000, ratio, ours.impl->name);
    for (size_t i = 0; i < ARRAY_SIZE(c); i++)
        contender_deinit(&c[i]);
    onednn_layers_free(theirs);
    our_layer_deinit(&ours);
    return ratio;
}

static void print_head(const char *title) {
    printf("\n%s, int8, us\n  %-30s %9s %8s %9s %9s %8s %7s  %s\n", title, "", "edged", "GMAC/s",
           "of limit", "oneDNN", "GMAC/s", "/ ours", "our kernel");
}

void peers_layers(const struct peers_options *options) {
    double ratios[ARRAY_SIZE(shapes)];
    print_head("layers");
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
        struct kern_conv p = geometry(&shapes[i]);
        ratios[i] = compare(shapes[i].name, &p, shapes[i].dense, options);
    }
    putchar('\n');
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
        bounds_check(shapes[i].name, "oneDNN / ours", ratios[i],
                     (struct bound){.at_least = options->tier == TIER_C ? 0 : shapes[i].bound});
}

/* "depthwise 3x3 s2 64-64 25x5". */
static void describe(const struct kern_conv *p, bool dense, char ret_name[NAME_MAX_SIZE]) {
    if (dense)
        snprintf(ret_name, NAME_MAX_SIZE, "dense %d-%d", (int)p->in_c, (int)p->out_c);
    else
        snprintf(ret_name, NAME_MAX_SIZE, "%s%dx%d%s %d-%d %dx%d", p->depthwise ? "depthwise " : "",
                 (int)p->kernel_h, (int)p->kernel_w, p->stride_h == 2 ? " s2" : "", (int)p->in_c,
                 (int)p->out_c, (int)p->in_h, (int)p->in_w);
}

/* The layer's name; false where the operator is none. */
static bool layer_of(const struct graph *graph, uint32_t op, struct kern_conv *ret_p,
                     char ret_name[NAME_MAX_SIZE]) {
    if (!our_graph_layer(graph, &graph->ops[op], ret_p))
        return false;
    describe(ret_p, graph->ops[op].kind == OP_FULLY_CONNECTED, ret_name);
    return true;
}

/* What a network has twice is measured once. */
static bool seen_before(const struct graph *graph, uint32_t op, const char *name) {
    struct kern_conv unused;
    char other[NAME_MAX_SIZE];
    for (uint32_t i = 0; i < op; i++)
        if (layer_of(graph, i, &unused, other) && !strcmp(other, name))
            return true;
    return false;
}

static void network_shapes(const struct peers_network *network,
                           const struct peers_options *options) {
    struct graph *graph = peers_graph(network, false);
    print_head(network->title);
    for (uint32_t i = 0; i < graph->n_ops; i++) {
        struct kern_conv p;
        char name[NAME_MAX_SIZE];
        if (!layer_of(graph, i, &p, name) || seen_before(graph, i, name))
            continue;
        as_behind_relu(&p);
        compare(name, &p, graph->ops[i].kind == OP_FULLY_CONNECTED, options);
    }
    graph_free(graph);
}

void peers_shapes(const struct peers_options *options) {
    for (int i = 0; i < PEERS_NETWORKS; i++)
        if (peers_wanted(options, &peers_networks_list[i]))
            network_shapes(&peers_networks_list[i], options);
}
