/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Confidence intervals.
 */

#include "compress/interval.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/attributes.h"

#define Z95 1.959963984540054 /* the normal distribution's 97.5 % point */

/* E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927). */
struct interval interval_proportion(uint64_t k, uint64_t n) {
    double count = (double)n, p = (double)k / count, z2 = Z95 * Z95;
    double centre = (2 * (double)k + z2) / (2 * (count + z2));
    double half = Z95 * sqrt(z2 + 4 * (double)k * (1 - p)) / (2 * (count + z2));
    /* Exact at the ends, where rounding would leave a trace. */
    return (struct interval){k == 0 ? 0 : centre - half, k == n ? 1 : centre + half};
}

/* Variance of an area `a` by Hanley and McNeil (1982), with the mean of both counts for each (Newcombe 2006): symmetric
 * in the two kinds of samples. */
static double auc_variance(double a, double positives, double negatives) {
    double mean = (positives + negatives) / 2;
    double spread = 1 + (mean - 1) * ((1 - a) / (2 - a) + a / (1 + a));
    return a * (1 - a) * spread / (positives * negatives);
}

/* Between `inside`, which the data does not contradict, and `outside`, which it does. */
static double auc_limit(double auc, double inside, double outside, double positives,
                        double negatives) {
    for (int i = 0; i < 100; i++) {
        double middle = (inside + outside) / 2;
        if (fabs(auc - middle) <= Z95 * sqrt(auc_variance(middle, positives, negatives)))
            inside = middle;
        else
            outside = middle;
    }
    return inside;
}

struct interval interval_auc(double auc, uint64_t n_positive, uint64_t n_negative) {
    double p = (double)n_positive, n = (double)n_negative;
    return (struct interval){auc <= 0 ? 0 : auc_limit(auc, auc, 0, p, n),
                             auc >= 1 ? 1 : auc_limit(auc, auc, 1, p, n)};
}

struct interval interval_mean(const double *values, size_t n) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    if (n < 2)
        return (struct interval){-INFINITY, INFINITY};
    double half = Z95 * sqrt(squares / (double)(n - 1) / (double)n);
    return (struct interval){mean - half, mean + half};
}

/* The correlation of the two columns of the fourfold table, with the correction that Newcombe recommends. */
static double fourfold_phi(const struct paired_counts *t) {
    double e = (double)t->both, f = (double)t->only_first, g = (double)t->only_second;
    double h = (double)t->neither, n = e + f + g + h;
    double margins = (e + f) * (g + h) * (e + g) * (f + h), d = e * h - f * g;
    if (margins <= 0)
        return 0;
    return (d > 0 ? fmax(d - n / 2, 0) : d) / sqrt(margins);
}

/* R. G. Newcombe, "Improved confidence intervals for the difference between binomial proportions based on paired data"
 * (1998). */
struct interval interval_paired(const struct paired_counts *t) {
    uint64_t first = t->both + t->only_first, second = t->both + t->only_second;
    uint64_t n = second + t->only_first + t->neither;
    double p = (double)first / (double)n, q = (double)second / (double)n, phi = fourfold_phi(t);
    struct interval a = interval_proportion(first, n), b = interval_proportion(second, n);
    double down = p - a.low, up = a.high - p, down2 = q - b.low, up2 = b.high - q;
    return (struct interval){p - q - sqrt(fmax(down * down - 2 * phi * down * up2 + up2 * up2, 0)),
                             p - q + sqrt(fmax(up * up - 2 * phi * up * down2 + down2 * down2, 0))};
}

/* ---- DeLong ---- */

static int compare_scores(const void *a, const void *b, void *scores) {
    double x = ((const double *)scores)[*(const size_t *)a];
    double y = ((const double *)scores)[*(const size_t *)b];
    return (x > y) - (x < y);
}

/* ret[i]: the share of the other kind that sample i is on the right side of, ties counting half. Their mean over either
 * kind is the AUC. */
static void placements(const double *scores, const uint8_t *positive, size_t n, size_t *order,
                       double *ret) {
    double counts[2] = {0}, below[2] = {0};
    for (size_t i = 0; i < n; i++) {
        order[i] = i;
        counts[positive[i] != 0]++;
    }
    qsort_r(order, n, sizeof(*order), compare_scores, (void *)scores);
    for (size_t i = 0, end; i < n; i = end) {
        double tied[2] = {0};
        for (end = i; end < n && (end == i || scores[order[end]] == scores[order[i]]); end++)
            tied[positive[order[end]] != 0]++;
        for (size_t k = i; k < end; k++) {
            bool is = positive[order[k]] != 0;
            double share = (below[!is] + tied[!is] / 2) / counts[!is];
            ret[order[k]] = is ? share : 1 - share;
        }
        below[0] += tied[0];
        below[1] += tied[1];
    }
}

/* Mean and variance of that mean, of the samples of one kind. */
static double mean_of_kind(const double *values, const uint8_t *positive, size_t n, bool kind,
                           double *ret_variance) {
    double sum = 0, squares = 0, count = 0;
    for (size_t i = 0; i < n; i++) {
        if ((positive[i] != 0) == kind) {
            sum += values[i];
            count++;
        }
    }
    double mean = sum / count;
    for (size_t i = 0; i < n; i++)
        if ((positive[i] != 0) == kind)
            squares += (values[i] - mean) * (values[i] - mean);
    *ret_variance = count > 1 ? squares / (count - 1) / count : INFINITY;
    return mean;
}

struct interval interval_paired_auc(const double *first, const double *second,
                                    const uint8_t *positive, size_t n, double *scratch,
                                    size_t *order, double *ret_difference) {
    double *a = scratch, *b = scratch + n, among_positives, among_negatives;
    placements(first, positive, n, order, a);
    placements(second, positive, n, order, b);
    for (size_t i = 0; i < n; i++)
        a[i] -= b[i];
    /* The variance of the difference is that of the differences: covariances need no care of their own. */
    double difference = mean_of_kind(a, positive, n, true, &among_positives);
    mean_of_kind(a, positive, n, false, &among_negatives);
    double half = Z95 * sqrt(among_positives + among_negatives);
    *ret_difference = difference;
    return (struct interval){fmax(difference - half, -1), fmin(difference + half, 1)};
}
