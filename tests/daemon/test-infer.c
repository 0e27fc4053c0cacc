/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Infer: the four forms of a tensor both ways, batches, datatypes, sessions, and what is refused and why.
 */

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/attributes.h"
#include "base/fd.h"
#include "tests/daemon/harness.h"

#define INVALID_PARAMETER "org.varlink.service.InvalidParameter"
#define INVALID_TENSOR "io.edged.InvalidTensor"
#define PAGE 4096

static struct daemon edged;
static struct client client;

static void start(void) {
    daemon_start(&edged, (const char *const[]){"affine", "quant", "two", "counter", "slow", NULL},
                 (const char *const[]){"--workers", "2", NULL});
}

static void stop(void) {
    ck_assert_int_eq(daemon_stop(&edged), 0);
}

static void connect_client(void) {
    client_connect(&client, &edged);
}

static void close_client(void) {
    client_close(&client);
}

/* Infer of `model` with these inputs (the inside of the array) and further parameters, with descriptors. */
static void send_infer(const char *model, const char *inputs, const char *more, const int *fds,
                       unsigned n_fds) {
    char text[8192];
    int n = snprintf(text, sizeof(text),
                     "{'method':'io.edged.Infer','parameters':{'model':'%s','inputs':[%s]%s%s}}",
                     model, inputs, *more ? "," : "", more);
    ck_assert_int_lt(n, (int)sizeof(text));
    for (char *p = text; *p; p++)
        if (*p == '\'')
            *p = '"';
    client_send(&client, text, fds, n_fds);
}

static void expect_outputs(const double *want, size_t n) {
    cJSON *reply = expect_success(&client);
    expect_numbers(reply, "parameters.outputs.0.data", want, n);
    cJSON_Delete(reply);
}

static void infer(const char *model, const char *inputs, const char *more, const double *want,
                  size_t n) {
    send_infer(model, inputs, more, NULL, 0);
    expect_outputs(want, n);
}

/* The call is refused because of this field. */
static void refused(const char *model, const char *inputs, const char *more, const char *tensor,
                    const char *field) {
    cJSON *reply;
    send_infer(model, inputs, more, NULL, 0);
    reply = client_receive(&client);
    char *text = cJSON_PrintUnformatted(reply);
    const cJSON *error = json_at(reply, "error");
    ck_assert_msg(error && !strcmp(error->valuestring, INVALID_TENSOR), "%s", text);
    ck_assert_msg(!strcmp(json_at(reply, "parameters.tensor")->valuestring, tensor), "%s", text);
    ck_assert_msg(!strcmp(json_at(reply, "parameters.field")->valuestring, field), "%s", text);
    ck_assert_msg(*json_at(reply, "parameters.reason")->valuestring, "%s", text);
    free(text);
    cJSON_Delete(reply);
}

static void bad_parameter(const char *model, const char *inputs, const char *more,
                          const char *parameter) {
    send_infer(model, inputs, more, NULL, 0);
    expect_error(&client, INVALID_PARAMETER, "parameter", parameter);
}

START_TEST(test_forms) {
    static const double want[] = {3, -1, 10};
    infer("affine", "{'data':[1,2,3,4]}", "", want, 3);
    infer("affine", "{'name':'x','datatype':'FP32','shape':[1,4],'data':[1.0,2e0,3,4]}", "", want,
          3);
    infer("affine", "{'raw':'AACAPwAAAEAAAEBAAACAQA=='}", "", want, 3);
    infer("affine", "{'raw':'\\u0041ACAPwAAAEAAAEBAAACAQA\\u003d\\u003D'}", "", want, 3);
    infer("affine", "{'raw':'AACAPwAAAEAAAEBAAACAQA==','shape':[1,4]}", "'outputForm':'data'", want,
          3);
    send_infer("affine", "{'data':[1,2,3,4]}", "'outputForm':'raw'", NULL, 0);
    cJSON *reply = expect_success(&client);
    ck_assert_str_eq(json_at(reply, "parameters.outputs.0.raw")->valuestring, "AABAQAAAgL8AACBB");
    ck_assert_ptr_null(json_at(reply, "parameters.outputs.0.data"));
    ck_assert_ptr_nonnull(json_at(reply, "parameters.queueNanoseconds"));
    ck_assert(json_at(reply, "parameters.computeNanoseconds")->valuedouble > 0);
    cJSON_Delete(reply);
}
END_TEST

/* N times the first axis, N in front, or as many values as it takes. */
START_TEST(test_batch) {
    static const double want[] = {3, -1, 10, 7, -1, 10};
    infer("affine", "{'shape':[2,4],'data':[1,2,3,4,3,4,3,4]}", "", want, 6);
    infer("affine", "{'shape':[2,1,4],'data':[1,2,3,4,3,4,3,4]}", "", want, 6);
    infer("affine", "{'data':[1,2,3,4,3,4,3,4]}", "", want, 6);
    for (int n = 255; n <= 257; n++) {
        char inputs[4096];
        int len = snprintf(inputs, sizeof(inputs), "{'name':'x','data':[0");
        for (int i = 1; i < 4 * n; i++)
            len += snprintf(inputs + len, sizeof(inputs) - (size_t)len, ",0");
        snprintf(inputs + len, sizeof(inputs) - (size_t)len, "]}");
        if (n > 256) {
            refused("affine", inputs, "", "x", "inputs[0].data");
            continue;
        }
        send_infer("affine", inputs, "", NULL, 0);
        cJSON *reply = expect_success(&client);
        ck_assert_int_eq(json_at(reply, "parameters.outputs.0.shape.0")->valueint, n);
        ck_assert_int_eq(cJSON_GetArraySize(json_at(reply, "parameters.outputs.0.data")), 3 * n);
        cJSON_Delete(reply);
    }
    send_infer("two", "{'name':'b','data':[1,2,3,4]},{'name':'a','data':[10,20,30,40]}", "", NULL,
               0);
    cJSON *reply = expect_success(&client);
    expect_numbers(reply, "parameters.outputs.0.data", (const double[]){11, 22, 33, 44}, 4);
    expect_numbers(reply, "parameters.outputs.1.data", (const double[]){9, 18, 27, 36}, 4);
    cJSON_Delete(reply);
}
END_TEST

/* A batch that workers share. The network is linear: item i, of 2^i, is 2^i times the first one, to the bit. */
START_TEST(test_batch_shared) {
    enum { ITEMS = 16, WIDTH = 512 };
    static const char head[] =
        "{\"method\":\"io.edged.Infer\",\"parameters\":{\"model\":\"slow\",\"inputs\":[{\"data\":[";
    static char text[sizeof(head) + ITEMS * (WIDTH * 2 + 8) + 8];
    for (int call = 0; call < 8; call++) {
        size_t len = sizeof(head) - 1;
        memcpy(text, head, len);
        for (int i = 0; i < ITEMS; i++) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%d", i ? "," : "", 1 << i);
            for (int k = 1; k < WIDTH; k++, len += 2)
                memcpy(text + len, ",0", 2);
        }
        memcpy(text + len, "]}]}}", 6);
        client_send(&client, text, NULL, 0);
        cJSON *reply = expect_success(&client);
        const cJSON *y = json_at(reply, "parameters.outputs.0.data");
        ck_assert_int_eq(cJSON_GetArraySize(y), ITEMS * WIDTH);
        float first[WIDTH];
        int at = 0;
        for (const cJSON *v = y->child; v; v = v->next, at++) {
            if (at < WIDTH)
                first[at] = (float)v->valuedouble;
            ck_assert(first[at % WIDTH] != 0);
            ck_assert((float)v->valuedouble == first[at % WIDTH] * (float)(1 << at / WIDTH));
        }
        cJSON_Delete(reply);
    }
}
END_TEST

START_TEST(test_choose_outputs) {
    static const char inputs[] = "{'name':'a','data':[1,2]},{'name':'b','data':[3,4]}";
    send_infer("two", inputs, "'outputs':['difference']", NULL, 0);
    cJSON *reply = expect_success(&client);
    ck_assert_str_eq(json_at(reply, "parameters.outputs.0.name")->valuestring, "difference");
    ck_assert_ptr_null(json_at(reply, "parameters.outputs.1"));
    expect_numbers(reply, "parameters.outputs.0.data", (const double[]){-2, -2}, 2);
    cJSON_Delete(reply);
    send_infer("two", inputs, "'outputs':['difference','sum']", NULL, 0);
    reply = expect_success(&client);
    ck_assert_str_eq(json_at(reply, "parameters.outputs.1.name")->valuestring, "sum");
    cJSON_Delete(reply);
    refused("two", inputs, "'outputs':['product']", "product", "outputs[0]");
    refused("two", inputs, "'outputs':['sum','sum']", "sum", "outputs[1]");
    bad_parameter("two", inputs, "'outputs':[5]", "outputs[0]");
    bad_parameter("two", inputs, "'outputs':'sum'", "outputs");
}
END_TEST

/* scale 0.5, zero point 3: 3 is 0.0, 5 is 1.0. */
START_TEST(test_quantized) {
    infer("quant", "{'data':[3,5,1,127]}", "", (const double[]){3, 5, 3, 127}, 4);
    infer("quant", "{'datatype':'INT8','data':[3,5,1,127]}", "'outputDatatype':'FP32'",
          (const double[]){0, 1, 0, 62}, 4);
    infer("quant", "{'datatype':'FP32','data':[0,1,-1,1000]}", "", (const double[]){3, 5, 3, 127},
          4);
    infer("quant", "{'datatype':'FP32','data':[0.2,0.3,0,0]}", "'outputDatatype':'FP32'",
          (const double[]){0, 0.5, 0, 0}, 4);
    infer("quant", "{'data':[3,5,1,127]}", "'outputDatatype':'INT8'",
          (const double[]){3, 5, 3, 127}, 4);
    refused("quant", "{'datatype':'FP64','data':[3,5,1,127]}", "", "q", "inputs[0].datatype");
    refused("quant", "{'datatype':'UINT8','data':[3,5,1,127]}", "", "q", "inputs[0].datatype");
    refused("affine", "{'datatype':'INT8','data':[3,5,1,127]}", "", "x", "inputs[0].datatype");
    bad_parameter("quant", "{'data':[3,5,1,127]}", "'outputDatatype':'INT16'", "outputDatatype");
    bad_parameter("affine", "{'data':[3,5,1,127]}", "'outputDatatype':'INT8'", "outputDatatype");
}
END_TEST

static void refused_because(const char *raw, const char *reason) {
    char input[64];
    snprintf(input, sizeof(input), "{'raw':'%s'}", raw);
    send_infer("affine", input, "", NULL, 0);
    expect_error(&client, INVALID_TENSOR, "reason", reason);
}

START_TEST(test_refused) {
    refused("quant", "{'data':[3,300,1,1]}", "", "q", "inputs[0].data");
    refused("quant", "{'data':[3,0.5,1,1]}", "", "q", "inputs[0].data");
    refused("affine", "{'data':[1,NaN,1,1]}", "", "x", "inputs[0].data");
    refused("affine", "{'data':[1,null,1,1]}", "", "x", "inputs[0].data");
    refused("affine", "{'data':[1,2,3]}", "", "x", "inputs[0].data");
    refused("affine", "{'data':[]}", "", "x", "inputs[0].data");
    refused("affine", "{'shape':[1,4],'data':[1,2,3]}", "", "x", "inputs[0].data");
    refused("affine", "{'shape':[2,4],'data':[1,2,3,4]}", "", "x", "inputs[0].data");
    refused("affine", "{'shape':[4],'data':[1,2,3,4]}", "", "x", "inputs[0].shape");
    refused("affine", "{'shape':[4,1],'data':[1,2,3,4]}", "", "x", "inputs[0].shape");
    refused("affine", "{'shape':[0,4],'data':[]}", "", "x", "inputs[0].shape");
    refused("affine", "{'shape':[9007199254740992,4],'data':[1]}", "", "x", "inputs[0].shape");
    refused("affine", "{'raw':'AACAPwAAAEAAAEBA'}", "", "x", "inputs[0].raw");
    refused("affine", "{'raw':'AACAPwAAAEAAAEBAAACAQ***'}", "", "x", "inputs[0].raw");
    refused_because("!!", "no valid base64: its length 2 is not a multiple of 4");
    refused_because("AACAPwAAAEAAAEBAAACAQA",
                    "no valid base64: its length 22 is not a multiple of 4");
    refused("affine", "{'name':'z','data':[1,2,3,4]}", "", "z", "inputs[0].name");
    refused("affine", "{'name':'x'}", "", "x", "inputs[0]");
    refused("affine", "{'data':[1],'raw':'AA=='}", "", "inputs[0]", "inputs[0]");
    refused("affine", "", "", "x", "inputs");
    refused("affine", "{'data':[1,2,3,4]},{'data':[1,2,3,4]}", "", "x", "inputs[1].name");
    refused("two", "{'data':[1,2]}", "", "inputs[0]", "inputs[0].name");
    refused("two", "{'name':'a','data':[1,2]}", "", "b", "inputs");
    refused("two", "{'name':'a','data':[1,2]},{'name':'b','data':[1,2,3,4]}", "", "b",
            "inputs[1].data");
    bad_parameter("affine", "{'data':[1,2,3,4],'foo':1}", "", "inputs[0].foo");
    bad_parameter("affine", "{'data':[[1,2,3,4]]}", "", "inputs[0].data");
    bad_parameter("affine", "{'data':7}", "", "inputs[0].data");
    bad_parameter("affine", "7", "", "inputs[0]");
    bad_parameter("affine", "{'data':[1,2,3,4]}", "'outputForm':'telepathy'", "outputForm");
    bad_parameter("affine", "{'data':[1,2,3,4]}", "'outputForm':'region'", "outputRegion");
    bad_parameter("affine", "{'data':[1,2,3,4]}", "'outputRegion':'r1'", "outputRegion");
    bad_parameter("affine", "{'data':[1,2,3,4]}", "'outputOffset':0", "outputOffset");
    bad_parameter("affine", "{'data':[1,2,3,4]}", "'foo':0", "foo");
    send_infer("affine", "{'region':'r1'}", "", NULL, 0);
    expect_error(&client, "io.edged.RegionNotFound", "region", "r1");
    send_infer("affine", "{'data':[1,2,3,4]}", "'session':'s1'", NULL, 0);
    expect_error(&client, "io.edged.SessionNotFound", "session", "s1");
    refused("affine", "{'fileDescriptor':0,'shape':[1,4]}", "", "x", "inputs[0].fileDescriptor");
}
END_TEST

/* A memfd of these pages with four floats at `offset`. */
static int make_memfd(size_t size, size_t offset, unsigned seals) {
    static const float values[] = {1, 2, 3, 4};
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
    if (offset < size)
        ck_assert_int_eq(pwrite(fd, values, sizeof(values), (off_t)offset), sizeof(values));
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, (int)seals), 0);
    return fd;
}

START_TEST(test_file_descriptor) {
    static const double want[] = {3, -1, 10};
    static const unsigned seals[] = {F_SEAL_SHRINK, F_SEAL_SHRINK | F_SEAL_GROW,
                                     F_SEAL_SHRINK | F_SEAL_WRITE,
                                     F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL};
    wait_status(&client, "connections", 1); /* this connection is accepted, those before are gone */
    unsigned before = daemon_fds(&edged);
    for (size_t i = 0; i < ARRAY_SIZE(seals); i++) {
        /* The first page is a hole. */
        _cleanup_(fd_closep) int fd = make_memfd(3 * PAGE, PAGE + 64, seals[i]);
        send_infer("affine", "{'fileDescriptor':0,'offset':4160,'shape':[1,4]}", "", &fd, 1);
        expect_outputs(want, 3);
        send_infer("affine", "{'fileDescriptor':1,'offset':4160,'size':16}", "", (int[]){0, fd}, 2);
        expect_outputs(want, 3);
        send_infer("affine", "{'fileDescriptor':0,'offset':4160}", "", &fd, 1);
        expect_outputs(want, 3);
        send_infer("affine", "{'fileDescriptor':0}", "", &fd, 1);
        expect_outputs((const double[]){0, 0, 10}, 3);
    }
    ck_assert_uint_eq(daemon_fds(&edged), before);
}
END_TEST

static void refused_fd(int fd, const char *inputs, const char *field) {
    send_infer("affine", inputs, "", &fd, 1);
    cJSON *reply = client_receive(&client);
    ck_assert_str_eq(json_at(reply, "error")->valuestring, INVALID_TENSOR);
    ck_assert_str_eq(json_at(reply, "parameters.field")->valuestring, field);
    cJSON_Delete(reply);
}

START_TEST(test_file_descriptor_refused) {
    _cleanup_(fd_closep) int open_ended = make_memfd(PAGE, 0, F_SEAL_GROW);
    _cleanup_(fd_closep) int good = make_memfd(PAGE, 0, F_SEAL_SHRINK);
    _cleanup_(fd_closep) int empty = make_memfd(0, 0, F_SEAL_SHRINK);
    _cleanup_(fd_closep) int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int pipes[2];
    ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
    refused_fd(open_ended, "{'fileDescriptor':0}", "inputs[0].fileDescriptor");
    refused_fd(empty, "{'fileDescriptor':0}", "inputs[0].fileDescriptor");
    refused_fd(file, "{'fileDescriptor':0}", "inputs[0].fileDescriptor");
    refused_fd(pipes[0], "{'fileDescriptor':0}", "inputs[0].fileDescriptor");
    refused_fd(good, "{'fileDescriptor':0,'offset':4084}", "inputs[0].fileDescriptor");
    refused_fd(good, "{'fileDescriptor':0,'offset':9007199254740992}", "inputs[0].fileDescriptor");
    refused_fd(good, "{'fileDescriptor':0,'offset':2}", "inputs[0].offset");
    refused_fd(good, "{'fileDescriptor':0,'size':12}", "inputs[0].fileDescriptor");
    refused_fd(good, "{'fileDescriptor':0,'shape':[1,4],'size':12}", "inputs[0].fileDescriptor");
    refused_fd(good, "{'fileDescriptor':0,'shape':[1,4],'size':17}", "inputs[0].size");
    refused_fd(good, "{'fileDescriptor':1}", "inputs[0].fileDescriptor");
    send_infer("affine", "{'fileDescriptor':0,'offset':4080}", "", &good, 1);
    expect_outputs((const double[]){0, 0, 10}, 3);
    fd_close(pipes[0]);
    fd_close(pipes[1]);
}
END_TEST

/* Outputs in one memfd that came with the reply and that nobody can change. */
START_TEST(test_output_descriptor) {
    send_infer("two", "{'name':'a','data':[1,2]},{'name':'b','data':[3,4]}",
               "'outputForm':'fileDescriptor','outputs':['difference','sum']", NULL, 0);
    cJSON *reply = expect_success(&client);
    ck_assert_uint_eq(client.n_fds, 1);
    ck_assert_int_eq(json_at(reply, "parameters.outputs.0.fileDescriptor")->valueint, 0);
    ck_assert_int_eq(json_at(reply, "parameters.outputs.1.fileDescriptor")->valueint, 0);
    ck_assert_int_eq(json_at(reply, "parameters.outputs.1.offset")->valueint, 8);
    ck_assert_int_eq(json_at(reply, "parameters.outputs.1.size")->valueint, 8);
    float values[4];
    ck_assert_int_eq(pread(client.fds[0], values, sizeof(values), 0), sizeof(values));
    ck_assert(values[0] == -2 && values[1] == -2 && values[2] == 4 && values[3] == 6);
    unsigned seals;
    ck_assert_int_eq(memfd_seals(client.fds[0], &seals), 0);
    ck_assert_uint_eq(seals & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
                      F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    cJSON_Delete(reply);
    /* Other replies around it do not get its descriptor. */
    for (int i = 0; i < 20; i++) {
        send_infer("affine", "{'data':[1,2,3,4]}", i % 2 ? "'outputForm':'fileDescriptor'" : "",
                   NULL, 0);
    }
    for (int i = 0; i < 20; i++) {
        reply = expect_success(&client);
        ck_assert_int_eq(json_at(reply, "parameters.outputs.0.fileDescriptor") != NULL, i % 2);
        cJSON_Delete(reply);
    }
}
END_TEST

static cJSON *register_region(const char *parameters, int fd) {
    char text[256];
    snprintf(text, sizeof(text), "{\"method\":\"io.edged.RegisterRegion\",\"parameters\":{%s}}",
             parameters);
    client_send(&client, text, &fd, fd >= 0);
    return client_receive(&client);
}

START_TEST(test_region) {
    _cleanup_(fd_closep) int fd = make_memfd(2 * PAGE, 128, F_SEAL_SHRINK | F_SEAL_GROW);
    _cleanup_(map_deinit) struct map map = {0};
    ck_assert_int_eq(map_shared(fd, 2 * PAGE, &map), 0);
    cJSON *reply = register_region("\"fileDescriptor\":0", fd);
    ck_assert_ptr_null(json_at(reply, "error"));
    ck_assert_str_eq(json_at(reply, "parameters.region")->valuestring, "r1");
    ck_assert_int_eq(json_at(reply, "parameters.size")->valueint, 2 * PAGE);
    ck_assert_ptr_null(json_at(reply, "parameters.fileDescriptor"));
    cJSON_Delete(reply);
    infer("affine", "{'region':'r1','offset':128}", "", (const double[]){3, -1, 10}, 3);
    ((float *)((char *)map.data + 128))[0] = 100;
    infer("affine", "{'region':'r1','offset':128,'size':16}", "", (const double[]){102, -1, 10}, 3);
    send_infer("affine", "{'region':'r1','offset':128,'shape':[1,4]}",
               "'outputForm':'region','outputRegion':'r1','outputOffset':4096", NULL, 0);
    reply = expect_success(&client);
    ck_assert_str_eq(json_at(reply, "parameters.outputs.0.region")->valuestring, "r1");
    ck_assert_int_eq(json_at(reply, "parameters.outputs.0.offset")->valueint, 4096);
    ck_assert_int_eq(json_at(reply, "parameters.outputs.0.size")->valueint, 12);
    const float *out = (const float *)((const char *)map.data + 4096);
    ck_assert(out[0] == 102 && out[1] == -1 && out[2] == 10);
    cJSON_Delete(reply);
    /* Real values of an integer network, and several outputs, each at a multiple of 8. */
    send_infer("quant", "{'data':[3,5,1,127]}",
               "'outputDatatype':'FP32','outputForm':'region','outputRegion':'r1'", NULL, 0);
    cJSON_Delete(expect_success(&client));
    out = map.data;
    ck_assert(out[0] == 0 && out[1] == 1 && out[2] == 0 && out[3] == 62);
    refused("affine", "{'region':'r1','offset':8180}", "", "x", "inputs[0].offset");
    refused("affine", "{'region':'r1','offset':6}", "", "x", "inputs[0].offset");
    refused("affine", "{'data':[1,2,3,4]}",
            "'outputForm':'region','outputRegion':'r1','outputOffset':8184", "r1", "outputOffset");
    bad_parameter("affine", "{'data':[1,2,3,4]}",
                  "'outputForm':'region','outputRegion':'r1','outputOffset':4", "outputOffset");
    infer("affine", "{'region':'r1','offset':8176}", "", (const double[]){0, 0, 10}, 3);
    client_sendf(&client, "{'method':'io.edged.UnregisterRegion','parameters':{'region':'r1'}}");
    cJSON_Delete(expect_success(&client));
    client_sendf(&client, "{'method':'io.edged.UnregisterRegion','parameters':{'region':'r1'}}");
    expect_error(&client, "io.edged.RegionNotFound", "region", "r1");
}
END_TEST

/* The daemon's own memory, handed out; calls right behind the registration see it. */
START_TEST(test_region_from_daemon) {
    client_sendf(&client, "{'method':'io.edged.RegisterRegion','parameters':{'size':8192}}");
    send_infer("affine", "{'region':'r1'}", "", NULL, 0);
    cJSON *reply = expect_success(&client);
    ck_assert_int_eq(json_at(reply, "parameters.fileDescriptor")->valueint, 0);
    ck_assert_uint_eq(client.n_fds, 1);
    unsigned seals;
    ck_assert_int_eq(memfd_seals(client.fds[0], &seals), 0);
    ck_assert(seals & F_SEAL_SHRINK && seals & F_SEAL_GROW && !(seals & F_SEAL_WRITE));
    int fd = client.fds[0];
    client.n_fds = 0;
    cJSON_Delete(reply);
    expect_outputs((const double[]){0, 0, 10}, 3);
    static const float values[] = {1, 2, 3, 4};
    ck_assert_int_eq(pwrite(fd, values, sizeof(values), 0), sizeof(values));
    fd_close(fd);
    infer("affine", "{'region':'r1'}", "", (const double[]){3, -1, 10}, 3);
}
END_TEST

static void refused_region(int fd, const char *reason) {
    cJSON *reply = register_region("\"fileDescriptor\":0", fd);
    ck_assert_str_eq(json_at(reply, "error")->valuestring, "io.edged.InvalidRegion");
    ck_assert_str_eq(json_at(reply, "parameters.reason")->valuestring, reason);
    cJSON_Delete(reply);
}

START_TEST(test_region_reasons) {
    char path[64];
    _cleanup_(fd_closep) int fd = make_memfd(PAGE, 0, F_SEAL_SHRINK);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    _cleanup_(fd_closep) int read_only = open(path, O_RDONLY | O_CLOEXEC);
    refused_region(read_only, "the memfd is not open for writing");
    _cleanup_(fd_closep) int huge =
        memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
    if (huge < 0 || ftruncate(huge, 2 << 20) < 0 || fcntl(huge, F_ADD_SEALS, F_SEAL_SHRINK) < 0) {
        printf("SKIPPED: no memfd of huge pages\n");
        return;
    }
    refused_region(huge, "huge pages are not supported");
}
END_TEST

START_TEST(test_region_refused) {
    static const unsigned seals[] = {0, F_SEAL_GROW, F_SEAL_SHRINK | F_SEAL_WRITE,
                                     F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE};
    for (size_t i = 0; i < ARRAY_SIZE(seals); i++) {
        _cleanup_(fd_closep) int fd = make_memfd(PAGE, 0, seals[i]);
        cJSON *reply = register_region("\"fileDescriptor\":0", fd);
        ck_assert_str_eq(json_at(reply, "error")->valuestring, "io.edged.InvalidRegion");
        cJSON_Delete(reply);
    }
    static const struct {
        const char *parameters, *bad;
    } rows[] = {
        {"", "size"},
        {"\"size\":0", "size"},
        {"\"size\":-1", "size"},
        {"\"size\":9007199254740992", "size"},
        {"\"fileDescriptor\":0", "fileDescriptor"},
        {"\"fileDescriptor\":0,\"size\":5", "size"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cJSON *reply = register_region(rows[i].parameters, -1);
        ck_assert_str_eq(json_at(reply, "error")->valuestring, INVALID_PARAMETER);
        ck_assert_str_eq(json_at(reply, "parameters.parameter")->valuestring, rows[i].bad);
        cJSON_Delete(reply);
    }
    /* More than a user may hold. */
    cJSON *reply = register_region("\"size\":1099511627776", -1);
    ck_assert_str_eq(json_at(reply, "error")->valuestring, "io.edged.QuotaExceeded");
    ck_assert_str_eq(json_at(reply, "parameters.resource")->valuestring, "bytes");
    cJSON_Delete(reply);
}
END_TEST

START_TEST(test_session) {
    /* Without a session every item starts afresh; in one they are steps. */
    infer("counter", "{'data':[1,2,3,4]}", "", (const double[]){1, 2, 3, 4}, 4);
    client_sendf(&client, "{'method':'io.edged.OpenSession','parameters':{'model':'counter'}}");
    client_sendf(&client, "{'method':'io.edged.OpenSession','parameters':{'model':'counter'}}");
    cJSON *reply = expect_success(&client);
    ck_assert_str_eq(json_at(reply, "parameters.session")->valuestring, "s1");
    cJSON_Delete(reply);
    cJSON_Delete(expect_success(&client));
    infer("counter", "{'data':[1,2,3,4]}", "'session':'s1'", (const double[]){1, 2, 4, 6}, 4);
    infer("counter", "{'data':[1,1]}", "'session':'s1'", (const double[]){5, 7}, 2);
    infer("counter", "{'data':[1,1]}", "'session':'s2'", (const double[]){1, 1}, 2);
    infer("counter", "{'data':[1,1]}", "", (const double[]){1, 1}, 2);
    /* Pipelined steps keep their order though two workers are there. */
    for (int i = 0; i < 200; i++)
        send_infer("counter", "{'data':[1,0]}", i % 2 ? "'session':'s1'" : "'session':'s2'", NULL,
                   0);
    for (int i = 0; i < 200; i++) {
        double n = i / 2 + (i % 2 ? 6 : 2);
        expect_outputs((const double[]){n, i % 2 ? 7 : 1}, 2);
    }
    send_infer("affine", "{'data':[1,2,3,4]}", "'session':'s1'", NULL, 0);
    expect_error(&client, "io.edged.SessionNotFound", "session", "s1");
    client_sendf(&client, "{'method':'io.edged.CloseSession','parameters':{'session':'s1'}}");
    cJSON_Delete(expect_success(&client));
    send_infer("counter", "{'data':[1,0]}", "'session':'s1'", NULL, 0);
    expect_error(&client, "io.edged.SessionNotFound", "session", "s1");
    client_sendf(&client, "{'method':'io.edged.OpenSession','parameters':{'model':'none'}}");
    expect_error(&client, "io.edged.ModelNotFound", "model", "none");
}
END_TEST

/* What a client that is not ours may make of a network: find out what it takes, then use it. */
START_TEST(test_describe) {
    client_sendf(&client, "{'method':'io.edged.Describe','parameters':{'model':'affine'}}");
    cJSON *reply = expect_success(&client);
    ck_assert_str_eq(json_at(reply, "parameters.inputs.0.name")->valuestring, "x");
    ck_assert_str_eq(json_at(reply, "parameters.inputs.0.datatype")->valuestring, "FP32");
    expect_numbers(reply, "parameters.inputs.0.shape", (const double[]){1, 4}, 2);
    ck_assert_ptr_null(json_at(reply, "parameters.inputs.0.scale"));
    ck_assert_str_eq(json_at(reply, "parameters.labels.2")->valuestring, "ten");
    ck_assert_str_eq(json_at(reply, "parameters.licence")->valuestring, "Apache-2.0");
    ck_assert_str_eq(json_at(reply, "parameters.layers.0.operator")->valuestring,
                     "FULLY_CONNECTED");
    ck_assert_int_eq(json_at(reply, "parameters.layers.0.macs")->valueint, 12);
    ck_assert_str_eq(json_at(reply, "parameters.info.version")->valuestring, "7");
    cJSON_Delete(reply);
    client_sendf(&client, "{'method':'io.edged.Describe','parameters':{'model':'quant'}}");
    reply = expect_success(&client);
    ck_assert(json_at(reply, "parameters.inputs.0.scale")->valuedouble == 0.5);
    ck_assert_int_eq(json_at(reply, "parameters.inputs.0.zeroPoint")->valueint, 3);
    cJSON_Delete(reply);
    client_sendf(&client, "{'method':'io.edged.List'}");
    reply = expect_success(&client);
    static const char *const names[] = {"affine", "counter", "quant", "slow", "two"};
    for (int i = 0; i < 5; i++) {
        char path[64];
        snprintf(path, sizeof(path), "parameters.models.%d.name", i);
        ck_assert_str_eq(json_at(reply, path)->valuestring, names[i]);
    }
    cJSON_Delete(reply);
}
END_TEST

int main(void) {
    Suite *s = suite_create("infer");
    TCase *t = tcase_create("infer");
    tcase_set_timeout(t, 120);
    tcase_add_unchecked_fixture(t, start, stop);
    tcase_add_checked_fixture(t, connect_client, close_client);
    tcase_add_test(t, test_forms);
    tcase_add_test(t, test_batch);
    tcase_add_test(t, test_batch_shared);
    tcase_add_test(t, test_choose_outputs);
    tcase_add_test(t, test_quantized);
    tcase_add_test(t, test_refused);
    tcase_add_test(t, test_file_descriptor);
    tcase_add_test(t, test_file_descriptor_refused);
    tcase_add_test(t, test_output_descriptor);
    tcase_add_test(t, test_region);
    tcase_add_test(t, test_region_from_daemon);
    tcase_add_test(t, test_region_refused);
    tcase_add_test(t, test_region_reasons);
    tcase_add_test(t, test_session);
    tcase_add_test(t, test_describe);
    suite_add_tcase(s, t);
    return run_suite(s);
}
