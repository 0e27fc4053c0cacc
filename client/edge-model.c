/* SPDX-License-Identifier: Apache-2.0 */
/*
 * List, Describe and Status: what the daemon tells. A result keeps its reply: strings stay where they were parsed.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/arith.h"
#include "base/dtype.h"
#include "client/edge-private.h"
#include "proto/params.h"

/* Taken over from the connection. */
struct kept {
    struct reply reply;
    struct json_doc doc;
};

static void keep(struct edge *edge, struct kept *ret) {
    *ret = (struct kept){.reply = edge->current, .doc = edge->doc};
    edge->current = (struct reply){.fd = -1};
    json_doc_init(&edge->doc);
}

static void kept_deinit(struct kept *kept) {
    json_doc_deinit(&kept->doc);
    reply_deinit(&kept->reply);
}

#define INFO(name, member, type, flags)                                                            \
    { name, type, flags, offsetof(struct edge_model_info, member) }
#define INFO_INT(name, member) INFO(name, member, PARAM_INT, PARAM_REQUIRED)

static const struct param info_table[] = {
    INFO("name", name, PARAM_STRING, PARAM_REQUIRED),
    INFO("version", version, PARAM_STRING, PARAM_REQUIRED),
    INFO("description", description, PARAM_STRING, PARAM_REQUIRED),
    INFO_INT("bytes", bytes),
    INFO_INT("arenaBytes", arena_bytes),
    INFO_INT("stateBytes", state_bytes),
    INFO_INT("sessions", sessions),
    INFO_INT("pending", pending),
    INFO_INT("requests", requests),
    INFO_INT("failures", failures),
    INFO_INT("items", items),
    INFO_INT("p50Nanoseconds", p50_ns),
    INFO_INT("p90Nanoseconds", p90_ns),
    INFO_INT("p99Nanoseconds", p99_ns),
    INFO_INT("queueNanoseconds", queue_ns),
    INFO_INT("computeNanoseconds", compute_ns),
    INFO_INT("loadNanoseconds", load_ns),
};

static int read_info(struct edge *edge, const cJSON *object, struct edge_model_info *ret) {
    if (!cJSON_IsObject(object))
        return edge_break(edge, -EPROTO, "a reply's network is no object");
    *ret = (struct edge_model_info){0};
    return edge_read_params(edge, object, info_table, ARRAY_SIZE(info_table), ret);
}

struct list_box {
    struct edge_list list; /* first: what the caller holds */
    struct kept kept;
    struct edge_model_info models[];
};

_public_ struct edge_list *edge_list_free(struct edge_list *list) {
    if (list) {
        struct list_box *box = container_of(list, struct list_box, list);
        kept_deinit(&box->kept);
        free(box);
    }
    return NULL;
}

_public_ int edge_list(struct edge *edge, struct edge_list **ret_list) {
    static const struct param table[] = {{"models", PARAM_ARRAY, PARAM_REQUIRED, 0}};
    struct json_writer w;
    const cJSON *parameters, *array, *item;
    size_t start;
    int r = edge_begin_call(edge, "io.edged.List", &w, &start);
    if (!r)
        r = edge_finish_call(edge, &w, start, -1, &parameters);
    if (!r)
        r = edge_read_params(edge, parameters, table, ARRAY_SIZE(table), &array);
    if (r)
        return r;
    size_t n = (size_t)cJSON_GetArraySize(array);
    struct list_box *box = calloc(1, sizeof(*box) + n * sizeof(box->models[0]));
    if (!box)
        return edge_set_error(edge, err_origin(-ENOMEM), "out of memory");
    box->list.models = box->models;
    cJSON_ArrayForEach(item, array) {
        r = read_info(edge, item, &box->models[box->list.n++]);
        if (r) {
            free(box);
            return r;
        }
    }
    keep(edge, &box->kept);
    *ret_list = &box->list;
    return 0;
}

struct model_box {
    struct edge_model model; /* first: what the caller holds */
    struct kept kept;
    void *arrays[4]; /* ports, labels, layers */
};

_public_ struct edge_model *edge_model_free(struct edge_model *model) {
    if (model) {
        struct model_box *box = container_of(model, struct model_box, model);
        for (size_t i = 0; i < ARRAY_SIZE(box->arrays); i++)
            free(box->arrays[i]);
        kept_deinit(&box->kept);
        free(box);
    }
    return NULL;
}

static int read_shape(struct edge *edge, const cJSON *shape, int64_t *ret_shape, unsigned *ret_n) {
    const cJSON *dim;
    unsigned n = 0;
    cJSON_ArrayForEach(dim, shape) {
        if (n == EDGE_MAX_DIMS || !json_int(dim, 0, JSON_MAX_INT, &ret_shape[n]))
            return edge_break(edge, -EPROTO, "a reply holds a malformed shape");
        n++;
    }
    *ret_n = n;
    return 0;
}

static int read_port(struct edge *edge, const cJSON *object, struct edge_port *ret) {
    struct {
        const char *name, *datatype;
        const cJSON *shape, *scale, *zero_point;
    } p = {0};
    static const struct param table[] = {
        {"name", PARAM_STRING, PARAM_REQUIRED, offsetof(__typeof__(p), name)},
        {"datatype", PARAM_STRING, PARAM_REQUIRED, offsetof(__typeof__(p), datatype)},
        {"shape", PARAM_ARRAY, PARAM_REQUIRED, offsetof(__typeof__(p), shape)},
        {"scale", PARAM_ANY, PARAM_OPTIONAL, offsetof(__typeof__(p), scale)},
        {"zeroPoint", PARAM_ANY, PARAM_OPTIONAL, offsetof(__typeof__(p), zero_point)},
    };
    if (!cJSON_IsObject(object))
        return edge_break(edge, -EPROTO, "a reply's port is no object");
    int r = edge_read_params(edge, object, table, ARRAY_SIZE(table), &p);
    if (!r)
        r = read_shape(edge, p.shape, ret->shape, &ret->n_dims);
    if (r)
        return r;
    ret->name = p.name;
    ret->datatype = (enum edge_datatype)dtype_parse(p.datatype);
    ret->size = edge_datatype_size(ret->datatype);
    bool fits = ret->size > 0;
    for (unsigned d = 0; d < ret->n_dims; d++)
        fits = fits && ret->shape[d] > 0 && size_mul(ret->size, (size_t)ret->shape[d], &ret->size);
    ret->scale = p.scale && cJSON_IsNumber(p.scale) ? p.scale->valuedouble : 0;
    if (p.zero_point)
        fits = fits && json_int(p.zero_point, INT32_MIN, INT32_MAX, &ret->zero_point);
    return fits ? 0 : edge_break(edge, -EPROTO, "a reply's port '%.100s' is malformed", p.name);
}

static int read_layer(struct edge *edge, const cJSON *object, struct edge_layer *ret) {
    struct {
        struct edge_layer layer;
        const cJSON *shape;
    } l = {.layer.why = ""};
    static const struct param table[] = {
        {"operator", PARAM_STRING, PARAM_REQUIRED, offsetof(__typeof__(l), layer.op)},
        {"kernel", PARAM_STRING, PARAM_REQUIRED, offsetof(__typeof__(l), layer.kernel)},
        {"fused", PARAM_STRING, PARAM_REQUIRED, offsetof(__typeof__(l), layer.fused)},
        {"why", PARAM_STRING, 0, offsetof(__typeof__(l), layer.why)}, /* older daemons: none */
        {"shape", PARAM_ARRAY, PARAM_REQUIRED, offsetof(__typeof__(l), shape)},
        {"macs", PARAM_INT, PARAM_REQUIRED, offsetof(__typeof__(l), layer.macs)},
        {"weightBytes", PARAM_INT, PARAM_REQUIRED, offsetof(__typeof__(l), layer.weight_bytes)},
    };
    if (!cJSON_IsObject(object))
        return edge_break(edge, -EPROTO, "a reply's layer is no object");
    int r = edge_read_params(edge, object, table, ARRAY_SIZE(table), &l);
    if (!r)
        r = read_shape(edge, l.shape, l.layer.shape, &l.layer.n_dims);
    if (!r)
        *ret = l.layer;
    return r;
}

/* An element of the arrays below, for read_array(). */
static int read_any_port(struct edge *edge, const cJSON *item, void *ret) {
    return read_port(edge, item, ret);
}

static int read_any_layer(struct edge *edge, const cJSON *item, void *ret) {
    return read_layer(edge, item, ret);
}

static int read_label(struct edge *edge, const cJSON *item, void *ret) {
    if (!cJSON_IsString(item))
        return edge_break(edge, -EPROTO, "a reply's label is no string");
    *(const char **)ret = item->valuestring;
    return 0;
}

typedef int (*read_fn)(struct edge *edge, const cJSON *item, void *ret);

/* Reads each element of an array into memory that *ret_array gets at once, for the caller to free. */
static int read_array(struct edge *edge, const cJSON *array, size_t size, read_fn read,
                      void **ret_array, size_t *ret_n) {
    size_t n = (size_t)cJSON_GetArraySize(array);
    uint8_t *elements = calloc(n + 1, size);
    if (!elements)
        return edge_set_error(edge, err_origin(-ENOMEM), "out of memory");
    *ret_array = elements;
    *ret_n = n;
    const cJSON *item;
    cJSON_ArrayForEach(item, array) {
        int r = read(edge, item, elements);
        if (r)
            return r;
        elements += size;
    }
    return 0;
}

static int read_model(struct edge *edge, const cJSON *parameters, struct model_box *box) {
    struct {
        const cJSON *info, *inputs, *outputs, *labels, *layers;
        const char *licence, *tier;
        bool frontend;
    } d = {0};
    static const struct param table[] = {
        {"info", PARAM_OBJECT, PARAM_REQUIRED, offsetof(__typeof__(d), info)},
        {"licence", PARAM_STRING, PARAM_REQUIRED, offsetof(__typeof__(d), licence)},
        {"tier", PARAM_STRING, PARAM_REQUIRED, offsetof(__typeof__(d), tier)},
        {"frontend", PARAM_BOOL, PARAM_REQUIRED, offsetof(__typeof__(d), frontend)},
        {"inputs", PARAM_ARRAY, PARAM_REQUIRED, offsetof(__typeof__(d), inputs)},
        {"outputs", PARAM_ARRAY, PARAM_REQUIRED, offsetof(__typeof__(d), outputs)},
        {"labels", PARAM_ARRAY, PARAM_REQUIRED, offsetof(__typeof__(d), labels)},
        {"layers", PARAM_ARRAY, PARAM_REQUIRED, offsetof(__typeof__(d), layers)},
    };
    struct edge_model *m = &box->model;
    int r = edge_read_params(edge, parameters, table, ARRAY_SIZE(table), &d);
    if (!r)
        r = read_info(edge, d.info, &m->info);
    if (!r)
        r = read_array(edge, d.inputs, sizeof(struct edge_port), read_any_port, &box->arrays[0],
                       &m->n_inputs);
    if (!r)
        r = read_array(edge, d.outputs, sizeof(struct edge_port), read_any_port, &box->arrays[1],
                       &m->n_outputs);
    if (!r)
        r = read_array(edge, d.labels, sizeof(char *), read_label, &box->arrays[2], &m->n_labels);
    if (!r)
        r = read_array(edge, d.layers, sizeof(struct edge_layer), read_any_layer, &box->arrays[3],
                       &m->n_layers);
    m->licence = d.licence;
    m->tier = d.tier;
    m->frontend = d.frontend;
    m->inputs = box->arrays[0];
    m->outputs = box->arrays[1];
    m->labels = box->arrays[2];
    m->layers = box->arrays[3];
    return r;
}

_public_ int edge_describe(struct edge *edge, const char *name, struct edge_model **ret_model) {
    struct json_writer w;
    const cJSON *parameters;
    size_t start;
    int r = edge_check_given(edge, name, "the network's name");
    if (!r)
        r = edge_begin_call(edge, "io.edged.Describe", &w, &start);
    if (r)
        return r;
    json_key(&w, "model");
    json_put_string(&w, name);
    r = edge_finish_call(edge, &w, start, -1, &parameters);
    if (r)
        return r;
    struct model_box *box = calloc(1, sizeof(*box));
    if (!box)
        return edge_set_error(edge, err_origin(-ENOMEM), "out of memory");
    r = read_model(edge, parameters, box);
    keep(edge, &box->kept);
    if (r)
        edge_model_free(&box->model);
    else
        *ret_model = &box->model;
    return r;
}

struct status_box {
    struct edge_status status; /* first: what the caller holds */
    struct kept kept;
};

_public_ struct edge_status *edge_status_free(struct edge_status *status) {
    if (status) {
        struct status_box *box = container_of(status, struct status_box, status);
        kept_deinit(&box->kept);
        free(box);
    }
    return NULL;
}

#define STATUS(name, member, type)                                                                 \
    { name, type, PARAM_REQUIRED, offsetof(struct edge_status, member) }

static const struct param status_table[] = {
    STATUS("version", version, PARAM_STRING),
    STATUS("status", status, PARAM_STRING),
    STATUS("tier", tier, PARAM_STRING),
    STATUS("workers", workers, PARAM_INT),
    STATUS("models", models, PARAM_INT),
    STATUS("modelBytes", model_bytes, PARAM_INT),
    STATUS("connections", connections, PARAM_INT),
    STATUS("sessions", sessions, PARAM_INT),
    STATUS("regions", regions, PARAM_INT),
    STATUS("queued", queued, PARAM_INT),
    STATUS("queueLength", queue_length, PARAM_INT),
    STATUS("running", running, PARAM_INT),
    STATUS("requests", requests, PARAM_INT),
    STATUS("uptimeSeconds", uptime_s, PARAM_INT),
};

_public_ int edge_status(struct edge *edge, struct edge_status **ret_status) {
    struct json_writer w;
    const cJSON *parameters;
    size_t start;
    int r = edge_begin_call(edge, "io.edged.Status", &w, &start);
    if (!r)
        r = edge_finish_call(edge, &w, start, -1, &parameters);
    if (r)
        return r;
    struct status_box *box = calloc(1, sizeof(*box));
    if (!box)
        return edge_set_error(edge, err_origin(-ENOMEM), "out of memory");
    r = edge_read_params(edge, parameters, status_table, ARRAY_SIZE(status_table), &box->status);
    if (r) {
        free(box);
        return r;
    }
    keep(edge, &box->kept);
    *ret_status = &box->status;
    return 0;
}
