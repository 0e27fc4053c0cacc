/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl load: gives a file to the daemon. It is opened here, so that the daemon need not be able to read the path.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/fd.h"
#include "client/edgectl/args.h"
#include "client/edgectl/ctl.h"
#include "client/edgectl/daemon.h"
#include "client/edgectl/table.h"

static int report(const struct ctl *ctl, const struct edge_loaded *loaded) {
    if (ctl->json) {
        cJSON *d = cJSON_CreateObject();
        cJSON_AddStringToObject(d, "model", loaded->model);
        cJSON_AddStringToObject(d, "version", loaded->version);
        cJSON_AddNumberToObject(d, "bytes", (double)loaded->bytes);
        cJSON_AddNumberToObject(d, "load_us", (double)loaded->load_ns / 1e3);
        return ctl_print_json(ctl, d);
    }
    char size[HUMAN_MAX], time[HUMAN_MAX];
    printf("'%s' loaded: %s, %s\n", loaded->model, human_bytes((uint64_t)loaded->bytes, size),
           human_ns((double)loaded->load_ns, time));
    return CTL_DONE;
}

int verb_load(struct ctl *ctl, int argc, char **argv) {
    _cleanup_(args_list_deinit) struct args_list words = {0};
    const char *name = NULL;
    const struct args_option options[] = {
        {"name", 'n', ARGS_STRING, &name, 0, 0, "NAME",
         "the name to load it under (the file's own)"},
        {0},
    };
    const struct args_spec spec = {
        .synopsis = "FILE.edge",
        .summary = "Gives a network to the daemon. Only for the daemon's administrators.",
        .options = options,
        .min_words = 1,
        .max_words = 1,
    };
    int r = args_parse(ctl, argc, argv, &spec, &words);
    if (r)
        return args_status(r);
    _cleanup_(fd_closep) int fd = open(words.items[0], O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ctl_fail(ctl, "%s: %s", words.items[0], strerror(errno));
    int status;
    _cleanup_(daemon_closep) struct edge *edge = daemon_open(ctl, &status);
    if (!edge)
        return status;
    struct edge_loaded loaded;
    r = edge_load_fd(edge, fd, name, &loaded);
    return r ? daemon_fail(ctl, edge, r) : report(ctl, &loaded);
}
