/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report's document on a small network, against figures counted here.
 */

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/buffer.h"
#include "compress/recipe.h"
#include "compress/report.h"
#include "model/container.h"
#include "tests/compress/nets.h"

#define SAMPLES 40

/* 5 -> 6 -> 4 with a rectifier between. */
static struct graph *two_layers(void) {
    struct net net = net_new(4);
    int32_t x = net_input(&net, 2, NET_DIMS(1, 5));
    return net_done(&net, net_dense(&net, net_dense(&net, x, 6, ACT_RELU), 4, ACT_NONE));
}

/* What the network answers is right: any change can only cost. */
static struct dataset own_answers(const struct graph *g) {
    struct dataset data = net_data(g, SAMPLES, 8);
    int64_t *classes = malloc(SAMPLES * sizeof(*classes));
    float y[4];
    ck_assert_ptr_nonnull(classes);
    for (size_t i = 0; i < SAMPLES; i++) {
        net_run(g, (const float *)data.x.data + i * 5, y);
        classes[i] = 0;
        for (int k = 1; k < 4; k++)
            if (y[k] > y[classes[i]])
                classes[i] = k;
    }
    data.has_y = true;
    data.y = (struct npy){.dtype = DTYPE_INT64,
                          .n_dims = 1,
                          .dims = {SAMPLES},
                          .n = SAMPLES,
                          .size = SAMPLES * sizeof(*classes),
                          .data = classes,
                          .owned = classes};
    return data;
}

static const cJSON *member(const cJSON *object, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    ck_assert_msg(item != NULL, "no '%s'", name);
    return item;
}

static double number(const cJSON *object, const char *name) {
    ck_assert_msg(cJSON_IsNumber(member(object, name)), "'%s' is no number", name);
    return member(object, name)->valuedouble;
}

static struct report *make(const char *text, struct dataset *data, struct graph **graph,
                           struct recipe **recipe, struct buffer *file) {
    struct diag diag = {0};
    struct report *report = NULL;
    const struct report_options options = {.input = "in.tflite",
                                           .input_bytes = 777,
                                           .metric = METRIC_TOP1,
                                           .tier = TIER_C,
                                           .calibration = data,
                                           .eval = data,
                                           .test = data,
                                           .costs = true};
    ck_assert_int_eq(recipe_parse(text, strlen(text), recipe, &diag), 0);
    ck_assert_msg(report_new(&options, *graph, &report, &diag) == 0, "%s", diag.text);
    report_begin(report, *recipe);
    ck_assert_msg(recipe_run(*recipe, graph, data, TIER_C, report_step, report, &diag) == 0, "%s",
                  diag.text);
    ck_assert_int_eq(container_write(*graph, file, &diag), 0);
    ck_assert_msg(report_finish(report, *graph, file->data, file->len, &diag) == 0, "%s",
                  diag.text);
    return report;
}

/* Half of the second layer's weights go: the first one is what it was and costs nothing. */
START_TEST(test_document) {
    struct graph *graph = two_layers();
    struct dataset data = own_answers(graph);
    struct recipe *recipe = NULL;
    struct buffer file;
    buffer_init(&file, CONTAINER_MAX_BYTES);
    struct report *report = make("{\"seed\":11,\"steps\":[{\"pass\":\"prune\",\"sparsity\":0.5,"
                                 "\"layers\":[\"dense2\"]}]}",
                                 &data, &graph, &recipe, &file);
    const cJSON *d = report_json(report), *before = member(d, "before"),
                *after = member(d, "after");
    ck_assert(number(d, "format") == 1 && number(d, "seed") == 11);
    ck_assert(number(before, "bytes") == 777 && number(after, "bytes") == (double)file.len);
    ck_assert(number(before, "macs") == 5 * 6 + 6 * 4 &&
              number(after, "effective_macs") == 30 + 12);
    ck_assert(number(before, "score") == 1 && number(member(before, "test"), "score") == 1);
    double drop = 100 * (1 - number(after, "score"));
    ck_assert_double_eq_tol(number(after, "drop"), drop, 1e-9);
    ck_assert(number(after, "drop_low") <= drop && drop <= number(after, "drop_high"));
    ck_assert(number(after, "latency_us") > 0);
    const cJSON *step = cJSON_GetArrayItem(member(d, "steps"), 0);
    ck_assert_str_eq(member(step, "pass")->valuestring, "prune");
    ck_assert(number(member(step, "options"), "sparsity") == 0.5);
    ck_assert(number(step, "score") == number(after, "score"));
    ck_assert_int_eq(cJSON_GetArraySize(member(d, "layers")), 2);
    const cJSON *first = cJSON_GetArrayItem(member(d, "layers"), 0);
    const cJSON *second = cJSON_GetArrayItem(member(d, "layers"), 1);
    ck_assert_str_eq(member(first, "name")->valuestring, "dense1");
    ck_assert(number(first, "density") == 1 && number(second, "density") == 0.5);
    ck_assert(!cJSON_GetObjectItem(first, "cost")); /* no step touches it */
    ck_assert_double_eq_tol(number(second, "cost"), drop, 1e-9);
    ck_assert(number(member(second, "histogram_after"), "zeros") == 12);
    ck_assert(number(second, "bits") == 32);
    ck_assert(!cJSON_GetObjectItem(first, "sqnr_db")); /* no noise */
    ck_assert(number(second, "sqnr_db") > 0);
    double sum = 0;
    const cJSON *count;
    cJSON_ArrayForEach(count, member(member(second, "histogram_before"), "counts")) sum +=
        count->valuedouble;
    ck_assert(sum == 24);
    report_free(report);
    recipe_free(recipe);
    graph_free(graph);
    buffer_deinit(&file);
    dataset_deinit(&data);
}
END_TEST

/* A later step has the same chance alone, with the largest seed too: where only one layer changes, its cost is the drop. */
START_TEST(test_costs_of_chance) {
    struct graph *graph = two_layers();
    struct dataset data = own_answers(graph);
    struct recipe *recipe = NULL;
    struct buffer file;
    buffer_init(&file, CONTAINER_MAX_BYTES);
    struct report *report =
        make("{\"seed\":4294967295,\"steps\":["
             "{\"pass\":\"prune\",\"sparsity\":0.3,\"layers\":[\"dense2\"]},"
             "{\"pass\":\"quantize-weights\",\"bits\":4,\"rounding\":\"stochastic\","
             "\"layers\":[\"dense2\"]}]}",
             &data, &graph, &recipe, &file);
    const cJSON *d = report_json(report);
    const cJSON *second = cJSON_GetArrayItem(member(d, "layers"), 1);
    ck_assert(number(d, "seed") == 4294967295.0);
    ck_assert(number(member(d, "after"), "drop") > 0);
    ck_assert_double_eq_tol(number(second, "cost"), number(member(d, "after"), "drop"), 1e-9);
    report_free(report);
    recipe_free(recipe);
    graph_free(graph);
    buffer_deinit(&file);
    dataset_deinit(&data);
}
END_TEST

/* Data of another shape: the option is named. */
START_TEST(test_wrong_data) {
    struct graph *graph = two_layers();
    struct dataset data = own_answers(graph);
    struct diag diag = {0};
    struct report *report = NULL;
    struct report_options options = {.input = "x", .tier = TIER_C, .test = &data};
    data.per_sample = 4;
    ck_assert_int_eq(report_new(&options, graph, &report, &diag), COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "--test: "));
    ck_assert_ptr_null(report);
    graph_free(graph);
    dataset_deinit(&data);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("report");
    TCase *tc = tcase_create("report");
    tcase_add_test(tc, test_document);
    tcase_add_test(tc, test_costs_of_chance);
    tcase_add_test(tc, test_wrong_data);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
