/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a container as a view: names and constants stay where they are in the mapping, the arrays of the graph are
 * allocated in one piece each, after their counts are known to be small enough. No state.
 */

#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "base/fd.h"
#include "model/coded.h"
#include "model/container-format.h"
#include "model/container-segments.h"
#include "model/container.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "constants are used where they stand");

struct reader {
    struct graph *graph;
    struct diag *diag;
    struct segments segments;
    struct container_stored *stored; /* per tensor, or NULL where nobody asks */
    uint32_t n_stored;
    const float *scales; /* those of the tensors to come */
    size_t n_scales;
    int32_t *operands; /* room for those of the operators to come */
    uint32_t n_operands;
};

bool container_probe(const void *data, size_t size) {
    return memcmp(data, CONTAINER_MAGIC, MIN(size, (size_t)CONTAINER_MAGIC_SIZE)) == 0;
}

static int32_t get_signed(struct cursor *c) {
    uint32_t v = get_varint(c);
    return (int32_t)(v >> 1 ^ (v & 1 ? UINT32_MAX : 0));
}

/* Bytes with a terminator behind them that is not counted. NULL on a fault. */
static const char *get_text(struct cursor *c, uint32_t *ret_len) {
    uint32_t len = get_varint(c);
    if (c->bad || (size_t)(c->end - c->p) <= len || c->p[len] != 0) {
        c->bad = true;
        return NULL;
    }
    const char *s = (const char *)c->p;
    c->p += len + (size_t)1;
    *ret_len = len;
    return s;
}

/* --- segments --- */

/* The segment of that kind, of which there is at most one; NULL for none. */
static int find_segment(struct reader *r, enum segment_kind kind, const struct segment **ret) {
    const struct segment *found = NULL;
    for (uint32_t i = 0; i < r->segments.n; i++) {
        if (r->segments.list[i].kind != kind)
            continue;
        if (found)
            return diag_set(r->diag, MODEL_E_INVALID, "segment %u: a second one of kind %u", i,
                            kind);
        found = &r->segments.list[i];
    }
    *ret = found;
    return 0;
}

/* A data segment by its place in the table; NULL where there is none. */
static struct segment *data_segment(struct reader *r, uint32_t index) {
    if (index >= r->segments.n || r->segments.list[index].kind != SEGMENT_DATA)
        return NULL;
    return &r->segments.list[index];
}

/* --- structure --- */

/* Takes the tensor's scales off the front of all scales. */
static bool take_scales(struct reader *r, struct tensor *t, unsigned class) {
    uint32_t n = 0;
    if (class == QUANT_PER_TENSOR)
        n = 1;
    else if (class == QUANT_PER_AXIS && t->quant.axis < t->n_dims)
        n = (uint32_t)t->dims[t->quant.axis];
    else if (class == QUANT_GROUPS)
        n = (uint32_t)(tensor_elements(t) / t->quant.group);
    if ((class == QUANT_PER_AXIS && n < 2) || n > r->n_scales)
        return false;
    t->quant.n_scales = n;
    t->quant.scales = n ? r->scales : NULL;
    r->scales += n;
    r->n_scales -= n;
    return true;
}

static bool read_dims(struct cursor *c, struct tensor *t) {
    size_t n = 1;
    for (int d = 0; d < t->n_dims && !c->bad; d++) {
        uint32_t dim = get_varint(c);
        if (dim < 1 || dim > GRAPH_MAX_ELEMENTS)
            return false;
        t->dims[d] = (int32_t)dim;
        n *= dim;
        if (n > GRAPH_MAX_ELEMENTS)
            return false;
    }
    t->size = dtype_bytes(t->dtype, n);
    return t->size > 0;
}

/* Looks up the piece that a constant is stored in; a file in which it has none of its own has no answer. */
static void note_stored(struct reader *r, struct segment *s, const struct tensor *t) {
    size_t index = (size_t)(t - r->graph->tensors),
           offset = (size_t)((const uint8_t *)t->data - s->data);
    if (!r->stored || index >= r->n_stored)
        return;
    struct container_stored *stored = &r->stored[index];
    if (s->encoding == SEGMENT_PLAIN)
        *stored = (struct container_stored){t->size, "plain"};
    struct coded_piece piece;
    while (s->encoding == SEGMENT_CODED && s->walk.offset <= offset &&
           s->walk.c.p != s->walk.c.end && coded_next(&s->walk, s->size, &piece))
        if (piece.offset == offset && piece.n * piece.width == t->size)
            *stored = (struct container_stored){piece.stored, coded_method(&piece)};
}

/* The constant's bytes: so many units after the first place it could have in its segment. */
static bool place_constant(struct reader *r, struct cursor *c, struct tensor *t) {
    struct segment *s = data_segment(r, get_varint(c));
    uint64_t gap = (uint64_t)get_varint(c) * CONTAINER_UNIT;
    if (c->bad || !s || t->kind == TENSOR_ACTIVATION)
        return false;
    uint64_t offset = container_const_offset(t, s->used) + gap;
    if (!range_within(offset, t->size, s->size))
        return false;
    t->data = s->data + offset;
    s->used = (size_t)offset + t->size;
    note_stored(r, s, t);
    return true;
}

/* What follows the dimensions: the zero point or the group, and the scales it announces. */
static bool read_quant(struct reader *r, struct cursor *c, struct tensor *t, unsigned class) {
    if (class == QUANT_PER_TENSOR)
        t->quant.zero_point = get_signed(c);
    if (class == QUANT_GROUPS) {
        t->quant.group = get_varint(c);
        if (t->quant.group == 0)
            return false;
    }
    return !c->bad && take_scales(r, t, class);
}

static bool read_tensor(struct reader *r, struct cursor *c, struct tensor *t) {
    uint8_t type = get_byte(c), shape = get_byte(c);
    unsigned class = shape >> TENSOR_QUANT_SHIFT & TENSOR_QUANT_MASK;
    uint32_t name_len;
    t->dtype = (enum dtype)(type & TENSOR_DTYPE_MASK);
    t->kind = (enum tensor_kind)(type >> TENSOR_KIND_SHIFT & TENSOR_KIND_MASK);
    t->n_dims = shape & TENSOR_DIMS_MASK;
    t->quant.axis = shape >> TENSOR_AXIS_SHIFT;
    if (t->n_dims > GRAPH_MAX_DIMS || (class != QUANT_PER_AXIS && t->quant.axis != 0) ||
        !read_dims(c, t) || !read_quant(r, c, t, class))
        return false;
    if (type & TENSOR_NAMED) {
        t->name = get_text(c, &name_len);
        if (!t->name || strlen(t->name) != name_len)
            return false;
    }
    return type & TENSOR_HAS_DATA ? place_constant(r, c, t) : !c->bad;
}

static void read_indices(struct cursor *c, int32_t *ret_indices, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        uint32_t index = get_varint(c);
        if (index > GRAPH_MAX_TENSORS)
            c->bad = true;
        ret_indices[i] = c->bad ? GRAPH_NONE : (int32_t)index - 1;
    }
}

static void read_params(struct cursor *c, struct op *op) {
    int32_t values[CONTAINER_MAX_PARAMS];
    int n = container_param_defaults(op->kind, values);
    if (n == 0)
        return;
    uint32_t present = get_varint(c);
    if (present >> n)
        c->bad = true;
    for (int i = 0; i < n && !c->bad; i++) {
        if (!(present & 1U << i))
            continue;
        int32_t value = get_signed(c);
        if (value == values[i]) /* a default is not stored */
            c->bad = true;
        values[i] = value;
    }
    if (op->kind == OP_LSTM && (uint32_t)values[1] > 1)
        c->bad = true;
    container_params_set(op, values);
}

static bool read_op(struct reader *r, struct cursor *c, struct op *op) {
    uint32_t kind = get_varint(c);
    uint8_t act = get_byte(c);
    uint32_t n_inputs = get_varint(c), n_outputs = get_varint(c);
    if (c->bad || kind >= OP_KIND_END || act > ACT_TANH || n_inputs > GRAPH_MAX_IO ||
        n_outputs > GRAPH_MAX_IO || n_inputs + n_outputs > r->n_operands)
        return false;
    op->kind = (enum op_kind)kind;
    op->act = (enum activation)act;
    op->n_inputs = (uint16_t)n_inputs;
    op->n_outputs = (uint16_t)n_outputs;
    op->inputs = r->operands;
    op->outputs = r->operands + n_inputs;
    read_indices(c, r->operands, n_inputs + n_outputs);
    r->operands += n_inputs + n_outputs;
    r->n_operands -= n_inputs + n_outputs;
    read_params(c, op);
    return !c->bad;
}

/* The counts, each bounded by its limit and by the bytes that are left, and room for what they announce. */
static int read_counts(struct reader *r, struct cursor *c) {
    struct graph *g = r->graph;
    uint32_t n_tensors = get_varint(c), n_ops = get_varint(c);
    uint32_t n_inputs = get_varint(c), n_outputs = get_varint(c);
    uint32_t n_operands = get_varint(c), n_scales = get_varint(c);
    struct segment *scales = data_segment(r, get_varint(c));
    size_t left = (size_t)(c->end - c->p);
    if (c->bad || n_tensors > MIN(left, (size_t)GRAPH_MAX_TENSORS) ||
        n_ops > MIN(left, (size_t)GRAPH_MAX_OPS) || n_inputs > GRAPH_MAX_IO ||
        n_outputs > GRAPH_MAX_IO || n_operands > left)
        return diag_set(r->diag, MODEL_E_INVALID, "structure: its counts are out of range");
    if (!scales || n_scales > scales->size / sizeof(float))
        return diag_set(r->diag, MODEL_E_INVALID, "structure: the scales are out of range");
    scales->used = n_scales * sizeof(float);
    r->scales = (const float *)(const void *)scales->data;
    r->n_scales = n_scales;
    r->n_operands = n_operands;
    r->operands = graph_alloc(g, n_operands * sizeof(*r->operands));
    g->inputs = graph_alloc(g, (n_inputs + n_outputs) * sizeof(*g->inputs));
    if (!r->operands || !g->inputs)
        return err_origin(-ENOMEM);
    int e = graph_reserve(g, n_tensors, n_ops);
    if (e)
        return e;
    g->outputs = g->inputs + n_inputs;
    g->n_inputs = n_inputs;
    g->n_outputs = n_outputs;
    g->n_tensors = n_tensors;
    g->n_ops = n_ops;
    return 0;
}

static int read_structure(struct reader *r, const struct segment *s) {
    struct graph *g = r->graph;
    struct cursor c = {.p = s->data, .end = s->data + s->size};
    int e = read_counts(r, &c);
    if (e)
        return e;
    for (uint32_t i = 0; i < g->n_tensors; i++)
        if (!read_tensor(r, &c, &g->tensors[i]))
            return diag_set(r->diag, MODEL_E_INVALID, "structure: tensor %u is malformed", i);
    read_indices(&c, g->inputs, g->n_inputs + g->n_outputs);
    for (uint32_t i = 0; i < g->n_ops; i++)
        if (!read_op(r, &c, &g->ops[i]))
            return diag_set(r->diag, MODEL_E_INVALID, "structure: operator %u is malformed", i);
    if (c.bad || c.p != c.end || r->n_operands != 0 || r->n_scales != 0)
        return diag_set(r->diag, MODEL_E_INVALID, "structure: more or less than it announces");
    return 0;
}

/* --- metadata --- */

/* Labels follow each other, each with its terminator. */
static int read_labels(struct reader *r, const char *value, uint32_t len) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < len; i++)
        n += value[i] == 0;
    if (len == 0 || value[len - 1] != 0 || n > GRAPH_MAX_LABELS)
        return diag_set(r->diag, MODEL_E_INVALID, "metadata: malformed labels");
    const char **labels = graph_alloc(r->graph, n * sizeof(*labels));
    if (!labels)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < n; i++) {
        labels[i] = value;
        value += strlen(value) + 1;
    }
    r->graph->labels = labels;
    r->graph->n_labels = n;
    return 0;
}

/* One key and its value. Keys this reader does not know are somebody else's. */
static int read_pair(struct reader *r, struct cursor *c) {
    struct graph *g = r->graph;
    const struct {
        const char *key, **value;
    } known[] = {{"name", &g->name},
                 {"version", &g->version},
                 {"description", &g->description},
                 {"licence", &g->licence},
                 {"history", &g->history}};
    uint32_t key_len = 0, len = 0;
    const char *key = get_text(c, &key_len);
    const char *value = key ? get_text(c, &len) : NULL;
    if (!value)
        return diag_set(r->diag, MODEL_E_INVALID, "metadata: malformed");
    if (strcmp(key, "labels") == 0)
        return g->n_labels ? diag_set(r->diag, MODEL_E_INVALID, "metadata: labels twice")
                           : read_labels(r, value, len);
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (strcmp(key, known[i].key) != 0)
            continue;
        if (**known[i].value || len == 0 || strlen(value) != len)
            return diag_set(r->diag, MODEL_E_INVALID, "metadata: %s is malformed or there twice",
                            known[i].key);
        *known[i].value = value;
    }
    return 0;
}

static int read_metadata(struct reader *r, const struct segment *s) {
    struct cursor c = {.p = s->data, .end = s->data + s->size};
    int e = 0;
    while (c.p != c.end && e == 0)
        e = read_pair(r, &c);
    return e;
}

static int read_file(struct reader *r, const struct map *map) {
    const struct segment *structure = NULL, *metadata = NULL;
    int e = segments_read(&r->segments, map->data, map->size, r->diag);
    if (e == 0)
        e = find_segment(r, SEGMENT_STRUCTURE, &structure);
    if (e == 0)
        e = find_segment(r, SEGMENT_METADATA, &metadata);
    if (e)
        return e;
    if (!structure)
        return diag_set(r->diag, MODEL_E_INVALID, "no structure");
    e = read_structure(r, structure);
    if (e == 0 && metadata)
        e = read_metadata(r, metadata);
    return e ? e : graph_check(r->graph, r->diag);
}

/* Leaves the map to the caller. */
static int read_graph(struct reader *r, const struct map *map, struct graph **ret_graph) {
    _cleanup_(graph_freep) struct graph *graph = NULL;
    int e = graph_new(&graph);
    if (e)
        return diag_set(r->diag, e, "no memory");
    r->graph = graph;
    e = read_file(r, map);
    if (e == -ENOMEM)
        diag_set(r->diag, e, "no memory");
    if (e == 0 && r->segments.decoded.data)
        graph_set_backing(graph, &r->segments.decoded);
    segments_deinit(&r->segments);
    if (e == 0)
        *ret_graph = steal(&graph);
    return e;
}

int container_read(struct map *map, struct graph **ret_graph, struct diag *diag) {
    struct reader r = {.diag = diag};
    struct graph *graph;
    int e = read_graph(&r, map, &graph);
    if (e)
        return e;
    graph_set_backing(graph, map);
    *ret_graph = graph;
    return 0;
}

int container_stored(const struct map *map, struct container_stored *ret_stored, uint32_t n,
                     struct diag *diag) {
    struct reader r = {.diag = diag, .stored = ret_stored, .n_stored = n};
    struct graph *graph;
    memset(ret_stored, 0, n * sizeof(*ret_stored));
    int e = read_graph(&r, map, &graph);
    if (e == 0)
        graph_free(graph);
    return e;
}
