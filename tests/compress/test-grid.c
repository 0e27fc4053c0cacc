/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress/grid: scales and roundings of weights against plain searches and statistics.
 */

#include <check.h>

#include "base/attributes.h"
#include "compress/grid.h"
#include "tests/compress/small.h"

/* A dense layer of 4 x 12 and its grid. */
static struct grid dense_grid(uint32_t group, int32_t min, int32_t max) {
    struct small s = small_begin(9, 2, (const int32_t[]){1, 12});
    small_dense(&s, 4, ACT_NONE);
    struct graph *g = small_end(&s);
    struct layers layers;
    struct grid grid;
    ck_assert_int_eq(layers_find(g, &layers), 0);
    ck_assert_int_eq(grid_init(&grid, g, &layers.items[0], group, min, max), 0);
    graph_free(g);
    return grid;
}

static const uint32_t groups[] = {0, 12, 4, 1};

/* The largest weight of each group has the largest code, and no weight is further than half a step away. */
START_TEST(test_nearest) {
    struct grid g = dense_grid(groups[_i], -127, 127);
    ck_assert_uint_eq(g.n_scales, groups[_i] ? 48 / groups[_i] : 1);
    grid_choose_scales(&g, GRID_MAX);
    grid_round_nearest(&g);
    uint32_t size = 48 / g.n_scales;
    for (uint32_t i = 0; i < g.n_scales; i++) {
        int32_t largest = 0;
        for (uint32_t k = i * size; k < (i + 1) * size; k++) {
            largest = MAX(largest, abs(g.q[k]));
            ck_assert_float_le(fabsf(g.w[k] - grid_value(&g, k / 12, k % 12)),
                               0.501F * g.scales[i]);
        }
        ck_assert_int_eq(largest, 127);
    }
    grid_deinit(&g);
}
END_TEST

static double error_at(const struct grid *g, uint32_t row, double scale) {
    double error = 0;
    for (uint32_t k = 0; k < g->depth; k++) {
        double w = (double)g->w[row * g->depth + k], q = nearbyint(w / scale);
        double e = w - fmin(fmax(q, g->min), g->max) * scale;
        error += e * e;
    }
    return error;
}

/* Within 3 % of the best of ten thousand scales. */
START_TEST(test_mse_scale) {
    struct grid g = dense_grid(12, -8, 7);
    grid_choose_scales(&g, GRID_MAX);
    double full[4];
    for (int r = 0; r < 4; r++)
        full[r] = (double)g.scales[r];
    grid_choose_scales(&g, GRID_MSE);
    for (uint32_t r = 0; r < 4; r++) {
        double least = INFINITY;
        for (int i = 1; i <= 10000; i++)
            least = fmin(least, error_at(&g, r, full[r] * i / 10000));
        double got = error_at(&g, r, (double)g.scales[r]);
        ck_assert_msg(got <= 1.03 * least, "row %u: %g, best %g", r, got, least);
        ck_assert_msg(got <= error_at(&g, r, full[r]), "row %u", r);
    }
    grid_deinit(&g);
}
END_TEST

/* Codes are one of the two neighbours, and their mean over many roundings is the weight: within 5 standard errors. */
START_TEST(test_stochastic) {
    enum { TIMES = 4000 };
    struct grid g = dense_grid(12, -8, 7);
    struct random random = {77};
    double sums[48] = {0};
    grid_choose_scales(&g, GRID_MAX);
    for (int t = 0; t < TIMES; t++) {
        grid_round_stochastic(&g, &random);
        for (int i = 0; i < 48; i++) {
            double x = (double)(g.w[i] / g.scales[i / 12]);
            ck_assert(fabs(g.q[i] - x) < 1.0001);
            sums[i] += g.q[i];
        }
    }
    for (int i = 0; i < 48; i++) {
        double x = (double)(g.w[i] / g.scales[i / 12]), p = x - floor(x);
        double bound = 5 * sqrt(p * (1 - p) / TIMES) + 1e-4;
        ck_assert_msg(fabs(sums[i] / TIMES - x) <= bound, "weight %d: mean %g, not %g", i,
                      sums[i] / TIMES, x);
    }
    grid_deinit(&g);
}
END_TEST

START_TEST(test_zeros) {
    struct grid g = dense_grid(4, -8, 7);
    struct random random = {1};
    memset(g.w, 0, 48 * sizeof(*g.w));
    for (int way = 0; way < 2; way++) {
        grid_choose_scales(&g, way ? GRID_MSE : GRID_MAX);
        grid_round_stochastic(&g, &random);
        for (int i = 0; i < 48; i++)
            ck_assert_int_eq(g.q[i], 0);
        ck_assert(g.scales[5] == 1);
    }
    grid_deinit(&g);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("grid");
    TCase *tc = tcase_create("grid");
    tcase_add_loop_test(tc, test_nearest, 0, ARRAY_SIZE(groups));
    tcase_add_test(tc, test_mse_scale);
    tcase_add_test(tc, test_stochastic);
    tcase_add_test(tc, test_zeros);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
