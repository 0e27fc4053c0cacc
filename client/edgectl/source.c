/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both kinds of source share.
 */

#include "client/edgectl/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/edgectl/ctl.h"

int source_open(const struct ctl *ctl, const char *name, bool local, struct source **ret_source,
                struct diag *diag) {
    _cleanup_(source_freep) struct source *source = NULL;
    int r = local || ctl_is_file(name) ? source_open_local(name, ctl->tier, &source, diag)
                                       : source_open_daemon(ctl->socket, name, &source, diag);
    if (r)
        return r;
    if (source->n_inputs == 0 || source->n_outputs == 0)
        return diag_set(diag, SOURCE_E_INVALID, "'%s' has no %s: there is nothing to run", name,
                        source->n_inputs ? "outputs" : "inputs");
    *ret_source = steal(&source);
    return 0;
}

struct source *source_free(struct source *source) {
    if (!source)
        return NULL;
    source->ops->deinit(source);
    free(source->memory);
    free(source);
    return NULL;
}

void source_freep(struct source **source) {
    *source = source_free(*source);
}

int lane_new(struct source *source, bool session, struct lane **ret_lane, struct diag *diag) {
    return source->ops->lane_new(source, session, ret_lane, diag);
}

int lane_run(struct lane *lane, uint32_t batch, const void *const *inputs, void *const *outputs,
             struct diag *diag) {
    return lane->source->ops->lane_run(lane, batch, inputs, outputs, diag);
}

struct lane *lane_free(struct lane *lane) {
    return lane ? lane->source->ops->lane_free(lane) : NULL;
}

void lane_freep(struct lane **lane) {
    *lane = lane_free(*lane);
}

size_t port_elements(const struct port *port) {
    size_t n = 1;
    for (unsigned d = 0; d < port->n_dims; d++)
        n *= (size_t)port->dims[d];
    return n;
}

const char *port_shape(const int32_t *dims, unsigned n_dims, char *ret) {
    size_t at = (size_t)snprintf(ret, PORT_SHAPE_MAX, "[");
    for (unsigned d = 0; d < n_dims && at < PORT_SHAPE_MAX; d++)
        at += (size_t)snprintf(ret + at, PORT_SHAPE_MAX - at, "%s%" PRId32, d ? "," : "", dims[d]);
    if (at < PORT_SHAPE_MAX)
        snprintf(ret + at, PORT_SHAPE_MAX - at, "]");
    return ret;
}

int source_find_input(const struct source *source, const char *name, size_t length) {
    for (uint32_t i = 0; i < source->n_inputs; i++)
        if (strlen(source->inputs[i].name) == length &&
            memcmp(source->inputs[i].name, name, length) == 0)
            return (int)i;
    return -1;
}
