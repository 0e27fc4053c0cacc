/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Damaged files: every .tflite under the shared folder, and the .edge made of each that can be read, cut short at every
 * length and with single bits flipped. Each must give an error or a network that passes the check, and nothing may be
 * read outside: a file's bytes end at a page that cannot be touched. One file is one test, in a process of its own.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arith.h"
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
#include "tests/exact.h"
#include "tests/networks.h"

#define EVERY_LENGTH ((size_t)64 << 10) /* cut at every length up to here, then at every … */
#define CUT_STEP 997                    /* … so many bytes */
#define FLIPS 10000                     /* of each file */
#define SMALL_FILE ((size_t)64 << 10)
#define DEFAULT_SEED 20210701

static glob_t networks;
static uint64_t seed;
static size_t thin = 1; /* one of so many cuts and flips is tried */

/* A result is an error that says why, or a network that passes. */
static void check_result(int r, struct graph *graph, struct diag *diag) {
    if (r == 0)
        r = graph_check(graph, diag);
    else if (r < 0 || diag->text[0] == 0)
        ck_abort_msg("code %d: '%s'", r, diag->text);
    else
        r = 0;
    ck_assert_msg(r == 0, "a network that was read does not pass: %s", diag->text);
    graph_free(graph);
}

static void try_tflite(const uint8_t *data, size_t size) {
    struct graph *graph = NULL;
    struct diag diag = {.text = ""};
    int r = tflite_read(data, size, &graph, &diag);
    check_result(r, graph, &diag);
}

/* Reads a mapping of `size` bytes, which goes when this succeeds. */
static int try_edge(uint8_t *data, size_t size) {
    struct map map = {.data = data, .size = size};
    struct graph *graph = NULL;
    struct diag diag = {.text = ""};
    exact_guard(data, size);
    int r = container_read(&map, &graph, &diag);
    check_result(r, graph, &diag);
    exact_unguard(data, size);
    return r;
}

/* `size` bytes that end at a page that faults. */
static uint8_t *guarded(size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = ALIGN_UP(size, page);
    uint8_t *data =
        mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(data, MAP_FAILED);
    ck_assert_int_eq(mprotect(data + room, page, PROT_NONE), 0);
    return data + room - size;
}

static size_t next_length(size_t len) {
    return len + (len < EVERY_LENGTH ? 1 : CUT_STEP) * thin;
}

static struct map read_file(int i) {
    struct map map = {0};
    struct diag diag;
    ck_assert_int_eq(map_read_file(networks.gl_pathv[i], SIZE_MAX / 2, &map, &diag), 0);
    return map;
}

START_TEST(test_tflite_cut) {
    _cleanup_(map_deinit) struct map map = read_file(_i);
    uint8_t *copy = guarded(map.size), *end = copy + map.size;
    for (size_t len = 0; len < map.size; len = next_length(len)) {
        memcpy(end - len, map.data, len);
        try_tflite(end - len, len);
    }
}
END_TEST

START_TEST(test_tflite_flips) {
    _cleanup_(map_deinit) struct map map = read_file(_i);
    struct random random = {.state = seed + (uint64_t)_i};
    uint8_t *copy = guarded(map.size);
    memcpy(copy, map.data, map.size);
    for (size_t i = 0; i < FLIPS / thin; i++) {
        size_t at = random_below(&random, (uint32_t)map.size);
        uint8_t bit = (uint8_t)(1U << random_below(&random, 8));
        copy[at] ^= bit;
        try_tflite(copy, map.size);
        copy[at] ^= bit;
    }
}
END_TEST

/* The network as .edge in a memfd, of which every attempt maps a private copy; -1 where it cannot be read. */
static int edge_memfd(int i, size_t *ret_size) {
    struct map map = read_file(i), image;
    struct graph *graph = NULL;
    struct buffer b;
    struct diag diag;
    int fd = -1;
    int r = tflite_read(map.data, map.size, &graph, &diag);
    map_deinit(&map);
    if (r)
        return -1;
    buffer_init(&b, CONTAINER_MAX_BYTES);
    ck_assert_int_eq(container_write(graph, &b, &diag), 0);
    graph_free(graph);
    ck_assert_int_eq(memfd_new("edge", b.len, &fd), 0);
    ck_assert_int_eq(map_shared(fd, b.len, &image), 0);
    memcpy(image.data, b.data, b.len);
    *ret_size = b.len;
    map_deinit(&image);
    buffer_deinit(&b);
    return fd;
}

static uint8_t *map_private(int fd, size_t size) {
    uint8_t *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    ck_assert_ptr_ne(data, MAP_FAILED);
    return data;
}

/* No part of a file is a file. */
START_TEST(test_edge_cut) {
    size_t size;
    _cleanup_(fd_closep) int fd = edge_memfd(_i, &size);
    if (fd < 0)
        return;
    uint8_t *data = map_private(fd, size);
    for (size_t len = 0; len < size; len = next_length(len))
        ck_assert_int_eq(try_edge(data, len), MODEL_E_INVALID);
    ck_assert_int_eq(try_edge(data, size), 0);
}
END_TEST

/* Checksums of the table, and of the segment that byte `at` is in. */
static void fix_checksums(uint8_t *file, size_t size, size_t at) {
    uint32_t n = MIN(load_le16(file + HEADER_SEGMENTS), (uint16_t)3);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *entry = file + HEADER_SIZE + i * ENTRY_SIZE;
        uint64_t offset = load_le64(entry + ENTRY_OFFSET), stored = load_le64(entry + ENTRY_STORED);
        if (at >= offset && range_within(offset, stored, size) && at - offset < stored)
            store_le32(entry + ENTRY_CHECKSUM, crc32c(file + offset, stored));
    }
    store_le32(file + HEADER_CHECKSUM,
               crc32c(file + HEADER_VERSION, HEADER_SIZE + n * ENTRY_SIZE - HEADER_VERSION));
}

/* Anywhere: a checksum always finds it. */
START_TEST(test_edge_flips) {
    size_t size;
    struct random random = {.state = seed + (uint64_t)_i};
    _cleanup_(fd_closep) int fd = edge_memfd(_i, &size);
    if (fd < 0)
        return;
    uint8_t *data = map_private(fd, size);
    for (size_t i = 0; i < FLIPS / thin; i++) {
        size_t at = random_below(&random, (uint32_t)size);
        uint8_t bit = (uint8_t)(1U << random_below(&random, 8));
        data[at] ^= bit;
        ck_assert_int_gt(try_edge(data, size), 0);
        data[at] ^= bit;
    }
    munmap(data, size);
}
END_TEST

/* In front of the constants, with the checksums put right: what parses them is reached. In small files among the scales
 * too, whose checksum is that of all constants. */
START_TEST(test_edge_forged) {
    size_t size;
    struct random random = {.state = seed + (uint64_t)_i};
    _cleanup_(fd_closep) int fd = edge_memfd(_i, &size);
    uint8_t *data = NULL;
    for (size_t i = 0; fd >= 0 && i < FLIPS / thin; i++) {
        uint8_t table[HEADER_SIZE + 3 * ENTRY_SIZE];
        if (!data)
            data = map_private(fd, size);
        size_t front = load_le64(data + HEADER_SIZE + 2 * ENTRY_SIZE + ENTRY_OFFSET);
        size_t range = size > SMALL_FILE ? front : MIN(front + front / 4, size);
        size_t at = random_below(&random, (uint32_t)range);
        uint8_t bit = (uint8_t)(1U << random_below(&random, 8));
        memcpy(table, data, sizeof(table));
        data[at] ^= bit;
        fix_checksums(data, size, at);
        if (try_edge(data, size) == 0) {
            data = NULL;
            continue;
        }
        data[at] ^= bit;
        memcpy(data, table, sizeof(table));
    }
    if (data)
        munmap(data, size);
}
END_TEST

/* `test-truncation tflite [THIN]` or `test-truncation edge [THIN]`: half of the work each. */
int main(int argc, char **argv) {
    const char *given = getenv("TEST_SEED");
    bool edge = argc > 1 && strcmp(argv[1], "edge") == 0;
    if (argc > 2)
        thin = MAX(strtoul(argv[2], NULL, 10), (size_t)1);
    seed = given ? strtoull(given, NULL, 0) : DEFAULT_SEED;
    printf("TEST_SEED=%llu, one of %zu cuts and flips\n", (unsigned long long)seed, thin);
    networks_find(&networks, true);
    int n = (int)networks.gl_pathc;
    Suite *suite = suite_create("truncation");
    TCase *tc = tcase_create("truncation");
    tcase_set_timeout(tc, 1800);
    if (edge) {
        tcase_add_loop_test(tc, test_edge_cut, 0, n);
        tcase_add_loop_test(tc, test_edge_flips, 0, n);
        tcase_add_loop_test(tc, test_edge_forged, 0, n);
    } else {
        tcase_add_loop_test(tc, test_tflite_cut, 0, n);
        tcase_add_loop_test(tc, test_tflite_flips, 0, n);
    }
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    globfree(&networks);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
