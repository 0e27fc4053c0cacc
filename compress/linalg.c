/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LAPACK is column major: a row-major matrix is its transpose there, which most functions below make use of instead of
 * copying.
 */

#include "compress/linalg.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "compress/compress.h"
#include "kernels/blas.h"

#define FIRST_DAMPING 1e-12 /* after none at all */

/* The constants of cblas.h. */
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112, UPPER = 121 };

typedef void (*dgemm_fn)(int order, int trans_a, int trans_b, int m, int n, int k, double alpha,
                         const double *a, int lda, const double *b, int ldb, double beta, double *c,
                         int ldc);
typedef void (*sgemm_fn)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                         const float *a, int lda, const float *b, int ldb, float beta, float *c,
                         int ldc);
typedef void (*ssyrk_fn)(int order, int uplo, int trans, int n, int k, float alpha, const float *a,
                         int lda, float beta, float *c, int ldc);
typedef void (*dgesdd_fn)(const char *jobz, const int *m, const int *n, double *a, const int *lda,
                          double *s, double *u, const int *ldu, double *vt, const int *ldvt,
                          double *work, const int *lwork, int *iwork, int *info);
typedef void (*dsyevd_fn)(const char *jobz, const char *uplo, const int *n, double *a,
                          const int *lda, double *w, double *work, const int *lwork, int *iwork,
                          const int *liwork, int *info);
typedef void (*dpotrf_fn)(const char *uplo, const int *n, double *a, const int *lda, int *info);
typedef void (*dpotrs_fn)(const char *uplo, const int *n, const int *nrhs, const double *a,
                          const int *lda, double *b, const int *ldb, int *info);
typedef void (*dgelsd_fn)(const int *m, const int *n, const int *nrhs, double *a, const int *lda,
                          double *b, const int *ldb, double *s, const double *rcond, int *rank,
                          double *work, const int *lwork, int *iwork, int *info);

static struct {
    dgemm_fn dgemm;
    sgemm_fn sgemm;
    ssyrk_fn ssyrk;
    dgesdd_fn dgesdd;
    dsyevd_fn dsyevd;
    dpotrf_fn dpotrf, dpotri;
    dpotrs_fn dpotrs;
    dgelsd_fn dgelsd;
} lapack;

static bool load(void) {
    blas_prepare();
    return blas_symbol("cblas_dgemm", &lapack.dgemm) && blas_symbol("cblas_sgemm", &lapack.sgemm) &&
           blas_symbol("cblas_ssyrk", &lapack.ssyrk) && blas_symbol("dgesdd_", &lapack.dgesdd) &&
           blas_symbol("dsyevd_", &lapack.dsyevd) && blas_symbol("dpotrf_", &lapack.dpotrf) &&
           blas_symbol("dpotri_", &lapack.dpotri) && blas_symbol("dpotrs_", &lapack.dpotrs) &&
           blas_symbol("dgelsd_", &lapack.dgelsd);
}

int linalg_ready(struct diag *diag) {
    static bool loaded;
    if (!loaded)
        loaded = load();
    if (loaded)
        return 0;
    return diag_set(diag, COMPRESS_E_INVALID,
                    "needs OpenBLAS with LAPACK (libopenblas.so.0), which is not installed here");
}

/* ---- what all begin and end with ---- */

/* Dimensions fit LAPACK's int, so do work areas of their products. */
static int begin(size_t a, size_t b, size_t c, struct diag *diag) {
    size_t largest = MAX(a, MAX(b, c));
    if (a == 0 || b == 0 || c == 0 || largest > LINALG_MAX_DIM)
        return diag_set(diag, COMPRESS_E_INVALID, "a matrix of %zu rows or columns",
                        largest > LINALG_MAX_DIM ? largest : 0);
    return linalg_ready(diag);
}

static int failed(const char *what, struct diag *diag) {
    return diag_set(diag, COMPRESS_E_INVALID,
                    "%s found no solution: are there values that are not finite?", what);
}

static void *copy_of(const void *values, size_t m, size_t n) {
    size_t size;
    void *copy = size_mul(m * n, sizeof(double), &size) ? malloc(size) : NULL;
    if (copy)
        memcpy(copy, values, size);
    return copy;
}

static bool all_finite(const double *a, size_t n) {
    bool ok = true;
    for (size_t i = 0; i < n; i++)
        ok &= isfinite(a[i]) != 0;
    return ok;
}

/* ---- products ---- */

int linalg_multiply(size_t m, size_t n, size_t k, const double *a, bool transpose_a,
                    const double *b, bool transpose_b, double *ret_c, struct diag *diag) {
    int r = begin(m, n, k, diag);
    if (r)
        return r;
    lapack.dgemm(ROW_MAJOR, transpose_a ? TRANS : NO_TRANS, transpose_b ? TRANS : NO_TRANS, (int)m,
                 (int)n, (int)k, 1, a, (int)(transpose_a ? m : k), b, (int)(transpose_b ? k : n), 0,
                 ret_c, (int)n);
    return 0;
}

int linalg_add_gram_f32(size_t m, size_t n, const float *x, double *g, struct diag *diag) {
    int r = begin(m, n, 1, diag);
    if (r)
        return r;
    float *upper = malloc(n * n * sizeof(*upper));
    if (!upper)
        return err_origin(-ENOMEM);
    lapack.ssyrk(ROW_MAJOR, UPPER, TRANS, (int)n, (int)m, 1, x, (int)n, 0, upper, (int)n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++)
            g[i * n + j] += (double)upper[i * n + j];
    free(upper);
    return 0;
}

int linalg_add_product_f32(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                           double *c, struct diag *diag) {
    int r = begin(m, n, k, diag);
    if (r)
        return r;
    float *product = malloc(n * k * sizeof(*product));
    if (!product)
        return err_origin(-ENOMEM);
    lapack.sgemm(ROW_MAJOR, TRANS, NO_TRANS, (int)n, (int)k, (int)m, 1, a, (int)lda, b, (int)k, 0,
                 product, (int)k);
    for (size_t i = 0; i < n * k; i++)
        c[i] += (double)product[i];
    free(product);
    return 0;
}

void linalg_mirror(size_t n, double *g) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            g[i * n + j] = g[j * n + i];
}

/* ---- decompositions ---- */

/* The transpose's factors: its left vectors are the rows of vt, its right ones, as columns, the rows of u. `a` is
 * overwritten. */
static int svd_in(size_t m, size_t n, double *a, double *u, double *s, double *vt,
                  struct diag *diag) {
    const int rows = (int)n, cols = (int)m, small = MIN(rows, cols);
    int lwork = -1, info = 0;
    double size;
    int *iwork = calloc((size_t)small, 8 * sizeof(*iwork));
    if (!iwork)
        return err_origin(-ENOMEM);
    lapack.dgesdd("S", &rows, &cols, a, &rows, s, vt, &rows, u, &small, &size, &lwork, iwork,
                  &info);
    lwork = (int)size;
    double *work = malloc((size_t)lwork * sizeof(*work));
    if (work)
        lapack.dgesdd("S", &rows, &cols, a, &rows, s, vt, &rows, u, &small, work, &lwork, iwork,
                      &info);
    int r = !work  ? err_origin(-ENOMEM)
            : info ? failed("the singular value decomposition", diag)
                   : 0;
    free(iwork);
    free(work);
    return r;
}

int linalg_svd(size_t m, size_t n, const double *a, double *ret_u, double *ret_s, double *ret_vt,
               struct diag *diag) {
    int r = begin(m, n, 1, diag);
    if (r)
        return r;
    if (!all_finite(a, m * n))
        return failed("the singular value decomposition", diag);
    double *copy = copy_of(a, m, n);
    if (!copy)
        return err_origin(-ENOMEM);
    r = svd_in(m, n, copy, ret_u, ret_s, ret_vt, diag);
    free(copy);
    return r;
}

/* Ascending, as LAPACK has them, to descending. */
static void reverse(size_t n, double *values, double *vectors) {
    for (size_t i = 0, k = n - 1; i < k; i++, k--) {
        double value = values[i];
        values[i] = values[k];
        values[k] = value;
        for (size_t j = 0; j < n; j++) {
            double v = vectors[i * n + j];
            vectors[i * n + j] = vectors[k * n + j];
            vectors[k * n + j] = v;
        }
    }
}

int linalg_eigen(size_t n, const double *a, double *ret_values, double *ret_vectors,
                 struct diag *diag) {
    int r = begin(n, n, 1, diag);
    if (r)
        return r;
    if (!all_finite(a, n * n))
        return failed("the eigenvalue decomposition", diag);
    memcpy(ret_vectors, a, n * n * sizeof(*a));
    const int size = (int)n;
    int lwork = -1, liwork = -1, info = 0, n_iwork;
    double n_work;
    lapack.dsyevd("V", "U", &size, ret_vectors, &size, ret_values, &n_work, &lwork, &n_iwork,
                  &liwork, &info);
    lwork = (int)n_work;
    liwork = n_iwork;
    double *work = malloc((size_t)lwork * sizeof(*work));
    int *iwork = malloc((size_t)liwork * sizeof(*iwork));
    if (work && iwork)
        lapack.dsyevd("V", "U", &size, ret_vectors, &size, ret_values, work, &lwork, iwork, &liwork,
                      &info);
    r = !work || !iwork ? err_origin(-ENOMEM)
        : info          ? failed("the eigenvalue decomposition", diag)
                        : 0;
    free(work);
    free(iwork);
    if (r == 0)
        reverse(n, ret_values, ret_vectors);
    return r;
}

/* ---- definite systems ---- */

/* The Cholesky factor of a + damping, LAPACK's lower, that is the upper triangle of the rows. */
static int factor(size_t n, const double *a, double damping, double *ret_factor,
                  struct diag *diag) {
    const int size = (int)n;
    double mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += a[i * n + i] / (double)n;
    if (!all_finite(a, n * n))
        return failed("the Cholesky decomposition", diag);
    if (!(mean > 0))
        mean = 1;
    for (; damping < 10; damping = MAX(damping * 10, FIRST_DAMPING)) {
        int info = 0;
        memcpy(ret_factor, a, n * n * sizeof(*a));
        for (size_t i = 0; i < n; i++)
            ret_factor[i * n + i] += damping * mean;
        lapack.dpotrf("L", &size, ret_factor, &size, &info);
        if (info == 0)
            return 0;
    }
    return failed("the Cholesky decomposition", diag);
}

int linalg_solve(size_t n, const double *a, double damping, size_t n_rows, const double *b,
                 double *ret_x, struct diag *diag) {
    int r = begin(n, n_rows, 1, diag);
    if (r)
        return r;
    double *l = malloc(n * n * sizeof(*l));
    if (!l)
        return err_origin(-ENOMEM);
    r = factor(n, a, damping, l, diag);
    if (r == 0) {
        const int size = (int)n, nrhs = (int)n_rows;
        int info;
        memcpy(ret_x, b, n_rows * n * sizeof(*b));
        lapack.dpotrs("L", &size, &nrhs, l, &size, ret_x, &size, &info);
    }
    free(l);
    return r;
}

int linalg_invert(size_t n, const double *a, double damping, double *ret_inverse,
                  struct diag *diag) {
    int r = begin(n, n, 1, diag);
    if (r == 0)
        r = factor(n, a, damping, ret_inverse, diag);
    if (r)
        return r;
    const int size = (int)n;
    int info;
    lapack.dpotri("L", &size, ret_inverse, &size, &info);
    linalg_mirror(n, ret_inverse);
    return 0;
}

/* ---- least squares ---- */

/* To LAPACK's columns, `rows` long, of which the first m are filled. */
static double *columns_of(const double *a, size_t m, size_t n, size_t rows) {
    double *columns = calloc(rows * n, sizeof(*columns));
    for (size_t i = 0; columns && i < m; i++)
        for (size_t j = 0; j < n; j++)
            columns[j * rows + i] = a[i * n + j];
    return columns;
}

/* a and b in columns, overwritten; the solution is the beginning of b's columns. */
static int gelsd_in(int m, int n, int nrhs, double *a, double *b, double rcond, struct diag *diag) {
    int ldb = MAX(m, n), lwork = -1, n_iwork = 0, rank, info = 0;
    double n_work;
    double *s = malloc((size_t)MIN(m, n) * sizeof(*s));
    if (!s)
        return err_origin(-ENOMEM);
    lapack.dgelsd(&m, &n, &nrhs, a, &m, b, &ldb, s, &rcond, &rank, &n_work, &lwork, &n_iwork,
                  &info);
    lwork = (int)n_work;
    double *work = malloc((size_t)lwork * sizeof(*work));
    int *iwork = malloc((size_t)MAX(n_iwork, 1) * sizeof(*iwork));
    if (work && iwork)
        lapack.dgelsd(&m, &n, &nrhs, a, &m, b, &ldb, s, &rcond, &rank, work, &lwork, iwork, &info);
    int r = !work || !iwork ? err_origin(-ENOMEM) : info ? failed("least squares", diag) : 0;
    free(s);
    free(work);
    free(iwork);
    return r;
}

int linalg_least_squares(size_t m, size_t n, size_t k, const double *a, const double *b,
                         double rcond, double *ret_x, struct diag *diag) {
    int r = begin(m, n, k, diag);
    if (r)
        return r;
    if (!all_finite(a, m * n) || !all_finite(b, m * k))
        return failed("least squares", diag);
    size_t rows = MAX(m, n);
    double *ac = columns_of(a, m, n, m), *bc = columns_of(b, m, k, rows);
    r = ac && bc ? gelsd_in((int)m, (int)n, (int)k, ac, bc, rcond, diag) : err_origin(-ENOMEM);
    for (size_t i = 0; r == 0 && i < n; i++)
        for (size_t j = 0; j < k; j++)
            ret_x[i * k + j] = bc[j * rows + i];
    free(ac);
    free(bc);
    return r;
}
