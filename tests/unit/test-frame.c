/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/frame: messages in odd pieces, limits, descriptors that belong to the right message.
 */

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/random.h"
#include "proto/frame.h"

static int pair[2];
static struct frame_reader reader;
static struct frame_message message;

static void setup(void) {
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    frame_reader_init(&reader, 100000);
    frame_message_init(&message);
}

static void teardown(void) {
    frame_message_deinit(&message);
    frame_reader_deinit(&reader);
    fd_close(pair[0]);
    fd_close(pair[1]);
}

static void send_bytes(const void *data, size_t len, const int *fds, size_t n_fds) {
    struct iovec iov = {.iov_base = (void *)data, .iov_len = len};
    size_t n;
    ck_assert_int_eq(frame_send(pair[0], &iov, 1, fds, n_fds, 0, &n), 0);
    ck_assert_uint_eq(n, len);
}

static int receive(void) {
    size_t n;
    return frame_recv(&reader, pair[1], MSG_DONTWAIT, &n);
}

static void expect(const char *text, unsigned n_fds) {
    frame_fds_reset(&message.fds);
    ck_assert_int_eq(frame_next(&reader, &message), 0);
    ck_assert_str_eq((const char *)message.text.data, text);
    ck_assert_uint_eq(message.text.len, strlen(text));
    ck_assert_uint_eq(message.fds.n, n_fds);
}

/* Whether two descriptors are the same file. */
static bool same_file(int a, int b) {
    struct stat sa, sb;
    ck_assert_int_eq(fstat(a, &sa), 0);
    ck_assert_int_eq(fstat(b, &sb), 0);
    return sa.st_ino == sb.st_ino && sa.st_dev == sb.st_dev;
}

static unsigned open_fds(void) {
    unsigned n = 0;
    for (int fd = 0; fd < 1024; fd++) {
        struct stat st;
        n += fstat(fd, &st) == 0;
    }
    return n;
}

START_TEST(test_pieces) {
    send_bytes("one\0two\0th", 10, NULL, 0);
    ck_assert_int_eq(receive(), 0);
    expect("one", 0);
    expect("two", 0);
    ck_assert_int_eq(frame_next(&reader, &message), FRAME_E_NONE);
    ck_assert(frame_reader_partial(&reader));
    send_bytes("ree", 4, NULL, 0);
    ck_assert_int_eq(receive(), 0);
    expect("three", 0);
    ck_assert(!frame_reader_partial(&reader));
    ck_assert_int_eq(receive(), -EAGAIN);
    send_bytes("\0", 1, NULL, 0);
    ck_assert_int_eq(receive(), 0);
    expect("", 0);
}
END_TEST

START_TEST(test_end) {
    shutdown(pair[0], SHUT_WR);
    size_t n = 7;
    ck_assert_int_eq(frame_recv(&reader, pair[1], 0, &n), 0);
    ck_assert_uint_eq(n, 0);
}
END_TEST

/* Messages of many sizes, received in pieces of many sizes, come out as they went in. */
START_TEST(test_random_pieces) {
    struct random random = {.state = 42};
    static char sent[300000];
    size_t ends[200], n_ends = 0, len = 0;
    while (n_ends < ARRAY_SIZE(ends)) {
        size_t size =
            n_ends % 20 == 0 ? 20000 + random_below(&random, 5000) : random_below(&random, 400);
        if (len + size + 1 > sizeof(sent))
            break;
        memset(sent + len, 'a' + (int)(n_ends % 26), size);
        len += size;
        ends[n_ends++] = len;
        sent[len++] = 0;
    }
    size_t from = 0, start = 0, done = 0;
    while (done < n_ends) {
        if (from < len) {
            size_t piece = MIN(1 + (size_t)random_below(&random, 9000), len - from);
            send_bytes(sent + from, piece, NULL, 0);
            from += piece;
        }
        ck_assert_int_eq(receive(), 0);
        while (frame_next(&reader, &message) == 0) {
            ck_assert_uint_eq(message.text.len, ends[done] - start);
            ck_assert_mem_eq(message.text.data, sent + start, message.text.len + 1);
            start = ends[done++] + 1;
        }
    }
    ck_assert_uint_eq(done, n_ends);
}
END_TEST

/* One byte below the cap, at it, above it. */
START_TEST(test_cap) {
    static const size_t sizes[] = {99999, 100000, 100001};
    static char text[100002];
    memset(text, 'x', sizeof(text) - 1);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        text[sizes[i]] = 0;
        int r = 0;
        size_t sent = 0;
        while (!r && frame_peek(&reader, &(size_t){0}) == FRAME_E_NONE) {
            struct iovec iov = {.iov_base = text + sent, .iov_len = sizes[i] + 1 - sent};
            size_t n;
            if (iov.iov_len && frame_send(pair[0], &iov, 1, NULL, 0, MSG_DONTWAIT, &n) == 0)
                sent += n;
            r = receive();
        }
        text[sizes[i]] = 'x';
        ck_assert_int_eq(r, sizes[i] > 100000 ? -EMSGSIZE : 0);
        if (r == 0) {
            ck_assert_int_eq(frame_next(&reader, &message), 0);
            ck_assert_uint_eq(message.text.len, sizes[i]);
        }
    }
}
END_TEST

/* What was sent before a message with descriptors can arrive in the same recvmsg: the last message gets them. */
START_TEST(test_fds_coalesced) {
    _cleanup_(fd_closep) int a = memfd_create("a", MFD_CLOEXEC);
    _cleanup_(fd_closep) int b = memfd_create("b", MFD_CLOEXEC);
    send_bytes("first\0second", 13, NULL, 0);
    send_bytes("third", 6, (int[]){a, b}, 2);
    send_bytes("fourth", 7, NULL, 0);
    send_bytes("fifth", 6, &b, 1);
    ck_assert_int_eq(receive(), 0);
    expect("first", 0);
    expect("second", 0);
    expect("third", 2);
    int fd;
    ck_assert_int_eq(frame_fds_take(&message.fds, 1, &fd), 0);
    ck_assert(same_file(fd, b));
    ck_assert_int_eq(frame_fds_take(&message.fds, 1, &(int){0}), -EBADF);
    ck_assert_int_eq(frame_fds_take(&message.fds, 2, &(int){0}), -EBADF);
    ck_assert(same_file(message.fds.fds[0], a));
    fd_close(fd);
    ck_assert_int_eq(receive(), 0);
    expect("fourth", 0);
    expect("fifth", 1);
}
END_TEST

/* Descriptors of a message that comes in pieces stay with it; the tail of one before them does not take them. */
START_TEST(test_fds_pieces) {
    _cleanup_(fd_closep) int a = memfd_create("a", MFD_CLOEXEC);
    send_bytes("be", 2, NULL, 0);
    ck_assert_int_eq(receive(), 0);
    ck_assert_int_eq(frame_next(&reader, &message), FRAME_E_NONE);
    send_bytes("fore", 5, NULL, 0);
    send_bytes("wi", 2, &a, 1);
    ck_assert_int_eq(receive(), 0);
    expect("before", 0);
    ck_assert_int_eq(frame_next(&reader, &message), FRAME_E_NONE);
    send_bytes("th", 3, NULL, 0);
    ck_assert_int_eq(receive(), 0);
    expect("with", 1);
}
END_TEST

START_TEST(test_fds_within_message) {
    _cleanup_(fd_closep) int a = memfd_create("a", MFD_CLOEXEC);
    unsigned before = open_fds();
    send_bytes("mess", 4, NULL, 0);
    ck_assert_int_eq(receive(), 0);
    send_bytes("age", 4, &a, 1);
    ck_assert_int_eq(receive(), -EPROTO);
    ck_assert_uint_eq(open_fds(), before);
}
END_TEST

/* Nothing stays open, whoever held the descriptors last. */
START_TEST(test_fds_closed) {
    _cleanup_(fd_closep) int a = memfd_create("a", MFD_CLOEXEC);
    unsigned before = open_fds();
    send_bytes("kept", 5, (int[]){a, a, a}, 3);
    send_bytes("never finished", 14, (int[]){a, a}, 2);
    ck_assert_int_eq(receive(), 0);
    expect("kept", 3);
    ck_assert_int_eq(receive(), 0);
    ck_assert_uint_eq(open_fds(), before + 5);
    frame_message_deinit(&message);
    frame_reader_deinit(&reader);
    ck_assert_uint_eq(open_fds(), before);
    frame_reader_init(&reader, 100);
    frame_message_init(&message);
}
END_TEST

START_TEST(test_fds_limits) {
    int fds[FRAME_MAX_FDS + 1];
    _cleanup_(fd_closep) int a = memfd_create("a", MFD_CLOEXEC);
    for (int i = 0; i <= FRAME_MAX_FDS; i++)
        fds[i] = a;
    struct iovec iov = {.iov_base = (char[]){"x"}, .iov_len = 2};
    size_t n;
    ck_assert_int_eq(frame_send(pair[0], &iov, 1, fds, FRAME_MAX_FDS + 1, 0, &n), -E2BIG);
    send_bytes("x", 2, fds, FRAME_MAX_FDS);
    ck_assert_int_eq(receive(), 0);
    expect("x", FRAME_MAX_FDS);
}
END_TEST

/* Where the process has no room for them the kernel drops descriptors: that must not pass silently. */
START_TEST(test_fds_lost) {
    _cleanup_(fd_closep) int a = memfd_create("a", MFD_CLOEXEC);
    unsigned before = open_fds();
    send_bytes("x", 2, (int[]){a, a, a}, 3);
    struct rlimit old, low;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    int next = dup(a);
    fd_close(next);
    low.rlim_cur = (rlim_t)next + 1;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    int r = receive();
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert_int_eq(r, -EPROTO);
    ck_assert_uint_eq(open_fds(), before);
}
END_TEST

START_TEST(test_trim) {
    send_bytes("abc", 4, NULL, 0);
    ck_assert_int_eq(receive(), 0);
    frame_reader_trim(&reader);
    ck_assert_uint_ne(reader.buffer.cap, 0);
    expect("abc", 0);
    frame_reader_trim(&reader);
    ck_assert_uint_eq(reader.buffer.cap, 0);
    _cleanup_(fd_closep) int a = memfd_create("a", MFD_CLOEXEC);
    send_bytes("d", 2, &a, 1);
    ck_assert_int_eq(receive(), 0);
    expect("d", 1);
}
END_TEST

START_TEST(test_send_gone) {
    fd_close(pair[1]);
    pair[1] = -1;
    struct iovec iov = {.iov_base = (char[]){"x"}, .iov_len = 2};
    size_t n;
    ck_assert_int_eq(frame_send(pair[0], &iov, 1, NULL, 0, 0, &n), -EPIPE);
}
END_TEST

/* A message goes on in other memory: what is unfinished of it, its place in the stream, its descriptors. */
START_TEST(test_exchange) {
    _cleanup_(buffer_deinit) struct buffer spare;
    buffer_init(&spare, SIZE_MAX);
    ck_assert_int_eq(buffer_reserve(&spare, 20000), 0);
    uint8_t *memory = spare.data;
    size_t cap = spare.cap;
    _cleanup_(fd_closep) int fd = memfd_create("x", MFD_CLOEXEC);
    send_bytes("done\0begun", 10, &fd, 1);
    ck_assert_int_eq(receive(), 0);
    expect("done", 0);
    frame_reader_exchange(&reader, &spare);
    ck_assert_ptr_eq(reader.buffer.data, memory);
    ck_assert_uint_eq(reader.buffer.cap, cap);
    ck_assert_uint_eq(spare.len, 0);
    ck_assert_uint_lt(spare.cap, cap);
    send_bytes(" and ended\0next", 15, NULL, 0);
    ck_assert_int_eq(receive(), 0);
    expect("begun and ended", 1);
    ck_assert(same_file(fd, message.fds.fds[0]));
    send_bytes("", 1, NULL, 0);
    ck_assert_int_eq(receive(), 0);
    expect("next", 0);
}
END_TEST

int main(void) {
    Suite *s = suite_create("frame");
    TCase *t = tcase_create("frame");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_pieces);
    tcase_add_test(t, test_end);
    tcase_add_test(t, test_random_pieces);
    tcase_add_test(t, test_cap);
    tcase_add_test(t, test_fds_coalesced);
    tcase_add_test(t, test_fds_pieces);
    tcase_add_test(t, test_fds_within_message);
    tcase_add_test(t, test_fds_closed);
    tcase_add_test(t, test_fds_limits);
    tcase_add_test(t, test_fds_lost);
    tcase_add_test(t, test_exchange);
    tcase_add_test(t, test_trim);
    tcase_add_test(t, test_send_gone);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
