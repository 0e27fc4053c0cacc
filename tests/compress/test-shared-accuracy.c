/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What quantization costs on real networks and data: our keyword network, an autoencoder, a picture network. Recipes were
 * chosen on validation parts; the bounds are on test parts. Prepared data sets are looked for in $EDGED_SETS.
 */

#include <check.h>
#include <stdio.h>

#include "base/attributes.h"
#include "compress/evaluate.h"
#include "compress/linalg.h"
#include "model/netfile.h"
#include "tests/compress/small.h"
#include "tests/shared.h"

static struct graph *read_network(const char *name) {
    char path[4096];
    struct graph *g;
    struct diag diag;
    snprintf(path, sizeof(path), "%s/%s", shared_dir(), name);
    ck_assert_msg(netfile_read(path, &g, NULL, &diag) == 0, "%s", diag.text);
    return g;
}

static struct dataset read_data(const char *root, const char *name, const char *part) {
    char *path;
    struct dataset data;
    struct diag diag;
    ck_assert_int_gt(asprintf(&path, "%s/%s/%s", root, name, part), 0);
    ck_assert_msg(dataset_open(path, &data, &diag) == 0, "%s", diag.text);
    free(path);
    return data;
}

static size_t correct(const struct graph *g, const struct dataset *data) {
    struct evaluation e = {0};
    struct diag diag;
    struct evaluate_options options = {.metric = METRIC_TOP1};
    ck_assert_msg(evaluate_graph(g, tier_best(), data, &options, &e, &diag) == 0, "%s", diag.text);
    size_t n = e.confusion.correct;
    evaluation_deinit(&e);
    return n;
}

/* ---- the keyword network ---- */

#define KEYWORDS "models/ours/wakeword6/wakeword6_float32.tflite"

static const struct {
    const char *steps;
    double drop; /* at most, percentage points */
} keyword_recipes[] = {
    {"{\"pass\":\"quantize\"}", 0.3},
    {"{\"pass\":\"quantize\",\"rounding\":\"stochastic\"}", 0.5},
    {"{\"pass\":\"quantize-weights\",\"bits\":8,\"granularity\":\"tensor\"}", 0.5},
    {"{\"pass\":\"quantize-weights\",\"bits\":4,\"granularity\":\"group\",\"group\":32}", 1.0},
    {"{\"pass\":\"equalize\"},{\"pass\":\"fixed-point\",\"bits\":8}", 0.5},
    {"{\"pass\":\"equalize\"},{\"pass\":\"fixed-point\",\"bits\":8,\"activations\":8,"
     "\"rounding\":\"adaptive\"}",
     1.0},
};

START_TEST(test_keywords) {
    if (!shared_present(KEYWORDS) || !shared_present("eval/wakeword6/test/x.npy"))
        return;
    struct graph *g = read_network(KEYWORDS);
    struct dataset train = read_data(shared_dir(), "eval/wakeword6", "train");
    struct dataset test = read_data(shared_dir(), "eval/wakeword6", "test");
    struct diag diag;
    size_t before = correct(g, &test);
    ck_assert_msg(small_recipe(&g, keyword_recipes[_i].steps, &train, &diag) == 0, "%s", diag.text);
    size_t after = correct(g, &test);
    double drop = 100 * ((double)before - (double)after) / (double)test.n;
    printf("%s: %zu, before %zu of %zu\n", keyword_recipes[_i].steps, after, before, test.n);
    ck_assert_msg(drop <= keyword_recipes[_i].drop, "%s: %.2f points", keyword_recipes[_i].steps,
                  drop);
    dataset_deinit(&train);
    dataset_deinit(&test);
    graph_free(g);
}
END_TEST

/* ---- the autoencoder ---- */

#define WINDOWS "golden/ad01_fp32/inputs.bin"
enum { WINDOW = 640, CALIBRATION = 96, FIRST_TEST = 100, END_TEST_WINDOWS = 196 };

/* The windows [first, end). */
static struct dataset read_windows(size_t first, size_t end) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", shared_dir(), WINDOWS);
    FILE *file = fopen(path, "rb");
    size_t n = (end - first) * WINDOW;
    float *x = malloc(n * sizeof(*x));
    ck_assert(file && x);
    ck_assert_int_eq(fseek(file, (long)(first * WINDOW * sizeof(*x)), SEEK_SET), 0);
    ck_assert_uint_eq(fread(x, sizeof(*x), n, file), n);
    fclose(file);
    return (struct dataset){.path = WINDOWS,
                            .x = {.dtype = DTYPE_FP32,
                                  .n_dims = 2,
                                  .dims = {end - first, WINDOW},
                                  .n = n,
                                  .size = n * sizeof(*x),
                                  .data = x},
                            .n = end - first,
                            .per_sample = WINDOW};
}

/* 3 dB better than the int8 network that comes with it, on windows that calibration has not seen. */
START_TEST(test_autoencoder) {
    if (!shared_present(WINDOWS))
        return;
    if (linalg_ready(NULL)) {
        printf("SKIPPED: no OpenBLAS\n");
        return;
    }
    struct graph *g = read_network("models/mlperf-tiny/ad01_fp32.tflite");
    struct graph *theirs = read_network("models/mlperf-tiny/ad01_int8.tflite");
    struct dataset train = read_windows(0, CALIBRATION);
    struct dataset test = read_windows(FIRST_TEST, END_TEST_WINDOWS);
    struct diag diag;
    float *want = small_answers(g, &test), *got_theirs = small_answers(theirs, &test);
    const char *step = "{\"pass\":\"quantize\",\"calibration\":\"minmax\",\"rounding\":"
                       "\"adaptive\",\"bias_correction\":true}";
    ck_assert_msg(small_recipe(&g, step, &train, &diag) == 0, "%s", diag.text);
    float *got = small_answers(g, &test);
    double ours = small_sqnr(want, got, test.n * WINDOW);
    double reference = small_sqnr(want, got_theirs, test.n * WINDOW);
    printf("autoencoder: %.2f dB, the reference %.2f dB\n", ours, reference);
    ck_assert_msg(ours >= reference + 3, "%g dB, the reference %g dB", ours, reference);
    free(want);
    free(got);
    free(got_theirs);
    free((void *)train.x.data);
    free((void *)test.x.data);
    graph_free(g);
    graph_free(theirs);
}
END_TEST

/* ---- prepared data sets ---- */

static const struct {
    const char *network, *reference, *set, *step;
    size_t slack; /* samples fewer than the reference: far less than its 95 % interval is wide */
} prepared[] = {
    {"models/mlperf-tiny/pretrainedResnet.tflite",
     "models/mlperf-tiny/pretrainedResnet_quant.tflite", "cifar10",
     "{\"pass\":\"quantize\",\"calibration\":\"mse\",\"rounding\":\"adaptive\"}", 3},
    {"models/ours/lenet300/lenet300_float32.tflite", "models/ours/lenet300/lenet300_int8.tflite",
     "mnist", "{\"pass\":\"quantize\"}", 5},
};

/* Our int8 against the int8 network that others made from the same float one. */
START_TEST(test_prepared) {
    const char *sets = getenv("EDGED_SETS");
    char probe[4096];
    snprintf(probe, sizeof(probe), "%s/%s/test/x.npy", sets ? sets : "", prepared[_i].set);
    if (!shared_present(prepared[_i].network))
        return;
    if (!sets || access(probe, R_OK) || linalg_ready(NULL)) {
        printf("SKIPPED: no prepared %s in $EDGED_SETS, or no OpenBLAS\n", prepared[_i].set);
        return;
    }
    struct graph *g = read_network(prepared[_i].network);
    struct graph *theirs = read_network(prepared[_i].reference);
    struct dataset train = read_data(sets, prepared[_i].set, "train");
    struct dataset test = read_data(sets, prepared[_i].set, "test");
    struct diag diag;
    size_t before = correct(g, &test), reference = correct(theirs, &test);
    ck_assert_msg(small_recipe(&g, prepared[_i].step, &train, &diag) == 0, "%s", diag.text);
    size_t ours = correct(g, &test);
    printf("%s: %zu, float %zu, the reference %zu of %zu\n", prepared[_i].network, ours, before,
           reference, test.n);
    ck_assert_uint_ge(ours + prepared[_i].slack, reference);
    dataset_deinit(&train);
    dataset_deinit(&test);
    graph_free(g);
    graph_free(theirs);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("shared-accuracy");
    TCase *tc = tcase_create("shared-accuracy");
    tcase_add_loop_test(tc, test_keywords, 0, ARRAY_SIZE(keyword_recipes));
    tcase_add_test(tc, test_autoencoder);
    tcase_add_loop_test(tc, test_prepared, 0, ARRAY_SIZE(prepared));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
