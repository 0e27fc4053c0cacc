/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests and their store.
 */

#include "daemon/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "daemon/dispatch.h"
#include "daemon/peer.h"
#include "daemon/server.h"

int request_new(struct server *server, struct request **ret_request) {
    struct request *request = server->request_store;
    if (request) {
        server->request_store = request->next;
        server->n_request_store--;
        request->next = NULL;
    } else {
        request = calloc(1, sizeof(*request));
        if (!request)
            return err_origin(-ENOMEM);
        request->server = server;
        frame_message_init(&request->message);
        json_doc_init(&request->doc);
        arena_init(&request->arena);
        buffer_init(&request->reply, SERVER_MAX_REPLY);
        request->reply_fd = -1;
    }
    request->id = ++server->n_requests_ever;
    *ret_request = request;
    return 0;
}

static void destroy(struct request *request) {
    frame_message_deinit(&request->message);
    json_doc_deinit(&request->doc);
    arena_deinit(&request->arena);
    buffer_deinit(&request->reply);
    free(request);
}

/* Empties a buffer. Where it is large its memory is kept for the next one that will be. */
static void recycle(struct buffer *buffer, struct buffer *spare) {
    buffer->len = 0;
    if (buffer->cap > REQUEST_KEEP && buffer->cap > spare->cap && buffer->cap <= REQUEST_SPARE)
        buffer_exchange(buffer, spare);
    buffer_reset(buffer, REQUEST_KEEP);
}

void request_prepare_reply(struct request *request, size_t bytes) {
    struct buffer *spare = &request->server->spare_reply;
    if (bytes > request->reply.cap && spare->cap > request->reply.cap && spare->cap <= 2 * bytes)
        buffer_exchange(&request->reply, spare);
}

void request_settle(struct request *request) {
    if (request->op_free)
        request->op_free(request);
    request->op_free = NULL;
    request->op = NULL;
    request->socket = peer_socket_unref(request->socket);
    request->job.publish = NULL;
    request->job.expected_ns = 0;
    frame_fds_reset(&request->message.fds);
    recycle(&request->message.text, &request->server->spare_text);
    /* The tree is the arena's. */
    request->doc.root = NULL;
    json_doc_reset(&request->doc, REQUEST_KEEP);
    arena_reset(&request->arena);
    charge_release(&request->descriptors);
    charge_shrink(&request->bytes, request_held(request) + request->reply.cap);
}

void request_free(struct request *request) {
    edge_assert(request->job.state == JOB_IDLE && !request->has_slot);
    request_settle(request);
    charge_release(&request->bytes);
    recycle(&request->reply, &request->server->spare_reply);
    request->reply_fd = fd_close(request->reply_fd);
    struct server *server = request->server;
    request->peer = NULL;
    request->prev = NULL;
    request->method = NULL;
    request->session_next = NULL;
    request->ready = false;
    request->sent = 0;
    request->credit = 0;
    if (server->n_request_store == REQUEST_KEEP_COUNT) {
        destroy(request);
        return;
    }
    request->next = server->request_store;
    server->request_store = request;
    server->n_request_store++;
}

void request_drop_store(struct server *server) {
    while (server->request_store) {
        struct request *request = server->request_store;
        server->request_store = request->next;
        destroy(request);
    }
    server->n_request_store = 0;
    buffer_reset(&server->spare_text, 0);
    buffer_reset(&server->spare_reply, 0);
}

void *request_alloc(struct request *request, size_t size) {
    return arena_alloc(&request->arena, size);
}

void request_trim(struct request *request) {
    buffer_reset(&request->message.text, 0);
    buffer_reset(&request->reply, 0);
    json_doc_reset(&request->doc, 0);
    arena_deinit(&request->arena);
}

int request_charge(struct request *request, uint64_t bytes) {
    return charge_resize(&request->bytes, bytes > request->credit ? bytes - request->credit : 0);
}

size_t request_held(const struct request *request) {
    return sizeof(*request) + request->message.text.cap + request->doc.small.cap +
           request->doc.cuts.cap + request->arena.total;
}

int request_parse(struct request *request, struct diag *diag) {
    struct buffer *text = &request->message.text;
    arena_use(&request->arena);
    int r = json_doc_parse(&request->doc, (char *)text->data, text->len);
    arena_use(NULL);
    if (r)
        return diag_set(diag, MESSAGE_E_PROTOCOL, "a message is no JSON, or too complex");
    r = message_read_call(&request->doc, &request->call, diag);
    if (!r)
        request->method = dispatch_find(request->call.method);
    return r;
}
