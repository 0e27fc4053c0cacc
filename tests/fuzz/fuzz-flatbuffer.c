/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TFLite files: an error that says why, or a network that passes the check and survives a round trip through `.edge`.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/fd.h"
#include "model/container.h"
#include "model/graph.h"
#include "model/tflite.h"
#include "tests/graphs.h"

#define FUZZ_MAX_FILE ((size_t)16 << 20) /* tensors may be large though the file is small */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const struct graph *graph) {
    struct buffer b;
    struct diag diag;
    struct graph *copy = NULL;
    buffer_init(&b, FUZZ_MAX_FILE);
    int r = container_write(graph, &b, &diag);
    edge_assert(r == 0 || r == -EMSGSIZE);
    if (r == 0) {
        struct map map = {.size = b.len};
        map.data = mmap(NULL, b.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        edge_assert(map.data != MAP_FAILED);
        memcpy(map.data, b.data, b.len);
        edge_assert(container_read(&map, &copy, &diag) == 0);
        edge_assert(same_graph(graph, copy));
        graph_free(copy);
    }
    buffer_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct graph *graph = NULL;
    struct diag diag = {.text = ""};
    int r = tflite_read(data, size, &graph, &diag);
    if (r == 0)
        round_trip(graph);
    else
        edge_assert(r > 0 && diag.text[0]);
    graph_free(graph);
    return 0;
}
