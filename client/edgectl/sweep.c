/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source's lanes as those of a network that compress/sweep.h runs.
 */

#include "client/edgectl/sweep.h"

#include "client/edgectl/progress.h"
#include "compress/dataset.h"
#include "compress/sweep.h"

static int open_lane(void *arg, void **ret_lane, struct diag *diag) {
    struct lane *lane;
    int r = lane_new(arg, false, &lane, diag);
    if (r == 0)
        *ret_lane = lane;
    return r;
}

static int run_lane(void *lane, uint32_t batch, const void *const *inputs, void *const *outputs,
                    struct diag *diag) {
    return lane_run(lane, batch, inputs, outputs, diag);
}

static void close_lane(void *lane) {
    lane_free(lane);
}

static struct sweep_network describe(struct source *source) {
    return (struct sweep_network){
        .input = &source->inputs[0],
        .outputs = source->outputs,
        .n_outputs = source->n_outputs,
        .max_batch = source->max_batch,
        .lane_new = open_lane,
        .lane_run = run_lane,
        .lane_free = close_lane,
        .arg = source,
    };
}

static void show(void *arg, size_t done) {
    progress_update(arg, done);
}

uint32_t sweep_batch(const struct source *source) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < source->n_inputs; i++)
        bytes += source->inputs[i].size;
    for (uint32_t i = 0; i < source->n_outputs; i++)
        bytes += source->outputs[i].size;
    return sweep_batch_of(bytes, source->max_batch);
}

int sweep_run(struct source *source, const struct dataset *data, void *ret_outputs,
              struct diag *diag) {
    const struct sweep_network network = describe(source);
    struct progress progress;
    progress_init(&progress, "eval", data->n);
    int r = sweep_dataset(&network, data, 0, show, &progress, ret_outputs, diag);
    progress_end(&progress);
    return r;
}
