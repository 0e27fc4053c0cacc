/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Figures of merit over a data set: accuracy with confusion, area under the ROC curve, mean squared error. Thread-safe
 * for distinct data.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/dtype.h"

#define SCORE_MAX_CLASSES 4096

/* The index of the largest of n >= 1 values; ties go to the lowest. A NaN never wins. */
size_t score_argmax(enum dtype dtype, const void *values, size_t n);

/* How many of the n values stand before that of `which` when the largest comes first; 0 for score_argmax(). */
size_t score_rank(enum dtype dtype, const void *values, size_t n, size_t which);

struct score_confusion {
    size_t n_classes;
    uint64_t *counts; /* [true][said] */
    uint64_t n, correct;
};
/* -ENOMEM; -EINVAL above SCORE_MAX_CLASSES. */
_nodiscard_ int score_confusion_init(struct score_confusion *c, size_t n_classes);
void score_confusion_deinit(struct score_confusion *c);
/* Both are below n_classes. */
void score_confusion_add(struct score_confusion *c, size_t is, size_t said);
uint64_t score_confusion_get(const struct score_confusion *c, size_t is, size_t said);

struct score_class {
    uint64_t support;             /* samples that are of this class */
    uint64_t said;                /* samples called so */
    double precision, recall, f1; /* 0 where undefined */
};
struct score_class score_class(const struct score_confusion *c, size_t k);

/* Probability that a positive sample scores above a negative one, ties counting half; sorts `order` (n indices, filled
 * here). NaN where one kind is missing. */
double score_auc(const double *scores, const uint8_t *positive, size_t n, size_t *order);
