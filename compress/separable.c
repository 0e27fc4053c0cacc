/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A convolution as a depthwise one with `multiplier` filters for each input channel, then 1 x 1. Each input channel's
 * weights are a matrix [out][positions of the window] of that rank, so the nearest to the weights are the truncated
 * singular value decompositions of these matrices (Guo et al. 2018, arXiv 1808.05517); on data the channels depend on
 * each other, and alternating least squares goes on from there.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/factor.h"
#include "compress/linalg.h"
#include "compress/passes.h"

/* The rank is the multiplier; it is always given, so no spectrum is needed. */
static int analyse(struct factor *f, bool data) {
    struct factor_mode *mode = &f->modes[0];
    f->n_modes = 1;
    mode->rows = f->out;
    mode->cols = (size_t)f->kh * f->kw;
    mode->full = (uint32_t)MIN(mode->rows, mode->cols);
    return 0;
}

static void shape(struct factor *f) {
    uint32_t channels = f->in * f->modes[0].rank;
    factor_set_conv(f, 0, OP_DEPTHWISE_CONV_2D, 1, f->kh, f->kw, channels);
    f->parts[0].conv = f->conv;
    factor_set_conv(f, 1, OP_CONV_2D, f->out, 1, 1, channels);
}

/* The filters of input channel c and the weights they get: a [s][channels], b [out][channels]. */
static int solve_channel(struct factor *f, size_t c, double *matrix, double *u, double *values,
                         double *vt) {
    size_t n = f->modes[0].cols, full = f->modes[0].full, m = f->modes[0].rank;
    size_t channels = f->in * m;
    for (size_t o = 0; o < f->out; o++)
        for (size_t s = 0; s < n; s++)
            matrix[o * n + s] = f->w[o * f->depth + s * f->in + c];
    int r = linalg_svd(f->out, n, matrix, u, values, vt, f->context->diag);
    for (size_t k = 0; r == 0 && k < m; k++) {
        for (size_t s = 0; s < n; s++)
            f->parts[0].values[s * channels + c * m + k] = vt[k * n + s] * values[k];
        for (size_t o = 0; o < f->out; o++)
            f->parts[1].values[o * channels + c * m + k] = u[o * full + k];
    }
    return r;
}

static int solve(struct factor *f) {
    size_t n = f->modes[0].cols, full = f->modes[0].full;
    double *memory = malloc((f->out * n + f->out * full + full + full * n) * sizeof(*memory));
    if (!memory)
        return err_origin(-ENOMEM);
    double *u = memory + f->out * n, *values = u + f->out * full, *vt = values + full;
    int r = 0;
    for (size_t c = 0; c < f->in && r == 0; c++)
        r = solve_channel(f, c, memory, u, values, vt);
    free(memory);
    if (r == 0)
        factor_balance(f, f->in * f->modes[0].rank);
    return r;
}

static int expand(const struct factor *f, double *ret_w) {
    size_t n = f->modes[0].cols, m = f->modes[0].rank, channels = f->in * m;
    for (size_t o = 0; o < f->out; o++)
        for (size_t s = 0; s < n; s++) {
            const double *a = f->parts[0].values + s * channels;
            const double *b = f->parts[1].values + o * channels;
            double *w = ret_w + o * f->depth + s * f->in;
            for (size_t c = 0; c < f->in; c++) {
                w[c] = 0;
                for (size_t k = c * m; k < (c + 1) * m; k++)
                    w[c] += a[k] * b[k];
            }
        }
    return 0;
}

static int adjoint(const struct factor *f, unsigned part, const double *g, double *ret_part) {
    size_t n = f->modes[0].cols, m = f->modes[0].rank, channels = f->in * m;
    memset(ret_part, 0, f->parts[part].n * sizeof(*ret_part));
    for (size_t o = 0; o < f->out; o++)
        for (size_t s = 0; s < n; s++) {
            const double *from = g + o * f->depth + s * f->in;
            size_t other = part == 0 ? o : s, own = part == 0 ? s : o;
            const double *factor = f->parts[1 - part].values + other * channels;
            double *to = ret_part + own * channels;
            for (size_t k = 0; k < channels; k++)
                to[k] += factor[k] * from[k / m];
        }
    return 0;
}

static const struct factor_method method = {
    .can = factor_can_window,
    .what = "a float convolution with a window and without groups",
    .rank_name = "multiplier",
    .analyse = analyse,
    .shape = shape,
    .solve = solve,
    .expand = expand,
    .adjoint = adjoint,
};

static int run(struct pass_context *context, const void *options) {
    return factor_run(context, options, &method);
}

static const struct pass_field fields[] = {
    {"multiplier", FIELD_COUNT, offsetof(struct factor_options, rank.rank), 1, 65536, 1, NULL,
     "depthwise filters for each input channel"},
    FACTOR_FIT_FIELDS(struct factor_options),
    {0},
};

const struct pass pass_separable = {
    .name = "separable",
    .summary = "Convolutions as depthwise, then 1 x 1",
    .fields = fields,
    .options_size = sizeof(struct factor_options),
    .run = run,
};
