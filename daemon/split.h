/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A job of many items that do not depend on each other. Who has the job goes through them one by one; workers that have
 * nothing else to do take items from it, where so much is left that waking them up pays. Nobody waits for a helper that
 * has not begun an item, and a helper leaves as soon as a job waits in the queue. On workers.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct pool;
struct worker;

/* From waking a sleeping worker until it computes with warm caches: at most this, as a rule. */
#define SPLIT_HANDOVER_NS 50000
/* Work for each of those who share it: less is not worth a hand-over. */
#define SPLIT_SHARE_NS ((uint64_t)2 * SPLIT_HANDOVER_NS)

/* On the stack of who runs it; zeroed but for the first part. */
struct split {
    /* Does an item, with arena_bytes of memory that no other has meanwhile; items are run side by side. 0, or another
     * number: then no further items are begun. */
    int (*run)(struct split *split, uint32_t item, void *arena);
    uint32_t n_items;
    size_t arena_bytes;
    bool in_order;    /* one after the other: nobody may help */
    uint64_t item_ns; /* what an item will take; 0: not known, then the first one tells */

    uint64_t busy_ns; /* result: what all items took together; atomic until then */

    struct worker *owner;
    uint32_t next; /* atomic: items before this one have been begun */
    int code;      /* atomic: of an item that did not go well */
    /* Under the pool's lock: */
    unsigned n_inside; /* helpers; atomic too */
    unsigned n_calls;  /* how many sleeping workers are still to be woken */
    struct split *prev, *next_open;
};

/* Does all items and returns when they are done. 0, -ENOMEM, or what an item returned: then some are not done. */
_nodiscard_ int split_run(struct split *split, struct worker *worker);

/* For the pool, under its lock. What a worker could help with, other than `but` (NULL: anything); NULL: nothing. */
struct split *split_find(const struct pool *pool, const struct split *but);
/* Helps; the lock is not held meanwhile. False where the worker has no memory for it. */
_nodiscard_ bool split_help(struct split *split, struct worker *worker);
