/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Optimal clusters on a line by dynamic programming (Wang, Song: Ckmeans.1d.dp, The R Journal 3/2, 2011). The place of
 * the last border never moves back when a value is added, so a row is filled by halving: O(k n log n).
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "compress/kmeans-line.h"

struct table {
    const struct line *line;
    double *above,
        *row;         /* [n + 1] the least error of the first i values in c and in c + 1 clusters */
    uint32_t *begins; /* where the last of the c + 1 clusters begins */
};

/* row[i] for first <= i <= last, whose last cluster begins between low and high. */
static void fill(struct table *t, size_t first, size_t last, size_t low, size_t high) {
    size_t i = first + (last - first) / 2, best = low;
    double least = INFINITY;
    for (size_t begin = low; begin <= high && begin < i; begin++) {
        double cost = t->above[begin] + line_cost(t->line, begin, i);
        if (cost < least) {
            least = cost;
            best = begin;
        }
    }
    t->row[i] = least;
    t->begins[i] = (uint32_t)best;
    if (i > first)
        fill(t, first, i - 1, low, best);
    if (i < last)
        fill(t, i + 1, last, best, high);
}

static void read_back(const struct line *line, uint32_t k, const uint32_t *begins,
                      double *ret_centers) {
    size_t end = line->n;
    for (uint32_t c = k; c-- > 0;) {
        size_t begin = begins[c * (line->n + 1) + end];
        ret_centers[c] = line_mean(line, begin, end);
        end = begin;
    }
}

int line_optimal(const struct line *line, uint32_t k, double *ret_centers) {
    size_t width = line->n + 1, size;
    struct table t = {.line = line};
    if (!size_mul(width, k * sizeof(*t.begins), &size))
        return err_origin(-ENOMEM);
    uint32_t *begins = calloc(1, size);
    t.above = calloc(width, sizeof(*t.above));
    t.row = calloc(width, sizeof(*t.row));
    int r = begins && t.above && t.row ? 0 : err_origin(-ENOMEM);
    for (uint32_t c = 0; c < k && r == 0; c++) {
        t.begins = begins + c * width;
        /* Every cluster has a value: the first i values part into c + 1 clusters where i > c. */
        if (c == 0)
            for (size_t i = 1; i <= line->n; i++)
                t.row[i] = line_cost(line, 0, i);
        else
            fill(&t, c + 1, line->n, c, line->n - 1);
        memcpy(t.above, t.row, width * sizeof(*t.row));
    }
    if (r == 0)
        read_back(line, k, begins, ret_centers);
    free(begins);
    free(t.above);
    free(t.row);
    return r;
}
