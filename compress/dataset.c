/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data sets in .npy files.
 */

#include "compress/dataset.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/error.h"
#include "compress/compress.h"
#include "model/graph.h"
#include "runtime/runtime.h"

static int read_array(const char *folder, const char *name, struct npy *ret, struct diag *diag) {
    char path[4096];
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
        return diag_set(diag, COMPRESS_E_INVALID, "%.64s…: the path is too long", folder);
    int r = npy_read(path, ret, diag);
    return r > 0 ? COMPRESS_E_INVALID : r;
}

static bool has_labels(const char *folder) {
    char path[4096];
    return (size_t)snprintf(path, sizeof(path), "%s/y.npy", folder) < sizeof(path) &&
           access(path, F_OK) == 0;
}

static bool is_finite(const struct npy *a, size_t i) {
    return a->dtype == DTYPE_FP32 ? isfinite(((const float *)a->data)[i])
                                  : isfinite(((const double *)a->data)[i]);
}

/* Here, where data comes in, so that neither passes nor metrics have to expect anything else. */
static int check_finite(const struct npy *a, const char *folder, const char *name,
                        struct diag *diag) {
    const size_t per_sample = a->n_dims ? a->n / a->dims[0] : a->n;
    if (a->dtype != DTYPE_FP32 && a->dtype != DTYPE_FP64)
        return 0;
    for (size_t i = 0; i < a->n; i++)
        if (!is_finite(a, i))
            return diag_set(diag, COMPRESS_E_INVALID,
                            "%s/%s: value %zu of sample %zu is not a finite number", folder, name,
                            i % per_sample, i / per_sample);
    return 0;
}

int dataset_open(const char *path, struct dataset *ret_dataset, struct diag *diag) {
    struct dataset d = {.path = path};
    int r = read_array(path, "x.npy", &d.x, diag);
    if (r)
        return r;
    if (d.x.n_dims == 0) {
        dataset_deinit(&d);
        return diag_set(diag, COMPRESS_E_INVALID,
                        "%s/x.npy is one number: its first axis is the samples", path);
    }
    d.n = d.x.dims[0];
    d.per_sample = d.x.n / d.n;
    d.has_y = has_labels(path);
    if (d.has_y)
        r = read_array(path, "y.npy", &d.y, diag);
    if (r == 0)
        r = check_finite(&d.x, path, "x.npy", diag);
    if (r == 0 && d.has_y)
        r = check_finite(&d.y, path, "y.npy", diag);
    if (r) {
        dataset_deinit(&d);
        return r;
    }
    *ret_dataset = d;
    return 0;
}

void dataset_deinit(struct dataset *dataset) {
    npy_deinit(&dataset->x);
    npy_deinit(&dataset->y);
}

int dataset_check(const struct dataset *dataset, const struct graph *graph, const char *what,
                  struct diag *diag) {
    if (graph->n_inputs != 1)
        return diag_set(diag, COMPRESS_E_INVALID,
                        "%s: the network has %" PRIu32 " inputs; a data set is for one", what,
                        graph->n_inputs);
    const struct tensor *x = &graph->tensors[graph->inputs[0]];
    if (dataset->per_sample != tensor_elements(x))
        return diag_set(diag, COMPRESS_E_INVALID,
                        "%s: %s/x.npy has %zu values a sample, the network's input takes %zu", what,
                        dataset->path, dataset->per_sample, tensor_elements(x));
    return 0;
}

int dataset_input(const struct dataset *dataset, size_t i, const struct port *port,
                  void *ret_values) {
    const uint8_t *x = dataset->x.data;
    size_t size = dtype_size(dataset->x.dtype) * dataset->per_sample;
    return port_quantize(port, dataset->x.dtype, x + i * size, dataset->per_sample, ret_values);
}

int64_t dataset_label(const struct dataset *dataset, size_t i) {
    const struct npy *y = &dataset->y;
    switch (y->dtype) {
    case DTYPE_INT8:
        return ((const int8_t *)y->data)[i];
    case DTYPE_UINT8:
    case DTYPE_BOOL:
        return ((const uint8_t *)y->data)[i];
    case DTYPE_INT16:
        return ((const int16_t *)y->data)[i];
    case DTYPE_INT32:
        return ((const int32_t *)y->data)[i];
    default:
        return ((const int64_t *)y->data)[i];
    }
}

double dataset_target(const struct dataset *dataset, size_t i) {
    const struct npy *y = &dataset->y;
    if (y->dtype == DTYPE_FP32)
        return (double)((const float *)y->data)[i];
    if (y->dtype == DTYPE_FP64)
        return ((const double *)y->data)[i];
    return (double)dataset_label(dataset, i);
}

/* Those of `n` parts of an array, one after the other. */
static int take_parts(const struct npy *from, size_t n_parts, const size_t *parts, size_t n,
                      struct npy *ret) {
    size_t size = from->size / n_parts;
    uint8_t *data = malloc(n * size);
    if (!data)
        return err_origin(-ENOMEM);
    for (size_t i = 0; i < n; i++)
        memcpy(data + i * size, (const uint8_t *)from->data + parts[i] * size, size);
    *ret = (struct npy){.dtype = from->dtype, .n_dims = from->n_dims, .data = data, .owned = data};
    memcpy(ret->dims, from->dims, sizeof(ret->dims));
    ret->dims[0] = n;
    ret->n = from->n / n_parts * n;
    ret->size = n * size;
    return 0;
}

int dataset_take(const struct dataset *dataset, const size_t *samples, size_t n,
                 struct dataset *ret_dataset) {
    struct dataset d = {.path = dataset->path, .n = n, .per_sample = dataset->per_sample};
    int r = take_parts(&dataset->x, dataset->n, samples, n, &d.x);
    /* Labels that do not belong to the samples one by one are left out: who needs them says so. */
    d.has_y = dataset->has_y && dataset->y.n % dataset->n == 0;
    if (r == 0 && d.has_y)
        r = take_parts(&dataset->y, dataset->n, samples, n, &d.y);
    if (r) {
        dataset_deinit(&d);
        return r;
    }
    *ret_dataset = d;
    return 0;
}
