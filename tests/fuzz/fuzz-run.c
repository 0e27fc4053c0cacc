/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TensorFlow Lite file of any bytes that the checks let through must compile and run without touching memory that is
 * not its own: graph_check() promises that to the planner and the kernels.
 */

#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"
#include "model/graph.h"
#include "model/tflite.h"
#include "runtime/runtime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Small enough to run thousands a second. */
#define MAX_MACS 2000000
#define MAX_BYTES ((size_t)1 << 20)

static bool small(const struct graph *graph) {
    uint64_t macs = 0;
    for (uint32_t i = 0; i < graph->n_ops; i++)
        macs += graph_op_macs(graph, &graph->ops[i]);
    size_t bytes = 0;
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        bytes += graph->tensors[i].size;
    return macs <= MAX_MACS && bytes <= MAX_BYTES;
}

static void run(const struct image *image) {
    void *inputs[GRAPH_MAX_IO] = {0}, *outputs[GRAPH_MAX_IO] = {0};
    for (uint32_t i = 0; i < image_n_inputs(image); i++)
        inputs[i] = calloc(2, image_input(image, i)->size);
    for (uint32_t i = 0; i < image_n_outputs(image); i++)
        outputs[i] = calloc(2, image_output(image, i)->size);
    void *arena = aligned_alloc(RUNTIME_ARENA_ALIGN,
                                MAX(image_arena_bytes(image), (size_t)RUNTIME_ARENA_ALIGN));
    edge_assert(image_run(image, NULL, 2, (const void *const *)inputs, outputs, arena, NULL) == 0);
    free(arena);
    for (uint32_t i = 0; i < GRAPH_MAX_IO; i++) {
        free(inputs[i]);
        free(outputs[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct diag diag;
    _cleanup_(graph_freep) struct graph *graph = NULL;
    _cleanup_(image_unrefp) struct image *image = NULL;
    if (tflite_read(data, size, &graph, &diag) || !small(graph))
        return 0;
    for (enum tier tier = TIER_C; tier < TIER_END; tier++) {
        if (!tier_supported(tier) || image_build(graph, tier, &image, &diag))
            continue;
        run(image);
        image = image_unref(image);
    }
    return 0;
}
