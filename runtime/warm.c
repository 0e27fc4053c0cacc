/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run nobody waits for.
 */

#include <sys/mman.h>

#include "base/arith.h"
#include "runtime/image-format.h"

#define WARM_MAX_BYTES ((size_t)2 << 20)

/* Takes room for a port; returns where it begins. */
static size_t take(size_t *end, size_t size) {
    size_t at = *end;
    *end = at + ALIGN_UP(MIN(size, WARM_MAX_BYTES), (size_t)RUNTIME_ARENA_ALIGN);
    return at;
}

void image_warm_up(const struct image *image) {
    const struct image_header *h = image->header;
    size_t at[2 * GRAPH_MAX_IO], end = 0, arena = take(&end, h->arena_bytes);
    bool fits = h->arena_bytes <= WARM_MAX_BYTES;
    for (uint32_t i = 0; i < h->n_inputs + h->n_outputs; i++) {
        const struct port *port =
            i < h->n_inputs ? &image->inputs[i] : &image->outputs[i - h->n_inputs];
        at[i] = take(&end, port->size);
        fits = fits && port->size <= WARM_MAX_BYTES;
    }
    if (!fits || end > WARM_MAX_BYTES)
        return;
    char *memory = mmap(NULL, end, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return;
    const void *inputs[GRAPH_MAX_IO];
    void *outputs[GRAPH_MAX_IO];
    for (uint32_t i = 0; i < h->n_inputs; i++)
        inputs[i] = memory + at[i];
    for (uint32_t i = 0; i < h->n_outputs; i++)
        outputs[i] = memory + at[h->n_inputs + i];
    (void)!image_run(image, NULL, 1, inputs, outputs, memory + arena, NULL);
    munmap(memory, end);
}
