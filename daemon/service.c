/* SPDX-License-Identifier: Apache-2.0 */
/*
 * org.varlink.service, Status and Metrics.
 */

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/dispatch.h"
#include "daemon/metrics.h"
#include "daemon/reply.h"
#include "daemon/request.h"
#include "daemon/server.h"
#include "proto/interface.h"
#include "proto/params.h"

static void put_string(struct json_writer *w, const char *key, const char *v) {
    json_key(w, key);
    json_put_string(w, v);
}

static void put_uint(struct json_writer *w, const char *key, uint64_t v) {
    json_key(w, key);
    json_put_uint(w, v);
}

int service_get_info(struct request *request) {
    struct json_writer w;
    if (!dispatch_params(request, NULL, 0, NULL))
        return 0;
    reply_begin(request, &w);
    put_string(&w, "vendor", SERVER_VENDOR);
    put_string(&w, "product", "edged");
    put_string(&w, "version", EDGED_VERSION);
    put_string(&w, "url", SERVER_URL);
    json_key(&w, "interfaces");
    json_begin_array(&w);
    for (size_t i = 0; i < n_interfaces; i++)
        json_put_string(&w, interfaces[i].name);
    json_end_array(&w);
    reply_end(request, &w);
    return 0;
}

int service_get_description(struct request *request) {
    static const struct param table[] = {{"interface", PARAM_STRING, PARAM_REQUIRED, 0}};
    const char *name;
    struct json_writer w;
    if (!dispatch_params(request, table, ARRAY_SIZE(table), &name))
        return 0;
    const struct interface *interface = interface_find(name, strlen(name));
    if (!interface) {
        reply_error(request, "org.varlink.service.InterfaceNotFound", "interface", name);
        return 0;
    }
    reply_begin(request, &w);
    put_string(&w, "description", interface->description);
    reply_end(request, &w);
    return 0;
}

int status_status(struct request *request) {
    struct server *server = request->server;
    size_t queued, running;
    char text[256];
    struct json_writer w;
    if (!dispatch_params(request, NULL, 0, NULL))
        return 0;
    pool_load(&server->pool, &queued, &running);
    server_status_text(server, text, sizeof(text));
    reply_begin(request, &w);
    put_string(&w, "version", EDGED_VERSION);
    put_string(&w, "status", text);
    put_string(&w, "tier", tier_name(server->tier));
    put_uint(&w, "workers", server->pool.n_workers);
    put_uint(&w, "models", server->registry.n_models);
    put_uint(&w, "modelBytes", registry_image_bytes(&server->registry));
    put_uint(&w, "connections", server->n_peers);
    put_uint(&w, "sessions", server->n_sessions);
    put_uint(&w, "regions", server->n_regions);
    put_uint(&w, "queued", queued);
    put_uint(&w, "queueLength", server->config.queue);
    put_uint(&w, "running", running);
    put_uint(&w, "requests", server->n_answered);
    put_uint(&w, "uptimeSeconds", (clock_now_ns() - server->started_ns) / 1000000000U);
    reply_end(request, &w);
    return 0;
}

int status_metrics(struct request *request) {
    struct buffer text;
    struct json_writer w;
    if (!dispatch_params(request, NULL, 0, NULL))
        return 0;
    buffer_init(&text, METRICS_MAX_BYTES);
    int r = metrics_write(request->server, &text);
    if (!r) {
        reply_begin(request, &w);
        put_string(&w, "text", (const char *)text.data);
        reply_end(request, &w);
    }
    buffer_deinit(&text);
    return err_trace(r);
}
