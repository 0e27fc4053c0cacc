/* SPDX-License-Identifier: Apache-2.0 */
/*
 * k-means of few numbers against all their partitions, of many against the optimum of the dynamic program.
 */

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/attributes.h"
#include "base/random.h"
#include "compress/kmeans.h"

#define SEED 46

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double cost_of(const float *x, const float *w, size_t n, const float *centers, uint32_t k) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double least = INFINITY;
        for (uint32_t c = 0; c < k; c++)
            least = MIN(least, fabs((double)x[i] - (double)centers[c]));
        sum += (w ? (double)w[i] : 1) * least * least;
    }
    return sum;
}

/* The least cost of x[0 … n), ascending, in exactly k parts: all places of the first border. */
static double least_cost(const float *x, const float *w, size_t n, uint32_t k) {
    double least = INFINITY;
    for (size_t end = k == 1 ? n : 1; end + k <= n + 1; end++) {
        double sum = 0, weight = 0, cost = 0;
        for (size_t i = 0; i < end; i++) {
            sum += (w ? (double)w[i] : 1) * (double)x[i];
            weight += w ? (double)w[i] : 1;
        }
        for (size_t i = 0; i < end; i++)
            cost += (w ? (double)w[i] : 1) * pow((double)x[i] - sum / weight, 2);
        least = MIN(least,
                    cost + (k > 1 ? least_cost(x + end, w ? w + end : NULL, n - end, k - 1) : 0));
    }
    return least;
}

static void make(float *x, float *w, size_t n, struct random *random) {
    for (size_t i = 0; i < n; i++) {
        double u = 2 * random_unit(random) - 1;
        x[i] = (float)(u * u * u);
        w[i] = (float)(0.1 + random_unit(random));
    }
    qsort(x, n, sizeof(*x), ascending);
}

START_TEST(test_brute_force) {
    enum { N = 11 };
    struct random random = {SEED};
    for (unsigned run = 0; run < 40; run++) {
        float x[N], w[N], centers[KMEANS_MAX_CENTERS];
        uint32_t k = 1 + run % 6, n_centers;
        const float *weights = run % 2 ? w : NULL;
        make(x, w, N, &random);
        ck_assert_int_eq(kmeans(x, weights, N, k, KMEANS_OPTIMAL, NULL, centers, &n_centers), 0);
        ck_assert_uint_eq(n_centers, k);
        double best = least_cost(x, weights, N, k);
        ck_assert_double_eq_tol(cost_of(x, weights, N, centers, k), best, 1e-6 * best + 1e-12);
        for (int init = KMEANS_LINEAR; init < KMEANS_OPTIMAL; init++) {
            ck_assert_int_eq(
                kmeans(x, weights, N, k, (enum kmeans_init)init, &random, centers, &n_centers), 0);
            ck_assert_uint_eq(n_centers, k);
            ck_assert_double_ge(cost_of(x, weights, N, centers, k), best * (1 - 1e-6) - 1e-12);
        }
    }
}
END_TEST

/* From every start: a fixed point, ascending, and not far from the optimum. */
START_TEST(test_many) {
    enum { N = 30000, K = 31 };
    struct random random = {SEED};
    float *x = malloc(N * sizeof(*x)), *w = malloc(N * sizeof(*w)), centers[K];
    uint32_t n_centers;
    make(x, w, N, &random);
    ck_assert_int_eq(kmeans(x, w, N, K, KMEANS_OPTIMAL, NULL, centers, &n_centers), 0);
    double best = cost_of(x, w, N, centers, K);
    for (int init = KMEANS_LINEAR; init <= KMEANS_OPTIMAL; init++) {
        double sums[K] = {0}, weights[K] = {0};
        ck_assert_int_eq(kmeans(x, w, N, K, (enum kmeans_init)init, &random, centers, &n_centers),
                         0);
        ck_assert_uint_eq(n_centers, K);
        ck_assert_double_lt(cost_of(x, w, N, centers, K), 1.2 * best);
        for (size_t i = 0; i < N; i++)
            for (uint32_t c = 0; c < K; c++)
                if (kmeans_nearest(centers, K, x[i]) == centers[c]) {
                    sums[c] += (double)w[i] * (double)x[i];
                    weights[c] += (double)w[i];
                }
        for (uint32_t c = 0; c < K; c++) {
            ck_assert_double_eq_tol(sums[c] / weights[c], (double)centers[c], 1e-5);
            ck_assert(c == 0 || centers[c] > centers[c - 1]);
        }
    }
    free(x);
    free(w);
}
END_TEST

START_TEST(test_few_values) {
    float x[] = {3, -1, 3, 0, -1, 3}, centers[8];
    uint32_t n;
    for (int init = KMEANS_LINEAR; init <= KMEANS_OPTIMAL; init++) {
        struct random random = {SEED};
        ck_assert_int_eq(kmeans(x, NULL, 6, 8, (enum kmeans_init)init, &random, centers, &n), 0);
        ck_assert_uint_eq(n, 3);
        ck_assert_float_eq(centers[0], -1);
        ck_assert_float_eq(centers[1], 0);
        ck_assert_float_eq(centers[2], 3);
    }
    /* Values that count for nothing still get a center, which is not one of no value. */
    const float none[6] = {0};
    ck_assert_int_eq(kmeans(x, none, 6, 1, KMEANS_LINEAR, NULL, centers, &n), 0);
    ck_assert_uint_eq(n, 1);
    ck_assert_float_eq_tol(centers[0], 7.0F / 6, 1e-6F);
}
END_TEST

/* A start whose centers have nothing near them, as outliers make it: none is wasted. */
START_TEST(test_outliers) {
    enum { N = 1000, K = 16 };
    struct random random = {SEED};
    float x[N], w[N], centers[K];
    uint32_t n;
    make(x, w, N, &random);
    x[0] = -1000;
    x[N - 1] = 1000;
    ck_assert_int_eq(kmeans(x, NULL, N, K, KMEANS_LINEAR, NULL, centers, &n), 0);
    double linear = cost_of(x, NULL, N, centers, n);
    ck_assert_uint_eq(n, K);
    ck_assert_int_eq(kmeans(x, NULL, N, K, KMEANS_OPTIMAL, NULL, centers, &n), 0);
    ck_assert_double_lt(linear, 2 * cost_of(x, NULL, N, centers, n));
}
END_TEST

START_TEST(test_seed) {
    enum { N = 500, K = 20 };
    struct random random = {SEED}, first = {7}, second = {7};
    float x[N], w[N], a[K], b[K];
    uint32_t n;
    make(x, w, N, &random);
    ck_assert_int_eq(kmeans(x, NULL, N, K, KMEANS_RANDOM, &first, a, &n), 0);
    ck_assert_int_eq(kmeans(x, NULL, N, K, KMEANS_RANDOM, &second, b, &n), 0);
    ck_assert_mem_eq(a, b, sizeof(a));
}
END_TEST

START_TEST(test_nearest) {
    const float centers[] = {-2, 0, 1, 5};
    static const float cases[][2] = {{-9, -2},   {-1.01F, -2}, {-1, -2},   {-0.99F, 0}, {0.5F, 0},
                                     {0.51F, 1}, {3, 1},       {3.01F, 5}, {99, 5}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        ck_assert_float_eq(kmeans_nearest(centers, 4, cases[i][0]), cases[i][1]);
    ck_assert_float_eq(kmeans_nearest(centers, 1, 7), -2);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("kmeans");
    TCase *tc = tcase_create("kmeans");
    tcase_add_test(tc, test_brute_force);
    tcase_add_test(tc, test_many);
    tcase_add_test(tc, test_few_values);
    tcase_add_test(tc, test_outliers);
    tcase_add_test(tc, test_seed);
    tcase_add_test(tc, test_nearest);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
