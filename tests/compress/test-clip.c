/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress/clip: ranges against a search over all of them on a few values, and on distributions whose best range is
 * known.
 */

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "base/attributes.h"
#include "base/random.h"
#include "compress/clip.h"

static struct density *density_of(const float *values, size_t n) {
    struct range seen = {0, 0};
    struct density *d = malloc(sizeof(*d));
    ck_assert_ptr_nonnull(d);
    for (size_t i = 0; i < n; i++) {
        seen.min = fminf(seen.min, values[i]);
        seen.max = fmaxf(seen.max, values[i]);
    }
    density_init(d, seen);
    density_add(d, values, n);
    return d;
}

/* What `levels` codes over the range cost, value by value. */
static double error_of(const float *values, size_t n, struct range range, unsigned levels) {
    double scale = ((double)range.max - (double)range.min) / (levels - 1), error = 0;
    double zero = nearbyint(-(double)range.min / scale);
    for (size_t i = 0; i < n; i++) {
        double code = nearbyint((double)values[i] / scale) + zero;
        code = fmin(fmax(code, 0), levels - 1);
        double e = (double)values[i] - (code - zero) * scale;
        error += e * e;
    }
    return error;
}

START_TEST(test_mse_brute_force) {
    enum { N = 400, STEPS = 100 };
    float values[N];
    struct random random = {11};
    for (int i = 0; i < N; i++) {
        values[i] = (float)(random_unit(&random) * 2 - 1) * (float)(random_unit(&random));
        if (i % 40 == 0)
            values[i] *= 5; /* few far away: worth clipping at 3 bits */
    }
    struct density *d = density_of(values, N);
    struct range found = clip_mse(d, 8);
    double least = INFINITY;
    for (int i = 1; i <= STEPS; i++)
        for (int j = 1; j <= STEPS; j++) {
            struct range r = {d->seen.min * (float)i / STEPS, d->seen.max * (float)j / STEPS};
            least = MIN(least, error_of(values, N, r, 8));
        }
    double all = error_of(values, N, d->seen, 8), got = error_of(values, N, found, 8);
    ck_assert_msg(got <= 1.05 * least, "%g where %g is possible", got, least);
    ck_assert_msg(got < 0.7 * all, "%g, unclipped %g", got, all);
    free(d);
}
END_TEST

/* Equally likely everywhere: clipping can only lose. */
START_TEST(test_uniform_is_kept) {
    enum { N = 20000 };
    float *values = malloc(N * sizeof(*values));
    for (int i = 0; i < N; i++)
        values[i] = (float)i / N * 3 - 1;
    struct density *d = density_of(values, N);
    struct range mse = clip_mse(d, 256), kl = clip_kl(d, 256);
    ck_assert(fabsf(mse.min - d->seen.min) < 0.01F && fabsf(mse.max - d->seen.max) < 0.01F);
    ck_assert_msg(kl.max > 0.98F * d->seen.max, "%g", (double)kl.max);
    free(values);
    free(d);
}
END_TEST

/* One value far away among very many: TensorRT's reason for clipping. */
START_TEST(test_kl_drops_outlier) {
    enum { N = 100000 };
    float *values = malloc(N * sizeof(*values));
    struct random random = {5};
    for (int i = 0; i < N; i++) {
        double sum = -6;
        for (int k = 0; k < 12; k++)
            sum += random_unit(&random);
        values[i] = (float)sum;
    }
    values[0] = 50;
    struct density *d = density_of(values, N);
    struct range kl = clip_kl(d, 256);
    ck_assert_msg(kl.max > 2.0F && kl.max < 10.0F, "%g", (double)kl.max);
    ck_assert(kl.min == fmaxf(d->seen.min, -kl.max));
    free(values);
    free(d);
}
END_TEST

/* Of 1000 values one percent lies beyond at either end, to the width of a bin. Zeros count. */
START_TEST(test_percentile) {
    enum { N = 2000 };
    float values[N] = {0};
    for (int i = 0; i < 1000; i++)
        values[i] = (float)(i - 499);
    struct density *d = density_of(values, N);
    struct range r = clip_percentile(d, 99);
    ck_assert_msg(fabsf(r.max - 480) <= 1 && fabsf(r.min + 479) <= 1, "%g %g", (double)r.min,
                  (double)r.max);
    struct range all = clip_percentile(d, 100);
    ck_assert(all.min == -499 && all.max == 500);
    free(d);
}
END_TEST

START_TEST(test_nothing_but_zeros) {
    float zeros[8] = {0};
    struct density *d = density_of(zeros, 8);
    struct range ranges[] = {clip_mse(d, 256), clip_kl(d, 256), clip_percentile(d, 99)};
    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
        ck_assert(ranges[i].min == 0 && ranges[i].max == 0);
    free(d);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("clip");
    TCase *tc = tcase_create("clip");
    tcase_add_test(tc, test_mse_brute_force);
    tcase_add_test(tc, test_uniform_is_kept);
    tcase_add_test(tc, test_kl_drops_outlier);
    tcase_add_test(tc, test_percentile);
    tcase_add_test(tc, test_nothing_but_zeros);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
