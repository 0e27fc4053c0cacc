/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls one by one, blocking, within a bounded time.
 */

#include "tests/load/caller.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "tests/load/outcome.h"

#define REPLY_TIMEOUT_MS 120000

void caller_open(struct caller *caller, const char *socket_path) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    expect(strlen(socket_path) < sizeof(addr.sun_path), "the socket's path is too long");
    memcpy(addr.sun_path, socket_path, strlen(socket_path) + 1);
    *caller = (struct caller){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    expect(connect(caller->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0, "connect: %s",
           strerror(errno));
    buffer_init(&caller->out, FRAME_MAX_MESSAGE);
    frame_reader_init(&caller->reader, FRAME_MAX_MESSAGE);
    frame_message_init(&caller->message);
    json_doc_init(&caller->doc);
}

void caller_close(struct caller *caller) {
    json_doc_deinit(&caller->doc);
    frame_message_deinit(&caller->message);
    frame_reader_deinit(&caller->reader);
    buffer_deinit(&caller->out);
    caller->fd = fd_close(caller->fd);
}

struct json_writer *caller_begin(struct caller *caller, const char *method) {
    char name[80];
    snprintf(name, sizeof(name), "io.edged.%.60s", method);
    caller->out.len = 0;
    message_begin_call(&caller->writer, &caller->out, name, false, false);
    return &caller->writer;
}

bool caller_send_bytes(struct caller *caller, const void *data, size_t size, const int *fds,
                       size_t n_fds) {
    const char *p = data;
    while (size) {
        struct iovec iov = {.iov_base = (void *)p, .iov_len = size};
        size_t n;
        int r = frame_send(caller->fd, &iov, 1, fds, n_fds, 0, &n);
        if (r == -EPIPE || r == -ECONNRESET)
            return false;
        expect(r == 0, "send: %s", strerror(-r));
        p += n;
        size -= n;
        n_fds = 0;
    }
    return true;
}

void caller_send(struct caller *caller, const int *fds, size_t n_fds) {
    expect(message_end(&caller->writer) == 0, "the call is too long");
    expect(caller_send_bytes(caller, caller->out.data, caller->out.len, fds, n_fds),
           "the daemon closed the connection");
}

void caller_parse(struct caller *caller) {
    json_doc_reset(&caller->doc, 4096);
    int r =
        json_doc_parse(&caller->doc, (char *)caller->message.text.data, caller->message.text.len);
    struct diag diag = {"no JSON"};
    if (r == 0)
        r = message_read_reply(&caller->doc, &caller->reply, &diag);
    expect(r == 0, "a reply that is none: %s: %.300s", diag.text,
           (const char *)caller->message.text.data);
}

bool caller_receive(struct caller *caller) {
    frame_fds_reset(&caller->message.fds);
    while (frame_next(&caller->reader, &caller->message) == FRAME_E_NONE) {
        struct pollfd pollfd = {.fd = caller->fd, .events = POLLIN};
        expect(poll(&pollfd, 1, REPLY_TIMEOUT_MS) == 1, "no reply in %d s",
               REPLY_TIMEOUT_MS / 1000);
        size_t n;
        int r = frame_recv(&caller->reader, caller->fd, 0, &n);
        if (r == -ECONNRESET || (r == 0 && n == 0))
            return false;
        expect(r == 0, "recv: %s", strerror(-r));
    }
    caller_parse(caller);
    return true;
}

static void expect_success(struct caller *caller) {
    expect(caller_receive(caller), "the daemon closed the connection");
    expect(!caller->reply.error, "%s: %.500s", caller->reply.error,
           (const char *)caller->message.text.data);
}

void caller_call(struct caller *caller, const int *fds, size_t n_fds) {
    caller_send(caller, fds, n_fds);
    expect_success(caller);
}

void caller_simple(struct caller *caller, const char *method, const char *key, const char *value) {
    struct json_writer *w = caller_begin(caller, method);
    if (key) {
        json_key(w, key);
        json_put_string(w, value);
    }
    caller_call(caller, NULL, 0);
}

const char *caller_string(const struct caller *caller, const char *key) {
    const char *s =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(caller->reply.parameters, key));
    expect(s, "no %s in the reply", key);
    return s;
}

int64_t caller_int(const struct caller *caller, const char *key) {
    int64_t v;
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(caller->reply.parameters, key);
    expect(item && json_int(item, 0, JSON_MAX_INT, &v), "no %s in the reply", key);
    return v;
}

/* Asks for the status until the sum of the members is what it should be. */
static void await_sum(struct caller *caller, const char *const *keys, size_t n_keys, int64_t due) {
    uint64_t end = clock_now_ns() + UINT64_C(60000000000);
    for (;;) {
        int64_t sum = 0;
        caller_simple(caller, "Status", NULL, NULL);
        for (size_t i = 0; i < n_keys; i++)
            sum += caller_int(caller, keys[i]);
        if (sum == due)
            return;
        expect(clock_now_ns() < end, "after 60 s still: %.500s",
               (const char *)caller->message.text.data);
        usleep(5000);
    }
}

void caller_await_connections(struct caller *caller, int64_t n) {
    await_sum(caller, (const char *const[]){"connections"}, 1, n);
}

void caller_settle(struct caller *caller) {
    static const char *const keys[] = {"connections", "sessions", "regions", "queued", "running"};
    await_sum(caller, keys, ARRAY_SIZE(keys), 1);
    /* What a worker has just finished may still be on its way to the loop: let that go round. */
    for (int i = 0; i < 20; i++)
        caller_simple(caller, "Status", NULL, NULL);
}
