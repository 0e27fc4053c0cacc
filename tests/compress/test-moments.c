/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments of layers' inputs against sums made the plain way: what a layer reads is found by running it once for each of
 * its weights, with that weight 1 and the others 0.
 */

#include "compress/moments.h"

#include <stdio.h>

#include "compress/linalg.h"
#include "compress/pass.h"
#include "compress/rows.h"
#include "tests/compress/nets.h"

#define SAMPLES 5

static bool skipped(void) {
    if (linalg_ready(NULL) == 0)
        return false;
    printf("SKIPPED: OpenBLAS is not there\n");
    return true;
}

/* x [1, 7, 6, 4] -> one layer -> y, no activation. */
static struct graph *one_layer(int kind, int32_t stride) {
    struct net net = net_new(11);
    int32_t x = net_input(&net, 4, NET_DIMS(1, 7, 6, 4));
    if (kind == 0)
        return net_done(&net, net_conv(&net, x, 3, 3, stride, ACT_NONE));
    if (kind == 1)
        return net_done(&net, net_depthwise(&net, x, 2, 3, stride, ACT_NONE));
    if (kind == 2) /* two groups of two channels */
        return net_done(&net,
                        net_window(&net, OP_CONV_2D, x, 6, NET_DIMS(6, 3, 1, 2), stride, ACT_NONE));
    return net_done(&net, net_dense(&net, x, 5, ACT_NONE));
}

/* What weight k of channel c is multiplied with, at all positions of all samples: the layer's result for that unit. */
static size_t unit_run(const struct graph *graph, const struct dataset *data, uint32_t c,
                       uint32_t k, float *ret_values) {
    struct graph *copy;
    struct layers layers;
    ck_assert_int_eq(graph_copy(graph, &copy), 0);
    ck_assert_int_eq(layers_find(copy, &layers), 0);
    struct layer *layer = &layers.items[0];
    float *w = layer_edit_weights(copy, layer), *b = layer_edit_bias(copy, layer);
    memset(w, 0, layer_weights(copy, layer)->size);
    memset(b, 0, layer->out * sizeof(*b));
    w[layer_index(layer, c, k)] = 1;
    size_t size = tensor_elements(&copy->tensors[copy->outputs[0]]), n = 0;
    float *out = malloc(size * sizeof(*out));
    for (size_t s = 0; s < data->n; s++) {
        net_run(copy, (const float *)data->x.data + s * data->per_sample, out);
        for (size_t i = c; i < size; i += layer->out)
            ret_values[n++] = out[i];
    }
    free(out);
    graph_free(copy);
    return n;
}

static void check_channel(const struct graph *graph, const struct dataset *data,
                          const struct moments *m, uint32_t c) {
    enum { MAX_ROWS = 42 * SAMPLES, MAX_DEPTH = 36 };
    static float seen[MAX_DEPTH][MAX_ROWS];
    size_t n = 0, first = moments_group(m, c) * m->depth;
    ck_assert_uint_le(m->depth, MAX_DEPTH);
    for (uint32_t k = 0; k < m->depth; k++)
        n = unit_run(graph, data, c, k, seen[k]);
    ck_assert_uint_eq(m->rows, n);
    for (size_t i = 0; i < m->depth; i++) {
        double sum = 0, sum_abs = 0;
        for (size_t s = 0; s < n; s++) {
            sum += (double)seen[i][s];
            sum_abs += fabs((double)seen[i][s]);
        }
        ck_assert(fabs(sum - m->sum[first + i]) < 1e-6);
        ck_assert(fabs(sum_abs - m->sum_abs[first + i]) < 1e-6);
        for (size_t j = 0; j < m->depth; j++) {
            double product = 0;
            for (size_t s = 0; s < n; s++)
                product += (double)seen[i][s] * (double)seen[j][s];
            ck_assert(fabs(product - moments_gram(m, c)[i * m->depth + j]) < 1e-4);
            if (i == j)
                ck_assert(fabs(product - m->sum_square[first + i]) < 1e-6);
        }
    }
}

static struct moments *collect(struct graph *graph, const struct dataset *data, unsigned what,
                               struct layers *ret_layers) {
    struct diag diag = {.text = ""};
    struct pass_context context = {.graph = graph, .calibration = data, .diag = &diag};
    struct moments *m = NULL;
    ck_assert_int_eq(layers_find(graph, ret_layers), 0);
    ck_assert_msg(moments_collect(&context, ret_layers, 0, what, &m) == 0, "%s", diag.text);
    return m;
}

START_TEST(test_layers) {
    struct graph *graph = one_layer(_i / 2, 1 + _i % 2);
    struct dataset data = net_data(graph, SAMPLES, 21);
    struct layers layers;
    if (!skipped()) {
        struct moments *m = collect(graph, &data, MOMENTS_GRAM, &layers);
        check_channel(graph, &data, m, 0);
        check_channel(graph, &data, m, layers.items[0].out - 1);
        moments_free(m, layers.n);
    }
    free(data.x.owned);
    graph_free(graph);
}
END_TEST

/* Several layers, two of which read the same tensor; sums of results. */
START_TEST(test_output) {
    struct net net = net_new(12);
    int32_t x = net_input(&net, 4, NET_DIMS(1, 5, 5, 2));
    int32_t a = net_conv(&net, x, 4, 3, 1, ACT_RELU), b = net_conv(&net, x, 4, 1, 1, ACT_NONE);
    int32_t sum = net_same(&net, OP_ADD, a, b);
    struct graph *graph = net_done(&net, net_conv(&net, sum, 3, 1, 1, ACT_NONE));
    struct dataset data = net_data(graph, SAMPLES, 22);
    struct layers layers;
    struct moments *m = collect(graph, &data, MOMENTS_OUTPUT, &layers);
    double sums[3] = {0}, squares[3] = {0};
    float out[75];
    ck_assert_uint_eq(layers.n, 3);
    for (size_t s = 0; s < SAMPLES; s++) {
        net_run(graph, (const float *)data.x.data + s * data.per_sample, out);
        for (size_t i = 0; i < 75; i++) {
            sums[i % 3] += (double)out[i];
            squares[i % 3] += (double)out[i] * (double)out[i];
        }
    }
    for (size_t c = 0; c < 3; c++) {
        ck_assert(fabs(m[2].out_sum[c] - sums[c]) < 1e-4);
        ck_assert(fabs(m[2].out_sum_square[c] - squares[c]) < 1e-4);
    }
    ck_assert_uint_eq(m[2].out_rows, 25 * SAMPLES);
    ck_assert_ptr_null(m[2].gram);
    /* the 1 x 1 window reads what is in the middle of the 3 x 3 one */
    for (size_t k = 0; k < 2; k++)
        ck_assert(fabs(m[1].sum[k] - m[0].sum[8 + k]) < 1e-9);
    moments_free(m, layers.n);
    free(data.x.owned);
    graph_free(graph);
}
END_TEST

/* More positions than are looked at: as many as allowed, each about as often, the same every time. */
START_TEST(test_subsampled) {
    enum { SIDE = 64, MANY = 40 };
    struct net net = net_new(13);
    int32_t x = net_input(&net, 4, NET_DIMS(1, SIDE, SIDE, 1));
    struct graph *graph = net_done(&net, net_conv(&net, x, 1, 1, 1, ACT_NONE));
    struct dataset data = net_data(graph, MANY, 23);
    float *values = data.x.owned;
    struct layers layers;
    for (size_t i = 0; i < data.x.n; i++) /* the column, a picture's corner to find */
        values[i] = (float)(i % SIDE);
    struct moments *m = collect(graph, &data, 0, &layers);
    ck_assert_uint_eq(m->rows, ROWS_MIN / MANY * MANY);
    ck_assert(fabs(m->sum[0] / (double)m->rows - (SIDE - 1) / 2.0) < 0.05);
    struct moments *again = collect(graph, &data, 0, &layers);
    ck_assert(memcmp(m->sum, again->sum, sizeof(double)) == 0);
    moments_free(m, 1);
    moments_free(again, 1);
    free(data.x.owned);
    graph_free(graph);
}
END_TEST

START_TEST(test_refusals) {
    struct graph *graph = one_layer(0, 1), *other = one_layer(3, 1);
    struct dataset data = net_data(graph, 2, 24);
    struct diag diag = {.text = ""};
    struct pass_context context = {.graph = other, .diag = &diag};
    struct layers layers;
    struct moments *m;
    ck_assert_int_eq(layers_find(other, &layers), 0);
    ck_assert_int_eq(moments_collect(&context, &layers, 0, 0, &m), COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "--calibrate"));
    data.per_sample--;
    context.calibration = &data;
    ck_assert_int_eq(moments_collect(&context, &layers, 0, 0, &m), COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "167 values"));
    free(data.x.owned);
    graph_free(graph);
    graph_free(other);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("moments");
    TCase *tc = tcase_create("moments");
    tcase_add_loop_test(tc, test_layers, 0, 7);
    tcase_add_test(tc, test_output);
    tcase_add_test(tc, test_subsampled);
    tcase_add_test(tc, test_refusals);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
