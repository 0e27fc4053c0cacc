/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tucker-2: exact for tensors of low multilinear rank; else between the bounds that the unfoldings' singular values set.
 */

#include "compress/linalg.h"
#include "tests/compress/recipes.h"

#define SEED 43

static const struct geometry windows[] = {
    {9, 8, 12, 16, 3, 3, {1, 1, 1, 1, 1, 1, 1, 1}},
    {10, 8, 12, 16, 3, 3, {2, 2, 1, 1, 0, 0, 1, 1}},  /* SAME, stride 2 */
    {14, 13, 12, 16, 3, 2, {1, 2, 2, 3, 2, 3, 2, 1}}, /* everything differs */
};

static size_t window(const struct geometry *g) {
    return (size_t)g->kh * g->kw;
}

START_TEST(test_exact) {
    enum { IN = 3, OUT = 4 };
    const struct geometry *g = &windows[_i];
    char summary[PASS_MAX_SUMMARY];
    struct random random = {SEED + (uint64_t)_i};
    float *w, core[OUT * 9 * IN], u[16 * OUT], v[12 * IN];
    _cleanup_(graph_freep) struct graph *graph = conv_net(g, ACT_RELU6, SEED, &w);
    for (size_t i = 0; i < ARRAY_SIZE(core); i++)
        core[i] = net_random(&random);
    for (size_t i = 0; i < ARRAY_SIZE(u); i++)
        u[i] = net_random(&random);
    for (size_t i = 0; i < ARRAY_SIZE(v); i++)
        v[i] = net_random(&random);
    for (size_t at = 0; at < (size_t)g->out * window(g) * g->in; at++) {
        size_t c = at % g->in, s = at / g->in % window(g), o = at / g->in / window(g);
        double sum = 0;
        for (size_t p = 0; p < OUT; p++)
            for (size_t q = 0; q < IN; q++)
                sum += (double)u[o * OUT + p] * (double)core[(p * window(g) + s) * IN + q] *
                       (double)v[c * IN + q];
        w[at] = (float)sum;
    }
    _cleanup_(graph_freep) struct graph *d =
        steps_done(graph, "{\"pass\":\"tucker\",\"rank\":3,\"rank_out\":4}", NULL, summary);
    ck_assert_double_le(difference(graph, d, SEED), 1e-5);
    ck_assert_uint_lt(macs_of(d), macs_of(graph));
    ck_assert_uint_eq(d->n_ops, 3);
    ck_assert_uint_eq(layer_called(d, "conv.a").out, IN);
    ck_assert_uint_eq(layer_called(d, "conv.b").out, OUT);
    ck_assert_uint_eq(layer_called(d, "conv.c").depth, OUT);
    ck_assert_int_eq(d->ops[0].act, ACT_NONE);
    ck_assert_int_eq(d->ops[1].act, ACT_NONE);
    ck_assert_int_eq(d->ops[2].act, ACT_RELU6);
    /* Both ranks are also found from the spectrum. */
    _cleanup_(graph_freep) struct graph *e =
        steps_done(graph, "{\"pass\":\"tucker\",\"energy\":1}", NULL, summary);
    ck_assert_double_le(difference(graph, e, SEED), 1e-5);
    ck_assert_uint_eq(macs_of(e), macs_of(d));
}
END_TEST

/* Squares of the singular values of the weights unfolded along inputs or outputs, by LAPACK. */
static void unfold(const struct geometry *g, const float *w, bool by_in, double *ret_s) {
    size_t n = (size_t)(by_in ? g->in : g->out), all = (size_t)g->out * window(g) * g->in;
    double *m = malloc(all * sizeof(*m)), *u = malloc(n * n * sizeof(*u));
    double *vt = malloc(all * sizeof(*vt));
    for (size_t at = 0; at < all; at++) {
        size_t row = by_in ? at % g->in : at / g->in / window(g);
        size_t col = by_in ? at / g->in : at % (window(g) * g->in);
        m[row * (all / n) + col] = (double)w[at];
    }
    ck_assert_int_eq(linalg_svd(n, all / n, m, u, ret_s, vt, NULL), 0);
    free(m);
    free(u);
    free(vt);
}

static double weight_error(struct graph *d, const struct geometry *g, const float *w, size_t n_in,
                           size_t n_out) {
    const float *v = part_values(d, "conv.a"), *core = part_values(d, "conv.b");
    const float *u = part_values(d, "conv.c");
    double error = 0;
    for (size_t at = 0; at < (size_t)g->out * window(g) * g->in; at++) {
        size_t c = at % g->in, s = at / g->in % window(g), o = at / g->in / window(g);
        double e = (double)w[at];
        for (size_t p = 0; p < n_out; p++)
            for (size_t q = 0; q < n_in; q++)
                e -= (double)u[o * n_out + p] * (double)core[(p * window(g) + s) * n_in + q] *
                     (double)v[q * g->in + c];
        error += e * e;
    }
    return error;
}

/* No less than either unfolding alone costs, no more than both (De Lathauwer et al. 2000, property 10). */
START_TEST(test_bounds) {
    const struct geometry *g = &windows[_i];
    char summary[PASS_MAX_SUMMARY];
    double s_in[12], s_out[16];
    float *w;
    _cleanup_(graph_freep) struct graph *graph = conv_net(g, ACT_NONE, SEED, &w);
    unfold(g, w, true, s_in);
    unfold(g, w, false, s_out);
    _cleanup_(graph_freep) struct graph *d =
        steps_done(graph, "{\"pass\":\"tucker\",\"rank\":6}", NULL, summary);
    ck_assert_uint_eq(layer_called(d, "conv.b").out, 8); /* in proportion */
    double error = weight_error(d, g, w, 6, 8);
    double of_in = tail_of(s_in, 6, 12), of_out = tail_of(s_out, 8, 16);
    ck_assert_double_gt(error, MAX(of_in * of_in, of_out * of_out));
    ck_assert_double_lt(error, of_in * of_in + of_out * of_out);
}
END_TEST

START_TEST(test_data) {
    const struct geometry *g = &windows[_i];
    char summary[PASS_MAX_SUMMARY];
    float *w;
    _cleanup_(graph_freep) struct graph *graph = conv_net(g, ACT_NONE, SEED, &w);
    struct dataset data = smooth_data(graph, 24, SEED);
    _cleanup_(graph_freep) struct graph *plain =
        steps_done(graph, "{\"pass\":\"tucker\",\"macs\":0.5}", &data, summary);
    _cleanup_(graph_freep) struct graph *fitted =
        steps_done(graph, "{\"pass\":\"tucker\",\"macs\":0.5,\"fit\":\"data\"}", &data, summary);
    ck_assert_uint_eq(macs_of(plain), macs_of(fitted));
    ck_assert_double_le((double)macs_of(plain), 0.5 * (double)macs_of(graph));
    ck_assert_double_lt(output_error(graph, fitted, &data),
                        0.8 * output_error(graph, plain, &data));
    free(data.x.owned);
}
END_TEST

/* More layers than the sentence has room for: it is cut between names. */
START_TEST(test_many_layers) {
    struct net net = net_new(SEED);
    int32_t y = net_input(&net, 4, NET_DIMS(1, 5, 5, 12));
    for (unsigned i = 0; i < 12; i++)
        y = net_conv(&net, y, 12, 3, 1, ACT_RELU);
    _cleanup_(graph_freep) struct graph *g = net_done(&net, y);
    char summary[PASS_MAX_SUMMARY];
    _cleanup_(graph_freep) struct graph *d =
        steps_done(g, "{\"pass\":\"tucker\",\"rank\":4,\"rank_out\":5}", NULL, summary);
    ck_assert_uint_eq(d->n_ops, 36);
    const char *cut = strstr(summary, " …");
    ck_assert_ptr_nonnull(cut);
    for (const char *s = summary; s < cut; s += 3) {
        s = strstr(s, "4/5");
        ck_assert_ptr_nonnull(s);
    }
    ck_assert_int_eq(strncmp(cut, " …: MACs to ", strlen(" …: MACs to ")), 0);
}
END_TEST

static const struct {
    const char *steps, *says;
} refused[] = {
    {"{\"pass\":\"tucker\",\"rank\":13}",
     "steps[0]: rank: 13 is more than conv can have, which is 12"},
    {"{\"pass\":\"tucker\",\"rank\":3,\"rank_out\":17}",
     "steps[0]: rank_out: 17 is more than conv can have, which is 16"},
    {"{\"pass\":\"tucker\",\"rank\":3,\"rank_out\":0}",
     "steps[0].rank_out must be from 1 to 65536"},
    {"{\"pass\":\"tucker\",\"macs\":0.5,\"rank_out\":3}", "steps[0]: rank_out: goes with rank"},
    {"{\"pass\":\"tucker\"}", "steps[0]: rank: one of rank, energy, macs and ranks must be given"},
};

START_TEST(test_refused) {
    float *w;
    _cleanup_(graph_freep) struct graph *g = conv_net(&windows[0], ACT_NONE, SEED, &w);
    steps_refused(g, refused[_i].steps, NULL, refused[_i].says);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tucker");
    TCase *tc = tcase_create("tucker");
    tcase_add_loop_test(tc, test_exact, 0, ARRAY_SIZE(windows));
    tcase_add_loop_test(tc, test_bounds, 0, ARRAY_SIZE(windows));
    tcase_add_loop_test(tc, test_data, 0, ARRAY_SIZE(windows));
    tcase_add_test(tc, test_many_layers);
    tcase_add_loop_test(tc, test_refused, 0, ARRAY_SIZE(refused));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
