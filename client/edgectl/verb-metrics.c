/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl metrics: the daemon's metrics as Prometheus reads them.
 */

#include <stdio.h>
#include <stdlib.h>

#include "client/edgectl/args.h"
#include "client/edgectl/ctl.h"
#include "client/edgectl/daemon.h"

int verb_metrics(struct ctl *ctl, int argc, char **argv) {
    _cleanup_(args_list_deinit) struct args_list words = {0};
    const struct args_option options[] = {{0}};
    const struct args_spec spec = {
        .synopsis = "",
        .summary =
            "Prints the daemon's metrics in the Prometheus text format; with --json as a string.",
        .options = options,
    };
    int r = args_parse(ctl, argc, argv, &spec, &words);
    if (r)
        return args_status(r);
    if (ctl->json)
        return daemon_print_reply(ctl, "io.edged.Metrics", NULL);
    int status;
    _cleanup_(daemon_closep) struct edge *edge = daemon_open(ctl, &status);
    if (!edge)
        return status;
    char *text;
    r = edge_metrics(edge, &text);
    if (r)
        return daemon_fail(ctl, edge, r);
    fputs(text, stdout);
    free(text);
    return CTL_DONE;
}
