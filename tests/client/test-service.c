/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl, libedge and its example against a running edged on a private socket. The socket is made here and handed over
 * as a service manager does, so that nobody has to wait for it.
 */

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "base/fd.h"
#include "client/edge.h"
#include "tests/client/spawn.h"
#include "tests/shared.h"

#define DEMO EDGED_SOURCE "/demo/"

static pid_t daemon_pid;
static char socket_path[128];

static int listen_at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ck_assert_uint_lt(strlen(path), sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(fd, 64), 0);
    return fd;
}

static void setup(void) {
    spawn_setup();
    snprintf(socket_path, sizeof(socket_path), "%s/s", spawn_dir);
    setenv("EDGED_SOCKET", socket_path, 1);
    _cleanup_(fd_closep) int fd = listen_at(socket_path);
    const char *program = getenv("EDGED");
    ck_assert_ptr_nonnull(program);
    daemon_pid = spawn_daemon(program, fd, spawn_path("log"), "--workers", "2", NULL);
    /* It answers: a test that is skipped must not end it before it can handle that. */
    ck_assert_int_eq(edgectl(NULL, "status", NULL).status, 0);
}

static void teardown(void) {
    ck_assert_int_eq(spawn_stop(daemon_pid), 0);
    spawn_teardown();
}

static void import_to(const char *from, const char *labels, const char *out) {
    struct spawned s = labels ? edgectl(NULL, "import", from, "-o", out, "--labels", labels,
                                        "--version", "7", NULL)
                              : edgectl(NULL, "import", from, "-o", out, NULL);
    ck_assert_msg(s.status == 0, "%s", s.err);
}

/* Imports and loads a network of the demo under its name. */
static const char *load(const char *network) {
    char from[512], labels[512], name[64];
    snprintf(from, sizeof(from), DEMO "networks/%s_int8.tflite", network);
    snprintf(labels, sizeof(labels), DEMO "networks/%s.labels.txt", network);
    snprintf(name, sizeof(name), "%s.edge", network);
    const char *file = spawn_path(name);
    import_to(from, labels, file);
    cJSON *d = edgectl_json("load", file, "--name", network, NULL);
    ck_assert_str_eq(cJSON_GetObjectItem(d, "model")->valuestring, network);
    ck_assert(cJSON_GetObjectItem(d, "load_us")->valuedouble > 0);
    cJSON_Delete(d);
    return file;
}

static void assert_contains(const char *text, const char *part) {
    ck_assert_msg(strstr(text, part) != NULL, "'%s' lacks '%s'", text, part);
}

static int count_of(const cJSON *document, const char *name) {
    return cJSON_GetArraySize(cJSON_GetObjectItem(document, name));
}

START_TEST(test_manage) {
    cJSON *d = edgectl_json("list", NULL);
    ck_assert_int_eq(count_of(d, "models"), 0);
    cJSON_Delete(d);
    const char *file = load("lenet300");

    struct spawned s = edgectl(NULL, "load", file, "--name", "lenet300", NULL);
    ck_assert_int_eq(s.status, 1);
    assert_contains(s.err, "loaded already");
    s = edgectl(NULL, "load", spawn_write("junk.edge", "junk", 4), NULL);
    ck_assert_int_eq(s.status, 1);
    assert_contains(s.err, "edgectl import");

    d = edgectl_json("list", NULL);
    const cJSON *model = cJSON_GetArrayItem(cJSON_GetObjectItem(d, "models"), 0);
    ck_assert_str_eq(cJSON_GetObjectItem(model, "name")->valuestring, "lenet300");
    ck_assert_str_eq(cJSON_GetObjectItem(model, "version")->valuestring, "7");
    cJSON_Delete(d);
    assert_contains(edgectl(NULL, "ps", NULL).out, "lenet300");
    assert_contains(edgectl(NULL, "list", NULL).out, "lenet300");
    assert_contains(edgectl(NULL, "show", "lenet300", NULL).out, "FULLY_CONNECTED");
    d = edgectl_json("status", NULL);
    ck_assert(cJSON_GetObjectItem(d, "models")->valuedouble == 1);
    cJSON_Delete(d);
    assert_contains(edgectl(NULL, "status", NULL).out, "CPU tier");
    assert_contains(edgectl(NULL, "metrics", NULL).out, "# TYPE ");
    d = edgectl_json("metrics", NULL);
    assert_contains(cJSON_GetObjectItem(d, "text")->valuestring, "# TYPE ");
    cJSON_Delete(d);

    d = edgectl_json("unload", "lenet300", NULL);
    cJSON_Delete(d);
    s = edgectl(NULL, "unload", "lenet300", NULL);
    ck_assert_int_eq(s.status, 1);
    assert_contains(s.err, "no network 'lenet300' is loaded; 'edgectl list'");
}
END_TEST

static void read_all(const char *path, struct map *ret) {
    struct diag diag;
    ck_assert_msg(map_read_file(path, 1 << 24, ret, &diag) == 0, "%s", diag.text);
}

static void assert_same_files(const char *a, const char *b) {
    struct map x = {0}, y = {0};
    read_all(a, &x);
    read_all(b, &y);
    ck_assert_uint_gt(x.size, 0);
    ck_assert_uint_eq(x.size, y.size);
    ck_assert_mem_eq(x.data, y.data, x.size);
    map_deinit(&x);
    map_deinit(&y);
}

static void infer_to(const char *name, const char *input, const char *output, bool fresh) {
    struct spawned s =
        fresh ? edgectl(NULL, "infer", name, "-i", input, "-o", output, "--fresh", NULL)
              : edgectl(NULL, "infer", name, "-i", input, "-o", output, NULL);
    ck_assert_msg(s.status == 0, "%s", s.err);
}

/* The same bytes with and without the daemon, one by one and in batches; evaluated and measured too. */
START_TEST(test_like_local) {
    enum { RUNS = 300, BYTES = 28 * 28 };
    const char *file = load("lenet300"), *here = spawn_path("here.bin"),
               *there = spawn_path("there.bin");
    uint8_t *values = malloc(RUNS * BYTES);
    for (int i = 0; i < RUNS * BYTES; i++)
        values[i] = (uint8_t)(i * 31 + i / 977);
    infer_to(file, spawn_write("in.bin", values, RUNS * BYTES), here, false);
    infer_to("lenet300", spawn_path("in.bin"), there, false);
    assert_same_files(here, there);
    infer_to(file, spawn_write("in.bin", values, 3 * BYTES), here, false);
    infer_to("lenet300", spawn_path("in.bin"), there, false);
    assert_same_files(here, there);
    free(values);
    cJSON *d = edgectl_json("bench", "lenet300", "--duration", "0.05", "--concurrency", "3",
                            "--batch", "2", NULL);
    ck_assert(cJSON_GetObjectItem(d, "per_second")->valuedouble > 0);
    cJSON_Delete(d);
    struct spawned s = edgectl(NULL, "bench", "lenet300", "--layers", NULL);
    ck_assert_int_eq(s.status, 2);
}
END_TEST

/* A streaming network: steps of one session, and each from the initial state, as the reference has them. */
START_TEST(test_streaming) {
    if (!shared_present("golden/mww_v2_vad"))
        return;
    char from[512], in[512], out[512];
    snprintf(from, sizeof(from), "%s/models/micro-wake-word/v2/vad.tflite", shared_dir());
    snprintf(in, sizeof(in), "%s/golden/mww_v2_vad/inputs.bin", shared_dir());
    snprintf(out, sizeof(out), "%s/golden/mww_v2_vad/outputs.bin", shared_dir());
    const char *file = spawn_path("vad.edge"), *here = spawn_path("here.bin"),
               *there = spawn_path("there.bin");
    import_to(from, NULL, file);
    ck_assert_int_eq(edgectl(NULL, "load", file, "--name", "vad", NULL).status, 0);
    infer_to("vad", in, there, false);
    assert_same_files(out, there);
    infer_to("vad", in, there, true);
    infer_to(file, in, here, true);
    assert_same_files(here, there);
}
END_TEST

START_TEST(test_example) {
    load("lenet300");
    const char *program = getenv("EDGE_EXAMPLE");
    ck_assert_ptr_nonnull(program);
    char command[512];
    snprintf(command, sizeof(command), "'%s' '%s' lenet300 > '%s/example'", program, socket_path,
             spawn_dir);
    ck_assert_int_eq(system(command), 0);
    struct map text = {0};
    read_all(spawn_path("example"), &text);
    ck_assert_uint_eq(text.size, 10 * strlen("0              0.000\n"));
    map_deinit(&text);
}
END_TEST

enum { PIXELS = 28 * 28, CLASSES = 10 };

static void picture(int8_t *ret, int seed) {
    for (int i = 0; i < PIXELS; i++)
        ret[i] = (int8_t)((i * 13 + seed * 101) % 256 - 128);
}

static void infer_raw(struct edge *edge, int seed, int8_t *ret) {
    int8_t pixels[PIXELS];
    picture(pixels, seed);
    struct edge_tensor in = {.datatype = EDGE_INT8, .data = pixels, .size = PIXELS};
    struct edge_tensor out = {.data = ret, .size = CLASSES};
    struct edge_request request = {.model = "lenet300", .inputs = &in, .n_inputs = 1};
    size_t n = 1;
    ck_assert_msg(edge_infer(edge, &request, &out, &n, NULL) == 0, "%s", edge_error_text(edge));
    ck_assert_uint_eq(out.size, CLASSES);
}

/* A region of ours and one of the daemon's, for inputs and outputs: the values are those of raw calls. */
START_TEST(test_regions) {
    load("lenet300");
    struct edge *edge;
    ck_assert_int_eq(edge_connect(socket_path, &edge), 0);
    for (int own = 0; own < 2; own++) {
        struct edge_region *region;
        int r =
            own ? edge_region_new(edge, 65536, &region) : edge_region_request(edge, 65536, &region);
        ck_assert_msg(r == 0, "%s", edge_error_text(edge));
        int8_t *at = edge_region_data(region);
        picture(at + 64, 5);
        struct edge_tensor in = {.datatype = EDGE_INT8, .data = at + 64, .size = PIXELS}, out = {0};
        struct edge_request request = {
            .model = "lenet300", .inputs = &in, .n_inputs = 1, .region = region, .offset = 8192};
        size_t n = 1;
        r = edge_infer(edge, &request, &out, &n, NULL);
        ck_assert_msg(r == 0, "%s", edge_error_text(edge));
        ck_assert_ptr_eq(out.data, at + 8192);
        int8_t expected[CLASSES];
        infer_raw(edge, 5, expected);
        ck_assert_mem_eq(out.data, expected, CLASSES);
        request.offset = 65536;
        out = (struct edge_tensor){0};
        ck_assert_int_gt(edge_infer(edge, &request, &out, &n, NULL), 0);
        ck_assert_str_ne(edge_error_text(edge), "");
        ck_assert_int_eq(edge_region_free(region), 0);
    }
    edge_close(edge);
}
END_TEST

/* Many requests under way, driven by poll(): each answer is the one of its request. */
START_TEST(test_pipelined) {
    enum { N = 2000, SEEDS = 7 };
    static int8_t expected[SEEDS][CLASSES];
    load("lenet300");
    struct edge *edge;
    ck_assert_int_eq(edge_connect(socket_path, &edge), 0);
    for (int i = 0; i < SEEDS; i++)
        infer_raw(edge, i, expected[i]);
    int sent = 0, received = 0;
    while (received < N) {
        if (sent < N) {
            int8_t pixels[PIXELS];
            picture(pixels, sent % SEEDS);
            struct edge_tensor in = {.datatype = EDGE_INT8, .data = pixels, .size = PIXELS};
            struct edge_request request = {.model = "lenet300", .inputs = &in, .n_inputs = 1};
            ck_assert_int_eq(edge_infer_send(edge, &request), 0);
            sent++;
        } else {
            struct pollfd p = {.fd = edge_fd(edge), .events = edge_events(edge)};
            ck_assert_int_eq(poll(&p, 1, 60000), 1);
        }
        ck_assert_int_eq(edge_process(edge), 0);
        while (edge_ready(edge)) {
            struct edge_tensor out = {0};
            size_t n = 1;
            ck_assert_int_eq(edge_infer_receive(edge, &out, &n, NULL), 0);
            ck_assert_mem_eq(out.data, expected[received % SEEDS], CLASSES);
            received++;
        }
    }
    ck_assert_uint_eq(edge_in_flight(edge), 0);
    edge_close(edge);
}
END_TEST

/* What the daemon refuses reaches the caller as a code and a sentence, and the connection goes on. */
START_TEST(test_refusals) {
    load("lenet300");
    struct edge *edge;
    ck_assert_int_eq(edge_connect(socket_path, &edge), 0);
    int8_t pixels[PIXELS] = {0};
    struct edge_tensor in = {.datatype = EDGE_INT8, .data = pixels, .size = PIXELS - 1}, out = {0};
    struct edge_request request = {.model = "lenet300", .inputs = &in, .n_inputs = 1};
    size_t n = 1;
    ck_assert_int_eq(edge_infer(edge, &request, &out, &n, NULL), EDGE_E_INVALID_TENSOR);
    assert_contains(edge_error_text(edge), "input");
    request.model = "absent";
    ck_assert_int_eq(edge_infer(edge, &request, &out, &n, NULL), EDGE_E_MODEL_NOT_FOUND);
    struct edge_session *session;
    ck_assert_int_eq(edge_session_open(edge, "absent", &session), EDGE_E_MODEL_NOT_FOUND);
    ck_assert_int_eq(edge_load_path(edge, "/nonexistent.edge", NULL, NULL), EDGE_E_INVALID_MODEL);
    char *reply;
    ck_assert_int_eq(edge_call(edge, "io.edged.Fly", NULL, &reply), EDGE_E_METHOD_NOT_FOUND);
    ck_assert_int_eq(edge_call(edge, "io.edged.List", "{\"x\":1}", &reply),
                     EDGE_E_INVALID_PARAMETER);
    int8_t values[CLASSES];
    infer_raw(edge, 1, values);
    edge_close(edge);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("service");
    TCase *tc = tcase_create("service");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_manage);
    tcase_add_test(tc, test_like_local);
    tcase_add_test(tc, test_streaming);
    tcase_add_test(tc, test_example);
    tcase_add_test(tc, test_regions);
    tcase_add_test(tc, test_pipelined);
    tcase_add_test(tc, test_refusals);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
