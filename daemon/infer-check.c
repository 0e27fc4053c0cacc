/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an Infer call asks for against what the network declares. Refusals name the tensor, its member and the reason.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/arith.h"
#include "base/error.h"
#include "daemon/infer.h"
#include "daemon/peer.h"
#include "daemon/regions.h"
#include "daemon/registry.h"
#include "daemon/reply.h"
#include "daemon/request.h"
#include "daemon/server.h"
#include "proto/values.h"
#include "runtime/runtime.h"

/* InvalidTensor about member `member` of the tensor at `path`. */
static int refuse(struct request *request, const char *tensor, const char *path, const char *member,
                  const char *fmt, ...) _printf_(5, 6);
static int refuse(struct request *request, const char *tensor, const char *path, const char *member,
                  const char *fmt, ...) {
    char field[WIRE_MAX_FIELD], reason[DIAG_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(reason, sizeof(reason), fmt, ap);
    va_end(ap);
    snprintf(field, sizeof(field), "%s%s%s", path, member ? "." : "", member ? member : "");
    reply_invalid_tensor(request, tensor ? tensor : path, field, reason);
    return INFER_E_REPLIED;
}

static int parameter(struct request *request, const char *name) {
    reply_invalid_parameter(request, name);
    return INFER_E_REPLIED;
}

static size_t port_elements(const struct port *port) {
    return port->size / dtype_size(port->dtype);
}

/* Which input a tensor is for. */
static int match_input(struct request *request, const struct infer *infer, const char *path,
                       const struct wire_tensor *wire, uint32_t *ret_index) {
    const struct image *image = infer->model->image;
    uint32_t i = 0;
    if (!wire->name && infer->n_inputs > 1)
        return refuse(request, NULL, path, "name", "missing, and the network has %u inputs",
                      infer->n_inputs);
    while (wire->name && i < infer->n_inputs && strcmp(image_input(image, i)->name, wire->name))
        i++;
    if (i == infer->n_inputs)
        return refuse(request, wire->name, path, "name", "the network has no such input");
    if (infer->inputs[i].port)
        return refuse(request, infer->inputs[i].port->name, path, "name",
                      "this input is given twice");
    *ret_index = i;
    return 0;
}

/* The network's own datatype, or real values for a quantized one. */
static int check_dtype(struct request *request, struct infer_input *in) {
    const struct port *port = in->port;
    in->dtype = in->wire.dtype ? in->wire.dtype : port->dtype;
    bool real = in->dtype == DTYPE_FP32 && port->scale != 0;
    if (in->dtype == port->dtype || real)
        return 0;
    return refuse(request, port->name, in->path, "datatype", "%s where the network has %s%s",
                  dtype_name(in->dtype), dtype_name(port->dtype),
                  port->scale != 0 ? " and takes FP32 too" : "");
}

/* The N for which the shape is that of N runs: the declared one with its first axis N times as long, or N in front of
 * it. 0: neither. */
static uint64_t shape_batch(const struct port *port, const struct wire_tensor *wire) {
    unsigned extra = wire->n_dims == port->n_dims + 1;
    uint64_t batch = 1;
    if (!extra && wire->n_dims != port->n_dims)
        return 0;
    for (unsigned i = 0; i < port->n_dims; i++) {
        uint64_t dim = (uint64_t)wire->dims[i + extra];
        uint64_t want = (uint64_t)port->dims[i];
        if (i == 0 && !extra && dim % want == 0)
            batch = dim / want;
        else if (dim != want)
            return 0;
    }
    return extra ? (uint64_t)wire->dims[0] : batch;
}

static void shape_text(const struct port *port, char *ret, size_t size) {
    size_t n = 0;
    ret[0] = 0;
    for (unsigned i = 0; i < port->n_dims && n < size; i++)
        n += (size_t)snprintf(ret + n, size - n, "%s%d", i ? ", " : "", port->dims[i]);
}

/* Values that are there according to the text or the size. *ret_known false, and *ret_n as it was: nothing says so. */
static int count_values(struct request *request, const struct infer_input *in, size_t *ret_n,
                        bool *ret_known) {
    const struct wire_tensor *w = &in->wire;
    size_t element = dtype_size(in->dtype), bytes;
    struct diag diag;
    *ret_known = true;
    switch (w->form) {
    case WIRE_DATA:
        *ret_n = values_count(w->text, w->text_len);
        break;
    case WIRE_RAW:
        if (values_base64_size(w->text, w->text_len, &bytes, &diag))
            return refuse(request, in->port->name, in->path, "raw", "%s", diag.text);
        *ret_n = bytes / element;
        break;
    case WIRE_REGION:
    case WIRE_FILE_DESCRIPTOR:
        *ret_known = w->has_size;
        if (w->has_size)
            *ret_n = (size_t)w->size / element;
        break;
    }
    return 0;
}

/* How many runs the tensor is for, and that its values are as many as that. */
static int check_batch(struct request *request, struct infer *infer, struct infer_input *in) {
    const struct port *port = in->port;
    const struct wire_tensor *w = &in->wire;
    uint32_t max = request->server->config.max_batch;
    size_t elements = port_elements(port);
    size_t n = elements;
    bool counted;
    int r = count_values(request, in, &n, &counted);
    if (r)
        return r;
    const char *member = w->has_shape ? "shape" : wire_form_name(w->form);
    uint64_t batch = w->has_shape ? shape_batch(port, w) : n / elements;
    if (w->has_shape ? batch == 0 : n % elements != 0 || n == 0) {
        char shape[128];
        shape_text(port, shape, sizeof(shape));
        if (!w->has_shape)
            return refuse(request, port->name, in->path, member,
                          "%zu values are no whole number of runs of shape [%s]", n, shape);
        return refuse(request, port->name, in->path, member, "not [%s] or a batch of it", shape);
    }
    if (batch > max)
        return refuse(request, port->name, in->path, member,
                      "a batch of %llu is above the limit of %u", (unsigned long long)batch, max);
    if (infer->batch && batch != infer->batch)
        return refuse(request, port->name, in->path, member,
                      "a batch of %llu, but an input before it has %u", (unsigned long long)batch,
                      infer->batch);
    if (counted && n != batch * elements)
        return refuse(request, port->name, in->path, wire_form_name(w->form),
                      "%zu values where the shape has %zu", n, (size_t)batch * elements);
    infer->batch = (uint32_t)batch;
    in->bytes = (size_t)batch * elements * dtype_size(in->dtype);
    if ((w->form == WIRE_REGION || w->form == WIRE_FILE_DESCRIPTOR) && w->has_size &&
        w->size != in->bytes)
        return refuse(request, port->name, in->path, "size", "%llu bytes where %zu are needed",
                      (unsigned long long)w->size, in->bytes);
    return 0;
}

/* That the values have a place, and may be read there. */
static int check_place(struct request *request, struct infer_input *in) {
    const struct wire_tensor *w = &in->wire;
    const char *name = in->port->name;
    if (w->form == WIRE_DATA || w->form == WIRE_RAW)
        return 0;
    if (w->offset % dtype_size(in->dtype))
        return refuse(request, name, in->path, "offset", "not a multiple of the element size %zu",
                      dtype_size(in->dtype));
    if (w->form == WIRE_FILE_DESCRIPTOR) {
        if (w->descriptor >= request->message.fds.n)
            return refuse(request, name, in->path, "fileDescriptor",
                          "the message came with %u descriptors", request->message.fds.n);
        return 0;
    }
    struct region *region = regions_find(request->peer, w->region);
    if (!region) {
        reply_error(request, "io.edged.RegionNotFound", "region", w->region);
        return INFER_E_REPLIED;
    }
    if (!range_within(w->offset, in->bytes, region->map.size))
        return refuse(request, name, in->path, "offset",
                      "%zu bytes from %llu on are not in the region's %zu", in->bytes,
                      (unsigned long long)w->offset, region->map.size);
    in->region = region_ref(region);
    return 0;
}

/* "inputs[12]", on the way of every request. */
static void write_path(char ret[16], unsigned number) {
    char text[16 + VALUES_MAX_TEXT] = "inputs[";
    size_t n = strlen(text);
    n += value_write_uint(text + n, number);
    memcpy(text + n, "]", 2);
    memcpy(ret, text, 16);
}

static int read_input(struct request *request, struct infer *infer, const cJSON *json,
                      unsigned number) {
    struct wire_tensor wire;
    struct wire_fault fault;
    char path[16];
    uint32_t i = 0;
    write_path(path, number);
    int r = wire_tensor_read(&request->doc, json, path, false, &wire, &fault);
    if (r == WIRE_E_PARAMETER)
        return parameter(request, fault.field);
    if (r) {
        const cJSON *name = cJSON_GetObjectItemCaseSensitive(json, "name");
        reply_invalid_tensor(request, cJSON_IsString(name) ? name->valuestring : path, fault.field,
                             fault.diag.text);
        return INFER_E_REPLIED;
    }
    r = match_input(request, infer, path, &wire, &i);
    if (r)
        return r;
    struct infer_input *in = &infer->inputs[i];
    in->wire = wire;
    in->port = image_input(infer->model->image, i);
    memcpy(in->path, path, sizeof(path));
    r = check_dtype(request, in);
    if (!r)
        r = check_batch(request, infer, in);
    if (!r)
        r = check_place(request, in);
    return r;
}

int infer_read_inputs(struct request *request, struct infer *infer) {
    const struct image *image = infer->model->image;
    const cJSON *item;
    unsigned number = 0;
    infer->n_inputs = image_n_inputs(image);
    infer->inputs = request_alloc(request, infer->n_inputs * sizeof(*infer->inputs));
    if (!infer->inputs)
        return err_origin(-ENOMEM);
    cJSON_ArrayForEach(item, infer->inputs_json) {
        int r = read_input(request, infer, item, number++);
        if (r)
            return r;
    }
    for (uint32_t i = 0; i < infer->n_inputs; i++)
        if (!infer->inputs[i].port)
            return refuse(request, image_input(image, i)->name, "inputs", NULL,
                          "this input is missing");
    return 0;
}

/* Which outputs, in which order. */
static int choose_outputs(struct request *request, struct infer *infer) {
    const cJSON *item;
    infer->order = request_alloc(request, infer->n_outputs * sizeof(*infer->order));
    if (!infer->order)
        return err_origin(-ENOMEM);
    if (!infer->outputs_json) {
        for (uint32_t i = 0; i < infer->n_outputs; i++) {
            infer->outputs[i].wanted = true;
            infer->order[infer->n_wanted++] = i;
        }
        return 0;
    }
    unsigned number = 0;
    cJSON_ArrayForEach(item, infer->outputs_json) {
        char path[16];
        uint32_t i = 0;
        snprintf(path, sizeof(path), "outputs[%u]", number++);
        if (!cJSON_IsString(item))
            return parameter(request, path);
        while (i < infer->n_outputs && strcmp(infer->outputs[i].port->name, item->valuestring))
            i++;
        if (i == infer->n_outputs)
            return refuse(request, item->valuestring, path, NULL, "the network has no such output");
        if (infer->outputs[i].wanted)
            return refuse(request, item->valuestring, path, NULL, "this output is asked for twice");
        infer->outputs[i].wanted = true;
        infer->order[infer->n_wanted++] = i;
    }
    return 0;
}

/* Real values are those of a quantized output; asking for the datatype an output has anyway is fine. */
static int choose_dtype(struct request *request, struct infer *infer) {
    if (!infer->dtype_name)
        return 0;
    enum dtype dtype = dtype_parse(infer->dtype_name);
    for (uint32_t i = 0; i < infer->n_outputs; i++) {
        struct infer_output *out = &infer->outputs[i];
        if (!out->wanted || out->port->dtype == dtype)
            continue;
        if (dtype != DTYPE_FP32 || out->port->scale == 0)
            return parameter(request, "outputDatatype");
        out->real = true;
        out->sent_bytes = port_elements(out->port) * infer->batch * sizeof(float);
    }
    return 0;
}

/* Where each output goes in a region or memfd. */
static int place_outputs(struct request *request, struct infer *infer) {
    bool in_region = infer->form == WIRE_REGION;
    if (!in_region && infer->region_name)
        return parameter(request, "outputRegion");
    if (!in_region && infer->region_offset >= 0)
        return parameter(request, "outputOffset");
    uint64_t base = in_region && infer->region_offset > 0 ? (uint64_t)infer->region_offset : 0;
    uint64_t at = base;
    if (base % INFER_OUTPUT_ALIGN)
        return parameter(request, "outputOffset");
    for (uint32_t i = 0; i < infer->n_wanted; i++) {
        struct infer_output *out = &infer->outputs[infer->order[i]];
        out->offset = ALIGN_UP(at, INFER_OUTPUT_ALIGN);
        at = out->offset + out->sent_bytes;
    }
    infer->out_bytes = (size_t)(at - base);
    if (!in_region)
        return 0;
    if (!infer->region_name)
        return parameter(request, "outputRegion");
    struct region *region = regions_find(request->peer, infer->region_name);
    if (!region) {
        reply_error(request, "io.edged.RegionNotFound", "region", infer->region_name);
        return INFER_E_REPLIED;
    }
    if (!range_within(base, at - base, region->map.size))
        return refuse(request, infer->region_name, "outputOffset", NULL,
                      "%zu bytes from %llu on are not in the region's %zu", infer->out_bytes,
                      (unsigned long long)base, region->map.size);
    infer->region = region_ref(region);
    return 0;
}

int infer_read_outputs(struct request *request, struct infer *infer) {
    const struct image *image = infer->model->image;
    infer->n_outputs = image_n_outputs(image);
    infer->outputs = request_alloc(request, infer->n_outputs * sizeof(*infer->outputs));
    if (!infer->outputs)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < infer->n_outputs; i++) {
        struct infer_output *out = &infer->outputs[i];
        out->port = image_output(image, i);
        out->bytes = out->sent_bytes = out->port->size * infer->batch;
    }
    if (infer->form_name && !wire_form_parse(infer->form_name, &infer->form))
        return parameter(request, "outputForm");
    int r = choose_outputs(request, infer);
    if (!r)
        r = choose_dtype(request, infer);
    if (!r)
        r = place_outputs(request, infer);
    return r;
}
