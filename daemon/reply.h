/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Writes a request's reply. Each function replaces what was written before. On the thread that has the request.
 */

#include <stdint.h>

struct json_writer;
struct request;
struct wire_fault;

/* A success reply: the caller writes parameters, then calls reply_end(). */
void reply_begin(struct request *request, struct json_writer *ret_writer);
/* Where writing failed the reply becomes io.edged.Internal. */
void reply_end(struct request *request, struct json_writer *writer);
/* A success reply without parameters. */
void reply_empty(struct request *request);

/* An error with one string parameter; `key` NULL: without. */
void reply_error(struct request *request, const char *error, const char *key, const char *value);
void reply_invalid_parameter(struct request *request, const char *parameter);
void reply_invalid_tensor(struct request *request, const char *tensor, const char *field,
                          const char *reason);
void reply_quota(struct request *request, const char *resource, uint64_t limit, uint64_t used);
/* io.edged.Internal, and the one log line about it. */
void reply_internal(struct request *request, int err);
