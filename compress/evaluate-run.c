/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running an image over a data set, and an evaluation as a document.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/arith.h"
#include "base/error.h"
#include "compress/compress.h"
#include "compress/dataset.h"
#include "compress/evaluate.h"
#include "compress/sweep.h"
#include "model/graph.h"
#include "runtime/runtime.h"

struct lane {
    struct image *image;
    void *arena;
};

static void lane_free(void *lane) {
    struct lane *l = lane;
    free(l->arena);
    free(l);
}

static int lane_new(void *arg, void **ret_lane, struct diag *diag) {
    struct image *image = arg;
    struct lane *l = calloc(1, sizeof(*l));
    if (l) {
        l->image = image;
        l->arena = aligned_alloc(RUNTIME_ARENA_ALIGN,
                                 MAX(image_arena_bytes(image), (size_t)RUNTIME_ARENA_ALIGN));
    }
    if (!l || !l->arena) {
        free(l);
        return diag_set(diag, err_origin(-ENOMEM), "no memory for the network's scratch");
    }
    *ret_lane = l;
    return 0;
}

static int lane_run(void *lane, uint32_t batch, const void *const *inputs, void *const *outputs,
                    struct diag *diag) {
    struct lane *l = lane;
    int r = image_run(l->image, NULL, batch, inputs, outputs, l->arena, NULL);
    return r ? diag_set(diag, err_fold(r), "the network could not be run") : 0;
}

static int run(struct image *image, const struct dataset *data, unsigned threads, void *outputs,
               struct diag *diag) {
    struct port ports[GRAPH_MAX_IO];
    const struct sweep_network network = {
        .input = image_input(image, 0),
        .outputs = ports,
        .n_outputs = image_n_outputs(image),
        .max_batch = RUNTIME_MAX_BATCH,
        .lane_new = lane_new,
        .lane_run = lane_run,
        .lane_free = lane_free,
        .arg = image,
    };
    for (uint32_t i = 0; i < network.n_outputs; i++)
        ports[i] = *image_output(image, i);
    return sweep_dataset(&network, data, threads, NULL, NULL, outputs, diag);
}

int evaluate_run(struct image *image, const struct dataset *data,
                 const struct evaluate_options *options, void **ret_outputs, struct diag *diag) {
    if (image_n_inputs(image) != 1 || image_n_outputs(image) == 0)
        return diag_set(diag, COMPRESS_E_INVALID,
                        "a network with one input and an output is needed, not %u and %u",
                        image_n_inputs(image), image_n_outputs(image));
    const struct port *output = image_output(image, 0);
    int r = evaluate_check(image_input(image, 0), output, data, options, diag);
    if (r)
        return r;
    size_t size;
    void *outputs = size_mul(data->n, output->size, &size) ? malloc(size) : NULL;
    if (!outputs)
        return diag_set(diag, err_origin(-ENOMEM), "out of memory for the outputs");
    r = run(image, data, options->threads, outputs, diag);
    if (r)
        free(outputs);
    else
        *ret_outputs = outputs;
    return r;
}

int evaluate_image(struct image *image, const struct dataset *data,
                   const struct evaluate_options *options, struct evaluation *ret_evaluation,
                   struct diag *diag) {
    void *outputs = NULL;
    int r = evaluate_run(image, data, options, &outputs, diag);
    if (r)
        return r;
    r = evaluate_outputs(image_input(image, 0), image_output(image, 0), outputs, data, options,
                         ret_evaluation, diag);
    free(outputs);
    return r;
}

int evaluate_graph(const struct graph *graph, enum tier tier, const struct dataset *data,
                   const struct evaluate_options *options, struct evaluation *ret_evaluation,
                   struct diag *diag) {
    _cleanup_(image_unrefp) struct image *image = NULL;
    int r = image_build(graph, tier, &image, diag);
    if (r)
        return r < 0 ? r : COMPRESS_E_INVALID;
    return evaluate_image(image, data, options, ret_evaluation, diag);
}

/* ---- JSON ---- */

static void add_interval(cJSON *to, const char *name, const struct interval *interval) {
    const double ends[] = {interval->low, interval->high};
    cJSON_AddItemToObject(to, name, cJSON_CreateDoubleArray(ends, ARRAY_SIZE(ends)));
}

static void add_classes(cJSON *to, const struct score_confusion *c, const char *const *labels,
                        uint32_t n_labels) {
    cJSON *classes = cJSON_AddArrayToObject(to, "classes");
    cJSON *confusion = cJSON_AddArrayToObject(to, "confusion");
    for (size_t k = 0; k < c->n_classes; k++) {
        char number[24];
        snprintf(number, sizeof(number), "%zu", k);
        struct score_class s = score_class(c, k);
        cJSON *class = cJSON_CreateObject(), *row = cJSON_CreateArray();
        cJSON_AddStringToObject(class, "label", k < n_labels ? labels[k] : number);
        cJSON_AddNumberToObject(class, "support", (double)s.support);
        cJSON_AddNumberToObject(class, "precision", s.precision);
        cJSON_AddNumberToObject(class, "recall", s.recall);
        cJSON_AddNumberToObject(class, "f1", s.f1);
        cJSON_AddItemToArray(classes, class);
        for (size_t i = 0; i < c->n_classes; i++)
            cJSON_AddItemToArray(row, cJSON_CreateNumber((double)score_confusion_get(c, k, i)));
        cJSON_AddItemToArray(confusion, row);
    }
}

static void add_top1(cJSON *d, const struct evaluation *e) {
    cJSON_AddNumberToObject(d, "correct", (double)e->confusion.correct);
    cJSON_AddNumberToObject(d, "accuracy", e->score);
    add_interval(d, "interval", &e->interval);
    cJSON_AddNumberToObject(d, "macroF1", e->macro_f1);
    if (!e->top_k)
        return;
    cJSON *top = cJSON_AddObjectToObject(d, "topK");
    cJSON_AddNumberToObject(top, "k", e->top_k);
    cJSON_AddNumberToObject(top, "correct", (double)e->top_correct);
    cJSON_AddNumberToObject(top, "accuracy", (double)e->top_correct / (double)e->n);
    add_interval(top, "interval", &e->top_interval);
}

cJSON *evaluation_to_json(const struct evaluation *e, const char *const *labels,
                          uint32_t n_labels) {
    cJSON *d = cJSON_CreateObject();
    cJSON_AddStringToObject(d, "metric", metric_name(e->metric));
    cJSON_AddNumberToObject(d, "n", (double)e->n);
    if (e->metric == METRIC_TOP1) {
        add_top1(d, e);
        add_classes(d, &e->confusion, labels, n_labels);
    } else {
        cJSON_AddNumberToObject(d, metric_name(e->metric), e->score);
        add_interval(d, "interval", &e->interval);
    }
    return d;
}
