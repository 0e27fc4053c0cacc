/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl status: the daemon's health.
 */

#include <inttypes.h>
#include <stdio.h>

#include "client/edgectl/args.h"
#include "client/edgectl/ctl.h"
#include "client/edgectl/daemon.h"
#include "client/edgectl/table.h"

static void add(struct table *t, const char *what, int64_t n) {
    char shown[HUMAN_MAX];
    table_add(t, "%s", what);
    table_add(t, "%s", human_count((uint64_t)n, shown));
}

static int print(const struct ctl *ctl, const struct edge_status *s) {
    static const char *const titles[] = {"", ""};
    char shown[HUMAN_MAX];
    struct table t;
    table_init(&t, titles, ARRAY_SIZE(titles));
    table_add(&t, "status");
    table_add(&t, "%s", s->status);
    table_add(&t, "version");
    table_add(&t, "%s", s->version);
    table_add(&t, "CPU tier");
    table_add(&t, "%s", s->tier);
    table_add(&t, "up");
    table_add(&t, "%" PRId64 " d %02" PRId64 ":%02" PRId64 ":%02" PRId64, s->uptime_s / 86400,
              s->uptime_s / 3600 % 24, s->uptime_s / 60 % 60, s->uptime_s % 60);
    add(&t, "workers", s->workers);
    table_add(&t, "networks");
    table_add(&t, "%" PRId64 ", %s", s->models, human_bytes((uint64_t)s->model_bytes, shown));
    add(&t, "connections", s->connections);
    add(&t, "sessions", s->sessions);
    add(&t, "regions", s->regions);
    table_add(&t, "queue");
    table_add(&t, "%" PRId64 " of %" PRId64 ", %" PRId64 " running", s->queued, s->queue_length,
              s->running);
    add(&t, "requests", s->requests);
    int r = table_print(&t);
    table_deinit(&t);
    return r ? ctl_fail(ctl, "out of memory") : CTL_DONE;
}

int verb_status(struct ctl *ctl, int argc, char **argv) {
    _cleanup_(args_list_deinit) struct args_list words = {0};
    const struct args_option options[] = {{0}};
    const struct args_spec spec = {
        .synopsis = "",
        .summary = "Shows the daemon's health. Exits with 1 where no daemon answers.",
        .options = options,
    };
    int r = args_parse(ctl, argc, argv, &spec, &words);
    if (r)
        return args_status(r);
    if (ctl->json)
        return daemon_print_reply(ctl, "io.edged.Status", NULL);
    int status;
    _cleanup_(daemon_closep) struct edge *edge = daemon_open(ctl, &status);
    if (!edge)
        return status;
    struct edge_status *s;
    r = edge_status(edge, &s);
    if (r)
        return daemon_fail(ctl, edge, r);
    status = print(ctl, s);
    edge_status_free(s);
    return status;
}
