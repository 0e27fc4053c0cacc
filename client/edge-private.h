/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The inside of a connection, shared by the files of libedge. Threads: as edge.h says.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/fd.h"
#include "client/edge.h"
#include "proto/frame.h"
#include "proto/json.h"
#include "proto/message.h"

struct param;

#define EDGE_MAX_UNSENT ((size_t)64 << 20) /* bytes kept for a socket that does not take them */
#define EDGE_ERROR_MAX 512
#define EDGE_NAME_MAX 256

/* A received reply. */
struct reply {
    struct buffer text;
    int fd; /* descriptor 0 of the message, -1 for none */
};

void reply_deinit(struct reply *reply);

struct edge_session {
    struct edge *edge;
    struct edge_session *next;
    char name[EDGE_NAME_MAX]; /* as the daemon calls it */
};

struct edge_region {
    struct edge *edge;
    struct edge_region *next;
    char name[EDGE_NAME_MAX];
    struct map map;
};

struct edge {
    int fd;
    int broken;  /* not 0: the connection is of no more use */
    int timeout; /* milliseconds, -1 for ever */
    struct frame_reader reader;
    struct buffer unsent;
    size_t n_sent; /* of unsent: already written */

    /* Replies come in the order of the calls: the first n_replies of n_calls have arrived. */
    struct reply *replies; /* ring of `cap`, a power of two */
    size_t cap, head, n_replies, n_calls;

    /* The reply that was read last: names and values of outputs point into it. */
    struct reply current;
    struct json_doc doc;
    void *values;
    size_t values_cap;

    struct edge_session *sessions;
    struct edge_region *regions;
    char error[EDGE_ERROR_MAX];
};

/* Stores the sentence for edge_error_text() and returns `code`. */
int edge_set_error(struct edge *edge, int code, const char *fmt, ...) _printf_(3, 4);
/* The same, and makes the connection unusable. */
int edge_break(struct edge *edge, int code, const char *fmt, ...) _printf_(3, 4);
/* -ENOTCONN where the connection is of no more use, with a sentence. First thing in every public call. */
_nodiscard_ int edge_check(struct edge *edge);
/* The same, and -EINVAL where a string that the caller has to give is NULL; `what` names it. */
_nodiscard_ int edge_check_given(struct edge *edge, const char *string, const char *what);

/* A call's beginning: room to write parameters. edge_end_call() ends and queues it, with `fd` (or -1) attached; on
 * failure nothing of it stays. The first writer error comes from there. */
_nodiscard_ int edge_begin_call(struct edge *edge, const char *method,
                                struct json_writer *ret_writer, size_t *ret_start);
_nodiscard_ int edge_end_call(struct edge *edge, struct json_writer *writer, size_t start, int fd);
/* Sends what the socket takes, waits for the reply of the newest call and moves it to edge->current. */
_nodiscard_ int edge_await_newest(struct edge *edge);
/* Waits for the oldest reply and moves it to edge->current. */
_nodiscard_ int edge_await_oldest(struct edge *edge);

/* Parses edge->current: a success reply's parameters go to *ret_parameters (NULL where there are none), an error
 * becomes EDGE_E_* with its sentence. What is no reply breaks the connection. */
_nodiscard_ int edge_read_reply(struct edge *edge, const struct cJSON **ret_parameters);
/* Ends the call and does all of the above. */
_nodiscard_ int edge_finish_call(struct edge *edge, struct json_writer *writer, size_t start,
                                 int fd, const struct cJSON **ret_parameters);
/* Reads parameters by a table; what does not fit breaks the connection. */
_nodiscard_ int edge_read_params(struct edge *edge, const struct cJSON *parameters,
                                 const struct param *table, size_t n_table, void *ret);
/* The EDGE_E_* of an error reply, and its sentence. */
int edge_reply_error(struct edge *edge, const char *error, const struct cJSON *parameters);

/* Copies a string of the daemon's into a buffer of EDGE_NAME_MAX; too long breaks the connection. */
_nodiscard_ int edge_copy_name(struct edge *edge, const char *name, char *ret);
/* The region that holds [data, data + size); NULL for none. */
const struct edge_region *edge_find_region(const struct edge *edge, const void *data, size_t size);
/* Frees all handles without telling the daemon. */
void edge_drop_sessions(struct edge *edge);
void edge_drop_regions(struct edge *edge);
