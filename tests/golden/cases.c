/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the reference sets from their meta.json files.
 */

#include "tests/golden/cases.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"

#define META_MAX ((size_t)16 << 20)

static void die(const char *what, const char *where) {
    fprintf(stderr, "golden: %s: %s\n", where, what);
    exit(2);
}

static cJSON *read_json(const char *path) {
    struct map map = {0};
    struct diag diag;
    if (map_read_file(path, META_MAX, &map, &diag))
        die(diag.text, path);
    cJSON *json = cJSON_ParseWithLength(map.data, map.size);
    map_deinit(&map);
    if (!json)
        die("not JSON", path);
    return json;
}

static const char *string_of(const cJSON *object, const char *key, const char *path) {
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    if (!s)
        die(key, path);
    return s;
}

static size_t type_bytes(const char *name) {
    return strstr(name, "32") ? 4 : strstr(name, "16") ? 2 : strstr(name, "64") ? 8 : 1;
}

/* Bytes of one run's outputs, and whether they are float. */
static void describe_outputs(const cJSON *meta, const char *path, struct golden_case *c) {
    const cJSON *tensor;
    cJSON_ArrayForEach(tensor, cJSON_GetObjectItemCaseSensitive(meta, "outputs")) {
        const char *dtype = string_of(tensor, "dtype", path);
        size_t size = type_bytes(dtype);
        const cJSON *dim;
        cJSON_ArrayForEach(dim, cJSON_GetObjectItemCaseSensitive(tensor, "shape")) size *=
            (size_t)dim->valuedouble;
        c->output_size += size;
        c->is_float = strcmp(dtype, "float32") == 0;
    }
    if (c->output_size == 0)
        die("outputs", path);
}

static struct golden_case *add(struct golden_cases *cases) {
    cases->cases = realloc(cases->cases, (cases->n + 1) * sizeof(*cases->cases));
    if (!cases->cases)
        die("no memory", "golden");
    struct golden_case *c = &cases->cases[cases->n++];
    memset(c, 0, sizeof(*c));
    c->bound = 1e-5;
    return c;
}

static void path_join(char ret[GOLDEN_MAX_PATH], const char *dir, const char *name,
                      const char *suffix) {
    if (snprintf(ret, GOLDEN_MAX_PATH, "%s/%s%s", dir, name, suffix) >= GOLDEN_MAX_PATH)
        die("path too long", dir);
}

static void read_ops(const char *dir, struct golden_cases *cases) {
    char path[GOLDEN_MAX_PATH];
    path_join(path, dir, "meta.json", "");
    cJSON *meta = read_json(path);
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(meta, "cases")) {
        const char *name = string_of(item, "name", path);
        struct golden_case *c = add(cases);
        snprintf(c->name, sizeof(c->name), "ops/%.100s", name);
        path_join(c->network, dir, name, ".tflite");
        path_join(c->inputs, dir, name, ".in.bin");
        path_join(c->outputs, dir, name, ".out.bin");
        c->n = (size_t)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(item, "n"));
        describe_outputs(item, path, c);
        c->absolute = strcmp(string_of(item, "op", path), "SOFTMAX") == 0;
        if (c->absolute)
            c->bound = 1e-4;
    }
    cJSON_Delete(meta);
}

static void read_network(const char *shared, const char *name, struct golden_cases *cases) {
    char dir[GOLDEN_MAX_PATH], path[GOLDEN_MAX_PATH], sub[300];
    snprintf(sub, sizeof(sub), "golden/%.255s", name);
    path_join(dir, shared, sub, "");
    path_join(path, dir, "meta.json", "");
    cJSON *meta = read_json(path);
    const cJSON *set;
    cJSON_ArrayForEach(set, cJSON_GetObjectItemCaseSensitive(meta, "sets")) {
        struct golden_case *c = add(cases);
        snprintf(c->name, sizeof(c->name), "%.80s/%.60s", name, string_of(set, "set", path));
        path_join(c->network, shared, string_of(meta, "file", path), "");
        path_join(c->inputs, dir, string_of(set, "inputs", path), "");
        path_join(c->outputs, dir, string_of(set, "outputs", path), "");
        c->n = (size_t)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(set, "n"));
        c->consecutive =
            cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(set, "consecutive_steps_of_one_state"));
        describe_outputs(meta, path, c);
        c->absolute =
            cJSON_HasObjectItem(cJSON_GetObjectItemCaseSensitive(meta, "op_counts"), "SOFTMAX");
        /* The reference itself sums in one order in float32: its README's bounds. */
        c->bound = c->absolute                                         ? 1e-4
                   : strcmp(name, "ad01_fp32") == 0                    ? 3e-4
                   : strcmp(name, "ad_toycar_hybrid_dequantised") == 0 ? 1e-4
                                                                       : 1e-5;
    }
    cJSON_Delete(meta);
}

/* The published file behind kws_float32 has int8 weights: activations are quantized at run time, so that its results are
 * some thousandths away from those of float weights, and far away where two classes are nearly equal. */
static void read_hybrid(const char *shared, struct golden_cases *cases) {
    for (size_t i = 0; i < cases->n; i++) {
        if (strncmp(cases->cases[i].name, "kws_float32/", 12) != 0)
            continue;
        struct golden_case *c = add(cases), *like = &cases->cases[i];
        *c = *like;
        snprintf(c->name, sizeof(c->name), "kws_hybrid");
        path_join(c->network, shared, "models/mlperf-tiny/kws_ref_model_float32.tflite", "");
        c->bound = 0.01;
        c->on_average = true;
        return;
    }
}

static int is_network(const struct dirent *entry) {
    return entry->d_name[0] != '.' && strcmp(entry->d_name, "ops") != 0 &&
           strchr(entry->d_name, '.') == NULL;
}

void golden_cases_read(const char *ops_dir, const char *shared, struct golden_cases *ret_cases) {
    *ret_cases = (struct golden_cases){0};
    read_ops(ops_dir, ret_cases);
    char path[GOLDEN_MAX_PATH];
    path_join(path, shared, "golden", "");
    struct dirent **entries;
    int n = scandir(path, &entries, is_network, alphasort);
    if (n < 0)
        printf("SKIPPED: the networks of %s, which is not there\n", path);
    for (int i = 0; i < n; i++) {
        read_network(shared, entries[i]->d_name, ret_cases);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    read_hybrid(shared, ret_cases);
}

void golden_cases_free(struct golden_cases *cases) {
    free(cases->cases);
    *cases = (struct golden_cases){0};
}

static bool compare_row(const struct golden_case *c, size_t row, const float *got,
                        const float *want) {
    size_t n = c->output_size / sizeof(float);
    double largest = 0.0;
    for (size_t i = 0; i < n; i++) {
        /* Not fmax: gcc 12 for aarch64 breaks off when it vectorizes that. */
        const double size = fabs((double)want[i]);
        if (size > largest)
            largest = size;
    }
    double bound = c->absolute ? c->bound : c->bound * largest;
    for (size_t i = 0; i < n; i++) {
        double difference = fabs((double)got[i] - (double)want[i]);
        if (!(difference <= bound)) {
            printf("%s: run %zu, value %zu: %.9g, reference %.9g, more than %.3g apart\n", c->name,
                   row, i, (double)got[i], (double)want[i], bound);
            return false;
        }
    }
    return true;
}

static bool compare_mean(const struct golden_case *c, size_t n, const float *got,
                         const float *want) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += fabs((double)got[i] - (double)want[i]);
    double mean = sum / (double)n;
    if (!(mean <= c->bound))
        printf("%s: values are %.3g apart on average, more than %.3g\n", c->name, mean, c->bound);
    return mean <= c->bound;
}

bool golden_compare(const struct golden_case *c, size_t n, const void *got, const void *want) {
    if (c->on_average)
        return compare_mean(c, n * c->output_size / sizeof(float), got, want);
    if (c->is_float) {
        for (size_t row = 0; row < n; row++)
            if (!compare_row(c, row, (const void *)((const char *)got + row * c->output_size),
                             (const void *)((const char *)want + row * c->output_size)))
                return false;
        return true;
    }
    const unsigned char *a = got, *b = want;
    for (size_t i = 0; i < n * c->output_size; i++)
        if (a[i] != b[i]) {
            printf("%s: run %zu, byte %zu of the outputs: 0x%02x, reference 0x%02x\n", c->name,
                   i / c->output_size, i % c->output_size, a[i], b[i]);
            return false;
        }
    return true;
}
