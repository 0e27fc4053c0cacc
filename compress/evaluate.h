/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a network is worth on a data set: accuracy, area under the ROC curve or mean squared error, with a 95 % confidence
 * interval, and the difference of two networks on the same samples. Called by one thread; a run starts its own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "compress/interval.h"
#include "compress/score.h"
#include "kernels/cpu.h"

struct cJSON;
struct dataset;
struct diag;
struct graph;
struct image;
struct port;

enum metric {
    METRIC_TOP1, /* y: the class of each sample; accuracy from 0 to 1 */
    METRIC_AUC, /* y: 0 or not 0; the score is the only or second output, or an autoencoder's error */
    METRIC_MSE, /* y: what the output should be; without y the input itself */
};
/* "top1", "auc", "mse". */
const char *metric_name(enum metric metric);
bool metric_parse(const char *name, enum metric *ret_metric);

struct evaluate_options {
    enum metric metric;
    uint32_t top_k; /* METRIC_TOP1: also how often the class is among the k highest; 0: not asked */
    unsigned threads; /* 0: all CPUs */
};

struct evaluation {
    enum metric metric;
    size_t n;                 /* samples */
    double score;             /* accuracy, AUC, mean squared error */
    struct interval interval; /* of the score, 95 % */
    double *samples;          /* n: 1 right and 0 wrong; the score; the squared error */

    /* METRIC_TOP1 */
    struct score_confusion confusion;
    double macro_f1;      /* mean of F1 over the classes that are in the data or were said */
    uint32_t top_k;       /* 0: not asked */
    uint64_t top_correct; /* among the k highest */
    struct interval top_interval;
    /* METRIC_AUC */
    uint8_t *positive; /* n */
    uint64_t n_positive;
};
void evaluation_deinit(struct evaluation *e);

/* Whether the data set fits the ports and the metric. 0 or COMPRESS_E_INVALID. */
_nodiscard_ int evaluate_check(const struct port *input, const struct port *output,
                               const struct dataset *data, const struct evaluate_options *options,
                               struct diag *diag);
/* The figures of outputs that are there: data->n values of the port `output`. 0, -ENOMEM, COMPRESS_E_INVALID. */
_nodiscard_ int evaluate_outputs(const struct port *input, const struct port *output,
                                 const void *outputs, const struct dataset *data,
                                 const struct evaluate_options *options,
                                 struct evaluation *ret_evaluation, struct diag *diag);
/* Runs the image, which all threads share, on all samples. The same, and what starting threads gives. */
_nodiscard_ int evaluate_image(struct image *image, const struct dataset *data,
                               const struct evaluate_options *options,
                               struct evaluation *ret_evaluation, struct diag *diag);
/* The outputs only, for the caller to free(). The same. */
_nodiscard_ int evaluate_run(struct image *image, const struct dataset *data,
                             const struct evaluate_options *options, void **ret_outputs,
                             struct diag *diag);
/* Compiles the graph first. The same. */
_nodiscard_ int evaluate_graph(const struct graph *graph, enum tier tier,
                               const struct dataset *data, const struct evaluate_options *options,
                               struct evaluation *ret_evaluation, struct diag *diag);

/* Fills in score, interval and macro_f1 from the samples and counts that are there, put together from several parts; an
 * AUC, which cannot be, is `mean_auc`. For crossval.c. */
void evaluation_summarize(struct evaluation *e, double mean_auc);

struct comparison {
    double difference; /* the first one's score minus the second one's */
    struct interval interval;
    struct paired_counts counts; /* METRIC_TOP1 */
};
/* Both on the same data set with the same metric: paired, so much narrower than the two intervals suggest. Accuracy:
 * Newcombe's method 10; AUC: DeLong; errors: normal approximation of the differences. -ENOMEM, -EINVAL. */
_nodiscard_ int evaluation_compare(const struct evaluation *first, const struct evaluation *second,
                                   struct comparison *ret_comparison);
/* How much worse `other` is: percentage points of accuracy or of AUC, per cent of the mean squared error. */
double evaluation_drop(const struct evaluation *base, const struct evaluation *other);

/* {"metric", "n", <metric's name or "accuracy">, "interval": [low, high], …}: for top1 also "correct", "macroF1",
 * "topK", "classes", "confusion". `labels` may be NULL. NULL where there is no memory. */
struct cJSON *evaluation_to_json(const struct evaluation *e, const char *const *labels,
                                 uint32_t n_labels);
