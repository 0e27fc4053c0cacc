/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Graphs and the memory behind them: chunks that live as long as the graph. A graph belongs to one thread at a time.
 */

#include "model/graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "base/fd.h"

#define MEMORY_ALIGN 16
#define CHUNK_MIN ((size_t)16 << 10)
#define FIRST_CAPACITY 16

struct chunk {
    struct chunk *next;
    size_t used, size; /* of `data` */
    _Alignas(MEMORY_ALIGN) uint8_t data[];
};

struct graph_memory {
    struct chunk *chunks; /* the one that is being filled comes first */
    struct map backings[GRAPH_MAX_BACKINGS];
    uint32_t n_backings;
    uint32_t tensors_cap, ops_cap;
};

const char *op_kind_name(enum op_kind kind) {
    switch (kind) {
#define X(constant, value, name)                                                                   \
    case constant:                                                                                 \
        return name;
        GRAPH_OPS(X)
#undef X
    default:
        return NULL;
    }
}

int graph_new(struct graph **ret_graph) {
    struct graph *graph = calloc(1, sizeof(*graph));
    struct graph_memory *memory = calloc(1, sizeof(*memory));
    if (!graph || !memory) {
        free(graph);
        free(memory);
        return err_origin(-ENOMEM);
    }
    graph->name = graph->version = graph->description = graph->licence = "";
    graph->history = "";
    graph->memory = memory;
    *ret_graph = graph;
    return 0;
}

struct graph *graph_free(struct graph *graph) {
    if (!graph)
        return NULL;
    for (struct chunk *chunk = graph->memory->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    for (uint32_t i = 0; i < graph->memory->n_backings; i++)
        map_deinit(&graph->memory->backings[i]);
    free(graph->memory);
    free(graph);
    return NULL;
}

void graph_freep(struct graph **graph) {
    *graph = graph_free(*graph);
}

static struct chunk *chunk_new(size_t size) {
    size_t total;
    if (!size_add(size, sizeof(struct chunk), &total) || total > PTRDIFF_MAX)
        return NULL;
    struct chunk *chunk = calloc(1, total);
    if (chunk)
        chunk->size = size;
    return chunk;
}

void *graph_alloc(struct graph *graph, size_t size) {
    struct graph_memory *memory = graph->memory;
    struct chunk *chunk = memory->chunks;
    if (!size_align(size ? size : 1, MEMORY_ALIGN, &size))
        return NULL;
    if (!chunk || chunk->size - chunk->used < size) {
        chunk = chunk_new(MAX(size, CHUNK_MIN));
        if (!chunk)
            return NULL;
        /* A chunk made for one big request is full: the one before stays first for the small ones. */
        if (size >= CHUNK_MIN && memory->chunks) {
            chunk->next = memory->chunks->next;
            memory->chunks->next = chunk;
        } else {
            chunk->next = memory->chunks;
            memory->chunks = chunk;
        }
    }
    void *p = chunk->data + chunk->used;
    chunk->used += size;
    return p;
}

const char *graph_strndup(struct graph *graph, const char *s, size_t len) {
    size_t size;
    if (!size_add(len, 1, &size))
        return NULL;
    char *copy = graph_alloc(graph, size);
    if (copy && len)
        memcpy(copy, s, len);
    return copy;
}

void graph_set_backing(struct graph *graph, struct map *backing) {
    edge_assert(graph->memory->n_backings < GRAPH_MAX_BACKINGS);
    graph->memory->backings[graph->memory->n_backings++] = *backing;
    *backing = (struct map){0};
}

/* Makes room for one more element; the old array stays in graph memory until the graph goes. */
static int grow(struct graph *graph, void **array, uint32_t used, uint32_t *cap, size_t elem) {
    if (used < *cap)
        return 0;
    uint32_t more = *cap ? *cap * 2 : FIRST_CAPACITY;
    void *bigger = graph_alloc(graph, more * elem);
    if (!bigger)
        return err_origin(-ENOMEM);
    if (used)
        memcpy(bigger, *array, used * elem);
    *array = bigger;
    *cap = more;
    return 0;
}

int graph_reserve(struct graph *graph, uint32_t n_tensors, uint32_t n_ops) {
    edge_assert(!graph->tensors && !graph->ops);
    graph->tensors = graph_alloc(graph, n_tensors * sizeof(*graph->tensors));
    graph->ops = graph_alloc(graph, n_ops * sizeof(*graph->ops));
    if (!graph->tensors || !graph->ops)
        return err_origin(-ENOMEM);
    graph->memory->tensors_cap = n_tensors;
    graph->memory->ops_cap = n_ops;
    return 0;
}

int graph_add_tensor(struct graph *graph, const struct tensor *tensor, int32_t *ret_index) {
    if (graph->n_tensors >= GRAPH_MAX_TENSORS)
        return MODEL_E_UNSUPPORTED;
    void *array = graph->tensors;
    int r = grow(graph, &array, graph->n_tensors, &graph->memory->tensors_cap, sizeof(*tensor));
    if (r)
        return r;
    graph->tensors = array;
    graph->tensors[graph->n_tensors] = *tensor;
    *ret_index = (int32_t)graph->n_tensors++;
    return 0;
}

static const int32_t *copy_indices(struct graph *graph, const int32_t *indices, size_t n) {
    int32_t *copy = graph_alloc(graph, n * sizeof(*copy));
    if (copy && n)
        memcpy(copy, indices, n * sizeof(*copy));
    return copy;
}

int graph_add_op(struct graph *graph, const struct op *op, const int32_t *inputs,
                 const int32_t *outputs) {
    if (graph->n_ops >= GRAPH_MAX_OPS)
        return MODEL_E_UNSUPPORTED;
    struct op copy = *op;
    copy.inputs = copy_indices(graph, inputs, op->n_inputs);
    copy.outputs = copy_indices(graph, outputs, op->n_outputs);
    if (!copy.inputs || !copy.outputs)
        return err_origin(-ENOMEM);
    void *array = graph->ops;
    int r = grow(graph, &array, graph->n_ops, &graph->memory->ops_cap, sizeof(*op));
    if (r)
        return r;
    graph->ops = array;
    graph->ops[graph->n_ops++] = copy;
    return 0;
}

void graph_replace_ops(struct graph *graph, struct op *ops, uint32_t n_ops) {
    graph->ops = ops;
    graph->n_ops = graph->memory->ops_cap = n_ops;
}

bool graph_name_served(const char *name) {
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = strspn(name, allowed);
    return n >= 1 && n <= GRAPH_MAX_SERVED_NAME && name[n] == 0;
}

size_t tensor_elements(const struct tensor *tensor) {
    size_t n = 1;
    for (int d = 0; d < tensor->n_dims; d++)
        n *= (size_t)tensor->dims[d];
    return n;
}

static const struct tensor *operand(const struct graph *graph, int32_t index) {
    return &graph->tensors[index];
}

static uint64_t lstm_macs(const struct graph *graph, const struct op *op) {
    const struct tensor *x = operand(graph, op->inputs[0]);
    const struct tensor *w = operand(graph, op->inputs[1]);
    uint64_t steps = (uint64_t)x->dims[0] * (uint64_t)x->dims[1];
    uint64_t cells = (uint64_t)w->dims[0], in = (uint64_t)w->dims[1];
    return steps * 4 * cells * (in + cells);
}

static uint64_t svdf_macs(const struct graph *graph, const struct op *op) {
    uint64_t batch = (uint64_t)operand(graph, op->inputs[0])->dims[0];
    return batch * (tensor_elements(operand(graph, op->inputs[1])) +
                    tensor_elements(operand(graph, op->inputs[2])));
}

uint64_t graph_op_macs(const struct graph *graph, const struct op *op) {
    const struct tensor *w = op->n_inputs > 1 ? operand(graph, op->inputs[1]) : NULL;
    uint64_t out = op->n_outputs ? tensor_elements(operand(graph, op->outputs[0])) : 0;
    switch (op->kind) {
    case OP_CONV_2D:
        return out * (uint64_t)w->dims[1] * (uint64_t)w->dims[2] * (uint64_t)w->dims[3];
    case OP_DEPTHWISE_CONV_2D:
        return out * (uint64_t)w->dims[1] * (uint64_t)w->dims[2];
    case OP_FULLY_CONNECTED:
        return out * (uint64_t)w->dims[1];
    case OP_LSTM:
        return lstm_macs(graph, op);
    case OP_SVDF:
        return svdf_macs(graph, op);
    default:
        return 0;
    }
}
