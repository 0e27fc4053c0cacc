/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What networks take in a file, tensor by tensor: LeNets of which 90 % of the weights are zero and the others one of 31
 * values, and every other network of the shared folder.
 */

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "model/container.h"
#include "model/graph.h"
#include "model/tflite.h"
#include "tests/graphs.h"
#include "tests/networks.h"

#define CLUSTERS 31
#define ROUNDS 10 /* of k-means */
#define PRUNED 0.9

static int compare(const void *a, const void *b) {
    float x = fabsf(*(const float *)a), y = fabsf(*(const float *)b);
    return (x > y) - (x < y);
}

static unsigned nearest(const float centre[CLUSTERS], float x) {
    unsigned best = 0;
    for (unsigned k = 1; k < CLUSTERS; k++)
        if (fabsf(x - centre[k]) < fabsf(x - centre[best]))
            best = k;
    return best;
}

/* Sets all but the largest weights to zero. */
static void prune(float *w, size_t n) {
    float *sorted = malloc(n * sizeof(*sorted));
    memcpy(sorted, w, n * sizeof(*w));
    qsort(sorted, n, sizeof(*sorted), compare);
    float threshold = fabsf(sorted[(size_t)(PRUNED * (double)n)]);
    for (size_t i = 0; i < n; i++)
        if (fabsf(w[i]) < threshold)
            w[i] = 0;
    free(sorted);
}

/* Lloyd's k-means of what is not zero; in the last round the weights become the centres. */
static void cluster(float *w, size_t n) {
    float low = INFINITY, high = -INFINITY, centre[CLUSTERS];
    for (size_t i = 0; i < n; i++) {
        low = fminf(low, w[i]);
        high = fmaxf(high, w[i]);
    }
    for (unsigned k = 0; k < CLUSTERS; k++)
        centre[k] = low + (high - low) * ((float)k + 0.5F) / CLUSTERS;
    for (int round = 0; round < ROUNDS; round++) {
        double sum[CLUSTERS] = {0}, count[CLUSTERS] = {0};
        for (size_t i = 0; i < n; i++) {
            if (w[i] == 0)
                continue;
            unsigned k = nearest(centre, w[i]);
            sum[k] += (double)w[i];
            count[k]++;
            if (round == ROUNDS - 1)
                w[i] = centre[k];
        }
        for (unsigned k = 0; k < CLUSTERS; k++)
            if (count[k] > 0)
                centre[k] = (float)(sum[k] / count[k]);
    }
}

static struct graph *read_network(const char *path) {
    struct map map;
    struct diag diag;
    struct graph *graph = NULL;
    ck_assert_int_eq(map_read_file(path, SIZE_MAX / 2, &map, &diag), 0);
    int r = tflite_read(map.data, map.size, &graph, &diag);
    map_deinit(&map);
    ck_assert_msg(r == 0 || r == MODEL_E_UNSUPPORTED, "%s: %s", path, diag.text);
    return graph;
}

static void compress(struct graph *g) {
    for (uint32_t i = 0; i < g->n_tensors; i++) {
        struct tensor *t = &g->tensors[i];
        if (t->kind != TENSOR_CONST || t->dtype != DTYPE_FP32 || t->n_dims < 2)
            continue;
        float *w = graph_alloc(g, t->size);
        memcpy(w, t->data, t->size);
        prune(w, t->size / sizeof(*w));
        cluster(w, t->size / sizeof(*w));
        t->data = w;
    }
}

/* Written and read; what is read is in a mapping of its own. */
static struct map write_network(const struct graph *g) {
    struct buffer b;
    struct diag diag = {.text = ""};
    buffer_init(&b, CONTAINER_MAX_BYTES);
    ck_assert_msg(container_write(g, &b, &diag) == 0, "%s", diag.text);
    struct map map = {mmap(NULL, b.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                      b.len};
    ck_assert_ptr_ne(map.data, MAP_FAILED);
    memcpy(map.data, b.data, b.len);
    buffer_deinit(&b);
    return map;
}

/* Takes the map over. Milliseconds. */
static double check_read(const struct graph *g, struct map *map) {
    struct graph *copy;
    struct diag diag = {.text = ""};
    uint64_t begin = clock_now_ns();
    int r = container_read(map, &copy, &diag);
    double ms = (double)(clock_now_ns() - begin) / 1e6;
    ck_assert_msg(r == 0, "%s", diag.text);
    ck_assert(same_graph(g, copy));
    graph_free(copy);
    return ms;
}

/* Bytes that the constants take, each of which has an entry; the weights by `method` where one is given. */
static size_t stored_bytes(const struct graph *g, const struct map *map, const char *method) {
    struct container_stored *stored = calloc(g->n_tensors + 1, sizeof(*stored));
    struct diag diag;
    size_t sum = 0;
    stored[g->n_tensors].bytes = 77; /* behind those that were asked for */
    ck_assert_int_eq(container_stored(map, stored, g->n_tensors, &diag), 0);
    ck_assert_uint_eq(stored[g->n_tensors].bytes, 77);
    for (uint32_t i = 0; i < g->n_tensors; i++) {
        const struct tensor *t = &g->tensors[i];
        ck_assert_int_eq(stored[i].method != NULL, t->data != NULL);
        ck_assert_int_eq(stored[i].bytes > 0, t->data != NULL);
        ck_assert_uint_le(stored[i].bytes, t->size + 16);
        sum += stored[i].bytes;
        if (method && t->data && t->n_dims >= 2)
            ck_assert_ptr_nonnull(strstr(stored[i].method, method));
    }
    free(stored);
    return sum;
}

static void check_lenet(const char *name) {
    char path[4096];
    if (!shared_present(name))
        return;
    snprintf(path, sizeof(path), "%s/%s", shared_dir(), name);
    struct graph *g = read_network(path);
    compress(g);
    struct map map = write_network(g);
    size_t constants = constant_bytes(g), bytes = map.size;
    size_t stored = stored_bytes(g, &map, "codebook");
    ck_assert_uint_lt(stored, bytes);
    ck_assert_uint_lt(bytes - stored, 1024);
    double ms = check_read(g, &map);
    printf("%s: %zu bytes of %zu, %.2f %%, read in %.2f ms\n", name, bytes, constants,
           100.0 * (double)bytes / (double)constants, ms);
    ck_assert_uint_le(bytes, constants * 4 / 100);
    graph_free(g);
}

/* The requirement is 8 %. */
START_TEST(test_lenets) {
    check_lenet("models/ours/lenet300/lenet300_float32.tflite");
    check_lenet("models/ours/lenet5/lenet5_float32.tflite");
}
END_TEST

static size_t scale_bytes(const struct graph *g) {
    size_t n = 0;
    for (uint32_t i = 0; i < g->n_tensors; i++)
        n += g->tensors[i].quant.n_scales * sizeof(float);
    return n;
}

/* A file is what its constants are stored in, the scales, and what describes them. */
START_TEST(test_all) {
    glob_t list;
    networks_find(&list, true);
    for (size_t i = 0; i < list.gl_pathc; i++) {
        struct graph *g = read_network(list.gl_pathv[i]);
        if (!g)
            continue;
        struct map map = write_network(g);
        size_t stored = stored_bytes(g, &map, NULL);
        ck_assert_uint_lt(stored, map.size);
        ck_assert_msg(map.size - stored <= scale_bytes(g) + 32768, "%s: %zu", list.gl_pathv[i],
                      map.size - stored);
        check_read(g, &map);
        graph_free(g);
    }
    globfree(&list);
}
END_TEST

START_TEST(test_refusal) {
    struct container_stored stored[2];
    struct diag diag = {.text = ""};
    uint8_t bytes[32] = "no such file";
    const struct map map = {bytes, sizeof(bytes)};
    ck_assert_int_eq(container_stored(&map, stored, 2, &diag), MODEL_E_INVALID);
    ck_assert_str_eq(diag.text, "not an .edge file");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stored");
    TCase *tc = tcase_create("stored");
    tcase_set_timeout(tc, 600); /* emulated, writing all networks takes long */
    tcase_add_test(tc, test_lenets);
    tcase_add_test(tc, test_all);
    tcase_add_test(tc, test_refusal);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
