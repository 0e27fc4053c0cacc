/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every reference output against the runtime itself: reader, plan, execution.
 * golden-runtime OPS-DIR [--samples N] [--tier NAME]
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "kernels/cpu.h"
#include "model/graph.h"
#include "model/tflite.h"
#include "runtime/runtime.h"
#include "tests/golden/cases.h"
#include "tests/shared.h"

#define FILE_MAX ((size_t)256 << 20)

static void unmap(struct map *map) {
    map_deinit(map);
}

/* The network of a case as an image; NULL with a message where that fails. */
static struct image *load(const struct golden_case *c, enum tier tier) {
    struct diag diag = {""};
    _cleanup_(unmap) struct map map = {0};
    _cleanup_(graph_freep) struct graph *graph = NULL;
    struct image *image = NULL;
    int r = map_read_file(c->network, FILE_MAX, &map, &diag);
    if (r == 0)
        r = tflite_read(map.data, map.size, &graph, &diag);
    if (r == 0)
        r = image_build(graph, tier, &image, &diag);
    if (r)
        printf("%s: cannot load: %s (%d)\n", c->name, diag.text, r);
    return image;
}

/* Runs `n` inputs one by one; outputs one after the other. */
static bool run(const struct image *image, struct session *session, const char *in, char *out,
                size_t n) {
    const void *inputs[GRAPH_MAX_IO];
    void *outputs[GRAPH_MAX_IO];
    void *arena = aligned_alloc(RUNTIME_ARENA_ALIGN, MAX(image_arena_bytes(image), (size_t)64));
    char *aligned = malloc(64u << 20), *result = malloc(64u << 20);
    int r = 0;
    for (size_t k = 0; r == 0 && k < n; k++) {
        char *a = aligned, *b = result;
        for (uint32_t i = 0; i < image_n_inputs(image); i++) {
            size_t size = image_input(image, i)->size;
            memcpy(a, in, size);
            inputs[i] = a;
            in += size;
            a += (size + 63) / 64 * 64;
        }
        for (uint32_t i = 0; i < image_n_outputs(image); i++) {
            outputs[i] = b;
            b += (image_output(image, i)->size + 63) / 64 * 64;
        }
        r = image_run(image, session, 1, inputs, outputs, arena, NULL);
        for (uint32_t i = 0; i < image_n_outputs(image); i++) {
            size_t size = image_output(image, i)->size;
            memcpy(out, outputs[i], size);
            out += size;
        }
    }
    free(arena);
    free(aligned);
    free(result);
    return r == 0;
}

static bool check(const struct golden_case *c, enum tier tier, size_t samples) {
    struct image *image = load(c, tier);
    if (!image)
        return false;
    size_t n = samples && samples < c->n ? samples : c->n, in_size = 0;
    for (uint32_t i = 0; i < image_n_inputs(image); i++)
        in_size += image_input(image, i)->size;
    _cleanup_(unmap) struct map in = {0}, want = {0};
    struct diag diag;
    bool ok = false;
    if (map_read_file(c->inputs, FILE_MAX, &in, &diag) ||
        map_read_file(c->outputs, FILE_MAX, &want, &diag)) {
        printf("%s: %s\n", c->name, diag.text);
    } else if (in.size != c->n * in_size || want.size != c->n * c->output_size) {
        printf("%s: %zu bytes of inputs and %zu of outputs do not fit %zu runs\n", c->name, in.size,
               want.size, c->n);
    } else {
        _cleanup_(session_freep) struct session *session = NULL;
        char *got = malloc(want.size);
        if (c->consecutive && session_new(image, &session))
            printf("%s: no session\n", c->name);
        else
            ok = run(image, session, in.data, got, n) && golden_compare(c, n, got, want.data);
        free(got);
    }
    image_unref(image);
    return ok;
}

int main(int argc, char **argv) {
    size_t samples = 0;
    enum tier tier = tier_best();
    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--samples") == 0)
            samples = strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--tier") == 0)
            tier = tier_parse(argv[i + 1]);
    }
    if (argc < 2 || tier == TIER_END) {
        fprintf(stderr, "usage: golden-runtime OPS-DIR [--samples N] [--tier NAME]\n");
        return 2;
    }
    if (!tier_supported(tier)) {
        printf("SKIPPED: this CPU has no %s\n", tier_name(tier));
        return 77;
    }
    struct golden_cases cases;
    golden_cases_read(argv[1], shared_dir(), &cases);
    size_t failed = 0;
    for (size_t i = 0; i < cases.n; i++)
        failed += !check(&cases.cases[i], tier, samples);
    printf("tier %s: %zu passed, %zu failed\n", tier_name(tier), cases.n - failed, failed);
    golden_cases_free(&cases);
    return failed ? 1 : 0;
}
