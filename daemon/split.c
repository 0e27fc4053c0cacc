/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items are handed out by a counter. Those who help are counted under the pool's lock before they touch anything, so
 * that whoever owns the split can leave as soon as nobody is inside.
 */

#include "daemon/split.h"

#include <errno.h>
#include <sched.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/pool.h"
#include "daemon/worker.h"

/* The last helper is about to be done: sleeping, and being woken, takes longer than this. */
#define SPIN_NS 30000

static uint32_t n_left(const struct split *split) {
    uint32_t next = __atomic_load_n(&split->next, __ATOMIC_RELAXED);
    return next < split->n_items ? split->n_items - next : 0;
}

static bool begin_item(struct split *split, uint32_t *ret_item) {
    /* Far from overflow: it grows beyond n_items by one for each who comes too late. */
    *ret_item = __atomic_fetch_add(&split->next, 1, __ATOMIC_RELAXED);
    return *ret_item < split->n_items;
}

/* Does an item that begins `now`, and returns when it was done. */
static uint64_t do_item(struct split *split, uint32_t item, void *arena, uint64_t now) {
    int r = split->run(split, item, arena);
    if (r) {
        __atomic_store_n(&split->code, r, __ATOMIC_RELAXED);
        __atomic_store_n(&split->next, split->n_items, __ATOMIC_RELAXED);
    }
    uint64_t end = clock_now_ns();
    __atomic_fetch_add(&split->busy_ns, end - now, __ATOMIC_RELAXED);
    return end;
}

/* More threads than CPUs would only take turns. */
static bool has_cpu(const struct pool *pool) {
    return pool->n_running + pool->n_helping < pool->n_cpus;
}

/* A worker to wake, under the lock. Each who comes calls the next, so that this does not hold up the owner. */
static struct worker *call_helper(struct pool *pool, struct split *split) {
    if (!split->n_calls || pool->n_queued || !has_cpu(pool))
        return NULL;
    struct worker *worker = pool_rouse(pool, false);
    if (worker)
        split->n_calls--;
    return worker;
}

/* Lets others take part if that pays: the owner has an item already, and begins it next. */
static bool offer(struct split *split, struct pool *pool) {
    uint32_t left = n_left(split);
    uint64_t shares = (left + (uint64_t)1) * split->item_ns / SPLIT_SHARE_NS;
    if (split->in_order || split->owner == pool->own || !left || shares < 2)
        return false;
    pthread_mutex_lock(&pool->lock);
    split->n_calls = (unsigned)MIN(left, shares - 1);
    split->next_open = pool->splits;
    if (split->next_open)
        split->next_open->prev = split;
    pool->splits = split;
    struct worker *worker = call_helper(pool, split);
    pthread_mutex_unlock(&pool->lock);
    if (worker)
        pthread_cond_signal(&worker->wake);
    return true;
}

/* Nobody comes any more, and those inside are awaited. */
static void take_back(struct split *split, struct pool *pool) {
    pthread_mutex_lock(&pool->lock);
    if (split->prev)
        split->prev->next_open = split->next_open;
    else
        pool->splits = split->next_open;
    if (split->next_open)
        split->next_open->prev = split->prev;
    bool alone = split->n_inside == 0;
    pthread_mutex_unlock(&pool->lock);
    if (alone)
        return;
    worker_beat(split->owner);
    uint64_t begin = clock_now_ns();
    while (__atomic_load_n(&split->n_inside, __ATOMIC_RELAXED) && clock_now_ns() - begin < SPIN_NS)
        sched_yield();
    pthread_mutex_lock(&pool->lock);
    while (split->n_inside)
        pthread_cond_wait(&split->owner->wake, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

int split_run(struct split *split, struct worker *worker) {
    void *arena = worker_arena(worker, split->arena_bytes);
    if (!arena)
        return err_origin(-ENOMEM);
    split->owner = worker;
    bool open = false;
    uint32_t item;
    uint64_t now = clock_now_ns();
    while (begin_item(split, &item)) {
        open = open || offer(split, worker->pool);
        if (item)
            worker_beat(worker);
        uint64_t begin = now;
        now = do_item(split, item, arena, begin);
        if (!split->item_ns)
            split->item_ns = MAX(now - begin, (uint64_t)1);
    }
    if (open)
        take_back(split, worker->pool);
    return split->code;
}

struct split *split_find(const struct pool *pool, const struct split *but) {
    if (!has_cpu(pool))
        return NULL;
    struct split *split = pool->splits;
    while (split && (split == but || n_left(split) * split->item_ns < SPLIT_HANDOVER_NS))
        split = split->next_open;
    return split;
}

bool split_help(struct split *split, struct worker *worker) {
    struct pool *pool = worker->pool;
    __atomic_store_n(&split->n_inside, split->n_inside + 1, __ATOMIC_RELAXED);
    pool->n_helping++;
    struct worker *another = call_helper(pool, split);
    pthread_mutex_unlock(&pool->lock);
    if (another)
        pthread_cond_signal(&another->wake);
    void *arena = worker_arena(worker, split->arena_bytes);
    uint32_t item;
    uint64_t now = clock_now_ns();
    while (arena && !pool_is_wanted(pool) && begin_item(split, &item)) {
        worker_beat(worker);
        now = do_item(split, item, arena, now);
    }
    worker_rest(worker);
    pthread_mutex_lock(&pool->lock);
    pool->n_helping--;
    __atomic_store_n(&split->n_inside, split->n_inside - 1, __ATOMIC_RELAXED);
    /* The owner has the lock before it leaves: until then the split is there. */
    if (!split->n_inside)
        pthread_cond_signal(&split->owner->wake);
    return arena;
}
