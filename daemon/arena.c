/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks that double in size up to the limit.
 */

#include "daemon/arena.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(16) char data[];
};

static struct arena *current;

void arena_init(struct arena *arena) {
    *arena = (struct arena){0};
}

void arena_deinit(struct arena *arena) {
    arena_reset(arena);
    free(arena->first);
    *arena = (struct arena){0};
}

void arena_reset(struct arena *arena) {
    while (arena->first && arena->first->next) {
        struct arena_block *block = arena->first;
        arena->first = block->next;
        arena->total -= block->size;
        free(block);
    }
    if (arena->first)
        arena->first->used = 0;
}

static struct arena_block *add_block(struct arena *arena, size_t least) {
    size_t size = arena->first ? arena->first->size * 2 : ARENA_FIRST;
    size = MAX(size, least);
    if (size > ARENA_MAX - arena->total)
        size = ARENA_MAX - arena->total;
    if (size < least)
        return NULL;
    struct arena_block *block = malloc(sizeof(*block) + size);
    if (!block)
        return NULL;
    *block = (struct arena_block){.next = arena->first, .size = size};
    arena->first = block;
    arena->total += size;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size) {
    struct arena_block *block = arena->first;
    if (size > ARENA_MAX)
        return NULL;
    size = (size + 15) & ~(size_t)15;
    if (!block || size > block->size - block->used)
        block = add_block(arena, size);
    if (!block)
        return NULL;
    void *p = block->data + block->used;
    block->used += size;
    return memset(p, 0, size);
}

static void *hook_malloc(size_t size) {
    return current ? arena_alloc(current, size) : NULL;
}

static void hook_free(_unused_ void *p) {
}

void arena_install_hooks(void) {
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = hook_malloc, .free_fn = hook_free});
}

void arena_use(struct arena *arena) {
    current = arena;
}
