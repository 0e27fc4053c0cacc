/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The workers and their queue. The loop thread submits and cancels jobs and gets them back, in batches, when they are
 * done; workers sleep while there is nothing to do. Jobs known to be small are kept back until the loop has nothing
 * else to do: then it does them itself, since waking a thread up costs more than they do, and calls workers where
 * there are too many. Functions are for the loop thread unless they say otherwise.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/attributes.h"

struct split;
struct worker;

#define POOL_MAX_WORKERS 256

/* What the loop does itself, by what jobs are expected to take. A thread that sleeps on another CPU runs 5 to 30 us
 * after it was woken. */
#define POOL_SMALL_NS 100000     /* a job beyond it goes to a worker at once */
#define POOL_SMALL_BUSY_NS 20000 /* and this, while others wait for the loop */
#define POOL_SHARE_NS 30000   /* with this much waiting behind the job at hand a worker is called */
#define POOL_BUDGET_NS 250000 /* between two looks at the sockets; what is left goes to workers */

enum job_state {
    JOB_IDLE,
    JOB_QUEUED,
    JOB_RUNNING,
    JOB_DONE, /* computed, done() not yet called */
};

struct job_list {
    struct job *first, *last;
};

/* Embedded in what it works for. */
struct job {
    /* On a worker. May use only the job's owner, immutable things and the worker. */
    void (*work)(struct job *job, struct worker *worker);
    /* On the worker, then: sends the result to whom it concerns, if that can be done from here. May be NULL. */
    void (*publish)(struct job *job);
    /* On the loop; may free the job. */
    void (*done)(struct job *job);
    uint64_t expected_ns; /* how long work() will take; 0: nobody knows */
    const void *origin;   /* whom it is for; only compared */
    bool stop;            /* atomic: set by pool_stop_job(), looked at by work() */
    uint64_t queue_ns;    /* how long it waited */
    uint64_t busy_ns;     /* how long work() took */

    enum job_state state;  /* under the pool's lock */
    struct job_list *list; /* where it waits; under the pool's lock */
    uint64_t queued_at;
    struct job *prev, *next;
};

struct pool {
    pthread_mutex_t lock;
    struct job_list queue, done; /* under the lock */
    struct job_list small;       /* not yet shown to sleeping workers; under the lock */
    uint64_t small_ns;           /* what they are expected to take together; under the lock */
    size_t n_queued;             /* under the lock; atomic too */
    size_t n_running;            /* under the lock */
    unsigned n_helping;          /* workers that help with another's job; under the lock */
    struct split *splits;        /* jobs to help with; under the lock */
    size_t arena_bytes;          /* what each worker's arena shall be; under the lock */
    bool ending;                 /* under the lock */
    struct worker *workers;
    unsigned n_workers;
    unsigned n_cpus; /* for all of them; under the lock */
    uv_async_t async;
    bool async_open;

    /* The loop as a worker: */
    struct worker *own; /* its memory */
    uv_prepare_t prepare;
    uint64_t busy_until; /* if it did all small jobs */
    const void *origin;  /* of the newest small job */
    unsigned
        pressure; /* how often of late a client's job came while another's was done or waited */
    void (*after)(void *userdata); /* called on the loop after a batch of done() */
    void *userdata;
};

/* How many CPUs this process may use; 1 where nobody knows. */
unsigned pool_count_cpus(void);
/* Starts n_workers threads, 1 to POOL_MAX_WORKERS. -ENOMEM, -EAGAIN. */
_nodiscard_ int pool_init(struct pool *pool, uv_loop_t *loop, unsigned n_workers,
                          void (*after)(void *userdata), void *userdata);
/* Waits for running jobs and calls their done(). Jobs still queued are forgotten: the caller has cancelled its
 * own. The loop must run once more, for the handle to close. */
void pool_deinit(struct pool *pool);

/* Puts it at the end of the queue. Its work, done, expected_ns and origin are set. */
void pool_submit(struct pool *pool, struct job *job);
/* True: it is not being worked on and never will be; done() is not called. */
_nodiscard_ bool pool_cancel(struct pool *pool, struct job *job);
/* Asks a running job to end early; its done() comes. */
void pool_stop_job(struct job *job);

/* Calls done() of every job whose answer a worker has sent already: what a client knows, the loop then knows too. */
void pool_settle(struct pool *pool);

/* How many jobs wait and how many are being worked on. */
void pool_load(struct pool *pool, size_t *ret_queued, size_t *ret_running);
/* Makes each worker's arena this big as soon as it has nothing else to do. */
void pool_set_arena(struct pool *pool, size_t bytes);
/* Memory that only a large job needs goes back to the system: for when nobody is likely to ask for another. */
void pool_trim(struct pool *pool);
/* Whether no worker has been at the same slice of work for more than max_ns. */
bool pool_healthy(const struct pool *pool, uint64_t max_ns);

/* For workers. Waits for a job, helps others and keeps the arena at the wanted size meanwhile; NULL at the end. */
struct job *pool_take(struct pool *pool, struct worker *worker);
/* Gives it back to the loop. */
void pool_finish(struct pool *pool, struct job *job);
/* For split.c. Whether a job waits in the queue. */
bool pool_is_wanted(const struct pool *pool);
/* A sleeping worker to wake, under the lock; NULL where all are awake. `sleeps`: the caller's CPU is free soon. */
struct worker *pool_rouse(struct pool *pool, bool sleeps);
