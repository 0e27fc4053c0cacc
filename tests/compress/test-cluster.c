/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Codebooks in a network: how many distinct values remain, which weights never change, and what the options do.
 */

#include "compress/kmeans.h"
#include "tests/compress/recipes.h"

#define SEED 47

/* conv1 (3 x 3, 2 to 6), depthwise1, dense1, of which every third weight is 0. */
static struct graph *make(void) {
    struct net net = net_new(SEED);
    int32_t x = net_input(&net, 4, NET_DIMS(1, 6, 6, 2));
    int32_t y = net_conv(&net, x, 6, 3, 1, ACT_RELU);
    y = net_depthwise(&net, y, 2, 3, 2, ACT_NONE);
    y = net_dense(&net, net_flatten(&net, y), 10, ACT_NONE);
    struct graph *g = net_done(&net, y);
    struct layer dense = layer_called(g, "dense1");
    float *w = (float *)layer_weights(g, &dense)->data;
    for (size_t i = 0; i < (size_t)dense.out * dense.depth; i += 3)
        w[i] = 0;
    return g;
}

static size_t distinct(struct graph *g, const char *name, float *values, size_t n) {
    struct layer layer = layer_called(g, name);
    const float *w = layer_weights(g, &layer)->data;
    for (size_t i = 0; i < (size_t)layer.out * layer.depth; i++) {
        size_t k = 0;
        while (k < n && values[k] != w[i])
            k++;
        if (k == n)
            values[n++] = w[i];
    }
    return n;
}

START_TEST(test_layers) {
    char summary[PASS_MAX_SUMMARY], steps[128];
    float values[4096];
    _cleanup_(graph_freep) struct graph *g = make();
    static const char *const names[] = {"conv1", "depthwise1", "dense1"};
    for (unsigned bits = 1; bits <= 6; bits++) {
        snprintf(steps, sizeof(steps), "{\"pass\":\"cluster\",\"bits\":%u}", bits);
        _cleanup_(graph_freep) struct graph *d = steps_done(g, steps, NULL, summary);
        for (size_t i = 0; i < 3; i++)
            ck_assert_uint_eq(distinct(d, names[i], values, 0), 1U << bits);
        const float *before = part_values(g, "dense1"), *after = part_values(d, "dense1");
        struct layer dense = layer_called(g, "dense1");
        for (size_t i = 0; i < (size_t)dense.out * dense.depth; i++)
            ck_assert_int_eq(before[i] == 0, after[i] == 0);
    }
    ck_assert_msg(strstr(summary, "of 3 layers now have 64 distinct values each") != NULL, "%s",
                  summary);
}
END_TEST

/* A layer is what k-means makes of its weights; the others stay. */
START_TEST(test_values) {
    char summary[PASS_MAX_SUMMARY];
    float centers[KMEANS_MAX_CENTERS], values[4096];
    uint32_t n;
    _cleanup_(graph_freep) struct graph *g = make();
    _cleanup_(graph_freep) struct graph *d =
        steps_done(g,
                   "{\"pass\":\"cluster\",\"bits\":3,\"init\":\"optimal\",\"zero\":false,"
                   "\"layers\":[\"dense1\"]}",
                   NULL, summary);
    struct layer dense = layer_called(g, "dense1");
    size_t size = (size_t)dense.out * dense.depth;
    const float *before = part_values(g, "dense1"), *after = part_values(d, "dense1");
    ck_assert_int_eq(kmeans(before, NULL, size, 8, KMEANS_OPTIMAL, NULL, centers, &n), 0);
    for (size_t i = 0; i < size; i++)
        ck_assert_float_eq(after[i], kmeans_nearest(centers, n, before[i]));
    ck_assert_uint_eq(distinct(d, "conv1", values, 0), distinct(g, "conv1", values, 0));
}
END_TEST

START_TEST(test_network) {
    char summary[PASS_MAX_SUMMARY];
    float values[4096];
    _cleanup_(graph_freep) struct graph *g = make();
    _cleanup_(graph_freep) struct graph *d = steps_done(
        g, "{\"pass\":\"cluster\",\"bits\":4,\"scope_of_codebook\":\"network\"}", NULL, summary);
    size_t n = distinct(d, "conv1", values, 0);
    n = distinct(d, "depthwise1", values, n);
    ck_assert_uint_eq(distinct(d, "dense1", values, n), 16);
}
END_TEST

/* Weights of inputs that matter are hit better, so the outputs are. */
START_TEST(test_importance) {
    char summary[PASS_MAX_SUMMARY];
    struct net net = net_new(SEED);
    int32_t x = net_input(&net, 2, NET_DIMS(1, 60));
    _cleanup_(graph_freep) struct graph *g = net_done(&net, net_dense(&net, x, 20, ACT_NONE));
    float *w = (float *)part_values(g, "dense1");
    for (size_t i = 0; i < 60 * 20; i++)
        w[i] *= i % 60 < 12 ? 0.2F : 1;
    struct dataset data = net_data(g, 100, SEED);
    for (size_t i = 0; i < data.x.n; i++)
        ((float *)data.x.owned)[i] *= i % 60 < 12 ? 5.0F : 0.1F;
    _cleanup_(graph_freep) struct graph *plain =
        steps_done(g, "{\"pass\":\"cluster\",\"bits\":3,\"init\":\"optimal\"}", &data, summary);
    _cleanup_(graph_freep) struct graph *weighted = steps_done(
        g, "{\"pass\":\"cluster\",\"bits\":3,\"init\":\"optimal\",\"importance\":\"activation\"}",
        &data, summary);
    ck_assert_double_lt(output_error(g, weighted, &data), 0.5 * output_error(g, plain, &data));
    free(data.x.owned);
}
END_TEST

/* The same seed gives the same values. */
START_TEST(test_seed) {
    char summary[PASS_MAX_SUMMARY];
    const char *steps = "{\"pass\":\"cluster\",\"bits\":4,\"init\":\"random\"}";
    _cleanup_(graph_freep) struct graph *g = make();
    _cleanup_(graph_freep) struct graph *a = steps_done(g, steps, NULL, summary);
    _cleanup_(graph_freep) struct graph *b = steps_done(g, steps, NULL, summary);
    ck_assert_double_eq(difference(a, b, SEED), 0);
}
END_TEST

static const struct {
    const char *steps, *says;
} refused[] = {
    {"{\"pass\":\"cluster\"}", "steps[0].bits is missing"},
    {"{\"pass\":\"cluster\",\"bits\":0}", "steps[0].bits must be from 1 to 8, not 0"},
    {"{\"pass\":\"cluster\",\"bits\":9}", "steps[0].bits must be from 1 to 8, not 9"},
    {"{\"pass\":\"cluster\",\"bits\":4,\"init\":\"middle\"}",
     "steps[0].init must be one of linear, density, random, optimal"},
    {"{\"pass\":\"cluster\",\"bits\":4,\"zero\":0}", "steps[0].zero must be true or false"},
    {"{\"pass\":\"cluster\",\"bits\":4,\"importance\":\"activation\"}", "needs calibration data"},
    {"{\"pass\":\"cluster\",\"bits\":4,\"layers\":[\"dense2\"]}", "no layer is called 'dense2'"},
};

START_TEST(test_refused) {
    _cleanup_(graph_freep) struct graph *g = make();
    steps_refused(g, refused[_i].steps, NULL, refused[_i].says);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster");
    TCase *tc = tcase_create("cluster");
    tcase_add_test(tc, test_layers);
    tcase_add_test(tc, test_values);
    tcase_add_test(tc, test_network);
    tcase_add_test(tc, test_importance);
    tcase_add_test(tc, test_seed);
    tcase_add_loop_test(tc, test_refused, 0, ARRAY_SIZE(refused));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
