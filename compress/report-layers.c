/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layers of a compressed network: how they are stored, which kernel computes them, how near they are to what they
 * were.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/arith.h"
#include "base/error.h"
#include "base/fd.h"
#include "compress/complexity.h"
#include "compress/dataset.h"
#include "compress/layer.h"
#include "compress/observe.h"
#include "compress/report-parts.h"
#include "model/container.h"
#include "model/graph.h"
#include "runtime/runtime.h"

#define HISTOGRAM_BINS 41 /* odd: zero is in the middle of one */
#define SQNR_SAMPLES 64
#define CODEBOOK_SHARE 4 /* fewer distinct values than one in so many weights: a codebook */

bool report_is_part(const char *name, const char *of) {
    size_t n = strlen(of);
    return strncmp(name, of, n) == 0 && (name[n] == 0 || name[n] == '.');
}

/* ---- weights ---- */

static double code_at(const struct tensor *t, size_t i) {
    const uint8_t *bytes = t->data;
    switch (t->dtype) {
    case DTYPE_FP32:
        return (double)((const float *)t->data)[i];
    case DTYPE_INT8:
        return ((const int8_t *)t->data)[i];
    case DTYPE_UINT8:
        return bytes[i];
    case DTYPE_INT16:
        return ((const int16_t *)t->data)[i];
    case DTYPE_INT4:
        return (int8_t)(uint8_t)((i % 2 ? bytes[i / 2] : bytes[i / 2] << 4) & 0xf0) / 16;
    default:
        return ((const int32_t *)t->data)[i];
    }
}

static double scale_at(const struct tensor *t, size_t i) {
    const struct quant *q = &t->quant;
    if (q->group)
        return (double)q->scales[i / q->group];
    if (q->n_scales <= 1)
        return q->n_scales ? (double)q->scales[0] : 1;
    size_t inner = 1;
    for (unsigned d = q->axis + 1U; d < t->n_dims; d++)
        inner *= (size_t)t->dims[d];
    return (double)q->scales[i / inner % q->n_scales];
}

float *report_weights(const struct graph *graph, const struct layer *layer) {
    const struct tensor *t = layer_weights(graph, layer);
    size_t n = tensor_elements(t);
    float *values = malloc(n * sizeof(*values));
    for (size_t i = 0; values && i < n; i++)
        values[i] = (float)(scale_at(t, i) * (code_at(t, i) - t->quant.zero_point));
    return values;
}

static int compare_floats(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Bits of a weight: those of its type, or of an index into the few values there are. Sorts the values. */
static double weight_bits(const struct tensor *t, float *values, size_t n) {
    size_t distinct = 1;
    double bits = 8 * (double)t->size / (double)n;
    qsort(values, n, sizeof(*values), compare_floats);
    for (size_t i = 1; i < n; i++)
        distinct += values[i] > values[i - 1];
    if (distinct * CODEBOOK_SHARE > n)
        return bits;
    return fmin(bits, fmax(1, ceil(log2((double)distinct))));
}

/* Of what is not zero, around zero. */
static cJSON *histogram(const float *values, size_t n) {
    double counts[HISTOGRAM_BINS] = {0}, most = 0;
    size_t zeros = 0;
    for (size_t i = 0; i < n; i++)
        most = MAX(most, fabs((double)values[i]));
    for (size_t i = 0; i < n; i++) {
        double at = most > 0 ? ((double)values[i] / most + 1) / 2 * HISTOGRAM_BINS : 0;
        if (values[i] == 0)
            zeros++;
        else
            counts[(unsigned)fmin(at, HISTOGRAM_BINS - 1)]++;
    }
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "min", -most);
    cJSON_AddNumberToObject(json, "max", most);
    cJSON_AddNumberToObject(json, "zeros", (double)zeros);
    cJSON_AddItemToObject(json, "counts", cJSON_CreateDoubleArray(counts, HISTOGRAM_BINS));
    return json;
}

static int add_histogram(cJSON *json, const char *name, const struct graph *graph,
                         const struct layer *layer, bool with_bits) {
    size_t n = tensor_elements(layer_weights(graph, layer));
    float *values = report_weights(graph, layer);
    if (!values)
        return err_origin(-ENOMEM);
    cJSON_AddItemToObject(json, name, histogram(values, n));
    if (with_bits)
        cJSON_AddNumberToObject(json, "bits", weight_bits(layer_weights(graph, layer), values, n));
    free(values);
    return 0;
}

/* ---- what the runtime made of it ---- */

/* The plan keeps the order of operators: the k-th of a kind is the k-th of that kind. -1: the plan computes it within
 * another. */
static int64_t find_step(const struct report_layers *in, const struct layer *layer) {
    enum op_kind kind = in->after->ops[layer->op].kind;
    uint32_t before = 0;
    for (uint32_t i = 0; i < layer->op; i++)
        before += in->after->ops[i].kind == kind;
    for (uint32_t i = 0; i < image_n_layers(in->image); i++) {
        struct layer_info info = image_layer(in->image, i);
        if (info.kind == kind && before-- == 0)
            return info.macs == layer->macs ? (int64_t)i : -1;
    }
    return -1;
}

static void add_kernel(cJSON *json, const struct report_layers *in, const struct layer *layer) {
    int64_t step = find_step(in, layer);
    if (step < 0)
        return;
    struct layer_info info = image_layer(in->image, (uint32_t)step);
    cJSON_AddNumberToObject(json, "bytes_memory", (double)info.weight_bytes);
    cJSON_AddStringToObject(json, "kernel", info.kernel);
    cJSON_AddStringToObject(json, "why", info.why);
}

/* ---- signal and noise ---- */

struct signals {
    float *values; /* of one output of the float network, sample after sample */
    size_t n, at, channels;
    double *products; /* per channel: a * b, b * b, a * a */
    size_t seen;
};

static int keep(void *arg, uint32_t which, const float *values, size_t n) {
    struct signals *s = arg;
    memcpy(s->values + s->at, values, n * sizeof(*values));
    s->at += n;
    return 0;
}

static int compare(void *arg, uint32_t which, const float *values, size_t n) {
    struct signals *s = arg;
    for (size_t i = 0; i < n; i++) {
        double *p = s->products + 3 * (i % s->channels);
        double a = (double)s->values[s->seen + i], b = (double)values[i];
        p[0] += a * b;
        p[1] += b * b;
        p[2] += a * a;
    }
    s->seen += n;
    return 0;
}

/* Up to a factor for each channel, which equalization moves from one layer into the next. */
static double ratio_db(const struct signals *s) {
    double signal = 0, noise = 0;
    for (size_t c = 0; c < s->channels; c++) {
        const double *p = s->products + 3 * c;
        signal += p[2];
        noise += p[1] > 0 ? fmax(p[2] - p[0] * p[0] / p[1], 0) : p[2];
    }
    return noise > signal * 1e-15 ? 10 * log10(signal / noise) : (double)NAN;
}

static int measure_sqnr(const struct report_layers *in, int32_t before, int32_t after,
                        double *ret_db, struct diag *diag) {
    const struct dataset *data = in->options->eval ? in->options->eval : in->options->calibration;
    const struct tensor *t = &in->before->tensors[before];
    size_t samples = MIN((size_t)SQNR_SAMPLES, data->n), n = tensor_elements(t);
    struct signals s = {.n = n, .channels = (size_t)t->dims[t->n_dims - 1]};
    enum tier tier = in->options->tier;
    int r = -ENOMEM;
    s.values = malloc(samples * n * sizeof(*s.values));
    s.products = calloc(3 * s.channels, sizeof(*s.products));
    if (s.values && s.products)
        r = observe(in->before, &before, 1, data, samples, tier, keep, &s, diag);
    if (r == 0)
        r = observe(in->after, &after, 1, data, samples, tier, compare, &s, diag);
    if (r == 0)
        *ret_db = ratio_db(&s);
    free(s.values);
    free(s.products);
    return r == -ENOMEM ? err_origin(r) : r;
}

static bool same_shape(const struct tensor *a, const struct tensor *b) {
    return a->n_dims == b->n_dims && a->n_dims > 0 &&
           memcmp(a->dims, b->dims, a->n_dims * sizeof(a->dims[0])) == 0;
}

/* Where the whole layer's result is there in both, with the same activation: the last of its parts gives it. */
static int add_sqnr(cJSON *json, const struct report_layers *in, const struct layer *was,
                    const struct layer *layer, struct diag *diag) {
    int32_t before = layer_op(in->before, was)->outputs[0];
    int32_t after = layer_op(in->after, layer)->outputs[0];
    double db = (double)NAN;
    if ((!in->options->eval && !in->options->calibration) ||
        layer_op(in->before, was)->act != layer_op(in->after, layer)->act ||
        !same_shape(&in->before->tensors[before], &in->after->tensors[after]))
        return 0;
    int r = measure_sqnr(in, before, after, &db, diag);
    if (r == 0 && isfinite(db))
        cJSON_AddNumberToObject(json, "sqnr_db", db);
    return r;
}

/* ---- a row ---- */

static void add_sizes(cJSON *json, const struct report_layers *in, const struct layer *layer,
                      const struct container_stored *stored) {
    const struct tensor *t = layer_weights(in->after, layer);
    struct complexity c = complexity_of_op(in->after, layer_op(in->after, layer));
    double n = (double)tensor_elements(t);
    cJSON *shape = cJSON_AddArrayToObject(json, "shape");
    for (unsigned d = 0; d < t->n_dims; d++)
        cJSON_AddItemToArray(shape, cJSON_CreateNumber(t->dims[d]));
    cJSON_AddNumberToObject(json, "parameters", n);
    cJSON_AddNumberToObject(json, "density", (double)complexity_non_zeros(t) / n);
    cJSON_AddNumberToObject(json, "bytes_stored", (double)stored[layer->weights].bytes);
    cJSON_AddStringToObject(json, "encoding", stored[layer->weights].method ?: "");
    cJSON_AddNumberToObject(json, "macs", (double)c.macs);
    cJSON_AddNumberToObject(json, "effective_macs", (double)c.effective_macs);
}

static const struct layer *find_was(const struct layers *layers, const char *name) {
    for (uint32_t i = 0; i < layers->n; i++)
        if (report_is_part(name, layers->items[i].name))
            return &layers->items[i];
    return NULL;
}

static int add_row(cJSON *rows, const struct report_layers *in, const struct layers *before,
                   const struct layer *layer, const struct container_stored *stored, bool last,
                   struct diag *diag) {
    const struct layer *was = find_was(before, layer->name);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddItemToArray(rows, json);
    cJSON_AddStringToObject(json, "name", layer->name);
    cJSON_AddStringToObject(json, "was", was ? was->name : "");
    cJSON_AddStringToObject(json, "kind", layer_kind_word(layer_op(in->after, layer)));
    add_sizes(json, in, layer, stored);
    add_kernel(json, in, layer);
    int r = add_histogram(json, "histogram_after", in->after, layer, true);
    if (r == 0 && was)
        r = add_histogram(json, "histogram_before", in->before, was, false);
    if (r == 0 && was && last)
        r = add_sqnr(json, in, was, layer, diag);
    return r;
}

/* What each tensor takes in the file, which is read from a copy: reading may take it over. */
static int read_stored(const struct report_layers *in, struct container_stored *stored,
                       struct diag *diag) {
    struct map map = {.size = in->size};
    map.data = aligned_alloc(64, ALIGN_UP(in->size, (size_t)64));
    if (!map.data)
        return err_origin(-ENOMEM);
    memcpy(map.data, in->file, in->size);
    int r = container_stored(&map, stored, in->after->n_tensors, diag);
    free(map.data);
    return r > 0 ? COMPRESS_E_INVALID : r;
}

int report_layers(const struct report_layers *in, cJSON **ret_layers, struct diag *diag) {
    struct layers before, after;
    int r = layers_find(in->before, &before);
    if (r == 0)
        r = layers_find(in->after, &after);
    if (r)
        return r;
    struct container_stored *stored = calloc(in->after->n_tensors + 1UL, sizeof(*stored));
    cJSON *rows = cJSON_CreateArray();
    r = stored && rows ? read_stored(in, stored, diag) : err_origin(-ENOMEM);
    for (uint32_t i = 0; i < after.n && r == 0; i++) {
        const struct layer *was = find_was(&before, after.items[i].name);
        bool last = !was || i + 1 == after.n || !report_is_part(after.items[i + 1].name, was->name);
        r = add_row(rows, in, &before, &after.items[i], stored, last, diag);
    }
    free(stored);
    if (r)
        cJSON_Delete(rows);
    else
        *ret_layers = rows;
    return r;
}
