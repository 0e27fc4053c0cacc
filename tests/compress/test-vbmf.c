/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrices that were made from a few components and noise: how many there are, and how loud the noise is.
 */

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/attributes.h"
#include "base/random.h"
#include "compress/linalg.h"
#include "compress/vbmf.h"

#define SEED 45

static double normal(struct random *r) {
    return sqrt(-2 * log(1 - random_unit(r))) * cos(6.283185307179586 * random_unit(r));
}

/* Singular values of rows x cols: `rank` components with deviation 1 for each element, and noise. */
static double *make(size_t rows, size_t cols, size_t rank, double noise, uint64_t seed) {
    struct random random = {seed};
    size_t full = MIN(rows, cols);
    double *m = malloc(rows * cols * sizeof(*m)), *s = malloc(full * sizeof(*s));
    double *vectors = malloc((rows + cols) * full * sizeof(*vectors));
    double *a = malloc((rank + 1) * rows * sizeof(*a)), *b = malloc((rank + 1) * cols * sizeof(*b));
    for (size_t i = 0; i < rank * rows; i++)
        a[i] = normal(&random);
    for (size_t i = 0; i < rank * cols; i++)
        b[i] = normal(&random);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) {
            m[i * cols + j] = noise * normal(&random);
            for (size_t k = 0; k < rank; k++)
                m[i * cols + j] += a[k * rows + i] * b[k * cols + j];
        }
    ck_assert_int_eq(linalg_svd(rows, cols, m, vectors, s, vectors + rows * full, NULL), 0);
    free(m);
    free(vectors);
    free(a);
    free(b);
    return s;
}

static const struct {
    size_t rows, cols, rank;
    double noise;
} cases[] = {
    {40, 60, 5, 1},   {60, 40, 5, 1},  {50, 50, 1, 2},    {30, 300, 8, 1.5},
    {100, 120, 0, 1}, {64, 64, 12, 1}, {20, 500, 3, 0.1}, {100, 100, 10, 0.01},
};

START_TEST(test_rank) {
    for (uint64_t seed = SEED; seed < SEED + 5; seed++) {
        double *s = make(cases[_i].rows, cases[_i].cols, cases[_i].rank, cases[_i].noise, seed);
        double variance;
        uint32_t rank = vbmf_rank(s, cases[_i].rows, cases[_i].cols, &variance);
        ck_assert_msg(rank == cases[_i].rank, "seed %llu: rank %u", (unsigned long long)seed, rank);
        ck_assert_double_eq_tol(sqrt(variance) / cases[_i].noise, 1, 0.1);
        free(s);
    }
}
END_TEST

/* Neither units nor which side is which matter. */
START_TEST(test_scale) {
    double *s = make(40, 60, 5, 1, SEED), *scaled = malloc(40 * sizeof(*scaled));
    for (size_t i = 0; i < 40; i++)
        scaled[i] = 1e-4 * s[i];
    double variance, other;
    ck_assert_uint_eq(vbmf_rank(s, 40, 60, &variance), vbmf_rank(scaled, 60, 40, &other));
    ck_assert_double_eq_tol(other / variance, 1e-8, 1e-13);
    free(s);
    free(scaled);
}
END_TEST

START_TEST(test_without_noise) {
    double *s = make(40, 60, 5, 0, SEED);
    ck_assert_uint_eq(vbmf_rank(s, 40, 60, NULL), 5);
    memset(s, 0, 40 * sizeof(*s));
    ck_assert_uint_eq(vbmf_rank(s, 40, 60, NULL), 0);
    free(s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("vbmf");
    TCase *tc = tcase_create("vbmf");
    tcase_add_loop_test(tc, test_rank, 0, ARRAY_SIZE(cases));
    tcase_add_test(tc, test_scale);
    tcase_add_test(tc, test_without_noise);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
