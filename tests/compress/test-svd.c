/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrices of low rank: exact where they are, as far off as the tail of their singular values where not, and the best
 * there is on data.
 */

#include "compress/linalg.h"
#include "tests/compress/recipes.h"

#define SEED 41

static const struct geometry windows[] = {
    {9, 8, 6, 12, 3, 3, {1, 1, 1, 1, 1, 1, 1, 1}},  /* as large as its input */
    {9, 8, 6, 12, 3, 3, {2, 2, 1, 1, 0, 0, 1, 1}},  /* SAME, stride 2 */
    {11, 9, 6, 12, 3, 2, {1, 2, 2, 1, 2, 0, 1, 0}}, /* everything differs */
    {6, 6, 12, 16, 1, 1, {2, 2, 1, 1, 0, 0, 0, 0}}, /* 1 x 1 with a stride */
};

/* out x depth of this rank */
static void make_low_rank(float *w, size_t out, size_t depth, size_t rank, uint64_t seed) {
    struct random random = {seed};
    memset(w, 0, out * depth * sizeof(*w));
    double *v = malloc(depth * sizeof(*v));
    for (size_t k = 0; k < rank; k++) {
        for (size_t i = 0; i < depth; i++)
            v[i] = (double)net_random(&random);
        for (size_t o = 0; o < out; o++) {
            double u = (double)net_random(&random);
            for (size_t i = 0; i < depth; i++)
                w[o * depth + i] += (float)(u * v[i]);
        }
    }
    free(v);
}

static struct graph *dense_net(int32_t depth, int32_t out, enum activation act,
                               float **ret_weights) {
    struct net net = net_new(SEED);
    int32_t x = net_input(&net, 2, NET_DIMS(1, depth));
    int32_t y = net_dense(&net, x, out, act);
    struct graph *g = net_done(&net, y);
    *ret_weights = (float *)g->tensors[g->ops[0].inputs[1]].data;
    return g;
}

static void singular_values(const float *w, size_t m, size_t n, double *ret_s) {
    double *a = malloc(m * n * sizeof(*a));
    double *vectors = malloc((m + n) * MIN(m, n) * sizeof(*vectors));
    for (size_t i = 0; i < m * n; i++)
        a[i] = (double)w[i];
    ck_assert_int_eq(linalg_svd(m, n, a, vectors, ret_s, vectors + m * MIN(m, n), NULL), 0);
    free(a);
    free(vectors);
}

START_TEST(test_windows) {
    const struct geometry *geometry = &windows[_i];
    size_t depth = (size_t)geometry->kh * geometry->kw * geometry->in;
    char summary[PASS_MAX_SUMMARY];
    float *w;
    _cleanup_(graph_freep) struct graph *g = conv_net(geometry, ACT_RELU, SEED, &w);
    make_low_rank(w, (size_t)geometry->out, depth, 3, SEED + 1);
    const char *steps = geometry->kh * geometry->kw > 1 ? "{\"pass\":\"channel-svd\",\"rank\":3}"
                                                        : "{\"pass\":\"svd\",\"rank\":3}";
    _cleanup_(graph_freep) struct graph *d = steps_done(g, steps, NULL, summary);
    ck_assert_double_le(difference(g, d, SEED), 1e-5);
    ck_assert_uint_lt(macs_of(d), macs_of(g));
    ck_assert_uint_eq(d->n_ops, 2);
    ck_assert_int_eq(d->ops[0].act, ACT_NONE);
    ck_assert_int_eq(d->ops[1].act, ACT_RELU);
    ck_assert_int_eq(d->ops[0].inputs[2], GRAPH_NONE);
    ck_assert_int_eq(layer_called(d, "conv.a").out, 3);
    ck_assert_int_eq(layer_called(d, "conv.b").depth, 3);
    ck_assert_msg(strncmp(summary, "conv rank 3: ", 13) == 0, "%s", summary);
}
END_TEST

/* The error is the tail of the singular values, for each way to say the rank. */
START_TEST(test_tail) {
    enum { OUT = 20, DEPTH = 30 };
    static const struct {
        const char *option;
        uint32_t rank; /* 0: from the energy */
    } cases[] = {{"\"rank\":5", 5}, {"\"macs\":0.5", 6}, {"\"energy\":0.7", 0}};
    char steps[128], summary[PASS_MAX_SUMMARY];
    float *w;
    _cleanup_(graph_freep) struct graph *g = dense_net(DEPTH, OUT, ACT_NONE, &w);
    double s[OUT], error = 0;
    singular_values(w, OUT, DEPTH, s);
    uint32_t rank = cases[_i].rank;
    while (!cases[_i].rank && tail_of(s, rank, OUT) > sqrt(0.3) * tail_of(s, 0, OUT))
        rank++;
    snprintf(steps, sizeof(steps), "{\"pass\":\"svd\",%s}", cases[_i].option);
    _cleanup_(graph_freep) struct graph *d = steps_done(g, steps, NULL, summary);
    ck_assert_uint_eq(layer_called(d, "dense1.a").out, rank);
    const float *a = part_values(d, "dense1.a"), *b = part_values(d, "dense1.b");
    for (size_t o = 0; o < OUT; o++)
        for (size_t i = 0; i < DEPTH; i++) {
            double sum = (double)w[o * DEPTH + i];
            for (size_t k = 0; k < rank; k++)
                sum -= (double)b[o * rank + k] * (double)a[k * DEPTH + i];
            error += sum * sum;
        }
    ck_assert_double_eq_tol(sqrt(error), tail_of(s, rank, OUT), 1e-5 * s[0]);
    /* Neither part is larger than the other. */
    for (size_t k = 0; k < rank; k++) {
        double of_a = 0, of_b = 0;
        for (size_t i = 0; i < DEPTH; i++)
            of_a += (double)a[k * DEPTH + i] * (double)a[k * DEPTH + i];
        for (size_t o = 0; o < OUT; o++)
            of_b += (double)b[o * rank + k] * (double)b[o * rank + k];
        ck_assert_double_eq_tol(of_a / of_b, 1, 1e-4);
    }
}
END_TEST

/* On data no matrix of that rank does better: the outputs' own singular values say what is lost. */
START_TEST(test_data) {
    enum { OUT = 10, DEPTH = 24, N = 1000, RANK = 3 };
    char summary[PASS_MAX_SUMMARY];
    float *w;
    _cleanup_(graph_freep) struct graph *g = dense_net(DEPTH, OUT, ACT_NONE, &w);
    struct dataset data = smooth_data(g, N, SEED);
    float *y = malloc(N * OUT * sizeof(*y));
    double s[OUT], means[OUT] = {0};
    for (size_t i = 0; i < N; i++) {
        net_run(g, (const float *)data.x.data + i * DEPTH, y + i * OUT);
        for (size_t o = 0; o < OUT; o++)
            means[o] += (double)y[i * OUT + o] / N;
    }
    for (size_t i = 0; i < N * OUT; i++)
        y[i] = (float)((double)y[i] - means[i % OUT]);
    singular_values(y, N, OUT, s);
    _cleanup_(graph_freep) struct graph *d = steps_done(
        g, "{\"pass\":\"svd\",\"rank\":3,\"fit\":\"data\",\"samples\":1000}", &data, summary);
    _cleanup_(graph_freep) struct graph *plain =
        steps_done(g, "{\"pass\":\"svd\",\"rank\":3}", &data, summary);
    double best = tail_of(s, RANK, OUT) * tail_of(s, RANK, OUT) / N;
    /* The covariance is shrunk, which costs a little here. */
    ck_assert_double_eq_tol(output_error(g, d, &data) / best, 1, 1e-2);
    ck_assert_double_gt(output_error(g, plain, &data) / best, 1.1);
    free(y);
    free(data.x.owned);
}
END_TEST

/* Inputs that are always the same say nothing about the weights, which then count alone. */
START_TEST(test_constant_data) {
    char summary[PASS_MAX_SUMMARY];
    float *w;
    _cleanup_(graph_freep) struct graph *g = dense_net(24, 10, ACT_NONE, &w);
    make_low_rank(w, 10, 24, 3, SEED);
    struct dataset data = net_data(g, 20, SEED);
    for (size_t i = 0; i < data.x.n; i++)
        ((float *)data.x.owned)[i] = 0.5F;
    _cleanup_(graph_freep) struct graph *d =
        steps_done(g, "{\"pass\":\"svd\",\"rank\":3,\"fit\":\"data\"}", &data, summary);
    ck_assert_double_le(difference(g, d, SEED), 1e-5);
    free(data.x.owned);
}
END_TEST

/* A layer that would not cost less stays, and the summary says so. */
START_TEST(test_left) {
    char summary[PASS_MAX_SUMMARY];
    float *w;
    _cleanup_(graph_freep) struct graph *g = dense_net(12, 10, ACT_NONE, &w);
    _cleanup_(graph_freep) struct graph *d =
        steps_done(g, "{\"pass\":\"svd\",\"rank\":10,\"layers\":[\"dense1\"]}", NULL, summary);
    ck_assert_uint_eq(d->n_ops, 1);
    ck_assert_double_eq(difference(g, d, SEED), 0);
    ck_assert_str_eq(summary, "left as they are, as that saves no MACs or keeps nothing: dense1");
    /* One row and one column cost more than the budget. */
    _cleanup_(graph_freep) struct graph *e =
        steps_done(g, "{\"pass\":\"svd\",\"macs\":0.1}", NULL, summary);
    ck_assert_uint_eq(e->n_ops, 1);
}
END_TEST

static const struct {
    const char *steps, *says;
} refused[] = {
    {"{\"pass\":\"svd\"}", "steps[0]: rank: one of rank, energy, macs and ranks must be given"},
    {"{\"pass\":\"svd\",\"rank\":0}", "steps[0].rank must be from 1 to 65536, not 0"},
    {"{\"pass\":\"svd\",\"rank\":1.5}", "steps[0].rank must be a whole number"},
    {"{\"pass\":\"svd\",\"energy\":1.1}", "steps[0].energy must be from 0.01 to 1, not 1.1"},
    {"{\"pass\":\"svd\",\"energy\":0}", "steps[0].energy must be from 0.01 to 1"},
    {"{\"pass\":\"svd\",\"macs\":1.1}", "steps[0].macs must be from 0.01 to 1, not 1.1"},
    {"{\"pass\":\"svd\",\"ranks\":\"best\"}", "steps[0].ranks must be one of vbmf"},
    {"{\"pass\":\"svd\",\"rank\":2,\"energy\":0.5}", "steps[0]: energy: rank is given, too"},
    {"{\"pass\":\"svd\",\"macs\":0.5,\"ranks\":\"vbmf\"}", "steps[0]: ranks: macs is given, too"},
    {"{\"pass\":\"svd\",\"rank\":11}",
     "steps[0]: rank: 11 is more than dense1 can have, which is 10"},
    {"{\"pass\":\"svd\",\"rank\":2,\"layers\":[\"dense9\"]}", "no layer is called 'dense9'"},
    {"{\"pass\":\"svd\",\"rank\":2,\"fit\":\"data\"}", "needs calibration data"},
    {"{\"pass\":\"svd\",\"rank\":2,\"fit\":\"both\"}", "steps[0].fit must be one of weights, data"},
    {"{\"pass\":\"svd\",\"rank\":2,\"rank_out\":2}", "steps[0].rank_out"},
    {"{\"pass\":\"channel-svd\",\"rank\":2}", "none of them is a float convolution with a window"},
    {"{\"pass\":\"channel-svd\",\"rank\":2,\"layers\":[\"dense1\"]}",
     "layers[0]: dense1 is not a float convolution with a window"},
};

START_TEST(test_refused) {
    float *w;
    _cleanup_(graph_freep) struct graph *g = dense_net(12, 10, ACT_NONE, &w);
    steps_refused(g, refused[_i].steps, NULL, refused[_i].says);
}
END_TEST

START_TEST(test_refused_data) {
    float *w;
    _cleanup_(graph_freep) struct graph *g = dense_net(12, 10, ACT_NONE, &w);
    _cleanup_(graph_freep) struct graph *other = dense_net(13, 10, ACT_NONE, &w);
    struct dataset data = net_data(other, 4, SEED);
    steps_refused(g, "{\"pass\":\"svd\",\"rank\":2,\"fit\":\"data\"}", &data, "13 values a sample");
    ((float *)g->tensors[g->ops[0].inputs[1]].data)[7] = NAN;
    steps_refused(g, "{\"pass\":\"svd\",\"rank\":2}", NULL, "value 7 of dense1 is not a finite");
    free(data.x.owned);
}
END_TEST

/* Groups: patterns pass over such a layer, its own name is refused. */
START_TEST(test_groups) {
    struct net net = net_new(SEED);
    int32_t x = net_input(&net, 4, NET_DIMS(1, 6, 6, 8));
    int32_t y = net_window(&net, OP_CONV_2D, x, 8, NET_DIMS(8, 3, 3, 4), 1, ACT_NONE);
    y = net_conv(&net, y, 16, 3, 1, ACT_NONE);
    _cleanup_(graph_freep) struct graph *g = net_done(&net, y);
    char summary[PASS_MAX_SUMMARY];
    static const char *const passes[] = {"channel-svd", "spatial-svd", "tucker"};
    for (size_t i = 0; i < ARRAY_SIZE(passes); i++) {
        char steps[128];
        snprintf(steps, sizeof(steps), "{\"pass\":\"%s\",\"macs\":0.5,\"layers\":[\"conv1\"]}",
                 passes[i]);
        steps_refused(g, steps, NULL, "conv1 is not a float convolution with a window");
        snprintf(steps, sizeof(steps), "{\"pass\":\"%s\",\"macs\":0.5}", passes[i]);
        _cleanup_(graph_freep) struct graph *d = steps_done(g, steps, NULL, summary);
        ck_assert_uint_le(layer_called(d, "conv1").macs, macs_of(g));
        ck_assert_uint_gt(layer_called(d, "conv2.a").macs, 0);
        ck_assert_double_le((double)(macs_of(d) - layer_called(d, "conv1").macs),
                            0.5 * (double)layer_called(g, "conv2").macs);
    }
}
END_TEST

/* Several layers, each with parameters of its own, one of which is left: full ranks give the same network. */
START_TEST(test_several) {
    struct net net = net_new(SEED);
    int32_t x = net_input(&net, 4, NET_DIMS(1, 12, 12, 8));
    int32_t a = net_conv(&net, x, 16, 3, 2, ACT_RELU);
    int32_t b = net_conv(&net, a, 16, 3, 1, ACT_NONE);
    int32_t c = net_conv(&net, x, 2, 1, 1, ACT_NONE);
    int32_t d = net_conv(&net, x, 16, 5, 2, ACT_NONE);
    b = net_same(&net, OP_ADD, b, d);
    int32_t y = net_dense(&net, net_flatten(&net, b), 12, ACT_RELU);
    net_output(&net, c, "c");
    _cleanup_(graph_freep) struct graph *g = net_done(&net, y);
    char summary[PASS_MAX_SUMMARY];
    struct layers layers;
    ck_assert_int_eq(layers_find(g, &layers), 0);
    for (uint32_t i = 0; i < layers.n; i++) {
        const struct layer *l = &layers.items[i];
        make_low_rank((float *)layer_weights(g, l)->data, l->out, l->depth, MIN(l->out, 3U),
                      SEED + i);
    }
    static const char *const passes[] = {"svd", "channel-svd"};
    for (size_t i = 0; i < ARRAY_SIZE(passes); i++) {
        char steps[64];
        snprintf(steps, sizeof(steps), "{\"pass\":\"%s\",\"energy\":1}", passes[i]);
        _cleanup_(graph_freep) struct graph *copy = steps_done(g, steps, NULL, summary);
        ck_assert_double_le(difference(g, copy, SEED), 1e-4);
        ck_assert_uint_eq(copy->n_ops, g->n_ops + (i ? 3 : 1));
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("svd");
    TCase *tc = tcase_create("svd");
    tcase_add_loop_test(tc, test_windows, 0, ARRAY_SIZE(windows));
    tcase_add_loop_test(tc, test_tail, 0, 3);
    tcase_add_test(tc, test_data);
    tcase_add_test(tc, test_constant_data);
    tcase_add_test(tc, test_left);
    tcase_add_loop_test(tc, test_refused, 0, ARRAY_SIZE(refused));
    tcase_add_test(tc, test_refused_data);
    tcase_add_test(tc, test_groups);
    tcase_add_test(tc, test_several);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
