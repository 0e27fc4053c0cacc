/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The method table.
 */

#include "daemon/dispatch.h"

#include <string.h>

#include "daemon/access.h"
#include "daemon/peer.h"
#include "daemon/reply.h"
#include "daemon/request.h"
#include "daemon/server.h"
#include "proto/interface.h"
#include "proto/params.h"

static const struct method methods[] = {
    {"io.edged.Infer", METHOD_WORKS, infer_handle},
    {"io.edged.List", 0, models_list},
    {"io.edged.Describe", 0, models_describe},
    {"io.edged.Load", METHOD_WORKS | METHOD_BARRIER | METHOD_ADMIN, load_handle},
    {"io.edged.Unload", METHOD_ADMIN, models_unload},
    {"io.edged.RegisterRegion", METHOD_WORKS | METHOD_BARRIER, regions_register},
    {"io.edged.UnregisterRegion", 0, regions_unregister},
    {"io.edged.OpenSession", 0, sessions_open},
    {"io.edged.CloseSession", 0, sessions_close},
    {"io.edged.Status", 0, status_status},
    {"io.edged.Metrics", 0, status_metrics},
    {"org.varlink.service.GetInfo", 0, service_get_info},
    {"org.varlink.service.GetInterfaceDescription", 0, service_get_description},
};

const struct method *dispatch_find(const char *name) {
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        if (strcmp(methods[i].name, name) == 0)
            return &methods[i];
    return NULL;
}

static void reply_unknown(struct request *request) {
    const char *name = request->call.method;
    size_t len;
    if (message_member(name, &len) && !interface_find(name, len)) {
        char *interface = request_alloc(request, len + 1);
        if (interface) {
            memcpy(interface, name, len);
            reply_error(request, "org.varlink.service.InterfaceNotFound", "interface", interface);
            return;
        }
    }
    reply_error(request, "org.varlink.service.MethodNotFound", "method", name);
}

bool dispatch(struct request *request) {
    const struct method *method = request->method;
    if (!method) {
        reply_unknown(request);
        return true;
    }
    if ((method->flags & METHOD_ADMIN) &&
        !access_is_admin(&request->server->access, request->peer->uid)) {
        reply_error(request, "org.varlink.service.PermissionDenied", NULL, NULL);
        return true;
    }
    int r = method->handle(request);
    if (r < 0)
        reply_internal(request, r);
    return r != METHOD_SUBMITTED;
}

bool dispatch_params(struct request *request, const struct param *table, size_t n_table,
                     void *ret) {
    const char *bad;
    if (params_read(request->call.parameters, table, n_table, false, ret, &bad) == 0)
        return true;
    reply_invalid_parameter(request, bad);
    return false;
}
