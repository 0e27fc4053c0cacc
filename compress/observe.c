/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tensors become outputs of a copy of the network, as many at a time as a network may have. Its input, which cannot
 * be an output, is shown as it is.
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

#define IS_INPUT UINT32_MAX

struct tap {
    struct image *image;
    uint32_t n;                        /* tensors of this run */
    uint32_t outputs_of[GRAPH_MAX_IO]; /* which output each of them is, or IS_INPUT */
    uint32_t n_outputs;                /* with room */
    void *input, *arena;
    void *outputs[GRAPH_MAX_IO];
    float *values; /* of the largest output */
};

static void tap_deinit(struct tap *tap) {
    for (uint32_t i = 0; i < tap->n_outputs; i++)
        free(tap->outputs[i]);
    free(tap->input);
    free(tap->arena);
    free(tap->values);
    image_unref(tap->image);
}

/* Makes the tensors the graph's outputs; where all of them are its input, it keeps its own. */
static int set_outputs(struct tap *tap, struct graph *graph, const int32_t *tensors, uint32_t n) {
    int32_t *outputs = graph_alloc(graph, n * sizeof(*outputs));
    if (!outputs)
        return err_origin(-ENOMEM);
    uint32_t n_outputs = 0;
    for (uint32_t i = 0; i < n; i++) {
        tap->outputs_of[i] = tensors[i] == graph->inputs[0] ? IS_INPUT : n_outputs;
        if (tap->outputs_of[i] != IS_INPUT)
            outputs[n_outputs++] = tensors[i];
    }
    tap->n = n;
    if (n_outputs) {
        graph->outputs = outputs;
        graph->n_outputs = n_outputs;
    }
    return 0;
}

/* A copy of the graph with these tensors for outputs, compiled. */
static int tap_build(struct tap *tap, const struct graph *graph, const int32_t *tensors, uint32_t n,
                     enum tier tier, struct diag *diag) {
    _cleanup_(graph_freep) struct graph *copy = NULL;
    int r = graph_copy(graph, &copy);
    if (r == 0)
        r = set_outputs(tap, copy, tensors, n);
    if (r == 0)
        r = graph_sweep(copy);
    if (r == 0)
        r = image_build(copy, tier, &tap->image, diag);
    return r < 0 ? r : r ? COMPRESS_E_INVALID : 0;
}

static size_t port_count(const struct port *port) {
    return port->size / dtype_size(port->dtype);
}

static int tap_init(struct tap *tap) {
    size_t largest = port_count(image_input(tap->image, 0));
    for (uint32_t n = image_n_outputs(tap->image); tap->n_outputs < n; tap->n_outputs++) {
        const struct port *port = image_output(tap->image, tap->n_outputs);
        if (!(tap->outputs[tap->n_outputs] = malloc(port->size)))
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
        uint32_t k = tap->outputs_of[i];
        const struct port *port =
            k == IS_INPUT ? image_input(tap->image, 0) : image_output(tap->image, k);
        size_t n = port_count(port);
        r = port_dequantize(port, k == IS_INPUT ? tap->input : tap->outputs[k], n, tap->values);
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
        r = tap_build(&tap, graph, tensors + first, MIN(n - first, (uint32_t)GRAPH_MAX_IO), tier,
                      diag);
        if (r == 0)
            r = tap_init(&tap);
        for (size_t i = 0; i < end && r == 0; i++)
            r = tap_sample(&tap, data, i * data->n / end, first, fn, arg);
    }
    return r;
}
