/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pass `equalize`: answers stay, ranges become equal, and what must not be scaled is left alone.
 */

#include <check.h>

#include "base/attributes.h"
#include "model/graph-edit.h"
#include "tests/compress/small.h"

/* conv1 (RELU) -> depthwise1, two filters a channel -> RELU -> pool -> conv2 -> flat -> dense1 -> LEAKY_RELU -> dense2 */
static struct graph *chain(void) {
    struct small s = small_begin(31, 4, (const int32_t[]){1, 6, 6, 2});
    small_conv(&s, OP_CONV_2D, 4, 3, ACT_RELU);
    small_conv(&s, OP_DEPTHWISE_CONV_2D, 8, 3, ACT_NONE);
    small_unary(&s, &(struct op){.kind = OP_RELU});
    struct op pool = {.kind = OP_MAX_POOL_2D, .pool = {2, 2, 2, 2, 0, 0, 0, 0}};
    int32_t y = small_activation(&s, NULL, 4, (const int32_t[]){1, 3, 3, 8});
    small_op(&s, &pool, &s.last, 1, y);
    small_conv(&s, OP_CONV_2D, 5, 1, ACT_NONE);
    y = small_activation(&s, NULL, 2, (const int32_t[]){1, 45});
    small_op(&s, &(struct op){.kind = OP_RESHAPE}, &s.last, 1, y);
    small_dense(&s, 7, ACT_NONE);
    small_unary(&s, &(struct op){.kind = OP_LEAKY_RELU, .leaky = {0.1F}});
    small_dense(&s, 3, ACT_NONE);
    return small_end(&s);
}

static struct layers find(struct graph *g) {
    struct layers layers;
    ck_assert_int_eq(layers_find(g, &layers), 0);
    return layers;
}

/* Every other output channel of the layer a thousand times larger. */
static void distort(struct graph *g, const char *name) {
    struct layers layers = find(g);
    const struct layer *l = layers_get(&layers, name);
    float *w = layer_edit_weights(g, l);
    for (uint32_t c = 0; c < l->out; c += 2)
        for (uint32_t k = 0; k < l->depth; k++)
            w[layer_index(l, c, k)] *= 1000;
}

static float range_of_output(struct graph *g, const struct layer *l, uint32_t c) {
    const float *w = layer_weights(g, l)->data;
    float range = 0;
    for (uint32_t k = 0; k < l->depth; k++)
        range = fmaxf(range, fabsf(w[layer_index(l, c, k)]));
    return range;
}

/* Of what reads input channel i, straight from the shapes. */
static float range_of_input(struct graph *g, const struct layer *l, uint32_t i, uint32_t channels) {
    const struct tensor *t = layer_weights(g, l);
    const float *w = t->data;
    float range = 0;
    for (size_t k = 0; k < tensor_elements(t); k++)
        if (l->depthwise ? k % l->out / (l->out / channels) == i : k % l->depth % channels == i)
            range = fmaxf(range, fabsf(w[k]));
    return range;
}

START_TEST(test_chain) {
    struct graph *g = chain();
    struct dataset data = small_data(g, 20, 3);
    struct diag diag;
    distort(g, "conv1");
    distort(g, "conv2");
    float *want = small_answers(g, &data);
    ck_assert_msg(small_recipe(&g, "{\"pass\":\"equalize\"}", NULL, &diag) == 0, "%s", diag.text);
    float *got = small_answers(g, &data);
    double sqnr = small_sqnr(want, got, data.n * 3);
    ck_assert_msg(sqnr > 110, "%g dB", sqnr);
    struct layers layers = find(g);
    ck_assert_uint_eq(layers.n, 5);
    for (uint32_t i = 0; i + 1 < layers.n; i++) {
        const struct layer *a = &layers.items[i], *b = &layers.items[i + 1];
        for (uint32_t c = 0; c < a->out; c++) {
            float x = range_of_output(g, a, c), y = range_of_input(g, b, c, a->out);
            ck_assert_msg(fabsf(x / y - 1) < 0.01F, "%s channel %u: %g and %g", a->name, c,
                          (double)x, (double)y);
        }
    }
    free(want);
    free(got);
    free((void *)data.x.data);
    graph_free(g);
}
END_TEST

/* RELU6 and a sum in between: no factors there. */
static struct graph *no_pairs(bool sum) {
    struct small s = small_begin(31, 4, (const int32_t[]){1, 6, 6, 4});
    small_conv(&s, OP_CONV_2D, 4, 3, sum ? ACT_RELU : ACT_RELU6);
    if (sum)
        small_binary(&s, OP_ADD, s.graph->inputs[0], s.last);
    small_conv(&s, OP_CONV_2D, 4, 1, ACT_NONE);
    small_unary(&s, &(struct op){.kind = OP_RELU});
    return small_end(&s);
}

START_TEST(test_no_pairs) {
    struct graph *g = no_pairs(_i);
    struct diag diag;
    ck_assert_int_eq(small_recipe(&g, "{\"pass\":\"equalize\"}", NULL, &diag), COMPRESS_E_INVALID);
    ck_assert_msg(strstr(diag.text, "steps[0]: layers: none of them is followed") != NULL, "%s",
                  diag.text);
    graph_free(g);
}
END_TEST

/* Layers outside the scope keep their weights. */
START_TEST(test_scope) {
    struct graph *g = chain(), *before = chain();
    struct diag diag;
    const char *step = "{\"pass\":\"equalize\",\"layers\":[\"dense*\"]}";
    ck_assert_msg(small_recipe(&g, step, NULL, &diag) == 0, "%s", diag.text);
    struct layers a = find(g), b = find(before);
    for (uint32_t i = 0; i < a.n; i++) {
        const struct tensor *x = layer_weights(g, &a.items[i]);
        bool same = memcmp(x->data, layer_weights(before, &b.items[i])->data, x->size) == 0;
        ck_assert_int_eq(same, i < 3);
    }
    graph_free(g);
    graph_free(before);
}
END_TEST

START_TEST(test_refused) {
    struct graph *g = chain();
    struct diag diag;
    ck_assert_int_eq(small_recipe(&g, "{\"pass\":\"equalize\",\"sweeps\":0}", NULL, &diag),
                     COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "steps[0].sweeps must be from 1"));
    graph_free(g);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("equalize");
    TCase *tc = tcase_create("equalize");
    tcase_add_test(tc, test_chain);
    tcase_add_loop_test(tc, test_no_pairs, 0, 2);
    tcase_add_test(tc, test_scope);
    tcase_add_test(tc, test_refused);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
