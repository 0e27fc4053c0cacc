/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON inputs: a flat or nested array of real values; an object of such arrays by input name; or what Infer takes,
 * {"inputs": [{"name", "datatype", "data"}]}, where the datatype, unless it is the input's own, means real values.
 */

#include <errno.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/bytes.h"
#include "base/error.h"
#include "client/edgectl/feed.h"

#define JSON_INPUT_MAX_DEPTH 8
#define JSON_INPUT_MAX_BYTES ((size_t)256 << 20)

static void json_deletep(cJSON **json) {
    cJSON_Delete(*json);
}

/* What a nested array has held so far: its numbers in order, and its shape, which every part must share. */
struct numbers {
    struct buffer values; /* doubles */
    size_t dims[JSON_INPUT_MAX_DEPTH];
    unsigned n_known; /* dims that are known */
    unsigned n_dims;  /* depth of the numbers; UINT_MAX before the first */
};

static int ragged(struct diag *diag) {
    return diag_set(diag, FEED_E_INVALID,
                    "an array is ragged: its parts differ in length or depth");
}

static int collect_number(double value, unsigned depth, struct numbers *numbers,
                          struct diag *diag) {
    if (numbers->n_dims == UINT_MAX)
        numbers->n_dims = depth;
    if (numbers->n_dims != depth)
        return ragged(diag);
    return buffer_append(&numbers->values, &value, sizeof(value));
}

static int collect(const cJSON *item, unsigned depth, struct numbers *numbers, struct diag *diag) {
    if (cJSON_IsNumber(item) || cJSON_IsBool(item))
        return collect_number(cJSON_IsBool(item) ? cJSON_IsTrue(item) : item->valuedouble, depth,
                              numbers, diag);
    if (!cJSON_IsArray(item))
        return diag_set(diag, FEED_E_INVALID, "a value is not a number or an array of numbers");
    if (depth == JSON_INPUT_MAX_DEPTH)
        return diag_set(diag, FEED_E_INVALID, "arrays deeper than %d", JSON_INPUT_MAX_DEPTH);
    size_t n = (size_t)cJSON_GetArraySize(item);
    if (depth == numbers->n_known)
        numbers->dims[numbers->n_known++] = n;
    if (numbers->dims[depth] != n || depth >= numbers->n_dims)
        return ragged(diag);
    const cJSON *child;
    cJSON_ArrayForEach(child, item) {
        int r = collect(child, depth + 1, numbers, diag);
        if (r)
            return r;
    }
    return 0;
}

/* What an integer datatype holds; doubles are exact up to 2^53. */
static void code_range(enum dtype dtype, double *ret_min, double *ret_max) {
    unsigned bits = dtype == DTYPE_INT64 ? 54 : (unsigned)dtype_size(dtype) * 8;
    bool is_signed = dtype != DTYPE_UINT8 && dtype != DTYPE_BOOL;
    *ret_min = is_signed ? -(double)(INT64_C(1) << (bits - 1)) : 0;
    *ret_max = dtype == DTYPE_BOOL ? 1 : (double)(INT64_C(1) << (bits - is_signed)) - 1;
}

/* Values of the input's own integer datatype: quantized ones, taken as they are. */
static int add_codes(struct feed *feed, uint32_t input, const double *values, size_t n,
                     struct diag *diag) {
    enum dtype dtype = feed->source->inputs[input].dtype;
    double min, max;
    code_range(dtype, &min, &max);
    _cleanup_(buffer_deinit) struct buffer codes;
    buffer_init(&codes, FEED_MAX_BYTES);
    for (size_t i = 0; i < n; i++) {
        if (!(values[i] >= min && values[i] <= max) || values[i] != (double)(int64_t)values[i])
            return diag_set(diag, FEED_E_INVALID, "value %zu, %g, is no %s", i, values[i],
                            dtype_name(dtype));
        uint8_t code[8];
        store_le64(code, (uint64_t)(int64_t)values[i]);
        int r = buffer_append(&codes, code, dtype_size(dtype));
        if (r)
            return diag_set(diag, err_trace(r), "out of memory");
    }
    return feed_add_values(feed, input, dtype, codes.data, n, diag);
}

/* Real values are floats on the wire and in .npy files: the same rounding here. */
static int add_reals(struct feed *feed, uint32_t input, const double *values, size_t n,
                     struct diag *diag) {
    _cleanup_(buffer_deinit) struct buffer floats;
    buffer_init(&floats, FEED_MAX_BYTES);
    int r = buffer_reserve(&floats, n * sizeof(float));
    if (r)
        return diag_set(diag, err_trace(r), "out of memory");
    float *f = (float *)(void *)floats.data;
    for (size_t i = 0; i < n; i++) {
        if (!(fabs(values[i]) <= (double)FLT_MAX))
            return diag_set(diag, FEED_E_INVALID, "value %zu, %g, is no FP32", i, values[i]);
        f[i] = (float)values[i];
    }
    return feed_add_values(feed, input, DTYPE_FP32, f, n, diag);
}

static int add_array(struct feed *feed, uint32_t input, const cJSON *array, bool own,
                     struct diag *diag) {
    struct numbers numbers = {.n_dims = UINT_MAX};
    buffer_init(&numbers.values, FEED_MAX_BYTES);
    int r = collect(array, 0, &numbers, diag);
    if (r < 0)
        diag_set(diag, err_trace(r), "out of memory");
    if (!r) {
        size_t n = numbers.values.len / sizeof(double);
        const double *values = (const double *)(const void *)numbers.values.data;
        enum dtype dtype = feed->source->inputs[input].dtype;
        bool codes = own && dtype != DTYPE_FP32 && dtype != DTYPE_FP64;
        r = codes ? add_codes(feed, input, values, n, diag)
                  : add_reals(feed, input, values, n, diag);
    }
    buffer_deinit(&numbers.values);
    return r;
}

/* One element of Infer's `inputs`. */
static int add_tensor(struct feed *feed, const cJSON *tensor, struct diag *diag) {
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(tensor, "name");
    const cJSON *datatype = cJSON_GetObjectItemCaseSensitive(tensor, "datatype");
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(tensor, "data");
    if (!cJSON_IsString(name) || !data)
        return diag_set(diag, FEED_E_INVALID, "an element of 'inputs' lacks 'name' or 'data'");
    int input = source_find_input(feed->source, name->valuestring, strlen(name->valuestring));
    if (input < 0)
        return diag_set(diag, FEED_E_INVALID, "the network has no input '%s'", name->valuestring);
    bool own = false;
    if (datatype) {
        enum dtype dtype =
            cJSON_IsString(datatype) ? dtype_parse(datatype->valuestring) : DTYPE_NONE;
        if (dtype == DTYPE_NONE)
            return diag_set(diag, FEED_E_INVALID, "input '%s': unknown datatype",
                            name->valuestring);
        own = dtype == feed->source->inputs[input].dtype;
    }
    return add_array(feed, (uint32_t)input, data, own, diag);
}

static int add_object(struct feed *feed, const cJSON *object, struct diag *diag) {
    const cJSON *inputs = cJSON_GetObjectItemCaseSensitive(object, "inputs");
    bool is_request = cJSON_IsArray(inputs) && cJSON_IsObject(cJSON_GetArrayItem(inputs, 0));
    const cJSON *list = is_request ? inputs : object, *item;
    cJSON_ArrayForEach(item, list) {
        int r;
        if (is_request) {
            r = add_tensor(feed, item, diag);
        } else {
            int input = source_find_input(feed->source, item->string, strlen(item->string));
            if (input < 0)
                return diag_set(diag, FEED_E_INVALID, "the network has no input '%s'",
                                item->string);
            r = add_array(feed, (uint32_t)input, item, false, diag);
        }
        if (r)
            return r;
    }
    return 0;
}

int feed_add_json(struct feed *feed, uint32_t input, const char *text, size_t size,
                  struct diag *diag) {
    if (size > JSON_INPUT_MAX_BYTES)
        return diag_set(diag, FEED_E_INVALID, "more than %zu MiB of JSON: use .npy",
                        JSON_INPUT_MAX_BYTES >> 20);
    _cleanup_(json_deletep) cJSON *json = cJSON_ParseWithLength(text, size);
    if (!json)
        return diag_set(diag, FEED_E_INVALID, "not JSON");
    if (cJSON_IsObject(json))
        return add_object(feed, json, diag);
    return add_array(feed, input, json, false, diag);
}
