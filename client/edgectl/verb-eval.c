/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl eval: a network's figures on x.npy and y.npy.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/arith.h"
#include "base/clock.h"
#include "base/error.h"
#include "client/edgectl/args.h"
#include "client/edgectl/ctl.h"
#include "client/edgectl/eval.h"
#include "client/edgectl/progress.h"
#include "client/edgectl/source.h"
#include "client/edgectl/sweep.h"
#include "client/edgectl/table.h"
#include "compress/score.h"

/* A confusion of more classes is not printed as a table. */
#define EVAL_MAX_PRINTED 32

static void eval_deinit(struct eval *e) {
    source_free(e->source);
    npy_deinit(&e->x);
    npy_deinit(&e->y);
    free(e->outputs);
}

static int run(struct eval *e, struct diag *diag) {
    size_t size;
    if (!size_mul(e->n, e->source->outputs[0].size, &size) || !(e->outputs = malloc(size)))
        return diag_set(diag, err_origin(-ENOMEM), "out of memory for the outputs");
    struct progress progress;
    progress_init(&progress, "eval", e->n);
    uint64_t start = clock_now_ns();
    int r = sweep_run(e->source, e->x.dtype, e->x.data, e->n, &progress, e->outputs, diag);
    e->seconds = (double)(clock_now_ns() - start) / 1e9;
    return r;
}

static const char *class_name(const struct eval *e, size_t k, char *ret) {
    if (k < e->source->n_labels)
        return e->source->labels[k];
    snprintf(ret, HUMAN_MAX, "%zu", k);
    return ret;
}

cJSON *eval_document(const struct eval *e, const char *metric) {
    cJSON *d = cJSON_CreateObject();
    cJSON_AddStringToObject(d, "model", e->source->name);
    cJSON_AddStringToObject(d, "version", e->source->version);
    cJSON_AddStringToObject(d, "metric", metric);
    cJSON_AddNumberToObject(d, "n", (double)e->n);
    cJSON_AddNumberToObject(d, "seconds", e->seconds);
    return d;
}

static int print_confusion_json(const struct ctl *ctl, const struct eval *e,
                                const struct score_confusion *c) {
    char number[HUMAN_MAX];
    cJSON *d = eval_document(e, "top1");
    cJSON_AddNumberToObject(d, "correct", (double)c->correct);
    cJSON_AddNumberToObject(d, "accuracy", (double)c->correct / (double)c->n);
    cJSON *classes = cJSON_AddArrayToObject(d, "classes");
    cJSON *confusion = cJSON_AddArrayToObject(d, "confusion");
    for (size_t k = 0; k < c->n_classes; k++) {
        struct score_class s = score_class(c, k);
        cJSON *class = cJSON_CreateObject();
        cJSON_AddStringToObject(class, "label", class_name(e, k, number));
        cJSON_AddNumberToObject(class, "support", (double)s.support);
        cJSON_AddNumberToObject(class, "precision", s.precision);
        cJSON_AddNumberToObject(class, "recall", s.recall);
        cJSON_AddNumberToObject(class, "f1", s.f1);
        cJSON_AddItemToArray(classes, class);
        cJSON *row = cJSON_CreateArray();
        for (size_t i = 0; i < c->n_classes; i++)
            cJSON_AddItemToArray(row, cJSON_CreateNumber((double)score_confusion_get(c, k, i)));
        cJSON_AddItemToArray(confusion, row);
    }
    return ctl_print_json(ctl, d);
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

static int print_top1(const struct ctl *ctl, const struct eval *e,
                      const struct score_confusion *c) {
    if (ctl->json)
        return print_confusion_json(ctl, e, c);
    printf("%" PRIu64 " of %" PRIu64 " right, accuracy %.2f %%, %.2f s\n\n", c->correct, c->n,
           100.0 * (double)c->correct / (double)c->n, e->seconds);
    int r = print_classes(e, c);
    if (!r && c->n_classes <= EVAL_MAX_PRINTED) {
        putchar('\n');
        r = print_confusion(e, c);
    }
    return r ? ctl_fail(ctl, "out of memory") : CTL_DONE;
}

static int eval_top1(const struct ctl *ctl, const struct eval *e, struct diag *diag) {
    const struct port *out = &e->source->outputs[0];
    size_t n_classes = port_elements(out);
    for (size_t i = 0; i < e->n; i++) {
        int64_t y = eval_label(e, i);
        if (y < 0 || (uint64_t)y >= n_classes) {
            diag_set(diag, EVAL_E_INVALID,
                     "y.npy: label %" PRId64
                     " of sample %zu is not one of the network's %zu classes",
                     y, i, n_classes);
            return ctl_fail_diag(ctl, diag);
        }
    }
    _cleanup_(score_confusion_deinit) struct score_confusion c = {0};
    if (score_confusion_init(&c, n_classes))
        return ctl_fail(ctl, "top1 takes outputs of 1 to %d classes, this one has %zu",
                        SCORE_MAX_CLASSES, n_classes);
    for (size_t i = 0; i < e->n; i++)
        score_confusion_add(&c, (size_t)eval_label(e, i),
                            score_argmax(out->dtype, eval_output(e, i), n_classes));
    return print_top1(ctl, e, &c);
}

static bool parse_metric(const char *text, enum metric *ret) {
    static const char *const names[] = {"top1", "auc", "mse"};
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum metric)i;
            return true;
        }
    }
    return false;
}

static int eval(struct ctl *ctl, struct eval *e, const char *name, bool local) {
    struct diag diag = {0};
    int r = source_open(ctl, name, local, &e->source, &diag);
    if (!r)
        r = eval_read_x(e, &diag);
    if (!r)
        r = eval_read_y(e, &diag);
    if (!r)
        r = run(e, &diag);
    if (r)
        return ctl_fail_diag(ctl, &diag);
    switch (e->metric) {
    case METRIC_TOP1:
        return eval_top1(ctl, e, &diag);
    case METRIC_AUC:
        return eval_auc(ctl, e);
    case METRIC_MSE:
        return eval_mse(ctl, e);
    }
    return CTL_FAILED;
}

int verb_eval(struct ctl *ctl, int argc, char **argv) {
    _cleanup_(eval_deinit) struct eval e = {0};
    _cleanup_(args_list_deinit) struct args_list words = {0};
    const char *metric = "top1";
    bool local = false;
    const struct args_option options[] = {
        {"data", 'd', ARGS_STRING, &e.data, 0, 0, "DIR", "folder with x.npy and y.npy"},
        {"metric", 'm', ARGS_STRING, &metric, 0, 0, "NAME", "top1 (default), auc or mse"},
        {"local", 0, ARGS_FLAG, &local, 0, 0, NULL,
         "NAME is a file; run it here, without a daemon"},
        {0},
    };
    const struct args_spec spec = {
        .synopsis = "NAME|FILE.edge --data DIR",
        .summary =
            "Measures a network on a data set. The first axis of x.npy is the samples; values in "
            "the\n"
            "input's own datatype are taken as they are, others as real values. y.npy holds the\n"
            "class of each sample (auc: 0 or not 0; mse: the values the output should have, "
            "without\n"
            "y.npy the input itself). A file is run in this process.",
        .options = options,
        .min_words = 1,
        .max_words = 1,
    };
    int r = args_parse(ctl, argc, argv, &spec, &words);
    if (r)
        return args_status(r);
    if (!e.data)
        return ctl_usage("eval", "--data DIR is missing");
    if (!parse_metric(metric, &e.metric))
        return ctl_usage("eval", "--metric: '%s' is none of top1, auc, mse", metric);
    return eval(ctl, &e, words.items[0], local);
}
