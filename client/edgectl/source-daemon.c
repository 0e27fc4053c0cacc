/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network behind the daemon. A lane is a connection, since the daemon answers the calls of one in their order.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/edgectl/daemon.h"
#include "client/edgectl/source.h"

struct daemon_lane {
    struct lane lane;
    struct edge *edge;
    struct edge_session *session; /* NULL: every item is independent */
};

static struct lane *daemon_lane_free(struct lane *lane) {
    struct daemon_lane *l = container_of(lane, struct daemon_lane, lane);
    edge_close(l->edge);
    free(l);
    return NULL;
}

static int daemon_lane_new(struct source *source, bool session, struct lane **ret_lane,
                           struct diag *diag) {
    struct daemon_lane *l = calloc(1, sizeof(*l));
    if (!l)
        return diag_set(diag, err_origin(-ENOMEM), "out of memory");
    l->lane.source = source;
    int r = daemon_connect(source->socket, &l->edge, diag);
    if (!r && session) {
        r = edge_session_open(l->edge, source->model->info.name, &l->session);
        if (r)
            r = daemon_error(l->edge, r, diag);
    }
    if (r)
        daemon_lane_free(&l->lane);
    else
        *ret_lane = &l->lane;
    return r;
}

static int daemon_lane_run(struct lane *lane, uint32_t batch, const void *const *inputs,
                           void *const *outputs, struct diag *diag) {
    struct daemon_lane *l = container_of(lane, struct daemon_lane, lane);
    const struct source *s = lane->source;
    struct edge_tensor in[EDGE_MAX_TENSORS], out[EDGE_MAX_TENSORS];
    for (uint32_t i = 0; i < s->n_inputs; i++)
        /* Without a shape the daemon takes the batch from the number of values. */
        in[i] = (struct edge_tensor){
            .name = s->inputs[i].name,
            .datatype = (enum edge_datatype)s->inputs[i].dtype,
            .data = (void *)inputs[i],
            .size = batch * s->inputs[i].size,
        };
    for (uint32_t i = 0; i < s->n_outputs; i++)
        out[i] = (struct edge_tensor){.data = outputs[i], .size = batch * s->outputs[i].size};
    const struct edge_request request = {
        .model = s->model->info.name,
        .inputs = in,
        .n_inputs = s->n_inputs,
        .session = l->session,
    };
    size_t n_outputs = s->n_outputs;
    int r = edge_infer(l->edge, &request, out, &n_outputs, NULL);
    if (r)
        return daemon_error(l->edge, r, diag);
    for (uint32_t i = 0; i < s->n_outputs; i++)
        if (n_outputs != s->n_outputs || out[i].size != batch * s->outputs[i].size ||
            out[i].datatype != (enum edge_datatype)s->outputs[i].dtype)
            return diag_set(
                diag, DAEMON_E_FAILED,
                "the daemon's answer is not what '%s' declared: was it replaced meanwhile? "
                "Try again",
                s->name);
    return 0;
}

static void daemon_deinit(struct source *source) {
    edge_model_free(source->model);
    edge_close(source->edge);
}

static const struct source_ops daemon_ops = {
    .lane_new = daemon_lane_new,
    .lane_run = daemon_lane_run,
    .lane_free = daemon_lane_free,
    .deinit = daemon_deinit,
};

static int convert_port(const struct edge_port *from, struct port *ret, struct diag *diag) {
    bool fits = from->n_dims <= GRAPH_MAX_DIMS && from->size <= GRAPH_MAX_BYTES;
    for (unsigned d = 0; d < from->n_dims && fits; d++)
        fits = from->shape[d] <= GRAPH_MAX_ELEMENTS;
    if (!fits)
        return diag_set(diag, DAEMON_E_FAILED, "'%.100s' has a shape this program cannot handle",
                        from->name);
    *ret = (struct port){
        .name = from->name,
        .dtype = (enum dtype)from->datatype,
        .n_dims = (uint8_t)from->n_dims,
        .scale = (float)from->scale,
        .zero_point = (int32_t)from->zero_point,
        .size = from->size,
    };
    for (unsigned d = 0; d < from->n_dims; d++)
        ret->dims[d] = (int32_t)from->shape[d];
    return 0;
}

static int convert_ports(struct source *s, struct diag *diag) {
    const struct edge_model *m = s->model;
    if (m->n_inputs > EDGE_MAX_TENSORS || m->n_outputs > EDGE_MAX_TENSORS)
        return diag_set(diag, DAEMON_E_FAILED, "'%s' has too many inputs or outputs", s->name);
    struct port *ports = calloc(m->n_inputs + m->n_outputs + 1, sizeof(*ports));
    if (!ports)
        return diag_set(diag, err_origin(-ENOMEM), "out of memory");
    s->memory = ports;
    s->inputs = ports;
    s->outputs = ports + m->n_inputs;
    s->n_inputs = (uint32_t)m->n_inputs;
    s->n_outputs = (uint32_t)m->n_outputs;
    int r = 0;
    for (size_t i = 0; i < m->n_inputs + m->n_outputs && !r; i++)
        r = convert_port(i < m->n_inputs ? &m->inputs[i] : &m->outputs[i - m->n_inputs], &ports[i],
                         diag);
    return r;
}

int source_open_daemon(const char *socket, const char *name, struct source **ret_source,
                       struct diag *diag) {
    _cleanup_(source_freep) struct source *s = calloc(1, sizeof(*s));
    if (!s)
        return diag_set(diag, err_origin(-ENOMEM), "out of memory");
    s->ops = &daemon_ops;
    s->socket = socket;
    int r = daemon_connect(socket, &s->edge, diag);
    if (r)
        return r;
    r = edge_describe(s->edge, name, &s->model);
    if (r)
        return daemon_error(s->edge, r, diag);
    s->name = s->model->info.name;
    s->version = s->model->info.version;
    s->labels = s->model->labels;
    s->n_labels = (uint32_t)s->model->n_labels;
    s->has_frontend = s->model->frontend;
    s->stateful = s->model->info.state_bytes > 0;
    s->max_batch = RUNTIME_MAX_BATCH;
    s->load_ns = (uint64_t)s->model->info.load_ns;
    r = convert_ports(s, diag);
    if (!r)
        *ret_source = steal(&s);
    return r;
}
