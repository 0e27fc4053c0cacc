/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mean of a layer's results is its weights times the mean of what they are multiplied with; so the means of inputs
 * are all that is collected.
 */

#include "compress/bias-correction.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "compress/compress.h"
#include "compress/layer.h"
#include "compress/moments.h"
#include "model/graph-edit.h"
#include "model/graph.h"

#define MAX_BIAS 0x1p30 /* of a bias in units of the accumulator */

static uint32_t few(uint32_t n_samples) {
    return MIN(n_samples, (uint32_t)BIAS_MAX_SAMPLES);
}

/* Weight k of channel c as a real number, whatever its datatype. */
static double weight(const struct tensor *w, const struct layer *layer, uint32_t c, uint32_t k) {
    size_t i = layer_index(layer, c, k);
    const struct quant *q = &w->quant;
    if (w->dtype == DTYPE_FP32)
        return (double)((const float *)w->data)[i];
    double scale = (double)q->scales[q->group ? i / q->group : q->n_scales > 1 ? c : 0];
    if (w->dtype == DTYPE_INT8)
        return scale * ((const int8_t *)w->data)[i];
    int nibble = ((const uint8_t *)w->data)[i / 2] >> i % 2 * 4 & 15;
    return scale * ((nibble ^ 8) - 8);
}

static double mean_of(const struct tensor *w, const struct layer *layer, const struct moments *m,
                      uint32_t c) {
    const double *sums = m->sum + moments_group(m, c) * m->depth;
    double mean = 0;
    for (uint32_t k = 0; k < layer->depth; k++)
        mean += weight(w, layer, c, k) * sums[k];
    return m->rows ? mean / (double)m->rows : 0;
}

int bias_expected(struct pass_context *context, struct layers *layers, uint32_t n_samples,
                  double **ret_means) {
    struct moments *moments = NULL;
    size_t n = 0;
    for (uint32_t i = 0; i < layers->n; i++) {
        struct layer *layer = &layers->items[i];
        n += layer->out;
        if (layer->bias == GRAPH_NONE && !layer_edit_bias(context->graph, layer))
            return err_origin(-ENOMEM);
    }
    double *means = malloc(n * sizeof(*means)), *to = means;
    if (!means)
        return err_origin(-ENOMEM);
    int r = moments_collect(context, layers, few(n_samples), 0, &moments);
    if (r) {
        free(means);
        return r;
    }
    for (uint32_t i = 0; i < layers->n; i++) {
        const struct layer *layer = &layers->items[i];
        for (uint32_t c = 0; c < layer->out; c++)
            *to++ = mean_of(layer_weights(context->graph, layer), layer, &moments[i], c);
    }
    moments_free(moments, layers->n);
    *ret_means = means;
    return 0;
}

/* Adds real values to the bias, whatever its datatype. */
static int add_to_bias(struct graph *graph, const struct layer *layer, const double *shift) {
    const struct tensor *w = layer_weights(graph, layer), *x = layer_input(graph, layer);
    bool int8 = x->dtype == DTYPE_INT8;
    void *bias = graph_own_data(graph, layer->bias);
    if (!bias)
        return err_origin(-ENOMEM);
    for (uint32_t c = 0; c < layer->out; c++) {
        if (!int8) {
            ((float *)bias)[c] += (float)shift[c];
            continue;
        }
        double unit =
            (double)x->quant.scales[0] * (double)w->quant.scales[w->quant.n_scales > 1 ? c : 0];
        double sum = ((int32_t *)bias)[c] + round(shift[c] / unit);
        ((int32_t *)bias)[c] = (int32_t)fmin(fmax(sum, -MAX_BIAS), MAX_BIAS);
    }
    return 0;
}

static int check_shift(const struct layer *layer, const double *shift, struct diag *diag) {
    for (uint32_t c = 0; c < layer->out; c++)
        if (!isfinite(shift[c]))
            return diag_set(diag, COMPRESS_E_INVALID,
                            "bias_correction: the mean of output %u of %s is infinite: are there "
                            "extreme values in the calibration data?",
                            c, layer->name);
    return 0;
}

static int correct_layer(struct pass_context *context, struct layer *layer, uint32_t n_samples,
                         const double *means) {
    struct layers one = {.items = layer, .n = 1};
    struct moments *moments = NULL;
    double *shift = malloc(layer->out * sizeof(*shift));
    if (!shift)
        return err_origin(-ENOMEM);
    int r = moments_collect(context, &one, few(n_samples), 0, &moments);
    for (uint32_t c = 0; c < layer->out && r == 0; c++)
        shift[c] = means[c] - mean_of(layer_weights(context->graph, layer), layer, &moments[0], c);
    if (r == 0)
        r = check_shift(layer, shift, context->diag);
    if (r == 0)
        r = add_to_bias(context->graph, layer, shift);
    moments_free(moments, 1);
    free(shift);
    return r;
}

int bias_correct(struct pass_context *context, const struct layers *layers, uint32_t n_samples,
                 const double *means) {
    struct layers now;
    int r = layers_find(context->graph, &now);
    for (uint32_t i = 0; i < layers->n && r == 0; i++) {
        const struct layer *layer = layers_get(&now, layers->items[i].name);
        edge_assert(layer && layer->bias != GRAPH_NONE);
        r = correct_layer(context, (struct layer *)layer, n_samples, means);
        means += layer->out;
    }
    return r;
}
