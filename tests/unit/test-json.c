/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/json, proto/params, proto/message: documents, cuts, envelopes, the writer.
 */

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "proto/json.h"
#include "proto/message.h"
#include "proto/params.h"

static struct json_doc doc;
static char text[65536];

static void setup(void) {
    json_doc_init(&doc);
}

static void teardown(void) {
    json_doc_deinit(&doc);
}

static int parse(const char *json) {
    json_doc_reset(&doc, 64);
    ck_assert_uint_lt(strlen(json), sizeof(text));
    strcpy(text, json);
    return json_doc_parse(&doc, text, strlen(json));
}

/* The cut under the key in the root object. */
static void expect_cut(const char *key, const char *inside, bool is_string) {
    const struct json_cut *c = json_doc_cut(&doc, cJSON_GetObjectItem(doc.root, key));
    ck_assert_ptr_nonnull(c);
    ck_assert_uint_eq(c->len, strlen(inside));
    ck_assert_mem_eq(c->text, inside, c->len);
    ck_assert(c->is_string == is_string);
}

START_TEST(test_cuts) {
    ck_assert_int_eq(parse("{\"data\":[1, -2.5e3,4],\"raw\" : \"AAEC\" }"), 0);
    expect_cut("data", "1, -2.5e3,4", false);
    expect_cut("raw", "AAEC", true);
    ck_assert_int_eq(parse("{\"x\":{\"data\":[]},\"d\\u0061t\\u0061\":[NaN,null]}"), 0);
    expect_cut("data", "NaN,null", false);
    cJSON *x = cJSON_GetObjectItem(doc.root, "x");
    ck_assert_ptr_nonnull(json_doc_cut(&doc, cJSON_GetObjectItem(x, "data")));
    ck_assert_int_eq(parse("{\"raw\":\"a\\/b\\\\\",\"shape\":[1,2]}"), 0);
    expect_cut("raw", "a\\/b\\\\", true);
    ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(doc.root, "shape")), 2);
}
END_TEST

/* What is not bulk stays in the tree, and a number that a peer wrote itself is never taken for a cut. */
START_TEST(test_no_cuts) {
    static const char *const texts[] = {
        "{\"data\":[\"a\"]}", "{\"data\":[[1],[2]]}", "{\"data\":0,\"raw\":0}",
        "{\"data\":-0.5e1}",  "{\"data\":{\"x\":1}}", "{\"raw\":[0]}",
        "{\"raw\":null}",     "{\"data\":true}",      "{\"Data\":[1],\"dat\\u0062\":[1]}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        ck_assert_int_eq(parse(texts[i]), 0);
        const cJSON *item;
        cJSON_ArrayForEach(item, doc.root) ck_assert_ptr_null(json_doc_cut(&doc, item));
    }
    ck_assert_int_eq(parse("{\"raw\":\"x\",\"data\":0}"), 0);
    expect_cut("raw", "x", true);
    ck_assert_ptr_null(json_doc_cut(&doc, cJSON_GetObjectItem(doc.root, "data")));
    /* A string that looks like a document is a string. */
    ck_assert_int_eq(parse("{\"a\":\"\\\"data\\\":[1,2]\"}"), 0);
    ck_assert_str_eq(cJSON_GetObjectItem(doc.root, "a")->valuestring, "\"data\":[1,2]");
}
END_TEST

START_TEST(test_invalid) {
    static const char *const texts[] = {
        "",
        "{",
        "{\"data\":[1,2}",
        "{\"raw\":\"AAA",
        "{} x",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc0\x80\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\xf4\x90\x80\x80\"}",
        "{\"a\":\"b\\u0000c\"}",
        "{\"a\":\x01 1}",
        "{\"a\":\"b\x1f\"}",
        "{\"data\":[1]",
        "\"",
        "{\"data\"",
        "{\"data\":",
        "{\"data\":\"",
        "{\"raw\":\"\\",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        ck_assert_int_eq(parse(texts[i]), JSON_E_INVALID);
    ck_assert_int_eq(parse("{\"a\":\"\\\\u0000 \xc3\xa9 \xf0\x9f\x98\x80\"}\n"), 0);
}
END_TEST

START_TEST(test_cut_limit) {
    for (int n = JSON_MAX_CUTS - 1; n <= JSON_MAX_CUTS + 1; n++) {
        struct buffer b;
        buffer_init(&b, 65535);
        ck_assert_int_eq(buffer_append(&b, "[0", 2), 0);
        for (int i = 0; i < n; i++)
            ck_assert_int_eq(buffer_append(&b, ",{\"data\":[7]}", 13), 0);
        ck_assert_int_eq(buffer_append(&b, "]", 2), 0);
        ck_assert_int_eq(parse((char *)b.data), n > JSON_MAX_CUTS ? JSON_E_INVALID : 0);
        buffer_deinit(&b);
    }
}
END_TEST

START_TEST(test_int) {
    int64_t v = 7;
    ck_assert_int_eq(parse("[9007199254740992, 9007199254740994, 1.5, 3.0, -1, \"1\", 1e300]"), 0);
    ck_assert(json_int(cJSON_GetArrayItem(doc.root, 0), 0, JSON_MAX_INT, &v));
    ck_assert_int_eq(v, JSON_MAX_INT);
    static const int bad[] = {1, 2, 4, 5, 6};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        ck_assert(!json_int(cJSON_GetArrayItem(doc.root, bad[i]), 0, JSON_MAX_INT, &v));
    ck_assert(json_int(cJSON_GetArrayItem(doc.root, 3), 3, 3, &v));
    ck_assert(!json_int(cJSON_GetArrayItem(doc.root, 3), 4, 9, &v));
    ck_assert_int_eq(v, 3);
}
END_TEST

struct sample {
    const char *s;
    bool b;
    int64_t i;
    const cJSON *a, *o, *any;
};

static const struct param sample_table[] = {
    {"s", PARAM_STRING, PARAM_REQUIRED, offsetof(struct sample, s)},
    {"b", PARAM_BOOL, PARAM_OPTIONAL, offsetof(struct sample, b)},
    {"i", PARAM_INT, PARAM_OPTIONAL, offsetof(struct sample, i)},
    {"a", PARAM_ARRAY, PARAM_OPTIONAL, offsetof(struct sample, a)},
    {"o", PARAM_OBJECT, PARAM_OPTIONAL, offsetof(struct sample, o)},
    {"any", PARAM_ANY, PARAM_OPTIONAL, offsetof(struct sample, any)},
};

static const char *bad_param(const char *json, bool lenient) {
    struct sample sample = {.i = -1};
    const char *bad = NULL;
    ck_assert_int_eq(parse(json), 0);
    int r = params_read(doc.root, sample_table, ARRAY_SIZE(sample_table), lenient, &sample, &bad);
    ck_assert_int_eq(r, bad ? PARAMS_E_INVALID : 0);
    return bad;
}

START_TEST(test_params) {
    struct sample sample = {.i = -1};
    const char *bad;
    ck_assert_int_eq(parse("{\"s\":\"x\",\"b\":true,\"i\":null,\"a\":[],\"o\":{},\"any\":1}"), 0);
    ck_assert_int_eq(
        params_read(doc.root, sample_table, ARRAY_SIZE(sample_table), false, &sample, &bad), 0);
    ck_assert_str_eq(sample.s, "x");
    ck_assert(sample.b && sample.a && sample.o && sample.any);
    ck_assert_int_eq(sample.i, -1);
    ck_assert_str_eq(bad_param("{}", false), "s");
    ck_assert_str_eq(bad_param("{\"s\":null}", false), "s");
    ck_assert_str_eq(bad_param("{\"s\":1}", false), "s");
    ck_assert_str_eq(bad_param("{\"s\":\"\",\"b\":0}", false), "b");
    ck_assert_str_eq(bad_param("{\"s\":\"\",\"i\":-1}", false), "i");
    ck_assert_str_eq(bad_param("{\"s\":\"\",\"i\":\"1\"}", false), "i");
    ck_assert_str_eq(bad_param("{\"s\":\"\",\"a\":{}}", false), "a");
    ck_assert_str_eq(bad_param("{\"s\":\"\",\"o\":[]}", false), "o");
    ck_assert_str_eq(bad_param("{\"s\":\"\",\"s\":\"\"}", false), "s");
    ck_assert_str_eq(bad_param("{\"s\":\"\",\"zzz\":null}", false), "zzz");
    ck_assert_ptr_null(bad_param("{\"s\":\"\",\"zzz\":null}", true));
    ck_assert_int_eq(params_read(NULL, sample_table, 1, false, &sample, &bad), PARAMS_E_INVALID);
    ck_assert_int_eq(params_read(NULL, sample_table + 1, 1, false, &sample, &bad), 0);
}
END_TEST

START_TEST(test_call) {
    struct message_call call;
    struct diag diag;
    ck_assert_int_eq(parse("{\"method\":\"a.b.C\",\"parameters\":{\"x\":1},\"more\":true}"), 0);
    ck_assert_int_eq(message_read_call(&doc, &call, &diag), 0);
    ck_assert_str_eq(call.method, "a.b.C");
    ck_assert_ptr_nonnull(call.parameters);
    ck_assert(call.more && !call.oneway);
    ck_assert_int_eq(parse("{\"method\":\"a.b.C\",\"parameters\":null,\"oneway\":true}"), 0);
    ck_assert_int_eq(message_read_call(&doc, &call, &diag), 0);
    ck_assert_ptr_null(call.parameters);
    ck_assert(call.oneway);
    static const char *const bad[] = {
        "[]",
        "{}",
        "1",
        "{\"method\":1}",
        "{\"method\":\"a.B\",\"id\":1}",
        "{\"method\":\"a.B\",\"parameters\":[]}",
        "{\"method\":\"a.B\",\"oneway\":1}",
        "{\"method\":\"a.B\",\"upgrade\":true}",
        "{\"method\":\"a.B\",\"oneway\":true,\"more\":true}",
        "{\"method\":\"a.B\",\"method\":\"a.C\"}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        ck_assert_int_eq(parse(bad[i]), 0);
        ck_assert_int_eq(message_read_call(&doc, &call, &diag), MESSAGE_E_PROTOCOL);
    }
}
END_TEST

START_TEST(test_reply) {
    struct message_reply reply;
    struct diag diag;
    ck_assert_int_eq(parse("{\"parameters\":{},\"continues\":false}"), 0);
    ck_assert_int_eq(message_read_reply(&doc, &reply, &diag), 0);
    ck_assert(!reply.error && !reply.continues && reply.parameters);
    ck_assert_int_eq(parse("{\"error\":\"a.B\"}"), 0);
    ck_assert_int_eq(message_read_reply(&doc, &reply, &diag), 0);
    ck_assert_str_eq(reply.error, "a.B");
    ck_assert_int_eq(parse("{\"error\":\"a.B\",\"continues\":true}"), 0);
    ck_assert_int_eq(message_read_reply(&doc, &reply, &diag), MESSAGE_E_PROTOCOL);
    ck_assert_int_eq(parse("{\"trace\":1}"), 0);
    ck_assert_int_eq(message_read_reply(&doc, &reply, &diag), MESSAGE_E_PROTOCOL);
}
END_TEST

START_TEST(test_member) {
    size_t len;
    ck_assert_str_eq(message_member("io.edged.List", &len), "List");
    ck_assert_uint_eq(len, 8);
    ck_assert_ptr_null(message_member("List", &len));
    ck_assert_ptr_null(message_member(".List", &len));
    ck_assert_ptr_null(message_member("io.edged.", &len));
}
END_TEST

START_TEST(test_write) {
    struct buffer b;
    struct json_writer w;
    buffer_init(&b, 4096);
    message_begin_call(&w, &b, "io.edged.Infer", true, false);
    json_key(&w, "s");
    json_put_string(&w, "a\"\\\n\x01\x7f\xff\xc3\xa9");
    json_key(&w, "list");
    json_begin_array(&w);
    json_put_int(&w, INT64_MIN);
    json_put_uint(&w, UINT64_MAX);
    json_begin_object(&w);
    json_end_object(&w);
    json_put_bool(&w, true);
    json_put_null(&w);
    json_put_float(&w, 0.5F);
    json_end_array(&w);
    ck_assert_int_eq(message_end(&w), 0);
    ck_assert_str_eq((char *)b.data,
                     "{\"method\":\"io.edged.Infer\",\"oneway\":true,\"parameters\":{"
                     "\"s\":\"a\\\"\\\\\\n\\u0001\\u007f\xef\xbf\xbd\xc3\xa9\","
                     "\"list\":[-9223372036854775808,18446744073709551615,{},true,null,0.5]}}");
    ck_assert_uint_eq(b.len, strlen((char *)b.data) + 1);
    b.len = 0;
    message_begin_reply(&w, &b, "io.edged.Internal");
    ck_assert_int_eq(message_end(&w), 0);
    ck_assert_str_eq((char *)b.data, "{\"error\":\"io.edged.Internal\",\"parameters\":{}}");
    b.len = 0;
    b.max = 30;
    message_begin_reply(&w, &b, NULL);
    json_key(&w, "text");
    json_put_string(&w, "longer than the buffer may become");
    ck_assert_int_eq(message_end(&w), -EMSGSIZE);
    buffer_deinit(&b);
}
END_TEST

static void member(const char *object, const char *key, const char *want) {
    size_t len = 0;
    const char *found = json_member_text(object, strlen(object), key, &len);
    if (!want) {
        ck_assert_ptr_null(found);
        return;
    }
    ck_assert_ptr_nonnull(found);
    ck_assert_uint_eq(len, strlen(want));
    ck_assert_mem_eq(found, want, len);
}

START_TEST(test_member_text) {
    member("{}", "a", NULL);
    member(" { \"a\" : 1 } ", "b", NULL);
    member("{\"a\":1}", "a", "1");
    member("{\"b\":{\"a\":2},\"a\":[{\"a\":3},\"]\"],\"c\":4}", "a", "[{\"a\":3},\"]\"]");
    member("{\"b\":\"a\",\"\\u0061\":\"x\\\"}\"}", "a", "\"x\\\"}\"");
    member("{\"a\":-1.5e3,\"b\":true}", "a", "-1.5e3");
    member("{\"a\":1,\"b\":true}", "b", "true");
    member("{\"a\":1,\"a\":{}}", "a", "{}");
}
END_TEST

int main(void) {
    Suite *s = suite_create("json");
    TCase *t = tcase_create("json");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_cuts);
    tcase_add_test(t, test_no_cuts);
    tcase_add_test(t, test_invalid);
    tcase_add_test(t, test_cut_limit);
    tcase_add_test(t, test_int);
    tcase_add_test(t, test_params);
    tcase_add_test(t, test_call);
    tcase_add_test(t, test_reply);
    tcase_add_test(t, test_member);
    tcase_add_test(t, test_write);
    tcase_add_test(t, test_member_text);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
