/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Varlink envelopes.
 */

#include "proto/message.h"

#include <stddef.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "proto/params.h"

static int read_envelope(const struct json_doc *doc, const struct param *table, size_t n_table,
                         void *ret, struct diag *diag) {
    const char *bad;
    if (!cJSON_IsObject(doc->root))
        return diag_set(diag, MESSAGE_E_PROTOCOL, "the message is no JSON object");
    if (params_read(doc->root, table, n_table, false, ret, &bad))
        return diag_set(diag, MESSAGE_E_PROTOCOL,
                        "envelope member '%.64s' is unknown, missing or malformed", bad);
    return 0;
}

int message_read_call(const struct json_doc *doc, struct message_call *ret_call,
                      struct diag *diag) {
    static const struct param table[] = {
        {"method", PARAM_STRING, PARAM_REQUIRED, offsetof(struct message_call, method)},
        {"parameters", PARAM_OBJECT, PARAM_OPTIONAL, offsetof(struct message_call, parameters)},
        {"oneway", PARAM_BOOL, PARAM_OPTIONAL, offsetof(struct message_call, oneway)},
        {"more", PARAM_BOOL, PARAM_OPTIONAL, offsetof(struct message_call, more)},
    };
    struct message_call call = {0};
    int r = read_envelope(doc, table, ARRAY_SIZE(table), &call, diag);
    if (r)
        return r;
    if (call.oneway && call.more)
        return diag_set(diag, MESSAGE_E_PROTOCOL, "a call is both oneway and more");
    *ret_call = call;
    return 0;
}

int message_read_reply(const struct json_doc *doc, struct message_reply *ret_reply,
                       struct diag *diag) {
    static const struct param table[] = {
        {"error", PARAM_STRING, PARAM_OPTIONAL, offsetof(struct message_reply, error)},
        {"parameters", PARAM_OBJECT, PARAM_OPTIONAL, offsetof(struct message_reply, parameters)},
        {"continues", PARAM_BOOL, PARAM_OPTIONAL, offsetof(struct message_reply, continues)},
    };
    struct message_reply reply = {0};
    int r = read_envelope(doc, table, ARRAY_SIZE(table), &reply, diag);
    if (r)
        return r;
    if (reply.error && reply.continues)
        return diag_set(diag, MESSAGE_E_PROTOCOL, "an error reply that continues");
    *ret_reply = reply;
    return 0;
}

const char *message_member(const char *method, size_t *ret_interface_len) {
    const char *dot = strrchr(method, '.');
    if (!dot || dot == method || !dot[1])
        return NULL;
    *ret_interface_len = (size_t)(dot - method);
    return dot + 1;
}

static void begin(struct json_writer *ret_writer, struct buffer *buffer) {
    *ret_writer = (struct json_writer){.buffer = buffer};
    json_begin_object(ret_writer);
}

static void begin_parameters(struct json_writer *w) {
    json_key(w, "parameters");
    json_begin_object(w);
}

void message_begin_call(struct json_writer *ret_writer, struct buffer *buffer, const char *method,
                        bool oneway, bool more) {
    begin(ret_writer, buffer);
    json_key(ret_writer, "method");
    json_put_string(ret_writer, method);
    if (oneway) {
        json_key(ret_writer, "oneway");
        json_put_bool(ret_writer, true);
    }
    if (more) {
        json_key(ret_writer, "more");
        json_put_bool(ret_writer, true);
    }
    begin_parameters(ret_writer);
}

void message_begin_reply(struct json_writer *ret_writer, struct buffer *buffer, const char *error) {
    begin(ret_writer, buffer);
    if (error) {
        json_key(ret_writer, "error");
        json_put_string(ret_writer, error);
    }
    begin_parameters(ret_writer);
}

int message_end(struct json_writer *writer) {
    json_end_object(writer);
    json_end_object(writer);
    if (!writer->err)
        writer->err = buffer_append(writer->buffer, "", 1);
    return writer->err;
}
