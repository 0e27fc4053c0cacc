/* SPDX-License-Identifier: Apache-2.0 */
/*
 * List, Describe, Load, Unload.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "daemon/dispatch.h"
#include "daemon/load.h"
#include "daemon/peer.h"
#include "daemon/registry.h"
#include "daemon/reply.h"
#include "daemon/request.h"
#include "daemon/server.h"
#include "proto/params.h"
#include "runtime/runtime.h"

static void put_uint(struct json_writer *w, const char *key, uint64_t v) {
    json_key(w, key);
    json_put_uint(w, v);
}

static void put_string(struct json_writer *w, const char *key, const char *v) {
    json_key(w, key);
    json_put_string(w, v);
}

static void put_dims(struct json_writer *w, const int32_t *dims, unsigned n) {
    json_key(w, "shape");
    json_begin_array(w);
    for (unsigned i = 0; i < n; i++)
        json_put_int(w, dims[i]);
    json_end_array(w);
}

static void put_info(struct json_writer *w, const struct model *m) {
    json_begin_object(w);
    put_string(w, "name", m->name);
    put_string(w, "version", image_version(m->image));
    put_string(w, "description", image_description(m->image));
    put_uint(w, "bytes", image_bytes(m->image));
    put_uint(w, "arenaBytes", image_arena_bytes(m->image));
    put_uint(w, "stateBytes", image_state_bytes(m->image));
    put_uint(w, "sessions", m->n_sessions);
    put_uint(w, "pending", m->n_pending);
    put_uint(w, "requests", m->n_requests);
    put_uint(w, "failures", m->n_failures);
    put_uint(w, "items", m->n_items);
    put_uint(w, "p50Nanoseconds", histogram_quantile_ns(&m->compute, 0.5));
    put_uint(w, "p90Nanoseconds", histogram_quantile_ns(&m->compute, 0.9));
    put_uint(w, "p99Nanoseconds", histogram_quantile_ns(&m->compute, 0.99));
    put_uint(w, "queueNanoseconds", m->queue_ns);
    put_uint(w, "computeNanoseconds", m->compute.sum_ns);
    put_uint(w, "loadNanoseconds", m->load_ns);
    json_end_object(w);
}

int models_list(struct request *request) {
    const struct registry *registry = &request->server->registry;
    struct json_writer w;
    if (!dispatch_params(request, NULL, 0, NULL))
        return 0;
    reply_begin(request, &w);
    json_key(&w, "models");
    json_begin_array(&w);
    for (size_t i = 0; i < registry->n_models; i++)
        put_info(&w, registry->models[i]);
    json_end_array(&w);
    reply_end(request, &w);
    return 0;
}

static void put_port(struct json_writer *w, const struct port *port) {
    json_begin_object(w);
    put_string(w, "name", port->name);
    put_string(w, "datatype", dtype_name(port->dtype));
    put_dims(w, port->dims, port->n_dims);
    if (port->scale != 0) {
        json_key(w, "scale");
        json_put_float(w, port->scale);
        json_key(w, "zeroPoint");
        json_put_int(w, port->zero_point);
    }
    json_end_object(w);
}

static void put_layer(struct json_writer *w, const struct layer_info *layer) {
    json_begin_object(w);
    put_string(w, "operator", op_kind_name(layer->kind));
    put_string(w, "kernel", layer->kernel);
    put_string(w, "fused", layer->fused);
    put_string(w, "why", layer->why);
    put_dims(w, layer->dims, layer->n_dims);
    put_uint(w, "macs", layer->macs);
    put_uint(w, "weightBytes", layer->weight_bytes);
    json_end_object(w);
}

static void put_description(struct json_writer *w, const struct model *m) {
    const struct image *image = m->image;
    json_key(w, "info");
    put_info(w, m);
    put_string(w, "licence", image_licence(image));
    put_string(w, "tier", tier_name(image_tier(image)));
    json_key(w, "frontend");
    json_put_bool(w, image_has_frontend(image));
    json_key(w, "inputs");
    json_begin_array(w);
    for (uint32_t i = 0; i < image_n_inputs(image); i++)
        put_port(w, image_input(image, i));
    json_end_array(w);
    json_key(w, "outputs");
    json_begin_array(w);
    for (uint32_t i = 0; i < image_n_outputs(image); i++)
        put_port(w, image_output(image, i));
    json_end_array(w);
    json_key(w, "labels");
    json_begin_array(w);
    for (uint32_t i = 0; i < image_n_labels(image); i++)
        json_put_string(w, image_label(image, i));
    json_end_array(w);
    json_key(w, "layers");
    json_begin_array(w);
    for (uint32_t i = 0; i < image_n_layers(image); i++) {
        struct layer_info layer = image_layer(image, i);
        put_layer(w, &layer);
    }
    json_end_array(w);
}

/* The model that the only parameter names; NULL: the reply is written. */
static struct model *named_model(struct request *request) {
    static const struct param table[] = {{"model", PARAM_STRING, PARAM_REQUIRED, 0}};
    const char *name;
    if (!dispatch_params(request, table, ARRAY_SIZE(table), &name))
        return NULL;
    struct model *model = registry_find(&request->server->registry, name);
    if (!model)
        reply_error(request, "io.edged.ModelNotFound", "model", name);
    return model;
}

int models_describe(struct request *request) {
    const struct model *model = named_model(request);
    struct json_writer w;
    if (!model)
        return 0;
    reply_begin(request, &w);
    put_description(&w, model);
    reply_end(request, &w);
    return 0;
}

int models_unload(struct request *request) {
    struct model *model = named_model(request);
    if (!model)
        return 0;
    const struct log_fields fields = {
        .model = model->name, .peer = request->peer->id, .uid = (int64_t)request->peer->uid + 1};
    log_write(LOG_LEVEL_INFO, &fields, "unloaded '%s'", model->name);
    registry_remove(&request->server->registry, model);
    server_notify_status(request->server);
    reply_empty(request);
    return 0;
}

/* A Load under way. */
struct loading {
    const char *path, *name;
    int64_t fd_index; /* -1: absent */
    struct load load;
    int code;
};

static void on_worker(struct job *job, _unused_ struct worker *worker) {
    struct loading *op = container_of(job, struct request, job)->op;
    op->code = load_run(&op->load);
}

/* The image becomes a model. False: the reply is an error. */
static bool install(struct request *request, struct loading *op, struct model **ret_model) {
    struct load *load = &op->load;
    int r = registry_add(&request->server->registry, load->name, load->image, ret_model);
    if (r == REGISTRY_E_EXISTS)
        reply_error(request, "io.edged.ModelExists", "model", load->name);
    else if (r == REGISTRY_E_FULL)
        reply_quota(request, "models", REGISTRY_MAX_MODELS, REGISTRY_MAX_MODELS);
    else if (r)
        reply_internal(request, r);
    if (r)
        return false;
    (*ret_model)->load_ns = load->ns;
    load->image = NULL;
    return true;
}

static void on_done(struct job *job) {
    struct request *request = container_of(job, struct request, job);
    struct loading *op = request->op;
    struct peer *peer = request->peer;
    struct model *model;
    struct json_writer w;
    if (op->code > 0) {
        reply_error(request, "io.edged.InvalidModel", "reason", op->load.diag.text);
    } else if (op->code < 0) {
        reply_internal(request, op->code);
    } else if (peer && install(request, op, &model)) {
        const struct log_fields fields = {
            .model = model->name, .peer = peer->id, .uid = (int64_t)peer->uid + 1};
        log_write(LOG_LEVEL_INFO, &fields, "loaded '%s', %zu bytes", model->name,
                  image_bytes(model->image));
        server_notify_status(request->server);
        reply_begin(request, &w);
        put_string(&w, "model", model->name);
        put_string(&w, "version", image_version(model->image));
        put_uint(&w, "bytes", image_bytes(model->image));
        put_uint(&w, "loadNanoseconds", op->load.ns);
        reply_end(request, &w);
    }
    peer_answer(request);
}

static void op_free(struct request *request) {
    load_deinit(&((struct loading *)request->op)->load);
}

/* Exactly one source, and a name that can be. NULL, or the parameter that is wrong. */
static const char *bad_load(struct request *request, struct loading *op) {
    if (!op->path == (op->fd_index < 0))
        return op->path ? "fileDescriptor" : "path";
    if (op->path && op->path[0] != '/')
        return "path";
    if (op->name && !graph_name_served(op->name))
        return "name";
    if (op->name)
        memcpy(op->load.name, op->name, strlen(op->name) + 1);
    op->load.path = op->path;
    if (!op->path &&
        frame_fds_take(&request->message.fds, (uint64_t)op->fd_index, &op->load.fd) < 0)
        return "fileDescriptor";
    return NULL;
}

int load_handle(struct request *request) {
    static const struct param table[] = {
        {"path", PARAM_STRING, PARAM_OPTIONAL, offsetof(struct loading, path)},
        {"fileDescriptor", PARAM_INT, PARAM_OPTIONAL, offsetof(struct loading, fd_index)},
        {"name", PARAM_STRING, PARAM_OPTIONAL, offsetof(struct loading, name)},
    };
    struct loading *op = request_alloc(request, sizeof(*op));
    if (!op)
        return err_origin(-ENOMEM);
    op->fd_index = -1;
    op->load.fd = -1;
    op->load.tier = request->server->tier;
    request->op = op;
    request->op_free = op_free;
    if (!dispatch_params(request, table, ARRAY_SIZE(table), op))
        return 0;
    const char *bad = bad_load(request, op);
    if (bad) {
        reply_invalid_parameter(request, bad);
        return 0;
    }
    if (op->name && registry_find(&request->server->registry, op->name)) {
        reply_error(request, "io.edged.ModelExists", "model", op->name);
        return 0;
    }
    request->job.work = on_worker;
    request->job.done = on_done;
    pool_submit(&request->server->pool, &request->job);
    return METHOD_SUBMITTED;
}
