/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Infer: a request becomes a call, with values in base64 or where they lie in a region; a reply becomes tensors.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/arith.h"
#include "base/dtype.h"
#include "client/edge-private.h"
#include "proto/params.h"
#include "proto/tensor.h"
#include "proto/values.h"

#define EDGE_VALUE_ALIGN 64

_Static_assert((int)EDGE_FP32 == DTYPE_FP32 && (int)EDGE_INT8 == DTYPE_INT8 &&
                   (int)EDGE_UINT8 == DTYPE_UINT8 && (int)EDGE_INT16 == DTYPE_INT16 &&
                   (int)EDGE_INT32 == DTYPE_INT32 && (int)EDGE_INT64 == DTYPE_INT64 &&
                   (int)EDGE_BOOL == DTYPE_BOOL && (int)EDGE_FP64 == DTYPE_FP64,
               "public datatypes are those of base/dtype.h");
_Static_assert(EDGE_MAX_DIMS == WIRE_MAX_DIMS && EDGE_MAX_TENSORS == WIRE_MAX_TENSORS,
               "public limits are those of the wire");

_public_ size_t edge_datatype_size(enum edge_datatype datatype) {
    return dtype_size((enum dtype)datatype);
}

_public_ const char *edge_datatype_name(enum edge_datatype datatype) {
    return dtype_name((enum dtype)datatype);
}

static int check_input(struct edge *edge, size_t i, const struct edge_tensor *t) {
    if (t->n_dims > EDGE_MAX_DIMS)
        return edge_set_error(edge, -EINVAL, "inputs[%zu] has more than %d dimensions", i,
                              EDGE_MAX_DIMS);
    if (t->datatype != EDGE_DATATYPE_OWN && !edge_datatype_name(t->datatype))
        return edge_set_error(edge, -EINVAL, "inputs[%zu] has an unknown datatype %d", i,
                              (int)t->datatype);
    if (!t->data || !t->size)
        return edge_set_error(edge, -EINVAL, "inputs[%zu] has no data", i);
    return 0;
}

static int check_request(struct edge *edge, const struct edge_request *q) {
    if (!q)
        return edge_set_error(edge, -EINVAL, "the request is NULL");
    if (!q->model)
        return edge_set_error(edge, -EINVAL, "the request names no model");
    if (q->n_inputs && !q->inputs)
        return edge_set_error(edge, -EINVAL, "the request has %zu inputs at NULL", q->n_inputs);
    if (q->n_inputs > EDGE_MAX_TENSORS || q->n_outputs > EDGE_MAX_TENSORS)
        return edge_set_error(edge, -EINVAL, "the request has more than %d inputs or outputs",
                              EDGE_MAX_TENSORS);
    if (q->session && q->session->edge != edge)
        return edge_set_error(edge, -EINVAL, "the session is another connection's");
    if (q->region && q->region->edge != edge)
        return edge_set_error(edge, -EINVAL, "the region is another connection's");
    for (size_t i = 0; i < q->n_inputs; i++) {
        int r = check_input(edge, i, &q->inputs[i]);
        if (r)
            return r;
    }
    for (size_t i = 0; q->outputs && i < q->n_outputs; i++)
        if (!q->outputs[i])
            return edge_set_error(edge, -EINVAL, "outputs[%zu] has no name", i);
    return 0;
}

static void write_raw(struct json_writer *w, const void *data, size_t size) {
    size_t length = values_base64_len(size);
    char *at = json_put_reserve(w, length + 3);
    if (!at)
        return;
    /* The closing quote takes the place of the NUL. */
    at[0] = '"';
    values_to_base64(data, size, at + 1);
    at[length + 1] = '"';
    json_put_done(w, length + 2);
}

static void write_input(const struct edge *edge, struct json_writer *w,
                        const struct edge_tensor *t) {
    json_begin_object(w);
    if (t->name) {
        json_key(w, "name");
        json_put_string(w, t->name);
    }
    if (t->datatype != EDGE_DATATYPE_OWN) {
        json_key(w, "datatype");
        json_put_string(w, edge_datatype_name(t->datatype));
    }
    if (t->n_dims) {
        json_key(w, "shape");
        json_begin_array(w);
        for (unsigned d = 0; d < t->n_dims; d++)
            json_put_int(w, t->shape[d]);
        json_end_array(w);
    }
    const struct edge_region *region = edge_find_region(edge, t->data, t->size);
    if (region) {
        json_key(w, "region");
        json_put_string(w, region->name);
        json_key(w, "offset");
        json_put_uint(w, (uint64_t)((uintptr_t)t->data - (uintptr_t)region->map.data));
        json_key(w, "size");
        json_put_uint(w, t->size);
    } else {
        json_key(w, "raw");
        write_raw(w, t->data, t->size);
    }
    json_end_object(w);
}

static void write_request(const struct edge *edge, struct json_writer *w,
                          const struct edge_request *q) {
    json_key(w, "model");
    json_put_string(w, q->model);
    json_key(w, "inputs");
    json_begin_array(w);
    for (size_t i = 0; i < q->n_inputs; i++)
        write_input(edge, w, &q->inputs[i]);
    json_end_array(w);
    if (q->outputs) {
        json_key(w, "outputs");
        json_begin_array(w);
        for (size_t i = 0; i < q->n_outputs; i++)
            json_put_string(w, q->outputs[i]);
        json_end_array(w);
    }
    if (q->session) {
        json_key(w, "session");
        json_put_string(w, q->session->name);
    }
    if (q->real) {
        json_key(w, "outputDatatype");
        json_put_string(w, "FP32");
    }
    json_key(w, "outputForm");
    json_put_string(w, q->region ? "region" : "raw");
    if (q->region) {
        json_key(w, "outputRegion");
        json_put_string(w, q->region->name);
        json_key(w, "outputOffset");
        json_put_uint(w, q->offset);
    }
}

_public_ int edge_infer_send(struct edge *edge, const struct edge_request *request) {
    struct json_writer w;
    size_t start;
    int r = edge_check(edge);
    if (!r)
        r = check_request(edge, request);
    if (!r)
        r = edge_begin_call(edge, "io.edged.Infer", &w, &start);
    if (r)
        return r;
    write_request(edge, &w, request);
    return edge_end_call(edge, &w, start, -1);
}

/* A reply's outputs before their values are taken. */
struct results {
    struct wire_tensor tensors[WIRE_MAX_TENSORS];
    size_t offsets[WIRE_MAX_TENSORS]; /* in edge->values */
    size_t sizes[WIRE_MAX_TENSORS];
    size_t n;
};

static int malformed(struct edge *edge, size_t i, const char *what) {
    return edge_break(edge, -EPROTO, "a reply's outputs[%zu] %s", i, what);
}

/* Reads descriptions, and lays out the library's memory for values that the caller gives no room for. */
static int read_results(struct edge *edge, const cJSON *array, struct results *ret,
                        size_t *ret_total) {
    const cJSON *item;
    size_t total = 0;
    ret->n = 0;
    cJSON_ArrayForEach(item, array) {
        size_t i = ret->n, elements, end;
        char path[32];
        struct wire_fault fault;
        if (i == WIRE_MAX_TENSORS)
            return edge_break(edge, -EPROTO, "a reply has more than %d outputs", WIRE_MAX_TENSORS);
        struct wire_tensor *t = &ret->tensors[i];
        snprintf(path, sizeof(path), "outputs[%zu]", i);
        if (wire_tensor_read(&edge->doc, item, path, true, t, &fault))
            return edge_break(edge, -EPROTO, "a reply's %s: %s", fault.field, fault.diag.text);
        if (!t->name || !t->dtype || !wire_tensor_elements(t, &elements) ||
            !size_mul(elements, dtype_size(t->dtype), &ret->sizes[i]))
            return malformed(edge, i, "lacks name, datatype or shape");
        if (t->form != WIRE_RAW && t->form != WIRE_REGION)
            return malformed(edge, i, "has another form than was asked for");
        if (t->form == WIRE_RAW && values_base64_max(t->text_len) < ret->sizes[i])
            return malformed(edge, i, "has fewer values than its shape");
        ret->offsets[i] = total;
        if (!size_add(total, t->form == WIRE_RAW ? ret->sizes[i] : 0, &end) ||
            !size_align(end, EDGE_VALUE_ALIGN, &total))
            return malformed(edge, i, "is too large");
        ret->n++;
    }
    *ret_total = total;
    return 0;
}

static int reserve_values(struct edge *edge, size_t size) {
    if (size <= edge->values_cap)
        return 0;
    void *values = aligned_alloc(EDGE_VALUE_ALIGN, size);
    if (!values)
        return edge_set_error(edge, err_origin(-ENOMEM), "out of memory for %zu bytes of outputs",
                              size);
    free(edge->values);
    edge->values = values;
    edge->values_cap = size;
    return 0;
}

static int place_raw(struct edge *edge, size_t i, struct wire_tensor *t, void *to, size_t size) {
    struct diag diag;
    size_t got;
    if (values_from_base64(t->text, t->text_len, to, size, &got, &diag))
        return edge_break(edge, -EPROTO, "a reply's outputs[%zu].raw: %s", i, diag.text);
    if (got != size)
        return malformed(edge, i, "has fewer values than its shape");
    return 0;
}

static const struct edge_region *named_region(const struct edge *edge, const char *name) {
    for (const struct edge_region *region = edge->regions; region; region = region->next)
        if (strcmp(region->name, name) == 0)
            return region;
    return NULL;
}

/* Where an output is in a region of ours. */
static int find_values(struct edge *edge, size_t i, const struct wire_tensor *t, size_t size,
                       void **ret) {
    const struct edge_region *region = named_region(edge, t->region);
    if (!region || (t->has_size && t->size != size) ||
        !range_within(t->offset, size, region->map.size))
        return malformed(edge, i, "is not within a region of this connection");
    *ret = (uint8_t *)region->map.data + t->offset;
    return 0;
}

static int take_output(struct edge *edge, size_t i, struct results *results,
                       struct edge_tensor *out) {
    struct wire_tensor *t = &results->tensors[i];
    size_t size = results->sizes[i];
    void *place = out->data ? out->data : (uint8_t *)edge->values + results->offsets[i];
    int r;
    if (t->form == WIRE_RAW) {
        r = place_raw(edge, i, t, place, size);
    } else {
        void *values = NULL;
        r = find_values(edge, i, t, size, &values);
        if (!r && out->data)
            memmove(place, values, size);
        else if (!r)
            place = values;
    }
    if (r)
        return r;
    *out = (struct edge_tensor){
        .name = t->name,
        .datatype = (enum edge_datatype)t->dtype,
        .n_dims = t->n_dims,
        .data = place,
        .size = size,
    };
    memcpy(out->shape, t->dims, sizeof(out->shape));
    return 0;
}

static int read_timing(struct edge *edge, const cJSON *parameters, const cJSON **ret_outputs,
                       struct edge_timing *ret_timing) {
    struct {
        const cJSON *outputs;
        int64_t queue, compute;
    } reply = {0};
    const struct param table[] = {
        {"outputs", PARAM_ARRAY, PARAM_REQUIRED, 0},
        {"queueNanoseconds", PARAM_INT, PARAM_OPTIONAL, offsetof(__typeof__(reply), queue)},
        {"computeNanoseconds", PARAM_INT, PARAM_OPTIONAL, offsetof(__typeof__(reply), compute)},
    };
    int r = edge_read_params(edge, parameters, table, ARRAY_SIZE(table), &reply);
    if (r)
        return r;
    *ret_outputs = reply.outputs;
    *ret_timing = (struct edge_timing){(uint64_t)reply.queue, (uint64_t)reply.compute};
    return 0;
}

static int take_result(struct edge *edge, struct edge_tensor *outputs, size_t *n_outputs,
                       struct edge_timing *ret_timing) {
    const cJSON *parameters, *array;
    struct edge_timing timing;
    struct results results;
    size_t total = 0;
    int r = edge_read_reply(edge, &parameters);
    if (!r)
        r = read_timing(edge, parameters, &array, &timing);
    if (!r)
        r = read_results(edge, array, &results, &total);
    if (!r)
        r = reserve_values(edge, total);
    if (r)
        return r;
    if (results.n > *n_outputs)
        return edge_set_error(edge, -ENOBUFS, "the result has %zu outputs, there is room for %zu",
                              results.n, *n_outputs);
    for (size_t i = 0; i < results.n; i++)
        if (outputs[i].data && outputs[i].size < results.sizes[i])
            return edge_set_error(edge, -ENOBUFS,
                                  "output '%s' has %zu bytes, there is room for %zu",
                                  results.tensors[i].name, results.sizes[i], outputs[i].size);
    for (size_t i = 0; i < results.n && !r; i++)
        r = take_output(edge, i, &results, &outputs[i]);
    if (r)
        return r;
    *n_outputs = results.n;
    if (ret_timing)
        *ret_timing = timing;
    return 0;
}

_public_ int edge_infer_receive(struct edge *edge, struct edge_tensor *outputs, size_t *n_outputs,
                                struct edge_timing *ret_timing) {
    /* What has arrived counts even where the connection has failed since. */
    int r = edge->n_replies ? 0 : edge_check(edge);
    if (!r && !edge->n_calls)
        r = edge_set_error(edge, -ENODATA, "no request is under way");
    if (!r)
        r = edge_await_oldest(edge);
    return r ? r : take_result(edge, outputs, n_outputs, ret_timing);
}

_public_ int edge_infer(struct edge *edge, const struct edge_request *request,
                        struct edge_tensor *outputs, size_t *n_outputs,
                        struct edge_timing *ret_timing) {
    int r = edge_check(edge);
    if (!r && edge->n_calls)
        r = edge_set_error(edge, -EBUSY, "%zu requests wait to be received", edge->n_calls);
    if (!r)
        r = edge_infer_send(edge, request);
    return r ? r : edge_infer_receive(edge, outputs, n_outputs, ret_timing);
}
