/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Shared memory that a client registered, named per connection. It stays mapped while requests use it. Loop thread;
 * the mapping is used by workers.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/fd.h"
#include "daemon/account.h"

struct peer;

struct region {
    struct region *next; /* of the peer */
    uint64_t number;     /* "r<number>" */
    struct map map;
    unsigned n_refs;
    struct charge charge, bytes;
};

/* NULL where this connection has no such region. */
struct region *regions_find(struct peer *peer, const char *name);
struct region *region_ref(struct region *region);
/* Accepts NULL; returns NULL. */
struct region *region_unref(struct region *region);
/* The connection is over. */
void regions_drop_all(struct peer *peer);
/* "r12" → 12; 0 where it is no such name. */
uint64_t handle_number(const char *name, char letter);
