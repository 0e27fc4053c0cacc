/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report's page: elements are closed, texts from outside do nothing, nothing is loaded, numbers are the document's.
 */

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "compress/plot.h"
#include "compress/report-html.h"

/* A name that would end an element, an attribute or the page, and bytes that are no UTF-8. */
#define EVIL "<script>alert('1')</script>\\\" onload=\\\"x\\\" & \\u0001"

static const char document[] =
    "{\"format\":1,\"model\":\"" EVIL "\",\"input\":\"in" EVIL
    "\",\"seed\":41,\"machine\":{\"cpu\":\"" EVIL
    "\",\"tier\":\"c\"},\"metric\":\"top1\",\"data\":{\"eval\":{\"path\":\"" EVIL "\",\"n\":338}},"
    "\"before\":{\"bytes\":90123,\"memory\":100001,\"nonzeros\":22344,\"effective_macs\":2656512,"
    "\"latency_us\":81.25,\"score\":0.9875},"
    "\"after\":{\"bytes\":30041,\"memory\":40009,\"nonzeros\":11007,\"effective_macs\":1300001,"
    "\"latency_us\":40.125,\"score\":0.9843,\"drop\":0.32,\"drop_low\":-0.5,\"drop_high\":1.25},"
    "\"steps\":[{\"pass\":\"prune\",\"summary\":\"" EVIL "\",\"bytes\":60077,\"nonzeros\":11011,"
    "\"macs\":2656512,\"score\":0.9851}],"
    "\"layers\":[{\"name\":\"" EVIL "\",\"was\":\"conv1\",\"kind\":\"conv\",\"shape\":[3,3,1,8],"
    "\"parameters\":72,\"density\":0.5,\"bits\":8,\"bytes_stored\":61,\"encoding\":\"" EVIL "\","
    "\"bytes_memory\":96,\"kernel\":\"k" EVIL "\",\"why\":\"" EVIL "\",\"macs\":7200,"
    "\"effective_macs\":3600,\"sqnr_db\":31.5,\"cost\":-0.25,"
    "\"histogram_before\":{\"min\":-1,\"max\":1,\"counts\":[1,5,2]},"
    "\"histogram_after\":{\"min\":-0.5,\"max\":1,\"counts\":[0,4,2]}}],"
    "\"sensitivity\":[{\"layer\":\"" EVIL "\",\"technique\":\"" EVIL "\",\"points\":["
    "{\"strength\":0.5,\"score\":0.98,\"bytes\":80000},{\"strength\":0.9,\"score\":0.2,\"bytes\":"
    "70000}]}],"
    "\"points\":[{\"label\":\"" EVIL "\",\"score\":0.9843,\"bytes\":30041,\"latency_us\":40.125,"
    "\"feasible\":true,\"chosen\":true},{\"label\":\"" EVIL "\",\"score\":0.3,\"bytes\":9000,"
    "\"latency_us\":20,\"feasible\":false,\"chosen\":false}],"
    "\"choices\":[{\"layer\":\"" EVIL "\",\"technique\":\"t\",\"strength\":0.5,\"why\":\"" EVIL
    "\"}],"
    "\"recipe\":{\"seed\":41,\"steps\":[{\"pass\":\"" EVIL "\"}]}}";

static char *page_of(const char *json) {
    struct buffer buffer;
    buffer_init(&buffer, (size_t)1 << 22);
    cJSON *d = cJSON_Parse(json);
    ck_assert_ptr_nonnull(d);
    ck_assert_int_eq(report_html(d, &buffer), 0);
    cJSON_Delete(d);
    ck_assert_int_eq(buffer_append(&buffer, "", 1), 0);
    return (char *)buffer.data;
}

/* The element that is never closed, or one that is closed but not open; NULL: all is well. */
static const char *unbalanced(const char *p) {
    static char name[32];
    char open[64][32];
    size_t depth = 0;
    while ((p = strchr(p, '<'))) {
        bool end = p[1] == '/';
        size_t n = strspn(p + 1 + end, "abcdefghijklmnopqrstuvwxyz123456789");
        const char *close = strchr(p, '>');
        if (p[1] == '!') { /* the document type */
            p++;
            continue;
        }
        if (!n || n >= sizeof(name) || !close || depth == 64)
            return p;
        snprintf(name, sizeof(name), "%.*s", (int)n, p + 1 + end);
        p = close;
        if (end && (depth == 0 || strcmp(open[--depth], name)))
            return name;
        if (!end && close[-1] != '/' && strcmp(name, "meta") && strcmp(name, "br"))
            memcpy(open[depth++], name, sizeof(name));
    }
    return depth ? strcpy(name, open[depth - 1]) : NULL;
}

START_TEST(test_structure) {
    char *page = page_of(document);
    ck_assert_ptr_eq(strstr(page, "<!DOCTYPE html>\n<html lang=\"en\">"), page);
    const char *wrong = unbalanced(page);
    ck_assert_msg(!wrong, "%s", wrong);
    static const char *const parts[] = {"<h2>What it costs</h2>",    "<h2>Steps</h2>",
                                        "<h2>Layers</h2>",           "<h2>Choices</h2>",
                                        "<h2>Sensitivity</h2>",      "<h2>Weights</h2>",
                                        "<h2>Recipe</h2>",           "<h2>How it was measured</h2>",
                                        "prefers-color-scheme:dark", "name=\"viewport\"",
                                        "class=\"front\"",           "class=\"dot after\""};
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        ck_assert_msg(strstr(page, parts[i]) != NULL, "no %s", parts[i]);
    free(page);
}
END_TEST

/* Nothing of it is an element or an attribute, and nothing comes from elsewhere. */
START_TEST(test_outside_texts) {
    char *page = page_of(document);
    static const char *const never[] = {
        "<script", "onload=\"", "http:", "https:", "url(", "src=", "\x01"};
    for (size_t i = 0; i < ARRAY_SIZE(never); i++)
        ck_assert_msg(!strstr(page, never[i]), "%s", never[i]);
    ck_assert_ptr_nonnull(
        strstr(page, "<h1>&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot; onload=&quot;"
                     "x&quot; &amp; ?, 3.00×"));
    free(page);
}
END_TEST

START_TEST(test_numbers) {
    char *page = page_of(document);
    static const double numbers[] = {90123,  30041,  22344, 11007,  2656512, 1300001, 81.25,
                                     40.125, 0.9843, 60077, 0.9851, 0.5,     61,      31.5,
                                     -0.25,  3600,   96,    100001, 40009};
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        char value[64];
        snprintf(value, sizeof(value), "<data value=\"%.17g\">", numbers[i]);
        ck_assert_msg(strstr(page, value) != NULL, "%s", value);
    }
    ck_assert_ptr_nonnull(strstr(page, "drop 0.32"));
    ck_assert_ptr_nonnull(strstr(page, "−0.50 to 1.25"));
    ck_assert_ptr_nonnull(strstr(page, "<dd><data value=\"41\">41</data></dd>"));
    free(page);
}
END_TEST

/* A report without data, without search: what is not known is left out. */
START_TEST(test_parts_missing) {
    static const char *const documents[] = {
        "{}",
        "{\"format\":1,\"model\":\"m\",\"before\":{\"bytes\":10},\"after\":{\"bytes\":5}}",
        "{\"points\":[],\"layers\":[{}],\"steps\":[{}],\"sensitivity\":[{}],\"choices\":[{}]}",
        "{\"data\":{\"eval\":{}},\"before\":{\"score\":1,\"bytes\":4},\"after\":{\"score\":1,"
        "\"bytes\":4},"
        "\"sensitivity\":[{\"layer\":\"a\",\"technique\":\"b\",\"points\":[{}]}]}",
        "{\"metric\":\"mse\",\"data\":{\"eval\":{}},\"before\":{\"score\":0,\"bytes\":4},"
        "\"after\":{\"score\":0.5,\"bytes\":4,\"drop\":1e300}}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
        char *page = page_of(documents[i]);
        const char *wrong = unbalanced(page);
        ck_assert_msg(!wrong, "%zu: %s", i, wrong);
        ck_assert_msg(!strstr(page, "nan") && !strstr(page, "inf"), "%zu", i);
        free(page);
    }
}
END_TEST

START_TEST(test_numbers_for_people) {
    char text[MARKUP_MAX_NUMBER];
    ck_assert_str_eq(markup_bytes(1023, text), "1023\u00a0B");
    ck_assert_str_eq(markup_bytes(1536, text), "1.5\u00a0KiB");
    ck_assert_str_eq(markup_bytes((double)NAN, text), "–");
    ck_assert_str_eq(markup_count(999, text), "999");
    ck_assert_str_eq(markup_count(1000, text), "1,000");
    ck_assert_str_eq(markup_count(-1234567, text), "-1,234,567");
    ck_assert_str_eq(markup_us(12.34, text), "12.3\u00a0µs");
    ck_assert_str_eq(markup_us(1240, text), "1.24\u00a0ms");
    ck_assert_str_eq(markup_ratio(12.34, text), "12.3×");
    ck_assert_str_eq(markup_ratio((double)INFINITY, text), "–");
}
END_TEST

START_TEST(test_axes) {
    struct axis axis;
    axis_linear(&axis, 0.943, 0.994, 6);
    ck_assert_uint_eq(axis.n_ticks, 5); /* 0.95 to 0.99 */
    ck_assert_double_eq_tol(axis.ticks[0], 0.95, 1e-12);
    ck_assert_double_eq_tol(axis.ticks[4], 0.99, 1e-12);
    axis_linear(&axis, 3, 3, 4);
    ck_assert_double_eq_tol(axis_at(&axis, 3), 0.5, 1e-12);
    axis_sizes(&axis, 10000, 1700000, 6, false);
    ck_assert(axis.log);
    ck_assert_uint_eq(axis.n_ticks, 4); /* 16, 64, 256 KiB, 1 MiB */
    ck_assert_double_eq_tol(axis.ticks[0], 16384, 1e-6);
    ck_assert_double_eq_tol(axis.ticks[3], 1048576, 1e-6);
    axis_sizes(&axis, 30000, 92800, 6, false);
    ck_assert(!axis.log);
    ck_assert_uint_eq(axis.n_ticks, 5); /* 0 to 80 KiB */
    ck_assert_double_eq_tol(axis.ticks[4], 81920, 1e-6);
    axis_sizes(&axis, 1, 100, 6, true);
    ck_assert_double_eq_tol(axis_at(&axis, 10), 0.5, 1e-12);
    ck_assert(axis_at(&axis, 1e9) == 1);
    ck_assert(axis_at(&axis, 0) == 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("report-html");
    TCase *tc = tcase_create("report-html");
    tcase_add_test(tc, test_structure);
    tcase_add_test(tc, test_outside_texts);
    tcase_add_test(tc, test_numbers);
    tcase_add_test(tc, test_parts_missing);
    tcase_add_test(tc, test_numbers_for_people);
    tcase_add_test(tc, test_axes);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
