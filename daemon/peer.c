/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections: receiving, order, back-pressure, sending. A peer stops being read while a call waits for a slot, a call
 * is a barrier, or too much is under way; each of these ends with an event that calls peer_pump().
 */

#include "daemon/peer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/dispatch.h"
#include "daemon/regions.h"
#include "daemon/reply.h"
#include "daemon/request.h"
#include "daemon/server.h"
#include "daemon/sessions.h"

#define PEER_MAX_IOV 16
#define PEER_KEEP ((size_t)16 << 10) /* receive buffer kept while it is empty */

static void peer_log(struct peer *peer, enum log_level level, const char *text, int err) {
    const struct log_fields fields = {.peer = peer->id, .uid = (int64_t)peer->uid + 1, .err = err};
    if (server_may_log(peer->server))
        log_write(level, &fields, "%s", text);
}

/* The peer's mistake: it does not speak the protocol, or sends more than it may. */
static void peer_fail(struct peer *peer, const char *text) {
    peer_log(peer, LOG_LEVEL_WARNING, text, 0);
    peer_close(peer);
}

/* What a connection with a receive buffer of this size is charged. */
static size_t base_bytes(size_t cap) {
    return MAX(PEER_BASE_BYTES, cap + PEER_KEEP + PEER_CREDIT);
}

static void append_request(struct peer *peer, struct request *request) {
    request->peer = peer;
    request->prev = peer->last;
    request->next = NULL;
    if (peer->last)
        peer->last->next = request;
    else
        peer->first = request;
    peer->last = request;
    peer->n_requests++;
}

static void unlink_request(struct peer *peer, struct request *request) {
    if (request->prev)
        request->prev->next = request->next;
    else
        peer->first = request->next;
    if (request->next)
        request->next->prev = request->prev;
    else
        peer->last = request->prev;
    request->prev = request->next = NULL;
    request->peer = NULL;
    peer->n_requests--;
    if (request->credit)
        peer->credit_lent = false;
    if (request->ready)
        peer->out_bytes -= request->reply.len - request->sent;
    if (peer->barrier == request)
        peer->barrier = NULL;
}

static void stop_waiting(struct peer *peer) {
    struct server *server = peer->server;
    struct peer *before = NULL;
    if (!peer->is_waiting)
        return;
    for (struct peer *p = server->waiting_first; p != peer; p = p->waiting_next)
        before = p;
    if (before)
        before->waiting_next = peer->waiting_next;
    else
        server->waiting_first = peer->waiting_next;
    if (server->waiting_last == peer)
        server->waiting_last = before;
    peer->is_waiting = false;
}

/* Takes a request away from its peer. One that a worker has ends early and is freed when it comes back. */
static void abandon(struct peer *peer, struct request *request) {
    struct server *server = peer->server;
    unlink_request(peer, request);
    if (peer->held == request) {
        peer->held = NULL;
        stop_waiting(peer);
    } else if (!request->ready && !sessions_cancel(request) &&
               !pool_cancel(&server->pool, &request->job)) {
        pool_stop_job(&request->job);
        return;
    }
    if (request->has_slot)
        server_release_slot(server);
    request->has_slot = false;
    request_free(request);
}

/* Nobody reads the answers any more: what was asked for is dropped, but calls that want no answer are still served. */
static void hang_up(struct peer *peer) {
    struct request *next;
    peer->gone = true;
    peer->half = true;
    peer->want_write = false;
    for (struct request *r = peer->first; r; r = next) {
        next = r->next;
        if (!r->call.oneway)
            abandon(peer, r);
    }
}

static void mark_dirty(struct peer *peer) {
    if (peer->is_dirty)
        return;
    peer->is_dirty = true;
    peer->dirty_next = peer->server->dirty;
    peer->server->dirty = peer;
}

static void refuse_bytes(struct request *request, const struct account *account) {
    reply_quota(request, account_resource_name(ACCOUNT_BYTES), account->owner->limit[ACCOUNT_BYTES],
                account->used[ACCOUNT_BYTES]);
}

/* The reply is held until the client fetches it. One that its user cannot have becomes a refusal. */
static void charge_reply(struct peer *peer, struct request *request) {
    if (request->sent || request_charge(request, request_held(request) + request->reply.cap) == 0)
        return;
    request_trim(request);
    refuse_bytes(request, peer->account);
    charge_shrink(&request->bytes, request_held(request) + request->reply.cap);
}

void peer_answer(struct request *request) {
    struct peer *peer = request->peer;
    if (request->has_slot)
        server_release_slot(request->server);
    request->has_slot = false;
    request->server->n_answered++;
    if (!peer) {
        request_free(request);
        return;
    }
    request_settle(request);
    bool is_unwanted = request->call.oneway || peer->gone;
    if (!is_unwanted)
        charge_reply(peer, request);
    request->ready = true;
    peer->out_bytes += request->reply.len - request->sent;
    if (peer->barrier == request)
        peer->barrier = NULL;
    bool is_out = request->reply.len && request->sent == request->reply.len;
    if (is_unwanted || is_out) {
        unlink_request(peer, request);
        request_free(request);
    }
    mark_dirty(peer);
}

struct peer_socket *peer_socket_unref(struct peer_socket *socket) {
    if (!socket || --socket->n_refs)
        return NULL;
    fd_close(socket->fd);
    free(socket);
    return NULL;
}

/* On a worker. What cannot be sent now, and every error, is left to the loop. */
static void publish(struct job *job) {
    struct request *request = container_of(job, struct request, job);
    struct iovec iov = {.iov_base = request->reply.data, .iov_len = request->reply.len};
    size_t n;
    if (request->reply.len &&
        frame_send(request->socket->fd, &iov, 1, NULL, 0, MSG_DONTWAIT, &n) == 0)
        request->sent = n;
}

/* While this request is the first one the loop sends nothing: answers behind it wait for it. */
void peer_allow_publish(struct request *request) {
    struct peer *peer = request->peer;
    if (peer->first != request || request->call.oneway)
        return;
    request->socket = peer->socket;
    request->socket->n_refs++;
    request->job.publish = publish;
}

static void run(struct peer *peer, struct request *request) {
    if (request->method && (request->method->flags & METHOD_BARRIER))
        peer->barrier = request;
    if (dispatch(request))
        peer_answer(request);
}

/* A call that needs a worker takes its place in the queue, behind the peers that wait for one. */
static void start(struct peer *peer, struct request *request) {
    struct server *server = peer->server;
    if (request->method && request->method->flags != METHOD_WORKS)
        pool_settle(&server->pool);
    if (request->method && (request->method->flags & METHOD_WORKS)) {
        if (server->waiting_first || !server_take_slot(server)) {
            peer->held = request;
            peer->is_waiting = true;
            peer->waiting_next = NULL;
            if (server->waiting_last)
                server->waiting_last->waiting_next = peer;
            else
                server->waiting_first = peer;
            server->waiting_last = peer;
            return;
        }
        request->has_slot = true;
    }
    run(peer, request);
}

void peer_run_held(struct peer *peer) {
    struct request *request = peer->held;
    peer->held = NULL;
    stop_waiting(peer);
    request->has_slot = true;
    run(peer, request);
}

static bool is_blocked(const struct peer *peer) {
    return peer->held || peer->barrier || peer->n_requests >= PEER_MAX_REQUESTS ||
           peer->out_bytes >= PEER_MAX_OUTPUT;
}

/* What a message of this length can make a request hold until it is parsed: text, text without the cuts (both grow by
 * doubling), and the tree, at most 64 bytes for 2 of text. */
static size_t parse_estimate(const struct request *request, size_t len) {
    return request_held(request) + 4 * (len + 1) + MIN(ARENA_MAX, 64 * len + ARENA_FIRST) +
           JSON_MAX_CUTS * sizeof(struct json_cut);
}

enum {
    TAKE_E_NOTHING = 1, /* no message, or none for now */
    TAKE_E_CLOSED = 2,
    TAKE_E_REFUSED = 3, /* answered already */
};

/* Charges a message before it is taken. The first one in line is taken even where the account is used up: only one is
 * parsed at a time, and what it holds then it must pay. False: not yet. */
static bool charge_message(struct peer *peer, struct request *request, size_t len) {
    int r = charge_take(&request->bytes, peer->account, ACCOUNT_BYTES, 0);
    edge_assert(r == 0);
    request->credit = peer->credit_lent ? 0 : PEER_CREDIT;
    if (request_charge(request, parse_estimate(request, len)) == 0)
        return true;
    if (peer->n_requests) /* what it has under way will give memory back */
        return false;
    request_trim(request);
    return true;
}

/* The next message as a parsed request. */
static int take_request(struct peer *peer, struct request **ret_request) {
    struct request *request;
    struct diag diag;
    size_t len;
    if (frame_peek(&peer->reader, &len))
        return TAKE_E_NOTHING;
    int r = request_new(peer->server, &request);
    if (r)
        goto failed;
    if (!charge_message(peer, request, len)) {
        request_free(request);
        return TAKE_E_NOTHING;
    }
    r = frame_next(&peer->reader, &request->message);
    if (r) {
        request_free(request);
        goto failed;
    }
    /* The descriptors change hands, and so does what was charged for them: this cannot fail. */
    charge_shrink(&peer->descriptors, peer->reader.n_pending);
    r = charge_take(&request->descriptors, peer->account, ACCOUNT_DESCRIPTORS,
                    request->message.fds.n);
    edge_assert(r == 0);
    append_request(peer, request);
    peer->credit_lent = peer->credit_lent || request->credit;
    if (request_parse(request, &diag)) {
        char text[DIAG_MAX + 64];
        snprintf(text, sizeof(text), "connection closed, it does not speak Varlink: %s", diag.text);
        peer_fail(peer, text);
        return TAKE_E_CLOSED;
    }
    if (request_charge(request, request_held(request) + request->reply.cap)) {
        refuse_bytes(request, peer->account);
        peer_answer(request);
        return TAKE_E_REFUSED;
    }
    *ret_request = request;
    return 0;
failed:
    peer_log(peer, LOG_LEVEL_ERROR, "connection closed: cannot take in a message", r);
    peer_close(peer);
    return TAKE_E_CLOSED;
}

/* Serves what is buffered, as far as it may. False: the peer is closing. */
static bool process(struct peer *peer) {
    while (peer->state == PEER_OPEN && !is_blocked(peer)) {
        struct request *request;
        int r = take_request(peer, &request);
        if (r == TAKE_E_CLOSED)
            return false;
        if (r == TAKE_E_REFUSED)
            continue;
        if (r)
            break;
        if (peer->gone && !request->call.oneway) {
            unlink_request(peer, request);
            request_free(request);
            continue;
        }
        start(peer, request);
    }
    return peer->state != PEER_CLOSING;
}

/* As many answers as go into one message: those with a descriptor go alone. */
static size_t gather(struct peer *peer, struct iovec iov[PEER_MAX_IOV], const int **ret_fd) {
    size_t n = 0;
    *ret_fd = NULL;
    for (struct request *r = peer->first; r && r->ready && n < PEER_MAX_IOV; r = r->next) {
        bool with_fd = r->reply_fd >= 0 && r->sent == 0;
        if (with_fd && n)
            break;
        iov[n++] =
            (struct iovec){.iov_base = r->reply.data + r->sent, .iov_len = r->reply.len - r->sent};
        if (with_fd) {
            *ret_fd = &r->reply_fd;
            break;
        }
    }
    return n;
}

static void sent(struct peer *peer, size_t n) {
    while (n) {
        struct request *r = peer->first;
        size_t part = MIN(n, r->reply.len - r->sent);
        r->sent += part;
        peer->out_bytes -= part;
        n -= part;
        if (r->sent < r->reply.len)
            return;
        unlink_request(peer, r);
        request_free(r);
    }
}

/* Sends what is ready until the socket is full. False: the peer is closing. */
static bool flush(struct peer *peer) {
    while (peer->first && peer->first->ready && !peer->want_write) {
        struct iovec iov[PEER_MAX_IOV];
        const int *fd;
        size_t n_sent;
        if (!peer->first->reply.len) { /* there was no memory even for saying so */
            peer_close(peer);
            return false;
        }
        size_t n = gather(peer, iov, &fd);
        int r = frame_send(peer->fd, iov, n, fd, fd ? 1 : 0, MSG_DONTWAIT, &n_sent);
        switch (r) {
        case 0:
            sent(peer, n_sent);
            break;
        case -EINTR:
            break;
        case -EAGAIN:
            peer->want_write = true;
            break;
        case -EPIPE:
        case -ECONNRESET:
            hang_up(peer);
            break;
        default:
            peer_log(peer, LOG_LEVEL_WARNING, "connection closed: cannot send", r);
            peer_close(peer);
            return false;
        }
    }
    return true;
}

static void on_poll(uv_poll_t *poll, int status, int events);

/* Polls for what can be used now and nothing else: an event that is left lying would come again at once. */
static void update(struct peer *peer) {
    int events = 0;
    size_t len;
    if (peer->state == PEER_OPEN && !is_blocked(peer) &&
        frame_peek(&peer->reader, &len) == FRAME_E_NONE)
        events |= UV_READABLE;
    if (peer->want_write)
        events |= UV_WRITABLE;
    /* Half closed stays readable for ever as an event. What is left to notice, the end of the other half, comes with any
     * event asked for, and UV_PRIORITIZED comes by itself only for out-of-band data. */
    if (!peer->half)
        events |= UV_DISCONNECT;
    else if (!peer->gone)
        events |= UV_PRIORITIZED;
    if (events == peer->events)
        return;
    peer->events = events;
    int r = events ? uv_poll_start(&peer->poll, events, on_poll) : uv_poll_stop(&peer->poll);
    edge_assert(r == 0);
}

void peer_pump(struct peer *peer) {
    size_t before;
    do {
        if (!process(peer))
            return;
        before = peer->n_requests;
        if (!flush(peer))
            return;
    } while (peer->n_requests < before);
    if (peer->state == PEER_DRAINING && !peer->first) {
        peer_close(peer);
        return;
    }
    if (!frame_reader_partial(&peer->reader) && peer->reader.buffer.cap > PEER_KEEP)
        frame_reader_trim(&peer->reader);
    charge_shrink(&peer->bytes, base_bytes(peer->reader.buffer.cap));
    update(peer);
}

/* A message that is growing goes on where the last large one was. Growing by itself it would not take more than twice what
 * has come of it, and no more is taken so. */
static void take_spare(struct peer *peer) {
    struct buffer *spare = &peer->server->spare_text;
    const struct frame_reader *reader = &peer->reader;
    size_t cap = reader->buffer.cap;
    int waiting;
    if (!cap || spare->cap <= cap || frame_reader_next_cap(reader) <= cap ||
        ioctl(peer->fd, FIONREAD, &waiting) < 0)
        return;
    size_t come = reader->buffer.len - reader->start + (size_t)MAX(waiting, 0);
    if (spare->cap <= 2 * come && charge_resize(&peer->bytes, base_bytes(spare->cap)) == 0)
        frame_reader_exchange(&peer->reader, spare);
}

/* One recvmsg. False: the peer is closing. */
static bool receive(struct peer *peer) {
    size_t n;
    take_spare(peer);
    size_t cap = frame_reader_next_cap(&peer->reader);
    if (charge_resize(&peer->bytes, base_bytes(cap))) {
        peer_fail(peer, "connection closed: its user holds too much memory");
        return false;
    }
    int r = frame_recv(&peer->reader, peer->fd, MSG_DONTWAIT, &n);
    switch (r) {
    case 0:
        break;
    case -EAGAIN:
    case -EINTR:
        return true;
    case -ECONNRESET:
        peer_close(peer);
        return false;
    case -EMSGSIZE:
        peer_fail(peer, "connection closed: a message above max-message");
        return false;
    case -EPROTO:
        peer_fail(peer, "connection closed: descriptors lost, or not at the start of a message");
        return false;
    default:
        peer_log(peer, LOG_LEVEL_ERROR, "connection closed: cannot receive", r);
        peer_close(peer);
        return false;
    }
    if (charge_resize(&peer->descriptors, peer->reader.n_pending)) {
        peer_fail(peer, "connection closed: its user holds too many descriptors");
        return false;
    }
    if (n == 0)
        peer->state = PEER_DRAINING;
    return true;
}

/* Of a client that shut down only its sending side answers are still wanted. */
static bool is_hung_up(const struct peer *peer) {
    struct pollfd p = {.fd = peer->fd};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct peer *peer = poll->data;
    if (status < 0) {
        peer_close(peer);
        return;
    }
    if (events & UV_DISCONNECT) {
        peer->half = true;
        if (is_hung_up(peer))
            hang_up(peer);
    }
    if (events & UV_PRIORITIZED) {
        if (!is_hung_up(peer)) {
            peer_fail(peer, "connection closed: out-of-band data");
            return;
        }
        hang_up(peer);
    }
    if (events & UV_WRITABLE)
        peer->want_write = false;
    if ((events & UV_READABLE) && !receive(peer))
        return;
    peer_pump(peer);
}

static void on_closed(uv_handle_t *handle) {
    struct peer *peer = handle->data;
    struct server *server = peer->server;
    peer_socket_unref(peer->socket);
    free(peer);
    server_peer_closed(server);
}

void peer_drain(struct peer *peer) {
    if (peer->state != PEER_OPEN)
        return;
    peer->state = PEER_DRAINING;
    if (peer->held) {
        struct request *request = peer->held;
        peer->held = NULL;
        stop_waiting(peer);
        reply_error(request, "io.edged.Stopping", NULL, NULL);
        peer_answer(request);
    }
    mark_dirty(peer);
}

static void leave_server(struct peer *peer) {
    struct server *server = peer->server;
    if (peer->prev)
        peer->prev->next = peer->next;
    else
        server->peers = peer->next;
    if (peer->next)
        peer->next->prev = peer->prev;
    if (peer->is_dirty) {
        struct peer **at = &server->dirty;
        while (*at != peer)
            at = &(*at)->dirty_next;
        *at = peer->dirty_next;
        peer->is_dirty = false;
    }
}

void peer_close(struct peer *peer) {
    if (peer->state == PEER_CLOSING)
        return;
    peer->state = PEER_CLOSING;
    while (peer->first)
        abandon(peer, peer->first);
    sessions_drop_all(peer);
    regions_drop_all(peer);
    frame_reader_deinit(&peer->reader);
    charge_release(&peer->descriptors);
    charge_release(&peer->bytes);
    charge_release(&peer->connection);
    peer->account = account_unref(peer->account);
    leave_server(peer);
    /* A worker may still have the descriptor: the client shall notice now. */
    shutdown(peer->fd, SHUT_RDWR);
    uv_close((uv_handle_t *)&peer->poll, on_closed);
}

int peer_new(struct server *server, int fd_in, struct peer **ret_peer,
             enum account_resource *ret_full) {
    _cleanup_(fd_closep) int fd = fd_in;
    struct ucred cred;
    socklen_t len = sizeof(cred);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return err_origin(-errno);
    struct peer *peer = calloc(1, sizeof(*peer));
    if (!peer)
        return err_origin(-ENOMEM);
    peer->server = server;
    peer->uid = cred.uid;
    peer->socket = calloc(1, sizeof(*peer->socket));
    if (!peer->socket) {
        free(peer);
        return err_origin(-ENOMEM);
    }
    frame_reader_init(&peer->reader, (size_t)server->config.max_message);
    int r = account_get(&server->accounts, peer->uid, &peer->account);
    *ret_full = ACCOUNT_CONNECTIONS;
    if (!r)
        r = charge_take(&peer->connection, peer->account, ACCOUNT_CONNECTIONS, 1);
    if (!r) {
        *ret_full = ACCOUNT_BYTES;
        r = charge_take(&peer->bytes, peer->account, ACCOUNT_BYTES, PEER_BASE_BYTES);
    }
    if (!r)
        r = charge_take(&peer->descriptors, peer->account, ACCOUNT_DESCRIPTORS, 0);
    if (!r)
        r = uv_poll_init(&server->loop, &peer->poll, fd);
    if (r) {
        charge_release(&peer->descriptors);
        charge_release(&peer->bytes);
        charge_release(&peer->connection);
        account_unref(peer->account);
        free(peer->socket);
        free(peer);
        return r;
    }
    peer->poll.data = peer;
    *peer->socket = (struct peer_socket){.fd = fd, .n_refs = 1};
    peer->fd = fd;
    fd = -1;
    peer->id = ++server->n_peers_ever;
    peer->next = server->peers;
    if (peer->next)
        peer->next->prev = peer;
    server->peers = peer;
    server->n_peers++;
    update(peer);
    *ret_peer = peer;
    return 0;
}
