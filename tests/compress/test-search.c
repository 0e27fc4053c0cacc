/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search on a network of two layers where every recipe can be tried: what it finds meets the budgets and is near the
 * best there is, deterministically; techniques, mixes and trials by themselves.
 */

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "base/random.h"
#include "compress/complexity.h"
#include "compress/compress.h"
#include "compress/history.h"
#include "compress/lab.h"
#include "compress/mix.h"
#include "compress/recipe.h"
#include "compress/search.h"
#include "model/graph-edit.h"
#include "tests/compress/dense.h"

enum { IN = 32, HIDDEN = 64, CLASSES = 4, N = 600 };

static float values[N * IN];
static uint8_t labels[N];
static struct dataset data;
static struct graph *network;

static double gauss(struct random *r) {
    return sqrt(-2 * log(1 - random_unit(r))) * cos(2 * M_PI * random_unit(r));
}

/*
 * Classes are told by the first four inputs; the others are noise that a quarter of the hidden units copies and nobody
 * uses. Some of the first layer matters much, most of it not at all, and the second layer somewhat.
 */
static void make(void) {
    static float first[HIDDEN * IN], second[CLASSES * HIDDEN];
    struct random random = {.state = 7};
    for (int i = 0; i < N; i++) {
        labels[i] = (uint8_t)random_below(&random, CLASSES);
        for (int k = 0; k < IN; k++)
            values[i * IN + k] = (float)((k == labels[i] ? 2.5 : 0) + gauss(&random));
    }
    for (int h = 0; h < HIDDEN; h++)
        for (int k = 0; k < IN; k++)
            first[h * IN + k] = (float)((k == h % CLASSES) + 0.02 * gauss(&random));
    for (int c = 0; c < CLASSES; c++)
        for (int h = 0; h < HIDDEN; h++)
            second[c * HIDDEN + h] = (float)((h % CLASSES == c) + 0.05 * gauss(&random));
    network = dense_start(IN);
    dense_add(network, "first", first, NULL, HIDDEN, ACT_RELU);
    dense_add(network, "second", second, NULL, CLASSES, ACT_NONE);
    data = memory_dataset(values, IN, labels, N);
}

static void unmake(void) {
    graph_free(network);
}

static struct lab_options lab_options(double max_drop) {
    return (struct lab_options){.seed = 1, .tier = TIER_C, .max_drop = max_drop};
}

static const struct trial *try(struct lab *lab, const char *steps) {
    const struct trial *t;
    struct diag diag = {0};
    ck_assert_msg(lab_try(lab, steps, cJSON_Parse(steps), &t, &diag) == 0, "%s", diag.text);
    return t;
}

START_TEST(trials) {
    struct lab lab;
    struct diag diag = {0};
    const struct lab_options options = lab_options(1);
    ck_assert_msg(lab_init(&lab, &options, network, &data, &data, &diag) == 0, "%s", diag.text);
    const struct trial *base = lab.trials[0];
    ck_assert(base->feasible && base->drop == 0 && base->distortion == 0);
    ck_assert(base->score > 0.8);
    const struct trial *none = try(&lab, "[]");
    ck_assert_ptr_eq(none, base);
    const char all[] = "[{\"pass\":\"prune\",\"sparsity\":0.99}]";
    const struct trial *t = try(&lab, all);
    ck_assert_ptr_null(t->failed);
    ck_assert(!t->accurate && !t->feasible && t->drop > 1);
    ck_assert(t->bytes < base->bytes && t->macs < base->macs && t->distortion > 0);
    ck_assert(t->latency_us > 0);
    /* The same recipe runs once; one that cannot be run says why and is no result. */
    ck_assert_ptr_eq(try(&lab, all), t);
    const struct trial *wrong = try(&lab, "[{\"pass\":\"prune\",\"sparsity\":2}]");
    ck_assert_ptr_nonnull(strstr(wrong->failed, "steps[0].sparsity"));
    ck_assert_uint_eq(lab.n_trials, 3);
    cJSON *json = lab_to_json(&lab, t);
    ck_assert_int_eq(cJSON_GetArraySize(json), 2);
    ck_assert(cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetArrayItem(json, 1), "chosen")));
    cJSON_Delete(json);
    lab_deinit(&lab);
}
END_TEST

static bool always(void *arg) {
    return true;
}

/* For each price the mix has the least estimate of all mixes; dearer distortion never gives more of it. */
START_TEST(mixes) {
    struct lab lab;
    struct sensitivity s;
    struct diag diag = {0};
    const struct lab_options options = lab_options(1);
    const struct preset *preset = preset_find(NULL);
    ck_assert_int_eq(lab_init(&lab, &options, network, &data, &data, &diag), 0);
    ck_assert_int_eq(sensitivity_run(&lab, preset, 50, always, NULL, &s, &diag), 0);
    ck_assert_uint_ge(s.n, 4);
    const struct mix_space space = {&lab, &s, preset, false};
    struct mix mix;
    double before = INFINITY;
    ck_assert_int_eq(mix_init(&mix, &space, format_at(0), true), 0);
    for (double lambda = 1; lambda < 1e9; lambda *= 10) {
        mix_choose(&mix, &space, lambda);
        double sum = 0;
        for (uint32_t i = 0; i < lab.layers.n; i++) {
            sum += mix_distortion(&mix.layers[i]);
            double least = mix_cost(&mix, &space, i) + lambda * mix_distortion(&mix.layers[i]);
            struct mix_layer chosen = mix.layers[i];
            for (size_t c = 0; c < s.n; c++) {
                const enum axis axis = s.curves[c].technique->axis;
                for (unsigned k = 0; s.curves[c].layer == i && k < s.curves[c].n; k++) {
                    mix.layers[i].picks[axis] = (struct pick){&s.curves[c], k};
                    ck_assert(mix_cost(&mix, &space, i) + lambda * mix_distortion(&mix.layers[i]) >=
                              least - 1e-9);
                    mix.layers[i] = chosen;
                }
            }
        }
        ck_assert(sum <= before + 1e-12);
        before = sum;
    }
    mix_deinit(&mix);
    sensitivity_deinit(&s);
    lab_deinit(&lab);
}
END_TEST

/* Layers that get the same share a step; parts of a layer that is split are named by a pattern; the format comes last. */
START_TEST(steps_of_a_mix) {
    struct lab lab;
    struct diag diag = {0};
    const struct lab_options options = lab_options(1);
    ck_assert_int_eq(lab_init(&lab, &options, network, &data, &data, &diag), 0);
    const struct curve prune[] = {{technique_find("prune"), 0, 1, {{0.5, lab.trials[0]}}},
                                  {technique_find("prune"), 1, 1, {{0.5, lab.trials[0]}}}};
    const struct curve svd = {technique_find("svd"), 0, 1, {{0.9, lab.trials[0]}}};
    const struct sensitivity none = {0};
    const struct mix_space space = {&lab, &none, preset_find("sensor"), false};
    struct mix mix;
    ck_assert_int_eq(mix_init(&mix, &space, format_at(1), true), 0);
    mix.layers[0].picks[AXIS_ZEROS].curve = &prune[0];
    mix.layers[1].picks[AXIS_ZEROS].curve = &prune[1];
    cJSON *steps = mix_steps(&mix, &space);
    ck_assert_int_eq(cJSON_GetArraySize(steps), 2);
    const cJSON *names = cJSON_GetObjectItem(cJSON_GetArrayItem(steps, 0), "layers");
    ck_assert_int_eq(cJSON_GetArraySize(names), 2);
    const cJSON *last = cJSON_GetArrayItem(steps, 1);
    ck_assert_str_eq(cJSON_GetObjectItem(last, "pass")->valuestring, "quantize");
    ck_assert_str_eq(cJSON_GetObjectItem(last, "calibration")->valuestring, "percentile");
    cJSON_Delete(steps);
    mix.layers[0].picks[AXIS_SHAPE].curve = &svd;
    steps = mix_steps(&mix, &space);
    ck_assert_int_eq(cJSON_GetArraySize(steps), 3);
    names = cJSON_GetObjectItem(cJSON_GetArrayItem(steps, 1), "layers");
    ck_assert_str_eq(cJSON_GetArrayItem(names, 0)->valuestring, "first.*");
    ck_assert_str_eq(cJSON_GetArrayItem(names, 1)->valuestring, "second");
    cJSON_Delete(steps);
    mix_deinit(&mix);
    lab_deinit(&lab);
}
END_TEST

static double number(const cJSON *item, const char *name) {
    return cJSON_GetObjectItem(item, name)->valuedouble;
}

static const cJSON *chosen_of(const cJSON *part) {
    const cJSON *p, *chosen = NULL;
    unsigned n = 0;
    cJSON_ArrayForEach(p, cJSON_GetObjectItem(part, "points")) {
        if (cJSON_IsTrue(cJSON_GetObjectItem(p, "chosen"))) {
            chosen = p;
            n++;
        }
    }
    ck_assert_uint_eq(n, 1);
    return chosen;
}

/* Every pair of sparsities, codebooks and formats of two layers, with options like the search's. */
static size_t best_by_brute_force(double max_drop) {
    static const double zeros[] = {0, 0.5, 0.8, 0.9, 0.95};
    static const int bits[] = {0, 3, 2};
    struct lab lab;
    struct diag diag = {0};
    const struct lab_options options = lab_options(max_drop);
    ck_assert_int_eq(lab_init(&lab, &options, network, &data, &data, &diag), 0);
    size_t best = lab.trials[0]->bytes;
    for (unsigned code = 0; code < 5 * 5 * 3 * 3; code++) {
        double z[] = {zeros[code % 5], zeros[code / 5 % 5]};
        int b[] = {bits[code / 25 % 3], bits[code / 75]};
        char steps[800] = "[";
        size_t used = 1;
        for (int l = 0; l < 2; l++) {
            const char *name = l ? "second" : "first";
            if (z[l] > 0)
                used += (size_t)snprintf(steps + used, sizeof(steps) - used,
                                         "{\"pass\":\"prune\",\"layers\":[\"%s\"],\"sparsity\":%g,"
                                         "\"criterion\":\"saliency\",\"reconstruct\":true},",
                                         name, z[l]);
            if (b[l])
                used += (size_t)snprintf(steps + used, sizeof(steps) - used,
                                         "{\"pass\":\"cluster\",\"layers\":[\"%s\"],\"bits\":%d},",
                                         name, b[l]);
        }
        steps[used > 1 ? used - 1 : 1] = ']';
        steps[used > 1 ? used : 2] = 0;
        const struct trial *t = try(&lab, steps);
        if (!t->failed && t->feasible && t->bytes < best)
            best = t->bytes;
    }
    lab_deinit(&lab);
    return best;
}

START_TEST(near_the_best) {
    struct search_options options = {.max_drop = 1, .seed = 1, .tier = TIER_C};
    struct diag diag = {0};
    cJSON *part, *recipe, *again_part, *again;
    ck_assert_msg(search_run(&options, network, &data, &data, &part, &recipe, &diag) == 0, "%s",
                  diag.text);
    const cJSON *chosen = chosen_of(part), *p;
    ck_assert(cJSON_IsTrue(cJSON_GetObjectItem(chosen, "feasible")));
    ck_assert(number(chosen, "drop") <= 1);
    cJSON_ArrayForEach(p, cJSON_GetObjectItem(part, "points"))
        ck_assert(!cJSON_IsTrue(cJSON_GetObjectItem(p, "feasible")) ||
                  number(p, "bytes") >= number(chosen, "bytes"));
    /* At most a twentieth above the best of 225 recipes, which it does not know. */
    size_t best = best_by_brute_force(1);
    ck_assert_msg(number(chosen, "bytes") <= 1.05 * (double)best, "%g bytes, %zu are possible",
                  number(chosen, "bytes"), best);
    ck_assert_int_ge(cJSON_GetArraySize(cJSON_GetObjectItem(part, "choices")), 2);
    ck_assert_int_ge(cJSON_GetArraySize(cJSON_GetObjectItem(part, "sensitivity")), 4);
    ck_assert(cJSON_Compare(recipe, cJSON_GetObjectItem(chosen, "recipe"), true));
    ck_assert_int_eq(search_run(&options, network, &data, &data, &again_part, &again, &diag), 0);
    ck_assert(cJSON_Compare(recipe, again, true));
    cJSON_Delete(part);
    cJSON_Delete(recipe);
    cJSON_Delete(again_part);
    cJSON_Delete(again);
}
END_TEST

/* Without a budget for the drop: as accurate as fits. */
START_TEST(within_bytes) {
    struct search_options options = {.max_drop = NAN, .max_bytes = 2000, .seed = 1, .tier = TIER_C};
    struct diag diag = {0};
    cJSON *part, *recipe;
    ck_assert_msg(search_run(&options, network, &data, &data, &part, &recipe, &diag) == 0, "%s",
                  diag.text);
    const cJSON *chosen = chosen_of(part), *p;
    ck_assert(number(chosen, "bytes") <= 2000);
    cJSON_ArrayForEach(p, cJSON_GetObjectItem(part, "points"))
        ck_assert(number(p, "bytes") > 2000 || number(p, "drop") >= number(chosen, "drop"));
    cJSON_Delete(part);
    cJSON_Delete(recipe);
}
END_TEST

/* What a budget is kept by is the file that is written: with the name of the input and the recipe in it. */
START_TEST(bytes_of_the_file) {
    const struct search_options options = {
        .max_drop = NAN, .max_bytes = 2000, .seed = 3, .input = "noise.tflite", .tier = TIER_C};
    _cleanup_(recipe_freep) struct recipe *recipe = NULL;
    struct diag diag = {0};
    struct graph *graph;
    cJSON *part, *json;
    size_t bytes;
    ck_assert_msg(search_run(&options, network, &data, &data, &part, &json, &diag) == 0, "%s",
                  diag.text);
    ck_assert_int_eq(recipe_from_json(json, &recipe, &diag), 0);
    ck_assert_int_eq(graph_copy(network, &graph), 0);
    ck_assert_int_eq(history_set(graph, recipe, options.input, &diag), 0);
    ck_assert_int_eq(recipe_run(recipe, &graph, &data, TIER_C, NULL, NULL, &diag), 0);
    ck_assert_ptr_nonnull(strstr(graph->history, "\"input\":\"noise.tflite\",\"seed\":3"));
    ck_assert_int_eq(complexity_file_bytes(graph, &bytes, &diag), 0);
    ck_assert_uint_le(bytes, options.max_bytes);
    ck_assert(number(chosen_of(part), "bytes") == (double)bytes);
    graph_free(graph);
    cJSON_Delete(part);
}
END_TEST

/* Where the time is over at once, the float network is all there is. */
START_TEST(no_time) {
    const struct search_options options = {
        .max_drop = 1, .seed = 1, .tier = TIER_C, .max_seconds = 1e-9};
    struct diag diag = {0};
    cJSON *part, *recipe;
    ck_assert_msg(search_run(&options, network, &data, &data, &part, &recipe, &diag) == 0, "%s",
                  diag.text);
    ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(part, "points")), 1);
    ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(recipe, "steps")), 0);
    cJSON_Delete(part);
    cJSON_Delete(recipe);
}
END_TEST

static int refuse(const struct search_options *options, struct diag *diag) {
    cJSON *part, *recipe;
    return search_run(options, network, &data, &data, &part, &recipe, diag);
}

START_TEST(refusals) {
    struct search_options options = {.max_drop = NAN, .seed = 1, .tier = TIER_C};
    struct diag diag = {0};
    ck_assert_int_eq(refuse(&options, &diag), COMPRESS_E_INVALID);
    ck_assert_str_eq(diag.text, "no budget is given");
    options.max_drop = -1;
    ck_assert_int_eq(refuse(&options, &diag), COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "max-drop: -1"));
    options.max_drop = 1;
    options.preset = "smell";
    ck_assert_int_eq(refuse(&options, &diag), COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "'smell' is none of general, image, audio, sensor"));
    options.preset = "sensor";
    options.max_bytes = 10;
    ck_assert_int_eq(refuse(&options, &diag), COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "meets the budgets; the nearest"));
    struct dataset wrong = data;
    wrong.per_sample = IN + 1;
    cJSON *part, *recipe;
    ck_assert_int_eq(search_run(&options, network, &wrong, &data, &part, &recipe, &diag),
                     COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "calibration"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("search");
    TCase *tc = tcase_create("search");
    tcase_add_checked_fixture(tc, make, unmake);
    tcase_add_test(tc, trials);
    tcase_add_test(tc, mixes);
    tcase_add_test(tc, steps_of_a_mix);
    tcase_add_test(tc, near_the_best);
    tcase_add_test(tc, within_bytes);
    tcase_add_test(tc, bytes_of_the_file);
    tcase_add_test(tc, no_time);
    tcase_add_test(tc, refusals);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
