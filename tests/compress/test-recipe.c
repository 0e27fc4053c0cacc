/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recipes that make no sense: each is refused with an error that names the field.
 */

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attributes.h"
#include "base/error.h"
#include "compress/recipe.h"
#include "model/graph.h"

static int parse(const char *text, struct diag *diag) {
    struct recipe *recipe = NULL;
    int r = recipe_parse(text, strlen(text), &recipe, diag);
    recipe_free(recipe);
    return r;
}

static const struct {
    const char *text, *says;
} senseless[] = {
    {"", "the recipe is not JSON: byte 0"},
    {"{\"steps\":[}", "the recipe is not JSON: byte"},
    {"{\"steps\":[]", "the recipe is not JSON: byte"},
    {"{\"steps\":[]} x", "the recipe goes on after its end: byte 13"},
    {"{\"steps\":[]}{}", "the recipe goes on after its end: byte 12"},
    {"[]", "the recipe must be an object with \"steps\""},
    {"7", "the recipe must be an object"},
    {"{}", "steps must be a list"},
    {"{\"steps\":{}}", "steps must be a list"},
    {"{\"steps\":[],\"sed\":1}", "sed: a recipe has no such field"},
    {"{\"steps\":[],\"seed\":-1}", "seed must be a whole number from 0 to 2^53"},
    {"{\"steps\":[],\"seed\":0.5}", "seed must be a whole number"},
    {"{\"steps\":[],\"seed\":1e300}", "seed must be a whole number"},
    {"{\"steps\":[],\"seed\":\"1\"}", "seed must be a whole number"},
    {"{\"steps\":[1]}", "steps[0].pass is missing"},
    {"{\"steps\":[{}]}", "steps[0].pass is missing"},
    {"{\"steps\":[{\"pass\":1}]}", "steps[0].pass is missing"},
    {"{\"steps\":[{\"pass\":\"shrink\"}]}", "steps[0].pass: there is no pass 'shrink'"},
};

START_TEST(test_senseless) {
    struct diag diag = {0};
    ck_assert_int_eq(parse(senseless[_i].text, &diag), COMPRESS_E_INVALID);
    ck_assert_msg(strstr(diag.text, senseless[_i].says) != NULL, "%s: '%s' lacks '%s'",
                  senseless[_i].text, diag.text, senseless[_i].says);
}
END_TEST

/* One step below, at and above the limit. */
START_TEST(test_too_large) {
    struct diag diag = {0};
    struct recipe *recipe = NULL;
    char *text = malloc(RECIPE_MAX_BYTES + 1);
    ck_assert_ptr_nonnull(text);
    memset(text, ' ', RECIPE_MAX_BYTES + 1);
    memcpy(text, "{\"steps\":[]}", 12);
    ck_assert_int_eq(recipe_parse(text, RECIPE_MAX_BYTES, &recipe, &diag), 0);
    recipe = recipe_free(recipe);
    ck_assert_int_eq(recipe_parse(text, RECIPE_MAX_BYTES + 1, &recipe, &diag), COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "larger than 1048576 bytes"));
    free(text);
}
END_TEST

START_TEST(test_empty) {
    struct diag diag = {0};
    struct recipe *recipe = NULL;
    static const char text[] =
        "{\"description\":\"nothing\",\"seed\":9007199254740992,\"steps\":[]}\n";
    ck_assert_int_eq(recipe_parse(text, strlen(text), &recipe, &diag), 0);
    ck_assert_uint_eq(recipe->seed, 1ULL << 53);
    ck_assert_uint_eq(recipe->n, 0);
    recipe_free(recipe);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("recipe");
    TCase *tcase = tcase_create("recipe");
    tcase_add_loop_test(tcase, test_senseless, 0, (int)ARRAY_SIZE(senseless));
    tcase_add_test(tcase, test_too_large);
    tcase_add_test(tcase, test_empty);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
