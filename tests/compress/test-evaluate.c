/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Confidence intervals against published values, brute force and their own definition; figures of small networks by hand;
 * folds of a cross-validation.
 */

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "base/random.h"
#include "compress/compress.h"
#include "compress/crossval.h"
#include "compress/evaluate.h"
#include "compress/recipe.h"
#include "compress/score.h"
#include "tests/compress/dense.h"

#define Z 1.959963984540054

/* ---- intervals ---- */

/* Table I of Newcombe, "Two-sided confidence intervals for the single proportion" (1998), method 3. */
static const struct {
    uint64_t k, n;
    double low, high;
} wilson[] = {
    {81, 263, 0.2553, 0.3662},
    {15, 148, 0.0624, 0.1605},
    {0, 20, 0, 0.1611},
    {1, 29, 0.0061, 0.1718},
};

START_TEST(proportion_published) {
    struct interval i = interval_proportion(wilson[_i].k, wilson[_i].n);
    ck_assert_double_eq_tol(i.low, wilson[_i].low, 5e-5);
    ck_assert_double_eq_tol(i.high, wilson[_i].high, 5e-5);
    i = interval_proportion(wilson[_i].n - wilson[_i].k, wilson[_i].n);
    ck_assert_double_eq_tol(i.high, 1 - wilson[_i].low, 5e-5);
}
END_TEST

/* The limits are where the score test is just at its critical value. */
START_TEST(proportion_inverts_the_test) {
    for (uint64_t k = 1; k < 50; k++) {
        struct interval i = interval_proportion(k, 50);
        for (int side = 0; side < 2; side++) {
            double p = side ? i.high : i.low;
            double z = fabs((double)k / 50 - p) / sqrt(p * (1 - p) / 50);
            ck_assert_double_eq_tol(z, Z, 1e-9);
        }
    }
    ck_assert_double_eq(interval_proportion(0, 9).low, 0);
    ck_assert_double_eq(interval_proportion(9, 9).high, 1);
}
END_TEST

static double choose(int n, int k) {
    return exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1));
}

/* How often the interval has the true value in it, by summing over all outcomes of n draws of pairs. */
static double paired_coverage(int n, double e, double f, double g) {
    double h = 1 - e - f - g, sum = 0;
    for (int i = 0; i <= n; i++)
        for (int j = 0; i + j <= n; j++)
            for (int k = 0; i + j + k <= n; k++) {
                int l = n - i - j - k;
                struct paired_counts t = {(uint64_t)i, (uint64_t)j, (uint64_t)k, (uint64_t)l};
                struct interval v = interval_paired(&t);
                double p = choose(n, i) * choose(n - i, j) * choose(n - i - j, k) * pow(e, i) *
                           pow(f, j) * pow(g, k) * pow(h, l);
                sum += v.low <= f - g + 1e-12 && f - g <= v.high + 1e-12 ? p : 0;
            }
    return sum;
}

START_TEST(paired_covers) {
    static const double cells[][3] = {{0.9, 0.05, 0.02}, {0.5, 0.2, 0.1}, {0.8, 0.1, 0.02},
                                      {0.3, 0.3, 0.3},   {0.6, 0.1, 0.1}, {0.94, 0.02, 0.02}};
    for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
        double c = paired_coverage(24, cells[i][0], cells[i][1], cells[i][2]);
        ck_assert_msg(c >= 0.93, "row %zu: %g", i, c);
    }
}
END_TEST

START_TEST(paired_is_symmetric) {
    const struct paired_counts t = {300, 12, 5, 21}, u = {300, 5, 12, 21}, same = {90, 0, 0, 10};
    struct interval a = interval_paired(&t), b = interval_paired(&u), c = interval_paired(&same);
    ck_assert_double_eq_tol(a.low, -b.high, 1e-15);
    ck_assert_double_eq_tol(a.high, -b.low, 1e-15);
    ck_assert(a.low < 7.0 / 338 && 7.0 / 338 < a.high);
    /* Much narrower than the difference of two samples that have nothing to do with one another. */
    struct interval p = interval_proportion(312, 338);
    ck_assert(a.high - a.low < p.high - p.low);
    ck_assert(c.low < 0 && c.high > 0);
    const struct paired_counts perfect = {50, 0, 0, 0};
    c = interval_paired(&perfect);
    ck_assert(c.low < 0 && c.high > 0 && isfinite(c.low) && isfinite(c.high));
}
END_TEST

/* Hanley and McNeil's Q1 and Q2 written out; both limits are where the test with that variance is critical. */
START_TEST(auc_inverts_the_test) {
    const double auc = 0.893;
    struct interval v = interval_auc(auc, 51, 58);
    for (int side = 0; side < 2; side++) {
        double a = side ? v.high : v.low, q1 = a / (2 - a), q2 = 2 * a * a / (1 + a), n = 54.5;
        double variance =
            (a * (1 - a) + (n - 1) * (q1 - a * a) + (n - 1) * (q2 - a * a)) / (51.0 * 58.0);
        ck_assert_double_eq_tol(fabs(auc - a) / sqrt(variance), Z, 1e-6);
    }
    ck_assert(v.low < auc && auc < v.high);
    v = interval_auc(1, 20, 20);
    ck_assert(v.high == 1 && v.low > 0.8 && v.low < 1);
}
END_TEST

/* DeLong's estimator as in the paper: pair by pair. */
static double pair(double positive, double negative) {
    return positive > negative ? 1 : positive == negative ? 0.5 : 0;
}

static double covariance_of_kind(const double *const s[2], const uint8_t *positive, size_t n,
                                 bool kind, size_t a, size_t b) {
    double v[2][64], mean[2] = {0}, count = 0, others = 0, sum = 0;
    for (size_t i = 0; i < n; i++)
        others += (positive[i] != 0) != kind;
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        if ((positive[i] != 0) != kind)
            continue;
        for (size_t r = 0; r < 2; r++) {
            const double *scores = s[r ? b : a];
            v[r][m] = 0;
            for (size_t j = 0; j < n; j++)
                if ((positive[j] != 0) != kind)
                    v[r][m] +=
                        (kind ? pair(scores[i], scores[j]) : pair(scores[j], scores[i])) / others;
            mean[r] += v[r][m];
        }
        m++;
    }
    count = (double)m;
    for (size_t i = 0; i < m; i++)
        sum += (v[0][i] - mean[0] / count) * (v[1][i] - mean[1] / count);
    return sum / (count - 1) / count;
}

START_TEST(paired_auc_by_pairs) {
    enum { N = 60 };
    struct random random = {.state = 11};
    double first[N], second[N], scratch[2 * N];
    uint8_t positive[N];
    size_t order[N];
    for (int i = 0; i < N; i++) {
        positive[i] = i % 3 == 0;
        first[i] = floor(8 * random_unit(&random) + 3 * positive[i]);
        second[i] = floor(first[i] + 4 * random_unit(&random));
    }
    const double *const s[] = {first, second};
    double variance = 0, difference;
    for (int kind = 0; kind < 2; kind++)
        variance += covariance_of_kind(s, positive, N, kind, 0, 0) +
                    covariance_of_kind(s, positive, N, kind, 1, 1) -
                    2 * covariance_of_kind(s, positive, N, kind, 0, 1);
    struct interval v =
        interval_paired_auc(first, second, positive, N, scratch, order, &difference);
    ck_assert_double_eq_tol(
        difference, score_auc(first, positive, N, order) - score_auc(second, positive, N, order),
        1e-12);
    ck_assert_double_eq_tol((v.high - v.low) / 2, Z * sqrt(variance), 1e-12);
}
END_TEST

START_TEST(mean_of_values) {
    /* Mean 3, standard deviation sqrt(2.5). */
    const double values[] = {1, 2, 3, 4, 5};
    struct interval v = interval_mean(values, 5);
    ck_assert_double_eq_tol(v.high - 3, Z * sqrt(2.5 / 5), 1e-12);
    ck_assert_double_eq_tol(3 - v.low, v.high - 3, 1e-12);
    v = interval_mean(values, 1);
    ck_assert(isinf(v.low) && isinf(v.high));
}
END_TEST

/* ---- ranks ---- */

START_TEST(ranks_break_ties_like_argmax) {
    const float v[] = {1, 3, 3, NAN, 2};
    static const size_t ranks[] = {3, 0, 1, 4, 2};
    for (size_t i = 0; i < ARRAY_SIZE(v); i++)
        ck_assert_uint_eq(score_rank(DTYPE_FP32, v, ARRAY_SIZE(v), i), ranks[i]);
    const int8_t q[] = {-3, -3, 100, -128};
    ck_assert_uint_eq(score_rank(DTYPE_INT8, q, 4, 1), 2);
    ck_assert_uint_eq(score_rank(DTYPE_INT8, q, 4, 2), 0);
}
END_TEST

/* ---- networks ---- */

static const float identity[] = {1, 0, 0, 0, 1, 0, 0, 0, 1};

static struct graph *identity_network(void) {
    struct graph *g = dense_start(3);
    dense_add(g, "w", identity, NULL, 3, ACT_NONE);
    return g;
}

/* Six samples of three classes. Said: 0 0 1 1 2 0; second: 1 2 0 2 1 2. */
static const float votes[] = {9, 5, 1, 9, 1, 5, 5, 9, 1, 1, 9, 5, 1, 5, 9, 9, 1, 5};
static const uint8_t classes[] = {0, 0, 0, 1, 2, 2};

static int evaluate(const struct dataset *data, const struct evaluate_options *options,
                    struct evaluation *ret, struct diag *diag) {
    struct graph *g = identity_network();
    int r = evaluate_graph(g, TIER_C, data, options, ret, diag);
    graph_free(g);
    return r;
}

START_TEST(classes_by_hand) {
    struct dataset data = memory_dataset(votes, 3, classes, 6);
    struct evaluation e;
    struct diag diag = {0};
    const struct evaluate_options options = {.metric = METRIC_TOP1, .top_k = 2};
    ck_assert_msg(evaluate(&data, &options, &e, &diag) == 0, "%s", diag.text);
    ck_assert_uint_eq(e.n, 6);
    ck_assert_uint_eq(e.confusion.correct, 4);
    ck_assert_double_eq_tol(e.score, 4.0 / 6, 1e-15);
    ck_assert_uint_eq(e.top_correct, 6);
    /* F1: 2*2/(3+3), 2*1/(1+2), 2*1/(2+1). */
    ck_assert_double_eq_tol(e.macro_f1, 2.0 / 3, 1e-15);
    ck_assert_double_eq(e.interval.low, interval_proportion(4, 6).low);
    ck_assert_double_eq(e.samples[2], 0);
    ck_assert_double_eq(e.samples[3], 1);
    cJSON *d = evaluation_to_json(&e, (const char *const[]){"a"}, 1);
    const cJSON *list = cJSON_GetObjectItem(d, "classes");
    ck_assert_str_eq(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 0), "label")->valuestring, "a");
    ck_assert_str_eq(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 1), "label")->valuestring, "1");
    ck_assert_int_eq(cJSON_GetObjectItem(d, "correct")->valueint, 4);
    cJSON_Delete(d);
    evaluation_deinit(&e);
}
END_TEST

START_TEST(errors_by_hand) {
    /* Against the input itself the error is 0; against targets 1 above, 1. */
    struct dataset data = memory_dataset(votes, 3, NULL, 6);
    struct evaluation e, f;
    struct diag diag = {0};
    const struct evaluate_options options = {.metric = METRIC_MSE};
    ck_assert_msg(evaluate(&data, &options, &e, &diag) == 0, "%s", diag.text);
    ck_assert_double_eq(e.score, 0);
    float targets[18];
    for (int i = 0; i < 18; i++)
        targets[i] = votes[i] + (i < 9 ? 1 : -3);
    data.y =
        (struct npy){.dtype = DTYPE_FP32, .n_dims = 2, .dims = {6, 3}, .n = 18, .data = targets};
    data.has_y = true;
    ck_assert_msg(evaluate(&data, &options, &f, &diag) == 0, "%s", diag.text);
    ck_assert_double_eq_tol(f.score, 5, 1e-12);
    ck_assert_double_eq_tol(f.interval.high, 5 + Z * sqrt(19.2 / 6), 1e-9);
    struct comparison c;
    ck_assert_int_eq(evaluation_compare(&f, &e, &c), 0);
    ck_assert_double_eq_tol(c.difference, 5, 1e-12);
    ck_assert(isinf(evaluation_drop(&e, &f)));
    ck_assert_double_eq_tol(evaluation_drop(&f, &e), -100, 1e-12);
    evaluation_deinit(&e);
    evaluation_deinit(&f);
}
END_TEST

START_TEST(auc_of_two_outputs) {
    const float w[] = {0, 0, 0, 1, 0, 0}, x[] = {1, 0, 0, 2, 0, 0, 2, 0, 0, 3, 0, 0};
    const uint8_t y[] = {0, 0, 7, 1};
    struct graph *g = dense_start(3);
    dense_add(g, "w", w, NULL, 2, ACT_NONE);
    struct dataset data = memory_dataset(x, 3, y, 4);
    struct evaluation e;
    struct diag diag = {0};
    const struct evaluate_options options = {.metric = METRIC_AUC};
    ck_assert_msg(evaluate_graph(g, TIER_C, &data, &options, &e, &diag) == 0, "%s", diag.text);
    ck_assert_double_eq_tol(e.score, 3.5 / 4, 1e-15);
    ck_assert_uint_eq(e.n_positive, 2);
    evaluation_deinit(&e);
    graph_free(g);
}
END_TEST

/* However many threads run them, the samples stay in their order. */
START_TEST(threads_agree) {
    enum { N = 1000 };
    struct random random = {.state = 3};
    float *x = malloc(3 * N * sizeof(*x));
    uint8_t y[N];
    for (int i = 0; i < 3 * N; i++)
        x[i] = (float)random_unit(&random);
    for (int i = 0; i < N; i++)
        y[i] = (uint8_t)random_below(&random, 3);
    struct dataset data = memory_dataset(x, 3, y, N);
    struct evaluation one, many;
    struct diag diag = {0};
    ck_assert_int_eq(evaluate(&data, &(struct evaluate_options){.threads = 1}, &one, &diag), 0);
    ck_assert_int_eq(evaluate(&data, &(struct evaluate_options){.threads = 7}, &many, &diag), 0);
    ck_assert_mem_eq(one.samples, many.samples, N * sizeof(*one.samples));
    for (int i = 0; i < N; i++)
        ck_assert_double_eq(one.samples[i], score_argmax(DTYPE_FP32, x + 3 * i, 3) == y[i]);
    evaluation_deinit(&one);
    evaluation_deinit(&many);
    free(x);
}
END_TEST

START_TEST(refusals) {
    struct dataset data = memory_dataset(votes, 3, classes, 6);
    struct evaluation e;
    struct diag diag = {0};
    const struct evaluate_options top = {.metric = METRIC_TOP1},
                                  four = {.metric = METRIC_TOP1, .top_k = 4},
                                  auc = {.metric = METRIC_AUC};
    ck_assert_int_eq(evaluate(&data, &four, &e, &diag), COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "4 is more than the network's 3 classes"));
    const uint8_t wrong[] = {0, 0, 0, 1, 2, 3}, same[] = {1, 1, 1, 1, 1, 1};
    data.y.data = wrong;
    ck_assert_int_eq(evaluate(&data, &top, &e, &diag), COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "label 3 of sample 5"));
    data.y.data = same;
    ck_assert_int_eq(evaluate(&data, &auc, &e, &diag), COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "y other than 0"));
    data.y.n = 5;
    ck_assert_int_eq(evaluate(&data, &top, &e, &diag), COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "5 labels"));
    data.has_y = false;
    ck_assert_int_eq(evaluate(&data, &top, &e, &diag), COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "no y.npy"));
    data.per_sample = 4;
    ck_assert_int_eq(evaluate(&data, &top, &e, &diag), COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "4 values a sample"));
    enum metric m = METRIC_MSE;
    ck_assert(metric_parse("auc", &m) && m == METRIC_AUC);
    ck_assert(!metric_parse("f2", &m));
}
END_TEST

/* ---- folds ---- */

struct seen {
    unsigned held[11], fitted[11], calls;
};

static int see(void *arg, const struct dataset *fit, const struct dataset *held_out,
               struct evaluation *ret, struct diag *diag) {
    struct seen *seen = arg;
    seen->calls++;
    ck_assert_uint_eq(fit->n + held_out->n, 11);
    for (size_t i = 0; i < fit->n; i++)
        seen->fitted[dataset_label(fit, i)]++;
    for (size_t i = 0; i < held_out->n; i++) {
        seen->held[dataset_label(held_out, i)]++;
        /* x and y stay together. */
        ck_assert_double_eq(((const float *)held_out->x.data)[2 * i], dataset_label(held_out, i));
    }
    ck_assert_uint_ge(held_out->n, 2);
    ck_assert_uint_le(held_out->n, 3);
    struct graph *g = dense_start(2);
    float w[2 * 11] = {0};
    dense_add(g, "w", w, NULL, 11, ACT_NONE);
    int r = evaluate_graph(g, TIER_C, held_out, &(struct evaluate_options){0}, ret, diag);
    graph_free(g);
    return r;
}

START_TEST(folds_hold_everything_out_once) {
    float x[22];
    uint8_t y[11];
    for (int i = 0; i < 11; i++) {
        y[i] = (uint8_t)i;
        x[2 * i] = x[2 * i + 1] = (float)i;
    }
    struct dataset data = memory_dataset(x, 2, y, 11);
    struct crossval_options options = {.folds = 4, .seed = 5};
    struct crossval c;
    struct diag diag = {0};
    struct seen seen = {0};
    ck_assert_msg(crossval_run(&data, &options, see, &seen, &c, &diag) == 0, "%s", diag.text);
    ck_assert_uint_eq(seen.calls, 4);
    for (int i = 0; i < 11; i++) {
        ck_assert_uint_eq(seen.held[i], 1);
        ck_assert_uint_eq(seen.fitted[i], 3);
    }
    /* Everything is called 0, so exactly one of eleven is right, in one of the folds. */
    ck_assert_uint_eq(c.pooled.confusion.correct, 1);
    ck_assert_uint_eq(c.pooled.n, 11);
    ck_assert_double_eq_tol(c.pooled.score, 1.0 / 11, 1e-15);
    double best = fmax(fmax(c.scores[0], c.scores[1]), fmax(c.scores[2], c.scores[3]));
    ck_assert_double_eq_tol(c.mean, best / 4, 1e-15);
    ck_assert_double_eq_tol(c.sd, best / 2, 1e-15);
    crossval_deinit(&c);
    options.folds = 12;
    ck_assert_int_eq(crossval_run(&data, &options, see, &seen, &c, &diag), COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "folds: 12 of 11"));
    options.folds = 1;
    ck_assert_int_eq(crossval_run(&data, &options, see, &seen, &c, &diag), COMPRESS_E_INVALID);
}
END_TEST

/* A recipe of no steps leaves the network as it is, whatever it is calibrated with. */
START_TEST(folds_of_a_recipe) {
    struct graph *g = identity_network();
    struct dataset data = memory_dataset(votes, 3, classes, 6);
    struct recipe *recipe;
    struct crossval c;
    struct diag diag = {0};
    const char text[] = "{\"steps\":[]}";
    ck_assert_int_eq(recipe_parse(text, sizeof(text) - 1, &recipe, &diag), 0);
    const struct crossval_options options = {.folds = 3, .seed = 1, .tier = TIER_C};
    ck_assert_int_eq(crossval_recipe(g, recipe, &data, &options, &c, &diag), 0);
    ck_assert_uint_eq(c.pooled.confusion.correct, 4);
    crossval_deinit(&c);
    recipe_free(recipe);
    graph_free(g);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("evaluate");
    TCase *tc = tcase_create("evaluate");
    tcase_add_loop_test(tc, proportion_published, 0, ARRAY_SIZE(wilson));
    tcase_add_test(tc, proportion_inverts_the_test);
    tcase_add_test(tc, paired_covers);
    tcase_add_test(tc, paired_is_symmetric);
    tcase_add_test(tc, auc_inverts_the_test);
    tcase_add_test(tc, paired_auc_by_pairs);
    tcase_add_test(tc, mean_of_values);
    tcase_add_test(tc, ranks_break_ties_like_argmax);
    tcase_add_test(tc, classes_by_hand);
    tcase_add_test(tc, errors_by_hand);
    tcase_add_test(tc, auc_of_two_outputs);
    tcase_add_test(tc, threads_agree);
    tcase_add_test(tc, refusals);
    tcase_add_test(tc, folds_hold_everything_out_once);
    tcase_add_test(tc, folds_of_a_recipe);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
