/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a worker. Its memory is mapped, not malloc'ed, so that giving it back gives it to the system.
 */

#include "daemon/worker.h"

#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "daemon/pool.h"

/* Binds worker i to the i-th CPU that the process may use and returns that. Sandboxes forbid this: then the scheduler
 * decides, -1. */
static int pin(const struct worker *worker) {
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0 ||
        worker->index >= (unsigned)CPU_COUNT(&allowed))
        return -1;
    unsigned left = worker->index;
    int cpu = 0;
    while (!CPU_ISSET(cpu, &allowed) || left-- > 0)
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    int r = pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
    if (r)
        log_debug("worker %u is not pinned: error %d", worker->index, r);
    return r ? -1 : cpu;
}

static void resize(struct map *map, size_t bytes) {
    map_deinit(map);
    if (!bytes)
        return;
    void *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data != MAP_FAILED)
        *map = (struct map){.data = data, .size = bytes};
}

void worker_size_arena(struct worker *worker, size_t bytes) {
    resize(&worker->arena, bytes);
    map_populate(&worker->arena, true);
}

void *worker_arena(struct worker *worker, size_t bytes) {
    if (!worker->arena.data || worker->arena.size < bytes)
        worker_size_arena(worker, MAX(bytes, (size_t)1));
    return worker->arena.data;
}

void *worker_scratch(struct worker *worker, size_t bytes) {
    if (!worker->scratch.data || worker->scratch.size < bytes)
        resize(&worker->scratch, MAX(bytes, WORKER_KEEP));
    return worker->scratch.data;
}

void worker_beat(struct worker *worker) {
    __atomic_store_n(&worker->beat, clock_now_ns(), __ATOMIC_RELAXED);
}

void worker_rest(struct worker *worker) {
    __atomic_store_n(&worker->beat, 0, __ATOMIC_RELAXED);
}

uint64_t worker_do(struct worker *worker, struct job *job, uint64_t now) {
    __atomic_store_n(&worker->beat, now, __ATOMIC_RELAXED);
    job->queue_ns = now - job->queued_at;
    job->work(job, worker);
    uint64_t end = clock_now_ns();
    job->busy_ns = end - now;
    worker_rest(worker);
    return end;
}

void worker_drop_memory(struct worker *worker) {
    map_deinit(&worker->arena);
    map_deinit(&worker->scratch);
}

void worker_trim(struct worker *worker, size_t keep) {
    if (worker->scratch.size > keep)
        resize(&worker->scratch, 0);
}

void *worker_main(void *data) {
    struct worker *worker = data;
    struct job *job;
    char name[16];
    snprintf(name, sizeof(name), "edged-work-%u", worker->index % 1000);
    pthread_setname_np(pthread_self(), name);
    int cpu = pin(worker);
    pthread_mutex_lock(&worker->pool->lock);
    worker->cpu = cpu;
    pthread_mutex_unlock(&worker->pool->lock);
    while ((job = pool_take(worker->pool, worker))) {
        worker_do(worker, job, clock_now_ns());
        pthread_mutex_lock(&worker->publishing);
        if (job->publish)
            job->publish(job);
        pool_finish(worker->pool, job);
        pthread_mutex_unlock(&worker->publishing);
        worker_trim(worker, WORKER_KEEP_BUSY);
    }
    worker_drop_memory(worker);
    return NULL;
}
