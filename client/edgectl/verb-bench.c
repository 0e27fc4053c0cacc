/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl bench: latency and throughput.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/clock.h"
#include "client/edgectl/args.h"
#include "client/edgectl/ctl.h"
#include "client/edgectl/load-test.h"
#include "client/edgectl/source.h"
#include "client/edgectl/table.h"

#define BENCH_DEFAULT_SECONDS 2
#define BENCH_MAX_SECONDS 86400
#define BENCH_LAYER_RUNS 1000 /* at most, within the duration */

struct bench {
    struct source *source;
    struct load_plan plan;
    struct load_result result;
    uint64_t *layer_ns; /* of each layer, the median; NULL: not asked for */
};

static void bench_deinit(struct bench *b) {
    source_free(b->source);
    load_result_deinit(&b->result);
    free(b->layer_ns);
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

/* Runs on one thread, a row of `table` each, which has room for BENCH_LAYER_RUNS and is zero. */
static int run_layers(const struct bench *b, void *arena, uint64_t *table, size_t *ret_runs) {
    const struct image *image = b->source->image;
    _cleanup_(load_buffers_deinit) struct load_buffers buffers = {0};
    int r = load_buffers_init(&buffers, b->source, 1);
    uint64_t until = clock_now_ns() + (uint64_t)(b->plan.seconds * 1e9);
    size_t runs = 0;
    while (!r && runs < BENCH_LAYER_RUNS && (runs == 0 || clock_now_ns() < until))
        r = image_run_timed(image, NULL, (const void *const *)buffers.inputs, buffers.outputs,
                            arena, table + runs++ * image_n_layers(image));
    *ret_runs = runs;
    return r;
}

/* Median time of each layer: a run that was interrupted does not count for more than another. */
static int time_layers(struct bench *b, struct diag *diag) {
    const struct image *image = b->source->image;
    uint32_t n = image_n_layers(image);
    size_t runs = 0;
    b->layer_ns = calloc((size_t)n + 1, sizeof(*b->layer_ns));
    uint64_t *table = calloc(((size_t)n + 1) * BENCH_LAYER_RUNS, sizeof(*table));
    uint64_t *sorted = calloc(BENCH_LAYER_RUNS, sizeof(*sorted));
    void *arena = aligned_alloc(RUNTIME_ARENA_ALIGN,
                                MAX(image_arena_bytes(image), (size_t)RUNTIME_ARENA_ALIGN));
    int r = b->layer_ns && table && sorted && arena ? run_layers(b, arena, table, &runs)
                                                    : err_origin(-ENOMEM);
    for (uint32_t i = 0; i < n && !r; i++)
        b->layer_ns[i] = median_ns(table, n, i, runs, sorted);
    free(arena);
    free(sorted);
    free(table);
    return r ? diag_set(diag, r, "the layers could not be timed: %s", strerror(-r)) : 0;
}

static cJSON *layers_json(const struct bench *b) {
    cJSON *layers = cJSON_CreateArray();
    for (uint32_t i = 0; i < image_n_layers(b->source->image); i++) {
        struct layer_info l = image_layer(b->source->image, i);
        cJSON *layer = cJSON_CreateObject();
        cJSON_AddStringToObject(layer, "operator", op_kind_name(l.kind));
        cJSON_AddStringToObject(layer, "kernel", l.kernel);
        cJSON_AddStringToObject(layer, "fused", l.fused);
        cJSON_AddNumberToObject(layer, "macs", (double)l.macs);
        cJSON_AddNumberToObject(layer, "us", (double)b->layer_ns[i] / 1e3);
        cJSON_AddItemToArray(layers, layer);
    }
    return layers;
}

static int print_json(const struct ctl *ctl, const struct bench *b) {
    const struct load_result *r = &b->result;
    cJSON *d = cJSON_CreateObject();
    cJSON_AddStringToObject(d, "model", b->source->name);
    cJSON_AddStringToObject(d, "version", b->source->version);
    cJSON_AddBoolToObject(d, "local", b->source->image != NULL);
    cJSON_AddNumberToObject(d, "concurrency", b->plan.callers);
    cJSON_AddNumberToObject(d, "threads", b->plan.threads);
    cJSON_AddNumberToObject(d, "batch", b->plan.batch);
    cJSON_AddNumberToObject(d, "seed", LOAD_SEED);
    cJSON_AddNumberToObject(d, "n", (double)r->n);
    cJSON_AddNumberToObject(d, "seconds", r->seconds);
    cJSON_AddNumberToObject(d, "p50_us", (double)load_quantile_ns(r, 0.5) / 1e3);
    cJSON_AddNumberToObject(d, "p90_us", (double)load_quantile_ns(r, 0.9) / 1e3);
    cJSON_AddNumberToObject(d, "p99_us", (double)load_quantile_ns(r, 0.99) / 1e3);
    cJSON_AddNumberToObject(d, "first_us", (double)r->first_ns / 1e3);
    cJSON_AddNumberToObject(d, "load_us", (double)b->source->load_ns / 1e3);
    cJSON_AddNumberToObject(d, "per_second", r->per_second);
    if (b->layer_ns)
        cJSON_AddItemToObject(d, "layers", layers_json(b));
    return ctl_print_json(ctl, d);
}

static int print_layers(const struct bench *b) {
    static const char *const titles[] = {">#",    "operator", "fused", "kernel",
                                         ">MACs", ">time",    ">share"};
    const struct image *image = b->source->image;
    char shown[HUMAN_MAX];
    uint64_t total = 0;
    for (uint32_t i = 0; i < image_n_layers(image); i++)
        total += b->layer_ns[i];
    struct table t;
    table_init(&t, titles, ARRAY_SIZE(titles));
    for (uint32_t i = 0; i < image_n_layers(image); i++) {
        struct layer_info l = image_layer(image, i);
        table_add(&t, "%" PRIu32, i);
        table_add(&t, "%s", op_kind_name(l.kind));
        table_add(&t, "%s", l.fused);
        table_add(&t, "%s", l.kernel);
        table_add(&t, "%s", human_count(l.macs, shown));
        table_add(&t, "%s", human_ns((double)b->layer_ns[i], shown));
        table_add(&t, "%.1f %%", 100.0 * (double)b->layer_ns[i] / (double)MAX(total, (uint64_t)1));
    }
    putchar('\n');
    int r = table_print(&t);
    table_deinit(&t);
    return r;
}

static int print_text(const struct ctl *ctl, const struct bench *b) {
    static const char *const titles[] = {"", ">"};
    const struct load_result *result = &b->result;
    const struct {
        const char *what;
        uint64_t ns;
    } rows[] = {
        {"p50", load_quantile_ns(result, 0.5)},
        {"p90", load_quantile_ns(result, 0.9)},
        {"p99", load_quantile_ns(result, 0.99)},
        {"first", result->first_ns},
        {"load", b->source->load_ns},
    };
    char shown[HUMAN_MAX];
    struct table t;
    table_init(&t, titles, ARRAY_SIZE(titles));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        table_add(&t, "%s", rows[i].what);
        table_add(&t, "%s", human_ns((double)rows[i].ns, shown));
    }
    table_add(&t, "per second");
    table_add(&t, "%.1f", result->per_second);
    printf("%s: %zu calls in %.2f s, concurrency %" PRIu32 ", batch %" PRIu32 "%s\n",
           b->source->name, result->n, result->seconds, b->plan.callers, b->plan.batch,
           b->source->image ? ", in this process" : "");
    int r = table_print(&t);
    table_deinit(&t);
    if (!r && b->layer_ns)
        r = print_layers(b);
    return r ? ctl_fail(ctl, "out of memory") : CTL_DONE;
}

static int bench(struct ctl *ctl, struct bench *b, const char *name, bool local, bool layers) {
    struct diag diag = {0};
    int r = source_open(ctl, name, local, &b->source, &diag);
    if (r)
        return ctl_fail_diag(ctl, &diag);
    bool is_local = b->source->image != NULL;
    if (!is_local && (layers || b->plan.threads))
        return ctl_usage("bench", "%s goes with a file: the daemon's workers are its own",
                         layers ? "--layers" : "--threads");
    if (!b->plan.threads)
        b->plan.threads = b->plan.callers;
    r = load_run(b->source, &b->plan, &b->result, &diag);
    if (!r && layers)
        r = time_layers(b, &diag);
    if (r)
        return ctl_fail_diag(ctl, &diag);
    return ctl->json ? print_json(ctl, b) : print_text(ctl, b);
}

int verb_bench(struct ctl *ctl, int argc, char **argv) {
    _cleanup_(bench_deinit) struct bench b = {
        .plan = {.callers = 1, .batch = 1, .seconds = BENCH_DEFAULT_SECONDS},
    };
    _cleanup_(args_list_deinit) struct args_list words = {0};
    bool local = false, layers = false;
    const struct args_option options[] = {
        {"concurrency", 'c', ARGS_COUNT, &b.plan.callers, 1, LOAD_MAX_CALLERS, "N",
         "callers, each with one call under way (1)"},
        {"duration", 'd', ARGS_SECONDS, &b.plan.seconds, 0, BENCH_MAX_SECONDS, "SECONDS",
         "how long to measure (2)"},
        {"batch", 'b', ARGS_COUNT, &b.plan.batch, 1, RUNTIME_MAX_BATCH, "N", "items of a call (1)"},
        {"threads", 't', ARGS_COUNT, &b.plan.threads, 1, LOAD_MAX_CALLERS, "N",
         "with a file: calls that compute at a time (all)"},
        {"layers", 0, ARGS_FLAG, &layers, 0, 0, NULL,
         "with a file: the median time of each layer, too"},
        {"local", 0, ARGS_FLAG, &local, 0, 0, NULL,
         "NAME is a file; run it here, without a daemon"},
        {0},
    };
    const struct args_spec spec = {
        .synopsis = "NAME|FILE.edge",
        .summary = "Measures latency and throughput on random inputs, from outside: through the "
                   "socket, or\n"
                   "for a file in this process. 'first' is the first call, 'load' what reading and "
                   "compiling\n"
                   "the network took.",
        .options = options,
        .min_words = 1,
        .max_words = 1,
    };
    int r = args_parse(ctl, argc, argv, &spec, &words);
    if (r)
        return args_status(r);
    return bench(ctl, &b, words.items[0], local, layers);
}
