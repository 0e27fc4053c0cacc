/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load, Unload, Metrics.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/edge-private.h"
#include "proto/params.h"

static int read_loaded(struct edge *edge, const struct cJSON *parameters,
                       struct edge_loaded *ret_loaded) {
    struct {
        const char *model, *version;
        int64_t bytes, load;
    } p = {0};
    static const struct param table[] = {
        {"model", PARAM_STRING, PARAM_REQUIRED, offsetof(__typeof__(p), model)},
        {"version", PARAM_STRING, PARAM_REQUIRED, offsetof(__typeof__(p), version)},
        {"bytes", PARAM_INT, PARAM_REQUIRED, offsetof(__typeof__(p), bytes)},
        {"loadNanoseconds", PARAM_INT, PARAM_REQUIRED, offsetof(__typeof__(p), load)},
    };
    struct edge_loaded loaded;
    int r = edge_read_params(edge, parameters, table, ARRAY_SIZE(table), &p);
    if (!r)
        r = edge_copy_name(edge, p.model, loaded.model);
    if (!r)
        r = edge_copy_name(edge, p.version, loaded.version);
    if (r)
        return r;
    loaded.bytes = p.bytes;
    loaded.load_ns = p.load;
    if (ret_loaded)
        *ret_loaded = loaded;
    return 0;
}

static int load(struct edge *edge, const char *path, int fd, const char *name,
                struct edge_loaded *ret_loaded) {
    struct json_writer w;
    const struct cJSON *parameters;
    size_t start;
    int r = edge_begin_call(edge, "io.edged.Load", &w, &start);
    if (r)
        return r;
    if (path) {
        json_key(&w, "path");
        json_put_string(&w, path);
    } else {
        json_key(&w, "fileDescriptor");
        json_put_uint(&w, 0);
    }
    if (name) {
        json_key(&w, "name");
        json_put_string(&w, name);
    }
    r = edge_finish_call(edge, &w, start, fd, &parameters);
    return r ? r : read_loaded(edge, parameters, ret_loaded);
}

_public_ int edge_load_path(struct edge *edge, const char *path, const char *name,
                            struct edge_loaded *ret_loaded) {
    int r = edge_check_given(edge, path, "the path");
    return r ? r : load(edge, path, -1, name, ret_loaded);
}

_public_ int edge_load_fd(struct edge *edge, int fd, const char *name,
                          struct edge_loaded *ret_loaded) {
    if (fd < 0)
        return edge_set_error(edge, -EBADF, "no descriptor to load from");
    return load(edge, NULL, fd, name, ret_loaded);
}

_public_ int edge_unload(struct edge *edge, const char *name) {
    struct json_writer w;
    const struct cJSON *parameters;
    size_t start;
    int r = edge_check_given(edge, name, "the network's name");
    if (!r)
        r = edge_begin_call(edge, "io.edged.Unload", &w, &start);
    if (r)
        return r;
    json_key(&w, "model");
    json_put_string(&w, name);
    return edge_finish_call(edge, &w, start, -1, &parameters);
}

_public_ int edge_metrics(struct edge *edge, char **ret_text) {
    static const struct param table[] = {{"text", PARAM_STRING, PARAM_REQUIRED, 0}};
    struct json_writer w;
    const struct cJSON *parameters;
    const char *text;
    size_t start;
    int r = edge_begin_call(edge, "io.edged.Metrics", &w, &start);
    if (!r)
        r = edge_finish_call(edge, &w, start, -1, &parameters);
    if (!r)
        r = edge_read_params(edge, parameters, table, ARRAY_SIZE(table), &text);
    if (r)
        return r;
    char *copy = strdup(text);
    if (!copy)
        return edge_set_error(edge, err_origin(-ENOMEM), "out of memory");
    *ret_text = copy;
    return 0;
}
