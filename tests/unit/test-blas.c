/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenBLAS: the environment it is given, and many threads that load and use it at the same time.
 */

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "kernels/blas.h"

#define THREADS 8
#define ROUNDS 50
#define M 37
#define N 45
#define K 129

/* Not available is no failure: the kernels of the tiers serve then. */
static bool skipped(void) {
    if (blas_available())
        return false;
    printf("SKIPPED: OpenBLAS is not there\n");
    return true;
}

START_TEST(test_environment) {
    setenv("OPENBLAS_CORETYPE", "Prescott", 1);
    unsetenv("OPENBLAS_NUM_THREADS");
    kernels_get(TIER_C);
    /* the user's choice stays */
    ck_assert_str_eq(getenv("OPENBLAS_CORETYPE"), "Prescott");
    ck_assert_str_eq(getenv("OPENBLAS_NUM_THREADS"), "1");
}
END_TEST

START_TEST(test_core) {
    unsetenv("OPENBLAS_CORETYPE");
    kernels_get(TIER_C);
    if (skipped())
        return;
    if (tier_supported(TIER_AVX512VNNI))
        ck_assert_str_eq(blas_core(), "SkylakeX");
    else if (tier_supported(TIER_AVX2))
        ck_assert_str_eq(blas_core(), "Haswell");
}
END_TEST

static float a[M * K], b[N * K];
static double expected[M * N];

/* Each thread has its own result and compares every round. */
static void *multiply(void *ret_ok) {
    bool *ok = ret_ok;
    *ok = blas_available();
    for (int round = 0; round < ROUNDS && *ok; round++) {
        float c[M * N];
        const int rows = round % 2 ? M : 1; /* products of matrices and of one row */
        for (int i = 0; i < M * N; i++)
            c[i] = 1;
        blas_gemm_f32(rows, N, K, a, K, b, K, c, N);
        for (int i = 0; i < rows * N; i++)
            *ok = *ok && fabs((double)c[i] - expected[i]) < 1e-4;
    }
    return NULL;
}

START_TEST(test_threads) {
    struct random random = {7};
    for (int i = 0; i < M * K; i++)
        a[i] = (float)(random_unit(&random) - 0.5);
    for (int i = 0; i < N * K; i++)
        b[i] = (float)(random_unit(&random) - 0.5);
    for (int m = 0; m < M; m++) {
        for (int n = 0; n < N; n++) {
            expected[m * N + n] = 1;
            for (int k = 0; k < K; k++)
                expected[m * N + n] += (double)a[m * K + k] * (double)b[n * K + k];
        }
    }
    pthread_t threads[THREADS];
    bool ok[THREADS];
    for (int t = 0; t < THREADS; t++)
        ck_assert_int_eq(pthread_create(&threads[t], NULL, multiply, &ok[t]), 0);
    for (int t = 0; t < THREADS; t++)
        ck_assert_int_eq(pthread_join(threads[t], NULL), 0);
    if (skipped())
        return;
    for (int t = 0; t < THREADS; t++)
        ck_assert(ok[t]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("blas");
    TCase *tc = tcase_create("blas");
    tcase_add_test(tc, test_environment);
    tcase_add_test(tc, test_core);
    tcase_add_test(tc, test_threads);
    suite_add_tcase(suite, tc);
    /* The library is loaded once in a process: each test needs its own. */
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
