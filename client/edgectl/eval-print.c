/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `edgectl eval` says: tables, or one document.
 */

#include <inttypes.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "client/edgectl/ctl.h"
#include "client/edgectl/eval.h"
#include "client/edgectl/table.h"
#include "runtime/runtime.h"

/* A confusion of more classes is not printed as a table. */
#define EVAL_MAX_PRINTED (TABLE_MAX_COLUMNS - 1)

/* ---- a document ---- */

static void add_measured(cJSON *d, const struct eval *e) {
    cJSON_AddItemToObject(d, "complexity",
                          complexity_to_json(&e->complexity, e->file_bytes, e->source->image));
    cJSON *latency = cJSON_AddObjectToObject(d, "latency");
    cJSON_AddNumberToObject(latency, "p50_us", e->latency.median_us);
    cJSON_AddNumberToObject(latency, "p99_us", e->latency.p99_us);
    cJSON_AddNumberToObject(latency, "runs", e->latency.runs);
    if (!e->has_energy) {
        cJSON_AddNullToObject(d, "energy");
        return;
    }
    cJSON *energy = cJSON_AddObjectToObject(d, "energy");
    cJSON_AddStringToObject(energy, "sensor", e->sensor);
    cJSON_AddNumberToObject(energy, "joules", e->energy.joules_per_run);
    cJSON_AddNumberToObject(energy, "runs", (double)e->energy.runs);
}

static int print_json(const struct ctl *ctl, const struct eval *e) {
    cJSON *d = evaluation_to_json(&e->result, e->source->labels, e->source->n_labels);
    cJSON_AddStringToObject(d, "model", e->source->name);
    cJSON_AddStringToObject(d, "version", e->source->version);
    cJSON_AddNumberToObject(d, "seconds", e->seconds);
    if (e->crossval)
        cJSON_AddItemToObject(d, "crossValidation",
                              crossval_to_json(e->crossval, &e->crossval_options));
    if (e->measured)
        add_measured(d, e);
    return ctl_print_json(ctl, d);
}

/* ---- tables ---- */

static const char *class_name(const struct eval *e, size_t k, char *ret) {
    if (k < e->source->n_labels)
        return e->source->labels[k];
    snprintf(ret, HUMAN_MAX, "%zu", k);
    return ret;
}

static int print_classes(const struct eval *e, const struct score_confusion *c) {
    static const char *const titles[] = {"class", ">samples", ">precision", ">recall", ">F1"};
    char number[HUMAN_MAX];
    struct table t;
    table_init(&t, titles, ARRAY_SIZE(titles));
    for (size_t k = 0; k < c->n_classes; k++) {
        struct score_class s = score_class(c, k);
        table_add(&t, "%s", class_name(e, k, number));
        table_add(&t, "%" PRIu64, s.support);
        table_add(&t, "%.4f", s.precision);
        table_add(&t, "%.4f", s.recall);
        table_add(&t, "%.4f", s.f1);
    }
    int r = table_print(&t);
    table_deinit(&t);
    return r;
}

/* Rows are what a sample is, columns what the network said, in the order of the classes above. */
static int print_confusion(const struct eval *e, const struct score_confusion *c) {
    char number[HUMAN_MAX], names[EVAL_MAX_PRINTED][HUMAN_MAX];
    const char *titles[EVAL_MAX_PRINTED + 1] = {"is \\ said"};
    for (size_t k = 0; k < c->n_classes; k++) {
        snprintf(names[k], sizeof(names[k]), ">%.*s", 12, class_name(e, k, number));
        titles[k + 1] = names[k];
    }
    struct table t;
    table_init(&t, titles, (unsigned)c->n_classes + 1);
    for (size_t k = 0; k < c->n_classes; k++) {
        table_add(&t, "%s", class_name(e, k, number));
        for (size_t i = 0; i < c->n_classes; i++)
            table_add(&t, "%" PRIu64, score_confusion_get(c, k, i));
    }
    int r = table_print(&t);
    table_deinit(&t);
    return r;
}

static void print_top1(const struct eval *e) {
    const struct evaluation *v = &e->result;
    printf("%" PRIu64 " of %zu right, accuracy %.2f %%, 95 %% interval %.2f to %.2f %%, %.2f s\n",
           v->confusion.correct, v->n, 100 * v->score, 100 * v->interval.low,
           100 * v->interval.high, e->seconds);
    if (v->top_k)
        printf("top-%" PRIu32 " accuracy %.2f %%, 95 %% interval %.2f to %.2f %%\n", v->top_k,
               100 * (double)v->top_correct / (double)v->n, 100 * v->top_interval.low,
               100 * v->top_interval.high);
    printf("macro F1 %.4f\n", v->macro_f1);
}

static void print_real(const struct eval *e) {
    const struct evaluation *v = &e->result;
    printf("%s %.6g over %zu samples, 95 %% interval %.6g to %.6g, %.2f s\n",
           metric_name(v->metric), v->score, v->n, v->interval.low, v->interval.high, e->seconds);
}

static void print_crossval(const struct eval *e) {
    const struct crossval *c = e->crossval;
    printf("%" PRIu32 " folds, each evaluated by a network calibrated with the others: mean %.6g, "
           "standard deviation %.2g\n",
           c->folds, c->mean, c->sd);
}

static void print_measured(const struct eval *e) {
    const struct complexity *c = &e->complexity;
    char a[HUMAN_MAX], b[HUMAN_MAX];
    printf("\n%s parameters, ", human_count(c->parameters, a));
    printf("%s not zero; %s multiply-adds, ", human_count(c->non_zeros, a),
           human_count(c->macs, b));
    printf("%s with a weight that is not zero\n", human_count(c->effective_macs, a));
    printf("%s on disk, ", human_bytes(e->file_bytes, a));
    printf("%s in memory + ", human_bytes(image_bytes(e->source->image), a));
    printf("%s scratch\n", human_bytes(image_arena_bytes(e->source->image), a));
    printf("latency: median %s, 99 %% below %s (%" PRIu32 " runs here, one thread)\n",
           human_ns(1e3 * e->latency.median_us, a), human_ns(1e3 * e->latency.p99_us, b),
           e->latency.runs);
    if (e->has_energy)
        printf("energy: %.3g mJ per inference (%s, idle included)\n",
               1e3 * e->energy.joules_per_run, e->sensor);
    else
        printf("energy: this machine has no sensor that can be read\n");
}

static int print_text(const struct ctl *ctl, const struct eval *e) {
    const struct evaluation *v = &e->result;
    if (v->metric == METRIC_TOP1)
        print_top1(e);
    else
        print_real(e);
    if (e->crossval)
        print_crossval(e);
    if (e->measured)
        print_measured(e);
    if (v->metric != METRIC_TOP1)
        return CTL_DONE;
    printf("\n");
    int r = print_classes(e, &v->confusion);
    if (!r && v->confusion.n_classes <= EVAL_MAX_PRINTED) {
        printf("\n");
        r = print_confusion(e, &v->confusion);
    }
    return r ? ctl_fail(ctl, "out of memory") : CTL_DONE;
}

int eval_print(const struct ctl *ctl, const struct eval *e) {
    return ctl->json ? print_json(ctl, e) : print_text(ctl, e);
}
