/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One connection. Its calls are answered in order; while it has too much under way it is not read. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/attributes.h"
#include "daemon/account.h"
#include "proto/frame.h"

struct region;
struct request;
struct server;
struct session_entry;

#define PEER_MAX_REQUESTS 64              /* calls under way or answered but not sent */
#define PEER_MAX_OUTPUT ((size_t)1 << 20) /* bytes of answers not sent, before reading stops */
/* Charged for the connection itself, small buffers and the credit. */
#define PEER_BASE_BYTES ((size_t)64 << 10)
/* Of the base, for one call at a time and its answer: a user who has used up the account can still be answered, and
 * give something back. */
#define PEER_CREDIT ((size_t)32 << 10)

enum peer_state {
    PEER_OPEN,     /* reads calls */
    PEER_DRAINING, /* reads no more; closes when the answers are out */
    PEER_CLOSING,  /* waits for the close callback of its handle */
};

/* The descriptor of a connection, open until the peer and every request that a worker may answer on it have let go. The
 * count is the loop's, the number never changes. */
struct peer_socket {
    int fd;
    unsigned n_refs;
};

struct peer {
    struct server *server;
    struct peer *prev, *next;
    struct peer *dirty_next, *waiting_next;
    uint64_t id; /* from 1 */
    uid_t uid;
    enum peer_state state;
    bool gone; /* nobody reads the answers any more */
    bool half; /* the client will not send any more: seen, so not watched for any longer */
    bool want_write;
    bool is_dirty, is_waiting;

    int fd; /* of the socket */
    struct peer_socket *socket;
    int events; /* what is polled for */
    uv_poll_t poll;
    struct frame_reader reader;

    struct request *first, *last; /* calls in order */
    size_t n_requests;
    size_t out_bytes;
    struct request *held;    /* the newest call, which waits for a slot */
    struct request *barrier; /* a call that later ones wait for */
    bool credit_lent;        /* to one of them */

    struct region *regions;
    struct session_entry *sessions;
    uint64_t n_regions_ever, n_sessions_ever;

    struct account *account;
    struct charge connection, bytes, descriptors;
};

/* Takes fd over in any case. 0, -ENOMEM, or ACCOUNT_E_QUOTA, and then *ret_full is what there is too much of. */
_nodiscard_ int peer_new(struct server *server, int fd, struct peer **ret_peer,
                         enum account_resource *ret_full);
/* Drops everything now; the memory goes when the handle has closed. */
void peer_close(struct peer *peer);
/* Reads no more calls and closes when all answers are out. */
void peer_drain(struct peer *peer);
/* Processes what is buffered, sends what is ready, waits for what is wanted next. May close the peer. */
void peer_pump(struct peer *peer);
/* The call that was held has its slot now. */
void peer_run_held(struct peer *peer);
/* Lets the worker send the answer itself where no other can come before it: one thread less on the way. */
void peer_allow_publish(struct request *request);
/* Accepts NULL; returns NULL. */
struct peer_socket *peer_socket_unref(struct peer_socket *socket);
/* The reply of a request is written. Frees the request where nobody wants it; gives its slot back. */
void peer_answer(struct request *request);
