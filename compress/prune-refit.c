/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refit of the weights that stay: with H the inputs' matrix, S the kept inputs of an output and P the pruned ones, their
 * change d solves H_SS d = H_SP w_P.
 */

#include <stdlib.h>

#include "base/error.h"
#include "compress/prune.h"

int prune_refit(struct prune_layer *p, double damping, struct diag *diag) {
    size_t n = (size_t)p->layer.out * p->layer.depth;
    double *lost = malloc(n * sizeof(*lost)), *residual = malloc(n * sizeof(*residual));
    int r = lost && residual ? 0 : err_origin(-ENOMEM);
    for (size_t i = 0; i < n && r == 0; i++) {
        p->w[i] = p->m.kept[i] ? p->w0[i] : 0;
        lost[i] = p->w0[i] - p->w[i];
    }
    if (r == 0)
        r = masked_multiply(&p->m, lost, residual, diag);
    if (r == 0)
        r = masked_solve(&p->m, damping, residual, p->w, diag);
    free(lost);
    free(residual);
    return r;
}
