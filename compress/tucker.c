/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tucker-2 (Kim et al. 2016, arXiv 1511.06530): a convolution as 1 x 1 to fewer channels, the window on these, 1 x 1 to
 * the outputs. The axes come from the weights unfolded along inputs and along outputs (HOSVD), then each from the weights
 * projected on the other's (HOOI; De Lathauwer, De Moor, Vandewalle 2000).
 *
 * Names: w [out][s][in], s the positions of the window; p = rank of the outputs, q = rank of the inputs; v [q][in],
 * core [p][s][q], u [out][p].
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/factor.h"
#include "compress/linalg.h"
#include "compress/passes.h"

#define HOOI_ROUNDS 8

enum {
    IN, /* the mode that `rank` is about */
    OUT,
};

/* Rows of ret_vectors: axes of the inputs of w [n_out][s][in], ret_values their squares; [in]. */
static int axes_in(const struct factor *f, size_t n_out, const double *w, double *ret_values,
                   double *ret_vectors) {
    size_t in = f->in, rows = n_out * f->kh * f->kw;
    double *gram = malloc(in * in * sizeof(*gram));
    int r = gram ? linalg_multiply(in, in, rows, w, true, w, false, gram, f->context->diag)
                 : err_origin(-ENOMEM);
    if (r == 0)
        r = linalg_eigen(in, gram, ret_values, ret_vectors, f->context->diag);
    free(gram);
    return r;
}

/* The same for the outputs of w [out][s][n_in]. */
static int axes_out(const struct factor *f, size_t n_in, const double *w, double *ret_values,
                    double *ret_vectors) {
    size_t out = f->out, cols = n_in * f->kh * f->kw;
    double *gram = malloc(out * out * sizeof(*gram));
    int r = gram ? linalg_multiply(out, out, cols, w, false, w, true, gram, f->context->diag)
                 : err_origin(-ENOMEM);
    if (r == 0)
        r = linalg_eigen(out, gram, ret_values, ret_vectors, f->context->diag);
    free(gram);
    return r;
}

static int init_mode(struct factor_mode *mode, size_t n, size_t others) {
    mode->rows = n;
    mode->cols = others;
    mode->full = (uint32_t)MIN(n, others);
    mode->s = malloc(n * sizeof(*mode->s));
    mode->vectors = malloc(n * n * sizeof(*mode->vectors));
    return mode->s && mode->vectors ? 0 : err_origin(-ENOMEM);
}

static void roots(double *values, size_t n) {
    for (size_t i = 0; i < n; i++)
        values[i] = sqrt(MAX(values[i], 0.0));
}

static int analyse(struct factor *f, bool data) {
    struct factor_mode *in = &f->modes[IN], *out = &f->modes[OUT];
    size_t s = (size_t)f->kh * f->kw;
    f->n_modes = 2;
    int r = init_mode(in, f->in, s * f->out);
    if (r == 0)
        r = init_mode(out, f->out, s * f->in);
    if (r == 0)
        r = axes_in(f, f->out, f->w, in->s, in->vectors);
    if (r == 0)
        r = axes_out(f, f->in, f->w, out->s, out->vectors);
    if (r)
        return r;
    roots(in->s, f->in);
    roots(out->s, f->out);
    return 0;
}

static void shape(struct factor *f) {
    uint32_t q = f->modes[IN].rank, p = f->modes[OUT].rank;
    factor_set_conv(f, 0, OP_CONV_2D, q, 1, 1, f->in);
    factor_set_conv(f, 1, OP_CONV_2D, p, f->kh, f->kw, q);
    f->parts[1].conv = f->conv;
    factor_set_conv(f, 2, OP_CONV_2D, f->out, 1, 1, p);
}

/* What the axes of one side make of the weights: [out][s][q] and [p][s][in]. */
static int project_in(const struct factor *f, double *ret_w) {
    size_t q = f->modes[IN].rank, rows = (size_t)f->out * f->kh * f->kw;
    return linalg_multiply(rows, q, f->in, f->w, false, f->modes[IN].vectors, true, ret_w,
                           f->context->diag);
}

static int project_out(const struct factor *f, double *ret_w) {
    size_t p = f->modes[OUT].rank;
    return linalg_multiply(p, f->depth, f->out, f->modes[OUT].vectors, false, f->w, false, ret_w,
                           f->context->diag);
}

static int run_hooi(struct factor *f, double *projected, double *values) {
    int r = 0;
    for (unsigned round = 0; round < HOOI_ROUNDS && r == 0; round++) {
        r = project_in(f, projected);
        if (r == 0)
            r = axes_out(f, f->modes[IN].rank, projected, values, f->modes[OUT].vectors);
        if (r == 0)
            r = project_out(f, projected);
        if (r == 0)
            r = axes_in(f, f->modes[OUT].rank, projected, values, f->modes[IN].vectors);
    }
    return r;
}

static int solve(struct factor *f) {
    size_t q = f->modes[IN].rank, p = f->modes[OUT].rank, s = (size_t)f->kh * f->kw;
    double *projected = malloc((size_t)f->out * f->depth * sizeof(*projected));
    double *values = malloc(MAX(f->in, f->out) * sizeof(*values));
    int r = projected && values ? run_hooi(f, projected, values) : err_origin(-ENOMEM);
    if (r == 0)
        r = project_out(f, projected);
    if (r == 0)
        r = linalg_multiply(p * s, q, f->in, projected, false, f->modes[IN].vectors, true,
                            f->parts[1].values, f->context->diag);
    if (r == 0)
        memcpy(f->parts[0].values, f->modes[IN].vectors, q * f->in * sizeof(double));
    for (size_t o = 0; r == 0 && o < f->out; o++)
        for (size_t k = 0; k < p; k++)
            f->parts[2].values[o * p + k] = f->modes[OUT].vectors[k * f->out + o];
    free(projected);
    free(values);
    return r;
}

/* core times v: [p][s][in] */
static int expand_core(const struct factor *f, double *ret_w) {
    size_t rows = (size_t)f->modes[OUT].rank * f->kh * f->kw;
    return linalg_multiply(rows, f->in, f->modes[IN].rank, f->parts[1].values, false,
                           f->parts[0].values, false, ret_w, f->context->diag);
}

static int expand(const struct factor *f, double *ret_w) {
    size_t p = f->modes[OUT].rank;
    double *middle = malloc(p * f->depth * sizeof(*middle));
    int r = middle ? expand_core(f, middle) : err_origin(-ENOMEM);
    if (r == 0)
        r = linalg_multiply(f->out, f->depth, p, f->parts[2].values, false, middle, false, ret_w,
                            f->context->diag);
    free(middle);
    return r;
}

/* With `middle` [p][s][in]: g seen from the core's side of u, or the core times v. */
static int adjoint_with(const struct factor *f, unsigned part, const double *g, double *middle,
                        double *ret_part) {
    size_t q = f->modes[IN].rank, p = f->modes[OUT].rank, rows = p * f->kh * f->kw;
    struct diag *diag = f->context->diag;
    int r = part == 2 ? expand_core(f, middle)
                      : linalg_multiply(p, f->depth, f->out, f->parts[2].values, true, g, false,
                                        middle, diag);
    if (r)
        return r;
    if (part == 2)
        return linalg_multiply(f->out, p, f->depth, g, false, middle, true, ret_part, diag);
    if (part == 1)
        return linalg_multiply(rows, q, f->in, middle, false, f->parts[0].values, true, ret_part,
                               diag);
    return linalg_multiply(q, f->in, rows, f->parts[1].values, true, middle, false, ret_part, diag);
}

static int adjoint(const struct factor *f, unsigned part, const double *g, double *ret_part) {
    double *middle = malloc((size_t)f->modes[OUT].rank * f->depth * sizeof(*middle));
    int r = middle ? adjoint_with(f, part, g, middle, ret_part) : err_origin(-ENOMEM);
    free(middle);
    return r;
}

static const struct factor_method method = {
    .can = factor_can_window,
    .what = "a float convolution with a window and without groups",
    .rank_name = "rank",
    .analyse = analyse,
    .shape = shape,
    .solve = solve,
    .expand = expand,
    .adjoint = adjoint,
};

static int check(const void *options, struct diag *diag) {
    const struct factor_options *o = options;
    int r = factor_check(options, diag);
    if (r == 0 && o->rank_out && !o->rank.rank)
        r = diag_set(diag, COMPRESS_E_INVALID, "rank_out: goes with rank, which is not given");
    return r;
}

static int run(struct pass_context *context, const void *options) {
    return factor_run(context, options, &method);
}

static const struct pass_field fields[] = {
    RANK_FIELDS(struct factor_options),
    {"rank_out", FIELD_COUNT, offsetof(struct factor_options, rank_out), 1, 65536, 0, NULL,
     "channels between window and outputs, where rank is those between inputs and window; in "
     "proportion to it unless given"},
    FACTOR_FIT_FIELDS(struct factor_options),
    {0},
};

const struct pass pass_tucker = {
    .name = "tucker",
    .summary = "Convolutions as 1 x 1, a smaller k x k, 1 x 1 (Tucker-2)",
    .fields = fields,
    .options_size = sizeof(struct factor_options),
    .check = check,
    .run = run,
};
