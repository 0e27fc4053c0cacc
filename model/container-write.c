/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a graph as a container: three segments, in the order structure, metadata, data, each encoded where that makes it
 * smaller. Nothing but the graph decides a byte. No state.
 */

#include <string.h>

#include "base/arith.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "model/coded.h"
#include "model/container-format.h"
#include "model/container.h"

#define N_SEGMENTS 3
#define DATA_INDEX 2 /* the data segment's place in the table */

/* Signed: 0, -1, 1, -2 … become 0, 1, 2, 3 … */
static int put_signed(struct buffer *b, int32_t value) {
    return put_varint(b, (uint32_t)value << 1 ^ (value < 0 ? UINT32_MAX : 0));
}

static int put_text(struct buffer *b, const char *s, size_t len) {
    int r = put_varint(b, (uint32_t)len);
    if (r == 0)
        r = buffer_append(b, s, len);
    return r ? r : put_byte(b, 0);
}

static bool has_data(const struct tensor *t) {
    return t->data && t->kind != TENSOR_ACTIVATION;
}

static unsigned quant_class(const struct tensor *t) {
    return t->quant.group           ? QUANT_GROUPS
           : t->quant.n_scales == 0 ? QUANT_NONE
           : t->quant.n_scales == 1 ? QUANT_PER_TENSOR
                                    : QUANT_PER_AXIS;
}

static int put_tensor(struct buffer *b, const struct tensor *t) {
    unsigned class = quant_class(t);
    int r = put_byte(b, (unsigned)t->dtype | (unsigned)t->kind << TENSOR_KIND_SHIFT |
                            (t->name ? TENSOR_NAMED : 0) | (has_data(t) ? TENSOR_HAS_DATA : 0));
    if (r == 0)
        r = put_byte(
            b, t->n_dims | class << TENSOR_QUANT_SHIFT |
                   (class == QUANT_PER_AXIS ? (unsigned)t->quant.axis << TENSOR_AXIS_SHIFT : 0));
    for (int d = 0; d < t->n_dims && r == 0; d++)
        r = put_varint(b, (uint32_t)t->dims[d]);
    if (r == 0 && class == QUANT_PER_TENSOR)
        r = put_signed(b, t->quant.zero_point);
    if (r == 0 && class == QUANT_GROUPS)
        r = put_varint(b, t->quant.group);
    if (r == 0 && t->name)
        r = put_text(b, t->name, strlen(t->name));
    if (r || !has_data(t))
        return r;
    r = put_varint(b, DATA_INDEX);
    return r ? r : put_varint(b, 0); /* right after the constant before */
}

static int put_params(struct buffer *b, const struct op *op) {
    int32_t values[CONTAINER_MAX_PARAMS], defaults[CONTAINER_MAX_PARAMS];
    int n = container_param_defaults(op->kind, defaults);
    uint32_t present = 0;
    if (n == 0)
        return 0;
    container_params_get(op, values);
    for (int i = 0; i < n; i++)
        if (values[i] != defaults[i])
            present |= 1U << i;
    int r = put_varint(b, present);
    for (int i = 0; i < n && r == 0; i++)
        if (present & 1U << i)
            r = put_signed(b, values[i]);
    return r;
}

/* Indices plus one, so that an absent operand is 0. */
static int put_indices(struct buffer *b, const int32_t *indices, uint32_t n) {
    int r = 0;
    for (uint32_t i = 0; i < n && r == 0; i++)
        r = put_varint(b, (uint32_t)(indices[i] + 1));
    return r;
}

static int put_op(struct buffer *b, const struct op *op) {
    int r = put_varint(b, op->kind);
    if (r == 0)
        r = put_byte(b, op->act);
    if (r == 0)
        r = put_varint(b, op->n_inputs);
    if (r == 0)
        r = put_varint(b, op->n_outputs);
    if (r == 0)
        r = put_indices(b, op->inputs, op->n_inputs);
    if (r == 0)
        r = put_indices(b, op->outputs, op->n_outputs);
    return r ? r : put_params(b, op);
}

static int put_counts(struct buffer *b, const struct graph *graph) {
    uint32_t n_operands = 0, n_scales = 0;
    for (uint32_t i = 0; i < graph->n_ops; i++)
        n_operands += graph->ops[i].n_inputs + graph->ops[i].n_outputs;
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        n_scales += graph->tensors[i].quant.n_scales;
    const uint32_t counts[] = {graph->n_tensors, graph->n_ops, graph->n_inputs, graph->n_outputs,
                               n_operands,       n_scales,     DATA_INDEX};
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(counts) && r == 0; i++)
        r = put_varint(b, counts[i]);
    return r;
}

static int put_structure(struct buffer *b, const struct graph *graph) {
    int r = put_counts(b, graph);
    for (uint32_t i = 0; i < graph->n_tensors && r == 0; i++)
        r = put_tensor(b, &graph->tensors[i]);
    if (r == 0)
        r = put_indices(b, graph->inputs, graph->n_inputs);
    if (r == 0)
        r = put_indices(b, graph->outputs, graph->n_outputs);
    for (uint32_t i = 0; i < graph->n_ops && r == 0; i++)
        r = put_op(b, &graph->ops[i]);
    return r;
}

static int put_entry(struct buffer *b, const char *key, const char *value, size_t len) {
    int r = put_text(b, key, strlen(key));
    return r ? r : put_text(b, value, len);
}

/* All labels in one value, each with its terminator. */
static int put_labels(struct buffer *b, const struct graph *graph) {
    size_t len = 0;
    for (uint32_t i = 0; i < graph->n_labels; i++)
        len += strlen(graph->labels[i]) + 1;
    int r = put_text(b, "labels", strlen("labels"));
    if (r == 0)
        r = put_varint(b, (uint32_t)len);
    for (uint32_t i = 0; i < graph->n_labels && r == 0; i++)
        r = buffer_append(b, graph->labels[i], strlen(graph->labels[i]) + 1);
    return r ? r : put_byte(b, 0);
}

static int put_metadata(struct buffer *b, const struct graph *graph) {
    const struct {
        const char *key, *value;
    } entries[] = {{"name", graph->name},
                   {"version", graph->version},
                   {"description", graph->description},
                   {"licence", graph->licence},
                   {"history", graph->history}};
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(entries) && r == 0; i++)
        if (*entries[i].value)
            r = put_entry(b, entries[i].key, entries[i].value, strlen(entries[i].value));
    return r || graph->n_labels == 0 ? r : put_labels(b, graph);
}

/* Zeros until `len` bytes stand after `start`; fewer than a segment's alignment are missing. */
static int pad(struct buffer *b, size_t start, size_t len) {
    static const uint8_t zeros[CONTAINER_SEGMENT_ALIGN];
    return buffer_append(b, zeros, len - (b->len - start));
}

static int put_data(struct buffer *b, const struct graph *graph) {
    int r = 0;
    for (uint32_t i = 0; i < graph->n_tensors && r == 0; i++) {
        const struct quant *q = &graph->tensors[i].quant;
        r = buffer_append(b, q->scales, q->n_scales * sizeof(float));
    }
    for (uint32_t i = 0; i < graph->n_tensors && r == 0; i++) {
        const struct tensor *t = &graph->tensors[i];
        if (!has_data(t))
            continue;
        r = pad(b, 0, container_const_offset(t, b->len));
        if (r == 0)
            r = buffer_append(b, t->data, t->size);
    }
    return r;
}

/* A piece for all scales, then one for every constant. */
static int code_data(struct buffer *b, const struct buffer *plain, const struct graph *graph) {
    size_t n_scales = 0;
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        n_scales += graph->tensors[i].quant.n_scales;
    int r = n_scales ? coded_put_piece(b, 0, plain->data, n_scales, sizeof(float)) : 0;
    size_t end = n_scales * sizeof(float);
    for (uint32_t i = 0; i < graph->n_tensors && r == 0; i++) {
        const struct tensor *t = &graph->tensors[i];
        if (!has_data(t))
            continue;
        /* Two values of four bits are one symbol. */
        size_t width = t->dtype == DTYPE_INT4 ? 1 : dtype_size(t->dtype);
        size_t offset = container_const_offset(t, end);
        r = coded_put_piece(b, offset - end, t->data, t->size / width, (unsigned)width);
        end = offset + t->size;
    }
    return r;
}

/* What saves little stays as it is: it can be used where it stands. */
static bool worth_it(const struct buffer *plain, const struct buffer *encoded) {
    return plain->len - plain->len / CONTAINER_MIN_SAVING >=
               encoded->len + CONTAINER_SEGMENT_ALIGN &&
           container_ratio_allowed(encoded->len, plain->len);
}

/* The segment's bytes, plain and encoded. */
static int make_segment(struct buffer *plain, struct buffer *encoded, int i,
                        const struct graph *graph) {
    static int (*const put[N_SEGMENTS])(struct buffer *, const struct graph *) = {
        put_structure, put_metadata, put_data};
    int r = put[i](plain, graph);
    if (r)
        return r;
    return i == DATA_INDEX ? code_data(encoded, plain, graph)
                           : coded_put_zstd(encoded, plain->data, plain->len);
}

/* Appends a segment and fills in its entry of the table. */
static int put_segment(struct buffer *b, size_t start, int i, const struct buffer *plain,
                       const struct buffer *encoded) {
    static const enum segment_kind kinds[N_SEGMENTS] = {SEGMENT_STRUCTURE, SEGMENT_METADATA,
                                                        SEGMENT_DATA};
    const bool take = worth_it(plain, encoded);
    const struct buffer *stored = take ? encoded : plain;
    size_t offset = ALIGN_UP(b->len - start, CONTAINER_SEGMENT_ALIGN);
    int r = pad(b, start, offset);
    if (r == 0)
        r = buffer_append(b, stored->data, stored->len);
    if (r)
        return r;
    uint8_t *entry = b->data + start + HEADER_SIZE + i * ENTRY_SIZE;
    store_le16(entry + ENTRY_KIND, (uint16_t)kinds[i]);
    entry[ENTRY_ENCODING] = (uint8_t)(!take             ? SEGMENT_PLAIN
                                      : i == DATA_INDEX ? SEGMENT_CODED
                                                        : SEGMENT_ZSTD);
    store_le32(entry + ENTRY_CHECKSUM, crc32c(stored->data, stored->len));
    store_le64(entry + ENTRY_OFFSET, offset);
    store_le64(entry + ENTRY_STORED, stored->len);
    store_le64(entry + ENTRY_DECODED, plain->len);
    return 0;
}

static int add_segment(struct buffer *b, size_t start, int i, const struct graph *graph) {
    struct buffer plain, encoded;
    buffer_init(&plain, CONTAINER_MAX_BYTES);
    buffer_init(&encoded, 2 * CONTAINER_MAX_BYTES);
    int r = make_segment(&plain, &encoded, i, graph);
    if (r == 0)
        r = put_segment(b, start, i, &plain, &encoded);
    buffer_deinit(&plain);
    buffer_deinit(&encoded);
    return r;
}

static int put_file(struct buffer *b, size_t start, const struct graph *graph) {
    static const uint8_t head[HEADER_SIZE + N_SEGMENTS * ENTRY_SIZE];
    int r = buffer_append(b, head, sizeof(head));
    for (int i = 0; i < N_SEGMENTS && r == 0; i++)
        r = add_segment(b, start, i, graph);
    if (r)
        return r;
    uint8_t *header = b->data + start;
    memcpy(header, CONTAINER_MAGIC, CONTAINER_MAGIC_SIZE);
    store_le16(header + HEADER_VERSION, CONTAINER_VERSION);
    store_le16(header + HEADER_SEGMENTS, N_SEGMENTS);
    store_le64(header + HEADER_FILE_SIZE, b->len - start);
    store_le32(header + HEADER_CHECKSUM,
               crc32c(header + HEADER_VERSION, sizeof(head) - HEADER_VERSION));
    return 0;
}

int container_write(const struct graph *graph, struct buffer *buffer, struct diag *diag) {
    int r = graph_check(graph, diag);
    if (r == MODEL_E_UNSUPPORTED) /* whatever cannot be run cannot be read back either */
        r = MODEL_E_INVALID;
    if (r)
        return r;
    size_t start = buffer->len;
    r = put_file(buffer, start, graph);
    if (r) {
        buffer->len = start;
        return diag_set(diag, r, "%s",
                        r == -EMSGSIZE ? "the file would be too large" : "no memory");
    }
    return 0;
}
