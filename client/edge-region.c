/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions and regions: handles for what the daemon keeps for this connection.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cjson/cJSON.h>

#include "client/edge-private.h"
#include "proto/params.h"

/* A call with one string parameter, whose reply is of no interest. */
static int call_with(struct edge *edge, const char *method, const char *key, const char *value) {
    struct json_writer w;
    const cJSON *reply;
    size_t start;
    int r = edge_begin_call(edge, method, &w, &start);
    if (r)
        return r;
    json_key(&w, key);
    json_put_string(&w, value);
    return edge_finish_call(edge, &w, start, -1, &reply);
}

_public_ int edge_session_open(struct edge *edge, const char *model,
                               struct edge_session **ret_session) {
    static const struct param table[] = {{"session", PARAM_STRING, PARAM_REQUIRED, 0}};
    struct json_writer w;
    const cJSON *reply;
    const char *name;
    size_t start;
    int r = edge_check_given(edge, model, "the network's name");
    if (!r)
        r = edge_begin_call(edge, "io.edged.OpenSession", &w, &start);
    if (r)
        return r;
    json_key(&w, "model");
    json_put_string(&w, model);
    r = edge_finish_call(edge, &w, start, -1, &reply);
    if (!r)
        r = edge_read_params(edge, reply, table, ARRAY_SIZE(table), &name);
    if (r)
        return r;
    struct edge_session *session = calloc(1, sizeof(*session));
    if (!session)
        return edge_break(edge, err_origin(-ENOMEM), "out of memory");
    r = edge_copy_name(edge, name, session->name);
    if (r) {
        free(session);
        return r;
    }
    session->edge = edge;
    session->next = edge->sessions;
    edge->sessions = session;
    *ret_session = session;
    return 0;
}

_public_ int edge_session_close(struct edge_session *session) {
    if (!session)
        return 0;
    struct edge *edge = session->edge;
    int r = call_with(edge, "io.edged.CloseSession", "session", session->name);
    struct edge_session **link = &edge->sessions;
    while (*link != session)
        link = &(*link)->next;
    *link = session->next;
    free(session);
    return r;
}

void edge_drop_sessions(struct edge *edge) {
    while (edge->sessions) {
        struct edge_session *session = edge->sessions;
        edge->sessions = session->next;
        free(session);
    }
}

static void region_free(struct edge_region *region) {
    if (region)
        map_deinit(&region->map);
    free(region);
}

static void region_freep(struct edge_region **region) {
    region_free(*region);
}

/* Registers `fd`, or asks for `size` bytes where it is negative. */
static int call_register(struct edge *edge, int fd, size_t size, struct edge_region *region) {
    struct {
        const char *region;
        int64_t size, descriptor;
    } reply = {.descriptor = -1};
    static const struct param table[] = {
        {"region", PARAM_STRING, PARAM_REQUIRED, 0},
        {"size", PARAM_INT, PARAM_REQUIRED, offsetof(__typeof__(reply), size)},
        {"fileDescriptor", PARAM_INT, PARAM_OPTIONAL, offsetof(__typeof__(reply), descriptor)},
    };
    struct json_writer w;
    const cJSON *parameters;
    size_t start;
    int r = edge_begin_call(edge, "io.edged.RegisterRegion", &w, &start);
    if (r)
        return r;
    json_key(&w, fd >= 0 ? "fileDescriptor" : "size");
    json_put_uint(&w, fd >= 0 ? 0 : size);
    r = edge_finish_call(edge, &w, start, fd, &parameters);
    if (!r)
        r = edge_read_params(edge, parameters, table, ARRAY_SIZE(table), &reply);
    if (!r)
        r = edge_copy_name(edge, reply.region, region->name);
    if (r)
        return r;
    if (fd < 0 && reply.descriptor != 0)
        return edge_break(edge, -EPROTO, "a reply lacks the region's descriptor");
    return 0;
}

static struct edge_region *add_region(struct edge *edge, struct edge_region *region) {
    region->edge = edge;
    region->next = edge->regions;
    edge->regions = region;
    return region;
}

static int check_new(struct edge *edge, size_t size, struct edge_region **ret) {
    int r = edge_check(edge);
    if (r)
        return r;
    if (size == 0 || size > (size_t)JSON_MAX_INT)
        return edge_set_error(edge, -EINVAL, "a region cannot have %zu bytes", size);
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : edge_set_error(edge, err_origin(-ENOMEM), "out of memory");
}

_public_ int edge_region_new(struct edge *edge, size_t size, struct edge_region **ret_region) {
    _cleanup_(region_freep) struct edge_region *region = NULL;
    _cleanup_(fd_closep) int fd = -1;
    int r = check_new(edge, size, &region);
    if (r)
        return r;
    r = memfd_new("edge-region", size, &fd);
    if (!r)
        r = memfd_seal_region(fd);
    if (!r)
        r = map_shared(fd, size, &region->map);
    if (r)
        return edge_set_error(edge, err_trace(r), "no shared memory of %zu bytes: %s", size,
                              strerror(-r));
    r = call_register(edge, fd, size, region);
    if (!r)
        *ret_region = add_region(edge, steal(&region));
    return r;
}

/* Maps what the daemon made, once it is known not to shrink under us. */
static int map_received(struct edge *edge, int fd, size_t size, struct edge_region *region) {
    unsigned seals;
    struct stat st;
    if (fd < 0 || memfd_seals(fd, &seals) || !(seals & F_SEAL_SHRINK) || (seals & F_SEAL_WRITE) ||
        fstat(fd, &st) || st.st_size < 0 || (uint64_t)st.st_size < size)
        return edge_break(edge, -EPROTO, "the daemon's region is no sealed memory of %zu bytes",
                          size);
    int r = map_shared(fd, size, &region->map);
    return r ? edge_set_error(edge, err_trace(r), "the region cannot be mapped: %s", strerror(-r))
             : 0;
}

_public_ int edge_region_request(struct edge *edge, size_t size, struct edge_region **ret_region) {
    _cleanup_(region_freep) struct edge_region *region = NULL;
    int r = check_new(edge, size, &region);
    if (!r)
        r = call_register(edge, -1, size, region);
    if (!r)
        r = map_received(edge, edge->current.fd, size, region);
    if (!r)
        *ret_region = add_region(edge, steal(&region));
    return r;
}

_public_ void *edge_region_data(const struct edge_region *region) {
    return region->map.data;
}

_public_ size_t edge_region_size(const struct edge_region *region) {
    return region->map.size;
}

_public_ int edge_region_free(struct edge_region *region) {
    if (!region)
        return 0;
    struct edge *edge = region->edge;
    int r = call_with(edge, "io.edged.UnregisterRegion", "region", region->name);
    struct edge_region **link = &edge->regions;
    while (*link != region)
        link = &(*link)->next;
    *link = region->next;
    region_free(region);
    return r;
}

const struct edge_region *edge_find_region(const struct edge *edge, const void *data, size_t size) {
    for (const struct edge_region *region = edge->regions; region; region = region->next) {
        uintptr_t base = (uintptr_t)region->map.data, at = (uintptr_t)data;
        if (at >= base && size <= region->map.size && at - base <= region->map.size - size)
            return region;
    }
    return NULL;
}

void edge_drop_regions(struct edge *edge) {
    while (edge->regions) {
        struct edge_region *region = edge->regions;
        edge->regions = region->next;
        region_free(region);
    }
}
