/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real Fourier transform beside the sum that defines it, at every size up to 1024.
 */

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "kernels/fft.h"

#define MAX_N 1024
#define SEED 1

static double direct(const double *x, size_t n, size_t k) {
    double re = 0, im = 0;
    for (size_t i = 0; i < n; i++) {
        re += x[i] * cos(2 * M_PI * (double)(k * i % n) / (double)n);
        im -= x[i] * sin(2 * M_PI * (double)(k * i % n) / (double)n);
    }
    return hypot(re, im);
}

START_TEST(test_every_size) {
    struct random random = {SEED};
    for (size_t n = 2; n <= MAX_N; n *= 2) {
        double *tables = calloc(fft_tables_size(n), sizeof(*tables));
        double *work = calloc(fft_work_size(n), sizeof(*work)), x[MAX_N];
        fft_tables(n, tables);
        for (size_t i = 0; i < n; i++)
            work[i % 2 * n / 2 + i / 2] = x[i] = 2 * random_unit(&random) - 1;
        const double *result = fft_run(n, tables, work);
        for (size_t k = 0; k <= n / 2; k++)
            ck_assert_msg(fabs(fft_magnitude(n, tables, result, k) - direct(x, n, k)) <
                              1e-12 * (double)n,
                          "seed %d, %zu samples, bin %zu", SEED, n, k);
        free(work);
        free(tables);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fft");
    TCase *tc = tcase_create("fft");
    tcase_add_test(tc, test_every_size);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
