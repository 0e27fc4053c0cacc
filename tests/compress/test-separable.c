/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Depthwise and pointwise: exact where a convolution is one of these; else the error is what LAPACK says of each input
 * channel's matrix.
 */

#include "compress/linalg.h"
#include "tests/compress/recipes.h"

#define SEED 44

static const struct geometry windows[] = {
    {9, 8, 6, 16, 3, 3, {1, 1, 1, 1, 1, 1, 1, 1}},
    {10, 8, 6, 16, 3, 3, {2, 2, 1, 1, 0, 0, 1, 1}},  /* SAME, stride 2 */
    {14, 13, 6, 16, 3, 5, {1, 2, 2, 1, 2, 3, 2, 1}}, /* everything differs */
};

static size_t window(const struct geometry *g) {
    return (size_t)g->kh * g->kw;
}

START_TEST(test_exact) {
    const struct geometry *g = &windows[_i / 2];
    size_t m = (size_t)_i % 2 + 1;
    char summary[PASS_MAX_SUMMARY], steps[96];
    struct random random = {SEED + (uint64_t)_i};
    float *w, filters[15 * 12], points[16 * 12];
    _cleanup_(graph_freep) struct graph *graph = conv_net(g, ACT_RELU, SEED, &w);
    for (size_t i = 0; i < ARRAY_SIZE(filters); i++)
        filters[i] = net_random(&random);
    for (size_t i = 0; i < ARRAY_SIZE(points); i++)
        points[i] = net_random(&random);
    for (size_t at = 0; at < (size_t)g->out * window(g) * g->in; at++) {
        size_t c = at % g->in, s = at / g->in % window(g), o = at / g->in / window(g);
        w[at] = 0;
        for (size_t k = c * m; k < (c + 1) * m; k++)
            w[at] += filters[s * 12 + k] * points[o * 12 + k];
    }
    snprintf(steps, sizeof(steps), "{\"pass\":\"separable\",\"multiplier\":%zu}", m);
    _cleanup_(graph_freep) struct graph *d = steps_done(graph, steps, NULL, summary);
    ck_assert_double_le(difference(graph, d, SEED), 1e-5);
    ck_assert_uint_lt(macs_of(d), macs_of(graph));
    struct layer a = layer_called(d, "conv.a"), b = layer_called(d, "conv.b");
    ck_assert(a.depthwise);
    ck_assert_uint_eq(a.out, (uint32_t)g->in * m);
    ck_assert_uint_eq(b.depth, (uint32_t)g->in * m);
    ck_assert_int_eq(layer_op(d, &a)->act, ACT_NONE);
    ck_assert_int_eq(layer_op(d, &b)->act, ACT_RELU);
}
END_TEST

START_TEST(test_tail) {
    const struct geometry *g = &windows[_i];
    size_t n = window(g), full = MIN(n, (size_t)g->out);
    char summary[PASS_MAX_SUMMARY];
    double m[16 * 15], u[16 * 16], s[16], vt[16 * 16], expected = 0, error = 0;
    float *w;
    _cleanup_(graph_freep) struct graph *graph = conv_net(g, ACT_NONE, SEED, &w);
    for (size_t c = 0; c < (size_t)g->in; c++) {
        for (size_t i = 0; i < (size_t)g->out * n; i++)
            m[i] = (double)w[i * g->in + c];
        ck_assert_int_eq(linalg_svd(g->out, n, m, u, s, vt, NULL), 0);
        expected += tail_of(s, 1, full) * tail_of(s, 1, full);
    }
    _cleanup_(graph_freep) struct graph *d =
        steps_done(graph, "{\"pass\":\"separable\"}", NULL, summary);
    const float *a = part_values(d, "conv.a"), *b = part_values(d, "conv.b");
    for (size_t at = 0; at < (size_t)g->out * n * g->in; at++) {
        size_t c = at % g->in, o = at / g->in / n;
        double e = (double)w[at] - (double)a[at % (n * g->in)] * (double)b[o * g->in + c];
        error += e * e;
    }
    ck_assert_double_eq_tol(error / expected, 1, 1e-5);
}
END_TEST

START_TEST(test_data) {
    const struct geometry *g = &windows[_i];
    char summary[PASS_MAX_SUMMARY];
    float *w;
    _cleanup_(graph_freep) struct graph *graph = conv_net(g, ACT_NONE, SEED, &w);
    struct dataset data = smooth_data(graph, 24, SEED);
    _cleanup_(graph_freep) struct graph *plain =
        steps_done(graph, "{\"pass\":\"separable\"}", &data, summary);
    _cleanup_(graph_freep) struct graph *fitted =
        steps_done(graph, "{\"pass\":\"separable\",\"fit\":\"data\"}", &data, summary);
    ck_assert_double_lt(output_error(graph, fitted, &data),
                        0.7 * output_error(graph, plain, &data));
    free(data.x.owned);
}
END_TEST

static const struct {
    const char *steps, *says;
} refused[] = {
    {"{\"pass\":\"separable\",\"multiplier\":0}",
     "steps[0].multiplier must be from 1 to 65536, not 0"},
    {"{\"pass\":\"separable\",\"multiplier\":10}",
     "steps[0]: multiplier: 10 is more than conv can have, which is 9"},
    {"{\"pass\":\"separable\",\"rank\":1}", "steps[0].rank: the pass separable has no such option"},
    {"{\"pass\":\"separable\",\"fit\":\"data\"}", "needs calibration data"},
};

START_TEST(test_refused) {
    float *w;
    _cleanup_(graph_freep) struct graph *g = conv_net(&windows[0], ACT_NONE, SEED, &w);
    steps_refused(g, refused[_i].steps, NULL, refused[_i].says);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("separable");
    TCase *tc = tcase_create("separable");
    tcase_add_loop_test(tc, test_exact, 0, 2 * ARRAY_SIZE(windows));
    tcase_add_loop_test(tc, test_tail, 0, ARRAY_SIZE(windows));
    tcase_add_loop_test(tc, test_data, 0, ARRAY_SIZE(windows));
    tcase_add_loop_test(tc, test_refused, 0, ARRAY_SIZE(refused));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
