/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tensors become outputs of a copy of the network, as many at a time as a network may have.
 */

#include "compress/observe.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/compress.h"
#include "compress/dataset.h"
#include "model/graph-edit.h"
#include "model/graph.h"
#include "runtime/runtime.h"

struct tap {
    struct image *image;
    uint32_t n;
    void *input, *arena;
    void *outputs[GRAPH_MAX_IO];
    float *values; /* of the largest output */
};

static void tap_deinit(struct tap *tap) {
    for (uint32_t i = 0; i < tap->n; i++)
        free(tap->outputs[i]);
    free(tap->input);
    free(tap->arena);
    free(tap->values);
    image_unref(tap->image);
}

/* A copy of the graph whose outputs are these tensors, compiled. */
static int tap_build(const struct graph *graph, const int32_t *tensors, uint32_t n, enum tier tier,
                     struct image **ret_image, struct diag *diag) {
    _cleanup_(graph_freep) struct graph *copy = NULL;
    int r = graph_copy(graph, &copy);
    if (r)
        return r;
    copy->outputs = graph_alloc(copy, n * sizeof(*copy->outputs));
    if (!copy->outputs)
        return err_origin(-ENOMEM);
    memcpy(copy->outputs, tensors, n * sizeof(*tensors));
    copy->n_outputs = n;
    r = graph_sweep(copy);
    if (r == 0)
        r = image_build(copy, tier, ret_image, diag);
    return r < 0 ? r : r ? COMPRESS_E_INVALID : 0;
}

static size_t port_count(const struct port *port) {
    return port->size / dtype_size(port->dtype);
}

static int tap_init(struct tap *tap) {
    size_t largest = 0;
    tap->n = image_n_outputs(tap->image);
    for (uint32_t i = 0; i < tap->n; i++) {
        const struct port *port = image_output(tap->image, i);
        if (!(tap->outputs[i] = malloc(port->size)))
            return err_origin(-ENOMEM);
        largest = MAX(largest, port_count(port));
    }
    tap->input = malloc(image_input(tap->image, 0)->size);
    tap->values = malloc(largest * sizeof(float));
    tap->arena = aligned_alloc(RUNTIME_ARENA_ALIGN,
                               MAX(image_arena_bytes(tap->image), (size_t)RUNTIME_ARENA_ALIGN));
    return tap->input && tap->values && tap->arena ? 0 : err_origin(-ENOMEM);
}

static int tap_sample(struct tap *tap, const struct dataset *data, size_t sample, uint32_t first,
                      observe_fn fn, void *arg) {
    int r = dataset_input(data, sample, image_input(tap->image, 0), tap->input);
    if (r == 0)
        r = image_run(tap->image, NULL, 1, (const void *const[]){tap->input}, tap->outputs,
                      tap->arena, NULL);
    for (uint32_t i = 0; i < tap->n && r == 0; i++) {
        const struct port *port = image_output(tap->image, i);
        size_t n = port_count(port);
        r = port_dequantize(port, tap->outputs[i], n, tap->values);
        if (r == 0)
            r = fn(arg, first + i, tap->values, n);
    }
    return r;
}

int observe(const struct graph *graph, const int32_t *tensors, uint32_t n,
            const struct dataset *data, size_t n_samples, enum tier tier, observe_fn fn, void *arg,
            struct diag *diag) {
    size_t end = n_samples ? MIN(n_samples, data->n) : data->n;
    int r = 0;
    for (uint32_t first = 0; first < n && r == 0; first += GRAPH_MAX_IO) {
        _cleanup_(tap_deinit) struct tap tap = {0};
        r = tap_build(graph, tensors + first, MIN(n - first, (uint32_t)GRAPH_MAX_IO), tier,
                      &tap.image, diag);
        if (r == 0)
            r = tap_init(&tap);
        for (size_t i = 0; i < end && r == 0; i++)
            r = tap_sample(&tap, data, i, first, fn, arg);
    }
    return r;
}
