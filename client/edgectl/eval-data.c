/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data set of `edgectl eval`.
 */

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/error.h"
#include "client/edgectl/eval.h"

static int read_array(const struct eval *e, const char *name, struct npy *ret, struct diag *diag) {
    char path[4096];
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", e->data, name) >= sizeof(path))
        return diag_set(diag, EVAL_E_INVALID, "--data: the path is too long");
    return npy_read(path, ret, diag);
}

int64_t eval_label(const struct eval *e, size_t i) {
    const struct npy *y = &e->y;
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

double eval_target(const struct eval *e, size_t i) {
    const struct npy *y = &e->y;
    if (y->dtype == DTYPE_FP32)
        return (double)((const float *)y->data)[i];
    if (y->dtype == DTYPE_FP64)
        return ((const double *)y->data)[i];
    return (double)eval_label(e, i);
}

/* The samples, and that the network can take them. */
int eval_read_x(struct eval *e, struct diag *diag) {
    const struct source *s = e->source;
    if (s->n_inputs != 1)
        return diag_set(diag, EVAL_E_INVALID,
                        "the network has %" PRIu32 " inputs; eval takes networks with one",
                        s->n_inputs);
    int r = read_array(e, "x.npy", &e->x, diag);
    if (r)
        return r;
    size_t per_sample = port_elements(&s->inputs[0]), all;
    char shape[PORT_SHAPE_MAX];
    if (e->x.n_dims == 0)
        return diag_set(diag, EVAL_E_INVALID, "x.npy is one number: its first axis is the samples");
    e->n = e->x.dims[0];
    if (!size_mul(e->n, per_sample, &all) || e->x.n != all)
        return diag_set(diag, EVAL_E_INVALID,
                        "x.npy has %zu values a sample, input '%s' %s takes %zu", e->x.n / e->n,
                        s->inputs[0].name,
                        port_shape(s->inputs[0].dims, s->inputs[0].n_dims, shape), per_sample);
    return 0;
}

int eval_read_y(struct eval *e, struct diag *diag) {
    char path[4096];
    /* An autoencoder is measured against its input: no y is needed. */
    if (e->metric == METRIC_MSE &&
        (size_t)snprintf(path, sizeof(path), "%s/y.npy", e->data) < sizeof(path) &&
        access(path, F_OK) != 0)
        return 0;
    int r = read_array(e, "y.npy", &e->y, diag);
    if (r)
        return r;
    e->has_y = true;
    if (e->metric == METRIC_MSE)
        return 0;
    if (e->y.n != e->n)
        return diag_set(diag, EVAL_E_INVALID, "y.npy has %zu labels, x.npy %zu samples", e->y.n,
                        e->n);
    if (e->y.dtype == DTYPE_FP32 || e->y.dtype == DTYPE_FP64)
        return diag_set(diag, EVAL_E_INVALID, "y.npy holds %s: labels are integers",
                        dtype_name(e->y.dtype));
    return 0;
}

const void *eval_output(const struct eval *e, size_t i) {
    return e->outputs + i * e->source->outputs[0].size;
}
