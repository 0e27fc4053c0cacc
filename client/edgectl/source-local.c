/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network in this process: read, compiled, run by the calling thread.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/edgectl/source.h"
#include "kernels/cpu.h"
#include "model/netfile.h"

struct local_lane {
    struct lane lane;
    struct session *session; /* NULL: every item is independent */
    void *arena;
};

static struct lane *local_lane_free(struct lane *lane) {
    struct local_lane *l = container_of(lane, struct local_lane, lane);
    session_free(l->session);
    free(l->arena);
    free(l);
    return NULL;
}

static int local_lane_new(struct source *source, bool session, struct lane **ret_lane,
                          struct diag *diag) {
    struct local_lane *l = calloc(1, sizeof(*l));
    if (!l)
        return diag_set(diag, err_origin(-ENOMEM), "out of memory");
    l->lane.source = source;
    size_t size = MAX(image_arena_bytes(source->image), (size_t)RUNTIME_ARENA_ALIGN);
    l->arena = aligned_alloc(RUNTIME_ARENA_ALIGN, size);
    int r = l->arena ? 0 : err_origin(-ENOMEM);
    if (!r) /* its pages come now, not in the first run */
        memset(l->arena, 0, size);
    if (!r && session)
        r = session_new(source->image, &l->session);
    if (r) {
        local_lane_free(&l->lane);
        return diag_set(diag, err_trace(r), "no memory for the network's scratch (%zu bytes)",
                        size);
    }
    *ret_lane = &l->lane;
    return 0;
}

static int local_lane_run(struct lane *lane, uint32_t batch, const void *const *inputs,
                          void *const *outputs, struct diag *diag) {
    struct local_lane *l = container_of(lane, struct local_lane, lane);
    int r = image_run(lane->source->image, l->session, batch, inputs, outputs, l->arena, NULL);
    if (r)
        return diag_set(diag, err_fold(r), "the network could not be run");
    return 0;
}

static void local_deinit(struct source *source) {
    image_unref(source->image);
}

static const struct source_ops local_ops = {
    .lane_new = local_lane_new,
    .lane_run = local_lane_run,
    .lane_free = local_lane_free,
    .deinit = local_deinit,
};

/* The ports and labels of the image, in arrays. */
static int describe(struct source *s) {
    s->n_inputs = image_n_inputs(s->image);
    s->n_outputs = image_n_outputs(s->image);
    s->n_labels = image_n_labels(s->image);
    size_t n_ports = (size_t)s->n_inputs + s->n_outputs;
    struct port *ports =
        calloc(1, n_ports * sizeof(struct port) + s->n_labels * sizeof(const char *));
    if (!ports)
        return err_origin(-ENOMEM);
    const char **labels = (const char **)(ports + n_ports);
    for (uint32_t i = 0; i < s->n_inputs; i++)
        ports[i] = *image_input(s->image, i);
    for (uint32_t i = 0; i < s->n_outputs; i++)
        ports[s->n_inputs + i] = *image_output(s->image, i);
    for (uint32_t i = 0; i < s->n_labels; i++)
        labels[i] = image_label(s->image, i);
    s->memory = ports;
    s->inputs = ports;
    s->outputs = ports + s->n_inputs;
    s->labels = labels;
    s->name = image_name(s->image);
    s->version = image_version(s->image);
    s->has_frontend = image_has_frontend(s->image);
    s->stateful = image_state_bytes(s->image) > 0;
    s->max_batch = RUNTIME_MAX_BATCH;
    return 0;
}

int source_open_local(const char *path, enum tier tier, struct source **ret_source,
                      struct diag *diag) {
    _cleanup_(graph_freep) struct graph *graph = NULL;
    uint64_t start = clock_now_ns();
    int r = netfile_read(path, &graph, NULL, diag);
    if (r)
        return r;
    _cleanup_(image_unrefp) struct image *image = NULL;
    r = image_build(graph, tier, &image, diag);
    if (r)
        return diag_prefix(diag, r, "%s", path);
    _cleanup_(source_freep) struct source *s = calloc(1, sizeof(*s));
    if (!s)
        return diag_set(diag, err_origin(-ENOMEM), "out of memory");
    s->ops = &local_ops;
    s->image = steal(&image);
    s->load_ns = clock_now_ns() - start;
    r = describe(s);
    if (r)
        return diag_set(diag, err_trace(r), "out of memory");
    *ret_source = steal(&s);
    return 0;
}
