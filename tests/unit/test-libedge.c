/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libedge against scripted daemons: what the other end of a socket pair answers is written before the call is made.
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/fd.h"
#include "client/edge.h"

struct fixture {
    struct edge *edge;
    int peer;
};

static struct fixture f;

static void setup(void) {
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    ck_assert_int_eq(edge_connect_fd(fds[0], &f.edge), 0);
    f.peer = fds[1];
}

static void teardown(void) {
    f.edge = edge_close(f.edge);
    f.peer = fd_close(f.peer);
}

/* The daemon's next message. */
static void script(const char *reply) {
    size_t n = strlen(reply) + 1;
    ck_assert_int_eq(send(f.peer, reply, n, MSG_NOSIGNAL), (ssize_t)n);
}

/* The client's calls so far, NUL bytes shown as line breaks. */
static const char *heard(void) {
    static char text[65536];
    ssize_t n = recv(f.peer, text, sizeof(text) - 1, MSG_DONTWAIT);
    ck_assert_int_gt(n, 0);
    for (ssize_t i = 0; i < n; i++)
        if (!text[i])
            text[i] = '\n';
    text[n] = 0;
    return text;
}

static const int8_t sample[4] = {1, 2, 3, -4};

static struct edge_request request(struct edge_tensor *input) {
    *input = (struct edge_tensor){
        .datatype = EDGE_INT8,
        .n_dims = 2,
        .shape = {1, 4},
        .data = (void *)sample,
        .size = sizeof(sample),
    };
    return (struct edge_request){.model = "m", .inputs = input, .n_inputs = 1};
}

/* Values 5, 6 as base64. */
#define GOOD                                                                                       \
    "{\"parameters\":{\"model\":\"m\",\"version\":\"1\",\"outputs\":[{\"name\":\"y\","             \
    "\"datatype\":"                                                                                \
    "\"INT8\",\"shape\":[1,2],\"raw\":\"BQY=\"}],\"queueNanoseconds\":7,\"computeNanoseconds\":8}" \
    "}"

static int infer(struct edge_tensor *output, struct edge_timing *timing) {
    struct edge_tensor input;
    struct edge_request q = request(&input);
    size_t n = 1;
    return edge_infer(f.edge, &q, output, &n, timing);
}

START_TEST(test_infer) {
    struct edge_tensor out = {0};
    struct edge_timing timing;
    script(GOOD);
    ck_assert_int_eq(infer(&out, &timing), 0);
    ck_assert_str_eq(heard(),
                     "{\"method\":\"io.edged.Infer\",\"parameters\":{\"model\":\"m\",\"inputs\":[{"
                     "\"datatype\":\"INT8\",\"shape\":[1,4],\"raw\":\"AQID/A==\"}],\"outputForm\":"
                     "\"raw\"}}\n");
    ck_assert_str_eq(out.name, "y");
    ck_assert_int_eq(out.datatype, EDGE_INT8);
    ck_assert_uint_eq(out.n_dims, 2);
    ck_assert_int_eq(out.shape[1], 2);
    ck_assert_uint_eq(out.size, 2);
    ck_assert_mem_eq(out.data, "\x05\x06", 2);
    ck_assert_uint_eq(timing.queue_ns, 7);
    ck_assert_uint_eq(timing.compute_ns, 8);
}
END_TEST

START_TEST(test_infer_own_memory) {
    int8_t room[3] = {0, 0, 9};
    struct edge_tensor out = {.data = room, .size = 1};
    struct edge_timing timing = {1, 2};
    script(GOOD);
    ck_assert_int_eq(infer(&out, &timing), -ENOBUFS);
    ck_assert_uint_eq(timing.queue_ns, 1);
    ck_assert_uint_eq(timing.compute_ns, 2);
    /* The connection goes on. */
    out = (struct edge_tensor){.data = room, .size = 3};
    script(GOOD);
    ck_assert_int_eq(infer(&out, NULL), 0);
    ck_assert_ptr_eq(out.data, room);
    ck_assert_uint_eq(out.size, 2);
    ck_assert_mem_eq(room, "\x05\x06\x09", 3);
}
END_TEST

START_TEST(test_bad_requests) {
    struct edge_tensor input;
    struct edge_request q = request(&input);
    q.model = NULL;
    ck_assert_int_eq(edge_infer_send(f.edge, &q), -EINVAL);
    q = request(&input);
    input.n_dims = EDGE_MAX_DIMS + 1;
    ck_assert_int_eq(edge_infer_send(f.edge, &q), -EINVAL);
    q = request(&input);
    input.data = NULL;
    ck_assert_int_eq(edge_infer_send(f.edge, &q), -EINVAL);
    q = request(&input);
    input.datatype = 99;
    ck_assert_int_eq(edge_infer_send(f.edge, &q), -EINVAL);
    ck_assert_str_eq(edge_error_text(f.edge), "inputs[0] has an unknown datatype 99");
    q = request(&input);
    q.n_inputs = EDGE_MAX_TENSORS + 1;
    ck_assert_int_eq(edge_infer_send(f.edge, &q), -EINVAL);
    /* Raw bytes of 13 MiB are more than 16 MiB of base64. */
    q = request(&input);
    input.size = (size_t)13 << 20;
    input.data = calloc(1, input.size);
    ck_assert_int_eq(edge_infer_send(f.edge, &q), -E2BIG);
    free(input.data);
    size_t n = 1;
    ck_assert_int_eq(edge_infer_receive(f.edge, &input, &n, NULL), -ENODATA);
    char byte;
    ck_assert_int_eq(recv(f.peer, &byte, 1, MSG_DONTWAIT), -1);
}
END_TEST

static const struct {
    const char *reply;
    int code;
    const char *text;
} errors[] = {
    {"{\"error\":\"io.edged.ModelNotFound\",\"parameters\":{\"model\":\"m\"}}",
     EDGE_E_MODEL_NOT_FOUND, "no network 'm' is loaded"},
    {"{\"error\":\"io.edged.InvalidTensor\",\"parameters\":{\"tensor\":\"x\",\"field\":"
     "\"inputs[0].shape\",\"reason\":\"too long\"}}",
     EDGE_E_INVALID_TENSOR, "tensor 'x', inputs[0].shape: too long"},
    {"{\"error\":\"io.edged.QuotaExceeded\",\"parameters\":{\"resource\":\"regions\",\"limit\":3,"
     "\"used\":2}}",
     EDGE_E_QUOTA_EXCEEDED, "too much is held already: regions (2 of 3)"},
    {"{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"batch\"}"
     "}",
     EDGE_E_INVALID_PARAMETER, "the daemon refuses parameter 'batch'"},
    {"{\"error\":\"org.varlink.service.MethodNotFound\"}", EDGE_E_METHOD_NOT_FOUND,
     "the daemon has no method ''"},
    {"{\"error\":\"org.varlink.service.PermissionDenied\",\"parameters\":{}}",
     EDGE_E_PERMISSION_DENIED, "this user may not do that: an administrator of the daemon must"},
    {"{\"error\":\"com.example.Strange\"}", EDGE_E_OTHER, "the daemon answers com.example.Strange"},
};

START_TEST(test_errors) {
    struct edge_tensor out = {0};
    script(errors[_i].reply);
    ck_assert_int_eq(infer(&out, NULL), errors[_i].code);
    ck_assert_str_eq(edge_error_text(f.edge), errors[_i].text);
    out = (struct edge_tensor){0};
    script(GOOD);
    ck_assert_int_eq(infer(&out, NULL), 0);
}
END_TEST

#define OUTPUT(members) "{\"parameters\":{\"outputs\":[{" members "}]}}"

static const char *const malformed[] = {
    "",
    "nonsense",
    "[]",
    "{\"parameters\":{}}",
    "{\"parameters\":{\"outputs\":{}}}",
    "{\"parameters\":{\"outputs\":[1]}}",
    "{\"parameters\":[]}",
    "{\"parameters\":{\"outputs\":[]},\"id\":1}",
    "{\"parameters\":{\"outputs\":[]},\"continues\":true}",
    "{\"error\":1}",
    OUTPUT("\"name\":\"y\""),
    OUTPUT("\"name\":\"y\",\"datatype\":\"INT8\",\"shape\":[2],\"raw\":\"BQ==\""),
    OUTPUT("\"name\":\"y\",\"datatype\":\"INT8\",\"shape\":[2],\"raw\":\"BQYH\""),
    OUTPUT("\"name\":\"y\",\"datatype\":\"INT8\",\"shape\":[2],\"raw\":\"****\""),
    OUTPUT("\"name\":\"y\",\"datatype\":\"INT8\",\"shape\":[2],\"data\":[5,6]"),
    OUTPUT("\"name\":\"y\",\"datatype\":\"INT8\",\"shape\":[2],\"region\":\"r\""),
    OUTPUT("\"name\":\"y\",\"datatype\":\"INT8\",\"shape\":[2],\"fileDescriptor\":0"),
    OUTPUT("\"name\":\"y\",\"datatype\":\"INT8\",\"shape\":[-2],\"raw\":\"BQY=\""),
    OUTPUT(
        "\"name\":\"y\",\"datatype\":\"INT64\",\"shape\":[4294967296,4294967296],\"raw\":\"BQY=\""),
    OUTPUT("\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[1000000000],\"raw\":\"BQY=\""),
    OUTPUT("\"name\":\"y\",\"datatype\":\"INT4\",\"shape\":[2],\"raw\":\"BQY=\""),
    OUTPUT("\"datatype\":\"INT8\",\"shape\":[2],\"raw\":\"BQY=\""),
};

START_TEST(test_malformed) {
    struct edge_tensor out = {0};
    script(malformed[_i]);
    ck_assert_int_eq(infer(&out, NULL), -EPROTO);
    ck_assert_str_ne(edge_error_text(f.edge), "");
    ck_assert_ptr_null(out.data);
    ck_assert_int_eq(infer(&out, NULL), -ENOTCONN);
    ck_assert_int_eq(edge_process(f.edge), -ENOTCONN);
}
END_TEST

START_TEST(test_vanished) {
    struct edge_tensor out = {0};
    ck_assert_int_eq(send(f.peer, GOOD, strlen(GOOD) - 5, MSG_NOSIGNAL), (ssize_t)strlen(GOOD) - 5);
    ck_assert_int_eq(shutdown(f.peer, SHUT_WR), 0);
    ck_assert_int_eq(infer(&out, NULL), -ECONNRESET);
    ck_assert_str_eq(edge_error_text(f.edge), "the daemon ended the connection within a reply");
    ck_assert_int_eq(infer(&out, NULL), -ENOTCONN);
}
END_TEST

START_TEST(test_gone_before) {
    struct edge_tensor out = {0};
    f.peer = fd_close(f.peer);
    ck_assert_int_eq(infer(&out, NULL), -EPIPE);
}
END_TEST

#define NO_ROOM                                                                                    \
    "{\"error\":\"io.edged.QuotaExceeded\",\"parameters\":{\"resource\":\"connections\","          \
    "\"limit\":8,"                                                                                 \
    "\"used\":8}}"

/* A daemon that takes no more connections says so and hangs up, before the call or within it. */
START_TEST(test_refused_before) {
    struct edge_tensor out = {0};
    script(NO_ROOM);
    f.peer = fd_close(f.peer);
    ck_assert_int_eq(infer(&out, NULL), EDGE_E_QUOTA_EXCEEDED);
    ck_assert_str_eq(edge_error_text(f.edge), "too much is held already: connections (8 of 8)");
    ck_assert_int_eq(infer(&out, NULL), -ENOTCONN);
}
END_TEST

START_TEST(test_refused_with_descriptor) {
    _cleanup_(fd_closep) int fd = -1;
    ck_assert_int_eq(memfd_new("test", 16, &fd), 0);
    script(NO_ROOM);
    f.peer = fd_close(f.peer);
    ck_assert_int_eq(edge_load_fd(f.edge, fd, NULL, NULL), EDGE_E_QUOTA_EXCEEDED);
    ck_assert_int_eq(edge_load_fd(f.edge, fd, NULL, NULL), -ENOTCONN);
}
END_TEST

START_TEST(test_refused_within) {
    struct edge_tensor input, out = {0};
    struct edge_request q = request(&input);
    size_t n = 1;
    input.size = (size_t)4 << 20;
    input.n_dims = 0;
    input.data = calloc(1, input.size);
    ck_assert_int_eq(edge_infer_send(f.edge, &q), 0);
    free(input.data);
    ck_assert_int_eq(edge_events(f.edge), POLLIN | POLLOUT);
    script(NO_ROOM);
    f.peer = fd_close(f.peer);
    ck_assert_int_eq(edge_infer_receive(f.edge, &out, &n, NULL), EDGE_E_QUOTA_EXCEEDED);
    ck_assert_int_eq(edge_infer_receive(f.edge, &out, &n, NULL), -ENOTCONN);
}
END_TEST

/* The answer to the first of two calls is its result; the second has none. */
START_TEST(test_refused_pipelined) {
    struct edge_tensor input, out = {0};
    struct edge_request q = request(&input);
    size_t n = 1;
    ck_assert_int_eq(edge_infer_send(f.edge, &q), 0);
    (void)heard();
    script(NO_ROOM);
    f.peer = fd_close(f.peer);
    ck_assert_int_eq(edge_infer_send(f.edge, &q), -EPIPE);
    ck_assert_int_eq(edge_infer_receive(f.edge, &out, &n, NULL), EDGE_E_QUOTA_EXCEEDED);
    ck_assert_int_eq(edge_infer_receive(f.edge, &out, &n, NULL), -ENOTCONN);
}
END_TEST

START_TEST(test_unasked) {
    script(GOOD);
    ck_assert_int_eq(edge_process(f.edge), -EPROTO);
}
END_TEST

START_TEST(test_timeout) {
    struct edge_tensor out = {0};
    edge_set_timeout(f.edge, 1);
    ck_assert_int_eq(infer(&out, NULL), -ETIMEDOUT);
    ck_assert_int_eq(infer(&out, NULL), -ENOTCONN);
}
END_TEST

/* A reply longer than the limit, sent by a child since the socket does not hold it. */
START_TEST(test_oversized) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        char block[65536];
        close(edge_fd(f.edge));
        memset(block, ' ', sizeof(block));
        for (int i = 0; i < 300; i++)
            if (send(f.peer, block, sizeof(block), MSG_NOSIGNAL) < 0)
                break;
        _exit(0);
    }
    struct edge_tensor out = {0};
    f.peer = fd_close(f.peer);
    ck_assert_int_eq(infer(&out, NULL), -EMSGSIZE);
    f.edge = edge_close(f.edge);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}
END_TEST

/* Replies are taken in order, with a blocking call between them, and more than the first ring holds. */
START_TEST(test_pipelined) {
    enum { N = 40 };
    struct edge_tensor input;
    struct edge_request q = request(&input);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(edge_infer_send(f.edge, &q), 0);
    ck_assert_uint_eq(edge_in_flight(f.edge), N);
    for (int i = 0; i < N; i++) {
        /* Base64 of the byte i. */
        static const char digits[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        char reply[256];
        snprintf(reply, sizeof(reply),
                 OUTPUT("\"name\":\"y\",\"datatype\":\"INT8\",\"shape\":[1],\"raw\":\"%c%c==\""),
                 digits[i >> 2], digits[(i & 3) << 4]);
        if (i == 7)
            script("{\"error\":\"io.edged.Internal\"}");
        else
            script(reply);
    }
    script("{\"parameters\":{\"text\":\"edged_up 1\\n\"}}");
    size_t n = 1;
    struct edge_tensor out = {0};
    ck_assert_int_eq(edge_infer(f.edge, &q, &out, &n, NULL), -EBUSY);
    char *text;
    ck_assert_int_eq(edge_metrics(f.edge, &text), 0);
    ck_assert_str_eq(text, "edged_up 1\n");
    free(text);
    ck_assert_uint_eq(edge_ready(f.edge), N);
    /* What has arrived is not lost with the connection. */
    f.peer = fd_close(f.peer);
    ck_assert_int_eq(edge_process(f.edge), -ECONNRESET);
    for (int i = 0; i < N; i++) {
        out = (struct edge_tensor){0};
        n = 1;
        ck_assert_int_eq(edge_infer_receive(f.edge, &out, &n, NULL), i == 7 ? EDGE_E_INTERNAL : 0);
        if (i != 7)
            ck_assert_int_eq(*(int8_t *)out.data, i);
    }
    ck_assert_int_eq(edge_infer_receive(f.edge, &out, &n, NULL), -ENOTCONN);
}
END_TEST

/* More than the socket takes: sending does not wait, the rest goes when there is room. */
START_TEST(test_send_without_waiting) {
    enum { SIZE = 1 << 20 };
    struct edge_tensor input;
    struct edge_request q = request(&input);
    input.size = SIZE;
    input.n_dims = 0;
    input.data = calloc(1, SIZE);
    ck_assert_int_eq(edge_infer_send(f.edge, &q), 0);
    ck_assert_int_eq(edge_infer_send(f.edge, &q), 0);
    free(input.data);
    ck_assert_int_eq(edge_events(f.edge), POLLIN | POLLOUT);
    size_t nuls = 0;
    static char block[65536];
    while (nuls < 2) {
        ssize_t n = recv(f.peer, block, sizeof(block), 0);
        ck_assert_int_gt(n, 0);
        for (ssize_t i = 0; i < n; i++)
            nuls += !block[i];
        ck_assert_int_eq(edge_process(f.edge), 0);
    }
    ck_assert_int_eq(edge_events(f.edge), POLLIN);
    ck_assert_uint_eq(edge_ready(f.edge), 0);
}
END_TEST

/* The limit on bytes under way is an answer, not a failure. */
START_TEST(test_too_much_under_way) {
    struct edge_tensor input;
    struct edge_request q = request(&input);
    input.size = (size_t)8 << 20;
    input.n_dims = 0;
    input.data = calloc(1, input.size);
    int r = 0;
    for (int i = 0; i < 10 && !r; i++)
        r = edge_infer_send(f.edge, &q);
    ck_assert_int_eq(r, -EAGAIN);
    ck_assert_int_eq(edge_process(f.edge), 0);
    free(input.data);
}
END_TEST

/* The descriptor that came with a message. */
static int receive_fd(void) {
    char text[4096];
    struct iovec iov = {text, sizeof(text)};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.space,
                         .msg_controllen = sizeof(control.space)};
    ck_assert_int_gt(recvmsg(f.peer, &msg, MSG_DONTWAIT), 0);
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    ck_assert_ptr_nonnull(c);
    int fd;
    memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    return fd;
}

START_TEST(test_region) {
    struct edge_region *region;
    script("{\"parameters\":{\"region\":\"r1\",\"size\":4096}}");
    ck_assert_int_eq(edge_region_new(f.edge, 4096, &region), 0);
    ck_assert_uint_eq(edge_region_size(region), 4096);
    _cleanup_(fd_closep) int fd = receive_fd();
    int seals = fcntl(fd, F_GET_SEALS);
    ck_assert_int_eq(seals & (F_SEAL_SHRINK | F_SEAL_WRITE), F_SEAL_SHRINK);

    /* An input within the region is named, not sent; the output is found where the daemon put it. */
    int8_t *at = edge_region_data(region);
    memcpy(at + 8, sample, sizeof(sample));
    struct edge_tensor input, out = {0};
    struct edge_request q = request(&input);
    input.data = at + 8;
    q.region = region;
    q.offset = 64;
    size_t n = 1;
    script(
        OUTPUT("\"name\":\"y\",\"datatype\":\"INT8\",\"shape\":[2],\"region\":\"r1\",\"offset\":64,"
               "\"size\":2"));
    ck_assert_int_eq(edge_infer(f.edge, &q, &out, &n, NULL), 0);
    ck_assert_ptr_eq(out.data, at + 64);
    ck_assert_str_eq(heard(),
                     "{\"method\":\"io.edged.Infer\",\"parameters\":{\"model\":\"m\",\"inputs\":[{"
                     "\"datatype\":\"INT8\",\"shape\":[1,4],\"region\":\"r1\",\"offset\":8,"
                     "\"size\":4}],\"outputForm\":\"region\",\"outputRegion\":\"r1\","
                     "\"outputOffset\":64}}\n");
    script("{\"parameters\":{}}");
    ck_assert_int_eq(edge_region_free(region), 0);
    ck_assert_str_eq(heard(),
                     "{\"method\":\"io.edged.UnregisterRegion\",\"parameters\":{\"region\":"
                     "\"r1\"}}\n");
}
END_TEST

/* A place beyond the region is the daemon's mistake. */
START_TEST(test_region_beyond) {
    struct edge_region *region;
    script("{\"parameters\":{\"region\":\"r1\",\"size\":4096}}");
    ck_assert_int_eq(edge_region_new(f.edge, 4096, &region), 0);
    struct edge_tensor out = {0};
    script(OUTPUT(
        "\"name\":\"y\",\"datatype\":\"INT8\",\"shape\":[2],\"region\":\"r1\",\"offset\":4095"));
    ck_assert_int_eq(infer(&out, NULL), -EPROTO);
}
END_TEST

static void script_with_fd(const char *reply, int fd) {
    struct iovec iov = {(void *)reply, strlen(reply) + 1};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.space,
                         .msg_controllen = sizeof(control.space)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    *c = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    ck_assert_int_eq(sendmsg(f.peer, &msg, MSG_NOSIGNAL), (ssize_t)iov.iov_len);
}

#define HANDED_OUT "{\"parameters\":{\"region\":\"r2\",\"size\":8192,\"fileDescriptor\":0}}"

START_TEST(test_region_of_daemon) {
    struct edge_region *region;
    _cleanup_(fd_closep) int fd = -1;
    ck_assert_int_eq(memfd_new("test", 8192, &fd), 0);
    ck_assert_int_eq(memfd_seal_region(fd), 0);
    script_with_fd(HANDED_OUT, fd);
    ck_assert_int_eq(edge_region_request(f.edge, 8192, &region), 0);
    ck_assert_str_eq(heard(),
                     "{\"method\":\"io.edged.RegisterRegion\",\"parameters\":{\"size\":8192}}\n");
    *(char *)edge_region_data(region) = 'x';
    char first;
    ck_assert_int_eq(pread(fd, &first, 1, 0), 1);
    ck_assert_int_eq(first, 'x');
}
END_TEST

/* Memory that could shrink under the client is refused, as is a reply without any. */
START_TEST(test_region_of_daemon_unsealed) {
    struct edge_region *region;
    _cleanup_(fd_closep) int fd = -1;
    ck_assert_int_eq(memfd_new("test", 8192, &fd), 0);
    script_with_fd(HANDED_OUT, fd);
    ck_assert_int_eq(edge_region_request(f.edge, 8192, &region), -EPROTO);
}
END_TEST

START_TEST(test_region_of_daemon_absent) {
    struct edge_region *region;
    script(HANDED_OUT);
    ck_assert_int_eq(edge_region_request(f.edge, 8192, &region), -EPROTO);
}
END_TEST

START_TEST(test_session) {
    struct edge_session *session;
    script("{\"parameters\":{\"session\":\"s1\"}}");
    ck_assert_int_eq(edge_session_open(f.edge, "m", &session), 0);
    ck_assert_str_eq(heard(),
                     "{\"method\":\"io.edged.OpenSession\",\"parameters\":{\"model\":\"m\"}}\n");
    struct edge_tensor input, out = {0};
    struct edge_request q = request(&input);
    q.session = session;
    q.real = true;
    size_t n = 1;
    script(GOOD);
    ck_assert_int_eq(edge_infer(f.edge, &q, &out, &n, NULL), 0);
    ck_assert_ptr_nonnull(strstr(heard(), "\"session\":\"s1\",\"outputDatatype\":\"FP32\""));
    script("{\"error\":\"io.edged.SessionNotFound\",\"parameters\":{\"session\":\"s1\"}}");
    ck_assert_int_eq(edge_session_close(session), EDGE_E_SESSION_NOT_FOUND);
    ck_assert_int_eq(edge_session_close(NULL), 0);
}
END_TEST

START_TEST(test_load) {
    struct edge_loaded loaded;
    _cleanup_(fd_closep) int fd = -1;
    ck_assert_int_eq(memfd_new("test", 16, &fd), 0);
    script("{\"parameters\":{\"model\":\"kws\",\"version\":\"2\",\"bytes\":10,\"loadNanoseconds\":"
           "11}}");
    ck_assert_int_eq(edge_load_fd(f.edge, fd, NULL, &loaded), 0);
    ck_assert_str_eq(loaded.model, "kws");
    ck_assert_str_eq(loaded.version, "2");
    ck_assert_int_eq(loaded.bytes, 10);
    ck_assert_int_eq(loaded.load_ns, 11);
    fd_close(receive_fd());
    ck_assert_int_eq(edge_load_fd(f.edge, -1, NULL, NULL), -EBADF);
    script("{\"error\":\"io.edged.ModelExists\",\"parameters\":{\"model\":\"kws\"}}");
    ck_assert_int_eq(edge_load_path(f.edge, "/x.edge", "kws", NULL), EDGE_E_MODEL_EXISTS);
    ck_assert_str_eq(heard(), "{\"method\":\"io.edged.Load\",\"parameters\":{\"path\":\"/x.edge\","
                              "\"name\":\"kws\"}}\n");
}
END_TEST

#define INFO                                                                                       \
    "{\"name\":\"m\",\"version\":\"1\",\"description\":\"d\",\"bytes\":1,\"arenaBytes\":2,"        \
    "\"stateBytes\":3,\"loadNanoseconds\":14,"                                                     \
    "\"sessions\":4,\"pending\":5,\"requests\":6,\"failures\":7,\"items\":8,\"p50Nanoseconds\":9," \
    "\"p90Nanoseconds\":10,\"p99Nanoseconds\":11,\"queueNanoseconds\":12,\"computeNanoseconds\":"  \
    "13}"

START_TEST(test_list) {
    struct edge_list *list;
    script("{\"parameters\":{\"models\":[" INFO "," INFO "]}}");
    ck_assert_int_eq(edge_list(f.edge, &list), 0);
    ck_assert_uint_eq(list->n, 2);
    ck_assert_str_eq(list->models[1].name, "m");
    ck_assert_int_eq(list->models[1].items, 8);
    ck_assert_int_eq(list->models[1].load_ns, 14);
    /* It outlives later calls. */
    script("{\"parameters\":{\"models\":[1]}}");
    struct edge_list *none;
    ck_assert_int_eq(edge_list(f.edge, &none), -EPROTO);
    ck_assert_str_eq(list->models[0].description, "d");
    edge_list_free(list);
}
END_TEST

#define PORT(shape, zero)                                                                          \
    "{\"name\":\"x\",\"datatype\":\"INT8\",\"shape\":" shape ",\"scale\":0.5,\"zeroPoint\":" zero  \
    "}"
#define MODEL(port)                                                                                \
    "{\"parameters\":{\"info\":" INFO                                                              \
    ",\"licence\":\"l\",\"tier\":\"c\",\"frontend\":false,\"inputs\":[" port                       \
    "],\"outputs\":[" port                                                                         \
    "],\"labels\":[\"a\",\"b\"],\"layers\":[{\"operator\":\"ADD\",\"kernel\":\"k\","               \
    "\"fused\":\"\",\"why\":\"first choice\",\"shape\":[1,2],\"macs\":3,\"weightBytes\":4}]}}"

START_TEST(test_describe) {
    struct edge_model *m;
    script(MODEL(PORT("[1,2]", "-3")));
    ck_assert_int_eq(edge_describe(f.edge, "m", &m), 0);
    ck_assert_uint_eq(m->n_inputs, 1);
    ck_assert_uint_eq(m->inputs[0].size, 2);
    ck_assert(m->inputs[0].scale == 0.5);
    ck_assert_int_eq(m->inputs[0].zero_point, -3);
    ck_assert_uint_eq(m->n_labels, 2);
    ck_assert_str_eq(m->labels[1], "b");
    ck_assert_str_eq(m->layers[0].kernel, "k");
    ck_assert_str_eq(m->layers[0].why, "first choice");
    edge_model_free(m);
}
END_TEST

static const char *const bad_models[] = {
    MODEL(PORT("[0]", "0")),
    MODEL(PORT("[1,1,1,1,1,1,1,1,1]", "0")),
    MODEL(PORT("[4294967296,4294967296,4294967296]", "0")),
    MODEL(PORT("[1]", "1e12")),
    MODEL("1"),
    "{\"parameters\":{\"info\":" INFO "}}",
};

START_TEST(test_describe_malformed) {
    struct edge_model *m;
    script(bad_models[_i]);
    ck_assert_int_eq(edge_describe(f.edge, "m", &m), -EPROTO);
}
END_TEST

START_TEST(test_status) {
    struct edge_status *s;
    script("{\"parameters\":{\"version\":\"0\",\"status\":\"fine\",\"tier\":\"c\",\"workers\":1,"
           "\"models\":2,"
           "\"modelBytes\":3,\"connections\":4,\"sessions\":5,\"regions\":6,\"queued\":7,"
           "\"queueLength\":"
           "8,\"running\":9,\"requests\":10,\"uptimeSeconds\":11,\"new\":1}}");
    ck_assert_int_eq(edge_status(f.edge, &s), 0);
    ck_assert_str_eq(s->status, "fine");
    ck_assert_int_eq(s->uptime_s, 11);
    edge_status_free(s);
}
END_TEST

START_TEST(test_call) {
    char *reply;
    script("{\"parameters\":{\"data\":[1,2],\"raw\":\"AA==\"}}");
    /* A number that no double holds, too, arrives as it was given. */
#define GIVEN "{ \"data\": [3, 9007199254740993], \"s\": \"}\\n\" }"
    ck_assert_int_eq(edge_call(f.edge, "a.B", " " GIVEN "\n", &reply), 0);
    ck_assert_str_eq(heard(), "{\"method\":\"a.B\",\"parameters\":" GIVEN "}\n");
    ck_assert_str_eq(reply, "{\"data\":[1,2],\"raw\":\"AA==\"}");
    free(reply);
    static const char *const refused[] = {
        "", "[]", "{} trailing", "{}{}", "{\"a\":1", "{\"a\":\"\xff\"}",
        /* where the tree has no values */
        "{\"data\":[1,]}", "{\"data\":[01]}", "{\"data\":[1 2]}", "{\"data\":[nul]}",
        "{\"raw\":\"\xff\"}", "{\"raw\":\"\\x\"}", "{\"raw\":\"\\u00g0\"}"};
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        ck_assert_int_eq(edge_call(f.edge, "a.B", refused[i], &reply), -EINVAL);
    script("{}");
    ck_assert_int_eq(edge_call(f.edge, "a.B", "{}", &reply), 0);
    free(reply);
    ck_assert_str_eq(heard(), "{\"method\":\"a.B\",\"parameters\":{}}\n");
    script("{ \"parameters\" : {\"x\":[{\"data\":[ ]}, \"}\\\"\", 1e2 ], \"raw\":\"\\/\"} }");
    ck_assert_int_eq(edge_call(f.edge, "a.B", "{\"data\":[true,null,-1.5e3, 0 ]}", &reply), 0);
    ck_assert_str_eq(reply, "{\"x\":[{\"data\":[ ]}, \"}\\\"\", 1e2 ], \"raw\":\"\\/\"}");
    free(reply);
    ck_assert_str_eq(heard(),
                     "{\"method\":\"a.B\",\"parameters\":{\"data\":[true,null,-1.5e3, 0 ]}}\n");
    script("{\"parameters\":null}");
    ck_assert_int_eq(edge_call(f.edge, "a.B", "{}", &reply), 0);
    ck_assert_str_eq(reply, "{}");
    free(reply);
    ck_assert_str_eq(heard(), "{\"method\":\"a.B\",\"parameters\":{}}\n");
    script("{}");
    ck_assert_int_eq(edge_call(f.edge, "a.B", NULL, &reply), 0);
    ck_assert_str_eq(reply, "{}");
    free(reply);
    ck_assert_str_eq(heard(), "{\"method\":\"a.B\",\"parameters\":{}}\n");
}
END_TEST

START_TEST(test_call_malformed) {
    char *reply;
    script("{\"parameters\":{\"data\":[1,]}}");
    ck_assert_int_eq(edge_call(f.edge, "a.B", "{}", &reply), -EPROTO);
}
END_TEST

/* A name that is missing is the caller's mistake, which nothing is sent of. */
START_TEST(test_null) {
    struct edge_session *session;
    struct edge_model *model;
    struct edge_loaded loaded;
    struct edge_tensor input;
    char *reply;
    ck_assert_int_eq(edge_session_open(f.edge, NULL, &session), -EINVAL);
    ck_assert_str_eq(edge_error_text(f.edge), "the network's name is NULL");
    ck_assert_int_eq(edge_describe(f.edge, NULL, &model), -EINVAL);
    ck_assert_int_eq(edge_unload(f.edge, NULL), -EINVAL);
    ck_assert_int_eq(edge_call(f.edge, NULL, NULL, &reply), -EINVAL);
    ck_assert_str_eq(edge_error_text(f.edge), "the method's name is NULL");
    ck_assert_int_eq(edge_load_path(f.edge, NULL, NULL, &loaded), -EINVAL);
    ck_assert_str_eq(edge_error_text(f.edge), "the path is NULL");
    ck_assert_int_eq(edge_infer_send(f.edge, NULL), -EINVAL);
    struct edge_request q = request(&input);
    q.inputs = NULL;
    ck_assert_int_eq(edge_infer_send(f.edge, &q), -EINVAL);
    q = request(&input);
    q.outputs = (const char *const[]){"y", NULL};
    q.n_outputs = 2;
    ck_assert_int_eq(edge_infer_send(f.edge, &q), -EINVAL);
    ck_assert_str_eq(edge_error_text(f.edge), "outputs[1] has no name");
    char byte;
    ck_assert_int_eq(recv(f.peer, &byte, 1, MSG_DONTWAIT), -1);
    ck_assert_uint_eq(edge_in_flight(f.edge), 0);
}
END_TEST

START_TEST(test_connect) {
    struct edge *edge;
    char path[200];
    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    path[sizeof(path) - 1] = 0;
    ck_assert_int_eq(edge_connect(path, &edge), -ENAMETOOLONG);
    ck_assert_int_eq(edge_connect("", &edge), -ENOENT);
    ck_assert_int_eq(edge_connect("/nonexistent/socket", &edge), -ENOENT);
    ck_assert_int_eq(edge_connect("@edged-test-nobody-listens", &edge), -ECONNREFUSED);
    ck_assert_int_eq(edge_connect_fd(-1, &edge), -EBADF);
    ck_assert_ptr_null(edge_close(NULL));
}
END_TEST

int main(void) {
    Suite *s = suite_create("libedge");
    TCase *t = tcase_create("libedge");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_infer);
    tcase_add_test(t, test_infer_own_memory);
    tcase_add_test(t, test_bad_requests);
    tcase_add_loop_test(t, test_errors, 0, ARRAY_SIZE(errors));
    tcase_add_loop_test(t, test_malformed, 0, ARRAY_SIZE(malformed));
    tcase_add_test(t, test_vanished);
    tcase_add_test(t, test_gone_before);
    tcase_add_test(t, test_refused_before);
    tcase_add_test(t, test_refused_with_descriptor);
    tcase_add_test(t, test_refused_within);
    tcase_add_test(t, test_refused_pipelined);
    tcase_add_test(t, test_unasked);
    tcase_add_test(t, test_timeout);
    tcase_add_test(t, test_oversized);
    tcase_add_test(t, test_pipelined);
    tcase_add_test(t, test_send_without_waiting);
    tcase_add_test(t, test_too_much_under_way);
    tcase_add_test(t, test_region);
    tcase_add_test(t, test_region_beyond);
    tcase_add_test(t, test_region_of_daemon);
    tcase_add_test(t, test_region_of_daemon_unsealed);
    tcase_add_test(t, test_region_of_daemon_absent);
    tcase_add_test(t, test_session);
    tcase_add_test(t, test_load);
    tcase_add_test(t, test_list);
    tcase_add_test(t, test_describe);
    tcase_add_loop_test(t, test_describe_malformed, 0, ARRAY_SIZE(bad_models));
    tcase_add_test(t, test_status);
    tcase_add_test(t, test_call);
    tcase_add_test(t, test_call_malformed);
    tcase_add_test(t, test_null);
    tcase_add_test(t, test_connect);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
