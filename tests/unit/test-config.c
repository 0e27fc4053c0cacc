/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config/: every setting and its range, messages with file and line, drop-ins, the shipped file.
 */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "config/config.h"
#include "kernels/cpu.h"

static char dir[] = "/tmp/edged-test-config.XXXXXX";
static char path[sizeof(dir) + 16];

static void setup(void) {
    strcpy(strrchr(dir, '.'), ".XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/edged.conf", dir);
}

static void teardown(void) {
    static const char *const names[] = {"edged.conf.d/10-a.conf", "edged.conf.d/9-b.conf",
                                        "edged.conf.d/.hidden.conf", "edged.conf.d/note.txt",
                                        "edged.conf"};
    char name[sizeof(dir) + 64];
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(name, sizeof(name), "%s/%s", dir, names[i]);
        unlink(name);
    }
    snprintf(name, sizeof(name), "%s/edged.conf.d", dir);
    rmdir(name);
    ck_assert_int_eq(rmdir(dir), 0);
}

static void put(const char *name, const char *text) {
    char full[sizeof(dir) + 64];
    snprintf(full, sizeof(full), "%s/%s", dir, name);
    FILE *f = fopen(full, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static void assert_equal(const struct config *a, const struct config *b) {
    ck_assert_str_eq(a->socket, b->socket);
    ck_assert_uint_eq(a->socket_mode, b->socket_mode);
    ck_assert_str_eq(a->models, b->models);
    ck_assert_uint_eq(a->workers, b->workers);
    ck_assert_str_eq(a->cpu, b->cpu);
    ck_assert_str_eq(a->crossover_file, b->crossover_file);
    ck_assert_str_eq(a->admin_users, b->admin_users);
    ck_assert_int_eq(a->log_level, b->log_level);
    ck_assert_uint_eq(a->max_batch, b->max_batch);
    ck_assert_uint_eq(a->queue, b->queue);
    ck_assert_uint_eq(a->max_connections, b->max_connections);
    ck_assert_uint_eq(a->max_connections_per_user, b->max_connections_per_user);
    ck_assert_uint_eq(a->max_message, b->max_message);
    ck_assert_uint_eq(a->memory_per_user, b->memory_per_user);
}

/* Nothing in it is a default. */
static const char all_settings[] = "\xef\xbb\xbf[server]\n"
                                   "socket=/s\n"
                                   "socket-mode = 600\n"
                                   "  models =  /m  ; where they are\n"
                                   "workers = 3\r\n"
                                   "; a comment\n"
                                   "# another\n"
                                   "cpu = c\n"
                                   "crossover-file = /tmp/c\n"
                                   "admin-users = anna, 1000\n"
                                   "log-level = debug\n"
                                   "\n"
                                   "[limits]\n"
                                   "max-batch = 4096\n"
                                   "queue = 1\n"
                                   "max-connections = 2\n"
                                   "max-connections-per-user = 1\n"
                                   "max-message = 4K\n"
                                   "memory-per-user = 3G";

START_TEST(test_all_settings) {
    struct config c;
    struct diag diag;
    config_defaults(&c);
    ck_assert_int_eq(config_parse(&c, "f", all_settings, sizeof(all_settings) - 1, &diag), 0);
    const struct config expected = {
        .socket = "/s",
        .socket_mode = 0600,
        .models = "/m",
        .workers = 3,
        .cpu = "c",
        .crossover_file = "/tmp/c",
        .admin_users = "anna, 1000",
        .log_level = LOG_LEVEL_DEBUG,
        .max_batch = 4096,
        .queue = 1,
        .max_connections = 2,
        .max_connections_per_user = 1,
        .max_message = 4096,
        .memory_per_user = UINT64_C(3) << 30,
    };
    assert_equal(&c, &expected);
    ck_assert_str_eq(c.admin_users_origin, "f:10");
}
END_TEST

static const struct {
    const char *text;
    const char *message;
} bad[] = {
    {"[server]\n\nworkers = x\n", "f:3: workers: 'x' is not a number"},
    {"[server]\nworkers = -1", "f:2: workers: '-1' is not a number"},
    {"[server]\nworkers = 1K", "f:2: workers: '1K' is not a number"},
    {"[server]\nworkers =", "f:2: workers: '' is not a number"},
    {"[server]\nworkers = 257", "f:2: workers: 257 is not within 0 to 256"},
    {"[limits]\nqueue = 0", "f:2: queue: 0 is not within 1 to 65536"},
    {"[limits]\nmax-batch = 99999999999999999999", "f:2: max-batch: '99999999999999999999' is not"},
    {"[limits]\nmax-message = 16T", "f:2: max-message: '16T' is not a number of bytes"},
    {"[limits]\nmax-message = 1KB", "f:2: max-message: '1KB' is not a number of bytes"},
    {"[limits]\nmax-message = 99999999999G", "f:2: max-message: '99999999999G' is not a number"},
    {"[limits]\nmax-message = 3K", "f:2: max-message: 3K is not within 4096 to 1073741824"},
    {"[limits]\nmax-message = 1025M", "f:2: max-message: 1025M is not within"},
    {"[server]\nsocket =", "f:2: socket: must not be empty"},
    {"[server]\nsocket-mode = 668", "f:2: socket-mode: '668' is not a mode like 0660"},
    {"[server]\nsocket-mode = 01660", "f:2: socket-mode: '01660' is not a mode"},
    {"[server]\nsocket-mode =", "f:2: socket-mode: '' is not a mode"},
    {"[server]\ncpu = sse9", "f:2: cpu: 'sse9' is not auto, c,"},
    {"[server]\nlog-level = loud", "f:2: log-level: 'loud' is not error,"},
    {"[server]\nthreads = 1", "f:2: unknown key 'threads' in [server]"},
    {"[server]\nqueue = 1", "f:2: 'queue' belongs in [limits], not in [server]"},
    {"workers = 1", "f:1: 'workers' stands before the first [section]"},
    {"[servers]\n", "f:1: unknown section [servers]"},
    {"[]\n", "f:1: unknown section []"},
    {"[server]\nworkers = 1\n[limits\nqueue = 1", "f:3: ']' is missing"},
    {"[server]\nworkers\nworkers = x", "f:2: neither a [section] nor key = value"},
    {"[server]\nworkers = 1\n= 3\n", "f:3: unknown key '' in [server]"},
};

START_TEST(test_messages) {
    struct config c, before;
    struct diag diag;
    config_defaults(&c);
    before = c;
    int r = config_parse(&c, "f", bad[_i].text, strlen(bad[_i].text), &diag);
    ck_assert_int_eq(r, CONFIG_E_INVALID);
    ck_assert_msg(strncmp(diag.text, bad[_i].message, strlen(bad[_i].message)) == 0,
                  "says '%s', not '%s'", diag.text, bad[_i].message);
    assert_equal(&c, &before);
}
END_TEST

START_TEST(test_line_length) {
    struct config c;
    struct diag diag;
    char text[400] = "[server]\nadmin-users=";
    size_t head = strlen(text);
    size_t line = strlen("admin-users=");
    for (size_t len = 150; len < 300; len++) {
        memset(text + head, 'a', len - line);
        config_defaults(&c);
        int r = config_parse(&c, "f", text, head + len - line, &diag);
        if (len < 200) {
            ck_assert_int_eq(r, 0);
            ck_assert_uint_eq(strlen(c.admin_users), len - line);
        } else {
            ck_assert_int_eq(r, CONFIG_E_INVALID);
            ck_assert_str_eq(diag.text, "f:2: longer than 199 bytes");
        }
    }
    ck_assert_int_eq(config_parse(&c, "f", "[server]\n#\0#\n", 13, &diag), CONFIG_E_INVALID);
    ck_assert_str_eq(diag.text, "f:2: a NUL byte");
}
END_TEST

START_TEST(test_text_limit) {
    struct config c;
    struct diag diag;
    char value[CONFIG_SOCKET_MAX + 1];
    config_defaults(&c);
    memset(value, 'a', sizeof(value));
    value[CONFIG_SOCKET_MAX - 1] = 0;
    ck_assert_int_eq(config_set(&c, "server", "socket", value, &diag), 0);
    ck_assert_str_eq(c.socket, value);
    value[CONFIG_SOCKET_MAX - 1] = 'a';
    value[CONFIG_SOCKET_MAX] = 0;
    ck_assert_int_eq(config_set(&c, "server", "socket", value, &diag), CONFIG_E_INVALID);
    ck_assert_str_eq(diag.text, "socket: longer than 107 bytes");
}
END_TEST

START_TEST(test_tiers) {
    struct config c;
    struct diag diag;
    config_defaults(&c);
    for (enum tier t = TIER_C; t < TIER_END; t++) {
        ck_assert_int_eq(config_set(&c, "server", "cpu", tier_name(t), &diag), 0);
        ck_assert_str_eq(c.cpu, tier_name(t));
    }
}
END_TEST

START_TEST(test_missing_file) {
    struct config c, expected;
    struct diag diag;
    config_defaults(&expected);
    ck_assert_int_eq(config_read(path, false, &c, &diag), 0);
    assert_equal(&c, &expected);
    ck_assert_int_eq(config_read(path, true, &c, &diag), -ENOENT);
    ck_assert_ptr_nonnull(strstr(diag.text, path));
    ck_assert_int_eq(config_read(dir, false, &c, &diag), -EINVAL);
}
END_TEST

START_TEST(test_drop_ins) {
    struct config c;
    struct diag diag;
    char full[sizeof(dir) + 64];
    put("edged.conf", "[limits]\nqueue = 5\nmax-batch = 6\n");
    snprintf(full, sizeof(full), "%s/edged.conf.d", dir);
    ck_assert_int_eq(mkdir(full, 0700), 0);
    put("edged.conf.d/10-a.conf", "[limits]\nqueue = 10\n[server]\nworkers = 10\n");
    put("edged.conf.d/9-b.conf", "[server]\nworkers = 9\n");
    put("edged.conf.d/.hidden.conf", "no\n");
    put("edged.conf.d/note.txt", "no\n");
    ck_assert_int_eq(config_read(path, true, &c, &diag), 0);
    ck_assert_uint_eq(c.queue, 10);
    ck_assert_uint_eq(c.max_batch, 6);
    ck_assert_uint_eq(c.workers, 9);

    put("edged.conf.d/10-a.conf", "[limits]\nqueue = 0\n");
    snprintf(full, sizeof(full), "%s/edged.conf.d/10-a.conf:2: queue: 0 is not within 1 to 65536",
             dir);
    ck_assert_int_eq(config_read(path, true, &c, &diag), CONFIG_E_INVALID);
    ck_assert_str_eq(diag.text, full);

    /* Drop-ins count without the main file too. */
    put("edged.conf.d/10-a.conf", "");
    snprintf(full, sizeof(full), "%s/edged.conf", dir);
    unlink(full);
    ck_assert_int_eq(config_read(path, false, &c, &diag), 0);
    ck_assert_uint_eq(c.workers, 9);
}
END_TEST

/* Takes the '#' off every line that starts with "#key". */
static void uncomment(char *text, size_t size) {
    for (size_t i = 0; i + 1 < size; i++)
        if (text[i] == '#' && (i == 0 || text[i - 1] == '\n') && text[i + 1] >= 'a' &&
            text[i + 1] <= 'z')
            text[i] = ' ';
}

START_TEST(test_shipped_file) {
    struct config c, expected;
    struct diag diag;
    struct map map;
    config_defaults(&expected);
    ck_assert_int_eq(config_read(EDGED_SOURCE "/config/edged.conf", true, &c, &diag), 0);
    assert_equal(&c, &expected);

    /* Start from other values, so that a setting the file does not show is noticed. */
    ck_assert_int_eq(map_read_file(EDGED_SOURCE "/config/edged.conf", 65536, &map, &diag), 0);
    ck_assert_int_eq(config_parse(&c, "f", all_settings, sizeof(all_settings) - 1, &diag), 0);
    uncomment(map.data, map.size);
    int r = config_parse(&c, "edged.conf", map.data, map.size, &diag);
    ck_assert_msg(r == 0, "%s", diag.text);
    assert_equal(&c, &expected);
    map_deinit(&map);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("config");
    TCase *tc = tcase_create("text");
    tcase_add_test(tc, test_all_settings);
    tcase_add_loop_test(tc, test_messages, 0, ARRAY_SIZE(bad));
    tcase_add_test(tc, test_line_length);
    tcase_add_test(tc, test_text_limit);
    tcase_add_test(tc, test_tiers);
    tcase_add_test(tc, test_shipped_file);
    suite_add_tcase(suite, tc);
    tc = tcase_create("files");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_missing_file);
    tcase_add_test(tc, test_drop_ins);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
