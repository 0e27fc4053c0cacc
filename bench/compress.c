/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each technique of compression gives: bytes, accuracy and latency before and after, one row each; and the curves of
 * bytes against error of the two LeNets, pruned, clustered and coded without training.
 *
 *     bench-compress [--check] [--data DIR] [PART]
 *
 * DIR: prepared data sets (mnist, cifar10), each with train, val and test; the keyword network's are in the shared folder.
 * PART: only rows with that in the network's or the technique's name. --check: exit status 1 where a bound is missed.
 * Calibrated on training parts, accuracies are of test parts; the curves' points are chosen on validation parts.
 */

#include <cjson/cJSON.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "compress/dataset.h"
#include "compress/recipe.h"
#include "compress/report.h"
#include "model/container.h"
#include "model/graph.h"
#include "model/netfile.h"
#include "tests/shared.h"

#define MAX_PATH 4096
#define CURVE_ERROR 0.001 /* the point of a curve that is asked for: so much more error */

struct subject {
    const char *name, *network,
        *data; /* under the shared folder; data without a slash: of --data */
};

enum { KWS, LENET300, LENET5, RESNET8, N_SUBJECTS };
static const struct subject subjects[] = {
    [KWS] = {"keywords", "models/ours/wakeword6/wakeword6_float32.tflite", "eval/wakeword6"},
    [LENET300] = {"LeNet-300-100", "models/ours/lenet300/lenet300_float32.tflite", "mnist"},
    [LENET5] = {"LeNet-5", "models/ours/lenet5/lenet5_float32.tflite", "mnist"},
    [RESNET8] = {"ResNet-8", "models/mlperf-tiny/pretrainedResnet.tflite", "cifar10"},
};

struct row {
    unsigned subject;
    const char *technique, *setting, *steps;
    double max_drop; /* percentage points on test data; 0: no bound */
};

static const struct row rows[] = {
    {KWS, "int8, static", "per channel, ranges by percentile", "{\"pass\":\"quantize\"}", 0.3},
    {KWS, "int8, static", "per tensor", "{\"pass\":\"quantize\",\"granularity\":\"tensor\"}", 0},
    {KWS, "int8, static", "ranges by minimum and maximum",
     "{\"pass\":\"quantize\",\"calibration\":\"minmax\"}", 0},
    {KWS, "int8, static", "ranges by squared error",
     "{\"pass\":\"quantize\",\"calibration\":\"mse\"}", 0},
    {KWS, "int8, static", "ranges by KL", "{\"pass\":\"quantize\",\"calibration\":\"kl\"}", 0},
    {KWS, "int8, static", "stochastic rounding",
     "{\"pass\":\"quantize\",\"rounding\":\"stochastic\"}", 0.5},
    {KWS, "int8, static", "adaptive rounding", "{\"pass\":\"quantize\",\"rounding\":\"adaptive\"}",
     0},
    {KWS, "int8, static", "biases corrected", "{\"pass\":\"quantize\",\"bias_correction\":true}",
     0},
    {KWS, "equalization", "then int8 per tensor",
     "{\"pass\":\"equalize\"},{\"pass\":\"quantize\",\"granularity\":\"tensor\"}", 0},
    {KWS, "mixed precision", "int8, but conv1 and dense1 float",
     "{\"pass\":\"quantize\",\"except\":[\"conv1\",\"dense1\"]}", 0},
    {KWS, "int8, dynamic", "per channel", "{\"pass\":\"quantize-weights\",\"bits\":8}", 0.5},
    {KWS, "int8 weights", "groups of 32",
     "{\"pass\":\"quantize-weights\",\"bits\":8,\"granularity\":\"group\",\"group\":32}", 0},
    {KWS, "int4 weights", "groups of 32",
     "{\"pass\":\"quantize-weights\",\"bits\":4,\"granularity\":\"group\",\"group\":32}", 1.0},
    {KWS, "fixed point", "8 bits, one format, equalized",
     "{\"pass\":\"equalize\"},{\"pass\":\"fixed-point\",\"bits\":8}", 0.5},
    {KWS, "fixed point", "8 bits, a format per layer",
     "{\"pass\":\"fixed-point\",\"bits\":8,\"scope_of_format\":\"layer\"}", 0.5},
    {KWS, "pruning, blocks", "50 % in 1x2, refitted, then int8",
     "{\"pass\":\"prune\",\"sparsity\":0.5,\"pattern\":\"1x2\",\"allocation\":\"global\","
     "\"criterion\":\"saliency\",\"rounds\":20,\"samples\":2293,\"reconstruct\":true,"
     "\"compensate\":true},{\"pass\":\"quantize\"}",
     1.0},
    {KWS, "structured pruning", "half the MACs, reconstruction",
     "{\"pass\":\"prune-structure\",\"macs\":0.5,\"criterion\":\"reconstruction\",\"multiple\":8,"
     "\"reconstruct\":true}",
     0},
    {KWS, "structured pruning", "half the MACs, l2 norm",
     "{\"pass\":\"prune-structure\",\"macs\":0.5,\"criterion\":\"l2\",\"multiple\":8,"
     "\"reconstruct\":true}",
     0},
    {KWS, "structured pruning", "half the MACs, attention",
     "{\"pass\":\"prune-structure\",\"macs\":0.5,\"criterion\":\"attention\",\"multiple\":8,"
     "\"reconstruct\":true}",
     0},
    {RESNET8, "int8, static", "squared error, adaptive rounding",
     "{\"pass\":\"quantize\",\"calibration\":\"mse\",\"rounding\":\"adaptive\"}", 0},
    {LENET5, "pruning", "threshold 0.5 deviations",
     "{\"pass\":\"prune\",\"threshold\":0.5,\"unit\":\"deviation\"}", 0},
    {LENET5, "pruning", "60 %, magnitude, all layers together",
     "{\"pass\":\"prune\",\"sparsity\":0.6,\"allocation\":\"global\"}", 0},
    {LENET5, "pruning", "80 %, activation, refitted",
     "{\"pass\":\"prune\",\"sparsity\":0.8,\"criterion\":\"activation\",\"reconstruct\":true}", 0},
    {LENET5, "pruning", "80 %, saliency, refitted",
     "{\"pass\":\"prune\",\"sparsity\":0.8,\"criterion\":\"saliency\",\"reconstruct\":true}", 0},
    {LENET5, "pruning, blocks", "50 % in 8x1, l1 norm",
     "{\"pass\":\"prune\",\"sparsity\":0.5,\"pattern\":\"8x1\",\"criterion\":\"l1\",\"except\":["
     "\"conv1\"]}",
     0},
    {LENET5, "pruning, blocks", "50 % in 4x1, l2 norm",
     "{\"pass\":\"prune\",\"sparsity\":0.5,\"pattern\":\"4x1\",\"criterion\":\"l2\",\"except\":["
     "\"conv1\"]}",
     0},
    {LENET5, "pruning, blocks", "75 % in 4x1, saliency, refitted",
     "{\"pass\":\"prune\",\"sparsity\":0.75,\"pattern\":\"4x1\",\"criterion\":\"saliency\","
     "\"reconstruct\":true,\"except\":[\"conv1\"]}",
     0},
    {LENET5, "pruning, N:M", "2:4",
     "{\"pass\":\"prune\",\"pattern\":\"2:4\",\"except\":[\"conv1\"]}", 0},
    {LENET300, "SVD", "half the MACs, fitted to data",
     "{\"pass\":\"svd\",\"layers\":[\"dense1\"],\"macs\":0.5,\"fit\":\"data\"}", 0},
    {LENET300, "SVD", "90 % of the energy",
     "{\"pass\":\"svd\",\"layers\":[\"dense1\"],\"energy\":0.9}", 0},
    {LENET300, "SVD", "ranks by VBMF, fitted to data",
     "{\"pass\":\"svd\",\"layers\":[\"dense1\"],\"ranks\":\"vbmf\",\"fit\":\"data\"}", 0},
    {LENET5, "spatial SVD", "conv2, half the MACs",
     "{\"pass\":\"spatial-svd\",\"layers\":[\"conv2\"],\"macs\":0.5,\"fit\":\"data\"}", 0},
    {LENET5, "channel SVD", "conv2, half the MACs",
     "{\"pass\":\"channel-svd\",\"layers\":[\"conv2\"],\"macs\":0.5,\"fit\":\"data\"}", 0},
    {LENET5, "Tucker-2", "conv2, half the MACs",
     "{\"pass\":\"tucker\",\"layers\":[\"conv2\"],\"macs\":0.5,\"fit\":\"data\"}", 0},
    {LENET5, "separable", "conv2, 4 filters per channel",
     "{\"pass\":\"separable\",\"layers\":[\"conv2\"],\"multiplier\":4,\"fit\":\"data\"}", 0},
    {LENET5, "clustering", "5 bits", "{\"pass\":\"cluster\",\"bits\":5}", 0},
    {LENET5, "prune, cluster, code", "90 %, 5 bits",
     "{\"pass\":\"prune\",\"sparsity\":0.9,\"allocation\":\"global\",\"criterion\":\"activation\","
     "\"reconstruct\":true},{\"pass\":\"cluster\",\"bits\":5}",
     0},
};

struct bench {
    const char *data, *part;
    bool check;
    int failures, shown;
};

struct sets {
    struct dataset train, val, test;
    char paths[3][MAX_PATH];
};

static void sets_deinit(struct sets *sets) {
    dataset_deinit(&sets->train);
    dataset_deinit(&sets->val);
    dataset_deinit(&sets->test);
}

static int sets_open(const struct bench *b, const struct subject *s, struct sets *ret,
                     struct diag *diag) {
    static const char *const parts[] = {"train", "val", "test"};
    struct dataset *sets[] = {&ret->train, &ret->val, &ret->test};
    bool shared = strchr(s->data, '/') != NULL;
    int r = 0;
    for (unsigned i = 0; i < 3 && r == 0; i++) {
        snprintf(ret->paths[i], MAX_PATH, "%s/%s/%s", shared ? shared_dir() : b->data, s->data,
                 parts[i]);
        r = dataset_open(ret->paths[i], sets[i], diag);
    }
    return r;
}

/* Runs a recipe and gives its report. 0, or the diag says why not. */
static int run(const struct subject *s, const struct sets *sets, const char *steps,
               struct report **ret_report, struct diag *diag) {
    _cleanup_(graph_freep) struct graph *graph = NULL;
    _cleanup_(recipe_freep) struct recipe *recipe = NULL;
    _cleanup_(report_freep) struct report *report = NULL;
    _cleanup_(buffer_deinit) struct buffer file;
    char path[MAX_PATH], text[2048];
    struct report_options options = {.input = s->name,
                                     .tier = tier_best(),
                                     .metric = METRIC_TOP1,
                                     .calibration = &sets->train,
                                     .eval = &sets->val,
                                     .test = &sets->test};
    buffer_init(&file, CONTAINER_MAX_BYTES);
    snprintf(path, sizeof(path), "%s/%s", shared_dir(), s->network);
    snprintf(text, sizeof(text), "{\"steps\":[%s]}", steps);
    int r = netfile_read(path, &graph, &options.input_bytes, diag);
    if (r == 0)
        r = recipe_parse(text, strlen(text), &recipe, diag);
    if (r == 0)
        r = report_new(&options, graph, &report, diag);
    if (r == 0) {
        report_begin(report, recipe);
        r = recipe_run(recipe, &graph, &sets->train, options.tier, NULL, NULL, diag);
    }
    if (r == 0)
        r = container_write(graph, &file, diag);
    if (r == 0)
        r = report_finish(report, graph, file.data, file.len, diag);
    if (r == 0)
        *ret_report = steal(&report);
    return r;
}

static double number(const struct report *report, const char *side, const char *part,
                     const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(report_json(report), side);
    if (part)
        item = cJSON_GetObjectItemCaseSensitive(item, part);
    item = cJSON_GetObjectItemCaseSensitive(item, name);
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

/* Of the layer with the most multiplications among those whose kernel is known. */
static const char *main_kernel(const struct report *report) {
    const cJSON *layers = cJSON_GetObjectItemCaseSensitive(report_json(report), "layers"), *layer;
    const char *kernel = "";
    double most = -1;
    cJSON_ArrayForEach(layer, layers) {
        const cJSON *name = cJSON_GetObjectItemCaseSensitive(layer, "kernel");
        double macs = cJSON_GetObjectItemCaseSensitive(layer, "macs")->valuedouble;
        if (cJSON_IsString(name) && macs > most) {
            most = macs;
            kernel = name->valuestring;
        }
    }
    return kernel;
}

static void print_row(const struct row *row, const struct report *report) {
    printf("| %s | %s | %s | %.0f | %.0f | %.2f %% | %.2f %% | %.1f | %.1f | `%s` |\n",
           subjects[row->subject].name, row->technique, row->setting,
           number(report, "before", NULL, "bytes"), number(report, "after", NULL, "bytes"),
           100 * number(report, "before", "test", "score"),
           100 * number(report, "after", "test", "score"),
           number(report, "before", NULL, "latency_us"),
           number(report, "after", NULL, "latency_us"), main_kernel(report));
    fflush(stdout);
}

static bool is_wanted(const struct bench *b, const char *network, const char *technique) {
    return !b->part || strstr(network, b->part) || strstr(technique, b->part);
}

static void bench_row(struct bench *b, const struct row *row, const struct sets *sets) {
    struct diag diag = {0};
    _cleanup_(report_freep) struct report *report = NULL;
    if (run(&subjects[row->subject], sets, row->steps, &report, &diag)) {
        printf("| %s | %s | %s | %s |\n", subjects[row->subject].name, row->technique, row->setting,
               diag.text);
        b->failures++;
        return;
    }
    print_row(row, report);
    double drop = number(report, "after", "test", "drop");
    if (b->check && row->max_drop > 0 && drop > row->max_drop + 1e-9) {
        printf("MISSED: drop %.2f points, at most %.2f are due\n", drop, row->max_drop);
        b->failures++;
    }
}

/* One network's curve: sparsity up, 5 bits, everything coded. The point is chosen on validation data. */
static void bench_curve(struct bench *b, unsigned subject, const struct sets *sets) {
    static const double sparsities[] = {0.7, 0.8, 0.85, 0.9, 0.93};
    double best_bytes = INFINITY, best_error = (double)NAN, best_sparsity = (double)NAN, before = 0;
    printf("\n%s: pruned by activation and refitted, 5-bit codebooks, coded\n\n"
           "| sparsity | bytes | of float | error, validation | error, test "
           "|\n|---|---|---|---|---|\n",
           subjects[subject].name);
    for (size_t i = 0; i < ARRAY_SIZE(sparsities); i++) {
        char steps[512];
        struct diag diag = {0};
        _cleanup_(report_freep) struct report *report = NULL;
        snprintf(steps, sizeof(steps),
                 "{\"pass\":\"prune\",\"sparsity\":%g,\"allocation\":\"global\",\"criterion\":"
                 "\"activation\",\"reconstruct\":true},{\"pass\":\"cluster\",\"bits\":5}",
                 sparsities[i]);
        if (run(&subjects[subject], sets, steps, &report, &diag)) {
            printf("| %g | %s |\n", sparsities[i], diag.text);
            b->failures++;
            continue;
        }
        double bytes = number(report, "after", NULL, "bytes");
        double val = 1 - number(report, "after", NULL, "score");
        double error = 1 - number(report, "after", "test", "score");
        before = number(report, "before", NULL, "bytes");
        printf("| %g %% | %.0f | %.1f %% | %.2f %% | %.2f %% |\n", 100 * sparsities[i], bytes,
               100 * bytes / before, 100 * val, 100 * error);
        fflush(stdout);
        if (val <= 1 - number(report, "before", NULL, "score") + CURVE_ERROR + 1e-9 &&
            bytes < best_bytes) {
            best_bytes = bytes;
            best_error = error - (1 - number(report, "before", "test", "score"));
            best_sparsity = sparsities[i];
        }
        if (b->check && fabs(sparsities[i] - 0.9) < 1e-9 && bytes > 0.08 * before) {
            printf("MISSED: %.1f %% of the float bytes at 90 %%, at most 8 are due\n",
                   100 * bytes / before);
            b->failures++;
        }
    }
    if (isfinite(best_bytes))
        printf("\nAt most +0.1 %% error on validation data: %g %% zeros, %.0f bytes, %.1f times "
               "smaller; "
               "%+.2f %% error on test data\n",
               100 * best_sparsity, best_bytes, before / best_bytes, 100 * best_error);
}

static void bench_subject(struct bench *b, unsigned subject) {
    struct diag diag = {0};
    _cleanup_(sets_deinit) struct sets sets = {0};
    if (sets_open(b, &subjects[subject], &sets, &diag)) {
        printf("SKIPPED: %s: %s\n", subjects[subject].name, diag.text);
        return;
    }
    b->shown++;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].subject == subject && is_wanted(b, subjects[subject].name, rows[i].technique))
            bench_row(b, &rows[i], &sets);
}

static void bench_curves(struct bench *b) {
    struct diag diag = {0};
    _cleanup_(sets_deinit) struct sets sets = {0};
    if (sets_open(b, &subjects[LENET5], &sets, &diag))
        return;
    for (unsigned s = LENET300; s <= LENET5; s++)
        if (is_wanted(b, subjects[s].name, "curve"))
            bench_curve(b, s, &sets);
}

int main(int argc, char **argv) {
    struct bench b = {.data = "."};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--check") == 0)
            b.check = true;
        else if (strcmp(argv[i], "--data") == 0 && i + 1 < argc)
            b.data = argv[++i];
        else if (argv[i][0] != '-')
            b.part = argv[i];
        else {
            fprintf(stderr, "usage: bench-compress [--check] [--data DIR] [PART]\n");
            return 2;
        }
    }
    printf(
        "| network | technique | setting | bytes before | after | test accuracy before | after | "
        "latency before, µs | after | kernel of the largest layer |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n");
    for (unsigned s = 0; s < N_SUBJECTS; s++)
        bench_subject(&b, s);
    bench_curves(&b);
    return b.shown == 0 ? 77 : b.failures ? 1 : 0;
}
