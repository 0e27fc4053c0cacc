/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending and receiving at the same time.
 */

#include "tests/load/connection.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/arith.h"
#include "base/error.h"
#include "tests/load/connection-call.h"
#include "tests/load/outcome.h"

#define BURST_SIZE 65536

/* Bytes of a slot: the outputs of the largest call, each at a multiple of 8. */
static size_t largest_outputs(const struct networks *networks) {
    size_t largest = 0;
    for (size_t k = 0; k < networks->n; k++) {
        const struct image *image = networks->list[k].image;
        size_t sum = 0;
        for (uint32_t o = 0; o < image_n_outputs(image); o++) {
            const struct port *port = image_output(image, o);
            size_t n = port->size / dtype_size(port->dtype) * MAX(dtype_size(port->dtype), 4U);
            sum += ALIGN_UP(NETWORK_MAX_BATCH * n, 8);
        }
        largest = MAX(largest, sum);
    }
    return largest;
}

static void copy_name(const struct caller *caller, const char *key, char *ret, size_t size) {
    const char *name = caller_string(caller, key);
    expect(strlen(name) < size, "the daemon's name is too long: %s", name);
    memcpy(ret, name, strlen(name) + 1);
}

static void register_own(struct connection *c, int fd, char *ret_name, size_t size) {
    struct json_writer *w = caller_begin(&c->caller, "RegisterRegion");
    json_key(w, "fileDescriptor");
    json_put_int(w, 0);
    caller_call(&c->caller, &fd, 1);
    copy_name(&c->caller, "region", ret_name, size);
}

static void register_daemons(struct connection *c, size_t bytes) {
    struct json_writer *w = caller_begin(&c->caller, "RegisterRegion");
    json_key(w, "size");
    json_put_uint(w, bytes);
    caller_call(&c->caller, NULL, 0);
    copy_name(&c->caller, "region", c->out_region, sizeof(c->out_region));
    int fd;
    int64_t index = caller_int(&c->caller, "fileDescriptor");
    expect(frame_fds_take(&c->caller.message.fds, (uint64_t)index, &fd) == 0, "no descriptor %d",
           (int)index);
    expect(map_shared(fd, bytes, &c->out) == 0, "the region cannot be mapped");
    fd_close(fd);
}

static void register_regions(struct connection *c) {
    register_own(c, c->networks->inputs_fd, c->in_region, sizeof(c->in_region));
    c->slot_size = largest_outputs(c->networks);
    c->n_slots = c->n_calls / 2 + 1;
    size_t bytes = c->slot_size * c->n_slots;
    if (random_below(&c->random, 2)) {
        register_daemons(c, bytes);
        return;
    }
    _cleanup_(fd_closep) int fd = -1;
    expect(memfd_new("outputs", bytes, &fd) == 0, "no memfd");
    expect(map_shared(fd, bytes, &c->out) == 0, "no map");
    expect(memfd_seal_region(fd) == 0, "no seal");
    register_own(c, fd, c->out_region, sizeof(c->out_region));
}

static void open_session(struct connection *c) {
    const struct network *found[NETWORKS_MAX];
    uint32_t n = 0;
    for (size_t k = 0; k < c->networks->n; k++)
        if (image_state_bytes(c->networks->list[k].image))
            found[n++] = &c->networks->list[k];
    if (n == 0)
        return;
    c->streaming = found[random_below(&c->random, n)];
    expect(session_new(c->streaming->image, &c->session) == 0, "no session");
    caller_simple(&c->caller, "OpenSession", "model", c->streaming->name);
    copy_name(&c->caller, "session", c->session_name, sizeof(c->session_name));
}

void connection_start(struct connection *c, const char *socket, const struct networks *networks,
                      uint64_t seed, size_t n_calls) {
    *c = (struct connection){.networks = networks, .random = {seed}, .n_calls = n_calls};
    c->calls = calloc(n_calls, sizeof(*c->calls));
    expect(c->calls, "no memory");
    buffer_init(&c->burst, FRAME_MAX_MESSAGE);
    caller_open(&c->caller, socket);
    register_regions(c);
    open_session(c);
}

static void drop_fds(struct connection *c) {
    if (c->fd_is_ours)
        fd_close(c->fds[0]);
    c->fd_is_ours = false;
    c->n_fds = 0;
}

void connection_close(struct connection *c) {
    drop_fds(c);
    for (size_t i = 0; i < c->n_calls; i++)
        free(c->calls[i].expected);
    free(c->calls);
    buffer_deinit(&c->burst);
    map_deinit(&c->out);
    c->session = session_free(c->session);
    caller_close(&c->caller);
}

bool connection_done(const struct connection *c) {
    return c->n_done == c->n_calls;
}

static bool wants_to_send(const struct connection *c) {
    return c->n_sent < c->burst.len || c->n_written < c->n_calls;
}

short connection_events(const struct connection *c) {
    return (short)(POLLIN | (wants_to_send(c) && !c->throttled ? POLLOUT : 0));
}

/* Calls without descriptors until there are enough, or a single one with: such a message is sent alone. */
static void fill_burst(struct connection *c) {
    c->burst.len = 0;
    c->n_sent = 0;
    while (c->n_written < c->n_calls && c->burst.len < BURST_SIZE) {
        struct call *call = &c->calls[c->n_written];
        if (!call->network)
            connection_choose_call(c, call);
        bool alone = call->in_form == WIRE_FILE_DESCRIPTOR;
        if (alone && c->burst.len)
            return;
        connection_write_call(c, call);
        c->n_written++;
        if (alone)
            return;
    }
}

static void send_some(struct connection *c) {
    while (wants_to_send(c)) {
        if (c->n_sent == c->burst.len)
            fill_burst(c);
        struct iovec iov = {.iov_base = c->burst.data + c->n_sent,
                            .iov_len = c->burst.len - c->n_sent};
        size_t n;
        int r = frame_send(c->caller.fd, &iov, 1, c->fds, c->n_fds, MSG_DONTWAIT, &n);
        if (r == -EAGAIN)
            return;
        if (r == -ETOOMANYREFS) {
            c->throttled = true;
            return;
        }
        expect(r == 0, "send: %s", strerror(-r));
        c->n_sent += n;
        drop_fds(c);
    }
}

static void receive_some(struct connection *c) {
    size_t n;
    int r = frame_recv(&c->caller.reader, c->caller.fd, MSG_DONTWAIT, &n);
    if (r == -EAGAIN)
        return;
    expect(r == 0, "recv: %s", strerror(-r));
    expect(n > 0, "the daemon closed the connection after %zu of %zu replies", c->n_done,
           c->n_calls);
    c->throttled = false;
    frame_fds_reset(&c->caller.message.fds);
    while (frame_next(&c->caller.reader, &c->caller.message) == 0) {
        expect(c->n_done < c->n_written, "a reply to no call");
        caller_parse(&c->caller);
        struct call *call = &c->calls[c->n_done++];
        connection_check_reply(c, call);
        c->n_items += call->batch;
        c->in_forms[call->in_form]++;
        c->out_forms[call->out_form]++;
        c->in_session += call->in_session;
        frame_fds_reset(&c->caller.message.fds);
    }
}

void connection_step(struct connection *c, short revents) {
    if (revents & POLLOUT)
        send_some(c);
    if (revents & (POLLIN | POLLHUP | POLLERR))
        receive_some(c);
}
