/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A bump allocator for what one message makes: the JSON tree and the arrays read from it. Everything goes at once.
 * Loop thread only.
 */

#include <stddef.h>

#include "base/attributes.h"

#define ARENA_FIRST ((size_t)8 << 10) /* kept from message to message */
#define ARENA_MAX ((size_t)1 << 20)   /* of one message; beyond it allocations fail */

struct arena_block;

struct arena {
    struct arena_block *first; /* newest first; the oldest is kept */
    size_t total;
};

void arena_init(struct arena *arena);
void arena_deinit(struct arena *arena);
/* Frees all that was handed out. */
void arena_reset(struct arena *arena);
/* Zeroed, aligned to 16; NULL beyond the limit or without memory. */
void *arena_alloc(struct arena *arena, size_t size);

/* From now on cJSON allocates from arena_use()'s arena and frees nothing: process-wide, once at start. */
void arena_install_hooks(void);
/* NULL: cJSON gets no memory. */
void arena_use(struct arena *arena);
