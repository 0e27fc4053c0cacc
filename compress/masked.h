/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Least squares for the weights of a layer of which some are and stay zero: every output channel has its own set of kept
 * inputs, and one matrix of inputs for each group of channels that read the same. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct diag;
struct moments;

struct masked {
    uint32_t out, depth, groups; /* out / groups channels read the inputs of one group */
    double *h; /* [groups][depth][depth]: means of products of inputs; may be NULL until needed */
    uint8_t *kept; /* [out][depth]: 1, or 0 for a weight that is zero */
};

/* Means of products, or of products of deviations from the means: for a layer whose bias is refitted with its weights.
 * Of the shape of `h`, free() it; NULL where there is no memory. */
double *masked_h_of(const struct moments *moments, bool centred);

/* The inputs' matrix for output channel c. */
static inline const double *masked_h(const struct masked *m, uint32_t c) {
    return m->h + (size_t)(c / (m->out / m->groups)) * m->depth * m->depth;
}
/* How many of the channels from c on keep and read the same inputs: at least 1. */
uint32_t masked_alike(const struct masked *m, uint32_t c);
/* The kept inputs of channel c, ascending; their number. */
uint32_t masked_kept(const struct masked *m, uint32_t c, uint32_t *ret_inputs);
/* The matrix of n inputs of channel c: [n][n]. */
void masked_submatrix(const struct masked *m, uint32_t c, const uint32_t *inputs, uint32_t n,
                      double *ret_h);

/* A failure of linalg_solve() or linalg_invert() as one of the option `damping`, which a user can do something about. */
int masked_error(int r, struct diag *diag);

/* ret [out][depth]: weights [out][depth] times their inputs' matrices. COMPRESS_E_INVALID. */
_nodiscard_ int masked_multiply(const struct masked *m, const double *weights, double *ret,
                                struct diag *diag);
/*
 * Changes the kept weights w [out][depth] so that the outputs' squared errors become least: `residual` [out][depth] are
 * the means of each input times the error that the output has with w. Damping (linalg.h) keeps the changes small where
 * the data says little. -ENOMEM, COMPRESS_E_INVALID.
 */
_nodiscard_ int masked_solve(const struct masked *m, double damping, const double *residual,
                             double *w, struct diag *diag);
