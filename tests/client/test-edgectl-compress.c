/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl compress: what is written, what is printed, and that nothing is written where something fails.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/attributes.h"
#include "tests/client/spawn.h"
#include "tests/shared.h"

#define NETWORK EDGED_SOURCE "/demo/networks/lenet5_int8.tflite"

static void assert_contains(const char *text, const char *part) {
    ck_assert_msg(strstr(text, part) != NULL, "'%s' lacks '%s'", text, part);
}

static const char *write_recipe(const char *text) {
    return spawn_write("recipe.json", text, strlen(text));
}

static const cJSON *member(const cJSON *object, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    ck_assert_msg(item != NULL, "no '%s'", name);
    return item;
}

static off_t file_size(const char *path) {
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    return st.st_size;
}

/* Without a step the network comes out as it went in, under the file's name. */
START_TEST(test_no_steps) {
    const char *out = spawn_path("small.edge");
    const char *recipe = write_recipe("{\"seed\": 9, \"steps\": []}");
    cJSON *d = edgectl_json("compress", NETWORK, "-o", out, "--recipe", recipe, NULL);
    ck_assert_str_eq(member(d, "model")->valuestring, "small");
    ck_assert_str_eq(member(d, "input")->valuestring, "lenet5_int8.tflite");
    ck_assert(member(d, "seed")->valuedouble == 9);
    ck_assert_int_eq(cJSON_GetArraySize(member(d, "steps")), 0);
    ck_assert(member(member(d, "after"), "bytes")->valuedouble == (double)file_size(out));
    ck_assert(member(member(d, "before"), "bytes")->valuedouble == (double)file_size(NETWORK));
    cJSON_Delete(d);
    d = edgectl_json("compress", out, "-o", spawn_path("other.edge"), "--recipe", recipe, NULL);
    ck_assert_str_eq(member(d, "model")->valuestring, "small");
    cJSON_Delete(d);
}
END_TEST

static const struct {
    const char *recipe, *says;
} refusals[] = {
    {"{\"steps\": 1}", "recipe.json: steps must be a list"},
    {"{\"steps\": [{\"pass\": \"shrink\"}]}",
     "recipe.json: steps[0].pass: there is no pass 'shrink'"},
    {"{\"steps\": []", "recipe.json: the recipe is not JSON"},
};

START_TEST(test_refusals) {
    const char *out = spawn_path("out.edge");
    const char *recipe = write_recipe(refusals[_i].recipe);
    struct spawned s = edgectl(NULL, "compress", NETWORK, "-o", out, "--recipe", recipe, NULL);
    ck_assert_int_eq(s.status, 1);
    ck_assert_str_eq(s.out, "");
    assert_contains(s.err, refusals[_i].says);
    ck_assert_int_eq(access(out, F_OK), -1);
}
END_TEST

START_TEST(test_bad_files) {
    const char *out = spawn_path("out.edge");
    const char *recipe = write_recipe("{\"steps\": []}");
    struct spawned s =
        edgectl(NULL, "compress", "/nonexistent.tflite", "-o", out, "--recipe", recipe, NULL);
    ck_assert_int_eq(s.status, 1);
    assert_contains(s.err, "/nonexistent.tflite");
    s = edgectl(NULL, "compress", NETWORK, "-o", out, "--recipe", "/nonexistent.json", NULL);
    ck_assert_int_eq(s.status, 1);
    assert_contains(s.err, "/nonexistent.json");
    s = edgectl(NULL, "compress", NETWORK, "-o", out, "--recipe", recipe, "--calibrate",
                "/nonexistent", NULL);
    ck_assert_int_eq(s.status, 1);
    assert_contains(s.err, "/nonexistent/x.npy");
    s = edgectl(NULL, "compress", NETWORK, "-o", "/nonexistent/x.edge", "--recipe", recipe, NULL);
    ck_assert_int_eq(s.status, 1);
    assert_contains(s.err, "/nonexistent/x.edge");
    ck_assert_int_eq(access(out, F_OK), -1);
}
END_TEST

/* On real data: the document, the page and the file say the same, and the same recipe gives the same file. */
START_TEST(test_report) {
    if (!shared_present("eval/wakeword6") || !shared_present("models/ours/wakeword6"))
        return;
    char network[4096], train[4096], val[4096], test[4096];
    snprintf(network, sizeof(network), "%s/models/ours/wakeword6/wakeword6_float32.tflite",
             shared_dir());
    snprintf(train, sizeof(train), "%s/eval/wakeword6/train", shared_dir());
    snprintf(val, sizeof(val), "%s/eval/wakeword6/val", shared_dir());
    snprintf(test, sizeof(test), "%s/eval/wakeword6/test", shared_dir());
    const char *out = spawn_path("a.edge"), *page = spawn_path("a.html");
    const char *recipe =
        write_recipe("{\"seed\": 5, \"steps\": [{\"pass\": \"quantize\", \"samples\": 64}]}");
    cJSON *d = edgectl_json("compress", network, "-o", out, "--recipe", recipe, "--calibrate",
                            train, "--eval", val, "--test", test, "--report", page, NULL);
    const cJSON *after = member(d, "after"), *step = cJSON_GetArrayItem(member(d, "steps"), 0);
    ck_assert(member(after, "bytes")->valuedouble == (double)file_size(out));
    ck_assert(member(after, "score")->valuedouble == member(step, "score")->valuedouble);
    ck_assert(member(after, "score")->valuedouble > 0.97);
    ck_assert(member(member(after, "test"), "drop_low")->valuedouble <=
              member(member(after, "test"), "drop")->valuedouble);
    ck_assert_str_eq(member(step, "pass")->valuestring, "quantize");
    ck_assert_int_eq(cJSON_GetArraySize(member(d, "layers")), 10);
    const cJSON *layer = cJSON_GetArrayItem(member(d, "layers"), 0);
    ck_assert_str_eq(member(layer, "name")->valuestring, "conv1");
    ck_assert(member(layer, "bits")->valuedouble == 8);
    ck_assert(member(layer, "sqnr_db")->valuedouble > 15);
    ck_assert(cJSON_IsNumber(member(layer, "cost")));
    ck_assert_ptr_nonnull(strstr(member(layer, "kernel")->valuestring, "conv_s8"));
    ck_assert_int_gt((int)file_size(page), 10000);
    cJSON_Delete(d);
    const char *again = spawn_path("b.edge");
    struct spawned s = edgectl(NULL, "compress", network, "-o", again, "--recipe", recipe, "--name",
                               "a", "--calibrate", train, NULL);
    ck_assert_msg(s.status == 0, "%s", s.err);
    assert_contains(s.out, "1. quantize: ");
    ck_assert_int_eq(file_size(again), file_size(out));
}
END_TEST

/* Data of another network. */
START_TEST(test_wrong_data) {
    if (!shared_present("eval/wakeword6"))
        return;
    static const char *const options[] = {"--calibrate", "--eval", "--test"};
    char data[4096];
    snprintf(data, sizeof(data), "%s/eval/wakeword6/val", shared_dir());
    const char *out = spawn_path("out.edge"), *page = spawn_path("out.html");
    const char *recipe = write_recipe("{\"steps\": []}");
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        struct spawned s = edgectl(NULL, "compress", NETWORK, "-o", out, "--recipe", recipe,
                                   "--report", page, options[i], data, NULL);
        ck_assert_int_eq(s.status, 1);
        assert_contains(s.err, options[i]);
        assert_contains(s.err, "x.npy has 490 values a sample, the network's input takes 784");
        ck_assert_int_eq(access(out, F_OK), -1);
        ck_assert_int_eq(access(page, F_OK), -1);
    }
}
END_TEST

START_TEST(test_help_passes) {
    struct spawned s = edgectl(NULL, "compress", "--help-passes", NULL);
    ck_assert_int_eq(s.status, 0);
    assert_contains(s.out, "\"layers\" and \"except\"");
    cJSON *d = edgectl_json("compress", "--help-passes", NULL);
    const cJSON *passes = member(d, "passes"), *pass;
    ck_assert(cJSON_IsArray(passes));
    s = edgectl(NULL, "compress", "--help-passes", NULL);
    cJSON_ArrayForEach(pass, passes) {
        assert_contains(s.out, member(pass, "name")->valuestring);
        assert_contains(s.out, member(pass, "summary")->valuestring);
        ck_assert(cJSON_IsArray(member(pass, "options")));
    }
    cJSON_Delete(d);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("compress");
    TCase *tc = tcase_create("compress");
    tcase_add_checked_fixture(tc, spawn_setup, spawn_teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_no_steps);
    tcase_add_loop_test(tc, test_refusals, 0, ARRAY_SIZE(refusals));
    tcase_add_test(tc, test_bad_files);
    tcase_add_test(tc, test_report);
    tcase_add_test(tc, test_wrong_data);
    tcase_add_test(tc, test_help_passes);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
