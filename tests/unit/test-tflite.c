/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model/flatbuffer and model/tflite: the cursor on hand-made bytes, the reader on real networks.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/fd.h"
#include "model/flatbuffer.h"
#include "model/graph.h"
#include "model/tflite.h"
#include "tests/networks.h"

/* A root table with a scalar (field 0), an absent field 1, a string (field 2) and a vector of one table (field 3). */
static const uint8_t tiny[] = {
    20, 0, 0,  0, 'T', 'E', 'S', 'T',              /*  0: root, identifier */
    12, 0, 16, 0, 4,   0,   0,   0,   8, 0, 12, 0, /*  8: vtable of 12 bytes, table of 16 */
    12, 0, 0,  0, 7,   0,   0,   0,   8, 0, 0,  0, /* 20: table */
    12, 0, 0,  0,                                  /* 32: offset of the vector: 44 */
    3,  0, 0,  0, 'a', 'b', 'c', 0,                /* 36: string */
    1,  0, 0,  0, 0,   0,   0,   0,                /* 44: vector; its element is patched below */
};

static void tiny_copy(uint8_t *copy) {
    memcpy(copy, tiny, sizeof(tiny));
    store_le32(copy + 48,
               (uint32_t)(20 - 48)); /* wraps: offsets only go forward, so this one is bad */
}

START_TEST(test_cursor) {
    uint8_t data[sizeof(tiny)];
    struct fb fb;
    struct fb_table root;
    tiny_copy(data);
    fb_init(&fb, data, sizeof(data));
    ck_assert(fb_root(&fb, "TEST", &root));
    ck_assert_int_eq(fb_i32(&root, 0, 99), 7);
    ck_assert_int_eq(fb_i32(&root, 1, 99), 99);
    ck_assert(!fb_has(&root, 1));
    ck_assert(!fb_has(&root, 60000));
    struct fb_string text = fb_text(&root, 2);
    ck_assert_uint_eq(text.len, 3);
    ck_assert_mem_eq(text.s, "abc", 3);
    struct fb_vector v = fb_elements(&root, 3, 4);
    ck_assert_uint_eq(v.count, 1);
    ck_assert(!fb.bad);
    struct fb_table child = fb_table_at(&v, 0);
    ck_assert(fb.bad);
    ck_assert_uint_eq(fb.bad_at, 48);
    ck_assert_ptr_null(child.fb);
    ck_assert_int_eq(fb_i32(&child, 0, 5), 5);
}
END_TEST

/* Each patch breaks one thing; reading everything must end with the buffer marked bad. */
START_TEST(test_cursor_broken) {
    static const struct {
        size_t at;
        uint8_t value;
    } patches[] = {
        {0, 255},  /* the root is outside */
        {3, 128},  /* far outside */
        {8, 2},    /* the vtable is smaller than its header */
        {8, 255},  /* or larger than the file */
        {10, 255}, /* the table is larger than the file */
        {12, 14},  /* a field outside its table */
        {12, 2},   /* or on the vtable offset */
        {20, 60},  /* the vtable lies before the file */
        {28, 255}, /* the string is outside */
        {36, 20},  /* longer than the file */
        {44, 3},   /* a vector longer than the file */
    };
    for (size_t i = 0; i < sizeof(patches) / sizeof(patches[0]); i++) {
        uint8_t *data = malloc(sizeof(tiny)); /* exact, so that a sanitizer sees overreads */
        struct fb fb;
        struct fb_table root;
        memcpy(data, tiny, sizeof(tiny));
        data[patches[i].at] = patches[i].value;
        fb_init(&fb, data, sizeof(tiny));
        if (fb_root(&fb, "TEST", &root)) {
            fb_i32(&root, 0, 0);
            fb_text(&root, 2);
            fb_elements(&root, 3, 4);
        }
        ck_assert_msg(fb.bad, "patch %zu went unnoticed", i);
        free(data);
    }
    struct fb fb;
    struct fb_table root;
    fb_init(&fb, tiny, sizeof(tiny));
    ck_assert(!fb_root(&fb, "TFL3", &root));
    fb_init(&fb, tiny, 7);
    ck_assert(!fb_root(&fb, "TEST", &root));
    fb_init(&fb, tiny, SIZE_MAX);
    ck_assert(fb.bad);
    ck_assert(!fb_root(&fb, "TEST", &root));
}
END_TEST

/* NULL where the shared folder is not there. */
static struct graph *read_network(const char *name, int code, const char *says) {
    char path[4096];
    struct map map;
    struct diag diag = {.text = ""};
    struct graph *graph = NULL;
    bool own = strncmp(name, "golden/ops/", 11) == 0;
    if (!own && !shared_present(name))
        return NULL;
    snprintf(path, sizeof(path), "%s/%s", own ? EDGED_SOURCE "/tests" : shared_dir(), name);
    ck_assert_int_eq(map_read_file(path, SIZE_MAX / 2, &map, &diag), 0);
    int r = tflite_read(map.data, map.size, &graph, &diag);
    map_deinit(&map); /* constants are the graph's own */
    ck_assert_msg(r == code, "%s: code %d: %s", name, r, diag.text);
    if (says)
        ck_assert_msg(strstr(diag.text, says), "'%s' does not say '%s'", diag.text, says);
    return graph;
}

START_TEST(test_refusals) {
    struct graph *graph;
    struct diag diag;
    ck_assert_int_eq(tflite_read("", 0, &graph, &diag), MODEL_E_INVALID);
    ck_assert_int_eq(tflite_read(tiny, sizeof(tiny), &graph, &diag), MODEL_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "not a TensorFlow Lite file"));
    read_network("models/blazeface/face_detection_full_range.tflite", MODEL_E_UNSUPPORTED,
                 "operator 249 (computes 'up_sampling2d'): operator RESIZE_BILINEAR is not");
    read_network("models/blazeface/face_detection_full_range_sparse.tflite", MODEL_E_UNSUPPORTED,
                 "operator DENSIFY is not supported");
    read_network("models/tflite-micro/audio_preprocessor_int8.tflite", MODEL_E_UNSUPPORTED,
                 "custom operator 'SignalWindow' is not supported");
    read_network("models/dtln/model_quant_1.tflite", MODEL_E_UNSUPPORTED, "operator UNPACK");
}
END_TEST

/* All others are read, and what was read passes the check again. */
START_TEST(test_all) {
    glob_t list;
    networks_find(&list, true);
    size_t read = 0;
    for (size_t i = 0; i < list.gl_pathc; i++) {
        struct map map;
        struct diag diag;
        struct graph *graph = NULL;
        ck_assert_int_eq(map_read_file(list.gl_pathv[i], SIZE_MAX / 2, &map, &diag), 0);
        int r = tflite_read(map.data, map.size, &graph, &diag);
        map_deinit(&map);
        ck_assert_msg(r == 0 || r == MODEL_E_UNSUPPORTED, "%s: %s", list.gl_pathv[i], diag.text);
        if (r == 0) {
            ck_assert_int_eq(graph_check(graph, &diag), 0);
            read++;
        }
        graph_free(graph);
    }
    if (access(shared_dir(), R_OK) == 0)
        ck_assert_uint_eq(list.gl_pathc - read, 6);
    globfree(&list);
}
END_TEST

START_TEST(test_convolution) {
    struct graph *g = read_network("golden/ops/conv_3x3_same_s2_even.tflite", 0, NULL);
    if (!g)
        return;
    const struct op_conv *p = &g->ops[0].conv;
    ck_assert_int_eq(p->stride_h, 2);
    ck_assert_int_eq(p->pad_top, 0); /* an odd pixel goes after */
    ck_assert_int_eq(p->pad_bottom, 1);
    ck_assert_int_eq(p->pad_left, 0);
    ck_assert_int_eq(p->pad_right, 1);
    ck_assert_int_eq(g->ops[0].act, ACT_RELU6);
    ck_assert_uint_eq(g->tensors[g->ops[0].inputs[1]].quant.n_scales, 4);
    ck_assert_uint_eq(g->tensors[g->ops[0].inputs[2]].quant.n_scales, 0);
    graph_free(g);
}
END_TEST

START_TEST(test_slices) {
    struct graph *g = read_network("golden/ops/ss_negstride.tflite", 0, NULL);
    if (!g)
        return;
    const struct op_slice *p = &g->ops[0].slice;
    const struct tensor *y = &g->tensors[g->outputs[0]];
    bool negative = false;
    for (int d = 0; d < 4; d++) {
        ck_assert_int_eq(p->count[d], y->dims[d]);
        negative = negative || p->stride[d] < 0;
    }
    ck_assert(negative);
    graph_free(g);
    g = read_network("golden/ops/ss_shrink.tflite", 0, NULL);
    ck_assert_int_eq(g->tensors[g->outputs[0]].n_dims, 2);
    ck_assert_int_eq(g->ops[0].slice.count[0], 1);
    ck_assert_int_eq(g->ops[0].slice.count[1], 1);
    graph_free(g);
}
END_TEST

/* Filters stored as int8 under float operators stay what they are, and mean what the reference tool made of them. */
START_TEST(test_dynamic_range) {
    struct graph *a = read_network("models/mlperf-tiny/kws_ref_model_float32.tflite", 0, NULL);
    struct graph *b = read_network("golden/kws_float32/model.tflite", 0, NULL);
    if (!a || !b)
        return;
    unsigned n_filters = 0;
    ck_assert_uint_eq(a->n_ops, b->n_ops);
    for (uint32_t i = 0; i < a->n_ops; i++)
        for (int k = 1; k < a->ops[i].n_inputs; k++) {
            const struct tensor *x = &a->tensors[a->ops[i].inputs[k]];
            const struct tensor *y = &b->tensors[b->ops[i].inputs[k]];
            const float *want = y->data;
            size_t n = tensor_elements(x), channels = (size_t)x->dims[x->quant.axis];
            ck_assert_uint_eq(n, tensor_elements(y));
            if (x->dtype == DTYPE_FP32) {
                ck_assert_mem_eq(x->data, want, x->size);
                continue;
            }
            ck_assert_int_eq(x->dtype, DTYPE_INT8);
            ck_assert(k == 1 && x->quant.zero_point == 0 && x->quant.n_scales > 0);
            n_filters++;
            for (size_t j = 0; j < n; j++) {
                size_t c = x->quant.axis == 0 ? j / (n / channels) : j % channels;
                float scale = x->quant.scales[x->quant.n_scales > 1 ? c : 0];
                ck_assert(scale * (float)((const int8_t *)x->data)[j] == want[j]);
            }
        }
    ck_assert_uint_ge(n_filters, 5);
    graph_free(a);
    graph_free(b);
}
END_TEST

START_TEST(test_uint8) {
    struct graph *g = read_network("models/coral/mobilenet_v1_0.25_128_quant.tflite", 0, NULL);
    if (!g)
        return;
    const struct tensor *in = &g->tensors[g->inputs[0]], *out = &g->tensors[g->outputs[0]];
    ck_assert_int_eq(in->dtype, DTYPE_UINT8);
    ck_assert_str_eq(in->name, "input");
    ck_assert_int_eq(in->quant.zero_point, 128);
    ck_assert_int_eq(g->ops[0].kind, OP_QUANTIZE);
    ck_assert_int_eq(g->tensors[g->ops[0].outputs[0]].quant.zero_point, 0);
    ck_assert_int_eq(out->dtype, DTYPE_UINT8);
    ck_assert_int_eq(g->ops[g->n_ops - 1].kind, OP_QUANTIZE);
    const struct tensor *w = &g->tensors[g->ops[1].inputs[1]];
    ck_assert_int_eq(w->dtype, DTYPE_INT8);
    ck_assert_int_ne(w->quant.zero_point, 0);
    graph_free(g);
    /* Conversions that are in the file serve as they are. */
    g = read_network("models/coral/keras_lstm_mnist_ptq.tflite", 0, NULL);
    ck_assert_uint_eq(g->n_ops, 6);
    ck_assert_int_eq(g->tensors[g->inputs[0]].dtype, DTYPE_UINT8);
    graph_free(g);
    g = read_network("golden/ops/dequantize_u8.tflite", 0, NULL);
    ck_assert_uint_eq(g->n_ops, 1);
    graph_free(g);
}
END_TEST

static uint32_t count_states(const struct graph *g, const char **ret_name, bool *ret_has_data) {
    uint32_t n = 0;
    *ret_has_data = false;
    for (uint32_t i = 0; i < g->n_tensors; i++)
        if (g->tensors[i].kind == TENSOR_STATE) {
            *ret_name = g->tensors[i].name;
            *ret_has_data = *ret_has_data || g->tensors[i].data;
            n++;
        }
    return n;
}

START_TEST(test_variables) {
    const char *name = NULL;
    bool has_data;
    struct graph *g = read_network("models/micro-wake-word/v2/vad.tflite", 0, NULL);
    if (!g)
        return;
    ck_assert_uint_eq(count_states(g, &name, &has_data), 4);
    ck_assert_ptr_eq(strstr(name, "stream"), name);
    ck_assert(!has_data); /* all of them start at their zero point */
    graph_free(g);
    g = read_network("models/tflite-micro/keyword_scrambled.tflite", 0, NULL);
    ck_assert_uint_eq(count_states(g, &name, &has_data), 7);
    ck_assert_str_eq(g->tensors[g->inputs[0]].name, "input_52"); /* the file gives no name */
    graph_free(g);
}
END_TEST

/* An initial value that is not the zero point arrives in the state. */
START_TEST(test_initial_value) {
    const char *name = "models/micro-wake-word/v2/vad.tflite";
    char path[4096];
    struct map map;
    struct diag diag;
    struct graph *g;
    if (!shared_present(name))
        return;
    snprintf(path, sizeof(path), "%s/%s", shared_dir(), name);
    ck_assert_int_eq(map_read_file(path, SIZE_MAX / 2, &map, &diag), 0);
    uint8_t start[576];
    memset(start, 0x80, sizeof(start));
    uint8_t *at = memmem(map.data, map.size, start, sizeof(start));
    ck_assert_ptr_nonnull(at);
    at[3] = 0x81;
    ck_assert_int_eq(tflite_read(map.data, map.size, &g, &diag), 0);
    map_deinit(&map);
    size_t found = 0;
    for (uint32_t i = 0; i < g->n_tensors; i++)
        if (g->tensors[i].kind == TENSOR_STATE && g->tensors[i].data) {
            ck_assert_uint_eq(g->tensors[i].size, sizeof(start));
            ck_assert_int_eq(((const int8_t *)g->tensors[i].data)[3], -127);
            ck_assert_int_eq(((const int8_t *)g->tensors[i].data)[4], -128);
            found++;
        }
    ck_assert_uint_eq(found, 1);
    graph_free(g);
}
END_TEST

START_TEST(test_half) {
    struct graph *g = read_network("models/blazeface/face_detection_short_range.tflite", 0, NULL);
    if (!g)
        return;
    for (uint32_t i = 0; i < g->n_ops; i++)
        ck_assert_int_ne(g->ops[i].kind, OP_DEQUANTIZE); /* all folded into FP32 constants */
    graph_free(g);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tflite");
    TCase *tc = tcase_create("tflite");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_cursor);
    tcase_add_test(tc, test_cursor_broken);
    tcase_add_test(tc, test_refusals);
    tcase_add_test(tc, test_all);
    tcase_add_test(tc, test_convolution);
    tcase_add_test(tc, test_slices);
    tcase_add_test(tc, test_dynamic_range);
    tcase_add_test(tc, test_uint8);
    tcase_add_test(tc, test_variables);
    tcase_add_test(tc, test_initial_value);
    tcase_add_test(tc, test_half);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
