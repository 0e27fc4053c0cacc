/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fitting a decomposition to what a layer computes: with the covariance C of the layer's inputs the error of its outputs
 * is tr(D C D'), D the difference of the weights; the bias takes up the rest. That is a sum of squares, and the
 * decomposed weights are linear in each part, so the parts are solved for in turn. Each output has its own weights in the
 * last part, which are a small system with the same matrix for all outputs. The normal equations of the other parts are
 * never written down: a step of conjugate gradients needs only one product with C.
 */

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/factor.h"
#include "compress/linalg.h"

#define MAX_ROUNDS 12
#define MAX_STEPS 10       /* of conjugate gradients, for one part in one round */
#define RESIDUAL 1e-6      /* of a part, squared, as a share of the one it began with */
#define DAMPING 1e-9       /* of the last part's system */
#define WORTH_A_ROUND 1e-3 /* by which share the error must fall for another one */

struct fit {
    struct factor *f;
    const struct factor_method *method;
    double *difference, *weighted;          /* [out][depth] */
    double *residual, *direction, *product; /* [largest part] */
};

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* weighted = difference times C */
static int weigh(const struct factor *f, const double *difference, double *weighted) {
    if (f->covariance)
        return linalg_multiply(f->out, f->depth, f->depth, difference, false, f->covariance, false,
                               weighted, f->context->diag);
    memcpy(weighted, difference, (size_t)f->out * f->depth * sizeof(*weighted));
    return 0;
}

/* difference = the layer's weights less those of the parts */
static int subtract(struct fit *fit) {
    const struct factor *f = fit->f;
    int r = fit->method->expand(f, fit->difference);
    for (size_t i = 0; i < (size_t)f->out * f->depth; i++)
        fit->difference[i] = f->w[i] - fit->difference[i];
    return r;
}

/* product = the normal equations' matrix times the direction */
static int apply_normal(struct fit *fit, unsigned part) {
    struct factor_part *p = &fit->f->parts[part];
    double *values = p->values;
    p->values = fit->direction;
    int r = fit->method->expand(fit->f, fit->difference);
    p->values = values;
    if (r == 0)
        r = weigh(fit->f, fit->difference, fit->weighted);
    return r ? r : fit->method->adjoint(fit->f, part, fit->weighted, fit->product);
}

static int fit_part(struct fit *fit, unsigned part) {
    struct factor_part *p = &fit->f->parts[part];
    int r = subtract(fit);
    if (r == 0)
        r = weigh(fit->f, fit->difference, fit->weighted);
    if (r == 0)
        r = fit->method->adjoint(fit->f, part, fit->weighted, fit->residual);
    if (r)
        return r;
    memcpy(fit->direction, fit->residual, p->n * sizeof(*fit->direction));
    double now = dot(fit->residual, fit->residual, p->n), enough = now * RESIDUAL;
    for (unsigned step = 0; step < MAX_STEPS && now > enough; step++) {
        r = apply_normal(fit, part);
        if (r)
            return r;
        double bend = dot(fit->direction, fit->product, p->n);
        if (!(bend > 0))
            break;
        double along = now / bend, before = now;
        for (size_t i = 0; i < p->n; i++) {
            p->values[i] += along * fit->direction[i];
            fit->residual[i] -= along * fit->product[i];
        }
        now = dot(fit->residual, fit->residual, p->n);
        for (size_t i = 0; i < p->n; i++)
            fit->direction[i] = fit->residual[i] + now / before * fit->direction[i];
    }
    return 0;
}

/* p [n][depth]: what each input of the last part makes of the layer's inputs, that is the layer's weights where the last
 * part is the identity. */
static int expand_inputs(const struct fit *fit, size_t n, double *identity, double *ret_p) {
    struct factor f = *fit->f;
    for (size_t i = 0; i < n; i++)
        identity[i * n + i] = 1;
    f.out = (uint32_t)n;
    f.parts[f.n_parts - 1].values = identity;
    return fit->method->expand(&f, ret_p);
}

/* values = W C p' (p C p')^-1, with room for the products in memory */
static int solve_last(struct fit *fit, size_t n, const double *p, double *pc, double *pcp,
                      double *wcp) {
    const struct factor *f = fit->f;
    struct diag *diag = f->context->diag;
    int r = linalg_multiply(n, f->depth, f->depth, p, false, f->covariance, false, pc, diag);
    if (r == 0)
        r = linalg_multiply(n, n, f->depth, pc, false, p, true, pcp, diag);
    if (r == 0)
        r = linalg_multiply(f->out, n, f->depth, f->w, false, pc, true, wcp, diag);
    if (r == 0)
        r = linalg_solve(n, pcp, DAMPING, f->out, wcp, f->parts[f->n_parts - 1].values, diag);
    return r;
}

static int fit_last(struct fit *fit) {
    const struct factor *f = fit->f;
    size_t n = f->parts[f->n_parts - 1].n / f->out;
    double *memory = calloc(2 * n * f->depth + 2 * n * n + f->out * n, sizeof(*memory));
    if (!memory)
        return err_origin(-ENOMEM);
    double *pc = memory + n * f->depth, *pcp = pc + n * f->depth, *identity = pcp + n * n;
    int r = expand_inputs(fit, n, identity, memory);
    if (r == 0)
        r = solve_last(fit, n, memory, pc, pcp, identity + n * n);
    free(memory);
    return r;
}

static int error_of(struct fit *fit, double *ret_error) {
    int r = subtract(fit);
    if (r == 0)
        r = weigh(fit->f, fit->difference, fit->weighted);
    if (r == 0)
        *ret_error = dot(fit->difference, fit->weighted, (size_t)fit->f->out * fit->f->depth);
    return r;
}

static int fit_rounds(struct fit *fit) {
    double before, now;
    int r = error_of(fit, &before);
    for (unsigned round = 0; round < MAX_ROUNDS && r == 0; round++) {
        r = fit_last(fit);
        for (unsigned part = fit->f->n_parts - 1; part-- > 0 && r == 0;)
            r = fit_part(fit, part);
        if (r == 0)
            r = error_of(fit, &now);
        if (r || !(now < before * (1 - WORTH_A_ROUND)))
            break;
        before = now;
    }
    return r;
}

int factor_fit(struct factor *f, const struct factor_method *method) {
    size_t n = (size_t)f->out * f->depth, largest = 0;
    for (unsigned i = 0; i < f->n_parts; i++)
        largest = MAX(largest, f->parts[i].n);
    double *memory = malloc((2 * n + 3 * largest) * sizeof(*memory));
    if (!memory)
        return err_origin(-ENOMEM);
    struct fit fit = {
        .f = f,
        .method = method,
        .difference = memory,
        .weighted = memory + n,
        .residual = memory + 2 * n,
        .direction = memory + 2 * n + largest,
        .product = memory + 2 * n + 2 * largest,
    };
    int r = fit_rounds(&fit);
    free(memory);
    return r;
}

int factor_error(const struct factor *f, const double *w, double *ret_share) {
    size_t n = (size_t)f->out * f->depth;
    double *memory = malloc(2 * n * sizeof(*memory));
    if (!memory)
        return err_origin(-ENOMEM);
    for (size_t i = 0; i < n; i++)
        memory[i] = f->w[i] - w[i];
    int r = weigh(f, memory, memory + n);
    double error = r ? 0 : dot(memory, memory + n, n);
    if (r == 0)
        r = weigh(f, f->w, memory + n);
    double all = r ? 0 : dot(f->w, memory + n, n);
    free(memory);
    if (r == 0)
        *ret_share = all > 0 ? MAX(error, 0.0) / all : 0;
    return r;
}
