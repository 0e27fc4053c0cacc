/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A matrix of weights as two of rank r: for dense layers and 1 x 1 convolutions by their truncated singular value
 * decomposition (Denton et al. 2014, arXiv 1404.0736), for k x k convolutions as k x k with r filters, then 1 x 1 (Zhang
 * et al. 2016, arXiv 1505.06798).
 *
 * On data the best matrix of rank r is the projection of the weights on the principal axes of the outputs: r filters
 * that are sums of the old ones, and their way back.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/factor.h"
#include "compress/linalg.h"
#include "compress/passes.h"

static int allocate_mode(struct factor_mode *mode, size_t n_vectors) {
    mode->s = malloc(mode->full * sizeof(*mode->s));
    mode->vectors = malloc(n_vectors * sizeof(*mode->vectors));
    return mode->s && mode->vectors ? 0 : err_origin(-ENOMEM);
}

/* Squares of the outputs along their principal axes: the eigenvalues of W C W'. */
static int analyse_outputs(const struct factor *f, double *ret_values, double *ret_vectors) {
    size_t n = f->out;
    double *wc = malloc(n * f->depth * sizeof(*wc)), *wcw = malloc(n * n * sizeof(*wcw));
    struct diag *diag = f->context->diag;
    int r = wc && wcw ? 0 : err_origin(-ENOMEM);
    if (r == 0)
        r = linalg_multiply(n, f->depth, f->depth, f->w, false, f->covariance, false, wc, diag);
    if (r == 0)
        r = linalg_multiply(n, n, f->depth, wc, false, f->w, true, wcw, diag);
    if (r == 0)
        r = linalg_eigen(n, wcw, ret_values, ret_vectors, diag);
    free(wc);
    free(wcw);
    return r;
}

/* Rows of `vectors`: the principal axes of the outputs, [out][out]. */
static int analyse_data(struct factor *f, double *ret_s) {
    double *values = malloc(f->out * sizeof(*values));
    int r = values ? analyse_outputs(f, values, f->modes[0].vectors) : err_origin(-ENOMEM);
    for (uint32_t i = 0; r == 0 && i < f->modes[0].full; i++)
        ret_s[i] = sqrt(MAX(values[i], 0.0));
    free(values);
    return r;
}

/* Rows of `vectors`: the left singular vectors, [full][out]. */
static int analyse_weights(struct factor *f, double *ret_s, double *ret_vectors) {
    size_t n = f->out, full = f->modes[0].full;
    double *u = malloc(n * full * sizeof(*u)), *vt = malloc(full * f->depth * sizeof(*vt));
    int r = u && vt ? linalg_svd(n, f->depth, f->w, u, ret_s, vt, f->context->diag)
                    : err_origin(-ENOMEM);
    for (size_t k = 0; r == 0 && ret_vectors && k < full; k++)
        for (size_t o = 0; o < n; o++)
            ret_vectors[k * n + o] = u[o * full + k];
    free(u);
    free(vt);
    return r;
}

static int analyse(struct factor *f, bool data) {
    struct factor_mode *mode = &f->modes[0];
    f->n_modes = 1;
    mode->rows = f->out;
    mode->cols = f->depth;
    mode->full = MIN(f->out, f->depth);
    int r = allocate_mode(mode, (size_t)f->out * f->out);
    if (r)
        return r;
    if (!f->covariance)
        return analyse_weights(f, mode->s, mode->vectors);
    r = analyse_data(f, mode->s);
    return r || data ? r : analyse_weights(f, mode->s, NULL);
}

static void shape(struct factor *f) {
    uint32_t rank = f->modes[0].rank;
    if (layer_op(f->context->graph, &f->layer)->kind == OP_FULLY_CONNECTED) {
        factor_set_dense(f, 0, rank, f->depth);
        factor_set_dense(f, 1, f->out, rank);
        return;
    }
    factor_set_conv(f, 0, OP_CONV_2D, rank, f->kh, f->kw, f->in);
    f->parts[0].conv = f->conv;
    factor_set_conv(f, 1, OP_CONV_2D, f->out, 1, 1, rank);
}

/* The projection u u' W: the same as u s v' where u are W's own singular vectors. */
static int solve(struct factor *f) {
    uint32_t rank = f->modes[0].rank;
    const double *vectors = f->modes[0].vectors;
    int r = linalg_multiply(rank, f->depth, f->out, vectors, false, f->w, false, f->parts[0].values,
                            f->context->diag);
    if (r)
        return r;
    for (size_t o = 0; o < f->out; o++)
        for (size_t k = 0; k < rank; k++)
            f->parts[1].values[o * rank + k] = vectors[k * f->out + o];
    factor_balance(f, rank);
    return 0;
}

static int expand(const struct factor *f, double *ret_w) {
    return linalg_multiply(f->out, f->depth, f->modes[0].rank, f->parts[1].values, false,
                           f->parts[0].values, false, ret_w, f->context->diag);
}

/* ---- the passes ---- */

static bool can_matrix(const struct graph *graph, const struct layer *layer) {
    const struct tensor *w = layer_weights(graph, layer);
    enum op_kind kind = layer_op(graph, layer)->kind;
    if (!layer_is_float(graph, layer))
        return false;
    return kind == OP_FULLY_CONNECTED || (kind == OP_CONV_2D && w->dims[1] * w->dims[2] == 1 &&
                                          w->dims[3] == layer_input(graph, layer)->dims[3]);
}

static const struct factor_method svd_method = {
    .can = can_matrix,
    .what = "a float dense layer or 1 x 1 convolution without groups",
    .rank_name = "rank",
    .analyse = analyse,
    .shape = shape,
    .solve = solve,
    .expand = expand,
};

static const struct factor_method channel_method = {
    .can = factor_can_window,
    .what = "a float convolution with a window and without groups",
    .rank_name = "rank",
    .analyse = analyse,
    .shape = shape,
    .solve = solve,
    .expand = expand,
};

static int run_svd(struct pass_context *context, const void *options) {
    return factor_run(context, options, &svd_method);
}

static int run_channel(struct pass_context *context, const void *options) {
    return factor_run(context, options, &channel_method);
}

const struct pass pass_svd = {
    .name = "svd",
    .summary = "Dense layers and 1 x 1 convolutions as two of low rank",
    .fields = factor_fields,
    .options_size = sizeof(struct factor_options),
    .check = factor_check,
    .run = run_svd,
};

const struct pass pass_channel_svd = {
    .name = "channel-svd",
    .summary = "Convolutions as one with fewer filters, then 1 x 1",
    .fields = factor_fields,
    .options_size = sizeof(struct factor_options),
    .check = factor_check,
    .run = run_channel,
};
