/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks from files.
 */

#include "model/netfile.h"

#include "base/error.h"
#include "base/fd.h"
#include "model/container.h"
#include "model/graph.h"
#include "model/tflite.h"

int netfile_read(const char *path, struct graph **ret_graph, size_t *ret_bytes, struct diag *diag) {
    _cleanup_(map_deinit) struct map map = {0};
    int r = map_read_file(path, CONTAINER_MAX_BYTES, &map, diag);
    if (r)
        return r;
    size_t size = map.size;
    if (container_probe(map.data, map.size))
        r = container_read(&map, ret_graph, diag);
    else
        r = tflite_read(map.data, map.size, ret_graph, diag);
    if (r)
        return diag_prefix(diag, r, "%s", path);
    if (ret_bytes)
        *ret_bytes = size;
    return 0;
}
