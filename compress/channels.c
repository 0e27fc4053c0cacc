/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every operator says how the channels of its results follow from those of its operands. Channels are numbers in a
 * union-find forest, so that flattened pictures, concatenations and parts need no cases of their own later.
 */

#include "compress/channels.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/graph.h"

#define STAYS 0 /* the id of what stays */

/* ---- ids ---- */

uint32_t channels_of(const struct tensor *t) {
    return t->n_dims ? (uint32_t)t->dims[t->n_dims - 1] : 1;
}

static const struct tensor *tensor_at(const struct channels *c, int32_t tensor) {
    return &c->graph->tensors[tensor];
}

static uint32_t *ids_of(const struct channels *c, int32_t tensor) {
    return c->ids + c->first[tensor];
}

static uint32_t find(const struct channels *c, uint32_t id) {
    while (c->parent[id] != id)
        id = c->parent[id] = c->parent[c->parent[id]];
    return id;
}

/* The lower number becomes the root, so that STAYS remains one. */
static void unite(struct channels *c, uint32_t a, uint32_t b) {
    a = find(c, a);
    b = find(c, b);
    if (a < b)
        c->parent[b] = a;
    else
        c->parent[a] = b;
}

static bool is_activation(const struct channels *c, int32_t tensor) {
    return tensor != GRAPH_NONE && tensor_at(c, tensor)->kind == TENSOR_ACTIVATION;
}

/* All channels of a tensor stay; one that has no ids yet gets those. */
static void freeze(struct channels *c, int32_t tensor) {
    for (uint32_t i = 0; is_activation(c, tensor) && i < channels_of(tensor_at(c, tensor)); i++)
        unite(c, ids_of(c, tensor)[i], STAYS);
}

static void freeze_all(struct channels *c, const struct op *op) {
    for (unsigned i = 0; i < op->n_inputs; i++)
        freeze(c, op->inputs[i]);
}

static void set_fresh(struct channels *c, int32_t tensor) {
    for (uint32_t i = 0; i < channels_of(tensor_at(c, tensor)); i++)
        ids_of(c, tensor)[i] = c->n_ids++;
}

/* The results' ids are STAYS until they are set. */
static void set_same(struct channels *c, const struct op *op) {
    uint32_t n = channels_of(tensor_at(c, op->outputs[0]));
    memcpy(ids_of(c, op->outputs[0]), ids_of(c, op->inputs[0]), n * sizeof(*c->ids));
}

/* ---- operators ---- */

static bool in_scope(const struct layers *scope, uint32_t op) {
    for (uint32_t i = 0; i < scope->n; i++)
        if (scope->items[i].op == op)
            return true;
    return false;
}

static unsigned readers(const struct graph *graph, int32_t tensor) {
    unsigned n = 0;
    for (uint32_t i = 0; i < graph->n_ops; i++)
        for (unsigned k = 0; k < graph->ops[i].n_inputs; k++)
            n += graph->ops[i].inputs[k] == tensor;
    return n;
}

static bool free_weights(const struct channels *c, const struct op *op) {
    const struct tensor *w = tensor_at(c, op->inputs[1]);
    return w->kind == TENSOR_CONST && w->dtype == DTYPE_FP32 &&
           readers(c->graph, op->inputs[1]) == 1;
}

static void join_layer(struct channels *c, const struct op *op, bool chosen) {
    const struct tensor *x = tensor_at(c, op->inputs[0]), *w = tensor_at(c, op->inputs[1]);
    bool dense = op->kind == OP_FULLY_CONNECTED;
    bool whole = dense ? w->dims[1] % (int32_t)channels_of(x) == 0 : w->dims[3] == x->dims[3];
    if (!free_weights(c, op) || !whole)
        freeze_all(c, op);
    else if (chosen)
        set_fresh(c, op->outputs[0]);
}

static void join_depthwise(struct channels *c, const struct op *op) {
    const struct tensor *x = tensor_at(c, op->inputs[0]), *y = tensor_at(c, op->outputs[0]);
    uint32_t multiplier = (uint32_t)(y->dims[3] / x->dims[3]);
    if (!free_weights(c, op))
        freeze_all(c, op);
    for (uint32_t i = 0; i < channels_of(y); i++)
        ids_of(c, op->outputs[0])[i] = ids_of(c, op->inputs[0])[i / multiplier];
}

/* An operand with one value for all channels cannot lose it. */
static void join_binary(struct channels *c, const struct op *op) {
    uint32_t n = channels_of(tensor_at(c, op->outputs[0]));
    bool set = false;
    for (unsigned i = 0; i < 2; i++) {
        int32_t x = op->inputs[i];
        if (!is_activation(c, x))
            continue;
        if (channels_of(tensor_at(c, x)) != n) {
            freeze(c, x);
            continue;
        }
        for (uint32_t k = 0; set && k < n; k++)
            unite(c, ids_of(c, x)[k], ids_of(c, op->outputs[0])[k]);
        if (!set)
            memcpy(ids_of(c, op->outputs[0]), ids_of(c, x), n * sizeof(*c->ids));
        set = true;
    }
}

static bool is_last(const struct channels *c, const struct op *op, int32_t tensor) {
    return op->axis.axis == tensor_at(c, tensor)->n_dims - 1;
}

static void join_concatenation(struct channels *c, const struct op *op) {
    uint32_t *y = ids_of(c, op->outputs[0]), at = 0;
    bool last = is_last(c, op, op->outputs[0]);
    for (unsigned i = 0; i < op->n_inputs; i++) {
        uint32_t n = channels_of(tensor_at(c, op->inputs[i]));
        bool constant = !is_activation(c, op->inputs[i]);
        const uint32_t *x = constant ? NULL : ids_of(c, op->inputs[i]);
        for (uint32_t k = 0; k < n; k++) {
            if (last || i == 0)
                y[at + k] = constant ? STAYS : x[k];
            else
                unite(c, y[k], constant ? STAYS : x[k]);
        }
        at += last ? n : 0;
    }
}

static void join_split(struct channels *c, const struct op *op) {
    const uint32_t *x = ids_of(c, op->inputs[0]);
    bool last = is_last(c, op, op->inputs[0]);
    for (unsigned i = 0; i < op->n_outputs; i++) {
        uint32_t n = channels_of(tensor_at(c, op->outputs[i]));
        memcpy(ids_of(c, op->outputs[i]), x, n * sizeof(*x));
        x += last ? n : 0;
    }
}

/* Row-major elements: where the new last axis is a multiple of the old one, channels repeat in it. */
static void join_reshape(struct channels *c, const struct op *op) {
    uint32_t n = channels_of(tensor_at(c, op->inputs[0])),
             m = channels_of(tensor_at(c, op->outputs[0]));
    if (m % n)
        freeze_all(c, op);
    for (uint32_t i = 0; i < m && m % n == 0; i++)
        ids_of(c, op->outputs[0])[i] = ids_of(c, op->inputs[0])[i % n];
}

/* Whether the operator leaves the last axis alone and treats its elements alike. */
static bool is_channelwise(const struct channels *c, const struct op *op) {
    const struct tensor *x = tensor_at(c, op->inputs[0]), *y = tensor_at(c, op->outputs[0]);
    int last = x->n_dims - 1;
    if (last < 0 || channels_of(x) != channels_of(y))
        return false;
    switch (op->kind) {
    case OP_AVERAGE_POOL_2D:
    case OP_MAX_POOL_2D:
    case OP_LOGISTIC:
    case OP_TANH:
    case OP_RELU:
    case OP_RELU6:
    case OP_RELU_N1_TO_1:
    case OP_LEAKY_RELU:
        return true;
    case OP_MEAN:
        return !(op->mean.axes >> last & 1);
    case OP_PAD:
        return op->pad.before[last] == 0 && op->pad.after[last] == 0;
    case OP_TRANSPOSE:
        return op->transpose.perm[last] == last;
    case OP_STRIDED_SLICE:
        return op->slice.begin[last] == 0 && op->slice.stride[last] == 1 &&
               op->slice.count[last] == x->dims[last];
    default:
        return false;
    }
}

static void join(struct channels *c, uint32_t at, const struct layers *scope) {
    const struct op *op = &c->graph->ops[at];
    switch (op->kind) {
    case OP_CONV_2D:
    case OP_FULLY_CONNECTED:
        join_layer(c, op, in_scope(scope, at));
        break;
    case OP_DEPTHWISE_CONV_2D:
        join_depthwise(c, op);
        break;
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_MAXIMUM:
    case OP_MINIMUM:
        join_binary(c, op);
        break;
    case OP_CONCATENATION:
        join_concatenation(c, op);
        break;
    case OP_SPLIT:
        join_split(c, op);
        break;
    case OP_RESHAPE:
        join_reshape(c, op);
        break;
    default:
        if (op->n_outputs == 1 && op->n_inputs == 1 && is_activation(c, op->inputs[0]) &&
            is_channelwise(c, op))
            set_same(c, op);
        else
            freeze_all(c, op);
    }
    for (unsigned i = 0; i < op->n_outputs; i++)
        if (tensor_at(c, op->outputs[i])->dtype != DTYPE_FP32)
            freeze(c, op->outputs[i]);
}

/* ---- units and groups ---- */

/* Units are numbered, and layers that share one are united: parent[layer], the lower one the root. */
static void number_units(struct channels *c, uint32_t *producer, uint32_t *layer_parent) {
    memset(c->units, 0xff, c->n_ids * sizeof(*c->units));
    for (uint32_t l = 0; l < c->layers.n; l++) {
        const struct layer *layer = &c->layers.items[l];
        layer_parent[l] = l;
        for (uint32_t i = 0; i < layer->out && !layer->depthwise; i++) {
            uint32_t root = find(c, ids_of(c, layer_op(c->graph, layer)->outputs[0])[i]);
            if (root == STAYS)
                continue;
            if (c->units[root] == CHANNEL_STAYS) {
                producer[c->n_units] = l;
                c->units[root] = c->n_units++;
            }
            uint32_t a = producer[c->units[root]], b = l;
            while (layer_parent[a] != a)
                a = layer_parent[a];
            while (layer_parent[b] != b)
                b = layer_parent[b];
            layer_parent[MAX(a, b)] = MIN(a, b);
        }
    }
}

static void number_groups(struct channels *c, const uint32_t *producer,
                          const uint32_t *layer_parent, uint32_t *numbers) {
    memset(numbers, 0xff, c->layers.n * sizeof(*numbers));
    for (uint32_t u = 0; u < c->n_units; u++) {
        uint32_t root = producer[u];
        while (layer_parent[root] != root)
            root = layer_parent[root];
        if (numbers[root] == UINT32_MAX)
            numbers[root] = c->n_groups++;
        c->groups[u] = numbers[root];
    }
}

static int resolve(struct channels *c) {
    uint32_t *producer = malloc(c->n_ids * sizeof(*producer));
    uint32_t *layer_parent = malloc((c->layers.n + 1) * sizeof(*layer_parent));
    uint32_t *numbers = malloc((c->layers.n + 1) * sizeof(*numbers));
    c->units = malloc(c->n_ids * sizeof(*c->units));
    c->groups = malloc(c->n_ids * sizeof(*c->groups));
    int r = producer && layer_parent && numbers && c->units && c->groups ? 0 : err_origin(-ENOMEM);
    if (r == 0) {
        number_units(c, producer, layer_parent);
        number_groups(c, producer, layer_parent, numbers);
    }
    free(producer);
    free(layer_parent);
    free(numbers);
    return r;
}

int channels_find(struct graph *graph, const struct layers *scope, struct channels *ret_channels) {
    struct channels c = {.graph = graph, .n_ids = 1};
    size_t total = 0;
    int r = layers_find(graph, &c.layers);
    if (r)
        return r;
    c.first = malloc((graph->n_tensors + 1) * sizeof(*c.first));
    for (uint32_t i = 0; c.first && i < graph->n_tensors; i++) {
        c.first[i] = total;
        total += graph->tensors[i].kind == TENSOR_ACTIVATION ? channels_of(&graph->tensors[i]) : 0;
    }
    c.ids = calloc(total + 1, sizeof(*c.ids));
    c.parent = malloc((total + 1) * sizeof(*c.parent));
    r = c.first && c.ids && c.parent ? 0 : err_origin(-ENOMEM);
    for (size_t i = 0; r == 0 && i <= total; i++)
        c.parent[i] = (uint32_t)i;
    for (uint32_t i = 0; r == 0 && i < graph->n_ops; i++)
        join(&c, i, scope);
    for (uint32_t i = 0; r == 0 && i < graph->n_outputs; i++)
        freeze(&c, graph->outputs[i]);
    if (r == 0)
        r = resolve(&c);
    if (r) {
        channels_deinit(&c);
        return r;
    }
    *ret_channels = c;
    return 0;
}

void channels_deinit(struct channels *channels) {
    free(channels->first);
    free(channels->ids);
    free(channels->parent);
    free(channels->units);
    free(channels->groups);
}

uint32_t channels_unit(const struct channels *channels, int32_t tensor, uint32_t i) {
    uint32_t root = find(channels, ids_of(channels, tensor)[i]);
    return root == STAYS ? CHANNEL_STAYS : channels->units[root];
}

uint32_t channels_output(const struct channels *channels, const struct layer *layer, uint32_t c) {
    return channels_unit(channels, layer_op(channels->graph, layer)->outputs[0], c);
}

uint32_t channels_input(const struct channels *channels, const struct layer *layer, uint32_t k) {
    int32_t x = layer_op(channels->graph, layer)->inputs[0];
    return channels_unit(channels, x, k % channels_of(tensor_at(channels, x)));
}
