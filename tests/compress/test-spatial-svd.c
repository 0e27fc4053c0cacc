/* SPDX-License-Identifier: Apache-2.0 */
/*
 * k x 1 and 1 x k: exact where the window separates, whatever stride, padding and dilation; as far off as the tail of
 * the singular values where it does not.
 */

#include "compress/linalg.h"
#include "model/netfile.h"
#include "tests/compress/recipes.h"
#include "tests/shared.h"

#define SEED 42

static const struct geometry windows[] = {
    {9, 8, 6, 12, 3, 3, {1, 1, 1, 1, 1, 1, 1, 1}},
    {10, 8, 6, 12, 3, 3, {2, 2, 1, 1, 0, 0, 1, 1}},  /* SAME, stride 2 */
    {14, 13, 6, 12, 3, 3, {1, 1, 2, 3, 2, 3, 2, 3}}, /* dilated */
    {12, 15, 5, 10, 5, 3, {2, 1, 1, 2, 2, 2, 2, 1}}, /* everything differs */
    {12, 12, 4, 16, 5, 5, {1, 1, 1, 1, 0, 0, 0, 0}}, /* VALID */
};

START_TEST(test_exact) {
    const struct geometry *g = &windows[_i];
    enum { RANK = 2 };
    char summary[PASS_MAX_SUMMARY];
    struct random random = {SEED + (uint64_t)_i};
    float *w;
    _cleanup_(graph_freep) struct graph *graph = conv_net(g, ACT_RELU, SEED, &w);
    size_t n = (size_t)g->out * g->kh * g->kw * g->in;
    float *columns = malloc(n * RANK * sizeof(*columns)), *rows = malloc(n * RANK * sizeof(*rows));
    for (size_t i = 0; i < n * RANK; i++) {
        columns[i] = net_random(&random);
        rows[i] = net_random(&random);
    }
    memset(w, 0, n * sizeof(*w));
    for (int32_t k = 0; k < RANK; k++)
        for (int32_t o = 0, at = 0; o < g->out; o++)
            for (int32_t i = 0; i < g->kh; i++)
                for (int32_t j = 0; j < g->kw; j++)
                    for (int32_t c = 0; c < g->in; c++)
                        w[at++] += columns[(k * g->kh + i) * g->in + c] *
                                   rows[(k * g->kw + j) * g->out + o];
    _cleanup_(graph_freep) struct graph *d =
        steps_done(graph, "{\"pass\":\"spatial-svd\",\"rank\":2}", NULL, summary);
    ck_assert_double_le(difference(graph, d, SEED), 1e-5);
    ck_assert_uint_lt(macs_of(d), macs_of(graph));
    struct layer a = layer_called(d, "conv.a"), b = layer_called(d, "conv.b");
    const struct tensor *wa = layer_weights(d, &a), *wb = layer_weights(d, &b);
    ck_assert_int_eq(wa->dims[1], g->kh);
    ck_assert_int_eq(wa->dims[2], 1);
    ck_assert_int_eq(wb->dims[1], 1);
    ck_assert_int_eq(wb->dims[2], g->kw);
    ck_assert_int_eq(layer_op(d, &a)->act, ACT_NONE);
    ck_assert_int_eq(layer_op(d, &b)->act, ACT_RELU);
    free(columns);
    free(rows);
}
END_TEST

/* The squared error of the weights that the parts make. */
static double weight_error(struct graph *d, const struct geometry *g, const float *w,
                           int32_t rank) {
    const float *a = part_values(d, "conv.a"), *b = part_values(d, "conv.b");
    double error = 0;
    for (int32_t o = 0; o < g->out; o++)
        for (int32_t i = 0; i < g->kh; i++)
            for (int32_t j = 0; j < g->kw; j++)
                for (int32_t c = 0; c < g->in; c++) {
                    double e = (double)w[((o * g->kh + i) * g->kw + j) * g->in + c];
                    for (int32_t k = 0; k < rank; k++)
                        e -= (double)a[(k * g->kh + i) * g->in + c] *
                             (double)b[(o * g->kw + j) * rank + k];
                    error += e * e;
                }
    return error;
}

START_TEST(test_tail) {
    enum { RANK = 6 };
    const struct geometry *g = &windows[_i];
    char summary[PASS_MAX_SUMMARY];
    float *w;
    _cleanup_(graph_freep) struct graph *graph = conv_net(g, ACT_NONE, SEED, &w);
    size_t rows = (size_t)g->kh * g->in, cols = (size_t)g->kw * g->out, full = MIN(rows, cols);
    double *m = malloc(rows * cols * sizeof(*m)), *s = malloc(full * sizeof(*s));
    double *vectors = malloc((rows + cols) * full * sizeof(*vectors));
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            m[i * cols + j] = (double)
                w[((j / g->kw * g->kh + i / g->in) * g->kw + j % g->kw) * g->in + i % g->in];
    ck_assert_int_eq(linalg_svd(rows, cols, m, vectors, s, vectors + rows * full, NULL), 0);
    _cleanup_(graph_freep) struct graph *d =
        steps_done(graph, "{\"pass\":\"spatial-svd\",\"rank\":6}", NULL, summary);
    ck_assert_double_eq_tol(sqrt(weight_error(d, g, w, RANK)), tail_of(s, RANK, full), 1e-5 * s[0]);
    free(m);
    free(s);
    free(vectors);
}
END_TEST

/* On data: nearer to the outputs than by weights; where the outputs can be reached it gets there. */
START_TEST(test_data) {
    const struct geometry *g = &windows[0];
    char summary[PASS_MAX_SUMMARY];
    float *w;
    _cleanup_(graph_freep) struct graph *graph = conv_net(g, ACT_NONE, SEED, &w);
    struct dataset data = smooth_data(graph, 24, SEED);
    _cleanup_(graph_freep) struct graph *plain =
        steps_done(graph, "{\"pass\":\"spatial-svd\",\"rank\":4}", &data, summary);
    _cleanup_(graph_freep) struct graph *fitted =
        steps_done(graph, "{\"pass\":\"spatial-svd\",\"rank\":4,\"fit\":\"data\"}", &data, summary);
    ck_assert_double_lt(output_error(graph, fitted, &data),
                        0.75 * output_error(graph, plain, &data));
    free(data.x.owned);
}
END_TEST

/* The shipped example, on inputs that are noise. */
START_TEST(test_lenet5) {
    _cleanup_(graph_freep) struct graph *g = NULL;
    _cleanup_(recipe_freep) struct recipe *recipe = NULL;
    struct diag diag = {.text = ""};
    char path[4096];
    int r = recipe_read(EDGED_SOURCE "/recipes/lenet5-decomposed.json", &recipe, &diag);
    ck_assert_msg(r == 0, "%s", diag.text);
    if (!shared_present("models/ours/lenet5/lenet5_float32.tflite"))
        return;
    snprintf(path, sizeof(path), "%s/models/ours/lenet5/lenet5_float32.tflite", shared_dir());
    ck_assert_int_eq(netfile_read(path, &g, NULL, &diag), 0);
    struct dataset data = net_data(g, 8, SEED);
    uint64_t before = macs_of(g);
    r = recipe_run(recipe, &g, &data, TIER_C, NULL, NULL, &diag);
    ck_assert_msg(r == 0, "%s", diag.text);
    ck_assert_uint_eq(before, 2293000);
    ck_assert_uint_eq(macs_of(g), 949000);
    ck_assert_uint_eq(layer_called(g, "conv2.a").out, 10);
    ck_assert_uint_eq(layer_called(g, "conv2.b").out, 50);
    free(data.x.owned);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("spatial-svd");
    TCase *tc = tcase_create("spatial-svd");
    tcase_add_loop_test(tc, test_exact, 0, ARRAY_SIZE(windows));
    tcase_add_loop_test(tc, test_tail, 0, ARRAY_SIZE(windows));
    tcase_add_test(tc, test_data);
    tcase_add_test(tc, test_lenet5);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
