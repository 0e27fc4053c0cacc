/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Float speed on one pinned thread: a network of the shared folder, and a 256 x 256 x 256 product as the kernels compute it, beside
 * what this core can do at all, slice by slice in turn. Asserts bounds where they are given.
 *
 *     bench-float MODEL.tflite [MAX-US MIN-GFLOPS]
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "bench/timing.h"
#include "kernels/kernels.h"
#include "model/graph.h"
#include "model/tflite.h"
#include "runtime/runtime.h"
#include "tests/shared.h"

#define SLICES 41
#define RUNS_PER_SLICE 100 /* of the network */
#define PRODUCTS_PER_SLICE 40
#define PEAK_ROUNDS 200000
#define SIDE 256
#define FILE_MAX ((size_t)64 << 20)
/* What the bounds were set on: the core that they are scaled from. */
#define REFERENCE_PEAK 199.0

/* GFLOP/s of multiply-adds in registers. */
static double peak(void) {
    const struct kernels *kernels = kernels_get(tier_best());
    uint64_t start = clock_now_ns();
    uint64_t done = kernels->peak_f32(PEAK_ROUNDS);
    return (double)done / (double)(clock_now_ns() - start);
}

struct product {
    const struct kern_conv_impl *impl;
    struct kern_conv shape;
    void *packed, *scratch;
    float *x, *y;
};

static void product_init(struct product *p) {
    const struct kernels *kernels = kernels_get(tier_best());
    p->shape = kern_conv_product(SIDE, SIDE, SIDE);
    p->shape.out_min_f = -__builtin_inff();
    p->shape.out_max_f = __builtin_inff();
    p->impl = kernels->conv_f32[kern_conv_choose(kernels->conv_f32, &p->shape)];
    float *filter = timing_alloc(SIDE * SIDE * sizeof(float));
    p->x = timing_alloc(SIDE * SIDE * sizeof(float));
    p->y = timing_alloc(SIDE * SIDE * sizeof(float));
    for (int i = 0; i < SIDE * SIDE; i++) {
        filter[i] = (float)(i % 17) / 16.0f - 0.5f;
        p->x[i] = (float)(i % 23) / 22.0f - 0.5f;
    }
    struct kern_conv_weights weights = {.filter = filter};
    p->packed = timing_alloc(p->impl->packed_size(&p->shape));
    p->scratch = timing_alloc(p->impl->scratch_size(&p->shape));
    p->impl->pack(&p->shape, &weights, p->packed);
    free(filter);
}

static void product_deinit(struct product *p) {
    free(p->packed);
    free(p->scratch);
    free(p->x);
    free(p->y);
}

/* GFLOP/s, by the median time of one. */
static double product_time(const struct product *p) {
    double ns[PRODUCTS_PER_SLICE];
    for (int i = 0; i < PRODUCTS_PER_SLICE; i++) {
        uint64_t start = clock_now_ns();
        p->impl->run(&p->shape, p->packed, p->x, p->y, p->scratch);
        ns[i] = (double)(clock_now_ns() - start);
    }
    return 2.0 * SIDE * SIDE * SIDE / timing_median(ns, PRODUCTS_PER_SLICE);
}

struct network {
    struct image *image;
    void *arena, *inputs[GRAPH_MAX_IO], *outputs[GRAPH_MAX_IO];
};

static void network_init(struct network *n, const char *name) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", shared_dir(), name);
    struct diag diag;
    struct map map;
    struct graph *graph;
    if (map_read_file(path, FILE_MAX, &map, &diag) ||
        tflite_read(map.data, map.size, &graph, &diag) ||
        image_build(graph, tier_best(), &n->image, &diag))
        timing_die("%s", diag.text);
    map_deinit(&map);
    graph_free(graph);
    n->arena = timing_alloc(image_arena_bytes(n->image));
    for (uint32_t i = 0; i < image_n_inputs(n->image); i++)
        n->inputs[i] = timing_alloc(image_input(n->image, i)->size);
    for (uint32_t i = 0; i < image_n_outputs(n->image); i++)
        n->outputs[i] = timing_alloc(image_output(n->image, i)->size);
}

static void network_deinit(struct network *n) {
    for (uint32_t i = 0; i < image_n_inputs(n->image); i++)
        free(n->inputs[i]);
    for (uint32_t i = 0; i < image_n_outputs(n->image); i++)
        free(n->outputs[i]);
    free(n->arena);
    image_unref(n->image);
}

/* Median microseconds of one run. */
static double network_time(const struct network *n) {
    double us[RUNS_PER_SLICE];
    for (int i = 0; i < RUNS_PER_SLICE; i++) {
        uint64_t start = clock_now_ns();
        if (image_run(n->image, NULL, 1, (const void *const *)n->inputs, n->outputs, n->arena,
                      NULL))
            timing_die("the network does not run");
        us[i] = (double)(clock_now_ns() - start) / 1000;
    }
    return timing_median(us, RUNS_PER_SLICE);
}

int main(int argc, char **argv) {
    if (argc != 2 && argc != 4) {
        fprintf(stderr, "usage: bench-float MODEL.tflite [MAX-US MIN-GFLOPS]\n");
        return 2;
    }
    if (!shared_present(argv[1]))
        return 77;
    timing_pin();
    struct product product;
    struct network network;
    double us[SLICES], gflops[SLICES], peaks[SLICES];
    network_init(&network, argv[1]);
    product_init(&product);
    for (int i = -3; i < SLICES; i++) {
        double slice_peak = peak(), slice_gflops = product_time(&product);
        double slice_us = network_time(&network);
        if (i < 0)
            continue;
        peaks[i] = slice_peak;
        gflops[i] = slice_gflops;
        us[i] = slice_us;
    }
    double core = timing_median(peaks, SLICES), done = timing_median(gflops, SLICES);
    double run = timing_median(us, SLICES);
    /* A core that is slower at the moment, or always, has its bounds in proportion. */
    double scale = core < REFERENCE_PEAK ? core / REFERENCE_PEAK : 1;
    printf("tier %s, one thread, medians of %d slices\n", tier_name(tier_best()), SLICES);
    printf("%-34s %8.1f us\n", "network", run);
    printf("%-34s %8.1f GFLOP/s by %s\n", "256 x 256 x 256", done, product.impl->name);
    printf("%-34s %8.1f GFLOP/s\n", "multiply-adds in registers", core);
    network_deinit(&network);
    product_deinit(&product);
    if (argc == 2)
        return 0;
    double max_us = strtod(argv[2], NULL) / scale, min_gflops = strtod(argv[3], NULL) * scale;
    printf("bounds %.1f us, %.1f GFLOP/s\n", max_us, min_gflops);
    return run > max_us || done < min_gflops;
}
