/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any method, in JSON: parameters and replies pass as they are once they are known to be JSON, whatever the size of the
 * arrays in them.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "client/edge-private.h"

static void json_docp(struct json_doc *doc) {
    json_doc_deinit(doc);
}

/* What the caller gave, byte for byte once it is known to be one object and nothing else. */
static int write_parameters(struct edge *edge, struct json_writer *w, const char *parameters) {
    _cleanup_(json_docp) struct json_doc doc;
    json_doc_init(&doc);
    /* Parsing does not write into the text. */
    int r = json_doc_parse(&doc, (char *)parameters, strlen(parameters));
    if (r < 0)
        return edge_set_error(edge, r, "out of memory");
    if (r || !cJSON_IsObject(doc.root) || !json_doc_whole(&doc))
        return edge_set_error(edge, -EINVAL, "the parameters are not a JSON object");
    /* The writer has opened the object, and will close it. */
    const char *members = strchr(parameters, '{') + 1;
    size_t n = (size_t)(strrchr(parameters, '}') - members);
    char *at = json_put_reserve(w, n);
    if (at) {
        memcpy(at, members, n);
        json_put_done(w, n);
    }
    return 0;
}

/* The reply's, byte for byte: the tree lacks what was cut out of it. */
static int copy_parameters(struct edge *edge, const cJSON *parameters, char **ret) {
    const struct buffer *text = &edge->current.text;
    const char *found = "{}";
    size_t len = 2;
    if (!json_doc_whole(&edge->doc))
        return edge_break(edge, -EPROTO, "a reply is not JSON");
    if (parameters)
        found = json_member_text((const char *)text->data, text->len, "parameters", &len);
    char *copy = malloc(len + 1);
    if (!copy)
        return edge_set_error(edge, err_origin(-ENOMEM), "out of memory");
    memcpy(copy, found, len);
    copy[len] = '\0';
    *ret = copy;
    return 0;
}

_public_ int edge_call(struct edge *edge, const char *method, const char *parameters,
                       char **ret_parameters) {
    struct json_writer w;
    const cJSON *reply;
    size_t start;
    int r = edge_check_given(edge, method, "the method's name");
    if (!r)
        r = edge_begin_call(edge, method, &w, &start);
    if (r)
        return r;
    if (parameters) {
        r = write_parameters(edge, &w, parameters);
        if (r) {
            edge->unsent.len = start;
            return r;
        }
    }
    r = edge_finish_call(edge, &w, start, -1, &reply);
    return r ? r : copy_parameters(edge, reply, ret_parameters);
}
