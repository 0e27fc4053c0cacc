/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Varlink as any client sees it: envelopes, standard errors, introspection, order, framing.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/attributes.h"
#include "base/fd.h"
#include "tests/daemon/harness.h"

#define SERVICE "org.varlink.service."

static struct daemon edged;
static struct client client;

static void start(void) {
    daemon_start(&edged, (const char *const[]){"affine", "slow", NULL},
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

/* Absent, null and empty parameters are the same. */
START_TEST(test_get_info) {
    static const char *const calls[] = {
        "{'method':'" SERVICE "GetInfo'}",
        "{'method':'" SERVICE "GetInfo','parameters':null}",
        "{'method':'" SERVICE "GetInfo','parameters':{}}",
        "{'method':'" SERVICE "GetInfo','more':true,'oneway':false}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        client_sendf(&client, "%s", calls[i]);
        cJSON *reply = expect_success(&client);
        ck_assert_str_eq(json_at(reply, "parameters.product")->valuestring, "edged");
        ck_assert_str_eq(json_at(reply, "parameters.interfaces.0")->valuestring, "io.edged");
        ck_assert_str_eq(json_at(reply, "parameters.interfaces.1")->valuestring,
                         "org.varlink.service");
        ck_assert_ptr_null(json_at(reply, "parameters.interfaces.2"));
        cJSON_Delete(reply);
    }
}
END_TEST

START_TEST(test_standard_errors) {
    client_sendf(&client, "{'method':'" SERVICE "GetInfo','parameters':{'x':1}}");
    expect_error(&client, SERVICE "InvalidParameter", "parameter", "x");
    client_sendf(&client, "{'method':'io.edged.Nothing','parameters':{}}");
    expect_error(&client, SERVICE "MethodNotFound", "method", "io.edged.Nothing");
    client_sendf(&client, "{'method':'" SERVICE "Nothing'}");
    expect_error(&client, SERVICE "MethodNotFound", "method", SERVICE "Nothing");
    client_sendf(&client, "{'method':'com.example.Nothing'}");
    expect_error(&client, SERVICE "InterfaceNotFound", "interface", "com.example");
    client_sendf(&client, "{'method':'Nothing'}");
    expect_error(&client, SERVICE "MethodNotFound", "method", "Nothing");
    client_sendf(&client, "{'method':'" SERVICE
                          "GetInterfaceDescription','parameters':{'interface':'com.example'}}");
    expect_error(&client, SERVICE "InterfaceNotFound", "interface", "com.example");
    client_sendf(&client, "{'method':'" SERVICE "GetInterfaceDescription'}");
    expect_error(&client, SERVICE "InvalidParameter", "parameter", "interface");
    client_sendf(&client, "{'method':'io.edged.Describe','parameters':{'model':5}}");
    expect_error(&client, SERVICE "InvalidParameter", "parameter", "model");
    client_sendf(&client, "{'method':'io.edged.Describe','parameters':{'model':'no'}}");
    expect_error(&client, "io.edged.ModelNotFound", "model", "no");
    client_sendf(&client, "{'method':'io.edged.List','parameters':{'all':true}}");
    expect_error(&client, SERVICE "InvalidParameter", "parameter", "all");
}
END_TEST

/* Who breaks the protocol is cut off, and nobody else notices. */
START_TEST(test_protocol_errors) {
    static const char *const bad[] = {
        "nonsense",
        "[]",
        "{'method':'io.edged.List'",
        "{'method':'io.edged.List'} x",
        "{}",
        "{'method':5}",
        "{'method':'io.edged.List','id':1}",
        "{'method':'io.edged.List','upgrade':true}",
        "{'method':'io.edged.List','oneway':true,'more':true}",
        "{'method':'io.edged.List','parameters':[]}",
        "{'method':'io.edged.Describe','parameters':{'model':'a\\u0000'}}",
        "",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct client other;
        client_connect(&other, &edged);
        client_sendf(&other, "%s", bad[i]);
        expect_closed(&other);
        client_close(&other);
    }
    ck_assert_int_eq(status_of(&client, "models"), 2);
}
END_TEST

START_TEST(test_message_too_long) {
    static char text[64 << 10];
    memset(text, ' ', sizeof(text));
    ssize_t n = 1;
    for (size_t sent = 0; n > 0 && sent < (32U << 20); sent += (size_t)n)
        n = send(client.fd, text, sizeof(text), MSG_NOSIGNAL);
    ck_assert_int_lt(n, 0);
    expect_closed(&client);
}
END_TEST

/* Too deep, or too many pieces: refused without taking the memory it would need. */
START_TEST(test_message_too_complex) {
    size_t n = 4 << 20;
    char *text = malloc(n + 1);
    for (size_t i = 0; i < n; i++)
        text[i] = "[],"[i % 3];
    text[0] = '[';
    text[n] = 0;
    client_send(&client, text, NULL, 0);
    expect_closed(&client);
    free(text);
    client_close(&client);
    client_connect(&client, &edged);
    ck_assert_uint_lt(daemon_memory(&edged, "VmRSS"), MEMORY_SLACK_KIB + (64 << 10));
}
END_TEST

/* No answer to a oneway call, whatever comes of it. */
START_TEST(test_oneway) {
    client_sendf(&client, "{'method':'io.edged.List','oneway':true}");
    client_sendf(&client, "{'method':'io.edged.Nothing','oneway':true}");
    client_sendf(&client, "{'method':'io.edged.Infer','oneway':true,'parameters':"
                          "{'model':'affine','inputs':[{'data':[1,2,3,4]}]}}");
    client_sendf(&client, "{'method':'" SERVICE "GetInfo'}");
    cJSON *reply = expect_success(&client);
    ck_assert_ptr_nonnull(json_at(reply, "parameters.vendor"));
    cJSON_Delete(reply);
}
END_TEST

/* Done although the client went away at once. */
START_TEST(test_oneway_and_gone) {
    struct client other;
    client_connect(&other, &edged);
    client_sendf(&other,
                 "{'method':'io.edged.Unload','oneway':true,'parameters':{'model':'slow'}}");
    client_close(&other);
    wait_status(&client, "models", 1);
}
END_TEST

/* Every method of the description is there: called without parameters it knows at least what it lacks. */
START_TEST(test_introspection) {
    static const char *const names[] = {"io.edged", "org.varlink.service"};
    unsigned n_methods = 0;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        client_sendf(&client,
                     "{'method':'" SERVICE
                     "GetInterfaceDescription','parameters':{'interface':'%s'}}",
                     names[i]);
        cJSON *reply = expect_success(&client);
        char *text = strdup(json_at(reply, "parameters.description")->valuestring);
        cJSON_Delete(reply);
        char want[64];
        snprintf(want, sizeof(want), "\ninterface %s\n", names[i]);
        ck_assert_ptr_nonnull(strstr(text, want));
        for (const char *p = text; (p = strstr(p, "\nmethod ")); p++) {
            char method[64];
            ck_assert_int_eq(sscanf(p, "\nmethod %63[A-Za-z]", method), 1);
            client_sendf(&client, "{'method':'%s.%s','parameters':{'noSuchParameter':1}}", names[i],
                         method);
            expect_error(&client, SERVICE "InvalidParameter", "parameter", "noSuchParameter");
            n_methods++;
        }
        free(text);
    }
    ck_assert_uint_eq(n_methods, 13);
}
END_TEST

/* Replies keep the order of the calls, though some take long and some none. */
START_TEST(test_order) {
    for (int i = 0; i < 300; i++) {
        if (i % 3 == 0)
            client_sendf(&client, "{'method':'" SERVICE "GetInfo','parameters':{'p%d':1}}", i);
        else if (i % 3 == 1)
            client_sendf(&client,
                         "{'method':'io.edged.Infer','parameters':{'model':'affine',"
                         "'inputs':[{'data':[%d,0,0,0]}]}}",
                         i);
        else
            client_sendf(&client,
                         "{'method':'io.edged.Infer','parameters':{'model':'slow',"
                         "'inputs':[{'raw':'%d'}]}}",
                         i);
    }
    for (int i = 0; i < 300; i++) {
        char text[16];
        snprintf(text, sizeof(text), "p%d", i);
        if (i % 3 == 0) {
            expect_error(&client, SERVICE "InvalidParameter", "parameter", text);
        } else if (i % 3 == 1) {
            cJSON *reply = expect_success(&client);
            expect_numbers(reply, "parameters.outputs.0.data", (const double[]){i, 0, 10}, 3);
            cJSON_Delete(reply);
        } else {
            expect_error(&client, "io.edged.InvalidTensor", "field", "inputs[0].raw");
        }
    }
}
END_TEST

/* Who will send no more still gets all answers. */
START_TEST(test_half_closed) {
    for (int i = 0; i < 100; i++)
        client_sendf(&client,
                     "{'method':'io.edged.Infer','parameters':{'model':'affine','inputs':"
                     "[{'data':[%d,0,0,0]}]}}",
                     i);
    shutdown(client.fd, SHUT_WR);
    for (int i = 0; i < 100; i++) {
        cJSON *reply = expect_success(&client);
        expect_numbers(reply, "parameters.outputs.0.data", (const double[]){i, 0, 10}, 3);
        cJSON_Delete(reply);
    }
    expect_closed(&client);
}
END_TEST

/* A byte at a time is as good as all at once. */
START_TEST(test_bytes) {
    static const char text[] =
        "{\"method\":\"io.edged.Infer\",\"parameters\":{\"model\":\"affine\","
        "\"inputs\":[{\"data\":[1,2,3,4]}]}}";
    for (size_t i = 0; i < sizeof(text); i++)
        ck_assert_int_eq(send(client.fd, text + i, 1, 0), 1);
    cJSON *reply = expect_success(&client);
    expect_numbers(reply, "parameters.outputs.0.data", (const double[]){3, -1, 10}, 3);
    ck_assert_str_eq(json_at(reply, "parameters.version")->valuestring, "7");
    ck_assert_str_eq(json_at(reply, "parameters.outputs.0.datatype")->valuestring, "FP32");
    cJSON_Delete(reply);
}
END_TEST

/* Descriptors nobody asked for are closed. */
START_TEST(test_descriptors) {
    _cleanup_(fd_closep) int fd = memfd_create("x", MFD_CLOEXEC);
    wait_status(&client, "connections", 1); /* this connection is accepted, those before are gone */
    unsigned before = daemon_fds(&edged);
    for (int i = 0; i < 50; i++) {
        client_send(&client, "{\"method\":\"io.edged.List\"}", (int[]){fd, fd, fd}, 3);
        cJSON_Delete(expect_success(&client));
    }
    ck_assert_uint_eq(daemon_fds(&edged), before);
}
END_TEST

START_TEST(test_metrics) {
    client_sendf(&client, "{'method':'io.edged.Metrics'}");
    cJSON *reply = expect_success(&client);
    const char *text = json_at(reply, "parameters.text")->valuestring;
    size_t len = strlen(text);
    ck_assert(text[len - 1] == '\n');
    ck_assert_ptr_nonnull(
        strstr(text, "\nedged_model_compute_seconds_bucket{model=\"affine\",le=\"+Inf\"} "));
    ck_assert_ptr_nonnull(strstr(text, "\n# TYPE edged_models gauge\nedged_models "));
    cJSON_Delete(reply);
}
END_TEST

int main(void) {
    Suite *s = suite_create("protocol");
    TCase *t = tcase_create("protocol");
    tcase_set_timeout(t, 120);
    tcase_add_unchecked_fixture(t, start, stop);
    tcase_add_checked_fixture(t, connect_client, close_client);
    tcase_add_test(t, test_get_info);
    tcase_add_test(t, test_standard_errors);
    tcase_add_test(t, test_protocol_errors);
    tcase_add_test(t, test_message_too_long);
    tcase_add_test(t, test_message_too_complex);
    tcase_add_test(t, test_oneway);
    tcase_add_test(t, test_introspection);
    tcase_add_test(t, test_order);
    tcase_add_test(t, test_half_closed);
    tcase_add_test(t, test_bytes);
    tcase_add_test(t, test_descriptors);
    tcase_add_test(t, test_metrics);
    tcase_add_test(t, test_oneway_and_gone);
    suite_add_tcase(s, t);
    return run_suite(s);
}
