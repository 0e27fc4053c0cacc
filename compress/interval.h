/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How far a figure measured on a sample may be from the true one: two-sided 95 % confidence intervals. Pure functions.
 */

#include <stddef.h>
#include <stdint.h>

struct interval {
    double low, high;
};

/* A proportion, k of n >= 1: Wilson's score interval. */
struct interval interval_proportion(uint64_t k, uint64_t n);
/* An area under the ROC curve of so many positive and negative samples (both >= 1): the score interval with the variance
 * of Hanley and McNeil (1982), method 5 of Newcombe (2006); it has a width at 1 too. */
struct interval interval_auc(double auc, uint64_t n_positive, uint64_t n_negative);
/* The mean of n >= 1 values: normal approximation. Of one value: nothing is known, from -inf to inf. */
struct interval interval_mean(const double *values, size_t n);

/* Two classifiers on the same samples: how many of them both get right, only one of them, or none. */
struct paired_counts {
    uint64_t both, only_first, only_second, neither;
};
/* The first one's accuracy minus the second one's: square-and-add of two Wilson intervals with the correlation of the
 * pairs, method 10 of Newcombe (1998). At least one sample. */
struct interval interval_paired(const struct paired_counts *counts);

/* Two rankings of the same samples: the first one's AUC minus the second one's by DeLong, DeLong and Clarke-Pearson
 * (1988). `scratch` has room for 2 * n numbers and `order` for n; there is at least one sample of each kind. */
struct interval interval_paired_auc(const double *first, const double *second,
                                    const uint8_t *positive, size_t n, double *scratch,
                                    size_t *order, double *ret_difference);
