/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics of real values: mean squared error, and the area under the ROC curve.
 */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/arith.h"
#include "base/error.h"
#include "client/edgectl/ctl.h"
#include "client/edgectl/eval.h"
#include "compress/score.h"

/* The mean squared difference of a sample's output and what it should be, in real values. */
static int squared_error(const struct eval *e, size_t i, const double *targets, float *scratch,
                         double *ret) {
    const struct port *out = &e->source->outputs[0];
    size_t n = port_elements(out);
    int r = port_dequantize(out, eval_output(e, i), n, scratch);
    if (r)
        return r;
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += ((double)scratch[k] - targets[k]) * ((double)scratch[k] - targets[k]);
    *ret = sum / (double)n;
    return 0;
}

/* What sample i should give: y, or for an autoencoder the input itself. */
static int read_targets(const struct eval *e, size_t i, bool autoencoder, float *scratch,
                        uint8_t *values, double *ret) {
    size_t n = port_elements(&e->source->outputs[0]);
    if (!autoencoder) {
        for (size_t k = 0; k < n; k++)
            ret[k] = eval_target(e, i * n + k);
        return 0;
    }
    const struct port *in = &e->source->inputs[0];
    const uint8_t *x = (const uint8_t *)e->x.data + i * n * dtype_size(e->x.dtype);
    int r = port_quantize(in, e->x.dtype, x, n, values);
    if (!r)
        r = port_dequantize(in, values, n, scratch);
    for (size_t k = 0; k < n && !r; k++)
        ret[k] = (double)scratch[k];
    return r;
}

/* ret[i]: the mean squared error of sample i. */
static int squared_errors(const struct eval *e, bool autoencoder, double *ret) {
    size_t n = port_elements(&e->source->outputs[0]);
    double *targets = malloc(n * sizeof(*targets));
    float *scratch = malloc(n * sizeof(*scratch));
    uint8_t *values = malloc(n * sizeof(int64_t));
    int r = targets && scratch && values ? 0 : err_origin(-ENOMEM);
    for (size_t i = 0; i < e->n && !r; i++) {
        r = read_targets(e, i, autoencoder, scratch, values, targets);
        if (!r)
            r = squared_error(e, i, targets, scratch, &ret[i]);
    }
    free(targets);
    free(scratch);
    free(values);
    return r;
}

static bool is_autoencoder(const struct eval *e) {
    return port_elements(&e->source->outputs[0]) == port_elements(&e->source->inputs[0]);
}

static int print_figure(const struct ctl *ctl, const struct eval *e, const char *metric,
                        double value) {
    if (ctl->json) {
        cJSON *d = eval_document(e, metric);
        cJSON_AddNumberToObject(d, metric, value);
        return ctl_print_json(ctl, d);
    }
    printf("%s %.6g over %zu samples, %.2f s\n", metric, value, e->n, e->seconds);
    return CTL_DONE;
}

int eval_mse(const struct ctl *ctl, const struct eval *e) {
    size_t n = port_elements(&e->source->outputs[0]), all;
    bool fits = e->has_y && size_mul(e->n, n, &all) && e->y.n == all;
    if (!fits && !is_autoencoder(e))
        return ctl_fail(
            ctl,
            "mse needs a y.npy of %zu values a sample, or a network whose output has its "
            "input's size",
            n);
    double *errors = malloc(e->n * sizeof(*errors));
    int r = errors ? squared_errors(e, !fits, errors) : -ENOMEM;
    double sum = 0;
    for (size_t i = 0; i < e->n && !r; i++)
        sum += errors[i];
    free(errors);
    if (r)
        return ctl_fail(ctl, "the outputs cannot be compared: %s", strerror(-r));
    return print_figure(ctl, e, "mse", sum / (double)e->n);
}

/* How much sample i looks positive: the only or second output, or the error of an autoencoder. */
static int auc_scores(const struct eval *e, double *ret) {
    const struct port *out = &e->source->outputs[0];
    size_t n = port_elements(out);
    if (n > 2)
        return squared_errors(e, true, ret);
    for (size_t i = 0; i < e->n; i++) {
        float v[2];
        int r = port_dequantize(out, eval_output(e, i), n, v);
        if (r)
            return r;
        ret[i] = (double)v[n - 1];
    }
    return 0;
}

int eval_auc(const struct ctl *ctl, const struct eval *e) {
    if (port_elements(&e->source->outputs[0]) > 2 && !is_autoencoder(e))
        return ctl_fail(ctl, "auc takes networks with one or two output values, or autoencoders");
    double *scores = malloc(e->n * sizeof(*scores));
    uint8_t *positive = malloc(e->n);
    size_t *order = malloc(e->n * sizeof(*order));
    int r = scores && positive && order ? auc_scores(e, scores) : -ENOMEM;
    double auc = NAN;
    if (!r) {
        for (size_t i = 0; i < e->n; i++)
            positive[i] = eval_label(e, i) != 0;
        auc = score_auc(scores, positive, e->n, order);
    }
    free(scores);
    free(positive);
    free(order);
    if (r)
        return ctl_fail(ctl, "the outputs cannot be compared: %s", strerror(-r));
    if (isnan(auc))
        return ctl_fail(ctl, "auc needs samples with y = 0 and samples with y other than 0");
    return print_figure(ctl, e, "auc", auc);
}
