/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl without a daemon: usage, exit codes, documents, and the verbs that read files, on the demo's networks.
 */

#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/npy.h"
#include "tests/client/spawn.h"

#define DEMO EDGED_SOURCE "/demo/"

static void assert_contains(const char *text, const char *part) {
    ck_assert_msg(strstr(text, part) != NULL, "'%s' lacks '%s'", text, part);
}

/* An .edge file of a network of the demo; `extra` may be "--frontend". */
static const char *import(const char *network, const char *frontend) {
    char from[512], labels[512], name[64];
    snprintf(from, sizeof(from), DEMO "networks/%s_int8.tflite", network);
    snprintf(labels, sizeof(labels), DEMO "networks/%s.labels.txt", network);
    snprintf(name, sizeof(name), "%s%s.edge", network, frontend ? frontend : "");
    const char *out = spawn_path(name);
    struct spawned s = frontend
                           ? edgectl(NULL, "import", from, "-o", out, "--name", network, "--labels",
                                     labels, "--frontend", frontend, NULL)
                           : edgectl(NULL, "import", from, "-o", out, "--name", network, "--labels",
                                     labels, "--version", "3", "--description", "of a test", NULL);
    ck_assert_msg(s.status == 0, "%s", s.err);
    return out;
}

static const char *text_of(const cJSON *object, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    ck_assert_msg(cJSON_IsString(item), "no string '%s'", name);
    return item->valuestring;
}

static double number_of(const cJSON *object, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    ck_assert_msg(cJSON_IsNumber(item), "no number '%s'", name);
    return item->valuedouble;
}

static const cJSON *first_of(const cJSON *object, const char *name) {
    const cJSON *item = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(object, name), 0);
    ck_assert_msg(item != NULL, "no array '%s'", name);
    return item;
}

static const struct {
    const char *args[6];
    const char *says;
} misuses[] = {
    {{NULL}, "no verb"},
    {{"fly"}, "unknown verb 'fly'"},
    {{"--colour"}, "unknown option '--colour'"},
    {{"--socket"}, "needs a value"},
    {{"list", "--socket"}, "needs a value"},
    {{"list", "x"}, "too many arguments"},
    {{"infer"}, "too few arguments"},
    {{"infer", "x"}, "--input FILE is missing"},
    {{"infer", "x", "--top", "0", "y"}, "--top: '0' is not a whole number from 1"},
    {{"infer", "x", "--top", "1x", "y"}, "--top"},
    {{"infer", "x", "--colour"}, "'--colour'"},
    {{"infer", "x", "y", "--output", "z.txt"}, "z.txt: the name must end in .npy or .bin"},
    {{"import", "x", "-o", "y", "--name", "a b"}, "--name: 'a b' is not 1 to 64 of"},
    {{"eval", "x"}, "--data DIR is missing"},
    {{"eval", "x", "--data", "", "y"}, "--data: an empty value"},
    {{"eval", "x", "--data", "y", "--metric", "f2"}, "none of top1, auc, mse"},
    {{"eval", "x", "--data", "y", "--top-k", "0"}, "--top-k: '0' is not a whole number from 1"},
    {{"eval", "x", "--data", "y", "--folds", "1"}, "--folds: '1' is not a whole number from 2"},
    {{"eval", "x", "--data", "y", "--recipe", "z"}, "--recipe takes a file"},
    {{"bench", "x", "--duration", "-1"}, "--duration"},
    {{"bench", "x", "--duration", "nan"}, "--duration"},
    {{"bench", "x", "--batch", "4097"}, "from 1 to 4096"},
    {{"bench", "x", "--concurrency", "99999999999999"}, "--concurrency"},
    {{"import", "x.tflite"}, "-o OUT.edge is missing"},
    {{"import", "x", "-o", "y", "--frontend", "ears"}, "'ears' is not one of mfcc, pixels"},
    {{"show"}, "too few arguments"},
    {{"compress"}, "IN is missing"},
    {{"compress", "x"}, "-o OUT.edge is missing"},
    {{"compress", "x", "-o", "y"}, "what to do is missing: --recipe FILE.json, or budgets"},
    {{"compress", "x", "-oy", "--max-drop", "1"}, "--eval DIR is missing"},
    {{"compress", "x", "-oy", "--max-drop=1", "--eval=z"}, "--calibrate DIR is missing"},
    {{"compress", "x", "-oy", "--max-drop", "-1"}, "'-1' is not a number from 0 to 100"},
    {{"compress", "x", "-oy", "--max-latency", "nan"}, "'nan' is not a number from 0"},
    {{"compress", "x", "-oy", "-rz", "--max-time=1"}, "do not go with --recipe"},
    {{"compress", "x", "-oy", "--max-time=0"}, "--max-time"},
    {{"compress", "x", "-oy", "-rz", "--seed=1"}, "the seed is in the recipe"},
    {{"compress", "x", "-oy", "-rz", "--fastest"}, "do not go with --recipe"},
    {{"compress", "x", "y"}, "too many arguments"},
    {{"compress", "x", "-o", "y", "--recipe"}, "--recipe needs a value"},
};

START_TEST(test_misuse) {
    const char *const *a = misuses[_i].args;
    struct spawned s = edgectl(NULL, a[0], a[1], a[2], a[3], a[4], a[5], NULL);
    ck_assert_int_eq(s.status, 2);
    ck_assert_str_eq(s.out, "");
    assert_contains(s.err, misuses[_i].says);
    assert_contains(s.err, "--help");
}
END_TEST

static const char *const verbs[] = {"import", "compress", "show", "load",  "unload", "list",
                                    "ps",     "infer",    "eval", "bench", "status", "metrics"};

START_TEST(test_help) {
    struct spawned s = edgectl(NULL, "--help", NULL);
    ck_assert_int_eq(s.status, 0);
    assert_contains(s.out, verbs[_i]);
    s = edgectl(NULL, verbs[_i], "--help", NULL);
    ck_assert_int_eq(s.status, 0);
    ck_assert_str_eq(s.err, "");
    assert_contains(s.out, "Usage: edgectl ");
    assert_contains(s.out, "--socket PATH");
    ck_assert_ptr_null(strstr(s.out, " \n"));
}
END_TEST

/* Each verb that needs the daemon says how to get one. */
START_TEST(test_no_daemon) {
    const char *socket = spawn_path("none");
    const char *file = spawn_write("x.edge", "x", 1);
    const char *const calls[][5] = {
        {"list"},        {"ps"},
        {"status"},      {"metrics"},
        {"unload", "x"}, {"load", file},
        {"show", "x"},   {"infer", "x", "-i", file},
        {"bench", "x"},  {"eval", "x", "--data", spawn_dir},
    };
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        const char *const *a = calls[i];
        struct spawned s = edgectl(NULL, "--socket", socket, a[0], a[1], a[2], a[3], NULL);
        ck_assert_int_eq(s.status, 1);
        ck_assert_str_eq(s.out, "");
        assert_contains(s.err, socket);
        assert_contains(s.err, "is edged running?");
        /* With --json, after the verb too, the failure is a document. */
        s = edgectl(NULL, a[0], "--json", "--socket", socket, a[1], a[2], a[3], NULL);
        ck_assert_int_eq(s.status, 1);
        cJSON *document = cJSON_Parse(s.out);
        assert_contains(text_of(document, "error"), socket);
        cJSON_Delete(document);
    }
    setenv("EDGED_SOCKET", spawn_path("other"), 1);
    assert_contains(edgectl(NULL, "list", NULL).err, "/other");
}
END_TEST

START_TEST(test_import_and_show) {
    const char *file = import("wakeword6", NULL);
    cJSON *d = edgectl_json("show", file, NULL);
    ck_assert_str_eq(text_of(d, "name"), "wakeword6");
    ck_assert_str_eq(text_of(d, "version"), "3");
    ck_assert_str_eq(text_of(d, "description"), "of a test");
    ck_assert(number_of(d, "parameters") == 22344);
    ck_assert(number_of(d, "macs") == 2656512);
    ck_assert(number_of(d, "bytes") > 22344 && number_of(d, "bytes") < 41000);
    ck_assert(number_of(d, "nonZeros") > 20000 && number_of(d, "nonZeros") <= 22344);
    const cJSON *input = first_of(d, "inputs");
    ck_assert_str_eq(text_of(input, "datatype"), "INT8");
    ck_assert(number_of(input, "zeroPoint") == 62);
    ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(d, "labels")), 8);
    ck_assert_str_eq(first_of(d, "labels")->valuestring, "alexa");
    ck_assert_str_eq(text_of(first_of(d, "layers"), "operator"), "CONV_2D");
    ck_assert_int_gt((int)strlen(text_of(first_of(d, "layers"), "why")), 0);
    cJSON_Delete(d);
    struct spawned s = edgectl(NULL, "show", file, NULL);
    ck_assert_int_eq(s.status, 0);
    assert_contains(s.out, "DEPTHWISE_CONV_2D");
    assert_contains(s.out, " why\n");
    assert_contains(s.out, "first choice");
    assert_contains(s.out, "RESHAPE before it is free");
    assert_contains(s.out, "22,344");
}
END_TEST

START_TEST(test_import_failures) {
    const char *out = spawn_path("out.edge");
    const char *junk = spawn_write("junk.tflite", "no network", 10);
    struct spawned s = edgectl(NULL, "import", "/nonexistent.tflite", "-o", out, NULL);
    ck_assert_int_eq(s.status, 1);
    assert_contains(s.err, "/nonexistent.tflite");
    s = edgectl(NULL, "import", junk, "-o", out, NULL);
    ck_assert_int_eq(s.status, 1);
    assert_contains(s.err, junk);
    s = edgectl(NULL, "import", "x.onnx", "-o", out, NULL);
    ck_assert_int_eq(s.status, 1);
    assert_contains(s.err, "ONNX");
    const char *labels = spawn_write("labels.txt", "one\ntwo\n", 8);
    s = edgectl(NULL, "import", DEMO "networks/lenet5_int8.tflite", "-o", out, "--labels", labels,
                NULL);
    ck_assert_int_eq(s.status, 1);
    assert_contains(s.err, "2 labels, the network's first output 10 values");
    s = edgectl(NULL, "import", DEMO "networks/lenet5_int8.tflite", "-o", out, "--frontend", "mfcc",
                NULL);
    ck_assert_int_eq(s.status, 1);
    assert_contains(s.err, "--frontend mfcc");
    ck_assert_int_eq(access(out, F_OK), -1);
    s = edgectl(NULL, "import", DEMO "networks/lenet5_int8.tflite", "-o", spawn_path("a b.edge"),
                NULL);
    ck_assert_int_eq(s.status, 1);
    assert_contains(s.err, "'a b' is no name for a network");
    assert_contains(s.err, "--name");
    char version[257];
    memset(version, 'v', sizeof(version) - 1);
    version[sizeof(version) - 1] = 0;
    s = edgectl(NULL, "import", DEMO "networks/lenet5_int8.tflite", "-o", out, "--version", version,
                NULL);
    ck_assert_int_eq(s.status, 1);
    assert_contains(s.err, "version is longer than 255 bytes or not UTF-8");
    s = edgectl(NULL, "import", DEMO "networks/lenet5_int8.tflite", "-o", "/nonexistent/x.edge",
                NULL);
    ck_assert_int_eq(s.status, 1);
    assert_contains(s.err, "/nonexistent/x.edge");
}
END_TEST

/* Recordings and pictures of the demo: each is called by its name. */
START_TEST(test_infer_recordings) {
    static const char *const words[][2] = {
        {"alexa", "alexa"},     {"computer", "computer"},         {"hurry_up", "unknown"},
        {"jarvis", "jarvis"},   {"smart_mirror", "smart_mirror"}, {"noise", "silence"},
        {"snowboy", "snowboy"}, {"thermostat", "unknown"},        {"view_glass", "view_glass"},
    };
    const char *file = import("wakeword6", "mfcc");
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        char wav[512];
        snprintf(wav, sizeof(wav), DEMO "inputs/wakeword6/%s.wav", words[i][0]);
        cJSON *d = edgectl_json("infer", file, "--input", wav, "--top", "2", NULL);
        const cJSON *run = first_of(d, "runs"), *top = first_of(run, "top");
        ck_assert_str_eq(text_of(top, "label"), words[i][1]);
        ck_assert(number_of(top, "probability") > 0.9);
        ck_assert(number_of(run, "time_us") > 0);
        ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(run, "top")), 2);
        cJSON_Delete(d);
    }
}
END_TEST

START_TEST(test_infer_pictures) {
    const char *file = import("lenet5", "pixels");
    for (int i = 0; i < 10; i++) {
        char png[512];
        snprintf(png, sizeof(png), DEMO "inputs/digits/digit_%d.png", i);
        cJSON *d = edgectl_json("infer", file, "--input", png, NULL);
        ck_assert(number_of(first_of(first_of(d, "runs"), "top"), "index") == i);
        cJSON_Delete(d);
    }
    /* All at once, as arguments. */
    struct spawned s = edgectl(NULL, "infer", file, DEMO "inputs/digits/digit_3.png",
                               DEMO "inputs/digits/digit_4.png", "--top", "1", NULL);
    ck_assert_int_eq(s.status, 0);
    assert_contains(s.out, "  0  3 ");
    assert_contains(s.out, "  1  4 ");
    assert_contains(s.out, "label  probability");
    /* Without labels nobody knows what the values are. */
    const char *bare = spawn_path("bare.edge");
    s = edgectl(NULL, "import", DEMO "networks/lenet5_int8.tflite", "-o", bare, "--frontend",
                "pixels", NULL);
    ck_assert_msg(s.status == 0, "%s", s.err);
    s = edgectl(NULL, "infer", bare, DEMO "inputs/digits/digit_3.png", "--top", "1", NULL);
    ck_assert_int_eq(s.status, 0);
    assert_contains(s.out, "index  value");
    ck_assert_ptr_null(strstr(s.out, "probability"));
}
END_TEST

static void put_wav(struct buffer *b, uint32_t rate, uint16_t channels, uint32_t n) {
    const struct __attribute__((packed)) {
        char riff[4];
        uint32_t size;
        char wave[8];
        uint32_t fmt_size;
        uint16_t format, channels;
        uint32_t rate, bytes_per_second;
        uint16_t align, bits;
        char data[4];
        uint32_t data_size;
    } header = {"RIFF",
                36 + n * 2,
                "WAVEfmt ",
                16,
                1,
                channels,
                rate,
                rate * channels * 2,
                (uint16_t)(channels * 2),
                16,
                "data",
                n * 2};
    ck_assert_int_eq(buffer_append(b, &header, sizeof(header)), 0);
    for (uint32_t i = 0; i < n; i++)
        ck_assert_int_eq(buffer_append(b, (const int16_t[]){(int16_t)(i * 37 % 2000)}, 2), 0);
}

static const char *make_wav(const char *name, uint32_t rate, uint16_t channels, uint32_t n) {
    struct buffer b;
    buffer_init(&b, 1 << 20);
    put_wav(&b, rate, channels, n);
    const char *path = spawn_write(name, b.data, b.len);
    buffer_deinit(&b);
    return path;
}

START_TEST(test_wrong_media) {
    const char *sound = import("wakeword6", "mfcc"), *plain = import("wakeword6", NULL);
    const char *picture = import("lenet5", "pixels");
    const char *png = DEMO "inputs/digits/digit_3.png", *wav = DEMO "inputs/wakeword6/alexa.wav";
    const struct {
        const char *network, *input, *says;
    } cases[] = {
        {sound, make_wav("8k.wav", 8000, 1, 100), "8000 samples a second, the network takes 16000"},
        {sound, make_wav("stereo.wav", 16000, 2, 100), "2 channels"},
        {sound, spawn_write("x.wav", "RIFFxxxxWAVE", 12), "not a readable recording"},
        {plain, wav, "import the network with --frontend mfcc"},
        {picture, spawn_write("x.png", "\x89PNG\r\n\x1a\n", 8), "not a readable picture"},
        {picture, wav, "--frontend mfcc"},
        {plain, png, "--frontend pixels"},
        {plain, spawn_write("x.xyz", "abc", 3), "neither its name nor its content"},
        {plain, spawn_write("x.bin", "abc", 3), "3 raw bytes are not a whole number"},
        {plain, spawn_path("absent.npy"), "absent.npy"},
        {plain, "x=y.npy", "no input 'x'"},
        {plain, spawn_write("x.json", "[1, 2", 5), "not JSON"},
        {plain, spawn_write("y.json", "[1, 2]", 6), "2 values do not fit"},
        {plain, spawn_write("z.json", "{\"z\": [1]}", 10), "no input 'z'"},
        {plain, spawn_write("s.json", "[\"a\"]", 5), "not a number"},
        {plain, spawn_write("length.json", "[[1, 2], [3]]", 13), "ragged"},
        {plain, spawn_write("deeper.json", "[1, [2]]", 8), "ragged"},
        {plain, spawn_write("shallower.json", "[[1], 2]", 8), "ragged"},
        {plain, spawn_write("empty.json", "[[], [1]]", 9), "ragged"},
        {plain, spawn_write("large.json", "[0, -1e39]", 10), "value 1, -1e+39, is no FP32"},
        {plain, spawn_write("huge.json", "[1e999]", 7), "value 0, inf, is no FP32"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct spawned s =
            edgectl(NULL, "infer", cases[i].network, "--input", cases[i].input, NULL);
        ck_assert_msg(s.status == 1, "%s: exit code %d", cases[i].input, s.status);
        ck_assert_str_eq(s.out, "");
        assert_contains(s.err, cases[i].says);
    }
}
END_TEST

/* A shorter recording is followed by silence, of a longer one the first second counts. */
START_TEST(test_recording_lengths) {
    const char *file = import("wakeword6", "mfcc");
    const char *out = spawn_path("out.bin"), *same = spawn_path("same.bin");
    const uint32_t lengths[][2] = {{16000, 20000}, {1, 1}};
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        const char *a = make_wav("a.wav", 16000, 1, lengths[i][0]);
        const char *b = make_wav("b.wav", 16000, 1, lengths[i][1]);
        ck_assert_int_eq(edgectl(NULL, "infer", file, "-i", a, "-o", out, NULL).status, 0);
        ck_assert_int_eq(edgectl(NULL, "infer", file, "-i", b, "-o", same, NULL).status, 0);
        struct map x = {0}, y = {0};
        ck_assert_int_eq(map_read_file(out, 64, &x, NULL), 0);
        ck_assert_int_eq(map_read_file(same, 64, &y, NULL), 0);
        ck_assert_uint_eq(x.size, 8);
        ck_assert_mem_eq(x.data, y.data, 8);
        map_deinit(&x);
        map_deinit(&y);
    }
}
END_TEST

static const char *write_npy(const char *name, enum dtype dtype, const size_t *dims, uint8_t n_dims,
                             const void *values, size_t n) {
    struct buffer b;
    buffer_init(&b, 1 << 22);
    ck_assert_int_eq(npy_write_header(&b, dtype, dims, n_dims), 0);
    ck_assert_int_eq(buffer_append(&b, values, n * dtype_size(dtype)), 0);
    const char *path = spawn_write(name, b.data, b.len);
    buffer_deinit(&b);
    return path;
}

enum { PIXELS = 28 * 28 };

/* The same two pictures in each form give the same outputs. */
START_TEST(test_forms) {
    const char *file = import("lenet300", NULL);
    static float real[2 * PIXELS];
    static int8_t codes[2 * PIXELS];
    for (int i = 0; i < 2 * PIXELS; i++) {
        codes[i] = (int8_t)(i * 7 % 256 - 128);
        real[i] = (float)(codes[i] + 128) / 255;
    }
    struct buffer json;
    buffer_init(&json, 1 << 20);
    ck_assert_int_eq(buffer_printf(&json,
                                   "{\"inputs\": [{\"name\": \"input\", \"datatype\": \"INT8\", "
                                   "\"data\": ["),
                     0);
    for (int i = 0; i < 2 * PIXELS; i++)
        ck_assert_int_eq(buffer_printf(&json, "%s%d", i ? "," : "", codes[i]), 0);
    ck_assert_int_eq(buffer_printf(&json, "]}]}"), 0);
    const char *const inputs[] = {
        write_npy("real.npy", DTYPE_FP32, (size_t[]){2, 28, 28, 1}, 4, real, 2 * PIXELS),
        write_npy("flat.npy", DTYPE_FP32, (size_t[]){2, 28, 28}, 3, real, 2 * PIXELS),
        write_npy("codes.npy", DTYPE_INT8, (size_t[]){2, 1, 28, 28, 1}, 5, codes, 2 * PIXELS),
        spawn_write("codes.bin", codes, sizeof(codes)),
        spawn_write("codes.json", json.data, json.len),
    };
    const char *out = spawn_path("out.npy");
    uint8_t first[20];
    for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
        struct spawned s =
            edgectl(NULL, "infer", file, "--input", inputs[i], "--output", out, NULL);
        ck_assert_msg(s.status == 0, "%s", s.err);
        struct npy npy;
        struct diag diag;
        ck_assert_msg(npy_read(out, &npy, &diag) == 0, "%s", diag.text);
        ck_assert_int_eq(npy.dtype, DTYPE_INT8);
        ck_assert_uint_eq(npy.n_dims, 2);
        ck_assert_uint_eq(npy.dims[0], 2);
        ck_assert_uint_eq(npy.dims[1], 10);
        if (i == 0)
            memcpy(first, npy.data, sizeof(first));
        ck_assert_mem_eq(npy.data, first, sizeof(first));
        npy_deinit(&npy);
    }
    /* Standard input, and a name before the file. */
    json.data[json.len] = 0;
    struct spawned s = edgectl((const char *)json.data, "infer", file, "-i", "-", "-o", out, NULL);
    ck_assert_msg(s.status == 0, "%s", s.err);
    char named[512];
    snprintf(named, sizeof(named), "input=%s", inputs[0]);
    s = edgectl(NULL, "infer", file, "-i", named, "-o", out, NULL);
    ck_assert_msg(s.status == 0, "%s", s.err);
    buffer_deinit(&json);
}
END_TEST

/* A data set of `n` pictures: the figure is exact, whatever type the labels have. */
START_TEST(test_eval) {
    enum { N = 100 };
    const char *file = import("lenet300", NULL);
    uint8_t *pixels = calloc(N, PIXELS);
    int64_t wide[N];
    uint8_t narrow[N];
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < PIXELS; k++)
            pixels[i * PIXELS + k] = (uint8_t)((i * 31 + k * k) % 256);
        wide[i] = narrow[i] = (uint8_t)(i % 10);
    }
    write_npy("x.npy", DTYPE_UINT8, (size_t[]){N, 28, 28, 1}, 4, pixels, N * PIXELS);
    write_npy("y.npy", DTYPE_INT64, (size_t[]){N}, 1, wide, N);
    cJSON *d = edgectl_json("eval", file, "--data", spawn_dir, NULL);
    double correct = number_of(d, "correct");
    ck_assert(number_of(d, "n") == N);
    ck_assert(number_of(d, "accuracy") == correct / N);
    const cJSON *confusion = cJSON_GetObjectItem(d, "confusion");
    double diagonal = 0;
    for (int k = 0; k < 10; k++)
        diagonal += cJSON_GetArrayItem(cJSON_GetArrayItem(confusion, k), k)->valuedouble;
    ck_assert(diagonal == correct);
    ck_assert(number_of(first_of(d, "classes"), "support") == 10);
    const cJSON *interval = cJSON_GetObjectItem(d, "interval");
    ck_assert(cJSON_GetArrayItem(interval, 0)->valuedouble < correct / N);
    ck_assert(cJSON_GetArrayItem(interval, 1)->valuedouble > correct / N);
    ck_assert(number_of(d, "macroF1") >= 0 && number_of(d, "macroF1") <= 1);
    const cJSON *complexity = cJSON_GetObjectItem(d, "complexity");
    ck_assert(number_of(complexity, "parameters") == 266610);
    ck_assert(number_of(complexity, "macs") == 266200);
    ck_assert(number_of(complexity, "bytes") > 100000);
    ck_assert(number_of(cJSON_GetObjectItem(d, "latency"), "p50_us") > 0);
    ck_assert_ptr_nonnull(cJSON_GetObjectItem(d, "energy"));
    cJSON_Delete(d);

    write_npy("y.npy", DTYPE_UINT8, (size_t[]){N}, 1, narrow, N);
    d = edgectl_json("eval", file, "--local", "--data", spawn_dir, "--top-k", "10", NULL);
    ck_assert(number_of(d, "correct") == correct);
    ck_assert(number_of(cJSON_GetObjectItem(d, "topK"), "correct") == N);
    cJSON_Delete(d);

    /* What a recipe of no steps makes is the network itself, in every fold. */
    const char *recipe = spawn_write("recipe.json", "{\"steps\":[]}", 12);
    d = edgectl_json("eval", file, "--data", spawn_dir, "--recipe", recipe, "--folds", "4", NULL);
    ck_assert(number_of(d, "correct") == correct);
    const cJSON *folds = cJSON_GetObjectItem(d, "crossValidation");
    ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(folds, "scores")), 4);
    ck_assert(fabs(number_of(folds, "mean") - correct / N) < 1e-9);
    cJSON_Delete(d);

    narrow[7] = 10;
    write_npy("y.npy", DTYPE_UINT8, (size_t[]){N}, 1, narrow, N);
    struct spawned s = edgectl(NULL, "eval", file, "--data", spawn_dir, NULL);
    ck_assert_int_eq(s.status, 1);
    assert_contains(s.err, "label 10 of sample 7");
    write_npy("y.npy", DTYPE_UINT8, (size_t[]){N - 1}, 1, narrow, N - 1);
    assert_contains(edgectl(NULL, "eval", file, "--data", spawn_dir, NULL).err, "99 labels");
    ck_assert_int_eq(unlink(spawn_path("y.npy")), 0);
    assert_contains(edgectl(NULL, "eval", file, "--data", spawn_dir, NULL).err, "y.npy");
    free(pixels);
}
END_TEST

START_TEST(test_bench) {
    static const char *const fields[] = {"p50_us",   "p90_us",  "p99_us",
                                         "first_us", "load_us", "per_second"};
    const char *file = import("lenet300", NULL);
    cJSON *d = edgectl_json("bench", file, "--duration", "0.05", "--concurrency", "3", "--threads",
                            "2", "--batch", "2", "--layers", NULL);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        ck_assert_msg(number_of(d, fields[i]) > 0, "%s", fields[i]);
    ck_assert(number_of(d, "p50_us") <= number_of(d, "p99_us"));
    const cJSON *layer = first_of(d, "layers");
    ck_assert_str_eq(text_of(layer, "operator"), "FULLY_CONNECTED");
    ck_assert(number_of(layer, "gmacs") > 0 && number_of(layer, "limit_gmacs") > 0);
    double limit = number_of(cJSON_GetObjectItem(d, "limits"), "int8_gmacs");
    ck_assert(number_of(layer, "limit_gmacs") == limit);
    cJSON_Delete(d);
    struct spawned s = edgectl(NULL, "bench", file, "--duration", "0.02", "--layers", NULL);
    ck_assert_int_eq(s.status, 0);
    assert_contains(s.out, "of limit");
    assert_contains(s.out, "GMAC/s of bytes");
}
END_TEST

/* $EDGE_CPU chooses the instruction set; the results stay. */
START_TEST(test_tier) {
    const char *file = import("lenet300", NULL);
    setenv("EDGE_CPU", "c", 1);
    cJSON *d = edgectl_json("show", file, NULL);
    ck_assert_str_eq(text_of(d, "tier"), "c");
    cJSON_Delete(d);
    setenv("EDGE_CPU", "z80", 1);
    struct spawned s = edgectl(NULL, "show", file, NULL);
    ck_assert_int_eq(s.status, 2);
    assert_contains(s.err, "unknown tier 'z80'");
}
END_TEST

/* A full disk is not success. */
START_TEST(test_full_output) {
    if (access("/dev/full", W_OK))
        return;
    char command[512];
    snprintf(command, sizeof(command), "\"$EDGECTL\" --help > /dev/full 2> %s", spawn_path("err"));
    int status = system(command);
    ck_assert_int_eq(WEXITSTATUS(status), 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("edgectl");
    TCase *tc = tcase_create("edgectl");
    tcase_add_checked_fixture(tc, spawn_setup, spawn_teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, test_misuse, 0, ARRAY_SIZE(misuses));
    tcase_add_loop_test(tc, test_help, 0, ARRAY_SIZE(verbs));
    tcase_add_test(tc, test_no_daemon);
    tcase_add_test(tc, test_import_and_show);
    tcase_add_test(tc, test_import_failures);
    tcase_add_test(tc, test_infer_recordings);
    tcase_add_test(tc, test_infer_pictures);
    tcase_add_test(tc, test_wrong_media);
    tcase_add_test(tc, test_recording_lengths);
    tcase_add_test(tc, test_forms);
    tcase_add_test(tc, test_eval);
    tcase_add_test(tc, test_bench);
    tcase_add_test(tc, test_tier);
    tcase_add_test(tc, test_full_output);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
