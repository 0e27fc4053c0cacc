/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times layers, prints them.
 */

#include "client/edgectl/layers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/clock.h"
#include "client/edgectl/load-test.h"
#include "client/edgectl/table.h"
#include "kernels/kernels.h"

#define MAX_RUNS 1000 /* within the duration */

/* A sample of a core's limit lasts about this long; the best counts. */
#define LIMIT_SAMPLE_NS 100000
#define LIMIT_SAMPLES 20

/* What `peak` counts in a nanosecond. */
static double measure_limit(uint64_t (*peak)(uint64_t rounds)) {
    double best = 0;
    uint64_t rounds = 64;
    for (unsigned i = 0; i < LIMIT_SAMPLES; i++) {
        uint64_t start = clock_now_ns();
        uint64_t done = peak(rounds);
        uint64_t ns = MAX(clock_now_ns() - start, (uint64_t)1);
        best = MAX(best, (double)done / (double)ns);
        if (ns < LIMIT_SAMPLE_NS / 2)
            rounds *= 2;
    }
    return best;
}

static int compare_ns(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The median of column i of a table of `runs` rows; `sorted` has room for a column. */
static uint64_t median_ns(const uint64_t *table, uint32_t n_columns, uint32_t i, size_t runs,
                          uint64_t *sorted) {
    for (size_t run = 0; run < runs; run++)
        sorted[run] = table[run * n_columns + i];
    qsort(sorted, runs, sizeof(*sorted), compare_ns);
    return runs % 2 ? sorted[runs / 2] : (sorted[runs / 2 - 1] + sorted[runs / 2]) / 2;
}

/* Runs, a row of `table` each, which has room for MAX_RUNS and is zero. */
static int run_all(const struct source *source, double seconds, void *arena, uint64_t *table,
                   size_t *ret_runs) {
    const struct image *image = source->image;
    _cleanup_(load_buffers_deinit) struct load_buffers buffers = {0};
    int r = load_buffers_init(&buffers, source, 1);
    uint64_t until = clock_now_ns() + (uint64_t)(seconds * 1e9);
    size_t runs = 0;
    while (!r && runs < MAX_RUNS && (runs == 0 || clock_now_ns() < until))
        r = image_run_timed(image, NULL, (const void *const *)buffers.inputs, buffers.outputs,
                            arena, table + runs++ * image_n_layers(image));
    *ret_runs = runs;
    return r;
}

/* Medians: a run that was interrupted does not count for more than another. */
int layers_time(struct layers *layers, const struct source *source, double seconds,
                struct diag *diag) {
    const struct image *image = source->image;
    const struct kernels *kernels = kernels_get(image_tier(image));
    uint32_t n = image_n_layers(image);
    size_t runs = 0;
    layers->image = image;
    layers->ns = calloc((size_t)n + 1, sizeof(*layers->ns));
    uint64_t *table = calloc(((size_t)n + 1) * MAX_RUNS, sizeof(*table));
    uint64_t *sorted = calloc(MAX_RUNS, sizeof(*sorted));
    void *arena = aligned_alloc(RUNTIME_ARENA_ALIGN,
                                MAX(image_arena_bytes(image), (size_t)RUNTIME_ARENA_ALIGN));
    int r = layers->ns && table && sorted && arena ? run_all(source, seconds, arena, table, &runs)
                                                   : err_origin(-ENOMEM);
    for (uint32_t i = 0; i < n && !r; i++)
        layers->ns[i] = median_ns(table, n, i, runs, sorted);
    free(arena);
    free(sorted);
    free(table);
    if (r)
        return diag_set(diag, r, "the layers could not be timed: %s", strerror(-r));
    layers->limit_s8 = measure_limit(kernels->peak_s8);
    layers->limit_f32 = measure_limit(kernels->peak_f32) / 2; /* it counts product and sum */
    return 0;
}

void layers_deinit(struct layers *layers) {
    free(layers->ns);
    *layers = (struct layers){0};
}

/* Multiply-adds in a nanosecond; the clock itself takes some of a short layer's. */
static double rate(const struct layers *layers, uint32_t i, const struct layer_info *info) {
    return (double)info->macs / (double)MAX(layers->ns[i], (uint64_t)1);
}

static double limit(const struct layers *layers, const struct layer_info *info) {
    const bool is_hybrid =
        strncmp(info->kernel, "hybrid_", 7) == 0; /* floats, but products of bytes */
    return info->dtype == DTYPE_FP32 && !is_hybrid ? layers->limit_f32 : layers->limit_s8;
}

void layers_add_json(const struct layers *layers, struct cJSON *document) {
    cJSON *limits = cJSON_AddObjectToObject(document, "limits");
    cJSON_AddNumberToObject(limits, "int8_gmacs", layers->limit_s8);
    cJSON_AddNumberToObject(limits, "float_gmacs", layers->limit_f32);
    cJSON *array = cJSON_AddArrayToObject(document, "layers");
    for (uint32_t i = 0; i < image_n_layers(layers->image); i++) {
        struct layer_info info = image_layer(layers->image, i);
        cJSON *layer = cJSON_CreateObject();
        cJSON_AddStringToObject(layer, "operator", op_kind_name(info.kind));
        cJSON_AddStringToObject(layer, "kernel", info.kernel);
        cJSON_AddStringToObject(layer, "fused", info.fused);
        cJSON_AddNumberToObject(layer, "macs", (double)info.macs);
        cJSON_AddNumberToObject(layer, "us", (double)layers->ns[i] / 1e3);
        cJSON_AddNumberToObject(layer, "gmacs", rate(layers, i, &info));
        cJSON_AddNumberToObject(layer, "limit_gmacs", limit(layers, &info));
        cJSON_AddItemToArray(array, layer);
    }
}

static void add_row(struct table *t, const struct layers *layers, uint32_t i, uint64_t total) {
    struct layer_info info = image_layer(layers->image, i);
    char shown[HUMAN_MAX];
    table_add(t, "%" PRIu32, i);
    table_add(t, "%s", op_kind_name(info.kind));
    table_add(t, "%s", info.fused);
    table_add(t, "%s", info.kernel);
    table_add(t, "%s", human_count(info.macs, shown));
    table_add(t, "%s", human_ns((double)layers->ns[i], shown));
    table_add(t, "%.1f %%", 100.0 * (double)layers->ns[i] / (double)MAX(total, (uint64_t)1));
    if (info.macs) {
        table_add(t, "%.1f", rate(layers, i, &info));
        table_add(t, "%.0f %%", 100 * rate(layers, i, &info) / limit(layers, &info));
    } else {
        table_add(t, "-");
        table_add(t, "-");
    }
}

int layers_print(const struct layers *layers) {
    static const char *const titles[] = {">#",    "operator", "fused",   "kernel",   ">MACs",
                                         ">time", ">share",   ">GMAC/s", ">of limit"};
    uint64_t total = 0;
    for (uint32_t i = 0; i < image_n_layers(layers->image); i++)
        total += layers->ns[i];
    struct table t;
    table_init(&t, titles, ARRAY_SIZE(titles));
    for (uint32_t i = 0; i < image_n_layers(layers->image); i++)
        add_row(&t, layers, i, total);
    putchar('\n');
    int r = table_print(&t);
    table_deinit(&t);
    printf("\nThis core's limit at tier %s: %.0f GMAC/s of bytes, %.0f of floats\n",
           tier_name(image_tier(layers->image)), layers->limit_s8, layers->limit_f32);
    return r;
}
