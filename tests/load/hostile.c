/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that send what no client should: each gets an error or is thrown out, nobody else notices, nothing stays behind.
 *
 *     hostile EDGED OPS-DIR
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/random.h"
#include "tests/load/bystander.h"
#include "tests/load/caller.h"
#include "tests/load/networks.h"
#include "tests/load/outcome.h"
#include "tests/load/process.h"

#define SEED 7
#define MAX_MESSAGE ((size_t)1 << 20)
#define CONFIG                                                                                     \
    "[limits]\n"                                                                                   \
    "max-message = 1M\n"                                                                           \
    "memory-per-user = 64M\n"
#define MAX_CONNECTIONS 256 /* of one user, by default */
#define MODEL "reshape"     /* gives its input back */
#define FLOAT_MODEL "f32_tanh"
#define STALLED 20

struct fixture {
    struct process process;
    struct networks networks;
    size_t size; /* of MODEL's input */
    size_t float_size;
    struct caller control; /* asks how the daemon is */
    struct caller stalled[STALLED];
};

static const struct port *input_of(const struct fixture *f, size_t network) {
    return image_input(f->networks.list[network].image, 0);
}

static void expect_error(struct caller *c, const char *error, const char *what) {
    expect(caller_receive(c), "%s: the connection is closed instead of %s", what, error);
    expect(c->reply.error && strcmp(c->reply.error, error) == 0, "%s: %s instead of %s", what,
           c->reply.error ? c->reply.error : "success", error);
}

static void expect_closed(struct caller *c, const char *what) {
    expect(!caller_receive(c), "%s: answered with %.300s", what,
           (const char *)c->message.text.data);
}

static void expect_success(struct caller *c, const char *what) {
    expect(caller_receive(c), "%s: the connection is closed", what);
    expect(!c->reply.error, "%s: %s: %.300s", what, c->reply.error,
           (const char *)c->message.text.data);
}

/* A memfd of `size` bytes without any memory behind it. */
static int sparse(size_t size, int seals) {
    int fd = memfd_create("sparse", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    expect(fd >= 0 && ftruncate(fd, (off_t)size) == 0, "no memfd: %s", strerror(errno));
    expect(fcntl(fd, F_ADD_SEALS, seals) == 0, "no seal: %s", strerror(errno));
    return fd;
}

/* Begins an Infer call up to its only input's values. */
static struct json_writer *begin_infer(struct caller *c, const char *model) {
    struct json_writer *w = caller_begin(c, "Infer");
    json_key(w, "model");
    json_put_string(w, model);
    json_key(w, "inputs");
    json_begin_array(w);
    json_begin_object(w);
    return w;
}

static void end_input(struct json_writer *w) {
    json_end_object(w);
    json_end_array(w);
}

static void put_int(struct json_writer *w, const char *key, int64_t v) {
    json_key(w, key);
    json_put_int(w, v);
}

static void put_string(struct json_writer *w, const char *key, const char *v) {
    json_key(w, key);
    json_put_string(w, v);
}

/* Sends an Infer whose input is the memfd, or the region. */
static void send_infer_fd(struct caller *c, int fd, int64_t index, size_t size) {
    struct json_writer *w = begin_infer(c, MODEL);
    put_int(w, "fileDescriptor", index);
    put_int(w, "size", (int64_t)size);
    end_input(w);
    put_string(w, "outputForm", "raw");
    caller_send(c, &fd, fd >= 0 ? 1 : 0);
}

static void send_infer_region(struct caller *c, const char *region, int64_t offset, int64_t size) {
    struct json_writer *w = begin_infer(c, MODEL);
    put_string(w, "region", region);
    put_int(w, "offset", offset);
    if (size >= 0)
        put_int(w, "size", size);
    end_input(w);
    put_string(w, "outputForm", "raw");
    caller_send(c, NULL, 0);
}

static void send_register(struct caller *c, int fd) {
    struct json_writer *w = caller_begin(c, "RegisterRegion");
    put_int(w, "fileDescriptor", 0);
    caller_send(c, &fd, 1);
}

/* Begins a message and goes silent, until the end of the test. */
static void stall(struct fixture *f) {
    static const char text[] = "{\"method\":\"io.edged.Infer\",\"parameters\":{\"model\":\"res";
    for (int i = 0; i < STALLED; i++) {
        caller_open(&f->stalled[i], f->process.socket);
        expect(caller_send_bytes(&f->stalled[i], text, 1 + (size_t)i * 2, NULL, 0), "closed");
    }
}

static void end_stall(struct fixture *f) {
    for (int i = 0; i < STALLED; i++)
        caller_close(&f->stalled[i]);
}

static void test_garbage(struct fixture *f) {
    struct random random = {SEED};
    struct caller c;
    for (int i = 0; i < 200; i++) {
        char bytes[512];
        for (size_t k = 0; k < sizeof(bytes); k++)
            bytes[k] = (char)random_u64(&random);
        bytes[sizeof(bytes) - 1] = '\0';
        caller_open(&c, f->process.socket);
        caller_send_bytes(&c, bytes, sizeof(bytes), NULL, 0);
        expect_closed(&c, "random bytes");
        caller_close(&c);
    }
}

static void test_endless_message(struct fixture *f) {
    char *text = malloc(MAX_MESSAGE);
    struct caller c;
    size_t sent = 0;
    expect(text, "no memory");
    memset(text, ' ', MAX_MESSAGE);
    caller_open(&c, f->process.socket);
    while (sent < 64 * MAX_MESSAGE && caller_send_bytes(&c, text, MAX_MESSAGE, NULL, 0))
        sent += MAX_MESSAGE;
    expect(sent < 64 * MAX_MESSAGE, "the daemon takes a message without end");
    caller_close(&c);
    free(text);
}

/* Calls without ever reading: the daemon stops taking them, and does not keep everything it could answer. */
static void test_flood(struct fixture *f) {
    static const char text[] = "{\"method\":\"io.edged.Metrics\"}";
    size_t sent = 0, limit = (size_t)256 << 20;
    struct caller c;
    struct process_memory before, after;
    process_memory(&f->process, &before);
    caller_open(&c, f->process.socket);
    for (;;) {
        ssize_t n = send(c.fd, text, sizeof(text), MSG_DONTWAIT | MSG_NOSIGNAL);
        struct pollfd pollfd = {.fd = c.fd, .events = POLLOUT};
        if (n < 0 && (errno != EAGAIN || poll(&pollfd, 1, 1000) == 0))
            break;
        sent += n > 0 ? (size_t)n : 0;
        expect(sent < limit, "the daemon takes calls without end");
    }
    process_memory(&f->process, &after);
    printf("a flood of calls ends after %zu kB; %zu kB more in the daemon\n", sent / 1024,
           (MAX(after.rss, before.rss) - before.rss) / 1024);
    if (!OUTCOME_SANITIZED)
        expect(after.rss < before.rss + ((size_t)64 << 20), "the daemon keeps all of it");
    caller_close(&c);
}

static void test_many_connections(struct fixture *f) {
    enum { N = 300 };
    static struct caller callers[N];
    unsigned served = 0;
    /* The bystander, the control connection and those that stall. */
    caller_await_connections(&f->control, STALLED + 2);
    for (int i = 0; i < N; i++) {
        caller_open(&callers[i], f->process.socket);
        static const char text[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
        served += caller_send_bytes(&callers[i], text, sizeof(text), NULL, 0) &&
                  caller_receive(&callers[i]) && !callers[i].reply.error;
    }
    printf("of %d connections %u were served\n", N, served);
    expect(served == MAX_CONNECTIONS - STALLED - 2, "%d were due", MAX_CONNECTIONS - STALLED - 2);
    for (int i = 0; i < N; i++)
        caller_close(&callers[i]);
}

static void test_memory_that_shrinks(struct fixture *f) {
    const char *invalid_region = "io.edged.InvalidRegion";
    struct caller c;
    caller_open(&c, f->process.socket);
    _cleanup_(fd_closep) int shrinks = sparse(f->size, F_SEAL_GROW);
    send_infer_fd(&c, shrinks, 0, f->size);
    expect_error(&c, "io.edged.InvalidTensor", "a memfd that can shrink");
    send_register(&c, shrinks);
    expect_error(&c, invalid_region, "a region that can shrink");
    _cleanup_(fd_closep) int fixed = sparse(f->size, F_SEAL_SHRINK);
    send_infer_fd(&c, fixed, 0, f->size);
    expect(ftruncate(fixed, 0) < 0 && errno == EPERM, "a sealed memfd shrinks");
    expect_success(&c, "a memfd that cannot shrink");
    _cleanup_(fd_closep) int read_only = sparse(f->size, F_SEAL_SHRINK | F_SEAL_WRITE);
    send_register(&c, read_only);
    expect_error(&c, invalid_region, "a region nobody can write");
    _cleanup_(fd_closep) int future = sparse(f->size, F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE);
    send_register(&c, future);
    expect_error(&c, invalid_region, "a region the daemon cannot write");
    _cleanup_(fd_closep) int empty = sparse(0, F_SEAL_SHRINK);
    send_register(&c, empty);
    expect_error(&c, invalid_region, "an empty region");
    int ends[2];
    expect(pipe2(ends, O_CLOEXEC) == 0, "pipe: %s", strerror(errno));
    send_register(&c, ends[0]);
    expect_error(&c, invalid_region, "a pipe as a region");
    send_infer_fd(&c, ends[0], 0, f->size);
    expect_error(&c, "io.edged.InvalidTensor", "a pipe as a tensor");
    fd_close(ends[0]);
    fd_close(ends[1]);
    caller_close(&c);
}

static void test_sparse_memory(struct fixture *f) {
    struct caller c;
    char region[64];
    caller_open(&c, f->process.socket);
    _cleanup_(fd_closep) int holes = sparse(16 * f->size, F_SEAL_SHRINK | F_SEAL_GROW);
    send_infer_fd(&c, holes, 0, 16 * f->size);
    expect_success(&c, "a batch of holes");
    send_register(&c, holes);
    expect_success(&c, "a region of holes");
    snprintf(region, sizeof(region), "%.63s", caller_string(&c, "region"));
    send_infer_region(&c, region, 3, (int64_t)f->size);
    expect_success(&c, "holes of a region");
    /* More than there is memory: an answer either way. */
    _cleanup_(fd_closep) int huge = sparse((size_t)1 << 42, F_SEAL_SHRINK);
    send_register(&c, huge);
    expect(caller_receive(&c), "a huge region closes the connection");
    send_infer_fd(&c, huge, 0, (size_t)1 << 42);
    expect_error(&c, "io.edged.InvalidTensor", "a huge memfd");
    caller_close(&c);
}

static void test_bad_places(struct fixture *f) {
    const char *invalid = "io.edged.InvalidTensor";
    struct caller c;
    char region[64];
    int64_t size = (int64_t)f->size, end = 2 * size;
    caller_open(&c, f->process.socket);
    _cleanup_(fd_closep) int fd = sparse(2 * f->size, F_SEAL_SHRINK | F_SEAL_GROW);
    send_register(&c, fd);
    expect_success(&c, "a region");
    snprintf(region, sizeof(region), "%.63s", caller_string(&c, "region"));
    send_infer_region(&c, region, end - size, size);
    expect_success(&c, "the end of a region");
    send_infer_region(&c, region, end - size + 1, size);
    expect_error(&c, invalid, "one byte beyond the end");
    send_infer_region(&c, region, end - size, size - 1);
    expect_error(&c, invalid, "a size that is too small");
    send_infer_region(&c, region, end + 1, 0);
    expect_error(&c, invalid, "nothing beyond the end");
    send_infer_region(&c, region, JSON_MAX_INT, size);
    expect_error(&c, invalid, "an offset far away");
    send_infer_region(&c, region, size, JSON_MAX_INT);
    expect_error(&c, invalid, "a size without end");
    send_infer_region(&c, "nosuch", 0, size);
    expect_error(&c, "io.edged.RegionNotFound", "a region that is not there");
    send_infer_fd(&c, fd, 1, f->size);
    expect_error(&c, invalid, "a descriptor that was not sent");
    send_infer_fd(&c, -1, 0, f->size);
    expect_error(&c, invalid, "a descriptor without any");

    struct json_writer *w = begin_infer(&c, MODEL);
    put_string(w, "region", region);
    put_int(w, "size", size);
    end_input(w);
    put_string(w, "outputForm", "region");
    put_string(w, "outputRegion", region);
    put_int(w, "outputOffset", end - size + 8);
    caller_send(&c, NULL, 0);
    expect(caller_receive(&c) && c.reply.error, "outputs beyond the end of their region");
    caller_close(&c);
}

static void test_misaligned(struct fixture *f) {
    struct caller c;
    caller_open(&c, f->process.socket);
    _cleanup_(fd_closep) int fd = sparse(2 * f->float_size, F_SEAL_SHRINK);
    for (int offset = 0; offset <= 4; offset++) {
        struct json_writer *w = begin_infer(&c, FLOAT_MODEL);
        put_int(w, "fileDescriptor", 0);
        put_int(w, "offset", offset);
        put_int(w, "size", (int64_t)f->float_size);
        end_input(w);
        caller_send(&c, &fd, 1);
        if (offset % 4 == 0)
            expect_success(&c, "floats at a multiple of 4");
        else
            expect_error(&c, "io.edged.InvalidTensor", "floats between");
    }
    caller_close(&c);
}

/* Descriptors nobody asked for are closed, whatever the call. */
static void test_many_descriptors(struct fixture *f) {
    int fds[FRAME_MAX_FDS];
    struct caller c;
    caller_open(&c, f->process.socket);
    int fd = sparse(f->size, F_SEAL_SHRINK);
    for (int i = 0; i < FRAME_MAX_FDS; i++)
        fds[i] = fd;
    for (int i = 0; i < 20; i++) {
        caller_begin(&c, "Status");
        caller_send(&c, fds, FRAME_MAX_FDS);
        expect_success(&c, "253 descriptors");
    }
    /* And with a message that never ends. */
    caller_send_bytes(&c, "{", 1, fds, FRAME_MAX_FDS);
    fd_close(fd);
    caller_close(&c);
}

static void test_early_unregister(struct fixture *f) {
    struct caller c;
    char region[64];
    caller_open(&c, f->process.socket);
    for (int i = 0; i < 20; i++) {
        send_register(&c, f->networks.inputs_fd);
        expect_success(&c, "a region");
        snprintf(region, sizeof(region), "%.63s", caller_string(&c, "region"));
        for (int k = 0; k < 10; k++)
            send_infer_region(&c, region, 0, (int64_t)f->size);
        struct json_writer *w = caller_begin(&c, "UnregisterRegion");
        put_string(w, "region", region);
        caller_send(&c, NULL, 0);
        send_infer_region(&c, region, 0, (int64_t)f->size);
        for (int k = 0; k < 11; k++)
            expect_success(&c, "a region in use");
        expect_error(&c, "io.edged.RegionNotFound", "a region that is gone");
    }
    caller_close(&c);
}

/* Until the user's share is used up. What is held for a user counts for all connections of the user, so that this one is
 * alone. */
static void test_hoarding(struct fixture *f) {
    struct caller c;
    unsigned n = 0;
    caller_open(&c, f->process.socket);
    for (;; n++) {
        struct json_writer *w = caller_begin(&c, "RegisterRegion");
        put_int(w, "size", 1 << 20);
        caller_send(&c, NULL, 0);
        expect(caller_receive(&c), "closed while it hoards");
        if (c.reply.error)
            break;
        expect(n < 100000, "regions without end");
    }
    expect(strcmp(c.reply.error, "io.edged.QuotaExceeded") == 0, "%s", c.reply.error);
    printf("%u regions of a megabyte fit the user's share\n", n);
    expect(n > 0 && n <= 64, "more than the share");
    caller_close(&c);
}

static void make_networks(struct fixture *f, const char *ops) {
    static const char *const names[] = {MODEL, FLOAT_MODEL};
    networks_init(&f->networks);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s.tflite", ops, names[i]);
        networks_add_file(&f->networks, path, names[i], f->process.models, 1);
    }
    networks_fill(&f->networks, SEED);
    f->size = input_of(f, 0)->size;
    f->float_size = input_of(f, 1)->size;
}

int main(int argc, char **argv) {
    static void (*const tests[])(struct fixture * f) = {
        test_garbage,          test_endless_message,  test_flood,      test_memory_that_shrinks,
        test_sparse_memory,    test_bad_places,       test_misaligned, test_many_descriptors,
        test_early_unregister, test_many_connections,
    };
    if (argc != 3) {
        fprintf(stderr, "usage: hostile EDGED OPS-DIR\n");
        return 2;
    }
    static struct fixture f;
    struct bystander bystander;
    printf("seed %d\n", SEED);
    process_prepare(&f.process);
    make_networks(&f, argv[2]);
    process_start(&f.process, argv[1], CONFIG, 0);
    caller_open(&f.control, f.process.socket);
    caller_settle(&f.control);
    unsigned fds = process_fds(&f.process);

    bystander_start(&bystander, f.process.socket, MODEL, f.size);
    stall(&f);
    for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
        tests[i](&f);
    bystander_stop(&bystander);
    end_stall(&f);
    test_hoarding(&f);
    caller_settle(&f.control);
    expect(process_fds(&f.process) == fds, "%u descriptors, %u before", process_fds(&f.process),
           fds);
    caller_close(&f.control);
    process_stop(&f.process);
    networks_deinit(&f.networks);
    return 0;
}
