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
#include "tests/compress/nets.h"

static int parse(const char *text, struct diag *diag) {
    struct recipe *recipe = NULL;
    int r = recipe_parse(text, strlen(text), &recipe, diag);
    recipe_free(recipe);
    return r;
}

#define STEP(pass, options) "{\"steps\":[{\"pass\":\"" pass "\"," options "}]}"

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
    {"{\"steps\":[],\"steps\":[]}", "steps is there twice"},
    {"{\"seed\":1,\"steps\":[],\"seed\":2}", "seed is there twice"},
    {"{\"steps\":[],\"description\":7}", "description must be a text"},
    {"{\"steps\":[],\"seed\":-1}", "seed must be a whole number from 0 to 2^32 - 1"},
    {"{\"steps\":[],\"seed\":0.5}", "seed must be a whole number"},
    {"{\"steps\":[],\"seed\":4294967296}", "seed must be a whole number"},
    {"{\"steps\":[],\"seed\":1e300}", "seed must be a whole number"},
    {"{\"steps\":[],\"seed\":\"1\"}", "seed must be a whole number"},
    {"{\"steps\":[1]}", "steps[0].pass is missing"},
    {"{\"steps\":[{}]}", "steps[0].pass is missing"},
    {"{\"steps\":[{\"pass\":1}]}", "steps[0].pass is missing"},
    {"{\"steps\":[{\"pass\":\"shrink\"}]}", "steps[0].pass: there is no pass 'shrink'"},
    {STEP("prune", "\"sparsity\":1.1"), "steps[0].sparsity must be from 0 to 0.9999, not 1.1"},
    {STEP("prune", "\"sparsity\":-0.1"), "steps[0].sparsity must be from 0"},
    {STEP("prune", "\"sparsity\":\"half\""), "steps[0].sparsity must be a number"},
    {STEP("prune", "\"sparsity\":null"), "steps[0].sparsity must be a number"},
    {STEP("prune", "\"sparsity\":0.5,\"sparsity\":0.6"), "steps[0].sparsity is there twice"},
    {STEP("prune", "\"sparsity\":0.5,\"pass\":\"prune\""), "steps[0].pass is there twice"},
    {STEP("prune", "\"sparsity\":0.5,\"colour\":1"),
     "steps[0].colour: the pass prune has no such option"},
    {STEP("prune", "\"sparsity\":0.5,\"criterion\":\"best\""),
     "steps[0].criterion must be one of magnitude"},
    {STEP("prune", "\"sparsity\":0.5,\"reconstruct\":1"),
     "steps[0].reconstruct must be true or false"},
    {STEP("prune", "\"sparsity\":0.5,\"rounds\":2.5"), "steps[0].rounds must be a whole number"},
    {STEP("prune", "\"sparsity\":0.5,\"rounds\":0"), "steps[0].rounds must be from 1 to 100"},
    {STEP("prune", "\"sparsity\":0.5,\"pattern\":4"), "steps[0].pattern must be a text"},
    {STEP("prune", "\"sparsity\":0.5,\"pattern\":\"4y1\""), "steps[0]: pattern must be"},
    {STEP("prune", "\"sparsity\":0.5,\"layers\":\"conv1\""),
     "steps[0].layers must be a list of names"},
    {STEP("prune", "\"sparsity\":0.5,\"layers\":[]"), "steps[0].layers must be a list of names"},
    {STEP("prune", "\"sparsity\":0.5,\"except\":[1]"), "steps[0].except must be a list of names"},
    {STEP("svd", "\"rank\":0"), "steps[0].rank must be from 1"},
    {STEP("cluster", "\"zero\":true"), "steps[0].bits is missing"},
    {STEP("cluster", "\"bits\":9"), "steps[0].bits must be from 1 to 8, not 9"},
    {STEP("quantize-weights", "\"bits\":4,\"granularity\":\"group\",\"group\":0"),
     "steps[0].group must be from 1"},
    {"{\"steps\":[{\"pass\":\"quantize\"},{\"pass\":\"quantize\",\"samples\":0}]}",
     "steps[1].samples must be from 1"},
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
    static const char text[] = "{\"description\":\"nothing\",\"seed\":4294967295,\"steps\":[]}\n";
    ck_assert_int_eq(recipe_parse(text, strlen(text), &recipe, &diag), 0);
    ck_assert_uint_eq(recipe->seed, UINT32_MAX);
    ck_assert_uint_eq(recipe->n, 0);
    recipe_free(recipe);
}
END_TEST

/* What only the network can tell: names of layers, groups, weights, calibration data. */
static int run(const char *text, struct graph **graph, const struct dataset *data,
               struct diag *diag) {
    _cleanup_(recipe_freep) struct recipe *recipe = NULL;
    ck_assert_int_eq(recipe_parse(text, strlen(text), &recipe, diag), 0);
    return recipe_run(recipe, graph, data, TIER_C, NULL, NULL, diag);
}

/* Two dense layers of 6 x 5 and 4 x 6. */
static struct net two_layers(void) {
    struct net net = net_new(4);
    int32_t x = net_input(&net, 2, NET_DIMS(1, 5));
    net_done(&net, net_dense(&net, net_dense(&net, x, 6, ACT_RELU), 4, ACT_NONE));
    return net;
}

static const struct {
    const char *text, *says;
} misfits[] = {
    {STEP("prune", "\"sparsity\":0.5,\"layers\":[\"dense9\"]"),
     "steps[0]: layers[0]: no layer is called 'dense9'; there are dense1, dense2"},
    {STEP("prune", "\"sparsity\":0.5,\"except\":[\"conv*\"]"),
     "steps[0]: except[0]: no layer is called 'conv*'"},
    {STEP("prune", "\"sparsity\":0.5,\"except\":[\"dense*\"]"),
     "steps[0]: except: leaves no layer that is"},
    {STEP("quantize", "\"samples\":1"), "steps[0]: needs calibration data: --calibrate DIR"},
    {STEP("quantize-weights",
          "\"bits\":8,\"granularity\":\"group\",\"group\":4,\"layers\":[\"dense1\"]"),
     "steps[0]: group"},
    {STEP("svd", "\"rank\":9,\"layers\":[\"dense1\"]"), "steps[0]: rank"},
};

START_TEST(test_misfits) {
    struct diag diag = {0};
    struct net net = two_layers();
    ck_assert_int_eq(run(misfits[_i].text, &net.g, NULL, &diag), COMPRESS_E_INVALID);
    ck_assert_msg(strstr(diag.text, misfits[_i].says) != NULL, "%s: '%s' lacks '%s'",
                  misfits[_i].text, diag.text, misfits[_i].says);
    graph_free(net.g);
}
END_TEST

static const float unusable[] = {(float)NAN, (float)INFINITY, -(float)INFINITY};

START_TEST(test_weights_that_are_no_numbers) {
    struct diag diag = {0};
    struct net net = two_layers();
    struct layers layers;
    ck_assert_int_eq(layers_find(net.g, &layers), 0);
    layer_edit_weights(net.g, &layers.items[1])[7] = unusable[_i];
    ck_assert_int_eq(run(STEP("prune", "\"sparsity\":0.5"), &net.g, NULL, &diag),
                     COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "value 7 of dense2 is not a finite number"));
    graph_free(net.g);
}
END_TEST

/* Data that dataset_open() lets through: sums of it go beyond the largest number, in the layer or in its bias. */
static const struct {
    const char *text, *says;
} extremes[] = {
    {STEP("quantize-weights", "\"bits\":4,\"bias_correction\":true"),
     "steps[0]: bias_correction: the mean of output "},
    {STEP("quantize-weights", "\"bits\":4,\"bias_correction\":true,\"layers\":[\"dense1\"]"),
     "steps[0]: the pass made value "},
};

START_TEST(test_extreme_data) {
    struct diag diag = {0};
    struct net net = two_layers();
    struct layers layers;
    struct dataset data = net_data(net.g, 4, 5);
    ck_assert_int_eq(layers_find(net.g, &layers), 0);
    float *w = layer_edit_weights(net.g, &layers.items[0]);
    for (unsigned i = 0; i < 30; i++)
        w[i] *= 1000;
    for (size_t i = 0; i < data.x.n; i++)
        ((float *)data.x.owned)[i] = 3e38F;
    ck_assert_int_eq(run(extremes[_i].text, &net.g, &data, &diag), COMPRESS_E_INVALID);
    ck_assert_msg(strstr(diag.text, extremes[_i].says) != NULL &&
                      strstr(diag.text, "extreme values in the calibration data?") != NULL,
                  "%s", diag.text);
    free(data.x.owned);
    graph_free(net.g);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("recipe");
    TCase *tcase = tcase_create("recipe");
    tcase_add_loop_test(tcase, test_senseless, 0, (int)ARRAY_SIZE(senseless));
    tcase_add_test(tcase, test_too_large);
    tcase_add_test(tcase, test_empty);
    tcase_add_loop_test(tcase, test_misfits, 0, (int)ARRAY_SIZE(misfits));
    tcase_add_loop_test(tcase, test_weights_that_are_no_numbers, 0, (int)ARRAY_SIZE(unusable));
    tcase_add_loop_test(tcase, test_extreme_data, 0, (int)ARRAY_SIZE(extremes));
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
