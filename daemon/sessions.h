/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Sessions of streaming clients: named per connection; requests of one run one after the other, in order. Loop thread,
 * but `state` is used by the one worker that runs its request.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "daemon/account.h"

struct model;
struct peer;
struct request;
struct session;

struct session_entry {
    struct session_entry *next; /* of the peer */
    uint64_t number;            /* "s<number>" */
    struct model *model;
    struct session *state;
    unsigned n_refs;              /* the peer's and one of each request */
    struct request *running;      /* submitted to the pool */
    struct request *first, *last; /* wait for it */
    struct charge charge, bytes;
};

/* NULL where this connection has no such session. */
struct session_entry *sessions_find(struct peer *peer, const char *name);
struct session_entry *session_entry_ref(struct session_entry *session);
/* Accepts NULL; returns NULL. */
struct session_entry *session_entry_unref(struct session_entry *session);

/* Submits the request's job when it is its turn. The request holds a reference. */
void sessions_submit(struct session_entry *session, struct request *request);
/* The request's job is done, or was cancelled: the next one's turn. */
void sessions_finish(struct session_entry *session, struct request *request);
/* Takes back a request that waits for its turn. False: it does not. */
bool sessions_cancel(struct request *request);
/* The connection is over. */
void sessions_drop_all(struct peer *peer);
