/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensors of a TFLite file as tensors of the graph. UINT8 becomes INT8: zero points minus 128, values xor 0x80.
 * Constants are copied, since the file's bytes may go after reading and need not be aligned.
 */

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "model/tflite-reader.h"

static enum dtype dtype_of(uint8_t type) {
    switch (type) {
    case TFL_FLOAT32:
        return DTYPE_FP32;
    case TFL_INT32:
        return DTYPE_INT32;
    case TFL_UINT8:
        return DTYPE_UINT8;
    case TFL_INT64:
        return DTYPE_INT64;
    case TFL_BOOL:
        return DTYPE_BOOL;
    case TFL_INT16:
        return DTYPE_INT16;
    case TFL_INT8:
        return DTYPE_INT8;
    case TFL_FLOAT64:
        return DTYPE_FP64;
    case TFL_INT4:
        return DTYPE_INT4;
    default:
        return DTYPE_NONE;
    }
}

/* Names of the other types of the schema. */
static const char *type_name(uint8_t type) {
    static const char *const names[] = {
        "FLOAT32",  "FLOAT16",  "INT32",     "UINT8",         "INT64",      "STRING",
        "BOOL",     "INT16",    "COMPLEX64", "INT8",          "FLOAT64",    "COMPLEX128",
        "UINT64",   "RESOURCE", "VARIANT",   "UINT32",        "UINT16",     "INT4",
        "BFLOAT16", "INT2",     "UINT4",     "FLOAT8_E4M3FN", "FLOAT8_E5M2"};
    return type < ARRAY_SIZE(names) ? names[type] : "unknown";
}

static int read_dims(struct tfl_reader *r, const struct tfl_tensor *t, struct tensor *tensor) {
    if (t->shape.count > GRAPH_MAX_DIMS)
        return diag_set(r->diag, MODEL_E_UNSUPPORTED, "tensor '%.*s' has %u dimensions",
                        TFL_NAME(t), t->shape.count);
    size_t n = 1;
    tensor->n_dims = (uint8_t)t->shape.count;
    for (uint32_t d = 0; d < t->shape.count; d++) {
        tensor->dims[d] = fb_i32_at(&t->shape, d);
        if (tensor->dims[d] < 1)
            return diag_set(r->diag, MODEL_E_INVALID, "dimension %u of tensor '%.*s' is %d", d,
                            TFL_NAME(t), tensor->dims[d]);
        n *= (size_t)tensor->dims[d];
        if (n > GRAPH_MAX_ELEMENTS)
            return diag_set(r->diag, MODEL_E_UNSUPPORTED, "tensor '%.*s' has more than %d elements",
                            TFL_NAME(t), GRAPH_MAX_ELEMENTS);
    }
    tensor->size = n;
    return 0;
}

/* Zero point of channel i, saturated far outside every type's range. */
static int32_t zero_point_at(const struct tfl_tensor *t, uint32_t i) {
    if (t->zero_points.count == 0)
        return 0;
    int64_t z = fb_i64_at(&t->zero_points, t->zero_points.count == 1 ? 0 : i);
    return (int32_t)MIN(MAX(z, (int64_t)-1000000), (int64_t)1000000);
}

/* The scales as they stand in the file, with one zero point for all of them. */
static int read_quant(struct tfl_reader *r, const struct tfl_tensor *t, int32_t shift,
                      struct tensor *tensor) {
    uint32_t n = t->scales.count;
    struct quant q = {.n_scales = n, .zero_point = zero_point_at(t, 0) - shift};
    if (n > 1 && (t->axis < 0 || t->axis >= tensor->n_dims || n != (uint32_t)tensor->dims[t->axis]))
        return diag_set(r->diag, MODEL_E_INVALID,
                        "tensor '%.*s' has %u scales, which do not match its axis %d", TFL_NAME(t),
                        n, t->axis);
    if (t->zero_points.count > 1 && t->zero_points.count != n)
        return diag_set(r->diag, MODEL_E_INVALID, "tensor '%.*s' has %u scales and %u zero points",
                        TFL_NAME(t), n, t->zero_points.count);
    for (uint32_t i = 0; n > 1 && i < n; i++)
        if (zero_point_at(t, i) != shift)
            return diag_set(r->diag, MODEL_E_UNSUPPORTED,
                            "tensor '%.*s' has a zero point of its own in channel %u", TFL_NAME(t),
                            i);
    float *scales = graph_alloc(r->graph, n * sizeof(*scales));
    if (!scales)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < n; i++)
        scales[i] = fb_f32_at(&t->scales, i);
    q.scales = scales;
    if (n > 1)
        q.axis = (uint8_t)t->axis;
    tensor->quant = q;
    return 0;
}

int tfl_describe(struct tfl_reader *r, const struct tfl_tensor *t, bool raw,
                 struct tensor *ret_tensor) {
    if (t->unsupported)
        return diag_set(r->diag, MODEL_E_UNSUPPORTED, "tensor '%.*s' %s", TFL_NAME(t),
                        t->unsupported);
    struct tensor tensor = {.dtype = dtype_of(t->type)};
    if (tensor.dtype == DTYPE_NONE)
        return diag_set(r->diag, MODEL_E_UNSUPPORTED, "tensor '%.*s' is of type %s", TFL_NAME(t),
                        type_name(t->type));
    int e = read_dims(r, t, &tensor);
    if (e)
        return e;
    tensor.size = dtype_bytes(tensor.dtype, tensor.size);
    bool shifts = t->type == TFL_UINT8 && !raw;
    if (t->type == TFL_UINT8 && t->scales.count == 0)
        return diag_set(r->diag, MODEL_E_UNSUPPORTED, "tensor '%.*s' is UINT8 without a scale",
                        TFL_NAME(t));
    if (shifts)
        tensor.dtype = DTYPE_INT8;
    if (t->scales.count && t->type != TFL_FLOAT32 && t->type != TFL_FLOAT64) {
        e = read_quant(r, t, shifts ? 128 : 0, &tensor);
        if (e)
            return e;
    }
    *ret_tensor = tensor;
    return 0;
}

static int check_const_size(struct tfl_reader *r, const struct tfl_tensor *t, size_t size) {
    if (t->data_size == size)
        return 0;
    return diag_set(r->diag, MODEL_E_INVALID, "constant '%.*s' has %zu bytes, not %zu", TFL_NAME(t),
                    t->data_size, size);
}

/* IEEE binary16 to binary32: the exponent's bias grows from 15 to 127. */
static float half_to_float(uint16_t h) {
    uint32_t exponent = h >> 10 & 31, fraction = h & 0x3ffU;
    if (exponent == 0) { /* zero and subnormal numbers */
        float magnitude = (float)fraction * 0x1p-24F;
        return h & 0x8000 ? -magnitude : magnitude;
    }
    uint32_t wide = exponent == 31 ? 255 : exponent + 112;
    uint32_t bits = (uint32_t)(h & 0x8000) << 16 | wide << 23 | fraction << 13;
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* FP32 values of a FLOAT16 constant. */
static int half_constant(struct tfl_reader *r, const struct tfl_tensor *t,
                         struct tensor *ret_tensor) {
    struct tensor tensor = {.dtype = DTYPE_FP32, .kind = TENSOR_CONST};
    int e = read_dims(r, t, &tensor);
    if (e)
        return e;
    size_t n = tensor.size;
    e = check_const_size(r, t, n * 2);
    if (e)
        return e;
    float *values = graph_alloc(r->graph, n * sizeof(*values));
    if (!values)
        return err_origin(-ENOMEM);
    for (size_t i = 0; i < n; i++)
        values[i] = half_to_float(load_le16(t->data + 2 * i));
    tensor.size = n * sizeof(*values);
    tensor.data = values;
    *ret_tensor = tensor;
    return 0;
}

int tfl_constant(struct tfl_reader *r, const struct tfl_tensor *t, struct tensor *ret_tensor) {
    if (t->type == TFL_FLOAT16 && !t->unsupported)
        return half_constant(r, t, ret_tensor);
    struct tensor tensor;
    int e = tfl_describe(r, t, false, &tensor);
    if (e == 0)
        e = check_const_size(r, t, tensor.size);
    if (e)
        return e;
    uint8_t *data = graph_alloc(r->graph, tensor.size);
    if (!data)
        return err_origin(-ENOMEM);
    memcpy(data, t->data, tensor.size);
    size_t n_flip = t->type == TFL_UINT8 ? tensor.size : 0;
    for (size_t i = 0; i < n_flip; i++)
        data[i] ^= 0x80;
    tensor.kind = TENSOR_CONST;
    tensor.data = data;
    *ret_tensor = tensor;
    return 0;
}

int tfl_add(struct tfl_reader *r, const struct tensor *tensor, int32_t *ret_index) {
    int e = graph_add_tensor(r->graph, tensor, ret_index);
    if (e == MODEL_E_UNSUPPORTED)
        return diag_set(r->diag, e, "more than %d tensors", GRAPH_MAX_TENSORS);
    return e;
}

/* The name of an input, output or state. Some files leave it empty: then one is made up. */
static int name_tensor(struct tfl_reader *r, const struct tfl_tensor *t, struct tensor *tensor) {
    if (!t->is_input && !t->is_output && !t->is_variable)
        return 0;
    char made[32];
    struct fb_string name = t->name;
    if (name.len == 0) {
        const char *what = t->is_input ? "input" : t->is_output ? "output" : "state";
        name.len = (uint32_t)snprintf(made, sizeof(made), "%s_%td", what, t - r->main.tensors);
        name.s = made;
    }
    if (name.len > GRAPH_MAX_NAME || memchr(name.s, 0, name.len))
        return diag_set(r->diag, MODEL_E_UNSUPPORTED,
                        "the name '%.*s' is longer than %d bytes or contains a NUL", TFL_NAME(t),
                        GRAPH_MAX_NAME);
    tensor->name = graph_strndup(r->graph, name.s, name.len);
    return tensor->name ? 0 : err_origin(-ENOMEM);
}

int tfl_activation(struct tfl_reader *r, struct tfl_tensor *t, bool raw) {
    struct tensor tensor;
    int e = tfl_describe(r, t, raw, &tensor);
    /* Of a UINT8 input or output only the raw form carries its name. */
    if (e == 0 && (raw || t->type != TFL_UINT8 || t->is_variable))
        e = name_tensor(r, t, &tensor);
    if (e)
        return e;
    tensor.kind = t->is_variable ? TENSOR_STATE : TENSOR_ACTIVATION;
    return tfl_add(r, &tensor, raw ? &t->raw_index : &t->index);
}

int tfl_convert(struct tfl_reader *r, int32_t from, int32_t to) {
    struct op op = {.kind = OP_QUANTIZE, .n_inputs = 1, .n_outputs = 1};
    int e = graph_add_op(r->graph, &op, &from, &to);
    if (e == MODEL_E_UNSUPPORTED)
        return diag_set(r->diag, e, "more than %d operators", GRAPH_MAX_OPS);
    return e;
}

/* A value nobody has computed so far: a constant, a variable, or the raw form of a UINT8 tensor. */
static int first_use(struct tfl_reader *r, struct tfl_tensor *t) {
    if (t->data && !t->is_variable) {
        struct tensor tensor;
        int e = tfl_constant(r, t, &tensor);
        return e ? e : tfl_add(r, &tensor, &t->index);
    }
    if (t->is_variable) {
        if (t->data)
            return diag_set(r->diag, MODEL_E_UNSUPPORTED,
                            "variable tensor '%.*s' has initial values", TFL_NAME(t));
        return tfl_activation(r, t, false);
    }
    if (t->raw_index == GRAPH_NONE)
        return diag_set(r->diag, MODEL_E_INVALID, "tensor '%.*s' is read before it is computed",
                        TFL_NAME(t));
    int e = tfl_activation(r, t, false);
    return e ? e : tfl_convert(r, t->raw_index, t->index);
}

int tfl_value(struct tfl_reader *r, struct tfl_tensor *t, int32_t *ret_index) {
    if (t->index == GRAPH_NONE) {
        int e = first_use(r, t);
        if (e)
            return e;
    }
    *ret_index = t->index;
    return 0;
}

/* values[i] = scale[c] * (q[i] - zero point[c]), channels along the quantized axis. */
static int dequantize(struct tfl_reader *r, const struct tfl_tensor *t, const struct tensor *like,
                      float *values) {
    size_t n = tensor_elements(like), inner = 1;
    uint32_t channels = t->scales.count;
    if (channels == 0 || (channels > 1 && (t->axis < 0 || t->axis >= like->n_dims ||
                                           channels != (uint32_t)like->dims[t->axis])))
        return diag_set(r->diag, MODEL_E_INVALID, "weights '%.*s' have %u scales", TFL_NAME(t),
                        channels);
    if (t->zero_points.count > 1 && t->zero_points.count != channels)
        return diag_set(r->diag, MODEL_E_INVALID, "weights '%.*s' have %u zero points", TFL_NAME(t),
                        t->zero_points.count);
    for (int d = channels > 1 ? t->axis + 1 : like->n_dims; d < like->n_dims; d++)
        inner *= (size_t)like->dims[d];
    if (channels == 1)
        inner = n;
    for (size_t i = 0, c = 0; i < n; i += inner, c = c + 1 < channels ? c + 1 : 0) {
        float scale = fb_f32_at(&t->scales, (uint32_t)c);
        int32_t z = zero_point_at(t, (uint32_t)c);
        for (size_t j = i; j < i + inner; j++) {
            int32_t q = t->type == TFL_INT8 ? (int8_t)t->data[j] : t->data[j];
            values[j] = scale * (float)(q - z);
        }
    }
    return 0;
}

int tfl_float_constant(struct tfl_reader *r, struct tfl_tensor *t, int32_t *ret_index) {
    if (!t->data || t->is_variable || (t->type != TFL_INT8 && t->type != TFL_UINT8))
        return tfl_value(r, t, ret_index);
    if (t->float_index == GRAPH_NONE) {
        if (t->unsupported)
            return diag_set(r->diag, MODEL_E_UNSUPPORTED, "tensor '%.*s' %s", TFL_NAME(t),
                            t->unsupported);
        struct tensor tensor = {.dtype = DTYPE_FP32, .kind = TENSOR_CONST};
        int e = read_dims(r, t, &tensor);
        if (e == 0)
            e = check_const_size(r, t, tensor.size);
        if (e)
            return e;
        tensor.size *= sizeof(float);
        float *values = graph_alloc(r->graph, tensor.size);
        if (!values)
            return err_origin(-ENOMEM);
        tensor.data = values;
        e = dequantize(r, t, &tensor, values);
        if (e == 0)
            e = tfl_add(r, &tensor, &t->float_index);
        if (e)
            return e;
    }
    *ret_index = t->float_index;
    return 0;
}
