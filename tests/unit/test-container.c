/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model/container: round trips of real networks, what the format costs, and files broken in one place at a time with the
 * checksums put right, so that what is behind them is reached.
 */

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/random.h"
#include "model/container-format.h"
#include "model/container.h"
#include "model/graph.h"
#include "model/tflite.h"
#include "tests/graphs.h"
#include "tests/networks.h"

/* container_read() of a copy of the bytes. */
static int read_bytes(const void *data, size_t size, struct graph **ret_graph, struct diag *diag) {
    _cleanup_(map_deinit) struct map map = {.size = size};
    map.data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(map.data, MAP_FAILED);
    memcpy(map.data, data, size);
    int r = container_read(&map, ret_graph, diag);
    ck_assert_int_eq(r == 0, map.data == NULL); /* taken over on success, and only then */
    return r;
}

static struct graph *read_tflite(const char *path) {
    struct map map;
    struct diag diag;
    struct graph *graph = NULL;
    ck_assert_int_eq(map_read_file(path, SIZE_MAX / 2, &map, &diag), 0);
    int r = tflite_read(map.data, map.size, &graph, &diag);
    map_deinit(&map);
    ck_assert_msg(r == 0 || r == MODEL_E_UNSUPPORTED, "%s: %s", path, diag.text);
    return graph;
}

/* Writes, reads, compares, writes again; the file's size. */
static size_t round_trip(const struct graph *graph) {
    struct buffer first, second;
    struct graph *copy;
    struct diag diag = {.text = ""};
    buffer_init(&first, CONTAINER_MAX_BYTES);
    buffer_init(&second, CONTAINER_MAX_BYTES);
    ck_assert_int_eq(buffer_append(&second, "before", 6), 0); /* it appends */
    ck_assert_int_eq(container_write(graph, &first, &diag), 0);
    ck_assert(container_probe(first.data, first.len));
    int r = read_bytes(first.data, first.len, &copy, &diag);
    ck_assert_msg(r == 0, "%s", diag.text);
    ck_assert(same_graph(graph, copy));
    ck_assert_int_eq(container_write(copy, &second, &diag), 0);
    ck_assert_uint_eq(second.len, first.len + 6);
    ck_assert_mem_eq(second.data + 6, first.data, first.len);
    graph_free(copy);
    size_t size = first.len;
    buffer_deinit(&first);
    buffer_deinit(&second);
    return size;
}

START_TEST(test_round_trips) {
    glob_t list;
    networks_find(&list, true);
    for (size_t i = 0; i < list.gl_pathc; i++) {
        struct graph *graph = read_tflite(list.gl_pathv[i]);
        if (graph)
            round_trip(graph);
        graph_free(graph);
    }
    globfree(&list);
}
END_TEST

static int32_t add(struct graph *g, enum dtype dtype, bool constant, int n_dims,
                   const int32_t *dims, uint32_t n_scales, uint8_t axis) {
    struct tensor t = {.dtype = dtype, .n_dims = (uint8_t)n_dims, .quant = {.n_scales = n_scales}};
    memcpy(t.dims, dims, (size_t)n_dims * sizeof(*dims));
    t.size = dtype_bytes(dtype, tensor_elements(&t));
    float *scales = graph_alloc(g, n_scales * sizeof(float));
    for (uint32_t i = 0; i < n_scales; i++)
        scales[i] = 0.01F * (float)(i + 1);
    t.quant.scales = n_scales ? scales : NULL;
    t.quant.axis = n_scales > 1 ? axis : 0;
    t.kind = constant ? TENSOR_CONST : TENSOR_ACTIVATION;
    if (constant) {
        /* Noise, that nothing shortens. */
        struct random random = {.state = g->n_tensors};
        uint8_t *data = graph_alloc(g, t.size);
        for (size_t i = 0; i < t.size; i++)
            data[i] = (uint8_t)random_u64(&random);
        t.data = data;
    }
    int32_t index;
    ck_assert_int_eq(graph_add_tensor(g, &t, &index), 0);
    return index;
}

/* `n` convolutions one after the other, of sizes that leave nothing aligned by chance. */
static struct graph *conv_chain(int n) {
    struct graph *g;
    ck_assert_int_eq(graph_new(&g), 0);
    int32_t x = add(g, DTYPE_INT8, false, 4, (int32_t[]){1, 149, 149, 3}, 1, 0);
    g->inputs = graph_alloc(g, sizeof(int32_t));
    g->outputs = graph_alloc(g, sizeof(int32_t));
    g->inputs[0] = x;
    int32_t channels = 3;
    for (int i = 0; i < n; i++) {
        int32_t out = 37 + 2 * i;
        int32_t w = add(g, DTYPE_INT8, true, 4, (int32_t[]){out, 3, 3, channels}, (uint32_t)out, 0);
        int32_t b = add(g, DTYPE_INT32, true, 1, (int32_t[]){out}, 0, 0);
        int32_t y = add(g, DTYPE_INT8, false, 4, (int32_t[]){1, 149, 149, out}, 1, 0);
        struct op op = {.kind = OP_CONV_2D, .act = ACT_RELU, .n_inputs = 3, .n_outputs = 1};
        op.conv = (struct op_conv){1, 1, 1, 1, 1, 1, 1, 1};
        ck_assert_int_eq(graph_add_op(g, &op, (int32_t[]){x, w, b}, &y), 0);
        g->tensors[y].quant.zero_point = -128;
        channels = out;
        x = y;
    }
    g->outputs[0] = x;
    g->n_inputs = g->n_outputs = 1;
    g->tensors[g->inputs[0]].name = "serving_default_input:0";
    g->tensors[x].name = "StatefulPartitionedCall:0";
    return g;
}

static void set_metadata(struct graph *g) {
    static const char *const labels[] = {"alexa", "", "smart mirror", "\xc3\xa9t\xc3\xa9"};
    g->name = "wakeword";
    g->version = "1.2";
    g->description = "Six wake words";
    g->licence = "Apache-2.0";
    g->labels = labels;
    g->n_labels = 4;
}

/* File bytes that are not constants; below 0 where those are coded. */
static long overhead(const struct graph *g) {
    return (long)round_trip(g) - (long)constant_bytes(g);
}

/* One matrix product of 6 by 20 weights of 4 bits, scales in groups of 10; its tensors are x, weights, y. */
static struct graph *int4_graph(void) {
    struct graph *g;
    ck_assert_int_eq(graph_new(&g), 0);
    g->inputs = graph_alloc(g, sizeof(int32_t));
    g->outputs = graph_alloc(g, sizeof(int32_t));
    g->n_inputs = g->n_outputs = 1;
    g->inputs[0] = add(g, DTYPE_FP32, false, 2, (int32_t[]){1, 20}, 0, 0);
    int32_t w = add(g, DTYPE_INT4, true, 2, (int32_t[]){6, 20}, 12, 0);
    g->outputs[0] = add(g, DTYPE_FP32, false, 2, (int32_t[]){1, 6}, 0, 0);
    g->tensors[w].quant.group = 10;
    g->tensors[g->inputs[0]].name = "x";
    g->tensors[g->outputs[0]].name = "y";
    struct op op = {.kind = OP_FULLY_CONNECTED, .n_inputs = 3, .n_outputs = 1};
    ck_assert_int_eq(graph_add_op(g, &op, (int32_t[]){g->inputs[0], w, GRAPH_NONE}, g->outputs), 0);
    return g;
}

START_TEST(test_int4_in_groups) {
    struct graph *g = int4_graph();
    ck_assert_uint_eq(g->tensors[1].size, 60);
    size_t size = round_trip(g);
    ck_assert_uint_lt(size, 128 + 64 + 12 * sizeof(float) + 60 + 64);
    /* a group per channel, and INT8 */
    g->tensors[1].quant.group = 20;
    g->tensors[1].quant.n_scales = 6;
    round_trip(g);
    g->tensors[1].dtype = DTYPE_INT8;
    g->tensors[1].dims[0] = 3;
    g->tensors[1].quant.n_scales = 3;
    g->tensors[2].dims[1] = 3;
    g->tensors[2].size = 3 * sizeof(float);
    round_trip(g);
    graph_free(g);
}
END_TEST

START_TEST(test_overhead) {
    struct graph *g = conv_chain(15);
    set_metadata(g);
    ck_assert_int_lt(overhead(g), 1024);
    graph_free(g);
    static const char *const names[] = {"models/mlperf-tiny/kws_ref_model.tflite",
                                        "models/mlperf-tiny/pretrainedResnet_quant.tflite",
                                        "models/tflite-micro/keyword_scrambled.tflite",
                                        "models/ours/wakeword6/wakeword6_int8.tflite"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[4096];
        if (!shared_present(names[i]))
            continue;
        snprintf(path, sizeof(path), "%s/%s", shared_dir(), names[i]);
        g = read_tflite(path);
        long n = overhead(g);
        printf("%s: %u operators, %ld bytes beside the constants\n", names[i], g->n_ops, n);
        ck_assert_int_lt(n, 1024);
        graph_free(g);
    }
}
END_TEST

START_TEST(test_write_refusals) {
    struct buffer b;
    struct diag diag;
    struct graph *g = conv_chain(2);
    buffer_init(&b, 1000);
    ck_assert_int_eq(container_write(g, &b, &diag), -EMSGSIZE);
    ck_assert_uint_eq(b.len, 0);
    g->ops[1].conv.stride_h = 0;
    ck_assert_int_eq(container_write(g, &b, &diag), MODEL_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "operator 1 (CONV_2D)"));
    buffer_deinit(&b);
    graph_free(g);
}
END_TEST

static struct buffer small_file(void) {
    struct buffer b;
    struct diag diag;
    struct graph *g = conv_chain(1);
    set_metadata(g);
    buffer_init(&b, CONTAINER_MAX_BYTES);
    ck_assert_int_eq(container_write(g, &b, &diag), 0);
    graph_free(g);
    return b;
}

/* Puts all checksums right again, those of the segments first. */
static void fix_checksums(uint8_t *file) {
    uint32_t n = load_le16(file + HEADER_SEGMENTS);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *entry = file + HEADER_SIZE + i * ENTRY_SIZE;
        store_le32(entry + ENTRY_CHECKSUM,
                   crc32c(file + load_le64(entry + ENTRY_OFFSET), load_le64(entry + ENTRY_STORED)));
    }
    store_le32(file + HEADER_CHECKSUM,
               crc32c(file + HEADER_VERSION, HEADER_SIZE + n * ENTRY_SIZE - HEADER_VERSION));
}

static void expect(const struct buffer *b, int code, const char *says) {
    struct graph *g = NULL;
    struct diag diag = {.text = ""};
    int r = read_bytes(b->data, b->len, &g, &diag);
    ck_assert_msg(r == code, "code %d, expected %d: %s", r, code, diag.text);
    ck_assert_msg(!says || strstr(diag.text, says), "'%s' does not say '%s'", diag.text, says);
    graph_free(g);
}

/* One byte of a fresh file is set, the checksums put right where `fix`. */
static void expect_patched(size_t at, uint8_t value, bool fix, int code, const char *says) {
    struct buffer b = small_file();
    b.data[at] = value;
    if (fix)
        fix_checksums(b.data);
    expect(&b, code, says);
    buffer_deinit(&b);
}

START_TEST(test_header) {
    const size_t entry1 = HEADER_SIZE + ENTRY_SIZE;
    expect_patched(0, 'E', false, MODEL_E_INVALID, "not an .edge file");
    expect_patched(HEADER_VERSION, 2, false, MODEL_E_UNSUPPORTED, "version 2");
    expect_patched(HEADER_REQUIRED, 4, false, MODEL_E_INVALID, "header: wrong checksum");
    expect_patched(HEADER_REQUIRED, 4, true, MODEL_E_UNSUPPORTED, "features 0x4");
    expect_patched(HEADER_OPTIONAL, 4, true, 0, NULL);
    expect_patched(HEADER_FILE_SIZE, 1, true, MODEL_E_INVALID, "but the file has");
    expect_patched(HEADER_SEGMENTS, 200, false, MODEL_E_INVALID, "200 segments");
    expect_patched(HEADER_SEGMENTS, 2, true, MODEL_E_INVALID, "padding before it is not zero");
    expect_patched(HEADER_SIZE + ENTRY_OFFSET, 192, true, MODEL_E_INVALID, "not where it has to");
    expect_patched(entry1 + ENTRY_KIND, 9, true, MODEL_E_UNSUPPORTED, "segment 1: kind 9");
    expect_patched(entry1 + ENTRY_KIND, 1, true, MODEL_E_INVALID, "a second one of kind 1");
    expect_patched(entry1 + ENTRY_ENCODING, 3, true, MODEL_E_UNSUPPORTED, "encoding 3");
    expect_patched(entry1 + ENTRY_FLAGS, 2, true, MODEL_E_INVALID, "contradicts itself");
    expect_patched(entry1 + ENTRY_DECODED, 1, true, MODEL_E_INVALID, "contradicts itself");
    expect_patched(entry1 + ENTRY_STORED, 1, true, MODEL_E_INVALID, "contradicts itself");
    expect_patched(entry1 + ENTRY_STORED + 4, 1, false, MODEL_E_INVALID, "header: wrong checksum");
    expect_patched(entry1 + ENTRY_SIZE + ENTRY_OFFSET, 1, true, MODEL_E_INVALID,
                   "segment 2: not where");
    expect_patched(HEADER_SIZE + ENTRY_KIND, 2, true, MODEL_E_INVALID, NULL);
}
END_TEST

START_TEST(test_segments) {
    struct buffer b = small_file();
    size_t structure = load_le64(b.data + HEADER_SIZE + ENTRY_OFFSET);
    size_t end = structure + load_le64(b.data + HEADER_SIZE + ENTRY_STORED);
    size_t metadata = load_le64(b.data + HEADER_SIZE + ENTRY_SIZE + ENTRY_OFFSET);
    size_t len = b.len;
    ck_assert_uint_gt(metadata, end);
    expect_patched(end, 1, false, MODEL_E_INVALID, "padding before it is not zero");
    expect_patched(structure + 3, 99, false, MODEL_E_INVALID, "segment 0: wrong checksum");
    expect_patched(metadata, 99, false, MODEL_E_INVALID, "segment 1: wrong checksum");
    expect_patched(len - 1, 99, false, MODEL_E_INVALID, "segment 2: wrong checksum");
    expect_patched(structure, 0x7f, true, MODEL_E_INVALID, "its counts are out of range");
    expect_patched(structure, 5, true, MODEL_E_INVALID, "structure: ");
    expect_patched(structure, 0xff, true, MODEL_E_INVALID, "structure");
    expect_patched(structure + 4, 0, true, MODEL_E_INVALID, "operator 0 is malformed");
    expect_patched(metadata, 99, true, MODEL_E_INVALID, "metadata: malformed");
    expect_patched(metadata + 1, 'N', true, 0, NULL); /* an unknown key */

    /* One byte more, announced or not. */
    ck_assert_int_eq(buffer_append(&b, "", 1), 0);
    expect(&b, MODEL_E_INVALID, "but the file has");
    store_le64(b.data + HEADER_FILE_SIZE, b.len);
    fix_checksums(b.data);
    expect(&b, MODEL_E_INVALID, "1 bytes after the last segment");
    buffer_deinit(&b);
    ck_assert(!container_probe("\x89"
                               "EDGF",
                               5));
    ck_assert(container_probe("\x89"
                              "EDG",
                              4));
}
END_TEST

/* Groups that are none, do not divide, or want other scales than there are. */
START_TEST(test_broken_groups) {
    static const struct {
        uint8_t group;
        int code;
        const char *says;
    } rows[] = {
        {10, 0, NULL},
        {0, MODEL_E_INVALID, "tensor 1 is malformed"},
        {11, MODEL_E_INVALID, "more or less than it announces"},
        {9, MODEL_E_INVALID, "tensor 1 is malformed"}, /* 13 scales of 12 */
        {0x80, MODEL_E_INVALID, "tensor 1 is malformed"},
    };
    struct buffer b;
    struct diag diag;
    struct graph *g = int4_graph();
    buffer_init(&b, CONTAINER_MAX_BYTES);
    ck_assert_int_eq(container_write(g, &b, &diag), 0);
    graph_free(g);
    uint8_t *structure = b.data + load_le64(b.data + HEADER_SIZE + ENTRY_OFFSET);
    /* seven counts; x: two bytes, dims 1 and 20, "x"; weights: two bytes, dims 6 and 20 */
    uint8_t *group = structure + 7 + 2 + 2 + 3 + 2 + 2;
    ck_assert_uint_eq(group[-4], 1 << TENSOR_KIND_SHIFT | TENSOR_HAS_DATA | DTYPE_INT4);
    ck_assert_uint_eq(group[-3], 2 | QUANT_GROUPS << TENSOR_QUANT_SHIFT);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        *group = rows[i].group;
        fix_checksums(b.data);
        expect(&b, rows[i].code, rows[i].says);
    }
    *group = 10;
    group[-3] |= 1 << TENSOR_AXIS_SHIFT; /* groups have no axis */
    fix_checksums(b.data);
    expect(&b, MODEL_E_INVALID, "tensor 1 is malformed");
    group[-3] = 2;
    fix_checksums(b.data);
    expect(&b, MODEL_E_INVALID, "structure: ");
    /* as many scales, but of other channels than the result has, or of groups that divide no channel */
    group[-3] = 2 | QUANT_GROUPS << TENSOR_QUANT_SHIFT;
    group[-2] = 12;
    group[-1] = 10;
    fix_checksums(b.data);
    expect(&b, MODEL_E_INVALID, "operator 0 (FULLY_CONNECTED)");
    group[-2] = 8;
    group[-1] = 15;
    fix_checksums(b.data);
    expect(&b, MODEL_E_INVALID, "tensor 1: groups of 10 do not divide 15");
    buffer_deinit(&b);
}
END_TEST

/* A kind of segment from the future, marked as one that may be skipped. */
START_TEST(test_ignorable) {
    struct buffer b = small_file();
    uint8_t *entry = b.data + HEADER_SIZE + ENTRY_SIZE;
    store_le16(entry + ENTRY_KIND, 77);
    entry[ENTRY_ENCODING] = 5;
    entry[ENTRY_FLAGS] = SEGMENT_IGNORABLE;
    fix_checksums(b.data);
    struct graph *g;
    struct diag diag;
    ck_assert_int_eq(read_bytes(b.data, b.len, &g, &diag), 0);
    ck_assert_str_eq(g->name, ""); /* it was the metadata */
    graph_free(g);
    buffer_deinit(&b);
}
END_TEST

/* A file with a coded segment: weights of which most are zero. */
static struct buffer coded_file(void) {
    struct buffer b;
    struct diag diag;
    struct graph *g = conv_chain(2);
    for (uint32_t i = 0; i < g->n_tensors; i++) {
        uint8_t *data = (uint8_t *)(uintptr_t)g->tensors[i].data;
        for (size_t k = 0; data && k < g->tensors[i].size; k++)
            data[k] = k / 16 % 4 ? 0 : data[k] & 0x8f;
    }
    g->history = "{\"passes\": []}";
    buffer_init(&b, CONTAINER_MAX_BYTES);
    ck_assert_int_eq(container_write(g, &b, &diag), 0);
    size_t entry = HEADER_SIZE + 2 * ENTRY_SIZE;
    ck_assert_uint_eq(b.data[entry + ENTRY_ENCODING], SEGMENT_CODED);
    ck_assert_uint_lt(load_le64(b.data + entry + ENTRY_STORED),
                      load_le64(b.data + entry + ENTRY_DECODED) / 2);
    round_trip(g);
    graph_free(g);
    return b;
}

START_TEST(test_coded) {
    const size_t entry = HEADER_SIZE + 2 * ENTRY_SIZE;
    struct buffer b = coded_file();
    uint64_t decoded = load_le64(b.data + entry + ENTRY_DECODED);
    uint64_t offset = load_le64(b.data + entry + ENTRY_OFFSET);
    b.data[offset + 1] ^= 0x80;
    fix_checksums(b.data);
    expect(&b, MODEL_E_INVALID, "segment 2: piece 0: malformed");
    b.data[offset + 1] ^= 0x80;
    store_le64(b.data + entry + ENTRY_DECODED, decoded + 1);
    fix_checksums(b.data);
    expect(&b, MODEL_E_INVALID, "segment 2: its pieces end at byte");
    store_le64(b.data + entry + ENTRY_DECODED, decoded - 1);
    fix_checksums(b.data);
    expect(&b, MODEL_E_INVALID, "segment 2: piece 4: malformed");
    store_le64(b.data + entry + ENTRY_DECODED, 0);
    fix_checksums(b.data);
    expect(&b, MODEL_E_INVALID, "segment 2: its entry contradicts itself");
    store_le64(b.data + entry + ENTRY_DECODED, UINT64_MAX);
    fix_checksums(b.data);
    expect(&b, MODEL_E_INVALID, "segment 2: 18446744073709551615 bytes cannot come of");
    b.data[entry + ENTRY_ENCODING] = SEGMENT_ZSTD;
    fix_checksums(b.data);
    expect(&b, MODEL_E_UNSUPPORTED, "segment 2: kind 3, encoding 2");
    buffer_deinit(&b);
}
END_TEST

/* Cut nowhere, but wrong in one bit of the coded segment, checksums right. */
START_TEST(test_coded_damage) {
    struct buffer b = coded_file();
    size_t start = load_le64(b.data + HEADER_SIZE + 2 * ENTRY_SIZE + ENTRY_OFFSET), refused = 0;
    for (size_t i = 8 * start; i < 8 * b.len; i += 7) {
        struct graph *g = NULL;
        struct diag diag = {.text = ""};
        b.data[i / 8] ^= (uint8_t)(1U << i % 8);
        fix_checksums(b.data);
        int r = read_bytes(b.data, b.len, &g, &diag);
        ck_assert(r == 0 || (r > 0 && diag.text[0]));
        refused += r != 0;
        graph_free(g);
        b.data[i / 8] ^= (uint8_t)(1U << i % 8);
    }
    ck_assert_uint_gt(refused, 0);
    buffer_deinit(&b);
}
END_TEST

/* One byte less than what a segment of that size may be decoded to, as much, and one more. */
START_TEST(test_ratio) {
    ck_assert(container_ratio_allowed(0, CONTAINER_FREE_BYTES));
    ck_assert(!container_ratio_allowed(0, CONTAINER_FREE_BYTES + 1));
    ck_assert(container_ratio_allowed(10, CONTAINER_FREE_BYTES + 10 * CONTAINER_MAX_RATIO - 1));
    ck_assert(container_ratio_allowed(10, CONTAINER_FREE_BYTES + 10 * CONTAINER_MAX_RATIO));
    ck_assert(!container_ratio_allowed(10, CONTAINER_FREE_BYTES + 10 * CONTAINER_MAX_RATIO + 1));
    /* What would be too small is written plain. */
    struct graph *g;
    ck_assert_int_eq(graph_new(&g), 0);
    int32_t x = add(g, DTYPE_FP32, false, 2, (int32_t[]){1, 1 << 20}, 0, 0);
    int32_t zeros = add(g, DTYPE_FP32, true, 2, (int32_t[]){1, 1 << 20}, 0, 0);
    int32_t y = add(g, DTYPE_FP32, false, 2, (int32_t[]){1, 1 << 20}, 0, 0);
    struct op op = {.kind = OP_ADD, .n_inputs = 2, .n_outputs = 1};
    ck_assert_int_eq(graph_add_op(g, &op, (int32_t[]){x, zeros}, &y), 0);
    memset((void *)(uintptr_t)g->tensors[zeros].data, 0, g->tensors[zeros].size);
    g->tensors[x].name = "x";
    g->tensors[y].name = "y";
    g->inputs = &x;
    g->outputs = &y;
    g->n_inputs = g->n_outputs = 1;
    ck_assert_uint_gt(round_trip(g), g->tensors[zeros].size);
    graph_free(g);
}
END_TEST

START_TEST(test_zstd_segments) {
    static const char *labels[1000];
    for (size_t i = 0; i < 1000; i++)
        labels[i] = "one of a thousand that look alike";
    struct graph *g = conv_chain(15);
    struct buffer b;
    struct diag diag;
    g->labels = labels;
    g->n_labels = 1000;
    ck_assert_int_lt(overhead(g), 2000);
    buffer_init(&b, CONTAINER_MAX_BYTES);
    ck_assert_int_eq(container_write(g, &b, &diag), 0);
    uint8_t *entry = b.data + HEADER_SIZE + ENTRY_SIZE;
    ck_assert_uint_eq(entry[ENTRY_ENCODING], SEGMENT_ZSTD);
    store_le64(entry + ENTRY_DECODED, load_le64(entry + ENTRY_DECODED) - 1);
    fix_checksums(b.data);
    expect(&b, MODEL_E_INVALID, "bytes of zstd");
    entry[ENTRY_ENCODING] = SEGMENT_CODED;
    fix_checksums(b.data);
    expect(&b, MODEL_E_UNSUPPORTED, "segment 1: kind 2, encoding 1");
    buffer_deinit(&b);
    graph_free(g);
}
END_TEST

START_TEST(test_history) {
    struct graph *g = conv_chain(1);
    struct diag diag;
    struct buffer b;
    char *history = malloc(GRAPH_MAX_HISTORY + 2);
    ck_assert_str_eq(g->history, "");
    for (size_t extra = 0; extra < 2; extra++) {
        memset(history, ' ', GRAPH_MAX_HISTORY + 1);
        history[GRAPH_MAX_HISTORY + extra] = 0;
        g->history = history;
        buffer_init(&b, CONTAINER_MAX_BYTES);
        ck_assert_int_eq(container_write(g, &b, &diag), extra ? MODEL_E_INVALID : 0);
        buffer_deinit(&b);
        if (extra)
            ck_assert_ptr_nonnull(strstr(diag.text, "history is longer than 1048576 bytes"));
        else
            round_trip(g);
    }
    free(history);
    graph_free(g);
}
END_TEST

/* Files of before there was any encoding: the corpus of the fuzzer has some. */
START_TEST(test_old_files) {
    struct map map;
    struct diag diag = {.text = ""};
    struct graph *g;
    const char *path = EDGED_SOURCE "/tests/fuzz/corpus/container/conv_3x3_same_s2_even.edge";
    ck_assert_int_eq(map_read_file(path, CONTAINER_MAX_BYTES, &map, &diag), 0);
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(((uint8_t *)map.data)[HEADER_SIZE + i * ENTRY_SIZE + ENTRY_ENCODING],
                          SEGMENT_PLAIN);
    ck_assert_msg(container_read(&map, &g, &diag) == 0, "%s", diag.text);
    ck_assert_uint_eq(g->n_ops, 1);
    graph_free(g);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("container");
    TCase *tc = tcase_create("container");
    tcase_set_timeout(tc, 600); /* emulated, writing all networks takes long */
    tcase_add_test(tc, test_round_trips);
    tcase_add_test(tc, test_overhead);
    tcase_add_test(tc, test_write_refusals);
    tcase_add_test(tc, test_header);
    tcase_add_test(tc, test_segments);
    tcase_add_test(tc, test_ignorable);
    tcase_add_test(tc, test_int4_in_groups);
    tcase_add_test(tc, test_broken_groups);
    tcase_add_test(tc, test_coded);
    tcase_add_test(tc, test_coded_damage);
    tcase_add_test(tc, test_ratio);
    tcase_add_test(tc, test_zstd_segments);
    tcase_add_test(tc, test_history);
    tcase_add_test(tc, test_old_files);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
