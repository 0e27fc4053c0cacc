/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies.
 */

#include "daemon/reply.h"

#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "daemon/request.h"
#include "proto/message.h"

static void begin(struct request *request, struct json_writer *ret_writer, const char *error) {
    request->reply.len = 0;
    request->reply_fd = fd_close(request->reply_fd);
    message_begin_reply(ret_writer, &request->reply, error);
}

void reply_begin(struct request *request, struct json_writer *ret_writer) {
    begin(request, ret_writer, NULL);
}

void reply_end(struct request *request, struct json_writer *writer) {
    int r = message_end(writer);
    if (r)
        reply_internal(request, r);
}

void reply_empty(struct request *request) {
    struct json_writer w;
    reply_begin(request, &w);
    reply_end(request, &w);
}

void reply_error(struct request *request, const char *error, const char *key, const char *value) {
    struct json_writer w;
    begin(request, &w, error);
    if (key) {
        json_key(&w, key);
        json_put_string(&w, value);
    }
    reply_end(request, &w);
}

void reply_invalid_parameter(struct request *request, const char *parameter) {
    reply_error(request, "org.varlink.service.InvalidParameter", "parameter", parameter);
}

void reply_invalid_tensor(struct request *request, const char *tensor, const char *field,
                          const char *reason) {
    struct json_writer w;
    begin(request, &w, "io.edged.InvalidTensor");
    json_key(&w, "tensor");
    json_put_string(&w, tensor);
    json_key(&w, "field");
    json_put_string(&w, field);
    json_key(&w, "reason");
    json_put_string(&w, reason);
    reply_end(request, &w);
}

void reply_quota(struct request *request, const char *resource, uint64_t limit, uint64_t used) {
    struct json_writer w;
    begin(request, &w, "io.edged.QuotaExceeded");
    json_key(&w, "resource");
    json_put_string(&w, resource);
    json_key(&w, "limit");
    json_put_uint(&w, limit);
    json_key(&w, "used");
    json_put_uint(&w, used);
    reply_end(request, &w);
}

void reply_internal(struct request *request, int err) {
    static const char text[] = "{\"error\":\"io.edged.Internal\",\"parameters\":{}}";
    const struct log_fields fields = {.request = request->id, .err = err};
    log_write(LOG_LEVEL_ERROR, &fields, "a request failed");
    request->reply.len = 0;
    request->reply_fd = fd_close(request->reply_fd);
    /* A recycled request has this much; without any memory at all the peer is closed instead (see peer_flush). */
    if (buffer_append(&request->reply, text, sizeof(text)))
        request->reply.len = 0;
}
