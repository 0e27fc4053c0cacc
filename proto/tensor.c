/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensors between JSON and structs. Values stay text here; values.c turns them into numbers.
 */

#include "proto/tensor.h"

#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/arith.h"
#include "proto/json.h"
#include "proto/params.h"
#include "proto/values.h"

static const char *const form_names[] = {
    [WIRE_DATA] = "data",
    [WIRE_RAW] = "raw",
    [WIRE_REGION] = "region",
    [WIRE_FILE_DESCRIPTOR] = "fileDescriptor",
};

const char *wire_form_name(enum wire_form form) {
    return (unsigned)form < ARRAY_SIZE(form_names) ? form_names[form] : NULL;
}

bool wire_form_parse(const char *name, enum wire_form *ret_form) {
    for (unsigned i = 0; i < ARRAY_SIZE(form_names); i++)
        if (strcmp(form_names[i], name) == 0) {
            *ret_form = (enum wire_form)i;
            return true;
        }
    return false;
}

/* A Tensor object as the table below reads it. */
struct raw_tensor {
    const char *name, *datatype, *region;
    const cJSON *shape, *data, *raw;
    int64_t descriptor, offset, size; /* -1: absent */
};

static const struct param tensor_table[] = {
    {"name", PARAM_STRING, PARAM_OPTIONAL, offsetof(struct raw_tensor, name)},
    {"datatype", PARAM_STRING, PARAM_OPTIONAL, offsetof(struct raw_tensor, datatype)},
    {"shape", PARAM_ARRAY, PARAM_OPTIONAL, offsetof(struct raw_tensor, shape)},
    {"data", PARAM_ANY, PARAM_OPTIONAL, offsetof(struct raw_tensor, data)},
    {"raw", PARAM_ANY, PARAM_OPTIONAL, offsetof(struct raw_tensor, raw)},
    {"region", PARAM_STRING, PARAM_OPTIONAL, offsetof(struct raw_tensor, region)},
    {"fileDescriptor", PARAM_INT, PARAM_OPTIONAL, offsetof(struct raw_tensor, descriptor)},
    {"offset", PARAM_INT, PARAM_OPTIONAL, offsetof(struct raw_tensor, offset)},
    {"size", PARAM_INT, PARAM_OPTIONAL, offsetof(struct raw_tensor, size)},
};

static int at_fault(struct wire_fault *fault, int code, const char *path, const char *member) {
    snprintf(fault->field, sizeof(fault->field), "%s%s%.40s", path, member ? "." : "",
             member ? member : "");
    return code;
}

static int read_shape(const cJSON *shape, struct wire_tensor *t, const char *path,
                      struct wire_fault *fault) {
    const cJSON *dim;
    if (!shape)
        return 0;
    cJSON_ArrayForEach(dim, shape) {
        if (t->n_dims == WIRE_MAX_DIMS) {
            diag_set(&fault->diag, 0, "more than %d dimensions", WIRE_MAX_DIMS);
            return at_fault(fault, WIRE_E_TENSOR, path, "shape");
        }
        if (!json_int(dim, 0, JSON_MAX_INT, &t->dims[t->n_dims++])) {
            diag_set(&fault->diag, 0, "dimension %d is no integer of at least 0", t->n_dims - 1);
            return at_fault(fault, WIRE_E_PARAMETER, path, "shape");
        }
    }
    t->has_shape = true;
    return 0;
}

static int read_text(const struct json_doc *doc, const cJSON *item, enum wire_form form,
                     struct wire_tensor *t, const char *path, struct wire_fault *fault) {
    const struct json_cut *c = json_doc_cut(doc, item);
    if (!c) {
        diag_set(&fault->diag, 0,
                 form == WIRE_DATA ? "not a flat array of numbers" : "not a string of base64");
        return at_fault(fault, WIRE_E_PARAMETER, path, form_names[form]);
    }
    t->form = form;
    t->text = c->text;
    t->text_len = c->len;
    return 0;
}

/* Exactly one of the four forms, and a place only with those that have one. */
static int read_form(const struct json_doc *doc, const struct raw_tensor *raw,
                     struct wire_tensor *t, const char *path, struct wire_fault *fault) {
    int forms = !!raw->data + !!raw->raw + !!raw->region + (raw->descriptor >= 0);
    if (forms != 1) {
        diag_set(&fault->diag, 0, "%s of data, raw, region and fileDescriptor",
                 forms ? "more than one" : "none");
        return at_fault(fault, WIRE_E_TENSOR, path, NULL);
    }
    bool placed = raw->region || raw->descriptor >= 0;
    if (!placed && (raw->offset >= 0 || raw->size >= 0)) {
        diag_set(&fault->diag, 0, "only a region or a fileDescriptor has one");
        return at_fault(fault, WIRE_E_TENSOR, path, raw->offset >= 0 ? "offset" : "size");
    }
    if (raw->data)
        return read_text(doc, raw->data, WIRE_DATA, t, path, fault);
    if (raw->raw)
        return read_text(doc, raw->raw, WIRE_RAW, t, path, fault);
    t->form = raw->region ? WIRE_REGION : WIRE_FILE_DESCRIPTOR;
    t->region = raw->region;
    t->descriptor = raw->region ? 0 : (uint64_t)raw->descriptor;
    t->offset = raw->offset >= 0 ? (uint64_t)raw->offset : 0;
    t->has_size = raw->size >= 0;
    t->size = t->has_size ? (uint64_t)raw->size : 0;
    return 0;
}

int wire_tensor_read(const struct json_doc *doc, const cJSON *json, const char *path, bool lenient,
                     struct wire_tensor *ret_tensor, struct wire_fault *fault) {
    struct raw_tensor raw = {.descriptor = -1, .offset = -1, .size = -1};
    struct wire_tensor t = {0};
    const char *bad;
    if (!cJSON_IsObject(json)) {
        diag_set(&fault->diag, 0, "not an object");
        return at_fault(fault, WIRE_E_PARAMETER, path, NULL);
    }
    if (params_read(json, tensor_table, ARRAY_SIZE(tensor_table), lenient, &raw, &bad)) {
        diag_set(&fault->diag, 0, "unknown, of the wrong type or given twice");
        return at_fault(fault, WIRE_E_PARAMETER, path, bad);
    }
    t.name = raw.name;
    if (raw.datatype) {
        t.dtype = dtype_parse(raw.datatype);
        if (t.dtype == DTYPE_NONE) {
            diag_set(&fault->diag, 0, "'%.32s' is no datatype", raw.datatype);
            return at_fault(fault, WIRE_E_TENSOR, path, "datatype");
        }
    }
    int r = read_shape(raw.shape, &t, path, fault);
    if (!r)
        r = read_form(doc, &raw, &t, path, fault);
    if (!r)
        *ret_tensor = t;
    return r;
}

bool wire_tensor_elements(const struct wire_tensor *tensor, size_t *ret_n) {
    size_t n = 1;
    for (unsigned i = 0; i < tensor->n_dims; i++)
        if (!size_mul(n, (size_t)tensor->dims[i], &n))
            return false;
    *ret_n = n;
    return tensor->has_shape;
}

static void write_values(struct json_writer *w, const struct wire_values *t) {
    char *at;
    switch (t->form) {
    case WIRE_DATA:
        json_begin_array(w);
        at = json_put_reserve(w, values_text_max(t->dtype, t->size / dtype_size(t->dtype)));
        if (at)
            json_put_done(w,
                          values_to_text(t->dtype, t->values, t->size / dtype_size(t->dtype), at));
        json_end_array(w);
        return;
    case WIRE_RAW:
        at = json_put_reserve(w, values_base64_len(t->size) + 3);
        if (!at)
            return;
        /* The NUL after the text gives way to the closing quote. */
        values_to_base64(t->values, t->size, at + 1);
        at[0] = at[1 + values_base64_len(t->size)] = '"';
        json_put_done(w, values_base64_len(t->size) + 2);
        return;
    case WIRE_REGION:
        json_put_string(w, t->region);
        break;
    case WIRE_FILE_DESCRIPTOR:
        json_put_uint(w, t->descriptor);
        break;
    }
    json_key(w, "offset");
    json_put_uint(w, t->offset);
    json_key(w, "size");
    json_put_uint(w, t->size);
}

void wire_tensor_write(struct json_writer *w, const struct wire_values *tensor) {
    json_begin_object(w);
    json_key(w, "name");
    json_put_string(w, tensor->name);
    json_key(w, "datatype");
    json_put_string(w, dtype_name(tensor->dtype));
    json_key(w, "shape");
    json_begin_array(w);
    for (unsigned i = 0; i < tensor->n_dims; i++)
        json_put_int(w, tensor->dims[i]);
    json_end_array(w);
    json_key(w, form_names[tensor->form]);
    write_values(w, tensor);
    json_end_object(w);
}
