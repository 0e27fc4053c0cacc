/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A compute thread with its scratch memory; the loop, which does small jobs itself, is one too. Functions are for the
 * thread itself.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/fd.h"

struct job;
struct pool;

#define WORKER_KEEP ((size_t)256 << 10)    /* value memory kept for ever */
#define WORKER_KEEP_BUSY ((size_t)1 << 20) /* and while clients come and stay */

struct worker {
    struct pool *pool;
    unsigned index;
    pthread_t thread;
    pthread_cond_t wake; /* there is a job, help wanted, an arena to size; or all helpers left */
    bool gives_back;     /* shall give large memory back; under the pool's lock */
    bool idle;           /* sleeps and nobody has woken it; under the pool's lock */
    int cpu;             /* it is pinned there; -1: anywhere; under the pool's lock */
    struct map arena;    /* of the networks */
    struct map scratch;  /* inputs and outputs of a job */
    pthread_mutex_t publishing; /* held from sending a result until the loop can have the job */
    uint64_t beat;              /* atomic: when the slice of work at hand began, 0 while idle */
};

/* Body of the thread. */
void *worker_main(void *worker);

/* Does a taken job that begins `now`, of clock_now_ns(), and returns when it was done. */
uint64_t worker_do(struct worker *worker, struct job *job, uint64_t now);
/* Gives all memory back. */
void worker_drop_memory(struct worker *worker);
/* Gives value memory above `keep` back. */
void worker_trim(struct worker *worker, size_t keep);
/* Makes the arena that big; 0 gives it back. Without memory there is none. */
void worker_size_arena(struct worker *worker, size_t bytes);
/* The arena, at least `bytes`, aligned to pages. NULL without memory. */
void *worker_arena(struct worker *worker, size_t bytes);
/* Memory for values, valid until the job ends, aligned to pages. NULL without memory. */
void *worker_scratch(struct worker *worker, size_t bytes);
/* A long job says that it is alive; its thread then has nothing to do. */
void worker_beat(struct worker *worker);
void worker_rest(struct worker *worker);
