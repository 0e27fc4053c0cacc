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
#include "daemon/split.h"
#include "daemon/worker.h"

#define PRESSURE_MAX 16
#define PRESSURE_BUSY 8
/* An iteration of the loop that found calls waiting takes no longer than this. */
#define PRESSURE_GAP_NS 20000

static void list_append(struct job_list *list, struct job *job) {
    job->list = list;
    job->prev = list->last;
    job->next = NULL;
    if (list->last)
        list->last->next = job;
    else
        list->first = job;
    list->last = job;
}

static void list_remove(struct job *job) {
    struct job_list *list = job->list;
    if (job->prev)
        job->prev->next = job->next;
    else
        list->first = job->next;
    if (job->next)
        job->next->prev = job->prev;
    else
        list->last = job->prev;
    job->list = NULL;
}

static bool is_small(const struct job *job) {
    return job->expected_ns && job->expected_ns <= POOL_SMALL_NS;
}

/* Under the lock. */
static void enqueue(struct pool *pool, struct job *job) {
    bool small = is_small(job);
    job->state = JOB_QUEUED;
    list_append(small ? &pool->small : &pool->queue, job);
    pool->small_ns += small ? job->expected_ns : 0;
    __atomic_store_n(&pool->n_queued, pool->n_queued + 1, __ATOMIC_RELAXED);
}

/* Under the lock. */
static void dequeue(struct pool *pool, struct job *job) {
    if (job->list == &pool->small)
        pool->small_ns -= job->expected_ns;
    list_remove(job);
    __atomic_store_n(&pool->n_queued, pool->n_queued - 1, __ATOMIC_RELAXED);
}

/* What is next for a worker, under the lock; NULL where there is nothing. */
static struct job *next_job(const struct pool *pool) {
    struct job *small = pool->small.first, *other = pool->queue.first;
    return other && (!small || other->queued_at <= small->queued_at) ? other : small;
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

/* Where the caller goes to sleep next, best is the worker on this CPU: it runs here at once, where one on another CPU that
 * sleeps would have to be woken along with that CPU. Where the caller goes on computing that one would only wait for it.
 * Who is awake takes the jobs in their order, so a job does not wait for the worker that was woken for it. */
struct worker *pool_rouse(struct pool *pool, bool sleeps) {
    struct worker *found = NULL;
    int here = sched_getcpu();
    for (unsigned i = 0; i < pool->n_workers; i++) {
        struct worker *w = &pool->workers[i];
        if (w->idle && (!found || (w->cpu == here) == sleeps))
            found = w;
    }
    if (found)
        found->idle = false;
    return found;
}

/* Leaves a small job to the workers. Under the lock. */
static void give_away(struct pool *pool, struct job *job) {
    pool->small_ns -= job->expected_ns;
    list_remove(job);
    list_append(&pool->queue, job);
}

/* The next small job if the loop should do it; else, or where too much waits behind it, a worker to wake. A job that is
 * too much for a busy loop but finds no worker asleep is done here all the same: nobody knows how long those that are
 * awake will be. */
static struct job *take_small(struct pool *pool, bool may_work, struct worker **ret_worker) {
    pthread_mutex_lock(&pool->lock);
    struct job *job = pool->small.first;
    bool too_much = pool->pressure >= PRESSURE_BUSY && job && job->expected_ns > POOL_SMALL_BUSY_NS;
    bool share = job && (!may_work || pool->small_ns - job->expected_ns > POOL_SHARE_NS);
    struct worker *worker = too_much || share ? pool_rouse(pool, too_much && !share) : NULL;
    bool gives = worker && (too_much || !may_work);
    if (gives || !may_work) {
        if (gives)
            give_away(pool, job);
        job = NULL;
    } else if (job) {
        dequeue(pool, job);
        job->state = JOB_RUNNING;
    }
    pthread_mutex_unlock(&pool->lock);
    *ret_worker = worker;
    return job;
}

static bool has_small(struct pool *pool) {
    pthread_mutex_lock(&pool->lock);
    bool has = pool->small.first;
    pthread_mutex_unlock(&pool->lock);
    return has;
}

/* The last thing before the loop waits for events: all that came with those before has been taken in. */
static void on_prepare(uv_prepare_t *prepare) {
    struct pool *pool = prepare->data;
    struct worker *worker;
    struct job *job;
    uint64_t begin = 0, now = 0;
    do {
        job = take_small(pool, now - begin < POOL_BUDGET_NS, &worker);
        if (worker)
            pthread_cond_signal(&worker->wake);
        if (!job)
            continue;
        if (!begin)
            begin = now = clock_now_ns();
        now = worker_do(pool->own, job, now);
        pool->busy_until = now;
        job->state = JOB_IDLE;
        job->done(job);
        pool->after(pool->userdata);
    } while (job || worker);
    /* Workers that are awake take the rest, but nobody knows when: back here after a look at the sockets. */
    if (now - begin >= POOL_BUDGET_NS && has_small(pool))
        uv_async_send(&pool->async);
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

unsigned pool_count_cpus(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return 1;
    return MAX((unsigned)CPU_COUNT(&set), 1U);
}

int pool_init(struct pool *pool, uv_loop_t *loop, unsigned n_workers, void (*after)(void *userdata),
              void *userdata) {
    edge_assert(n_workers >= 1 && n_workers <= POOL_MAX_WORKERS);
    *pool = (struct pool){.after = after, .userdata = userdata, .n_cpus = pool_count_cpus()};
    pthread_mutex_init(&pool->lock, NULL);
    pool->workers = calloc(n_workers + 1, sizeof(*pool->workers));
    if (!pool->workers)
        return err_origin(-ENOMEM);
    pool->own = &pool->workers[n_workers];
    *pool->own = (struct worker){.pool = pool, .index = n_workers, .cpu = -1};
    int r = uv_async_init(loop, &pool->async, on_async);
    if (r)
        return err_origin(r);
    pool->async.data = pool->prepare.data = pool;
    pool->async_open = true;
    uv_prepare_init(loop, &pool->prepare);
    uv_prepare_start(&pool->prepare, on_prepare);
    uv_unref((uv_handle_t *)&pool->prepare);
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
    if (pool->async_open) {
        uv_close((uv_handle_t *)&pool->async, NULL);
        uv_close((uv_handle_t *)&pool->prepare, NULL);
    }
    pool->async_open = false;
    if (pool->own)
        worker_drop_memory(pool->own);
    pool->own = NULL;
    free(pool->workers);
    pthread_mutex_destroy(&pool->lock);
}

/* Whether clients ask while the loop computes for others. */
static void note_pressure(struct pool *pool, const struct job *job) {
    bool waits = job->origin != pool->origin && job->queued_at < pool->busy_until + PRESSURE_GAP_NS;
    if (waits && pool->pressure < PRESSURE_MAX)
        pool->pressure++;
    else if (!waits && pool->pressure > 0)
        pool->pressure--;
    pool->origin = job->origin;
    pool->busy_until = MAX(pool->busy_until, job->queued_at) + job->expected_ns;
}

void pool_submit(struct pool *pool, struct job *job) {
    edge_assert(job->state == JOB_IDLE);
    job->stop = false;
    job->queued_at = clock_now_ns();
    if (is_small(job))
        note_pressure(pool, job);
    pthread_mutex_lock(&pool->lock);
    enqueue(pool, job);
    struct worker *worker = job->list == &pool->queue ? pool_rouse(pool, true) : NULL;
    pthread_mutex_unlock(&pool->lock);
    /* Not under the lock: the worker would wake only to wait for it. */
    if (worker)
        pthread_cond_signal(&worker->wake);
}

bool pool_cancel(struct pool *pool, struct job *job) {
    pthread_mutex_lock(&pool->lock);
    bool running = job->state == JOB_RUNNING || job->state == JOB_DONE;
    if (job->state == JOB_QUEUED) {
        dequeue(pool, job);
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
    /* The loop's own comes back with the first job that needs it. */
    if (changed)
        worker_size_arena(pool->own, 0);
}

void pool_trim(struct pool *pool) {
    worker_drop_memory(pool->own);
    pthread_mutex_lock(&pool->lock);
    for (unsigned i = 0; i < pool->n_workers; i++) {
        struct worker *w = &pool->workers[i];
        /* One that is awake has its memory in use, or looks at this before it sleeps. */
        w->gives_back = !w->idle || w->scratch.size > WORKER_KEEP;
        if (w->gives_back && w->idle)
            pthread_cond_signal(&w->wake);
    }
    pthread_mutex_unlock(&pool->lock);
}

bool pool_is_wanted(const struct pool *pool) {
    return __atomic_load_n(&pool->n_queued, __ATOMIC_RELAXED) > 0;
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
    const struct split *refused = NULL;
    size_t tried = SIZE_MAX;
    pthread_mutex_lock(&pool->lock);
    while (!pool->ending && !next_job(pool)) {
        struct split *split = split_find(pool, refused);
        if (split) {
            refused = split_help(split, worker) ? refused : split;
            continue;
        }
        size_t arena = pool->arena_bytes;
        if (worker->gives_back) {
            worker->gives_back = false;
            pthread_mutex_unlock(&pool->lock);
            worker_trim(worker, WORKER_KEEP);
            pthread_mutex_lock(&pool->lock);
            continue;
        }
        if (worker->arena.size == arena || tried == arena) {
            worker->idle = true;
            pthread_cond_wait(&worker->wake, &pool->lock);
            worker->idle = false;
            refused = NULL;
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        worker_size_arena(worker, arena);
        tried = arena;
        pthread_mutex_lock(&pool->lock);
    }
    if (!pool->ending) {
        job = next_job(pool);
        dequeue(pool, job);
        job->state = JOB_RUNNING;
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
