/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The envelopes of Varlink calls and replies: reading a parsed document, writing one into a buffer. One thread at a
 * time per document and buffer.
 */

#include <stdbool.h>

#include "base/attributes.h"
#include "proto/json.h"

struct cJSON;
struct diag;

enum {
    MESSAGE_E_PROTOCOL = 1, /* the peer does not speak Varlink; the diag says how; close */
};

/* Strings and parameters live in the document. */
struct message_call {
    const char *method;
    const struct cJSON *parameters; /* an object; NULL where absent or null */
    bool oneway;
    bool more;
};

struct message_reply {
    const char *error; /* NULL: success */
    const struct cJSON *parameters;
    bool continues;
};

/* Both: 0 or MESSAGE_E_PROTOCOL. Top-level members that Varlink does not define are refused. */
_nodiscard_ int message_read_call(const struct json_doc *doc, struct message_call *ret_call,
                                  struct diag *diag);
_nodiscard_ int message_read_reply(const struct json_doc *doc, struct message_reply *ret_reply,
                                   struct diag *diag);

/* Splits "io.edged.Infer" at its last dot: the member "Infer", and the length of the interface before it. NULL where
 * the method has no dot or an empty part. */
const char *message_member(const char *method, size_t *ret_interface_len);

/* Begin a message whose parameters the caller then writes with json_key() and json_put_…(), and end it with its NUL.
 * *ret_writer is ready for the first key. message_end() returns the writer's error. */
void message_begin_call(struct json_writer *ret_writer, struct buffer *buffer, const char *method,
                        bool oneway, bool more);
/* `error` NULL: a success reply. */
void message_begin_reply(struct json_writer *ret_writer, struct buffer *buffer, const char *error);
_nodiscard_ int message_end(struct json_writer *writer);
