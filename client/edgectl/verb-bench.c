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
#include "client/edgectl/crossover.h"
#include "client/edgectl/ctl.h"
#include "client/edgectl/layers.h"
#include "client/edgectl/load-test.h"
#include "client/edgectl/source.h"
#include "client/edgectl/table.h"

#define BENCH_DEFAULT_SECONDS 2
#define BENCH_MAX_SECONDS 86400

struct bench {
    struct source *source;
    struct load_plan plan;
    struct load_result result;
    struct layers layers; /* ns is NULL: not asked for */
};

static void bench_deinit(struct bench *b) {
    source_free(b->source);
    load_result_deinit(&b->result);
    layers_deinit(&b->layers);
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
    if (b->layers.ns)
        layers_add_json(&b->layers, d);
    return ctl_print_json(ctl, d);
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
    if (!r && b->layers.ns)
        r = layers_print(&b->layers);
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
        r = layers_time(&b->layers, b->source, b->plan.seconds, &diag);
    if (r)
        return ctl_fail_diag(ctl, &diag);
    return ctl->json ? print_json(ctl, b) : print_text(ctl, b);
}

int verb_bench(struct ctl *ctl, int argc, char **argv) {
    _cleanup_(bench_deinit) struct bench b = {
        .plan = {.callers = 1, .batch = 1, .seconds = BENCH_DEFAULT_SECONDS},
    };
    _cleanup_(args_list_deinit) struct args_list words = {0};
    bool local = false, layers = false, crossover = false;
    const char *file = NULL;
    const struct args_option options[] = {
        {"concurrency", 'c', ARGS_COUNT, &b.plan.callers, 1, LOAD_MAX_CALLERS, "N",
         "callers, each with one call under way (1)"},
        {"duration", 'd', ARGS_SECONDS, &b.plan.seconds, 0, BENCH_MAX_SECONDS, "SECONDS",
         "how long to measure (2)"},
        {"batch", 'b', ARGS_COUNT, &b.plan.batch, 1, RUNTIME_MAX_BATCH, "N", "items of a call (1)"},
        {"threads", 't', ARGS_COUNT, &b.plan.threads, 1, LOAD_MAX_CALLERS, "N",
         "with a file: calls that compute at a time (all)"},
        {"layers", 0, ARGS_FLAG, &layers, 0, 0, NULL,
         "with a file: time and rate of each layer, too"},
        {"local", 0, ARGS_FLAG, &local, 0, 0, NULL,
         "NAME is a file; run it here, without a daemon"},
        {"crossover", 0, ARGS_FLAG, &crossover, 0, 0, NULL,
         "no network: up to which density sparse kernels pay here"},
        {"output", 'o', ARGS_STRING, &file, 0, 0, "FILE",
         "with --crossover: write it where edged and edgectl read it"},
        {0},
    };
    const struct args_spec spec = {
        .synopsis = "NAME|FILE.edge|--crossover",
        .summary = "Measures latency and throughput on random inputs, from outside: through the "
                   "socket, or\n"
                   "for a file in this process. 'first' is the first call, 'load' what reading and "
                   "compiling\n"
                   "the network took.",
        .options = options,
        .min_words = 0,
        .max_words = 1,
    };
    int r = args_parse(ctl, argc, argv, &spec, &words);
    if (r)
        return args_status(r);
    if (crossover && words.n)
        return ctl_usage("bench", "--crossover goes without a network");
    if (crossover)
        return crossover_bench(ctl, file);
    if (file)
        return ctl_usage("bench", "--output goes with --crossover");
    if (!words.n)
        return ctl_usage("bench", "a network or --crossover is missing");
    return bench(ctl, &b, words.items[0], local, layers);
}
