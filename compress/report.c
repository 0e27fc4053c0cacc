/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The document: both networks as a whole, steps, and what the other files of the report add.
 */

#include "compress/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/arith.h"
#include "base/error.h"
#include "compress/complexity.h"
#include "compress/dataset.h"
#include "compress/energy.h"
#include "compress/latency.h"
#include "compress/layer.h"
#include "compress/pass.h"
#include "compress/recipe.h"
#include "compress/report-parts.h"
#include "model/graph-edit.h"
#include "model/graph.h"
#include "runtime/runtime.h"

#define FORMAT 1
#define LATENCY_ROUNDS 7
#define LATENCY_SECONDS 0.06 /* of a network and round */
#define ENERGY_SECONDS 0.5

/* One of the two networks. */
struct side {
    struct graph *graph;
    struct image *image;
    struct evaluation eval, test;
    cJSON *json; /* of the document */
};

struct report {
    struct report_options options;
    struct side before, after;
    const struct recipe *recipe;
    cJSON *json, *steps;
};

static void side_deinit(struct side *side) {
    graph_free(side->graph);
    image_unref(side->image);
    evaluation_deinit(&side->eval);
    evaluation_deinit(&side->test);
}

struct report *report_free(struct report *report) {
    if (!report)
        return NULL;
    side_deinit(&report->before);
    side_deinit(&report->after);
    cJSON_Delete(report->json);
    free(report);
    return NULL;
}

void report_freep(struct report **report) {
    *report = report_free(*report);
}

/* ---- one network ---- */

static int evaluate(const struct report *report, struct image *image, const struct dataset *data,
                    struct evaluation *ret, struct diag *diag) {
    const struct evaluate_options options = {.metric = report->options.metric};
    return data ? evaluate_image(image, data, &options, ret, diag) : 0;
}

static void add_score(cJSON *json, const struct evaluation *e) {
    cJSON_AddNumberToObject(json, "score", e->score);
    cJSON_AddNumberToObject(json, "score_low", e->interval.low);
    cJSON_AddNumberToObject(json, "score_high", e->interval.high);
}

static void add_sizes(struct side *side, size_t bytes) {
    struct complexity c = complexity_of(side->graph);
    cJSON_AddNumberToObject(side->json, "bytes", (double)bytes);
    cJSON_AddNumberToObject(side->json, "memory",
                            (double)(image_bytes(side->image) + image_arena_bytes(side->image) +
                                     image_state_bytes(side->image)));
    cJSON_AddNumberToObject(side->json, "parameters", (double)c.parameters);
    cJSON_AddNumberToObject(side->json, "nonzeros", (double)c.non_zeros);
    cJSON_AddNumberToObject(side->json, "macs", (double)c.macs);
    cJSON_AddNumberToObject(side->json, "effective_macs", (double)c.effective_macs);
}

/* Everything but times, which are taken of both networks in turn. */
static int measure_side(struct report *report, struct side *side, const struct graph *graph,
                        size_t bytes, struct diag *diag) {
    const struct report_options *o = &report->options;
    struct layers layers;
    int r = graph_copy(graph, &side->graph);
    if (r == 0)
        r = layers_find(side->graph, &layers);
    if (r == 0)
        r = image_build(side->graph, o->tier, &side->image, diag);
    if (r == 0)
        r = evaluate(report, side->image, o->eval, &side->eval, diag);
    if (r == 0)
        r = evaluate(report, side->image, o->test, &side->test, diag);
    if (r)
        return r < 0 ? r : COMPRESS_E_INVALID;
    add_sizes(side, bytes);
    if (o->eval)
        add_score(side->json, &side->eval);
    if (o->test)
        add_score(cJSON_AddObjectToObject(side->json, "test"), &side->test);
    return 0;
}

/* ---- the machine and the data ---- */

/* "Intel(R) Xeon(R) …", as /proc/cpuinfo has it. */
static void find_cpu(char *ret, size_t size) {
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");
    snprintf(ret, size, "unknown");
    while (file && fgets(line, sizeof(line), file)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon) {
            snprintf(ret, size, "%s", colon + 1 + strspn(colon + 1, " "));
            ret[strcspn(ret, "\n")] = 0;
            break;
        }
    }
    if (file)
        fclose(file);
}

static void add_machine(struct report *report) {
    char cpu[256];
    cJSON *machine = cJSON_AddObjectToObject(report->json, "machine");
    find_cpu(cpu, sizeof(cpu));
    cJSON_AddStringToObject(machine, "cpu", cpu);
    cJSON_AddStringToObject(machine, "tier", tier_name(report->options.tier));
}

static void add_dataset(cJSON *data, const char *name, const struct dataset *dataset) {
    if (!dataset)
        return;
    cJSON *json = cJSON_AddObjectToObject(data, name);
    cJSON_AddStringToObject(json, "path", dataset->path);
    cJSON_AddNumberToObject(json, "n", (double)dataset->n);
}

static int check_data(const struct report *report, const struct graph *graph, struct diag *diag) {
    const struct report_options *o = &report->options;
    int r = 0;
    if (o->calibration)
        r = dataset_check(o->calibration, graph, "--calibrate", diag);
    if (r == 0 && o->eval)
        r = dataset_check(o->eval, graph, "--eval", diag);
    if (r == 0 && o->test)
        r = dataset_check(o->test, graph, "--test", diag);
    return r;
}

static void begin_document(struct report *report, const struct graph *graph) {
    const struct report_options *o = &report->options;
    cJSON *d = report->json;
    cJSON_AddNumberToObject(d, "format", FORMAT);
    cJSON_AddStringToObject(d, "model", graph->name);
    cJSON_AddStringToObject(d, "input", o->input);
    add_machine(report);
    cJSON *data = cJSON_AddObjectToObject(d, "data");
    add_dataset(data, "calibrate", o->calibration);
    add_dataset(data, "eval", o->eval);
    add_dataset(data, "test", o->test);
    cJSON_AddStringToObject(d, "metric", metric_name(o->metric));
    report->before.json = cJSON_AddObjectToObject(d, "before");
    report->after.json = cJSON_AddObjectToObject(d, "after");
    report->steps = cJSON_AddArrayToObject(d, "steps");
}

int report_new(const struct report_options *options, const struct graph *graph,
               struct report **ret_report, struct diag *diag) {
    _cleanup_(report_freep) struct report *report = calloc(1, sizeof(*report));
    if (!report || !(report->json = cJSON_CreateObject()))
        return err_origin(-ENOMEM);
    report->options = *options;
    int r = check_data(report, graph, diag);
    if (r)
        return r;
    begin_document(report, graph);
    r = measure_side(report, &report->before, graph, options->input_bytes, diag);
    if (r)
        return r;
    *ret_report = steal(&report);
    return 0;
}

enum metric report_metric(const struct report *report) {
    return report->options.metric;
}

/* ---- steps ---- */

void report_begin(struct report *report, const struct recipe *recipe) {
    report->recipe = recipe;
    cJSON_AddNumberToObject(report->json, "seed", (double)recipe->seed);
}

static void add_step(struct report *report, size_t step, const struct pass_context *context,
                     size_t bytes, const struct evaluation *e) {
    struct complexity c = complexity_of(context->graph);
    const cJSON *written = cJSON_GetObjectItemCaseSensitive(report->recipe->json, "steps");
    cJSON *options = cJSON_Duplicate(cJSON_GetArrayItem(written, (int)step), true);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddItemToArray(report->steps, json);
    cJSON_AddStringToObject(json, "pass", report->recipe->steps[step].pass->name);
    cJSON_DeleteItemFromObjectCaseSensitive(options, "pass");
    cJSON_AddItemToObject(json, "options", options);
    cJSON_AddStringToObject(json, "summary", context->summary);
    cJSON_AddNumberToObject(json, "bytes", (double)bytes);
    cJSON_AddNumberToObject(json, "nonzeros", (double)c.non_zeros);
    cJSON_AddNumberToObject(json, "macs", (double)c.macs);
    if (report->options.eval)
        cJSON_AddNumberToObject(json, "score", e->score);
}

int report_step(void *arg, size_t step, const struct pass_context *context) {
    struct report *report = arg;
    struct evaluation e = {0};
    size_t bytes = 0;
    const struct evaluate_options options = {.metric = report->options.metric};
    int r = complexity_file_bytes(context->graph, &bytes, context->diag);
    if (r == 0 && report->options.eval)
        r = evaluate_graph(context->graph, report->options.tier, report->options.eval, &options, &e,
                           context->diag);
    if (r)
        return r < 0 ? r : COMPRESS_E_INVALID;
    add_step(report, step, context, bytes, &e);
    evaluation_deinit(&e);
    return 0;
}

/* ---- the end ---- */

static void add_latency(struct side *side, double *medians, double *p99s) {
    qsort(medians, LATENCY_ROUNDS, sizeof(*medians), compare_doubles);
    qsort(p99s, LATENCY_ROUNDS, sizeof(*p99s), compare_doubles);
    cJSON_AddNumberToObject(side->json, "latency_us", medians[LATENCY_ROUNDS / 2]);
    cJSON_AddNumberToObject(side->json, "latency_p99_us", p99s[LATENCY_ROUNDS / 2]);
}

/* Both in turn, so that a slow moment of the machine hits both. */
static int measure_latency(struct report *report) {
    const struct report_options *o = &report->options;
    const struct dataset *data = o->eval ? o->eval : o->calibration;
    struct side *sides[] = {&report->before, &report->after};
    double medians[2][LATENCY_ROUNDS], p99s[2][LATENCY_ROUNDS];
    for (unsigned round = 0; round < LATENCY_ROUNDS; round++) {
        for (unsigned k = 0; k < 2; k++) {
            struct latency latency;
            int r = latency_measure(sides[k]->image, data, LATENCY_SECONDS, &latency);
            if (r)
                return r;
            medians[k][round] = latency.median_us;
            p99s[k][round] = latency.p99_us;
        }
    }
    for (unsigned k = 0; k < 2; k++)
        add_latency(sides[k], medians[k], p99s[k]);
    return 0;
}

/* Where the machine has a sensor that may be read; else the document says that there is none. */
static int measure_energy(struct report *report) {
    _cleanup_(energy_freep) struct energy_meter *meter = NULL;
    const struct dataset *data = report->options.eval;
    struct side *sides[] = {&report->before, &report->after};
    cJSON *machine = cJSON_GetObjectItemCaseSensitive(report->json, "machine");
    int r = energy_open(ENERGY_SYSFS, &meter);
    for (unsigned k = 0; k < 2 && r == 0; k++) {
        struct energy energy;
        r = energy_measure(meter, sides[k]->image, data, ENERGY_SECONDS, &energy);
        if (r == 0)
            cJSON_AddNumberToObject(sides[k]->json, "joules", energy.joules_per_run);
    }
    if (r == 0)
        cJSON_AddStringToObject(machine, "energy_sensor", energy_sensor(meter));
    else
        cJSON_AddNullToObject(machine, "energy_sensor");
    return r < 0 ? r : 0;
}

/* In the units of evaluation_drop(): the difference is before minus after; errors grow. */
static int add_drop(cJSON *json, const struct evaluation *before, const struct evaluation *after) {
    struct comparison c;
    int r = evaluation_compare(before, after, &c);
    if (r)
        return r;
    double low = 100 * c.interval.low, high = 100 * c.interval.high;
    if (before->metric == METRIC_MSE) {
        double base = before->score > 0 ? before->score : (double)NAN;
        low = 0 - 100 * c.interval.high / base; /* 0, where it is 0, and not -0 */
        high = 0 - 100 * c.interval.low / base;
    }
    cJSON_AddNumberToObject(json, "drop", evaluation_drop(before, after));
    cJSON_AddNumberToObject(json, "drop_low", low);
    cJSON_AddNumberToObject(json, "drop_high", high);
    return 0;
}

static int add_drops(struct report *report) {
    struct side *before = &report->before, *after = &report->after;
    int r = 0;
    if (report->options.eval)
        r = add_drop(after->json, &before->eval, &after->eval);
    if (r == 0 && report->options.test)
        r = add_drop(cJSON_GetObjectItemCaseSensitive(after->json, "test"), &before->test,
                     &after->test);
    return r;
}

/* A layer that became several costs once: its first part has the figure. */
static int add_costs(struct report *report, cJSON *layers, struct diag *diag) {
    const char *last = "";
    cJSON *layer;
    int r = 0;
    cJSON_ArrayForEach(layer, layers) {
        const char *was = cJSON_GetObjectItemCaseSensitive(layer, "was")->valuestring;
        double cost = (double)NAN;
        if (r || strcmp(was, last) == 0)
            continue;
        last = was;
        r = report_cost(&report->options, report->recipe, report->before.graph,
                        &report->before.eval, was, &cost, diag);
        if (r == 0 && isfinite(cost))
            cJSON_AddNumberToObject(layer, "cost", cost);
    }
    return r;
}

static int add_layers(struct report *report, const void *file, size_t size, struct diag *diag) {
    const struct report_layers in = {.options = &report->options,
                                     .before = report->before.graph,
                                     .after = report->after.graph,
                                     .image = report->after.image,
                                     .file = file,
                                     .size = size};
    cJSON *layers = NULL;
    int r = report_layers(&in, &layers, diag);
    if (r)
        return r;
    cJSON_AddItemToObject(report->json, "layers", layers);
    return report->options.eval && report->options.costs ? add_costs(report, layers, diag) : 0;
}

int report_add(struct report *report, const char *name, cJSON *part) {
    if (part && cJSON_AddItemToObject(report->json, name, part))
        return 0;
    cJSON_Delete(part);
    return err_origin(-ENOMEM);
}

int report_finish(struct report *report, const struct graph *graph, const void *file, size_t size,
                  struct diag *diag) {
    int r = measure_side(report, &report->after, graph, size, diag);
    if (r == 0)
        r = measure_latency(report);
    if (r == 0)
        r = measure_energy(report);
    if (r == 0)
        r = add_drops(report);
    if (r == 0)
        r = add_layers(report, file, size, diag);
    if (r == 0)
        r = report_add(report, "recipe", cJSON_Duplicate(report->recipe->json, true));
    return r;
}

const cJSON *report_json(const struct report *report) {
    return report->json;
}
