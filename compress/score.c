/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures of merit.
 */

#include "compress/score.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/error.h"

#define ARGMAX(type)                                                                               \
    ({                                                                                             \
        const type *v = values;                                                                    \
        size_t best = 0;                                                                           \
        for (size_t i = 1; i < n; i++)                                                             \
            if (v[i] > v[best] || v[best] != v[best])                                              \
                best = v[i] == v[i] ? i : best;                                                    \
        best;                                                                                      \
    })

size_t score_argmax(enum dtype dtype, const void *values, size_t n) {
    switch (dtype) {
    case DTYPE_FP32:
        return ARGMAX(float);
    case DTYPE_FP64:
        return ARGMAX(double);
    case DTYPE_INT8:
        return ARGMAX(int8_t);
    case DTYPE_UINT8:
    case DTYPE_BOOL:
        return ARGMAX(uint8_t);
    case DTYPE_INT16:
        return ARGMAX(int16_t);
    case DTYPE_INT32:
        return ARGMAX(int32_t);
    case DTYPE_INT64:
        return ARGMAX(int64_t);
    case DTYPE_INT4: /* in networks only */
    case DTYPE_NONE:
        break;
    }
    return 0;
}

/* Ties go to the lowest index; NaN comes last. */
#define RANK(type)                                                                                 \
    ({                                                                                             \
        const type *v = values, is = v[which];                                                     \
        size_t before = 0;                                                                         \
        for (size_t i = 0; i < n; i++)                                                             \
            before += v[i] > is || (is != is && v[i] == v[i]) ||                                   \
                      (i < which && (v[i] == is || (is != is && v[i] != v[i])));                   \
        before;                                                                                    \
    })

size_t score_rank(enum dtype dtype, const void *values, size_t n, size_t which) {
    switch (dtype) {
    case DTYPE_FP32:
        return RANK(float);
    case DTYPE_FP64:
        return RANK(double);
    case DTYPE_INT8:
        return RANK(int8_t);
    case DTYPE_UINT8:
    case DTYPE_BOOL:
        return RANK(uint8_t);
    case DTYPE_INT16:
        return RANK(int16_t);
    case DTYPE_INT32:
        return RANK(int32_t);
    case DTYPE_INT64:
        return RANK(int64_t);
    case DTYPE_INT4: /* in networks only */
    case DTYPE_NONE:
        break;
    }
    return 0;
}

int score_confusion_init(struct score_confusion *c, size_t n_classes) {
    if (n_classes == 0 || n_classes > SCORE_MAX_CLASSES)
        return err_origin(-EINVAL);
    *c = (struct score_confusion){.n_classes = n_classes};
    c->counts = calloc(n_classes * n_classes, sizeof(*c->counts));
    return c->counts ? 0 : err_origin(-ENOMEM);
}

void score_confusion_deinit(struct score_confusion *c) {
    free(c->counts);
    *c = (struct score_confusion){0};
}

void score_confusion_add(struct score_confusion *c, size_t is, size_t said) {
    c->counts[is * c->n_classes + said]++;
    c->n++;
    c->correct += is == said;
}

uint64_t score_confusion_get(const struct score_confusion *c, size_t is, size_t said) {
    return c->counts[is * c->n_classes + said];
}

struct score_class score_class(const struct score_confusion *c, size_t k) {
    struct score_class s = {0};
    for (size_t i = 0; i < c->n_classes; i++) {
        s.support += score_confusion_get(c, k, i);
        s.said += score_confusion_get(c, i, k);
    }
    double hits = (double)score_confusion_get(c, k, k);
    s.precision = s.said ? hits / (double)s.said : 0;
    s.recall = s.support ? hits / (double)s.support : 0;
    s.f1 = s.support + s.said ? 2 * hits / (double)(s.support + s.said) : 0;
    return s;
}

static int compare_scores(const void *a, const void *b, void *scores) {
    double x = ((const double *)scores)[*(const size_t *)a];
    double y = ((const double *)scores)[*(const size_t *)b];
    return (x > y) - (x < y);
}

/* The Mann-Whitney statistic: ranks of the positives, tied scores sharing their mean rank. */
double score_auc(const double *scores, const uint8_t *positive, size_t n, size_t *order) {
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    qsort_r(order, n, sizeof(*order), compare_scores, (void *)scores);
    double rank_sum = 0;
    uint64_t n_positive = 0;
    for (size_t i = 0; i < n;) {
        size_t end = i;
        uint64_t positives = 0;
        while (end < n && scores[order[end]] == scores[order[i]])
            positives += positive[order[end++]] != 0;
        /* Ranks count from 1: i + 1 … end. */
        rank_sum += (double)positives * ((double)(i + 1 + end) / 2);
        n_positive += positives;
        i = end > i ? end : i + 1;
    }
    uint64_t n_negative = n - n_positive;
    if (!n_positive || !n_negative)
        return NAN;
    double p = (double)n_positive;
    return (rank_sum - p * (p + 1) / 2) / (p * (double)n_negative);
}
