/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear algebra against small exact cases and against what defines each result.
 */

#include "compress/linalg.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "compress/compress.h"

#define CLOSE 1e-10

static bool skipped(void) {
    struct diag diag = {.text = ""};
    if (linalg_ready(&diag) == 0)
        return false;
    ck_assert_ptr_nonnull(strstr(diag.text, "OpenBLAS"));
    printf("SKIPPED: OpenBLAS is not there\n");
    return true;
}

static void fill(double *a, size_t n, uint64_t seed) {
    struct random random = {seed};
    for (size_t i = 0; i < n; i++)
        a[i] = 2 * random_unit(&random) - 1;
}

static void close_to(const double *a, const double *b, size_t n, double bound) {
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs(a[i] - b[i]) <= bound, "%zu: %.17g and %.17g", i, a[i], b[i]);
}

START_TEST(test_multiply) {
    const double a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 0, 2, -1, 3, 1}; /* [2, 3], [3, 2] */
    const double at[] = {1, 4, 2, 5, 3, 6}, bt[] = {1, 2, 3, 0, -1, 1};
    const double expected[] = {14, 1, 32, 1};
    double c[4];
    if (skipped())
        return;
    ck_assert_int_eq(linalg_multiply(2, 2, 3, a, false, b, false, c, NULL), 0);
    close_to(c, expected, 4, 0);
    ck_assert_int_eq(linalg_multiply(2, 2, 3, at, true, b, false, c, NULL), 0);
    close_to(c, expected, 4, 0);
    ck_assert_int_eq(linalg_multiply(2, 2, 3, a, false, bt, true, c, NULL), 0);
    close_to(c, expected, 4, 0);
    ck_assert_int_eq(linalg_multiply(2, 2, 3, at, true, bt, true, c, NULL), 0);
    close_to(c, expected, 4, 0);
}
END_TEST

START_TEST(test_gram) {
    const float x[] = {1, 2, 3, 4, 5, 6};
    double g[9] = {100};
    const double expected[] = {117, 22, 27, 22, 29, 36, 27, 36, 45};
    if (skipped())
        return;
    ck_assert_int_eq(linalg_add_gram_f32(2, 3, x, g, NULL), 0);
    linalg_mirror(3, g);
    close_to(g, expected, 9, 0);
}
END_TEST

/* Tall, wide and square: orthonormal factors, in order, that multiply to the matrix. */
START_TEST(test_svd) {
    static const size_t sizes[][2] = {{7, 4}, {4, 7}, {5, 5}, {1, 3}, {3, 1}};
    const size_t m = sizes[_i][0], n = sizes[_i][1], r = MIN(m, n);
    double a[49], u[49], s[7], vt[49], us[49], back[49], one[49];
    if (skipped())
        return;
    fill(a, m * n, 3);
    ck_assert_int_eq(linalg_svd(m, n, a, u, s, vt, NULL), 0);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < r; j++)
            us[i * r + j] = u[i * r + j] * s[j];
    ck_assert_int_eq(linalg_multiply(m, n, r, us, false, vt, false, back, NULL), 0);
    close_to(a, back, m * n, CLOSE);
    ck_assert_int_eq(linalg_multiply(r, r, m, u, true, u, false, one, NULL), 0);
    for (size_t i = 0; i < r; i++) {
        ck_assert(s[i] >= 0 && (i == 0 || s[i] <= s[i - 1]));
        for (size_t j = 0; j < r; j++)
            ck_assert(fabs(one[i * r + j] - (i == j)) < CLOSE);
    }
    ck_assert_int_eq(linalg_multiply(r, r, n, vt, false, vt, true, one, NULL), 0);
    for (size_t i = 0; i < r * r; i++)
        ck_assert(fabs(one[i] - (i / r == i % r)) < CLOSE);
}
END_TEST

START_TEST(test_svd_exact) {
    const double a[] = {3, 0, 0, -2}; /* singular values 3 and 2 */
    double u[4], s[2], vt[4];
    if (skipped())
        return;
    ck_assert_int_eq(linalg_svd(2, 2, a, u, s, vt, NULL), 0);
    close_to(s, (double[]){3, 2}, 2, CLOSE);
}
END_TEST

START_TEST(test_eigen) {
    const double a[] = {2, 1, 1, 2}; /* 3 for (1, 1), 1 for (1, -1) */
    double values[2], vectors[4];
    if (skipped())
        return;
    ck_assert_int_eq(linalg_eigen(2, a, values, vectors, NULL), 0);
    close_to(values, (double[]){3, 1}, 2, CLOSE);
    ck_assert(fabs(vectors[0] - vectors[1]) < CLOSE && fabs(vectors[2] + vectors[3]) < CLOSE);
    ck_assert(fabs(fabs(vectors[0]) - sqrt(0.5)) < CLOSE);

    enum { N = 6 };
    double x[N * N], g[N * N], w[N], v[N * N], gv[N * N];
    fill(x, N * N, 5);
    ck_assert_int_eq(linalg_multiply(N, N, N, x, true, x, false, g, NULL), 0);
    ck_assert_int_eq(linalg_eigen(N, g, w, v, NULL), 0);
    ck_assert_int_eq(linalg_multiply(N, N, N, v, false, g, false, gv, NULL), 0);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            ck_assert(fabs(gv[i * N + j] - w[i] * v[i * N + j]) < CLOSE);
}
END_TEST

START_TEST(test_solve) {
    enum { N = 5, ROWS = 3 };
    double x[N * N], g[N * N], b[ROWS * N], y[ROWS * N], back[ROWS * N], inverse[N * N];
    if (skipped())
        return;
    fill(x, N * N, 9);
    fill(b, ROWS * N, 10);
    ck_assert_int_eq(linalg_multiply(N, N, N, x, true, x, false, g, NULL), 0);
    ck_assert_int_eq(linalg_solve(N, g, 0, ROWS, b, y, NULL), 0);
    ck_assert_int_eq(linalg_multiply(ROWS, N, N, y, false, g, false, back, NULL), 0);
    close_to(back, b, ROWS * N, 1e-8);
    ck_assert_int_eq(linalg_invert(N, g, 0, inverse, NULL), 0);
    ck_assert_int_eq(linalg_multiply(ROWS, N, N, b, false, inverse, false, back, NULL), 0);
    close_to(back, y, ROWS * N, 1e-8);
}
END_TEST

START_TEST(test_damping) {
    const double diagonal[] = {1, 0, 0, 3}, one[] = {1, 1}, zeros[4] = {0};
    double x[2], inverse[4];
    if (skipped())
        return;
    /* 0.5 times the mean, 2: one more on the diagonal */
    ck_assert_int_eq(linalg_solve(2, diagonal, 0.5, 1, one, x, NULL), 0);
    close_to(x, (double[]){1 / 2.0, 1 / 4.0}, 2, CLOSE);
    ck_assert_int_eq(linalg_invert(2, zeros, 0.1, inverse, NULL), 0);
    close_to(inverse, (double[]){10, 0, 0, 10}, 4, CLOSE);
    /* a singular matrix is damped until it can be solved: the smallest solution, nearly */
    const double singular[] = {1, 1, 1, 1};
    ck_assert_int_eq(linalg_solve(2, singular, 0, 1, one, x, NULL), 0);
    close_to(x, (double[]){0.5, 0.5}, 2, 1e-3);
    /* an indefinite one that no damping below 10 helps */
    const double indefinite[] = {1, 1000, 1000, 1};
    struct diag diag = {.text = ""};
    ck_assert_int_eq(linalg_solve(2, indefinite, 0, 1, one, x, &diag), COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "Cholesky"));
}
END_TEST

START_TEST(test_least_squares) {
    /* a line through four points: y = 1 + 2 t, with errors that are orthogonal to both columns */
    const double a[] = {1, -1, 1, -1, 1, 1, 1, 1};
    const double b[] = {-1 + 0.5, -1 - 0.5, 3 + 0.25, 3 - 0.25};
    double x[2], wide[3];
    if (skipped())
        return;
    ck_assert_int_eq(linalg_least_squares(4, 2, 1, a, b, 1e-12, x, NULL), 0);
    close_to(x, (double[]){1, 2}, 2, CLOSE);
    /* more unknowns than equations: the shortest solution of x0 + x1 + x2 = 3 */
    ck_assert_int_eq(
        linalg_least_squares(1, 3, 1, (double[]){1, 1, 1}, (double[]){3}, 1e-12, wide, NULL), 0);
    close_to(wide, (double[]){1, 1, 1}, 3, CLOSE);
    /* two right-hand sides */
    const double id[] = {2, 0, 0, 4}, rhs[] = {2, 4, 4, 8};
    double both[4];
    ck_assert_int_eq(linalg_least_squares(2, 2, 2, id, rhs, 1e-12, both, NULL), 0);
    close_to(both, (double[]){1, 2, 1, 2}, 4, CLOSE);
}
END_TEST

START_TEST(test_refusals) {
    struct diag diag = {.text = ""};
    const double nan[] = {NAN, 0, 0, 1};
    double a[4], b[4], c[4];
    ck_assert_int_eq(linalg_multiply(0, 1, 1, nan, false, nan, false, c, &diag),
                     COMPRESS_E_INVALID);
    ck_assert_int_eq(linalg_svd(LINALG_MAX_DIM + 1, 1, nan, a, b, c, &diag), COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "65537"));
    ck_assert_int_eq(linalg_svd(2, 2, nan, a, b, c, &diag), COMPRESS_E_INVALID);
    ck_assert_int_eq(linalg_eigen(2, nan, a, b, &diag), COMPRESS_E_INVALID);
    ck_assert_int_eq(linalg_invert(2, nan, 0, a, &diag), COMPRESS_E_INVALID);
    ck_assert_int_eq(linalg_solve(2, nan, 0, 1, a, b, &diag), COMPRESS_E_INVALID);
    ck_assert_int_eq(linalg_least_squares(2, 2, 1, nan, a, 0, b, &diag), COMPRESS_E_INVALID);
    if (!skipped())
        ck_assert_ptr_nonnull(strstr(diag.text, "not finite"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("linalg");
    TCase *tc = tcase_create("linalg");
    tcase_add_test(tc, test_multiply);
    tcase_add_test(tc, test_gram);
    tcase_add_loop_test(tc, test_svd, 0, 5);
    tcase_add_test(tc, test_svd_exact);
    tcase_add_test(tc, test_eigen);
    tcase_add_test(tc, test_solve);
    tcase_add_test(tc, test_damping);
    tcase_add_test(tc, test_least_squares);
    tcase_add_test(tc, test_refusals);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
