/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `.edge` files, as they come and with size and checksums put right, so that what is behind them is reached. A network
 * that is read can be written and read again, and is the same.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arith.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/fd.h"
#include "model/container-format.h"
#include "model/container.h"
#include "model/graph.h"
#include "tests/exact.h"
#include "tests/graphs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* NULL for what is refused. */
static struct graph *read_copy(const uint8_t *data, size_t size) {
    struct map map = {.size = size};
    struct diag diag = {.text = ""};
    struct graph *graph = NULL;
    void *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    edge_assert(copy != MAP_FAILED);
    memcpy(copy, data, size);
    exact_guard(copy, size);
    map.data = copy;
    int r = container_read(&map, &graph, &diag);
    edge_assert(r == 0 || (r > 0 && diag.text[0]));
    exact_unguard(copy, size);
    map_deinit(&map);
    return graph;
}

static void round_trip(const uint8_t *data, size_t size) {
    struct graph *graph = read_copy(data, size);
    struct buffer b;
    struct diag diag;
    if (!graph)
        return;
    buffer_init(&b, CONTAINER_MAX_BYTES);
    edge_assert(container_write(graph, &b, &diag) == 0);
    struct graph *copy = read_copy(b.data, b.len);
    edge_assert(copy && same_graph(graph, copy));
    graph_free(copy);
    graph_free(graph);
    buffer_deinit(&b);
}

static void put_right(uint8_t *file, size_t size) {
    size_t n = load_le16(file + HEADER_SEGMENTS), table = HEADER_SIZE + n * ENTRY_SIZE;
    store_le64(file + HEADER_FILE_SIZE, size);
    if (table > size)
        return;
    for (size_t i = 0; i < n; i++) {
        uint8_t *entry = file + HEADER_SIZE + i * ENTRY_SIZE;
        uint64_t offset = load_le64(entry + ENTRY_OFFSET), stored = load_le64(entry + ENTRY_STORED);
        if (offset >= table && range_within(offset, stored, size))
            store_le32(entry + ENTRY_CHECKSUM, crc32c(file + offset, stored));
    }
    store_le32(file + HEADER_CHECKSUM, crc32c(file + HEADER_VERSION, table - HEADER_VERSION));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < HEADER_SIZE)
        return 0;
    round_trip(data, size);
    uint8_t *forged = malloc(size);
    if (!forged)
        return 0;
    memcpy(forged, data, size);
    put_right(forged, size);
    round_trip(forged, size);
    free(forged);
    return 0;
}
