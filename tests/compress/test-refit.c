/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refit of a network: what later layers can make up for exactly, they do.
 */

#include "compress/refit.h"

#include <check.h>
#include <stdio.h>

#include "compress/linalg.h"
#include "compress/pass.h"
#include "tests/compress/nets.h"

#define SAMPLES 80

static bool skipped(void) {
    if (linalg_ready(NULL) == 0)
        return false;
    printf("SKIPPED: OpenBLAS is not there\n");
    return true;
}

/* Channel `c` of a layer becomes `factor` times channel `of`. */
static void copy_channel(struct graph *graph, struct layer *l, uint32_t c, uint32_t of,
                         float factor) {
    float *w = layer_edit_weights(graph, l), *b = layer_edit_bias(graph, l);
    for (uint32_t k = 0; k < l->depth; k++)
        w[layer_index(l, c, k)] = factor * w[layer_index(l, of, k)];
    b[c] = factor * b[of];
}

/* Channel 0 of the first layer is twice channel 1; a depthwise layer after it treats both alike. */
static void make_redundant(struct graph *graph) {
    struct layers layers;
    ck_assert_int_eq(layers_find(graph, &layers), 0);
    copy_channel(graph, &layers.items[0], 0, 1, 2);
    for (uint32_t c = 0; layers.items[1].depthwise && c < 2; c++) {
        struct layer *l = &layers.items[1];
        copy_channel(graph, l, c, c + 2, 1);
        float *b = layer_edit_bias(graph, l);
        b[c] *= 2;
    }
}

/* Without channel 0, which its bias alone remains of. */
static void clear_channel(struct graph *graph) {
    struct layers layers;
    ck_assert_int_eq(layers_find(graph, &layers), 0);
    struct layer *l = &layers.items[0];
    float *w = layer_edit_weights(graph, l);
    for (uint32_t k = 0; k < l->depth; k++)
        w[layer_index(l, 0, k)] = 0;
}

static struct graph *network(int kind) {
    struct net net = net_new(71);
    int32_t x = net_input(&net, 4, NET_DIMS(1, 6, 6, 2));
    x = net_conv(&net, x, 5, 3, 1, ACT_RELU);
    if (kind == 1)
        x = net_depthwise(&net, x, 2, 3, 1, ACT_NONE);
    x = net_conv(&net, x, 3, 3, 2, ACT_RELU);
    if (kind == 2)
        x = net_flatten(&net, x);
    return net_done(&net, net_dense(&net, x, 4, ACT_NONE));
}

static double difference(const struct graph *a, const struct graph *b, const struct dataset *data) {
    float ya[36], yb[36];
    size_t n = tensor_elements(&a->tensors[a->outputs[0]]);
    double largest = 0;
    for (size_t s = 0; s < data->n; s++) {
        const float *x = (const float *)data->x.data + s * data->per_sample;
        net_run(a, x, ya);
        net_run(b, x, yb);
        for (size_t i = 0; i < n; i++)
            largest = MAX(largest, fabs((double)(ya[i] - yb[i])));
    }
    return largest;
}

START_TEST(test_redundant) {
    struct graph *original = network(_i), *changed;
    struct dataset data = net_data(original, SAMPLES, 72), other = net_data(original, 5, 73);
    struct diag diag = {.text = ""};
    if (skipped())
        return;
    make_redundant(original);
    ck_assert_int_eq(graph_copy(original, &changed), 0);
    clear_channel(changed);
    ck_assert(difference(original, changed, &other) > 0.1);
    struct pass_context context = {.graph = changed, .calibration = &data, .diag = &diag};
    ck_assert_msg(refit_network(&context, original, 0, 1e-9, NULL, NULL) == 0, "%s", diag.text);
    double after = difference(original, changed, &other);
    ck_assert_msg(after < 1e-3, "%g", after);
    free(data.x.owned);
    free(other.x.owned);
    graph_free(original);
    graph_free(changed);
}
END_TEST

/* A network that was not changed stays as it is, zeros and all. */
START_TEST(test_unchanged) {
    struct graph *original = network(_i), *same;
    struct dataset data = net_data(original, SAMPLES, 74);
    struct diag diag = {.text = ""};
    struct layers layers;
    if (skipped())
        return;
    clear_channel(original);
    ck_assert_int_eq(graph_copy(original, &same), 0);
    struct pass_context context = {.graph = same, .calibration = &data, .diag = &diag};
    ck_assert_msg(refit_network(&context, original, 0, 0.001, NULL, NULL) == 0, "%s", diag.text);
    ck_assert_int_eq(layers_find(same, &layers), 0);
    const float *w = layer_weights(same, layers.items)->data;
    for (uint32_t k = 0; k < layers.items[0].depth; k++)
        ck_assert(w[k] == 0);
    ck_assert(difference(original, same, &data) < 1e-3);
    free(data.x.owned);
    graph_free(original);
    graph_free(same);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("refit");
    TCase *tc = tcase_create("refit");
    tcase_add_loop_test(tc, test_redundant, 0, 3);
    tcase_add_loop_test(tc, test_unchanged, 0, 3);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
