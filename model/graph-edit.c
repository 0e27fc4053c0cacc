/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies and changes of graphs. Arrays are replaced, never changed in place where others may hold them.
 */

#include "model/graph-edit.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/graph.h"

static const void *copy_bytes(struct graph *graph, const void *bytes, size_t size) {
    void *copy = graph_alloc(graph, size);
    if (copy && size)
        memcpy(copy, bytes, size);
    return copy;
}

static const char *copy_text(struct graph *graph, const char *s) {
    return graph_strndup(graph, s, strlen(s));
}

static int copy_metadata(struct graph *to, const struct graph *from) {
    to->name = copy_text(to, from->name);
    to->version = copy_text(to, from->version);
    to->description = copy_text(to, from->description);
    to->licence = copy_text(to, from->licence);
    to->history = copy_text(to, from->history);
    const char **labels = graph_alloc(to, from->n_labels * sizeof(*labels));
    if (!to->name || !to->version || !to->description || !to->licence || !to->history || !labels)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < from->n_labels; i++)
        if (!(labels[i] = copy_text(to, from->labels[i])))
            return err_origin(-ENOMEM);
    to->labels = labels;
    to->n_labels = from->n_labels;
    return 0;
}

static int copy_tensor(struct graph *to, const struct tensor *from) {
    struct tensor t = *from;
    if (t.name && !(t.name = copy_text(to, from->name)))
        return err_origin(-ENOMEM);
    if (t.data && !(t.data = copy_bytes(to, from->data, from->size)))
        return err_origin(-ENOMEM);
    if (t.quant.n_scales && !(t.quant.scales = copy_bytes(to, from->quant.scales,
                                                          from->quant.n_scales * sizeof(float))))
        return err_origin(-ENOMEM);
    int32_t index;
    return graph_add_tensor(to, &t, &index);
}

static int32_t *copy_io(struct graph *to, const int32_t *from, uint32_t n) {
    return (int32_t *)copy_bytes(to, from, n * sizeof(*from));
}

static int copy_parts(struct graph *to, const struct graph *from) {
    int r = graph_reserve(to, from->n_tensors, from->n_ops);
    if (r == 0)
        r = copy_metadata(to, from);
    for (uint32_t i = 0; i < from->n_tensors && r == 0; i++)
        r = copy_tensor(to, &from->tensors[i]);
    for (uint32_t i = 0; i < from->n_ops && r == 0; i++)
        r = graph_add_op(to, &from->ops[i], from->ops[i].inputs, from->ops[i].outputs);
    if (r)
        return r;
    to->inputs = copy_io(to, from->inputs, from->n_inputs);
    to->outputs = copy_io(to, from->outputs, from->n_outputs);
    to->n_inputs = from->n_inputs;
    to->n_outputs = from->n_outputs;
    return to->inputs && to->outputs ? 0 : err_origin(-ENOMEM);
}

int graph_copy(const struct graph *graph, struct graph **ret_graph) {
    _cleanup_(graph_freep) struct graph *copy = NULL;
    int r = graph_new(&copy);
    if (r == 0)
        r = copy_parts(copy, graph);
    if (r)
        return r;
    *ret_graph = steal(&copy);
    return 0;
}

void *graph_own_data(struct graph *graph, int32_t tensor) {
    struct tensor *t = &graph->tensors[tensor];
    void *copy = (void *)copy_bytes(graph, t->data, t->size);
    if (copy)
        t->data = copy;
    return copy;
}

static int copy_operands(struct graph *graph, struct op *op) {
    op->inputs = copy_io(graph, op->inputs, op->n_inputs);
    op->outputs = copy_io(graph, op->outputs, op->n_outputs);
    return op->inputs && op->outputs ? 0 : err_origin(-ENOMEM);
}

int graph_splice(struct graph *graph, uint32_t at, uint32_t n_removed, const struct op *ops,
                 uint32_t n) {
    uint32_t total = graph->n_ops - n_removed + n;
    if (total > GRAPH_MAX_OPS)
        return MODEL_E_UNSUPPORTED;
    struct op *list = graph_alloc(graph, total * sizeof(*list));
    if (!list)
        return err_origin(-ENOMEM);
    uint32_t rest = graph->n_ops - at - n_removed;
    memcpy(list, graph->ops, at * sizeof(*list));
    if (n)
        memcpy(list + at, ops, n * sizeof(*list));
    memcpy(list + at + n, graph->ops + at + n_removed, rest * sizeof(*list));
    for (uint32_t i = 0; i < n; i++) {
        int r = copy_operands(graph, &list[at + i]);
        if (r)
            return r;
    }
    graph_replace_ops(graph, list, total);
    return 0;
}

/* ---- sweeping ---- */

static bool needed(const struct op *op, const bool *used) {
    bool is_needed = op->kind == OP_WRITE_STATE;
    for (unsigned k = 0; k < op->n_outputs; k++)
        is_needed |= op->outputs[k] != GRAPH_NONE && used[op->outputs[k]];
    return is_needed;
}

static void mark(const int32_t *tensors, uint32_t n, bool *used) {
    for (uint32_t i = 0; i < n; i++)
        if (tensors[i] != GRAPH_NONE)
            used[tensors[i]] = true;
}

/* From the end to the beginning: an operator is needed when one of its results is. */
static void sweep_ops(struct graph *graph, bool *used, bool *kept) {
    mark(graph->inputs, graph->n_inputs, used);
    mark(graph->outputs, graph->n_outputs, used);
    for (uint32_t i = graph->n_ops; i-- > 0;) {
        const struct op *op = &graph->ops[i];
        kept[i] = needed(op, used);
        if (!kept[i])
            continue;
        mark(op->inputs, op->n_inputs, used);
        mark(op->outputs, op->n_outputs, used);
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < graph->n_ops; i++)
        if (kept[i])
            graph->ops[n++] = graph->ops[i];
    graph->n_ops = n;
}

static int renumber(struct graph *graph, const int32_t **list, uint32_t n, const int32_t *numbers) {
    int32_t *copy = copy_io(graph, *list, n);
    if (!copy)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < n; i++)
        if (copy[i] != GRAPH_NONE)
            copy[i] = numbers[copy[i]];
    *list = copy;
    return 0;
}

static int sweep_tensors(struct graph *graph, const bool *used, int32_t *numbers) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < graph->n_tensors; i++) {
        if (!used[i])
            continue;
        graph->tensors[n] = graph->tensors[i];
        numbers[i] = (int32_t)n++;
    }
    graph->n_tensors = n;
    int r = 0;
    for (uint32_t i = 0; i < graph->n_ops && r == 0; i++) {
        struct op *op = &graph->ops[i];
        r = renumber(graph, &op->inputs, op->n_inputs, numbers);
        if (r == 0)
            r = renumber(graph, &op->outputs, op->n_outputs, numbers);
    }
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        graph->inputs[i] = numbers[graph->inputs[i]];
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        graph->outputs[i] = numbers[graph->outputs[i]];
    return r;
}

int graph_sweep(struct graph *graph) {
    bool *used = calloc(graph->n_tensors + 1, sizeof(*used));
    bool *kept = calloc(graph->n_ops + 1, sizeof(*kept));
    int32_t *numbers = calloc(graph->n_tensors + 1, sizeof(*numbers));
    int r = used && kept && numbers ? 0 : err_origin(-ENOMEM);
    if (r == 0) {
        sweep_ops(graph, used, kept);
        r = sweep_tensors(graph, used, numbers);
    }
    free(used);
    free(kept);
    free(numbers);
    return r;
}
