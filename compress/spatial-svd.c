/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kh x kw convolution as kh x 1 with r filters, then 1 x kw (Jaderberg, Vedaldi, Zisserman 2014, arXiv 1405.3866, scheme
 * 2): the singular value decomposition of the weights as a matrix [kh in][kw out]. Stride, dilation and padding of each
 * axis go to the part that moves along it.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/factor.h"
#include "compress/linalg.h"
#include "compress/passes.h"

/* vectors: u [kh in][full], then vt [full][kw out] */
static int analyse(struct factor *f, bool data) {
    struct factor_mode *mode = &f->modes[0];
    f->n_modes = 1;
    mode->rows = (size_t)f->kh * f->in;
    mode->cols = (size_t)f->kw * f->out;
    mode->full = (uint32_t)MIN(mode->rows, mode->cols);
    double *matrix = malloc(mode->rows * mode->cols * sizeof(*matrix));
    mode->s = malloc(mode->full * sizeof(*mode->s));
    mode->vectors = malloc((mode->rows + mode->cols) * mode->full * sizeof(*mode->vectors));
    if (!matrix || !mode->s || !mode->vectors) {
        free(matrix);
        return err_origin(-ENOMEM);
    }
    const double *w = f->w;
    for (size_t o = 0; o < f->out; o++)
        for (size_t i = 0; i < f->kh; i++)
            for (size_t j = 0; j < f->kw; j++)
                for (size_t c = 0; c < f->in; c++)
                    matrix[(i * f->in + c) * mode->cols + j * f->out + o] = *w++;
    int r = linalg_svd(mode->rows, mode->cols, matrix, mode->vectors, mode->s,
                       mode->vectors + mode->rows * mode->full, f->context->diag);
    free(matrix);
    return r;
}

static void shape(struct factor *f) {
    uint32_t rank = f->modes[0].rank;
    const struct op_conv *c = &f->conv;
    factor_set_conv(f, 0, OP_CONV_2D, rank, f->kh, 1, f->in);
    f->parts[0].conv = (struct op_conv){.stride_h = c->stride_h,
                                        .stride_w = 1,
                                        .dilation_h = c->dilation_h,
                                        .dilation_w = 1,
                                        .pad_top = c->pad_top,
                                        .pad_bottom = c->pad_bottom};
    factor_set_conv(f, 1, OP_CONV_2D, f->out, 1, f->kw, rank);
    f->parts[1].conv = (struct op_conv){.stride_h = 1,
                                        .stride_w = c->stride_w,
                                        .dilation_h = 1,
                                        .dilation_w = c->dilation_w,
                                        .pad_left = c->pad_left,
                                        .pad_right = c->pad_right};
}

static int solve(struct factor *f) {
    const struct factor_mode *mode = &f->modes[0];
    const double *u = mode->vectors, *vt = u + mode->rows * mode->full;
    uint32_t rank = mode->rank;
    for (size_t k = 0; k < rank; k++)
        for (size_t i = 0; i < mode->rows; i++)
            f->parts[0].values[k * mode->rows + i] = u[i * mode->full + k] * mode->s[k];
    for (size_t o = 0; o < f->out; o++)
        for (size_t j = 0; j < f->kw; j++)
            for (size_t k = 0; k < rank; k++)
                f->parts[1].values[(o * f->kw + j) * rank + k] =
                    vt[k * mode->cols + j * f->out + o];
    factor_balance(f, rank);
    return 0;
}

static void add_scaled(double *to, const double *from, double by, size_t n) {
    for (size_t i = 0; i < n; i++)
        to[i] += by * from[i];
}

static int expand(const struct factor *f, double *ret_w) {
    size_t rank = f->modes[0].rank, in = f->in;
    const double *a = f->parts[0].values, *b = f->parts[1].values;
    memset(ret_w, 0, (size_t)f->out * f->depth * sizeof(*ret_w));
    for (size_t o = 0; o < f->out; o++)
        for (size_t i = 0; i < f->kh; i++)
            for (size_t j = 0; j < f->kw; j++)
                for (size_t k = 0; k < rank; k++)
                    add_scaled(ret_w + ((o * f->kh + i) * f->kw + j) * in, a + (k * f->kh + i) * in,
                               b[(o * f->kw + j) * rank + k], in);
    return 0;
}

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static int adjoint(const struct factor *f, unsigned part, const double *g, double *ret_part) {
    size_t rank = f->modes[0].rank, in = f->in;
    const double *a = f->parts[0].values, *b = f->parts[1].values;
    memset(ret_part, 0, f->parts[part].n * sizeof(*ret_part));
    for (size_t o = 0; o < f->out; o++)
        for (size_t i = 0; i < f->kh; i++)
            for (size_t j = 0; j < f->kw; j++)
                for (size_t k = 0; k < rank; k++) {
                    const double *from = g + ((o * f->kh + i) * f->kw + j) * in;
                    size_t at_a = (k * f->kh + i) * in, at_b = (o * f->kw + j) * rank + k;
                    if (part == 0)
                        add_scaled(ret_part + at_a, from, b[at_b], in);
                    else
                        ret_part[at_b] += dot(a + at_a, from, in);
                }
    return 0;
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

static int run(struct pass_context *context, const void *options) {
    return factor_run(context, options, &method);
}

const struct pass pass_spatial_svd = {
    .name = "spatial-svd",
    .summary = "k x k convolutions as k x 1, then 1 x k",
    .fields = factor_fields,
    .options_size = sizeof(struct factor_options),
    .check = factor_check,
    .run = run,
};
