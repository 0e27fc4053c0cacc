/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One call from its arrival to its answer. Belongs to the loop thread, and to a worker between pool_submit() and
 * done(). Requests are recycled, with the memory they have grown.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "daemon/account.h"
#include "daemon/arena.h"
#include "daemon/pool.h"
#include "proto/frame.h"
#include "proto/json.h"
#include "proto/message.h"

struct method;
struct peer;
struct peer_socket;
struct server;

#define REQUEST_KEEP ((size_t)8 << 10) /* of each buffer of a recycled request */
#define REQUEST_KEEP_COUNT 64
#define REQUEST_SPARE ((size_t)1 << 20) /* at most, of each spare buffer of the server */

struct request {
    struct job job;
    struct server *server;
    struct peer *peer;           /* NULL: the client is gone and wants no answer */
    struct request *prev, *next; /* of the peer, in the order of the calls */
    uint64_t id;

    struct frame_message message;
    struct json_doc doc;
    struct arena arena;
    struct message_call call;
    const struct method *method;

    void *op;                          /* the method's own, in the arena */
    void (*op_free)(struct request *); /* drops what op refers to; NULL: nothing */
    bool has_slot;                     /* counts among the requests that may wait for a worker */
    struct request *session_next;      /* waits for the request before it in its session */

    bool ready; /* the reply is there */
    struct buffer reply;
    size_t sent;
    struct peer_socket *socket; /* a reference: the worker may send the reply; NULL: it may not */
    int reply_fd;               /* goes with the reply; -1: none */

    struct charge bytes, descriptors;
    size_t credit; /* bytes that its connection has paid for */
};

/* A fresh one; -ENOMEM. */
_nodiscard_ int request_new(struct server *server, struct request **ret_request);
/* Into the store of recycled ones. Its job is idle, and it is not in a peer's list. */
void request_free(struct request *request);
/* Gives a reply of up to `bytes` the memory of one before it, at most twice as much as that. Nothing is written yet. */
void request_prepare_reply(struct request *request, size_t bytes);
/* Frees the store, and the spare buffers. */
void request_drop_store(struct server *server);

/* Memory that lives as long as the request; zeroed; NULL without. Loop thread. */
void *request_alloc(struct request *request, size_t size);
/* Parses the message and looks up the method: `method` stays NULL where there is none such. 0, MESSAGE_E_PROTOCOL. */
_nodiscard_ int request_parse(struct request *request, struct diag *diag);
/* The answer is written: drops everything else. */
void request_settle(struct request *request);
/* Gives back the memory that it keeps; before it has a message, or after it is settled. */
void request_trim(struct request *request);
/* Charges `bytes` in all to its user, but for the credit. ACCOUNT_E_QUOTA. */
_nodiscard_ int request_charge(struct request *request, uint64_t bytes);
/* Bytes held beside the reply, for the charge. */
size_t request_held(const struct request *request);
