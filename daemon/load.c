/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading, checking and compiling one `.edge` file. Nothing of the daemon is touched.
 */

#include "daemon/load.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/heap.h"
#include "model/container.h"
#include "model/graph.h"
#include "runtime/runtime.h"

/* "x" for "/some/where/x.edge". */
static void name_of_path(const char *path, char *ret, size_t size) {
    const char *slash = strrchr(path, '/');
    const char *stem = slash ? slash + 1 : path;
    const char *dot = strrchr(stem, '.');
    size_t len = dot && dot != stem ? (size_t)(dot - stem) : strlen(stem);
    snprintf(ret, size, "%.*s", (int)MIN(len, size), stem);
}

static int choose_name(struct load *load) {
    char name[GRAPH_MAX_SERVED_NAME + 2]; /* one more, to notice what is too long */
    if (load->name[0])
        return 0;
    snprintf(name, sizeof(name), "%s", image_name(load->image));
    if (!graph_name_served(name) && load->path)
        name_of_path(load->path, name, sizeof(name));
    if (!graph_name_served(name))
        return diag_set(&load->diag, LOAD_E_INVALID,
                        "the file says no usable name: give one of 1 to %d letters, digits, '.', "
                        "'_' and '-'",
                        GRAPH_MAX_SERVED_NAME);
    memcpy(load->name, name, GRAPH_MAX_SERVED_NAME + 1);
    return 0;
}

static int build(struct load *load) {
    _cleanup_(map_deinit) struct map map = {0};
    _cleanup_(graph_freep) struct graph *graph = NULL;
    int r = load->path ? map_read_file(load->path, CONTAINER_MAX_BYTES, &map, &load->diag)
                       : map_read_fd(load->fd, CONTAINER_MAX_BYTES, &map, &load->diag);
    if (r < 0) /* whatever the reason: it is the file's */
        return LOAD_E_INVALID;
    if (!map.data || !container_probe(map.data, map.size))
        return diag_set(&load->diag, LOAD_E_INVALID, "no .edge file");
    r = container_read(&map, &graph, &load->diag);
    if (!r)
        r = image_build(graph, load->tier, &load->image, &load->diag);
    return r > 0 ? LOAD_E_INVALID : err_trace(r);
}

int load_run(struct load *load) {
    uint64_t begin = clock_now_ns();
    load->image = NULL;
    int r = build(load);
    if (!r)
        r = choose_name(load);
    /* What reading took is not needed again: to the system with it. */
    heap_trim(0);
    load->ns = clock_now_ns() - begin;
    return r;
}

void load_deinit(struct load *load) {
    load->fd = fd_close(load->fd);
    load->image = image_unref(load->image);
}
