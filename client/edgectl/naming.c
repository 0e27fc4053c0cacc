/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of networks that are written.
 */

#include "client/edgectl/naming.h"

#include <string.h>

#include "base/error.h"
#include "model/graph.h"

int naming_set_text(struct graph *graph, const char *text, const char **ret, struct diag *diag) {
    if (!text)
        return 0;
    const char *copy = graph_strndup(graph, text, strlen(text));
    if (!copy)
        return diag_set(diag, err_origin(-ENOMEM), "out of memory");
    *ret = copy;
    return 0;
}

int naming_set_name(struct graph *graph, const char *name, const char *path, struct diag *diag) {
    if (name)
        return naming_set_text(graph, name, &graph->name, diag);
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    const char *copy = graph_strndup(graph, base, strcspn(base, "."));
    if (!copy)
        return diag_set(diag, err_origin(-ENOMEM), "out of memory");
    if (!graph_name_served(copy))
        return diag_set(
            diag, NAMING_E_INVALID,
            "%s: '%s' is no name for a network (1 to %d of A-Z a-z 0-9 . _ -): give one "
            "with --name",
            path, copy, GRAPH_MAX_SERVED_NAME);
    graph->name = copy;
    return 0;
}
