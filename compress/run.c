/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running an image again and again.
 */

#include "compress/run.h"

#include <stdlib.h>

#include "base/error.h"
#include "compress/dataset.h"
#include "runtime/runtime.h"

int run_init(struct run *run, const struct image *image, const struct dataset *data) {
    size_t arena = MAX(image_arena_bytes(image), (size_t)RUNTIME_ARENA_ALIGN);
    *run = (struct run){.image = image,
                        .data = image_n_inputs(image) == 1 ? data : NULL,
                        .arena = aligned_alloc(RUNTIME_ARENA_ALIGN, arena)};
    bool complete = run->arena != NULL;
    for (uint32_t i = 0; i < image_n_inputs(image); i++)
        complete = (run->inputs[i] = calloc(1, image_input(image, i)->size)) && complete;
    for (uint32_t i = 0; i < image_n_outputs(image); i++)
        complete = (run->outputs[i] = calloc(1, image_output(image, i)->size)) && complete;
    if (complete)
        return 0;
    run_deinit(run);
    return err_origin(-ENOMEM);
}

void run_deinit(struct run *run) {
    for (unsigned i = 0; i < GRAPH_MAX_IO; i++) {
        free(run->inputs[i]);
        free(run->outputs[i]);
    }
    free(run->arena);
    *run = (struct run){0};
}

int run_prepare(struct run *run) {
    if (!run->data)
        return 0;
    size_t sample = run->next++ % run->data->n;
    return err_trace(dataset_input(run->data, sample, image_input(run->image, 0), run->inputs[0]));
}

int run_once(struct run *run) {
    return err_fold(image_run(run->image, NULL, 1, (const void *const *)run->inputs, run->outputs,
                              run->arena, NULL));
}
