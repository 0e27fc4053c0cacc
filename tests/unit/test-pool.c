/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon/pool and daemon/worker: every job is done once or cancelled, arenas follow, a hanging worker shows.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "daemon/pool.h"
#include "daemon/worker.h"

#define JOBS 2000

struct task {
    struct job job;
    unsigned n_worked, n_done; /* by the worker, by the loop */
    bool cancelled;
};

static uv_loop_t loop;
static struct pool pool;
static struct task tasks[JOBS];
static size_t n_done, n_expected;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void after(void *userdata) {
    ck_assert_ptr_eq(userdata, tasks);
    if (n_done == n_expected)
        uv_stop(&loop);
}

static void setup(void) {
    memset(tasks, 0, sizeof(tasks));
    n_done = 0;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(pool_init(&pool, &loop, 2, after, tasks), 0);
}

static void teardown(void) {
    pool_deinit(&pool);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static void work(struct job *job, struct worker *worker) {
    struct task *task = container_of(job, struct task, job);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    char *scratch = worker_scratch(worker, 1000);
    memset(scratch, 1, 1000);
    task->n_worked++;
}

static void done(struct job *job) {
    container_of(job, struct task, job)->n_done++;
    n_done++;
}

static void submit(struct task *task) {
    task->job.work = work;
    task->job.done = done;
    pool_submit(&pool, &task->job);
}

/* Random jobs are taken back, before, while and after they are worked on. */
START_TEST(test_all_done) {
    struct random random = {.state = 5};
    for (int i = 0; i < JOBS; i++)
        submit(&tasks[i]);
    n_expected = JOBS;
    for (int i = 0; i < JOBS / 2; i++) {
        struct task *task = &tasks[random_below(&random, JOBS)];
        if (!task->cancelled && pool_cancel(&pool, &task->job)) {
            task->cancelled = true;
            n_expected--;
        }
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(n_done, n_expected);
    for (int i = 0; i < JOBS; i++) {
        ck_assert_uint_eq(tasks[i].n_worked, !tasks[i].cancelled);
        ck_assert_uint_eq(tasks[i].n_done, !tasks[i].cancelled);
        ck_assert_int_eq(tasks[i].job.state, JOB_IDLE);
    }
}
END_TEST

/* While the workers are held up: what waits, what can be taken back, what is seen as a hanging worker. */
START_TEST(test_busy) {
    size_t queued, running;
    pthread_mutex_lock(&gate);
    for (int i = 0; i < 5; i++)
        submit(&tasks[i]);
    do
        pool_load(&pool, &queued, &running);
    while (running < 2);
    ck_assert_uint_eq(queued, 3);
    ck_assert(!pool_cancel(&pool, &tasks[0].job));
    ck_assert(pool_cancel(&pool, &tasks[4].job));
    ck_assert(pool_cancel(&pool, &tasks[4].job)); /* it is not worked on now either */
    pool_stop_job(&tasks[0].job);
    ck_assert(tasks[0].job.stop);
    ck_assert(pool_healthy(&pool, UINT64_MAX / 2));
    /* Later than when the workers began. */
    uint64_t now = clock_now_ns();
    while (clock_now_ns() < now + 2000000)
        ;
    ck_assert(!pool_healthy(&pool, 1000000));
    pthread_mutex_unlock(&gate);
    n_expected = 4;
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert(pool_healthy(&pool, 0));
    pool_load(&pool, &queued, &running);
    ck_assert_uint_eq(queued + running, 0);
}
END_TEST

static void work_arena(struct job *job, struct worker *worker) {
    struct task *task = container_of(job, struct task, job);
    char *arena = worker_arena(worker, 300000);
    ck_assert_ptr_nonnull(arena);
    memset(arena, 1, 300000);
    task->n_worked++;
}

/* An arena that is too small for a job grows. */
START_TEST(test_arena) {
    pool_set_arena(&pool, 100000);
    tasks[0].job.work = work_arena;
    tasks[0].job.done = done;
    pool_submit(&pool, &tasks[0].job);
    n_expected = 1;
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(tasks[0].n_worked, 1);
    pool_set_arena(&pool, 0);
}
END_TEST

static void work_large(struct job *job, struct worker *worker) {
    struct task *task = container_of(job, struct task, job);
    ck_assert_ptr_nonnull(worker_scratch(worker, WORKER_KEEP_BUSY));
    task->n_worked++;
}

static size_t largest_scratch(void) {
    size_t most = pool.own->scratch.size;
    pthread_mutex_lock(&pool.lock);
    for (unsigned i = 0; i < pool.n_workers; i++)
        most = MAX(most, pool.workers[i].scratch.size);
    pthread_mutex_unlock(&pool.lock);
    return most;
}

/* Until no worker is awake, who would take any job. */
static void await_sleep(void) {
    bool asleep = false;
    while (!asleep) {
        pthread_mutex_lock(&pool.lock);
        asleep = true;
        for (unsigned i = 0; i < pool.n_workers; i++)
            asleep = asleep && pool.workers[i].idle && !pool.workers[i].gives_back;
        pthread_mutex_unlock(&pool.lock);
    }
}

/* Memory of a large job stays for the next one, until it is said that none will come. */
START_TEST(test_trim) {
    for (int i = 0; i < 2; i++) { /* by a worker, by the loop */
        await_sleep();
        tasks[i].job.work = work_large;
        tasks[i].job.done = done;
        tasks[i].job.expected_ns = (uint64_t)i;
        pool_submit(&pool, &tasks[i].job);
        n_expected = (size_t)i + 1;
        uv_run(&loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(largest_scratch(), WORKER_KEEP_BUSY);
        pool_trim(&pool);
        while (largest_scratch() > WORKER_KEEP)
            ;
    }
}
END_TEST

static pthread_t worked_by[JOBS];

static void work_noting(struct job *job, struct worker *worker) {
    struct task *task = container_of(job, struct task, job);
    ck_assert_ptr_nonnull(worker_scratch(worker, 1000));
    worked_by[task - tasks] = pthread_self();
    task->n_worked++;
}

static void submit_small(struct task *task, uint64_t expected_ns, const void *origin) {
    task->job.work = work_noting;
    task->job.done = done;
    task->job.expected_ns = expected_ns;
    task->job.origin = origin;
    pool_submit(&pool, &task->job);
}

static bool on_loop(size_t i) {
    return pthread_equal(worked_by[i], pthread_self());
}

/* A small job is the loop's, one above the limit or of unknown length a worker's. */
START_TEST(test_small) {
    await_sleep();
    submit_small(&tasks[0], POOL_SMALL_NS, NULL);
    n_expected = 1;
    uv_run(&loop, UV_RUN_DEFAULT);
    submit_small(&tasks[1], POOL_SMALL_NS + 1, NULL);
    submit_small(&tasks[2], 0, NULL);
    n_expected = 3;
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert(on_loop(0));
    ck_assert(!on_loop(1));
    ck_assert(!on_loop(2));
}
END_TEST

/* A small job that waits can be taken back, and its weight with it. */
START_TEST(test_small_cancelled) {
    size_t queued, running;
    await_sleep();
    submit_small(&tasks[0], 1000, NULL);
    submit_small(&tasks[1], 1000, NULL);
    pool_load(&pool, &queued, &running);
    ck_assert_uint_eq(queued, 2);
    ck_assert(pool_cancel(&pool, &tasks[0].job));
    ck_assert_uint_eq(pool.small_ns, 1000);
    n_expected = 1;
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(tasks[0].n_worked, 0);
    ck_assert(on_loop(1));
    ck_assert_uint_eq(pool.small_ns, 0);
}
END_TEST

/* With much waiting workers take their part, and every job is done once. */
START_TEST(test_small_shared) {
    for (size_t i = 0; i < JOBS; i++)
        submit_small(&tasks[i], POOL_SHARE_NS, &tasks[i % 3]);
    n_expected = JOBS;
    uv_run(&loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < JOBS; i++) {
        ck_assert_uint_eq(tasks[i].n_worked, 1);
        ck_assert_uint_eq(tasks[i].n_done, 1);
    }
    ck_assert_uint_eq(pool.small_ns, 0);
    pool_load(&pool, &n_expected, &n_done);
    ck_assert_uint_eq(n_expected + n_done, 0);
}
END_TEST

/* Many clients that ask at the same time: what takes a while goes to workers that sleep, the rest stays. One client alone
 * puts no pressure on the loop, however often it asks. */
START_TEST(test_small_pressure) {
    for (unsigned i = 0; i < 100; i++)
        submit_small(&tasks[i], 1, NULL);
    ck_assert_uint_eq(pool.pressure, 0);
    n_expected = 100;
    uv_run(&loop, UV_RUN_DEFAULT);
    for (unsigned i = 100; i < 200; i++)
        submit_small(&tasks[i], 1, &tasks[i]);
    ck_assert_uint_gt(pool.pressure, 8);
    n_expected = 200;
    uv_run(&loop, UV_RUN_DEFAULT);
    await_sleep();
    submit_small(&tasks[200], POOL_SMALL_BUSY_NS, &tasks[200]);
    n_expected = 201;
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert(on_loop(200));
    await_sleep();
    pool.pressure = 16; /* however long the loop above took */
    submit_small(&tasks[201], POOL_SMALL_BUSY_NS + 1, &tasks[201]);
    n_expected = 202;
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert(!on_loop(201));
}
END_TEST

/* Where no worker is free the loop does it even so. */
START_TEST(test_small_workers_busy) {
    size_t queued, running;
    pthread_mutex_lock(&gate);
    submit(&tasks[0]);
    submit(&tasks[1]);
    do
        pool_load(&pool, &queued, &running);
    while (running < 2);
    pool.pressure = 16;
    submit_small(&tasks[2], POOL_SMALL_NS, &tasks[2]);
    n_expected = 1;
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert(on_loop(2));
    pthread_mutex_unlock(&gate);
    n_expected = 3;
    uv_run(&loop, UV_RUN_DEFAULT);
}
END_TEST

static void work_half_budget(struct job *job, struct worker *worker) {
    uint64_t begin = clock_now_ns();
    while (clock_now_ns() < begin + POOL_BUDGET_NS / 2)
        ;
    work_noting(job, worker);
}

/* More than the loop does without a look at its sockets, and no worker free: it comes back by itself. */
START_TEST(test_small_beyond_budget) {
    size_t queued, running;
    pthread_mutex_lock(&gate);
    submit(&tasks[0]);
    submit(&tasks[1]);
    do
        pool_load(&pool, &queued, &running);
    while (running < 2);
    for (int i = 2; i < 12; i++) {
        submit_small(&tasks[i], 1000, NULL);
        tasks[i].job.work = work_half_budget;
    }
    n_expected = 10;
    uv_run(&loop, UV_RUN_DEFAULT);
    for (size_t i = 2; i < 12; i++)
        ck_assert(on_loop(i));
    pthread_mutex_unlock(&gate);
    n_expected = 12;
    uv_run(&loop, UV_RUN_DEFAULT);
}
END_TEST

int main(void) {
    Suite *s = suite_create("pool");
    TCase *t = tcase_create("pool");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_all_done);
    tcase_add_test(t, test_busy);
    tcase_add_test(t, test_arena);
    tcase_add_test(t, test_trim);
    tcase_add_test(t, test_small);
    tcase_add_test(t, test_small_cancelled);
    tcase_add_test(t, test_small_shared);
    tcase_add_test(t, test_small_pressure);
    tcase_add_test(t, test_small_workers_busy);
    tcase_add_test(t, test_small_beyond_budget);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
