/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Dense linear algebra in double precision: OpenBLAS and its LAPACK, loaded when first needed, on one thread, so that the
 * same numbers give the same results. Matrices are row major and contiguous; a [m, n] is m rows of n. Operands are not
 * changed and never overlap results.
 *
 * Every function returns 0, -ENOMEM, or COMPRESS_E_INVALID with a sentence in the diag: there is no OpenBLAS here, a
 * dimension is 0 or above LINALG_MAX_DIM, or the matrix has values that are not finite. One thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"

struct diag;

#define LINALG_MAX_DIM 65536

/* Whether there is an OpenBLAS; for passes that want to say so before they begin. */
_nodiscard_ int linalg_ready(struct diag *diag);

/* c [m, n] = op(a) op(b), k the inner dimension. a is [m, k], transposed [k, m]; b is [k, n], transposed [n, k]. */
_nodiscard_ int linalg_multiply(size_t m, size_t n, size_t k, const double *a, bool transpose_a,
                                const double *b, bool transpose_b, double *ret_c,
                                struct diag *diag);
/* The upper triangle of g [n, n] += that of transposed x times x, x [m, n] in single precision; so are the m products
 * of a sum. linalg_mirror() gives it the lower triangle, once at the end. */
_nodiscard_ int linalg_add_gram_f32(size_t m, size_t n, const float *x, double *g,
                                    struct diag *diag);
/* c [n, k] += transposed a [m, n] times b [m, k], in single precision; lda elements from one row of a to the next. */
_nodiscard_ int linalg_add_product_f32(size_t m, size_t n, size_t k, const float *a, size_t lda,
                                       const float *b, double *c, struct diag *diag);
void linalg_mirror(size_t n, double *g);

/* a [m, n] = u diag(s) vt with r = min(m, n): u [m, r], s [r] descending, vt [r, n]. */
_nodiscard_ int linalg_svd(size_t m, size_t n, const double *a, double *ret_u, double *ret_s,
                           double *ret_vt, struct diag *diag);
/* Symmetric a [n, n]: values [n] descending, vectors [n, n], row i belongs to value i. */
_nodiscard_ int linalg_eigen(size_t n, const double *a, double *ret_values, double *ret_vectors,
                             struct diag *diag);

/*
 * Symmetric, positive semidefinite a [n, n], made definite: damping times the mean of the diagonal (times 1 where that
 * is 0) is added to the diagonal; where that does not suffice, ten times as much, and so on.
 * Solve: row i of x [n_rows, n] is the solution for row i of b [n_rows, n].
 */
_nodiscard_ int linalg_solve(size_t n, const double *a, double damping, size_t n_rows,
                             const double *b, double *ret_x, struct diag *diag);
_nodiscard_ int linalg_invert(size_t n, const double *a, double damping, double *ret_inverse,
                              struct diag *diag);

/* x [n, k] with the smallest |a x - b|, and of those the smallest: a [m, n], b [m, k]. Singular values below `rcond` of
 * the largest count as 0. */
_nodiscard_ int linalg_least_squares(size_t m, size_t n, size_t k, const double *a, const double *b,
                                     double rcond, double *ret_x, struct diag *diag);
