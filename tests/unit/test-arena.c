/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon/arena: alignment, zeros, the limit, cJSON through the hooks.
 */

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "daemon/arena.h"

static struct arena arena;

static void setup(void) {
    arena_init(&arena);
}

static void teardown(void) {
    arena_deinit(&arena);
}

START_TEST(test_alloc) {
    for (int round = 0; round < 3; round++) {
        for (size_t size = 0; size < 300; size += 7) {
            unsigned char *p = arena_alloc(&arena, size);
            ck_assert_ptr_nonnull(p);
            ck_assert_uint_eq((uintptr_t)p % 16, 0);
            for (size_t i = 0; i < size; i++)
                ck_assert_uint_eq(p[i], 0);
            memset(p, 0xff, size);
        }
        arena_reset(&arena);
        ck_assert_uint_eq(arena.total, ARENA_FIRST);
    }
}
END_TEST

START_TEST(test_limit) {
    ck_assert_ptr_null(arena_alloc(&arena, ARENA_MAX + 1));
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX));
    ck_assert_ptr_nonnull(arena_alloc(&arena, ARENA_MAX));
    ck_assert_ptr_null(arena_alloc(&arena, 1));
    arena_reset(&arena);
    size_t n = 0;
    while (arena_alloc(&arena, 1024))
        n++;
    ck_assert_uint_ge(n, ARENA_MAX / 1024 - 8);
    ck_assert_uint_le(arena.total, ARENA_MAX);
}
END_TEST

START_TEST(test_cjson) {
    arena_install_hooks();
    ck_assert_ptr_null(cJSON_Parse("[1,2]"));
    arena_use(&arena);
    cJSON *json = cJSON_Parse("{\"a\":[1,2,\"three\"]}");
    ck_assert_str_eq(cJSON_GetArrayItem(cJSON_GetObjectItem(json, "a"), 2)->valuestring, "three");
    cJSON_Delete(json);
    arena_use(NULL);
    cJSON_InitHooks(NULL);
}
END_TEST

int main(void) {
    Suite *s = suite_create("arena");
    TCase *t = tcase_create("arena");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_alloc);
    tcase_add_test(t, test_limit);
    tcase_add_test(t, test_cjson);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
