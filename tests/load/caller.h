/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A client that sees the wire as it is: calls and replies as JSON, descriptors beside them. What the daemon must not do
 * ends the test. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"
#include "proto/json.h"
#include "proto/message.h"

struct caller {
    int fd;
    struct buffer out; /* the call being written */
    struct json_writer writer;
    struct frame_reader reader;
    struct frame_message message; /* the reply that came last, with its descriptors */
    struct json_doc doc;
    struct message_reply reply; /* points into doc */
};

void caller_open(struct caller *caller, const char *socket);
void caller_close(struct caller *caller);

/* Begins a call of a method of io.edged; the caller writes its parameters. */
struct json_writer *caller_begin(struct caller *caller, const char *method);
/* Ends and sends it, with descriptors. */
void caller_send(struct caller *caller, const int *fds, size_t n_fds);
/* Sends bytes as they are. False where the daemon has closed the connection. */
bool caller_send_bytes(struct caller *caller, const void *data, size_t size, const int *fds,
                       size_t n_fds);
/* Waits for the next reply. False where the daemon closed the connection instead. */
bool caller_receive(struct caller *caller);
/* Reads the reply in caller->message. */
void caller_parse(struct caller *caller);
/* caller_send() and caller_receive(); the call must succeed. */
void caller_call(struct caller *caller, const int *fds, size_t n_fds);
/* A call without parameters but `key`: `value`, both may be NULL. */
void caller_simple(struct caller *caller, const char *method, const char *key, const char *value);

/* Members of the last reply's parameters; they must be there. */
const char *caller_string(const struct caller *caller, const char *key);
int64_t caller_int(const struct caller *caller, const char *key);

/* Waits until the daemon counts `n` connections, this one included. */
void caller_await_connections(struct caller *caller, int64_t n);
/* Waits until nothing of other connections is left in the daemon: no connection but this, no session, region or work. */
void caller_settle(struct caller *caller);
