/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names as in the paper: L <= M are the sides of the matrix, alpha their ratio, x the squared singular values over
 * M sigma^2; a component is kept where x is above x_bar.
 */

#include "compress/vbmf.h"

#include <math.h>

#include "base/attributes.h"

/* Squared singular values below this share of the largest count as it: a matrix without noise has variance 0. */
#define LEAST_SHARE 1e-14
#define N_GRID 400
#define N_GOLDEN 60

struct problem {
    const double *s;
    size_t n; /* L */
    double m; /* M */
    double alpha, x_bar;
};

static double square(const struct problem *p, size_t i) {
    double s2 = p->s[i] * p->s[i];
    return MAX(s2, p->s[0] * p->s[0] * LEAST_SHARE);
}

/* What remains of a component: tau(x) + 1 + alpha + alpha / tau(x) = x. */
static double tau(double x, double alpha) {
    double b = x - (1 + alpha);
    return (b + sqrt(MAX(b * b - 4 * alpha, 0.0))) / 2;
}

/* The free energy for this variance of the noise, but for what does not depend on it. */
static double energy(const struct problem *p, double log_variance) {
    double scale = p->m * exp(log_variance), sum = 0;
    for (size_t i = 0; i < p->n; i++) {
        double x = square(p, i) / scale;
        if (x <= p->x_bar) {
            sum += x - log(x);
        } else {
            double t = tau(x, p->alpha);
            sum += x - t + log((t + 1) / x) + p->alpha * log(t / p->alpha + 1);
        }
    }
    return sum;
}

/* The least value in the interval; the energy has kinks and may have several dents, so a grid comes first. */
static double minimize(const struct problem *p, double low, double high) {
    double step = (high - low) / N_GRID, best = low, least = INFINITY;
    for (unsigned i = 0; i <= N_GRID; i++) {
        double e = energy(p, low + step * i);
        if (e < least) {
            least = e;
            best = low + step * i;
        }
    }
    double a = MAX(low, best - step), b = MIN(high, best + step), g = (sqrt(5) - 1) / 2;
    for (unsigned i = 0; i < N_GOLDEN; i++) {
        double u = b - g * (b - a), v = a + g * (b - a);
        if (energy(p, u) <= energy(p, v))
            b = v;
        else
            a = u;
    }
    return (a + b) / 2;
}

/* Bounds of the variance (theorem 5 of the paper): all of the matrix is noise; or only what no solution can keep is. */
static void find_bounds(const struct problem *p, double *ret_low, double *ret_high) {
    double sum = 0, tail = 0;
    size_t kept = (size_t)ceil((double)p->n / (1 + p->alpha)) - 1;
    kept = MIN(kept, p->n - 1);
    for (size_t i = 0; i < p->n; i++) {
        sum += square(p, i);
        tail += i >= kept ? square(p, i) : 0;
    }
    double high = sum / ((double)p->n * p->m);
    double low = MAX(square(p, kept) / (p->m * p->x_bar), tail / ((double)(p->n - kept) * p->m));
    *ret_low = log(MIN(low, high));
    *ret_high = log(high);
}

uint32_t vbmf_rank(const double *s, size_t rows, size_t cols, double *ret_variance) {
    size_t small = MIN(rows, cols), large = MAX(rows, cols);
    double alpha = (double)small / (double)large, tau_bar = 2.5129 * sqrt(alpha);
    struct problem p = {.s = s,
                        .n = small,
                        .m = (double)large,
                        .alpha = alpha,
                        .x_bar = (1 + tau_bar) * (1 + alpha / tau_bar)};
    if (ret_variance)
        *ret_variance = 0;
    if (!(s[0] > 0))
        return 0;
    double low, high;
    find_bounds(&p, &low, &high);
    double variance = exp(minimize(&p, low, high));
    uint32_t rank = 0;
    while (rank < small && s[rank] * s[rank] > p.m * variance * p.x_bar)
        rank++;
    if (ret_variance)
        *ret_variance = variance;
    return rank;
}
