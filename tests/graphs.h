/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Comparing graphs in tests, and the bytes of constants in one.
 */

#include <stdbool.h>
#include <string.h>

#include "model/container-format.h"
#include "model/graph.h"

static inline bool same_string(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

static inline bool same_tensor(const struct tensor *a, const struct tensor *b) {
    return same_string(a->name, b->name) && a->dtype == b->dtype && a->kind == b->kind &&
           a->n_dims == b->n_dims && a->size == b->size &&
           memcmp(a->dims, b->dims, a->n_dims * sizeof(a->dims[0])) == 0 &&
           a->quant.n_scales == b->quant.n_scales && a->quant.zero_point == b->quant.zero_point &&
           a->quant.axis == b->quant.axis && a->quant.group == b->quant.group &&
           (a->quant.n_scales == 0 ||
            memcmp(a->quant.scales, b->quant.scales, a->quant.n_scales * sizeof(float)) == 0) &&
           !a->data == !b->data && (!a->data || memcmp(a->data, b->data, a->size) == 0);
}

static inline bool same_indices(const int32_t *a, const int32_t *b, uint32_t n) {
    return n == 0 || memcmp(a, b, n * sizeof(*a)) == 0;
}

static inline bool same_op(const struct op *a, const struct op *b) {
    int32_t pa[CONTAINER_MAX_PARAMS], pb[CONTAINER_MAX_PARAMS];
    if (a->kind != b->kind || a->act != b->act || a->n_inputs != b->n_inputs ||
        a->n_outputs != b->n_outputs || !same_indices(a->inputs, b->inputs, a->n_inputs) ||
        !same_indices(a->outputs, b->outputs, a->n_outputs))
        return false;
    int n = container_param_defaults(a->kind, pa);
    container_params_get(a, pa);
    container_params_get(b, pb);
    return memcmp(pa, pb, (size_t)n * sizeof(*pa)) == 0;
}

static inline bool same_graph(const struct graph *a, const struct graph *b) {
    bool same = same_string(a->name, b->name) && same_string(a->version, b->version) &&
                same_string(a->description, b->description) &&
                same_string(a->licence, b->licence) && same_string(a->history, b->history) &&
                a->n_labels == b->n_labels && a->n_tensors == b->n_tensors &&
                a->n_ops == b->n_ops && a->n_inputs == b->n_inputs &&
                a->n_outputs == b->n_outputs && same_indices(a->inputs, b->inputs, a->n_inputs) &&
                same_indices(a->outputs, b->outputs, a->n_outputs);
    for (uint32_t i = 0; same && i < a->n_labels; i++)
        same = same_string(a->labels[i], b->labels[i]);
    for (uint32_t i = 0; same && i < a->n_tensors; i++)
        same = same_tensor(&a->tensors[i], &b->tensors[i]);
    for (uint32_t i = 0; same && i < a->n_ops; i++)
        same = same_op(&a->ops[i], &b->ops[i]);
    return same;
}

/* Bytes of weights, biases, initial states and scales. */
static inline size_t constant_bytes(const struct graph *g) {
    size_t n = 0;
    for (uint32_t i = 0; i < g->n_tensors; i++)
        n += (g->tensors[i].data ? g->tensors[i].size : 0) +
             g->tensors[i].quant.n_scales * sizeof(float);
    return n;
}
