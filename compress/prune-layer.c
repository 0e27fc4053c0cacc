/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns, and layers as matrices.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/compress.h"
#include "compress/moments.h"
#include "compress/prune.h"
#include "model/graph.h"

/* ---- patterns ---- */

/* A number of at most two digits. */
static bool read_number(const char **text, uint32_t *ret) {
    uint32_t value = 0;
    unsigned digits = 0;
    for (; digits < 2 && **text >= '0' && **text <= '9'; digits++, (*text)++)
        value = value * 10 + (uint32_t)(**text - '0');
    *ret = value;
    return digits > 0 && value > 0 && value <= PRUNE_MAX_BLOCK;
}

static bool read_pair(const char *text, char separator, uint32_t *ret_a, uint32_t *ret_b) {
    if (!read_number(&text, ret_a) || *text++ != separator || !read_number(&text, ret_b))
        return false;
    return *text == 0;
}

int prune_pattern_parse(const char *text, struct prune_pattern *ret_pattern, struct diag *diag) {
    struct prune_pattern p = {.rows = 1, .cols = 1};
    bool ok = !text || strcmp(text, "unstructured") == 0;
    if (!ok)
        ok = read_pair(text, 'x', &p.rows, &p.cols);
    if (!ok) {
        p.rows = p.cols = 1;
        ok = read_pair(text, ':', &p.keep, &p.group) && p.keep < p.group;
    }
    if (!ok)
        return diag_set(
            diag, COMPRESS_E_INVALID,
            "pattern must be \"unstructured\", blocks of outputs x inputs as \"4x1\", or "
            "\"N:M\" with N < M as \"2:4\", numbers up to %d, not \"%.32s\"",
            PRUNE_MAX_BLOCK, text);
    *ret_pattern = p;
    return 0;
}

/* ---- a layer ---- */

int prune_layer_init(struct prune_layer *p, const struct graph *graph, const struct layer *layer,
                     const struct moments *moments, const struct prune_pattern *pattern,
                     bool centred) {
    size_t n = (size_t)layer->out * layer->depth;
    *p = (struct prune_layer){
        .layer = *layer,
        .moments = moments,
        .m = {.out = layer->out, .depth = layer->depth, .groups = moments ? moments->groups : 1},
        .centred = centred,
        .n_rows = (layer->out + pattern->rows - 1) / pattern->rows,
        .n_cols = (layer->depth + pattern->cols - 1) / pattern->cols};
    p->w0 = malloc(n * sizeof(*p->w0));
    p->w = malloc(n * sizeof(*p->w));
    p->m.kept = malloc(n);
    p->scale = malloc(layer->out * sizeof(*p->scale));
    p->scores = calloc((size_t)p->n_rows * p->n_cols, sizeof(*p->scores));
    if (moments && moments->gram)
        p->m.h = masked_h_of(moments, centred);
    if (!p->w0 || !p->w || !p->m.kept || !p->scale || !p->scores ||
        (moments && moments->gram && !p->m.h))
        return err_origin(-ENOMEM);
    const float *values = layer_weights(graph, layer)->data;
    for (uint32_t c = 0; c < layer->out; c++)
        for (uint32_t k = 0; k < layer->depth; k++)
            p->w0[(size_t)c * layer->depth + k] = (double)values[layer_index(layer, c, k)];
    memcpy(p->w, p->w0, n * sizeof(*p->w));
    memset(p->m.kept, 1, n);
    prune_scale(p);
    return 0;
}

void prune_layer_deinit(struct prune_layer *p) {
    free(p->m.h);
    free(p->scale);
    free(p->w0);
    free(p->w);
    free(p->m.kept);
    free(p->scores);
}

/* The means of the outputs stay: what the inputs' means lost by the weights goes to the bias. */
static int store_bias(struct prune_layer *p, struct graph *graph) {
    const struct moments *m = p->moments;
    float *bias = layer_edit_bias(graph, &p->layer);
    if (!bias)
        return err_origin(-ENOMEM);
    for (uint32_t c = 0; c < m->out; c++) {
        const double *sum = m->sum + moments_group(m, c) * m->depth;
        double shift = 0;
        for (size_t k = 0, at = (size_t)c * m->depth; k < m->depth; k++, at++)
            shift += (p->w0[at] - p->w[at]) * sum[k] / (double)m->rows;
        bias[c] += (float)shift;
    }
    return 0;
}

int prune_layer_store(struct prune_layer *p, struct graph *graph) {
    const struct layer *l = &p->layer;
    float *values = layer_edit_weights(graph, l);
    if (!values)
        return err_origin(-ENOMEM);
    for (uint32_t c = 0; c < l->out; c++) {
        for (uint32_t k = 0; k < l->depth; k++) {
            size_t at = (size_t)c * l->depth + k;
            values[layer_index(l, c, k)] = p->m.kept[at] ? (float)p->w[at] : 0;
        }
    }
    return p->centred ? store_bias(p, graph) : 0;
}
