/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queue, completions, start and end of the workers. One lock for both lists; it is held for a few instructions only.
 */

#include "daemon/pool.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/worker.h"

static void list_append(struct job_list *list, struct job *job) {
    job->prev = list->last;
    job->next = NULL;
    if (list->last)
        list->last->next = job;
    else
        list->first = job;
    list->last = job;
}

static void list_remove(struct job_list *list, struct job *job) {
    if (job->prev)
        job->prev->next = job->next;
    else
        list->first = job->next;
    if (job->next)
        job->next->prev = job->prev;
    else
        list->last = job->prev;
}

/* Takes the whole list at once, so that a burst of completions costs one wake-up and one lock. */
static void collect(struct pool *pool) {
    pthread_mutex_lock(&pool->lock);
    struct job *job = pool->done.first;
    pool->done = (struct job_list){0};
    pthread_mutex_unlock(&pool->lock);
    while (job) {
        struct job *next = job->next;
        job->state = JOB_IDLE;
        job->done(job);
        job = next;
    }
}

static void on_async(uv_async_t *async) {
    struct pool *pool = async->data;
    collect(pool);
    pool->after(pool->userdata);
}

/* Signals belong to the loop thread. */
static int start_workers(struct pool *pool, unsigned n_workers) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int r = 0;
    for (unsigned i = 0; i < n_workers && !r; i++) {
        struct worker *w = &pool->workers[i];
        *w = (struct worker){.pool = pool, .index = i, .cpu = -1};
        pthread_mutex_init(&w->publishing, NULL);
        pthread_cond_init(&w->wake, NULL);
        r = -pthread_create(&w->thread, NULL, worker_main, w);
        if (!r)
            pool->n_workers++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r < 0 ? err_origin(r) : 0;
}

int pool_init(struct pool *pool, uv_loop_t *loop, unsigned n_workers, void (*after)(void *userdata),
              void *userdata) {
    edge_assert(n_workers >= 1 && n_workers <= POOL_MAX_WORKERS);
    *pool = (struct pool){.after = after, .userdata = userdata};
    pthread_mutex_init(&pool->lock, NULL);
    pool->workers = calloc(n_workers, sizeof(*pool->workers));
    if (!pool->workers)
        return err_origin(-ENOMEM);
    int r = uv_async_init(loop, &pool->async, on_async);
    if (r)
        return err_origin(r);
    pool->async.data = pool;
    pool->async_open = true;
    return start_workers(pool, n_workers);
}

/* Under the lock. */
static void wake_all(struct pool *pool) {
    for (unsigned i = 0; i < pool->n_workers; i++)
        pthread_cond_signal(&pool->workers[i].wake);
}

void pool_deinit(struct pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    wake_all(pool);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->n_workers; i++)
        pthread_join(pool->workers[i].thread, NULL);
    collect(pool);
    for (unsigned i = 0; i < pool->n_workers; i++) {
        pthread_mutex_destroy(&pool->workers[i].publishing);
        pthread_cond_destroy(&pool->workers[i].wake);
    }
    if (pool->async_open)
        uv_close((uv_handle_t *)&pool->async, NULL);
    pool->async_open = false;
    free(pool->workers);
    pthread_mutex_destroy(&pool->lock);
}

/* A sleeping worker to wake, under the lock. Best is the one on this CPU: the loop goes to sleep next, and then it runs
 * here at once, where one on another CPU that sleeps would have to be woken along with that CPU. Who is awake takes the
 * jobs in their order, so a job does not wait for the worker that was woken for it. */
static struct worker *rouse(struct pool *pool) {
    struct worker *found = NULL;
    int here = sched_getcpu();
    for (unsigned i = 0; i < pool->n_workers; i++) {
        struct worker *w = &pool->workers[i];
        if (w->idle && (!found || w->cpu == here))
            found = w;
    }
    if (found)
        found->idle = false;
    return found;
}

void pool_submit(struct pool *pool, struct job *job) {
    edge_assert(job->state == JOB_IDLE);
    job->stop = false;
    job->queued_at = clock_now_ns();
    pthread_mutex_lock(&pool->lock);
    job->state = JOB_QUEUED;
    list_append(&pool->queue, job);
    pool->n_queued++;
    struct worker *worker = rouse(pool);
    pthread_mutex_unlock(&pool->lock);
    /* Not under the lock: the worker would wake only to wait for it. */
    if (worker)
        pthread_cond_signal(&worker->wake);
}

bool pool_cancel(struct pool *pool, struct job *job) {
    pthread_mutex_lock(&pool->lock);
    bool running = job->state == JOB_RUNNING || job->state == JOB_DONE;
    if (job->state == JOB_QUEUED) {
        list_remove(&pool->queue, job);
        pool->n_queued--;
        job->state = JOB_IDLE;
    }
    pthread_mutex_unlock(&pool->lock);
    return !running;
}

void pool_stop_job(struct job *job) {
    __atomic_store_n(&job->stop, true, __ATOMIC_RELAXED);
}

void pool_settle(struct pool *pool) {
    /* Who is sending holds the lock until the job is in the list. */
    for (unsigned i = 0; i < pool->n_workers; i++) {
        pthread_mutex_lock(&pool->workers[i].publishing);
        pthread_mutex_unlock(&pool->workers[i].publishing);
    }
    collect(pool);
}

void pool_load(struct pool *pool, size_t *ret_queued, size_t *ret_running) {
    pthread_mutex_lock(&pool->lock);
    *ret_queued = pool->n_queued;
    *ret_running = pool->n_running;
    pthread_mutex_unlock(&pool->lock);
}

void pool_set_arena(struct pool *pool, size_t bytes) {
    pthread_mutex_lock(&pool->lock);
    bool changed = pool->arena_bytes != bytes;
    pool->arena_bytes = bytes;
    if (changed)
        wake_all(pool);
    pthread_mutex_unlock(&pool->lock);
}

bool pool_healthy(const struct pool *pool, uint64_t max_ns) {
    uint64_t now = clock_now_ns();
    for (unsigned i = 0; i < pool->n_workers; i++) {
        uint64_t beat = __atomic_load_n(&pool->workers[i].beat, __ATOMIC_RELAXED);
        if (beat && beat < now && now - beat > max_ns)
            return false;
    }
    return true;
}

struct job *pool_take(struct pool *pool, struct worker *worker) {
    struct job *job = NULL;
    size_t tried = SIZE_MAX;
    pthread_mutex_lock(&pool->lock);
    while (!pool->ending && !pool->queue.first) {
        size_t arena = pool->arena_bytes;
        if (worker->arena.size == arena || tried == arena) {
            worker->idle = true;
            pthread_cond_wait(&worker->wake, &pool->lock);
            worker->idle = false;
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        worker_size_arena(worker, arena);
        tried = arena;
        pthread_mutex_lock(&pool->lock);
    }
    if (!pool->ending) {
        job = pool->queue.first;
        list_remove(&pool->queue, job);
        job->state = JOB_RUNNING;
        pool->n_queued--;
        pool->n_running++;
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

void pool_finish(struct pool *pool, struct job *job) {
    pthread_mutex_lock(&pool->lock);
    bool first = !pool->done.first;
    job->state = JOB_DONE;
    pool->n_running--;
    list_append(&pool->done, job);
    pthread_mutex_unlock(&pool->lock);
    if (first)
        uv_async_send(&pool->async);
}
