/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Importance of weights. Activation: Sun et al., A Simple and Effective Pruning Approach for Large Language Models
 * (Wanda), arXiv 2306.11695. Saliency: Hassibi and Stork, Second Order Derivatives for Network Pruning: Optimal Brain
 * Surgeon, NIPS 1992, with the squared error of the layer's outputs in the place of the loss; for a block B of inputs
 * of one output it is w_B' ([H^-1]_BB)^-1 w_B / 2, and outputs do not interact. Both count relative to the output's
 * energy: what a channel's values are scaled by is arbitrary, the next layer undoes it.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/linalg.h"
#include "compress/moments.h"
#include "compress/prune.h"

struct block {
    uint32_t row, rows, col, cols; /* of weights */
};

static struct block block_at(const struct prune_layer *p, const struct prune_pattern *pattern,
                             uint32_t i, uint32_t j) {
    uint32_t row = i * pattern->rows, col = j * pattern->cols;
    return (struct block){row, MIN(pattern->rows, p->layer.out - row), col,
                          MIN(pattern->cols, p->layer.depth - col)};
}

/* Mean square of weight k of channel c times its input, as observed. */
static double weighted(const struct prune_layer *p, uint32_t c, uint32_t k, double w) {
    const struct moments *m = p->moments;
    return w * w * m->sum_square[moments_group(m, c) * m->depth + k] / (double)m->rows;
}

/* Of the criteria that look at each weight alone. A block that is pruned entirely has no weight left: below 0. */
static double score_block(const struct prune_layer *p, const struct block *b,
                          enum prune_criterion criterion) {
    double largest = -1, sum = 0, squares = 0, n = (double)b->rows * b->cols;
    for (uint32_t c = b->row; c < b->row + b->rows; c++) {
        for (uint32_t k = b->col; k < b->col + b->cols; k++) {
            size_t at = (size_t)c * p->layer.depth + k;
            if (!p->m.kept[at])
                continue;
            double w = fabs(p->w[at]);
            largest = MAX(largest, w);
            sum += w;
            squares += criterion == PRUNE_ACTIVATION ? weighted(p, c, k, w) * p->scale[c] : w * w;
        }
    }
    if (largest < 0 || criterion == PRUNE_MAGNITUDE)
        return largest;
    return criterion == PRUNE_L1 ? sum / n : sqrt(squares / n);
}

/* ---- saliency ---- */

/* x' a^-1 x of a small positive definite matrix, overwritten with its Cholesky factor. */
static double inverse_form(double *a, double *x, uint32_t n) {
    double form = 0;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j <= i; j++) {
            double sum = a[i * n + j];
            for (uint32_t k = 0; k < j; k++)
                sum -= a[i * n + k] * a[j * n + k];
            a[i * n + j] = i == j ? sqrt(MAX(sum, 1e-300)) : sum / a[j * n + j];
        }
        for (uint32_t k = 0; k < i; k++)
            x[i] -= a[i * n + k] * x[k];
        x[i] /= a[i * n + i];
        form += x[i] * x[i];
    }
    return form;
}

/* Of the kept inputs of one channel: where they are in its inverse, and the channel's weights. */
struct row {
    const uint32_t *inputs;
    uint32_t n;
    const double *inverse; /* [n][n] */
    const double *w;
};

/* The saliency of the inputs `first` to `first + n` - 1 of the kept ones. */
static double saliency(const struct row *row, uint32_t first, uint32_t n) {
    double a[PRUNE_MAX_BLOCK * PRUNE_MAX_BLOCK], x[PRUNE_MAX_BLOCK];
    for (uint32_t i = 0; i < n; i++) {
        x[i] = row->w[row->inputs[first + i]];
        for (uint32_t j = 0; j < n; j++)
            a[i * n + j] = row->inverse[(size_t)(first + i) * row->n + first + j];
    }
    return inverse_form(a, x, n) / 2;
}

/* Adds the saliencies of one channel to its blocks. */
static void add_saliencies(struct prune_layer *p, const struct prune_pattern *pattern, uint32_t c,
                           const struct row *row) {
    double *scores = p->scores + (size_t)(c / pattern->rows) * p->n_cols;
    for (uint32_t i = 0, next; i < row->n; i = next) {
        uint32_t j = row->inputs[i] / pattern->cols;
        for (next = i + 1; next < row->n && row->inputs[next] / pattern->cols == j; next++)
            continue;
        struct block b = block_at(p, pattern, c / pattern->rows, j);
        double cost = saliency(row, i, next - i) * p->scale[c];
        scores[j] = MAX(scores[j], 0.0) + cost / ((double)b.rows * b.cols);
    }
}

/* Channels from c on that are pruned alike have one inverse. */
static int score_alike(struct prune_layer *p, const struct prune_pattern *pattern, uint32_t c,
                       uint32_t n_alike, double damping, uint32_t *inputs, double *h,
                       double *inverse, struct diag *diag) {
    struct row row = {.inputs = inputs, .n = masked_kept(&p->m, c, inputs), .inverse = inverse};
    if (row.n == 0)
        return 0;
    masked_submatrix(&p->m, c, inputs, row.n, h);
    int r = masked_error(linalg_invert(row.n, h, damping, inverse, diag), diag);
    for (uint32_t i = c; i < c + n_alike && r == 0; i++) {
        row.w = p->w + (size_t)i * p->layer.depth;
        add_saliencies(p, pattern, i, &row);
    }
    return r;
}

static int score_saliency(struct prune_layer *p, const struct prune_pattern *pattern,
                          double damping, struct diag *diag) {
    size_t depth = p->layer.depth;
    uint32_t *inputs = malloc(depth * sizeof(*inputs));
    double *h = malloc(depth * depth * sizeof(*h)), *inverse = malloc(depth * depth * sizeof(*h));
    int r = inputs && h && inverse ? 0 : err_origin(-ENOMEM);
    for (size_t i = 0; i < (size_t)p->n_rows * p->n_cols; i++)
        p->scores[i] = -1;
    for (uint32_t c = 0, n; c < p->layer.out && r == 0; c += n) {
        n = masked_alike(&p->m, c);
        r = score_alike(p, pattern, c, n, damping, inputs, h, inverse, diag);
    }
    free(inputs);
    free(h);
    free(inverse);
    return r;
}

int prune_score(struct prune_layer *p, const struct prune_pattern *pattern,
                enum prune_criterion criterion, double damping, struct diag *diag) {
    if (criterion == PRUNE_SALIENCY)
        return score_saliency(p, pattern, damping, diag);
    for (uint32_t i = 0; i < p->n_rows; i++) {
        for (uint32_t j = 0; j < p->n_cols; j++) {
            struct block b = block_at(p, pattern, i, j);
            p->scores[(size_t)i * p->n_cols + j] = score_block(p, &b, criterion);
        }
    }
    return 0;
}

/* ---- between channels and layers ---- */

/* Mean square of an output, of its deviations where the bias takes care of the mean; without the inputs' matrix, as if
 * they did not depend on each other. */
static double energy(const struct prune_layer *p, uint32_t c) {
    size_t depth = p->layer.depth;
    const double *w = p->w0 + c * depth, *h = p->m.h ? masked_h(&p->m, c) : NULL;
    double sum = 0;
    for (size_t i = 0; i < depth; i++) {
        for (size_t j = 0; h && j < depth; j++)
            sum += w[i] * h[i * depth + j] * w[j];
        if (!h)
            sum += weighted(p, c, (uint32_t)i, w[i]);
    }
    return sum;
}

void prune_scale(struct prune_layer *p) {
    for (uint32_t c = 0; c < p->layer.out; c++) {
        double e = p->moments ? energy(p, c) : 1;
        p->scale[c] = e > 0 ? 1 / e : 1;
    }
}

double prune_score_unit(const struct prune_layer *p, enum prune_criterion criterion) {
    switch (criterion) {
    case PRUNE_ACTIVATION:
        return sqrt(p->layer.out);
    case PRUNE_SALIENCY:
        return p->layer.out;
    default:
        return 1;
    }
}
