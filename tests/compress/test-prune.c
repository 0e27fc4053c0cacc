/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pruning: importance and refit against least squares on the samples themselves, choices against plain counting, and the
 * pass as a recipe runs it.
 */

#include <check.h>
#include <stdio.h>

#include "compress/linalg.h"
#include "compress/moments.h"
#include "compress/pass.h"
#include "compress/prune.h"
#include "compress/recipe.h"
#include "tests/compress/nets.h"

#define SAMPLES 60
#define DEPTH 7
#define OUT 5

static bool skipped(void) {
    if (linalg_ready(NULL) == 0)
        return false;
    printf("SKIPPED: OpenBLAS is not there\n");
    return true;
}

/* One dense layer, what it reads, and it as a matrix. */
struct fixture {
    struct graph *graph;
    struct dataset data;
    struct layers layers;
    struct moments *moments;
    struct prune_layer p;
    struct prune_pattern pattern;
};

static void fixture_init(struct fixture *f, const char *pattern, bool centred) {
    struct net net = net_new(31);
    int32_t x = net_input(&net, 2, NET_DIMS(1, DEPTH));
    f->graph = net_done(&net, net_dense(&net, x, OUT, ACT_NONE));
    f->data = net_data(f->graph, SAMPLES, 32);
    float *values = f->data.x.owned; /* inputs that depend on each other */
    for (size_t i = 0; i < SAMPLES; i++)
        for (size_t k = 1; k < DEPTH; k++)
            values[i * DEPTH + k] += 0.8F * values[i * DEPTH + k - 1] + 0.3F;
    struct pass_context context = {.graph = f->graph, .calibration = &f->data};
    ck_assert_int_eq(layers_find(f->graph, &f->layers), 0);
    ck_assert_int_eq(moments_collect(&context, &f->layers, 0, MOMENTS_GRAM, &f->moments), 0);
    ck_assert_int_eq(prune_pattern_parse(pattern, &f->pattern, NULL), 0);
    ck_assert_int_eq(
        prune_layer_init(&f->p, f->graph, f->layers.items, f->moments, &f->pattern, centred), 0);
}

static void fixture_deinit(struct fixture *f) {
    prune_layer_deinit(&f->p);
    moments_free(f->moments, 1);
    free(f->data.x.owned);
    graph_free(f->graph);
}

/* Least squares for output c on the samples, of the inputs with kept[k], with a constant input if asked: ret_w[k], the
 * constant's weight last; the mean squared error. */
static double plain_fit(const struct fixture *f, uint32_t c, const uint8_t *kept, bool constant,
                        double *ret_w) {
    const float *x = f->data.x.data;
    double a[SAMPLES * (DEPTH + 1)], b[SAMPLES], w[DEPTH + 1], error = 0;
    size_t n = 0;
    for (size_t k = 0; k <= DEPTH; k++)
        n += k < DEPTH ? kept[k] : constant;
    for (size_t i = 0; i < SAMPLES; i++) {
        b[i] = 0;
        for (size_t k = 0, at = 0; k <= DEPTH; k++) {
            double v = k < DEPTH ? (double)x[i * DEPTH + k] : 1;
            if (k < DEPTH)
                b[i] += v * f->p.w0[c * DEPTH + k];
            if (k < DEPTH ? kept[k] : constant)
                a[i * n + at++] = v;
        }
    }
    if (n)
        ck_assert_int_eq(linalg_least_squares(SAMPLES, n, 1, a, b, 1e-12, w, NULL), 0);
    for (size_t i = 0; i < SAMPLES; i++) {
        double sum = 0;
        for (size_t k = 0; k < n; k++)
            sum += a[i * n + k] * w[k];
        error += (b[i] - sum) * (b[i] - sum) / SAMPLES;
    }
    for (size_t k = 0, at = 0; k <= DEPTH && ret_w; k++)
        ret_w[k] = (k < DEPTH ? kept[k] : constant) ? w[at++] : 0;
    return error;
}

/* Each block is taken away and the rest fitted anew: that error is what saliency foretells. */
static void brute_force_saliency(const char *pattern, bool centred) {
    struct fixture f;
    fixture_init(&f, pattern, centred);
    f.p.m.kept[2 * DEPTH + 1] = 0; /* one is gone already, and the channel refitted */
    ck_assert_int_eq(prune_refit(&f.p, 0, NULL), 0);
    ck_assert_int_eq(prune_score(&f.p, &f.pattern, PRUNE_SALIENCY, 0, NULL), 0);
    uint32_t rows = f.pattern.rows, cols = f.pattern.cols;
    for (uint32_t i = 0; i < f.p.n_rows; i++) {
        for (uint32_t j = 0; j < f.p.n_cols; j++) {
            double error = 0;
            uint32_t n = MIN(rows, OUT - i * rows) * MIN(cols, DEPTH - j * cols);
            for (uint32_t c = i * rows; c < MIN((i + 1) * rows, (uint32_t)OUT); c++) {
                uint8_t kept[DEPTH], none[DEPTH] = {0};
                memcpy(kept, f.p.m.kept + c * DEPTH, DEPTH);
                double before = plain_fit(&f, c, kept, centred, NULL);
                for (uint32_t k = j * cols; k < MIN((j + 1) * cols, (uint32_t)DEPTH); k++)
                    kept[k] = 0;
                error += (plain_fit(&f, c, kept, centred, NULL) - before) /
                         plain_fit(&f, c, none, centred, NULL);
            }
            double score = f.p.scores[i * f.p.n_cols + j];
            if (rows * cols == 1 && i == 2 && j == 1)
                ck_assert(score < 0);
            else
                ck_assert_msg(fabs(score - error / 2 / n) < 1e-6, "%s %u %u: %g, %g", pattern, i, j,
                              score, error / 2 / n);
        }
    }
    fixture_deinit(&f);
}

START_TEST(test_saliency) {
    static const char *const patterns[] = {"unstructured", "1x3", "2x1", "2x2"};
    if (!skipped())
        brute_force_saliency(patterns[_i / 2], _i % 2);
}
END_TEST

START_TEST(test_refit) {
    struct fixture f;
    struct random random = {41};
    double expected[DEPTH + 1];
    if (skipped())
        return;
    fixture_init(&f, NULL, _i);
    for (size_t i = 0; i < (size_t)OUT * DEPTH; i++)
        f.p.m.kept[i] = random_below(&random, 2) == 0;
    memset(f.p.m.kept + DEPTH, 0, DEPTH);                          /* nothing left */
    memset(f.p.m.kept + 2 * DEPTH, 1, DEPTH);                      /* nothing pruned */
    memcpy(f.p.m.kept + 4 * DEPTH, f.p.m.kept + 3 * DEPTH, DEPTH); /* two alike */
    float bias[OUT];
    memcpy(bias, layer_bias(f.graph, f.layers.items)->data, sizeof(bias));
    ck_assert_int_eq(prune_refit(&f.p, 0, NULL), 0);
    ck_assert_int_eq(prune_layer_store(&f.p, f.graph), 0);
    const float *w = layer_weights(f.graph, f.layers.items)->data;
    const float *b = layer_bias(f.graph, f.layers.items)->data;
    for (uint32_t c = 0; c < OUT; c++) {
        plain_fit(&f, c, f.p.m.kept + c * DEPTH, _i, expected);
        for (uint32_t k = 0; k < DEPTH; k++) {
            ck_assert(fabs((double)w[c * DEPTH + k] - expected[k]) < 1e-5);
            ck_assert(f.p.m.kept[c * DEPTH + k] || w[c * DEPTH + k] == 0);
        }
        ck_assert(fabs((double)(b[c] - bias[c]) - expected[DEPTH]) < 1e-5);
    }
    fixture_deinit(&f);
}
END_TEST

START_TEST(test_scores) {
    struct fixture f;
    if (skipped())
        return;
    fixture_init(&f, "2x1", false);
    const double *w = f.p.w0;
    ck_assert_int_eq(prune_score(&f.p, &f.pattern, PRUNE_MAGNITUDE, 0, NULL), 0);
    ck_assert(f.p.scores[3] == MAX(fabs(w[3]), fabs(w[DEPTH + 3])));
    ck_assert_int_eq(prune_score(&f.p, &f.pattern, PRUNE_L1, 0, NULL), 0);
    ck_assert(fabs(f.p.scores[3] - (fabs(w[3]) + fabs(w[DEPTH + 3])) / 2) < 1e-12);
    ck_assert_int_eq(prune_score(&f.p, &f.pattern, PRUNE_L2, 0, NULL), 0);
    ck_assert(fabs(f.p.scores[3] - sqrt((w[3] * w[3] + w[DEPTH + 3] * w[DEPTH + 3]) / 2)) < 1e-12);
    /* the last block is one weight: its mean is itself */
    ck_assert(fabs(f.p.scores[2 * DEPTH + 3] - fabs(w[4 * DEPTH + 3])) < 1e-12);
    ck_assert_int_eq(prune_score(&f.p, &f.pattern, PRUNE_ACTIVATION, 0, NULL), 0);
    const uint8_t none[DEPTH] = {0};
    double square = 0, output = plain_fit(&f, 4, none, false, NULL);
    for (size_t i = 0; i < SAMPLES; i++) {
        double v = (double)((const float *)f.data.x.data)[i * DEPTH + 3];
        square += v * v / SAMPLES / output;
    }
    ck_assert(fabs(f.p.scores[2 * DEPTH + 3] - fabs(w[4 * DEPTH + 3]) * sqrt(square)) < 1e-6);
    fixture_deinit(&f);
}
END_TEST

/* ---- choices ---- */

static size_t n_pruned(const struct prune_layer *p) {
    size_t n = 0;
    for (size_t i = 0; i < (size_t)p->layer.out * p->layer.depth; i++)
        n += !p->m.kept[i];
    return n;
}

/* A layer of random weights without a network. */
static struct prune_layer layer_of(uint32_t out, uint32_t depth, const char *text, uint64_t seed,
                                   struct prune_pattern *pattern) {
    struct net net = net_new(seed);
    struct prune_layer p;
    struct layers layers;
    int32_t x = net_input(&net, 2, NET_DIMS(1, (int32_t)depth));
    struct graph *g = net_done(&net, net_dense(&net, x, (int32_t)out, ACT_NONE));
    ck_assert_int_eq(layers_find(g, &layers), 0);
    ck_assert_int_eq(prune_pattern_parse(text, pattern, NULL), 0);
    ck_assert_int_eq(prune_layer_init(&p, g, layers.items, NULL, pattern, false), 0);
    ck_assert_int_eq(prune_score(&p, pattern, PRUNE_MAGNITUDE, 0, NULL), 0);
    graph_free(g);
    return p;
}

/* What is pruned is never more important than what stays, and there is the right number of it. */
START_TEST(test_choose) {
    struct prune_pattern pattern;
    struct prune_layer p = layer_of(10, 21, NULL, 51, &pattern);
    ck_assert_int_eq(prune_choose(&p, 1, &pattern, 0.8, NULL), 0);
    ck_assert_uint_eq(n_pruned(&p), 168);
    double largest = 0, smallest = 9;
    for (size_t i = 0; i < 210; i++) {
        if (p.m.kept[i])
            smallest = MIN(smallest, fabs(p.w0[i]));
        else
            largest = MAX(largest, fabs(p.w0[i]));
    }
    ck_assert(largest <= smallest);
    prune_layer_deinit(&p);

    /* 10 channels are two blocks of four and one of two */
    p = layer_of(10, 21, "4x1", 52, &pattern);
    ck_assert_uint_eq(p.n_rows, 3);
    ck_assert_int_eq(prune_choose(&p, 1, &pattern, 0.5, NULL), 0);
    ck_assert(n_pruned(&p) >= 103 && n_pruned(&p) <= 107);
    for (size_t c = 0; c < 10; c++)
        for (size_t k = 0; k < 21; k++)
            ck_assert_int_eq(p.m.kept[c * 21 + k], p.m.kept[c / 4 * 4 * 21 + k]);
    prune_layer_deinit(&p);

    /* nothing but the best block is left where all should go */
    p = layer_of(3, 5, "1x4", 53, &pattern);
    ck_assert_int_eq(prune_choose(&p, 1, &pattern, 0.9999, NULL), 0);
    ck_assert(n_pruned(&p) == 11 || n_pruned(&p) == 14);
    prune_layer_deinit(&p);
}
END_TEST

START_TEST(test_choose_global) {
    struct prune_pattern pattern;
    struct prune_layer p[2] = {layer_of(6, 8, NULL, 54, &pattern),
                               layer_of(4, 13, NULL, 55, &pattern)};
    const double units[] = {1, 100};
    ck_assert_int_eq(prune_choose(p, 2, &pattern, 0.3, units), 0);
    ck_assert_uint_eq(n_pruned(&p[0]) + n_pruned(&p[1]), 30);
    ck_assert_uint_eq(n_pruned(&p[1]), 52 - 26); /* they count a hundredth, but half stays */
    prune_layer_deinit(&p[0]);
    prune_layer_deinit(&p[1]);
}
END_TEST

START_TEST(test_threshold) {
    struct prune_pattern pattern;
    struct prune_layer p = layer_of(6, 8, NULL, 56, &pattern);
    prune_below(&p, &pattern, 0.4);
    for (size_t i = 0; i < 48; i++)
        ck_assert_int_eq(p.m.kept[i], fabs(p.w0[i]) >= 0.4);
    prune_below(&p, &pattern, 7);
    ck_assert_uint_eq(n_pruned(&p), 47);
    prune_layer_deinit(&p);
}
END_TEST

START_TEST(test_groups) {
    struct prune_pattern pattern;
    struct prune_layer p = layer_of(3, 11, "2:4", 57, &pattern);
    prune_groups(&p, &pattern);
    for (size_t c = 0; c < 3; c++) {
        for (size_t k = 0; k < 11; k += 4) {
            size_t kept = 0, n = MIN((size_t)4, 11 - k);
            double smallest = 9, largest = 0;
            for (size_t i = c * 11 + k; i < c * 11 + k + n; i++) {
                kept += p.m.kept[i];
                if (p.m.kept[i])
                    smallest = MIN(smallest, fabs(p.w0[i]));
                else
                    largest = MAX(largest, fabs(p.w0[i]));
            }
            ck_assert_uint_eq(kept, 2);
            ck_assert(largest <= smallest);
        }
    }
    prune_layer_deinit(&p);
}
END_TEST

START_TEST(test_patterns) {
    static const char *const bad[] = {"",    "4",   "4x",  "x4",   "0x1",  "4x65",  "4x1 ", "4 x1",
                                      "4:4", "8:4", "0:4", "2:65", "-1x4", "4x001", "dense"};
    struct prune_pattern p;
    struct diag diag = {.text = ""};
    ck_assert_int_eq(prune_pattern_parse("16x1", &p, &diag), 0);
    ck_assert(p.rows == 16 && p.cols == 1 && p.group == 0);
    ck_assert_int_eq(prune_pattern_parse("1:64", &p, &diag), 0);
    ck_assert(p.rows == 1 && p.cols == 1 && p.keep == 1 && p.group == 64);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        ck_assert_int_eq(prune_pattern_parse(bad[i], &p, &diag), COMPRESS_E_INVALID);
        ck_assert_msg(strncmp(diag.text, "pattern", 7) == 0, "%s: %s", bad[i], diag.text);
    }
}
END_TEST

/* ---- the pass ---- */

/* conv, depthwise, 1 x 1 conv, dense. */
static struct graph *network(void) {
    struct net net = net_new(61);
    int32_t x = net_input(&net, 4, NET_DIMS(1, 6, 6, 3));
    x = net_conv(&net, x, 8, 3, 1, ACT_RELU);
    x = net_depthwise(&net, x, 1, 3, 1, ACT_RELU);
    x = net_conv(&net, x, 12, 1, 2, ACT_RELU);
    x = net_flatten(&net, x);
    return net_done(&net, net_dense(&net, x, 4, ACT_NONE));
}

static int run_recipe(struct graph **graph, const struct dataset *data, const char *text,
                      struct diag *diag) {
    _cleanup_(recipe_freep) struct recipe *recipe = NULL;
    int r = recipe_parse(text, strlen(text), &recipe, diag);
    return r ? r : recipe_run(recipe, graph, data, TIER_C, NULL, NULL, diag);
}

static double share_of_zeros(struct graph *graph, const char *name) {
    struct layers layers;
    ck_assert_int_eq(layers_find(graph, &layers), 0);
    const struct layer *l = layers_get(&layers, name);
    ck_assert_ptr_nonnull(l);
    const float *w = layer_weights(graph, l)->data;
    size_t n = (size_t)l->out * l->depth, zeros = 0;
    for (size_t i = 0; i < n; i++)
        zeros += w[i] == 0;
    return (double)zeros / (double)n;
}

/* Mean squared difference of two networks' outputs. */
static double difference(const struct graph *a, const struct graph *b, const struct dataset *data) {
    float ya[4], yb[4];
    double sum = 0;
    for (size_t s = 0; s < data->n; s++) {
        const float *x = (const float *)data->x.data + s * data->per_sample;
        net_run(a, x, ya);
        net_run(b, x, yb);
        for (size_t i = 0; i < 4; i++)
            sum += (double)(ya[i] - yb[i]) * (double)(ya[i] - yb[i]);
    }
    return sum;
}

START_TEST(test_pass) {
    static const struct {
        const char *text;
        double conv, depthwise, dense; /* zeros */
    } cases[] = {
        {"{\"steps\":[{\"pass\":\"prune\",\"sparsity\":0.5}]}", 0.5, 0.5, 0.5},
        {"{\"steps\":[{\"pass\":\"prune\",\"sparsity\":0.5,\"pattern\":\"4x1\"}]}", 0.5, 0, 0.5},
        {"{\"steps\":[{\"pass\":\"prune\",\"pattern\":\"1:4\",\"layers\":[\"dense*\"]}]}", 0, 0,
         0.75},
        {"{\"steps\":[{\"pass\":\"prune\",\"sparsity\":0.75,\"criterion\":\"activation\","
         "\"except\":[\"conv1\"]}]}",
         0, 0.75, 0.75},
        {"{\"steps\":[{\"pass\":\"prune\",\"threshold\":9,\"unit\":\"deviation\",\"layers\":["
         "\"conv1\"]}]}",
         215 / 216.0, 0, 0},
    };
    struct graph *graph = network();
    struct dataset data = net_data(graph, 8, 62);
    struct diag diag = {.text = ""};
    ck_assert_msg(run_recipe(&graph, &data, cases[_i].text, &diag) == 0, "%s", diag.text);
    ck_assert_int_eq(graph_check(graph, &diag), 0);
    ck_assert(fabs(share_of_zeros(graph, "conv1") - cases[_i].conv) < 0.02);
    ck_assert(fabs(share_of_zeros(graph, "depthwise1") - cases[_i].depthwise) < 0.02);
    ck_assert(fabs(share_of_zeros(graph, "dense1") - cases[_i].dense) < 0.02);
    free(data.x.owned);
    graph_free(graph);
}
END_TEST

/* With the same share of zeros: the refit is better than none, saliency in rounds better than magnitude. */
START_TEST(test_reconstruct) {
    static const char *const recipes[] = {
        "{\"steps\":[{\"pass\":\"prune\",\"sparsity\":0.7,\"allocation\":\"global\"}]}",
        "{\"steps\":[{\"pass\":\"prune\",\"sparsity\":0.7,\"allocation\":\"global\","
        "\"reconstruct\":true}]}",
        "{\"steps\":[{\"pass\":\"prune\",\"sparsity\":0.7,\"allocation\":\"global\","
        "\"criterion\":\"saliency\",\"rounds\":4,\"reconstruct\":true}]}",
    };
    double errors[3];
    struct graph *original = network();
    struct dataset data = net_data(original, 64, 63);
    struct diag diag = {.text = ""};
    if (skipped())
        return;
    for (size_t i = 0; i < 3; i++) {
        struct graph *graph = network();
        ck_assert_msg(run_recipe(&graph, &data, recipes[i], &diag) == 0, "%s", diag.text);
        errors[i] = difference(original, graph, &data);
        graph_free(graph);
    }
    ck_assert_msg(errors[1] < errors[0], "%g %g", errors[0], errors[1]);
    ck_assert_msg(errors[2] < errors[1], "%g %g", errors[1], errors[2]);
    free(data.x.owned);
    graph_free(original);
}
END_TEST

START_TEST(test_refusals) {
    static const struct {
        const char *step, *says;
    } cases[] = {
        {"\"sparsity\":1.1", "steps[0].sparsity must be from 0"},
        {"\"sparsity\":1", "steps[0].sparsity must be from 0"},
        {"\"sparsity\":0", "steps[0]: sparsity"},
        {"\"damping\":0.1", "steps[0]: sparsity: give it or threshold, and"},
        {"\"sparsity\":0.5,\"threshold\":1", "steps[0]: sparsity: give it or threshold, not both"},
        {"\"sparsity\":0.5,\"pattern\":\"5y1\"", "steps[0]: pattern must"},
        {"\"sparsity\":0.5,\"pattern\":\"2:4\"", "steps[0]: sparsity: the pattern 2:4"},
        {"\"rounds\":0,\"sparsity\":0.5", "steps[0].rounds must be from 1"},
        {"\"samples\":0.5,\"sparsity\":0.5", "steps[0].samples must be from 1"},
        {"\"sparsity\":0.5,\"layers\":[\"conv9\"]", "steps[0]: layers[0]: no layer"},
        {"\"sparsity\":0.5,\"pattern\":\"4x1\",\"layers\":[\"depthwise1\"]",
         "depthwise1 is not a convolution or"},
        {"\"sparsity\":0.5,\"criterion\":\"saliency\"", "steps[0]: needs calibration data"},
        {"\"sparsity\":0.5,\"criterion\":\"age\"", "steps[0].criterion must be one of"},
    };
    struct graph *graph = network();
    struct diag diag = {.text = ""};
    char text[256];
    snprintf(text, sizeof(text), "{\"steps\":[{\"pass\":\"prune\",%s}]}", cases[_i].step);
    ck_assert_int_eq(run_recipe(&graph, NULL, text, &diag), COMPRESS_E_INVALID);
    ck_assert_msg(strstr(diag.text, cases[_i].says), "%s", diag.text);
    graph_free(graph);
}
END_TEST

/* What has no solution is the damping's fault, by name. */
START_TEST(test_no_solution) {
    double h[] = {INFINITY, 0, 0, 1}, residual[] = {1, 1}, w[] = {0, 0};
    uint8_t kept[] = {1, 1};
    struct masked m = {.out = 1, .depth = 2, .groups = 1, .h = h, .kept = kept};
    struct diag diag = {.text = ""};
    if (linalg_ready(&diag))
        return;
    ck_assert_int_eq(masked_solve(&m, 0, residual, w, &diag), COMPRESS_E_INVALID);
    ck_assert_msg(strncmp(diag.text, "damping: ", 9) == 0 &&
                      strstr(diag.text, "more samples, or more damping") != NULL,
                  "%s", diag.text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("prune");
    TCase *tc = tcase_create("prune");
    tcase_add_loop_test(tc, test_saliency, 0, 8);
    tcase_add_loop_test(tc, test_refit, 0, 2);
    tcase_add_test(tc, test_scores);
    tcase_add_test(tc, test_choose);
    tcase_add_test(tc, test_choose_global);
    tcase_add_test(tc, test_threshold);
    tcase_add_test(tc, test_groups);
    tcase_add_test(tc, test_patterns);
    tcase_add_loop_test(tc, test_pass, 0, 5);
    tcase_add_test(tc, test_reconstruct);
    tcase_add_loop_test(tc, test_refusals, 0, 13);
    tcase_add_test(tc, test_no_solution);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
