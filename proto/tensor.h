/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A tensor on the wire: name, datatype, shape and where its values are. Thread-safe; what a tensor points to belongs
 * to its document.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/dtype.h"
#include "base/error.h"

struct cJSON;
struct json_doc;
struct json_writer;

#define WIRE_MAX_DIMS 8
#define WIRE_MAX_TENSORS 64 /* in one call */
#define WIRE_MAX_FIELD 96

enum wire_form {
    WIRE_DATA = 0,
    WIRE_RAW,
    WIRE_REGION,
    WIRE_FILE_DESCRIPTOR,
};

/* "data", "raw", "region", "fileDescriptor"; NULL for anything else. */
const char *wire_form_name(enum wire_form form);
/* False for an unknown name. */
bool wire_form_parse(const char *name, enum wire_form *ret_form);

struct wire_tensor {
    const char *name; /* NULL: absent */
    enum dtype dtype; /* DTYPE_NONE: absent */
    bool has_shape;
    uint8_t n_dims;
    int64_t dims[WIRE_MAX_DIMS]; /* each >= 0 */
    enum wire_form form;
    char *text; /* DATA: the inside of the array, RAW: base64 */
    size_t text_len;
    const char *region;
    uint64_t descriptor; /* index among the message's descriptors */
    bool has_size;
    uint64_t offset, size; /* bytes; REGION and FILE_DESCRIPTOR */
};

enum {
    /* a member is unknown, missing or of the wrong JSON type: InvalidParameter */
    WIRE_E_PARAMETER = 1,
    WIRE_E_TENSOR = 2, /* a value that cannot be: InvalidTensor */
};

struct wire_fault {
    char field[WIRE_MAX_FIELD]; /* for example "inputs[1].shape" */
    struct diag diag;           /* the reason */
};

/*
 * Reads a Tensor object. `path` ("inputs[1]") begins the field in *fault. `lenient` ignores unknown members.
 * 0, WIRE_E_PARAMETER, WIRE_E_TENSOR.
 */
_nodiscard_ int wire_tensor_read(const struct json_doc *doc, const struct cJSON *json,
                                 const char *path, bool lenient, struct wire_tensor *ret_tensor,
                                 struct wire_fault *fault);

/* Elements of the shape; false where it is absent or the product overflows. */
bool wire_tensor_elements(const struct wire_tensor *tensor, size_t *ret_n);

/* What wire_tensor_write() writes: values in the host's memory for DATA and RAW, else where they are. */
struct wire_values {
    const char *name;
    enum dtype dtype;
    uint8_t n_dims;
    const int64_t *dims;
    enum wire_form form;
    const void *values; /* DATA, RAW */
    size_t size;        /* bytes of the values */
    const char *region;
    uint64_t descriptor;
    uint64_t offset;
};

/* Writes a Tensor object. */
void wire_tensor_write(struct json_writer *w, const struct wire_values *tensor);
