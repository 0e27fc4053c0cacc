/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Talking to the daemon, and saying what to do when it does not answer.
 */

#include "client/edgectl/daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "client/edgectl/ctl.h"

void daemon_closep(struct edge **edge) {
    *edge = edge_close(*edge);
}

static const char *connect_advice(int err) {
    switch (err) {
    case -ENOENT:
    case -ECONNREFUSED:
        return "is edged running? Start it with 'systemctl start edged' or 'edged --socket PATH', "
               "or "
               "give a file and --local to do without";
    case -EACCES:
    case -EPERM:
        return "this user may not use the socket: join its group, see 'ls -l' of it";
    case -ENAMETOOLONG:
        return "a socket's path has at most 107 bytes";
    default:
        return "see --socket and $EDGED_SOCKET";
    }
}

int daemon_connect(const char *socket, struct edge **ret_edge, struct diag *diag) {
    int r = edge_connect(socket, ret_edge);
    if (r)
        return diag_set(diag, DAEMON_E_FAILED, "cannot connect to %.108s: %s; %s", socket,
                        strerror(-r), connect_advice(r));
    return 0;
}

static const char *call_advice(int code) {
    switch (code) {
    case EDGE_E_MODEL_NOT_FOUND:
        return "; 'edgectl list' shows what is loaded, 'edgectl load FILE.edge' loads one";
    case EDGE_E_MODEL_EXISTS:
        return "; 'edgectl unload' it first, or give --name";
    case EDGE_E_INVALID_MODEL:
        return "; 'edgectl import' makes .edge files, 'edgectl show' looks into them";
    case EDGE_E_QUOTA_EXCEEDED:
        return "; the limits are in edged.conf";
    case EDGE_E_INTERNAL:
        return " ('journalctl -u edged')";
    default:
        return "";
    }
}

int daemon_error(struct edge *edge, int code, struct diag *diag) {
    return diag_set(diag, DAEMON_E_FAILED, "%s%s", edge_error_text(edge), call_advice(code));
}

int daemon_fail(const struct ctl *ctl, struct edge *edge, int code) {
    struct diag diag;
    daemon_error(edge, code, &diag);
    return ctl_fail_diag(ctl, &diag);
}

struct edge *daemon_open(const struct ctl *ctl, int *ret_status) {
    struct edge *edge = NULL;
    struct diag diag;
    *ret_status = CTL_DONE;
    if (daemon_connect(ctl->socket, &edge, &diag))
        *ret_status = ctl_fail_diag(ctl, &diag);
    return edge;
}

int daemon_print_reply(const struct ctl *ctl, const char *method, const char *parameters) {
    int status;
    _cleanup_(daemon_closep) struct edge *edge = daemon_open(ctl, &status);
    if (!edge)
        return status;
    char *reply;
    int r = edge_call(edge, method, parameters, &reply);
    if (r)
        return daemon_fail(ctl, edge, r);
    cJSON *document = cJSON_Parse(reply);
    free(reply);
    return ctl_print_json(ctl, document);
}
