/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The daemon as a whole: the loop and all that runs on it. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "config/config.h"
#include "daemon/access.h"
#include "daemon/account.h"
#include "daemon/linger.h"
#include "daemon/listener.h"
#include "daemon/notify.h"
#include "daemon/pool.h"
#include "daemon/registry.h"
#include "kernels/cpu.h"

struct diag;
struct peer;
struct request;

#define SERVER_MAX_REPLY                                                                           \
    ((size_t)256 << 20)       /* no reply may become longer, whatever the configuration */
#define SERVER_DRAIN_MS 10000 /* how long clients have to fetch their answers at the end */
#define SERVER_VENDOR "edged"
#define SERVER_URL "man:edged(8)"

struct server {
    struct config config;
    enum tier tier;
    uint64_t started_ns;
    bool stopping;
    bool may_give_back; /* a connection has ended since memory was last given back */

    uv_loop_t loop;
    uv_signal_t signals[2];
    uv_timer_t drain;
    struct listener listener;
    struct lingering lingering;
    struct notify notify;
    struct access access;
    struct accounts accounts;
    struct registry registry;
    struct pool pool;

    struct peer *peers;
    size_t n_peers;
    struct peer *dirty;                        /* have answers to send */
    struct peer *waiting_first, *waiting_last; /* hold a call that needs a slot, in turn */
    size_t n_slots; /* in use: requests that wait for a worker or have one */

    struct request *request_store;
    size_t n_request_store;
    /* The memory of the last large message and the last large reply, for the next. */
    struct buffer spare_text, spare_reply;
    struct startup *startup; /* networks still being loaded from the directory */

    uint64_t n_peers_ever, n_requests_ever, n_answered;
    uint64_t n_refused; /* connections above a limit */
    size_t n_sessions, n_regions;
    uint64_t quiet_until; /* no more log lines about peers before this time */
    unsigned n_logged;
};

enum {
    SERVER_E_CONFIG = 1, /* a setting cannot be used here */
};

/* Workers start, the directory's networks begin to load, the socket is served. The diag says what
 * failed. 0, SERVER_E_CONFIG, a negative errno. */
_nodiscard_ int server_init(struct server *server, const struct config *config, struct diag *diag);
/* Runs until a signal ended it and all answers are out. */
_nodiscard_ int server_run(struct server *server);
/* Accepts a half-initialized one. */
void server_deinit(struct server *server);

/* Takes one of the slots that bound the queue; false when all are in use. */
bool server_take_slot(struct server *server);
void server_release_slot(struct server *server);
/* A connection on fd, which the server takes over in any case. */
void server_add_peer(struct server *server, int fd);
/* Whether a peer may still cause a log line: a few each ten seconds. */
bool server_may_log(struct server *server);
/* Peer-side bookkeeping: the last connection of a stopping server ends it. */
void server_peer_closed(struct server *server);
/* One line about the state, for systemd and Status. */
void server_status_text(const struct server *server, char *ret, size_t size);
/* The status has changed. */
void server_notify_status(struct server *server);
