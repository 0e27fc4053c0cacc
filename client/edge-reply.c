/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies: envelopes, errors, parameters by table. A daemon that answers nonsense is a broken connection.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "client/edge-private.h"
#include "proto/params.h"

_public_ const char *edge_error_text(const struct edge *edge) {
    return edge->error;
}

static void write_error(struct edge *edge, const char *fmt, va_list ap) {
    char text[EDGE_ERROR_MAX];
    vsnprintf(text, sizeof(text), fmt, ap);
    /* Names from the daemon must not move a terminal's cursor. */
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    memcpy(edge->error, text, sizeof(text));
}

int edge_set_error(struct edge *edge, int code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    write_error(edge, fmt, ap);
    va_end(ap);
    return code;
}

int edge_break(struct edge *edge, int code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    write_error(edge, fmt, ap);
    va_end(ap);
    edge->broken = code;
    return code;
}

int edge_check(struct edge *edge) {
    if (!edge->broken)
        return 0;
    return edge_set_error(edge, -ENOTCONN, "the connection has failed before (%s): connect anew",
                          strerror(-edge->broken));
}

int edge_check_given(struct edge *edge, const char *string, const char *what) {
    int r = edge_check(edge);
    if (!r && !string)
        r = edge_set_error(edge, -EINVAL, "%s is NULL", what);
    return r;
}

/* How an error of the wire reaches the caller. `field` is the member of its parameters that says most. */
struct wire_error {
    const char *name;
    enum edge_error code;
    const char *field;
    const char *text; /* with one %s for the field */
};

static const struct wire_error wire_errors[] = {
    {"io.edged.ModelNotFound", EDGE_E_MODEL_NOT_FOUND, "model", "no network '%s' is loaded"},
    {"io.edged.ModelExists", EDGE_E_MODEL_EXISTS, "model", "a network '%s' is loaded already"},
    {"io.edged.InvalidModel", EDGE_E_INVALID_MODEL, "reason", "the network is refused: %s"},
    {"io.edged.InvalidTensor", EDGE_E_INVALID_TENSOR, "reason", "%s"},
    {"io.edged.InvalidRegion", EDGE_E_INVALID_REGION, "reason", "the region is refused: %s"},
    {"io.edged.RegionNotFound", EDGE_E_REGION_NOT_FOUND, "region", "no region '%s'"},
    {"io.edged.SessionNotFound", EDGE_E_SESSION_NOT_FOUND, "session",
     "no session '%s' of this network"},
    {"io.edged.QuotaExceeded", EDGE_E_QUOTA_EXCEEDED, "resource", "too much is held already: %s"},
    {"io.edged.Stopping", EDGE_E_STOPPING, NULL, "the daemon is stopping"},
    {"io.edged.Internal", EDGE_E_INTERNAL, NULL, "the daemon failed; its log says how"},
    {"org.varlink.service.InvalidParameter", EDGE_E_INVALID_PARAMETER, "parameter",
     "the daemon refuses parameter '%s'"},
    {"org.varlink.service.PermissionDenied", EDGE_E_PERMISSION_DENIED, NULL,
     "this user may not do that: an administrator of the daemon must"},
    {"org.varlink.service.MethodNotFound", EDGE_E_METHOD_NOT_FOUND, "method",
     "the daemon has no method '%s'"},
    {"org.varlink.service.MethodNotImplemented", EDGE_E_METHOD_NOT_FOUND, "method",
     "the daemon has no method '%s'"},
    {"org.varlink.service.InterfaceNotFound", EDGE_E_METHOD_NOT_FOUND, "interface",
     "the daemon has no interface '%s'"},
};

static const char *string_member(const cJSON *object, const char *name) {
    const cJSON *item = object ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
    return cJSON_IsString(item) ? item->valuestring : "";
}

static double number_member(const cJSON *object, const char *name) {
    const cJSON *item = object ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

int edge_reply_error(struct edge *edge, const char *error, const struct cJSON *parameters) {
    const struct wire_error *e = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(wire_errors) && !e; i++)
        if (strcmp(wire_errors[i].name, error) == 0)
            e = &wire_errors[i];
    if (!e)
        return edge_set_error(edge, EDGE_E_OTHER, "the daemon answers %.200s", error);
    char text[EDGE_ERROR_MAX];
    const char *said = e->field ? string_member(parameters, e->field) : "";
    /* The formats are the table's own. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof(text), e->text, said);
#pragma GCC diagnostic pop
    if (e->code == EDGE_E_INVALID_TENSOR)
        return edge_set_error(edge, e->code, "tensor '%.100s', %.100s: %s",
                              string_member(parameters, "tensor"),
                              string_member(parameters, "field"), text);
    if (e->code == EDGE_E_QUOTA_EXCEEDED)
        return edge_set_error(edge, e->code, "%s (%.0f of %.0f)", text,
                              number_member(parameters, "used"),
                              number_member(parameters, "limit"));
    return edge_set_error(edge, e->code, "%s", text);
}

int edge_read_reply(struct edge *edge, const struct cJSON **ret_parameters) {
    struct reply *current = &edge->current;
    int r = json_doc_parse(&edge->doc, (char *)current->text.data, current->text.len);
    if (r == JSON_E_INVALID)
        return edge_break(edge, -EPROTO, "a reply is not JSON");
    if (r)
        return edge_set_error(edge, r, "out of memory for a reply of %zu bytes", current->text.len);
    struct message_reply reply;
    struct diag diag;
    if (message_read_reply(&edge->doc, &reply, &diag))
        return edge_break(edge, -EPROTO, "a reply is not Varlink: %s", diag.text);
    if (reply.continues)
        return edge_break(edge, -EPROTO, "a reply announces another that was not asked for");
    if (reply.error)
        return edge_reply_error(edge, reply.error, reply.parameters);
    *ret_parameters = reply.parameters;
    return 0;
}

int edge_finish_call(struct edge *edge, struct json_writer *writer, size_t start, int fd,
                     const struct cJSON **ret_parameters) {
    int r = edge_end_call(edge, writer, start, fd);
    if (!r)
        r = edge_await_newest(edge);
    return r ? r : edge_read_reply(edge, ret_parameters);
}

int edge_read_params(struct edge *edge, const struct cJSON *parameters, const struct param *table,
                     size_t n_table, void *ret) {
    const char *bad;
    if (params_read(parameters, table, n_table, true, ret, &bad))
        return edge_break(edge, -EPROTO, "a reply's '%.100s' is missing or of the wrong kind", bad);
    return 0;
}

int edge_copy_name(struct edge *edge, const char *name, char *ret) {
    size_t n = strlen(name);
    if (n >= EDGE_NAME_MAX)
        return edge_break(edge, -EPROTO, "a reply holds a name of %zu bytes", n);
    memcpy(ret, name, n + 1);
    return 0;
}
