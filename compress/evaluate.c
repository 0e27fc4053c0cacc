/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures over a data set from outputs that are there.
 */

#include "compress/evaluate.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "compress/compress.h"
#include "compress/dataset.h"
#include "runtime/runtime.h"

static const char *const metric_names[] = {"top1", "auc", "mse"};

const char *metric_name(enum metric metric) {
    return metric_names[metric];
}

bool metric_parse(const char *name, enum metric *ret_metric) {
    for (unsigned i = 0; i < ARRAY_SIZE(metric_names); i++) {
        if (strcmp(name, metric_names[i]) == 0) {
            *ret_metric = (enum metric)i;
            return true;
        }
    }
    return false;
}

void evaluation_deinit(struct evaluation *e) {
    free(e->samples);
    free(e->positive);
    score_confusion_deinit(&e->confusion);
    *e = (struct evaluation){0};
}

static size_t elements(const struct port *port) {
    return port->size / dtype_size(port->dtype);
}

/* ---- whether data and network go together ---- */

static int check_samples(const struct port *input, const struct dataset *data, struct diag *diag) {
    if (data->per_sample == elements(input))
        return 0;
    return diag_set(diag, COMPRESS_E_INVALID,
                    "%s/x.npy has %zu values a sample, the network's input takes %zu", data->path,
                    data->per_sample, elements(input));
}

static int check_labels(const struct port *output, const struct dataset *data, enum metric metric,
                        struct diag *diag) {
    const struct npy *y = &data->y;
    if (!data->has_y)
        return diag_set(diag, COMPRESS_E_INVALID, "%s has no y.npy, which %s needs", data->path,
                        metric_name(metric));
    if (y->n != data->n)
        return diag_set(diag, COMPRESS_E_INVALID, "%s/y.npy has %zu labels, x.npy %zu samples",
                        data->path, y->n, data->n);
    if (y->dtype == DTYPE_FP32 || y->dtype == DTYPE_FP64)
        return diag_set(diag, COMPRESS_E_INVALID, "%s/y.npy holds %s: labels are integers",
                        data->path, dtype_name(y->dtype));
    size_t n_classes = elements(output);
    for (size_t i = 0; metric == METRIC_TOP1 && i < data->n; i++) {
        int64_t label = dataset_label(data, i);
        if (label < 0 || (uint64_t)label >= n_classes)
            return diag_set(diag, COMPRESS_E_INVALID,
                            "%s/y.npy: label %" PRId64
                            " of sample %zu is not one of the network's %zu classes",
                            data->path, label, i, n_classes);
    }
    return 0;
}

static int check_top1(const struct port *output, const struct dataset *data, uint32_t top_k,
                      struct diag *diag) {
    size_t n_classes = elements(output);
    if (n_classes > SCORE_MAX_CLASSES)
        return diag_set(diag, COMPRESS_E_INVALID,
                        "top1 takes outputs of 1 to %d classes, this one has %zu",
                        SCORE_MAX_CLASSES, n_classes);
    if (top_k > n_classes)
        return diag_set(diag, COMPRESS_E_INVALID,
                        "top-k: %" PRIu32 " is more than the network's %zu classes", top_k,
                        n_classes);
    return check_labels(output, data, METRIC_TOP1, diag);
}

static bool is_autoencoder(const struct port *input, const struct port *output) {
    return elements(input) == elements(output);
}

static int check_auc(const struct port *input, const struct port *output,
                     const struct dataset *data, struct diag *diag) {
    if (elements(output) > 2 && !is_autoencoder(input, output))
        return diag_set(diag, COMPRESS_E_INVALID,
                        "auc takes networks with one or two output values, or autoencoders");
    int r = check_labels(output, data, METRIC_AUC, diag);
    size_t positives = 0;
    for (size_t i = 0; r == 0 && i < data->n; i++)
        positives += dataset_label(data, i) != 0;
    if (r == 0 && (positives == 0 || positives == data->n))
        return diag_set(diag, COMPRESS_E_INVALID,
                        "auc needs samples with y = 0 and samples with y other than 0");
    return r;
}

/* Whether y holds a whole output for every sample. */
static bool has_targets(const struct port *output, const struct dataset *data) {
    size_t all;
    return data->has_y && size_mul(data->n, elements(output), &all) && data->y.n == all;
}

int evaluate_check(const struct port *input, const struct port *output, const struct dataset *data,
                   const struct evaluate_options *options, struct diag *diag) {
    int r = check_samples(input, data, diag);
    if (r)
        return r;
    switch (options->metric) {
    case METRIC_TOP1:
        return check_top1(output, data, options->top_k, diag);
    case METRIC_AUC:
        return check_auc(input, output, data, diag);
    case METRIC_MSE:
        if (has_targets(output, data) || is_autoencoder(input, output))
            return 0;
        return diag_set(
            diag, COMPRESS_E_INVALID,
            "mse needs a y.npy of %zu values a sample, or a network whose output has its "
            "input's size",
            elements(output));
    }
    return err_origin(-EINVAL);
}

/* ---- classes ---- */

static double macro_f1(const struct score_confusion *c) {
    double sum = 0;
    size_t n = 0;
    for (size_t k = 0; k < c->n_classes; k++) {
        struct score_class s = score_class(c, k);
        if (s.support + s.said) {
            sum += s.f1;
            n++;
        }
    }
    return n ? sum / (double)n : 0;
}

static int fill_top1(struct evaluation *e, const struct port *output, const uint8_t *outputs,
                     const struct dataset *data) {
    size_t n_classes = elements(output);
    int r = score_confusion_init(&e->confusion, n_classes);
    for (size_t i = 0; r == 0 && i < e->n; i++) {
        const void *values = outputs + i * output->size;
        size_t is = (size_t)dataset_label(data, i);
        size_t said = score_argmax(output->dtype, values, n_classes);
        score_confusion_add(&e->confusion, is, said);
        e->samples[i] = is == said;
        e->top_correct += score_rank(output->dtype, values, n_classes, is) < e->top_k;
    }
    return r;
}

/* ---- real values ---- */

/* Room for one sample as targets and as real values, and in the input's datatype. */
struct sample {
    double *targets;
    float *real;
    void *values;
};

static void sample_deinit(struct sample *s) {
    free(s->targets);
    free(s->real);
    free(s->values);
}

/* What sample i should give: y, or for an autoencoder the input itself. */
static int read_targets(struct sample *s, const struct port *input, const struct dataset *data,
                        size_t i, size_t n, bool from_y) {
    for (size_t k = 0; from_y && k < n; k++)
        s->targets[k] = dataset_target(data, i * n + k);
    if (from_y)
        return 0;
    int r = dataset_input(data, i, input, s->values);
    if (r == 0)
        r = port_dequantize(input, s->values, n, s->real);
    for (size_t k = 0; r == 0 && k < n; k++)
        s->targets[k] = (double)s->real[k];
    return r;
}

/* ret[i]: the mean squared difference of sample i's output and what it should be, in real values. */
static int squared_errors(const struct port *input, const struct port *output,
                          const uint8_t *outputs, const struct dataset *data, bool from_y,
                          double *ret) {
    size_t n = elements(output);
    _cleanup_(sample_deinit) struct sample s = {malloc(n * sizeof(*s.targets)),
                                                malloc(n * sizeof(*s.real)), malloc(input->size)};
    int r = s.targets && s.real && s.values ? 0 : err_origin(-ENOMEM);
    for (size_t i = 0; r == 0 && i < data->n; i++) {
        r = read_targets(&s, input, data, i, n, from_y);
        if (r == 0)
            r = port_dequantize(output, outputs + i * output->size, n, s.real);
        ret[i] = 0;
        for (size_t k = 0; r == 0 && k < n; k++) {
            double d = (double)s.real[k] - s.targets[k];
            ret[i] += d * d / (double)n;
        }
    }
    return r;
}

static int fill_mse(struct evaluation *e, const struct port *input, const struct port *output,
                    const uint8_t *outputs, const struct dataset *data) {
    return squared_errors(input, output, outputs, data, has_targets(output, data), e->samples);
}

/* How much each sample looks positive: the only or second output, or the error of an autoencoder. */
static int auc_scores(const struct port *input, const struct port *output, const uint8_t *outputs,
                      const struct dataset *data, double *ret) {
    size_t n = elements(output);
    if (n > 2)
        return squared_errors(input, output, outputs, data, false, ret);
    int r = 0;
    for (size_t i = 0; r == 0 && i < data->n; i++) {
        float v[2] = {0};
        r = port_dequantize(output, outputs + i * output->size, n, v);
        ret[i] = (double)v[n - 1];
    }
    return r;
}

static int fill_auc(struct evaluation *e, double *ret_auc, const struct port *input,
                    const struct port *output, const uint8_t *outputs, const struct dataset *data) {
    size_t *order = malloc(e->n * sizeof(*order));
    e->positive = malloc(e->n);
    int r = order && e->positive ? auc_scores(input, output, outputs, data, e->samples)
                                 : err_origin(-ENOMEM);
    for (size_t i = 0; r == 0 && i < e->n; i++) {
        e->positive[i] = dataset_label(data, i) != 0;
        e->n_positive += e->positive[i];
    }
    if (r == 0)
        *ret_auc = score_auc(e->samples, e->positive, e->n, order);
    free(order);
    return r;
}

void evaluation_summarize(struct evaluation *e, double mean_auc) {
    switch (e->metric) {
    case METRIC_TOP1:
        e->score = (double)e->confusion.correct / (double)e->n;
        e->interval = interval_proportion(e->confusion.correct, e->n);
        e->top_interval = interval_proportion(e->top_correct, e->n);
        e->macro_f1 = macro_f1(&e->confusion);
        break;
    case METRIC_AUC:
        e->score = mean_auc;
        e->interval = interval_auc(e->score, e->n_positive, e->n - e->n_positive);
        break;
    case METRIC_MSE:
        e->score = 0;
        for (size_t i = 0; i < e->n; i++)
            e->score += e->samples[i] / (double)e->n;
        e->interval = interval_mean(e->samples, e->n);
        e->interval.low = fmax(e->interval.low, 0);
        break;
    }
}

static int fill(struct evaluation *e, double *ret_auc, const struct port *input,
                const struct port *output, const void *outputs, const struct dataset *data) {
    if (!e->samples)
        return err_origin(-ENOMEM);
    switch (e->metric) {
    case METRIC_TOP1:
        return fill_top1(e, output, outputs, data);
    case METRIC_AUC:
        return fill_auc(e, ret_auc, input, output, outputs, data);
    case METRIC_MSE:
        return fill_mse(e, input, output, outputs, data);
    }
    return err_origin(-EINVAL);
}

int evaluate_outputs(const struct port *input, const struct port *output, const void *outputs,
                     const struct dataset *data, const struct evaluate_options *options,
                     struct evaluation *ret_evaluation, struct diag *diag) {
    int r = evaluate_check(input, output, data, options, diag);
    if (r)
        return r;
    struct evaluation e = {
        .metric = options->metric,
        .n = data->n,
        .samples = malloc(data->n * sizeof(*e.samples)),
        .top_k = options->metric == METRIC_TOP1 ? options->top_k : 0,
    };
    double auc = NAN;
    r = fill(&e, &auc, input, output, outputs, data);
    if (r) {
        evaluation_deinit(&e);
        return diag_set(diag, r, "the outputs cannot be compared: %s", strerror(-r));
    }
    evaluation_summarize(&e, auc);
    *ret_evaluation = e;
    return 0;
}

/* ---- two networks ---- */

static void compare_top1(const struct evaluation *a, const struct evaluation *b,
                         struct comparison *ret) {
    for (size_t i = 0; i < a->n; i++) {
        bool first = a->samples[i] > 0, second = b->samples[i] > 0;
        ret->counts.both += first && second;
        ret->counts.only_first += first && !second;
        ret->counts.only_second += !first && second;
        ret->counts.neither += !first && !second;
    }
    ret->interval = interval_paired(&ret->counts);
}

static int compare_real(const struct evaluation *a, const struct evaluation *b,
                        struct comparison *ret) {
    double *scratch = malloc(2 * a->n * sizeof(*scratch));
    size_t *order = malloc(a->n * sizeof(*order));
    int r = scratch && order ? 0 : err_origin(-ENOMEM);
    if (r == 0 && a->metric == METRIC_AUC) {
        ret->interval = interval_paired_auc(a->samples, b->samples, a->positive, a->n, scratch,
                                            order, &ret->difference);
    } else if (r == 0) {
        for (size_t i = 0; i < a->n; i++)
            scratch[i] = a->samples[i] - b->samples[i];
        ret->interval = interval_mean(scratch, a->n);
    }
    free(scratch);
    free(order);
    return r;
}

int evaluation_compare(const struct evaluation *first, const struct evaluation *second,
                       struct comparison *ret_comparison) {
    if (first->metric != second->metric || first->n != second->n)
        return err_origin(-EINVAL);
    struct comparison c = {.difference = first->score - second->score};
    int r = 0;
    if (first->metric == METRIC_TOP1)
        compare_top1(first, second, &c);
    else
        r = compare_real(first, second, &c);
    if (r == 0)
        *ret_comparison = c;
    return r;
}

double evaluation_drop(const struct evaluation *base, const struct evaluation *other) {
    if (base->metric != METRIC_MSE)
        return 100 * (base->score - other->score);
    if (base->score > 0)
        return 100 * (other->score / base->score - 1);
    return other->score > 0 ? INFINITY : 0;
}
