/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl list and edgectl ps: two views of the daemon's networks.
 */

#include <inttypes.h>
#include <stdio.h>

#include "client/edgectl/args.h"
#include "client/edgectl/ctl.h"
#include "client/edgectl/daemon.h"
#include "client/edgectl/table.h"

struct view {
    const char *summary;
    const char *const *titles;
    unsigned n_columns;
    void (*add)(struct table *table, const struct edge_model_info *model);
};

static void add_list_row(struct table *t, const struct edge_model_info *m) {
    char shown[HUMAN_MAX];
    table_add(t, "%s", m->name);
    table_add(t, "%s", *m->version ? m->version : "-");
    table_add(t, "%s", human_bytes((uint64_t)m->bytes, shown));
    table_add(t, "%s", *m->description ? m->description : "-");
}

static void add_ps_row(struct table *t, const struct edge_model_info *m) {
    char shown[HUMAN_MAX];
    table_add(t, "%s", m->name);
    table_add(t, "%s", human_bytes((uint64_t)m->bytes, shown));
    table_add(t, "%s", human_bytes((uint64_t)m->arena_bytes, shown));
    table_add(t, "%" PRId64, m->sessions);
    table_add(t, "%" PRId64, m->pending);
    table_add(t, "%s", human_count((uint64_t)m->requests, shown));
    table_add(t, "%s", human_count((uint64_t)m->items, shown));
    table_add(t, "%s", human_count((uint64_t)m->failures, shown));
    table_add(t, "%s", human_ns((double)m->p50_ns, shown));
    table_add(t, "%s", human_ns((double)m->p99_ns, shown));
    double answered = (double)MAX(m->requests, (int64_t)1);
    table_add(t, "%s", human_ns((double)m->queue_ns / answered, shown));
}

static int print(const struct ctl *ctl, const struct view *view) {
    int status;
    _cleanup_(daemon_closep) struct edge *edge = daemon_open(ctl, &status);
    if (!edge)
        return status;
    struct edge_list *list;
    int r = edge_list(edge, &list);
    if (r)
        return daemon_fail(ctl, edge, r);
    struct table t;
    table_init(&t, view->titles, view->n_columns);
    for (size_t i = 0; i < list->n; i++)
        view->add(&t, &list->models[i]);
    r = table_print(&t);
    table_deinit(&t);
    edge_list_free(list);
    return r ? ctl_fail(ctl, "out of memory") : CTL_DONE;
}

static int run(struct ctl *ctl, int argc, char **argv, const struct view *view) {
    _cleanup_(args_list_deinit) struct args_list words = {0};
    const struct args_option options[] = {{0}};
    const struct args_spec spec = {.synopsis = "", .summary = view->summary, .options = options};
    int r = args_parse(ctl, argc, argv, &spec, &words);
    if (r)
        return args_status(r);
    return ctl->json ? daemon_print_reply(ctl, "io.edged.List", NULL) : print(ctl, view);
}

int verb_list(struct ctl *ctl, int argc, char **argv) {
    static const char *const titles[] = {"name", "version", ">memory", "description"};
    static const struct view view = {
        "Lists the networks that the daemon has loaded.",
        titles,
        ARRAY_SIZE(titles),
        add_list_row,
    };
    return run(ctl, argc, argv, &view);
}

int verb_ps(struct ctl *ctl, int argc, char **argv) {
    static const char *const titles[] = {"name",     ">memory",   ">scratch", ">sessions",
                                         ">pending", ">requests", ">items",   ">failures",
                                         ">p50",     ">p99",      ">waited"};
    static const struct view view = {
        "Shows the daemon's networks in use: memory of the image and of one run, open sessions,\n"
        "requests that wait or run, answered requests and items, failures, median and 99th\n"
        "percentile of the compute time, and how long a request waited for a worker on average.",
        titles,
        ARRAY_SIZE(titles),
        add_ps_row,
    };
    return run(ctl, argc, argv, &view);
}
