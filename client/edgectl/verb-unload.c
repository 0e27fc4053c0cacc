/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl unload.
 */

#include <stdio.h>

#include <cjson/cJSON.h>

#include "client/edgectl/args.h"
#include "client/edgectl/ctl.h"
#include "client/edgectl/daemon.h"

int verb_unload(struct ctl *ctl, int argc, char **argv) {
    _cleanup_(args_list_deinit) struct args_list words = {0};
    const struct args_option options[] = {{0}};
    const struct args_spec spec = {
        .synopsis = "NAME",
        .summary = "Takes a network away from the daemon; requests under way are still answered. "
                   "Only for\n"
                   "the daemon's administrators.",
        .options = options,
        .min_words = 1,
        .max_words = 1,
    };
    int r = args_parse(ctl, argc, argv, &spec, &words);
    if (r)
        return args_status(r);
    int status;
    _cleanup_(daemon_closep) struct edge *edge = daemon_open(ctl, &status);
    if (!edge)
        return status;
    r = edge_unload(edge, words.items[0]);
    if (r)
        return daemon_fail(ctl, edge, r);
    if (ctl->json) {
        cJSON *d = cJSON_CreateObject();
        cJSON_AddStringToObject(d, "model", words.items[0]);
        return ctl_print_json(ctl, d);
    }
    printf("'%s' unloaded\n", words.items[0]);
    return CTL_DONE;
}
