/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lloyd's algorithm (1982) over sorted values. Clusters that lose all their values are given half of the one with the
 * largest error: with outliers, which a linear start is made for, most of its centers stand where there is nothing.
 */

#include "compress/kmeans.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "base/random.h"
#include "compress/kmeans-line.h"

#define MAX_ROUNDS 300
#define MAX_OPTIMAL 8192 /* values that the dynamic program looks at */
/* Share of the mean weight that a value without any has: its cluster needs a center, too. */
#define SMALLEST_WEIGHT 1e-6

/* ---- values on a line ---- */

struct pair {
    float value, weight;
};

static int compare_pairs(const void *a, const void *b) {
    float x = ((const struct pair *)a)->value, y = ((const struct pair *)b)->value;
    return (x > y) - (x < y);
}

static void line_deinit(struct line *line) {
    free(line->x);
    free(line->w);
    free(line->wx);
    free(line->wxx);
}

static int line_init(struct line *line, size_t n) {
    line->x = malloc(n * sizeof(*line->x));
    line->w = calloc(n + 1, sizeof(*line->w));
    line->wx = calloc(n + 1, sizeof(*line->wx));
    line->wxx = calloc(n + 1, sizeof(*line->wxx));
    return line->x && line->w && line->wx && line->wxx ? 0 : err_origin(-ENOMEM);
}

/* Values of the same bin, `width` wide, become one at their mean; width 0: those that are equal. The spread within a
 * bin stays in wxx. */
static void line_fill(struct line *line, const struct pair *pairs, size_t n, double width) {
    double floor_weight = 0;
    for (size_t i = 0; i < n; i++)
        floor_weight += (double)pairs[i].weight;
    floor_weight = floor_weight > 0 ? floor_weight / (double)n * SMALLEST_WEIGHT : 1;
    size_t m = 0;
    for (size_t i = 0; i < n;) {
        double first = (double)pairs[i].value, w = 0, wx = 0, wxx = 0;
        for (; i < n && (double)pairs[i].value - first <= width; i++) {
            double x = (double)pairs[i].value, v = MAX((double)pairs[i].weight, floor_weight);
            w += v;
            wx += v * x;
            wxx += v * x * x;
        }
        line->x[m] = width > 0 ? wx / w : first;
        m++;
        line->w[m] = line->w[m - 1] + w;
        line->wx[m] = line->wx[m - 1] + wx;
        line->wxx[m] = line->wxx[m - 1] + wxx;
    }
    line->n = m;
}

static int sort_values(const float *values, const float *weights, size_t n,
                       struct pair **ret_pairs) {
    struct pair *pairs = malloc(n * sizeof(*pairs));
    if (!pairs)
        return err_origin(-ENOMEM);
    for (size_t i = 0; i < n; i++)
        pairs[i] = (struct pair){.value = values[i], .weight = weights ? weights[i] : 1};
    qsort(pairs, n, sizeof(*pairs), compare_pairs);
    *ret_pairs = pairs;
    return 0;
}

/* The first value that is not below `at`. */
static size_t line_find(const struct line *line, double at) {
    size_t low = 0, high = line->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (line->x[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- where it starts ---- */

static void start_linear(const struct line *line, uint32_t k, double *centers) {
    double low = line->x[0], step = k > 1 ? (line->x[line->n - 1] - low) / (k - 1) : 0;
    for (uint32_t c = 0; c < k; c++)
        centers[c] = low + step * c;
}

/* The value at which the share (c + 1/2) / k of the weight is passed. */
static void start_density(const struct line *line, uint32_t k, double *centers) {
    size_t i = 0;
    for (uint32_t c = 0; c < k; c++) {
        double target = line->w[line->n] * (c + 0.5) / k;
        while (i + 1 < line->n && line->w[i + 1] < target)
            i++;
        centers[c] = line->x[i];
    }
}

/* Each next center is a value drawn with a chance that grows with its squared distance to the nearest so far. */
static int start_random(const struct line *line, uint32_t k, struct random *random,
                        double *centers) {
    double *cost = malloc(line->n * sizeof(*cost));
    if (!cost)
        return err_origin(-ENOMEM);
    for (size_t i = 0; i < line->n; i++)
        cost[i] = line->w[i + 1] - line->w[i];
    for (uint32_t c = 0; c < k; c++) {
        double total = 0;
        for (size_t i = 0; i < line->n; i++)
            total += cost[i];
        double target = random_unit(random) * total;
        size_t at = 0;
        for (double sum = cost[0]; at + 1 < line->n && sum <= target; sum += cost[at])
            at++;
        centers[c] = line->x[at];
        for (size_t i = 0; i < line->n; i++) {
            double d = line->x[i] - centers[c];
            double own = (line->w[i + 1] - line->w[i]) * d * d;
            cost[i] = c == 0 ? own : MIN(cost[i], own);
        }
    }
    free(cost);
    qsort(centers, k, sizeof(*centers), compare_doubles);
    return 0;
}

static int start_optimal(const struct line *line, const struct pair *pairs, size_t n, uint32_t k,
                         double *centers) {
    if (line->n <= MAX_OPTIMAL)
        return line_optimal(line, k, centers);
    _cleanup_(line_deinit) struct line coarse = {0};
    int r = line_init(&coarse, n);
    if (r)
        return r;
    line_fill(&coarse, pairs, n, (line->x[line->n - 1] - line->x[0]) / MAX_OPTIMAL);
    return line_optimal(&coarse, MIN(k, (uint32_t)coarse.n), centers);
}

/* ---- Lloyd's algorithm ---- */

/* ends[c]: the first value that is nearer to center c + 1. */
static void assign(const struct line *line, const double *centers, uint32_t k, size_t *ends) {
    for (uint32_t c = 0; c + 1 < k; c++)
        ends[c] = line_find(line, nextafter((centers[c] + centers[c + 1]) / 2, INFINITY));
    ends[k - 1] = line->n;
}

/* An empty cluster takes the upper part of the one with the largest error among those that can be parted; the centers
 * change their order. */
static bool refill(const struct line *line, double *centers, uint32_t k, const size_t *ends,
                   uint32_t empty) {
    uint32_t worst = k;
    double worst_cost = 0;
    for (uint32_t c = 0; c < k; c++) {
        size_t begin = c ? ends[c - 1] : 0;
        double cost = ends[c] > begin + 1 ? line_cost(line, begin, ends[c]) : 0;
        if (cost > worst_cost) {
            worst = c;
            worst_cost = cost;
        }
    }
    if (worst == k)
        return false;
    size_t begin = worst ? ends[worst - 1] : 0, end = ends[worst];
    size_t at = line_find(line, line_mean(line, begin, end));
    at = MIN(MAX(at, begin + 1), end - 1);
    centers[worst] = line_mean(line, begin, at);
    centers[empty] = line_mean(line, at, end);
    qsort(centers, k, sizeof(*centers), compare_doubles);
    return true;
}

/* One round; whether anything moved. */
static bool improve(const struct line *line, double *centers, uint32_t k, size_t *ends) {
    assign(line, centers, k, ends);
    for (uint32_t c = 0; c < k; c++)
        if (ends[c] == (c ? ends[c - 1] : 0) && refill(line, centers, k, ends, c))
            return true;
    bool moved = false;
    for (uint32_t c = 0; c < k; c++) {
        size_t begin = c ? ends[c - 1] : 0;
        if (ends[c] == begin)
            continue;
        double mean = line_mean(line, begin, ends[c]);
        moved |= fabs(mean - centers[c]) > 1e-9 * fabs(mean);
        centers[c] = mean;
    }
    return moved;
}

static int run_lloyd(const struct line *line, double *centers, uint32_t k) {
    size_t *ends = malloc(k * sizeof(*ends));
    if (!ends)
        return err_origin(-ENOMEM);
    for (unsigned round = 0; round < MAX_ROUNDS + k && improve(line, centers, k, ends); round++)
        ;
    free(ends);
    return 0;
}

static int start(const struct line *line, const struct pair *pairs, size_t n, uint32_t k,
                 enum kmeans_init init, struct random *random, double *centers) {
    switch (init) {
    case KMEANS_LINEAR:
        start_linear(line, k, centers);
        return 0;
    case KMEANS_DENSITY:
        start_density(line, k, centers);
        return 0;
    case KMEANS_RANDOM:
        return start_random(line, k, random, centers);
    case KMEANS_OPTIMAL:
        return start_optimal(line, pairs, n, k, centers);
    }
    return err_origin(-EINVAL);
}

static int find_centers(const struct line *line, const struct pair *pairs, size_t n, uint32_t k,
                        enum kmeans_init init, struct random *random, float *ret_centers,
                        uint32_t *ret_n_centers) {
    double *centers = calloc(k, sizeof(*centers));
    if (!centers)
        return err_origin(-ENOMEM);
    int r = 0;
    if (k == line->n) {
        memcpy(centers, line->x, k * sizeof(*centers));
    } else {
        r = start(line, pairs, n, k, init, random, centers);
        if (r == 0)
            r = run_lloyd(line, centers, k);
    }
    if (r == 0) {
        uint32_t m = 0;
        for (uint32_t c = 0; c < k; c++)
            if (!m || (float)centers[c] > ret_centers[m - 1])
                ret_centers[m++] = (float)centers[c];
        *ret_n_centers = m;
    }
    free(centers);
    return r;
}

int kmeans(const float *values, const float *weights, size_t n, uint32_t k, enum kmeans_init init,
           struct random *random, float *ret_centers, uint32_t *ret_n_centers) {
    _cleanup_(line_deinit) struct line line = {0};
    struct pair *pairs = NULL;
    int r = sort_values(values, weights, n, &pairs);
    if (r == 0)
        r = line_init(&line, n);
    if (r == 0) {
        line_fill(&line, pairs, n, 0);
        r = find_centers(&line, pairs, n, (uint32_t)MIN((size_t)k, line.n), init, random,
                         ret_centers, ret_n_centers);
    }
    free(pairs);
    return r;
}

float kmeans_nearest(const float *centers, uint32_t n_centers, float value) {
    uint32_t low = 0, high = n_centers - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        double border = ((double)centers[middle] + (double)centers[middle + 1]) / 2;
        if ((double)value > border)
            low = middle + 1;
        else
            high = middle;
    }
    return centers[low];
}
