/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured pruning: a network without some channels computes what the whole one does with those channels at zero; the
 * choice of channels against least squares on the samples; and the pass as a recipe runs it.
 */

#include <check.h>
#include <stdio.h>

#include "compress/channels.h"
#include "compress/linalg.h"
#include "compress/moments.h"
#include "compress/pass.h"
#include "compress/prune-greedy.h"
#include "compress/recipe.h"
#include "tests/compress/nets.h"

#define MAX_OUT 64

static bool skipped(void) {
    if (linalg_ready(NULL) == 0)
        return false;
    printf("SKIPPED: OpenBLAS is not there\n");
    return true;
}

/* ---- networks ---- */

static int32_t pool(struct net *net, int32_t x) {
    const int32_t *d = net->g->tensors[x].dims;
    struct op op = {.kind = OP_MAX_POOL_2D,
                    .pool = {.kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2}};
    return net_op(net, &op, &x, 1, 4, NET_DIMS(1, d[1] / 2, d[2] / 2, d[3]));
}

static struct graph *plain(void) {
    struct net net = net_new(81);
    int32_t x = net_input(&net, 4, NET_DIMS(1, 8, 6, 2));
    x = pool(&net, net_conv(&net, x, 6, 3, 1, ACT_RELU));
    x = net_flatten(&net, net_conv(&net, x, 5, 3, 1, ACT_RELU6));
    x = net_dense(&net, x, 9, ACT_RELU);
    return net_done(&net, net_dense(&net, x, 4, ACT_NONE));
}

/* Two blocks, the second with a shortcut of its own. */
static struct graph *residual(void) {
    struct net net = net_new(82);
    int32_t x = net_input(&net, 4, NET_DIMS(1, 6, 6, 3));
    x = net_conv(&net, x, 8, 3, 1, ACT_RELU);
    int32_t y = net_conv(&net, x, 7, 3, 1, ACT_RELU);
    y = net_conv(&net, y, 8, 3, 1, ACT_NONE);
    x = net_same(&net, OP_RELU, net_same(&net, OP_ADD, x, y), GRAPH_NONE);
    y = net_conv(&net, x, 10, 3, 2, ACT_RELU);
    y = net_conv(&net, y, 12, 3, 1, ACT_NONE);
    x = net_conv(&net, x, 12, 1, 2, ACT_NONE);
    x = net_same(&net, OP_SUB, x, y);
    struct op mean = {.kind = OP_MEAN, .mean = {.axes = 6}};
    x = net_op(&net, &mean, &x, 1, 2, NET_DIMS(1, 12));
    return net_done(&net, net_dense(&net, x, 5, ACT_NONE));
}

/* Branches beside each other, and added to another layer as a whole. */
static struct graph *branches(void) {
    struct net net = net_new(83);
    int32_t x = net_input(&net, 4, NET_DIMS(1, 5, 5, 3));
    int32_t a = net_conv(&net, x, 4, 3, 1, ACT_RELU), b = net_conv(&net, x, 6, 1, 1, ACT_RELU);
    int32_t c = net_conv(&net, x, 10, 3, 1, ACT_NONE);
    struct op concat = {.kind = OP_CONCATENATION, .axis = {3}};
    int32_t ab = net_op(&net, &concat, NET_DIMS(a, b), 2, 4, NET_DIMS(1, 5, 5, 10));
    int32_t sum = net_same(&net, OP_ADD, ab, c);
    int32_t all = net_op(&net, &concat, NET_DIMS(sum, x, a), 3, 4, NET_DIMS(1, 5, 5, 17));
    return net_done(&net, net_conv(&net, all, 2, 3, 2, ACT_NONE));
}

/* Depthwise with a multiplier, padding, a product with a constant for each channel, one value for all channels. */
static struct graph *depthwise(void) {
    struct net net = net_new(84);
    int32_t x = net_input(&net, 4, NET_DIMS(1, 6, 5, 2));
    x = net_conv(&net, x, 6, 3, 1, ACT_RELU);
    x = net_depthwise(&net, x, 2, 3, 1, ACT_RELU);
    struct op pad = {.kind = OP_PAD, .pad = {.before = {0, 1, 0, 0}, .after = {0, 0, 2, 0}}};
    x = net_op(&net, &pad, &x, 1, 4, NET_DIMS(1, 7, 7, 12));
    x = net_same(&net, OP_MUL, x, net_tensor(&net, TENSOR_CONST, 1, NET_DIMS(12)));
    x = net_depthwise(&net, x, 1, 3, 2, ACT_NONE);
    int32_t y = net_conv(&net, x, 7, 1, 1, ACT_RELU), one = net_conv(&net, x, 1, 1, 1, ACT_NONE);
    y = net_same(&net, OP_MUL, y, one);
    return net_done(&net, net_dense(&net, y, 3, ACT_NONE));
}

/* Parts of the channels, and rows of the picture. */
static struct graph *parts(void) {
    struct net net = net_new(85);
    int32_t x = net_input(&net, 4, NET_DIMS(1, 4, 4, 2)), y[2];
    x = net_conv(&net, x, 8, 3, 1, ACT_RELU);
    struct op slice = {.kind = OP_STRIDED_SLICE,
                       .slice = {.stride = {1, 2, 1, 1}, .count = {1, 2, 4, 8}}};
    x = net_op(&net, &slice, &x, 1, 4, NET_DIMS(1, 2, 4, 8));
    struct op split = {.kind = OP_SPLIT, .axis = {3}, .n_inputs = 1, .n_outputs = 2};
    y[0] = net_tensor(&net, TENSOR_ACTIVATION, 4, NET_DIMS(1, 2, 4, 3));
    y[1] = net_tensor(&net, TENSOR_ACTIVATION, 4, NET_DIMS(1, 2, 4, 5));
    ck_assert_int_eq(graph_add_op(net.g, &split, &x, y), 0);
    int32_t a = net_conv(&net, y[0], 6, 1, 1, ACT_RELU),
            b = net_conv(&net, y[1], 6, 1, 1, ACT_NONE);
    struct op swap = {.kind = OP_TRANSPOSE, .transpose = {{0, 2, 1, 3}}};
    x = net_same(&net, OP_ADD, a, b);
    x = net_op(&net, &swap, &x, 1, 4, NET_DIMS(1, 4, 2, 6));
    struct op flat = {.kind = OP_FULLY_CONNECTED};
    int32_t w = net_tensor(&net, TENSOR_CONST, 2, NET_DIMS(5, 48));
    int32_t bias = net_tensor(&net, TENSOR_CONST, 1, NET_DIMS(5));
    x = net_op(&net, &flat, NET_DIMS(x, w, bias), 3, 2, NET_DIMS(1, 5));
    return net_done(&net, net_dense(&net, x, 4, ACT_NONE));
}

static struct graph *(*const networks[])(void) = {plain, residual, branches, depthwise, parts};

/* ---- removal ---- */

/* The layers' channels of removed units compute zeros. */
static void zero_channels(struct graph *graph, const struct channels *channels,
                          const bool *removed) {
    struct layers layers;
    ck_assert_int_eq(layers_find(graph, &layers), 0);
    for (uint32_t i = 0; i < layers.n; i++) {
        struct layer *l = &layers.items[i];
        float *w = layer_edit_weights(graph, l), *b = layer_edit_bias(graph, l);
        for (uint32_t c = 0; c < l->out; c++) {
            uint32_t unit = channels_output(channels, &channels->layers.items[i], c);
            if (unit == CHANNEL_STAYS || !removed[unit])
                continue;
            b[c] = 0;
            for (uint32_t k = 0; k < l->depth; k++)
                w[layer_index(l, c, k)] = 0;
        }
    }
}

static double difference(const struct graph *a, const struct graph *b, const struct dataset *data) {
    float ya[MAX_OUT], yb[MAX_OUT];
    size_t n = tensor_elements(&a->tensors[a->outputs[0]]);
    double largest = 0;
    ck_assert_uint_le(n, MAX_OUT);
    ck_assert_uint_eq(n, tensor_elements(&b->tensors[b->outputs[0]]));
    for (size_t s = 0; s < data->n; s++) {
        const float *x = (const float *)data->x.data + s * data->per_sample;
        net_run(a, x, ya);
        net_run(b, x, yb);
        for (size_t i = 0; i < n; i++)
            largest = MAX(largest, fabs((double)(ya[i] - yb[i])) / MAX(1.0, fabs((double)ya[i])));
    }
    return largest;
}

static uint64_t macs_of(const struct graph *graph) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < graph->n_ops; i++)
        sum += graph_op_macs(graph, &graph->ops[i]);
    return sum;
}

/* Any units but the first of each group may go. */
START_TEST(test_removal) {
    struct random random = {(uint64_t)_i + 90};
    struct graph *graph = networks[_i / 4](), *zeroed;
    struct dataset data = net_data(graph, 3, 91);
    struct channels channels;
    struct layers all;
    ck_assert_int_eq(layers_find(graph, &all), 0);
    ck_assert_int_eq(channels_find(graph, &all, &channels), 0);
    ck_assert_uint_gt(channels.n_units, 0);
    bool *removed = calloc(channels.n_units, 1), *seen = calloc(channels.n_groups, 1);
    size_t n = 0;
    for (uint32_t u = 0; u < channels.n_units; u++) {
        removed[u] = seen[channels.groups[u]] && random_below(&random, 2);
        seen[channels.groups[u]] = true;
        n += removed[u];
    }
    uint64_t expected = channels_macs(&channels, removed), before = macs_of(graph);
    ck_assert_int_eq(graph_copy(graph, &zeroed), 0);
    zero_channels(zeroed, &channels, removed);
    ck_assert_int_eq(channels_remove(&channels, removed), 0);
    ck_assert_int_eq(graph_sweep(graph), 0);
    double error = difference(zeroed, graph, &data);
    ck_assert_msg(error < 1e-5, "network %d: %g", _i / 4, error);
    ck_assert_uint_eq(macs_of(graph), expected);
    ck_assert(n == 0 || expected < before);
    channels_deinit(&channels);
    free(removed);
    free(seen);
    free(data.x.owned);
    graph_free(graph);
    graph_free(zeroed);
}
END_TEST

START_TEST(test_groups) {
    static const struct {
        uint32_t units, groups;
    } expected[] = {
        {6 + 5 + 9, 3},       /* both convolutions and the hidden layer, not the last one */
        {8 + 7 + 10 + 12, 4}, /* stem and first block, inside each block, both ways of the second */
        {10, 1},              /* one concatenation is added to a layer: all three are one group */
        {6 + 7, 2},           /* depthwise layers go with what they read; the one value stays */
        {8 + 6 + 5, 3},
    };
    struct graph *graph = networks[_i]();
    struct channels channels;
    struct layers all;
    ck_assert_int_eq(layers_find(graph, &all), 0);
    ck_assert_int_eq(channels_find(graph, &all, &channels), 0);
    ck_assert_uint_eq(channels.n_units, expected[_i].units);
    ck_assert_uint_eq(channels.n_groups, expected[_i].groups);
    channels_deinit(&channels);
    graph_free(graph);
}
END_TEST

/* ---- the choice ---- */

/* One convolution 1 x 1, then one: mean squared error of the second without input `gone`, refitted, relative to each
 * output's variance. */
static double plain_cost(const float *rows, size_t n, size_t depth, size_t gone, const float *w,
                         size_t out) {
    double *a = calloc(n * depth, sizeof(*a)), *b = calloc(n, sizeof(*b)), x[16], total = 0;
    for (size_t c = 0; c < out; c++) {
        double error = 0, mean = 0, variance = 0;
        for (size_t i = 0; i < n; i++) {
            b[i] = 0;
            for (size_t k = 0; k < depth; k++) {
                b[i] += (double)w[c * depth + k] * (double)rows[i * depth + k];
                a[i * depth + k] = k == gone ? 1 : (double)rows[i * depth + k]; /* the bias */
            }
            mean += b[i] / (double)n;
        }
        ck_assert_int_eq(linalg_least_squares(n, depth, 1, a, b, 1e-12, x, NULL), 0);
        for (size_t i = 0; i < n; i++) {
            double fit = 0;
            for (size_t k = 0; k < depth; k++)
                fit += a[i * depth + k] * x[k];
            error += (b[i] - fit) * (b[i] - fit);
            variance += (b[i] - mean) * (b[i] - mean);
        }
        total += error / variance;
    }
    free(a);
    free(b);
    return total;
}

START_TEST(test_greedy) {
    enum { DEPTH = 6, OUT = 4, SAMPLES = 12, POSITIONS = 9 };
    struct net net = net_new(95);
    int32_t x = net_input(&net, 4, NET_DIMS(1, 3, 3, 3));
    int32_t middle = net_conv(&net, x, DEPTH, 1, 1, ACT_RELU);
    struct graph *graph = net_done(&net, net_conv(&net, middle, OUT, 1, 1, ACT_NONE)), *front;
    struct dataset data = net_data(graph, SAMPLES, 96);
    struct pass_context context = {.graph = graph, .calibration = &data};
    struct channels channels;
    struct layers all;
    struct moments *moments;
    uint32_t order[DEPTH];
    float rows[SAMPLES * POSITIONS * DEPTH];
    if (skipped())
        return;
    ck_assert_int_eq(layers_find(graph, &all), 0);
    ck_assert_int_eq(channels_find(graph, &all, &channels), 0);
    ck_assert_uint_eq(channels.n_units, DEPTH);
    ck_assert_int_eq(moments_collect(&context, &channels.layers, 0, MOMENTS_GRAM, &moments), 0);
    ck_assert_int_eq(greedy_order(&channels, moments, 0, order, NULL), 0);
    ck_assert_int_eq(graph_copy(graph, &front), 0);
    front->outputs[0] = middle;
    front->tensors[middle].name = "middle";
    ck_assert_int_eq(graph_sweep(front), 0);
    for (size_t s = 0; s < SAMPLES; s++)
        net_run(front, (const float *)data.x.data + s * data.per_sample,
                rows + s * POSITIONS * DEPTH);
    const float *w = layer_weights(graph, &all.items[1])->data;
    size_t best = 0;
    double least = INFINITY;
    for (size_t k = 0; k < DEPTH; k++) {
        double cost = plain_cost(rows, (size_t)SAMPLES * POSITIONS, DEPTH, k, w, OUT);
        if (cost < least) {
            least = cost;
            best = k;
        }
    }
    ck_assert_uint_eq(order[0], best);
    uint32_t seen = 0;
    for (size_t i = 0; i < DEPTH; i++)
        seen |= 1U << order[i];
    ck_assert_uint_eq(seen, (1U << DEPTH) - 1);
    moments_free(moments, all.n);
    channels_deinit(&channels);
    free(data.x.owned);
    graph_free(graph);
    graph_free(front);
}
END_TEST

/* ---- the pass ---- */

static int run_recipe(struct graph **graph, const struct dataset *data, const char *options,
                      struct diag *diag) {
    _cleanup_(recipe_freep) struct recipe *recipe = NULL;
    char text[512];
    snprintf(text, sizeof(text), "{\"steps\":[{\"pass\":\"prune-structure\",%s}]}", options);
    int r = recipe_parse(text, strlen(text), &recipe, diag);
    return r ? r : recipe_run(recipe, graph, data, TIER_C, NULL, NULL, diag);
}

static uint32_t outputs_of(struct graph *graph, const char *name) {
    struct layers layers;
    ck_assert_int_eq(layers_find(graph, &layers), 0);
    ck_assert_ptr_nonnull(layers_get(&layers, name));
    return layers_get(&layers, name)->out;
}

START_TEST(test_counts) {
    static const struct {
        const char *options;
        uint32_t conv1, conv2, dense1, dense2;
    } cases[] = {
        {"\"fraction\":0.5", 3, 3, 5, 4},
        {"\"fraction\":0.5,\"multiple\":4", 4, 4, 8, 4},
        {"\"fraction\":0.999", 1, 1, 1, 4},
        {"\"fraction\":0.999,\"minimum\":4,\"criterion\":\"l2\"", 4, 4, 4, 4},
        {"\"fraction\":0.4,\"layers\":[\"conv2\"],\"criterion\":\"attention\"", 6, 3, 9, 4},
        {"\"fraction\":0.34,\"except\":[\"conv*\"]", 6, 5, 6, 4},
    };
    struct graph *graph = plain();
    struct dataset data = net_data(graph, 4, 97);
    struct diag diag = {.text = ""};
    ck_assert_msg(run_recipe(&graph, &data, cases[_i].options, &diag) == 0, "%s", diag.text);
    ck_assert_uint_eq(outputs_of(graph, "conv1"), cases[_i].conv1);
    ck_assert_uint_eq(outputs_of(graph, "conv2"), cases[_i].conv2);
    ck_assert_uint_eq(outputs_of(graph, "dense1"), cases[_i].dense1);
    ck_assert_uint_eq(outputs_of(graph, "dense2"), cases[_i].dense2);
    free(data.x.owned);
    graph_free(graph);
}
END_TEST

/* The filters of least norm go. */
START_TEST(test_norm) {
    struct graph *graph = plain();
    struct diag diag = {.text = ""};
    struct layers layers;
    float last;
    ck_assert_int_eq(layers_find(graph, &layers), 0);
    struct layer *l = &layers.items[0];
    float *w = layer_edit_weights(graph, l);
    for (uint32_t c = 0; c < l->out; c++)
        for (uint32_t k = 0; k < l->depth; k++)
            w[layer_index(l, c, k)] *= c == 2 ? 0.01F : c == 4 ? 0.02F : 1;
    last = w[layer_index(l, 5, 0)];
    ck_assert_int_eq(run_recipe(&graph, NULL, "\"fraction\":0.3,\"layers\":[\"conv1\"]", &diag), 0);
    ck_assert_int_eq(layers_find(graph, &layers), 0);
    l = &layers.items[0];
    const float *now = layer_weights(graph, l)->data;
    ck_assert_uint_eq(l->out, 5);
    ck_assert(now[layer_index(l, 4, 0)] == last);
    for (uint32_t c = 0; c < l->out; c++)
        ck_assert((fabsf(now[layer_index(l, c, 0)]) < 0.02F) == (c == 3)); /* channel 4 */
    graph_free(graph);
}
END_TEST

START_TEST(test_macs) {
    struct graph *graph = networks[_i]();
    struct diag diag = {.text = ""};
    uint64_t before = macs_of(graph);
    ck_assert_msg(run_recipe(&graph, NULL, "\"macs\":0.6", &diag) == 0, "%s", diag.text);
    ck_assert(macs_of(graph) <= 0.6 * (double)before);
    ck_assert(macs_of(graph) >= 0.25 * (double)before);
    graph_free(graph);
}
END_TEST

/* Channel 0 of a residual stream is made twice channel 1 of it: without loss it can go, and does first. */
START_TEST(test_reconstruct) {
    struct net net = net_new(98);
    int32_t x = net_input(&net, 4, NET_DIMS(1, 6, 6, 3));
    x = net_conv(&net, x, 6, 3, 1, ACT_RELU);
    x = net_depthwise(&net, x, 1, 1, 1, ACT_NONE);
    x = net_conv(&net, x, 4, 3, 2, ACT_RELU);
    struct graph *graph = net_done(&net, net_conv(&net, x, 3, 1, 1, ACT_NONE)), *original;
    struct dataset data = net_data(graph, 40, 99);
    struct diag diag = {.text = ""};
    struct layers layers;
    if (skipped())
        return;
    ck_assert_int_eq(layers_find(graph, &layers), 0);
    for (size_t i = 0; i < 2; i++) { /* the depthwise layer keeps it so */
        struct layer *l = &layers.items[i];
        float *w = layer_edit_weights(graph, l), *b = layer_edit_bias(graph, l);
        for (uint32_t k = 0; k < l->depth; k++)
            w[layer_index(l, 0, k)] = (i ? 1 : 2) * w[layer_index(l, 1, k)];
        b[0] = 2 * b[1];
    }
    ck_assert_int_eq(graph_copy(graph, &original), 0);
    ck_assert_msg(run_recipe(&graph, &data,
                             "\"fraction\":0.17,\"criterion\":\"reconstruction\","
                             "\"layers\":[\"conv1\"],\"reconstruct\":true,\"damping\":1e-9",
                             &diag) == 0,
                  "%s", diag.text);
    ck_assert_uint_eq(outputs_of(graph, "conv1"), 5);
    ck_assert_uint_eq(outputs_of(graph, "depthwise1"), 5);
    double error = difference(original, graph, &data);
    ck_assert_msg(error < 1e-3, "%g", error);
    free(data.x.owned);
    graph_free(graph);
    graph_free(original);
}
END_TEST

START_TEST(test_refusals) {
    static const struct {
        const char *options, *says;
    } cases[] = {
        {"\"damping\":0", "steps[0]: fraction: give it or macs, above 0"},
        {"\"fraction\":0.5,\"macs\":0.5", "steps[0]: fraction: give it or macs, not both"},
        {"\"fraction\":1.1", "steps[0].fraction must be from 0"},
        {"\"fraction\":0.5,\"minimum\":0", "steps[0].minimum must be from 1"},
        {"\"fraction\":0.5,\"layers\":[\"conv7\"]", "steps[0]: layers[0]: no layer"},
        {"\"fraction\":0.5,\"layers\":[\"dense2\"]", "steps[0]: layers: none of them has"},
        {"\"macs\":0.9,\"minimum\":64", "steps[0]: macs: 0.9 of them cannot be reached"},
        {"\"fraction\":0.5,\"criterion\":\"attention\"", "steps[0]: needs calibration data"},
        {"\"fraction\":0.5,\"reconstruct\":true", "steps[0]: needs calibration data"},
    };
    struct graph *graph = plain();
    struct diag diag = {.text = ""};
    ck_assert_int_eq(run_recipe(&graph, NULL, cases[_i].options, &diag), COMPRESS_E_INVALID);
    ck_assert_msg(strstr(diag.text, cases[_i].says), "%s", diag.text);
    graph_free(graph);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("prune-structure");
    TCase *tc = tcase_create("prune-structure");
    tcase_add_loop_test(tc, test_removal, 0, 20);
    tcase_add_loop_test(tc, test_groups, 0, 5);
    tcase_add_test(tc, test_greedy);
    tcase_add_loop_test(tc, test_counts, 0, 6);
    tcase_add_test(tc, test_norm);
    tcase_add_loop_test(tc, test_macs, 0, 5);
    tcase_add_test(tc, test_reconstruct);
    tcase_add_loop_test(tc, test_refusals, 0, 9);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
