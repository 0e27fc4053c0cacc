/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon/split: each item is done once, idle workers help where it pays, nobody waits for one who has not begun, and a
 * job in the queue goes first.
 */

#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "daemon/pool.h"
#include "daemon/split.h"
#include "daemon/worker.h"

#define MAX_ITEMS 20
#define BATCHES 300
#define ARENA 5000
#define FAILED 7

struct batch {
    struct job job;
    struct split split;
    unsigned n_ran[MAX_ITEMS];
    pthread_t by[MAX_ITEMS], owner;
    int code;
    bool done;
};

static uv_loop_t loop;
static struct pool pool;
static struct batch batches[BATCHES];
static struct batch *const batch = &batches[0];
static size_t n_open;

/* Events, in the order of a test. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool begun, queued, left;

static void set(bool *event) {
    pthread_mutex_lock(&lock);
    *event = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void await(const bool *event) {
    pthread_mutex_lock(&lock);
    while (!*event)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static bool is_set(const bool *event) {
    pthread_mutex_lock(&lock);
    bool is = *event;
    pthread_mutex_unlock(&lock);
    return is;
}

static void after(_unused_ void *userdata) {
    if (n_open == 0)
        uv_stop(&loop);
}

static void setup(void) {
    memset(batches, 0, sizeof(batches));
    n_open = 0;
    begun = queued = left = false;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(pool_init(&pool, &loop, 2, after, NULL), 0);
    pthread_mutex_lock(&pool.lock);
    pool.n_cpus = 3; /* whatever this machine has */
    pthread_mutex_unlock(&pool.lock);
}

static void teardown(void) {
    pool_deinit(&pool);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static bool is_idle(unsigned worker) {
    pthread_mutex_lock(&pool.lock);
    bool idle = pool.workers[worker].idle;
    pthread_mutex_unlock(&pool.lock);
    return idle;
}

static void await_sleep(void) {
    while (!is_idle(0) || !is_idle(1))
        ;
}

/* An item notes who did it; all use the whole arena. */
static struct batch *note(struct split *split, uint32_t item, void *arena) {
    struct batch *b = container_of(split, struct batch, split);
    ck_assert_uint_lt(item, split->n_items);
    ck_assert_ptr_nonnull(arena);
    memset(arena, (int)item, ARENA);
    b->by[item] = pthread_self();
    b->n_ran[item]++;
    return b;
}

static int run_plain(struct split *split, uint32_t item, void *arena) {
    note(split, item, arena);
    return 0;
}

/* Nobody was woken for it. */
static int run_alone(struct split *split, uint32_t item, void *arena) {
    note(split, item, arena);
    ck_assert(is_idle(0) || is_idle(1));
    return 0;
}

static void work(struct job *job, struct worker *worker) {
    struct batch *b = container_of(job, struct batch, job);
    b->owner = pthread_self();
    b->code = split_run(&b->split, worker);
    ck_assert_uint_eq(b->split.n_inside, 0);
}

static void done(struct job *job) {
    container_of(job, struct batch, job)->done = true;
    n_open--;
}

static void submit(struct batch *b, void (*work_fn)(struct job *, struct worker *)) {
    b->job.work = work_fn;
    b->job.done = done;
    n_open++;
    pool_submit(&pool, &b->job);
}

static void submit_split(struct batch *b, uint32_t n_items, uint64_t item_ns,
                         int (*run)(struct split *, uint32_t, void *)) {
    b->split =
        (struct split){.run = run, .n_items = n_items, .arena_bytes = ARENA, .item_ns = item_ns};
    submit(b, work);
}

static void check_each_once(const struct batch *b) {
    ck_assert(b->done);
    ck_assert_int_eq(b->code, 0);
    for (uint32_t i = 0; i < MAX_ITEMS; i++)
        ck_assert_uint_eq(b->n_ran[i], i < b->split.n_items);
}

static void check_by_owner(const struct batch *b) {
    check_each_once(b);
    for (uint32_t i = 0; i < b->split.n_items; i++)
        ck_assert(pthread_equal(b->by[i], b->owner));
}

/* One nanosecond less than what two share with profit; below, exactly that. */
START_TEST(test_small) {
    await_sleep();
    submit_split(batch, 10, 2 * SPLIT_SHARE_NS / 10 - 1, run_alone);
    uv_run(&loop, UV_RUN_DEFAULT);
    check_by_owner(batch);
}
END_TEST

/* The first item lasts until another has begun the second. */
static int run_together(struct split *split, uint32_t item, void *arena) {
    note(split, item, arena);
    if (item == 0)
        await(&begun);
    else
        set(&begun);
    return 0;
}

START_TEST(test_helped) {
    await_sleep();
    submit_split(batch, 10, 2 * SPLIT_SHARE_NS / 10, run_together);
    uv_run(&loop, UV_RUN_DEFAULT);
    check_each_once(batch);
    ck_assert(pthread_equal(batch->by[0], batch->owner));
    ck_assert(!pthread_equal(batch->by[1], batch->owner));
    ck_assert_uint_gt(batch->split.busy_ns, 0);
    ck_assert_uint_eq(pool.n_helping, 0);
    ck_assert_ptr_null(pool.splits);
}
END_TEST

static void work_until_left(_unused_ struct job *job, _unused_ struct worker *worker) {
    set(&begun);
    await(&left);
}

/* Who has another job neither helps nor is waited for. */
START_TEST(test_held_up) {
    submit(&batches[1], work_until_left);
    await(&begun);
    submit_split(batch, 10, SPLIT_SHARE_NS, run_plain);
    while (!batch->done)
        uv_run(&loop, UV_RUN_ONCE);
    check_by_owner(batch);
    set(&left);
    uv_run(&loop, UV_RUN_DEFAULT);
}
END_TEST

/* One who becomes free meanwhile comes. */
static int run_until_joined(struct split *split, uint32_t item, void *arena) {
    note(split, item, arena);
    if (item == 0) {
        set(&left);
        await(&queued);
    } else {
        set(&queued);
    }
    return 0;
}

START_TEST(test_joined_later) {
    submit(&batches[1], work_until_left);
    await(&begun);
    submit_split(batch, 10, SPLIT_SHARE_NS, run_until_joined);
    uv_run(&loop, UV_RUN_DEFAULT);
    check_each_once(batch);
    ck_assert(!pthread_equal(batch->by[1], batch->owner));
}
END_TEST

/* The owner is held up until the other job is done, which only the helper can do. */
static int run_and_leave(struct split *split, uint32_t item, void *arena) {
    note(split, item, arena);
    if (item == 0) {
        await(&left);
    } else if (item == 1) {
        set(&begun);
        await(&queued);
    } else {
        ck_assert(is_set(&left));
    }
    return 0;
}

static void work_other(struct job *job, _unused_ struct worker *worker) {
    container_of(job, struct batch, job)->owner = pthread_self();
    set(&left);
}

START_TEST(test_queue_first) {
    await_sleep();
    submit_split(batch, 10, SPLIT_SHARE_NS, run_and_leave);
    await(&begun);
    submit(&batches[1], work_other);
    set(&queued);
    uv_run(&loop, UV_RUN_DEFAULT);
    check_each_once(batch);
    ck_assert(pthread_equal(batches[1].owner, batch->by[1]));
}
END_TEST

/* The first one fails while the second is being done; the third never begins. */
static int run_failing(struct split *split, uint32_t item, void *arena) {
    note(split, item, arena);
    if (item == 0) {
        await(&begun);
        return FAILED;
    }
    set(&begun);
    while (__atomic_load_n(&split->next, __ATOMIC_RELAXED) < split->n_items)
        ;
    set(&left);
    return 0;
}

static void work_failing(struct job *job, struct worker *worker) {
    work(job, worker);
    ck_assert(is_set(&left)); /* who was inside was awaited */
}

START_TEST(test_failure) {
    await_sleep();
    batch->split = (struct split){
        .run = run_failing, .n_items = 10, .arena_bytes = ARENA, .item_ns = SPLIT_SHARE_NS};
    submit(batch, work_failing);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(batch->code, FAILED);
    for (uint32_t i = 0; i < MAX_ITEMS; i++)
        ck_assert_uint_eq(batch->n_ran[i], i < 2);
}
END_TEST

START_TEST(test_in_order) {
    await_sleep();
    batch->split = (struct split){.run = run_alone,
                                  .n_items = 10,
                                  .arena_bytes = ARENA,
                                  .item_ns = SPLIT_SHARE_NS,
                                  .in_order = true};
    submit(batch, work);
    uv_run(&loop, UV_RUN_DEFAULT);
    check_by_owner(batch);
}
END_TEST

/* A worker without a CPU of its own is of no use. */
START_TEST(test_no_cpu) {
    await_sleep();
    pthread_mutex_lock(&pool.lock);
    pool.n_cpus = 1;
    pthread_mutex_unlock(&pool.lock);
    submit_split(batch, 10, SPLIT_SHARE_NS, run_alone);
    uv_run(&loop, UV_RUN_DEFAULT);
    check_by_owner(batch);
}
END_TEST

/* What the first item takes is what the others will; from then on nobody else gets memory. */
static int run_without_memory(struct split *split, uint32_t item, void *arena) {
    uint64_t begin = clock_now_ns();
    note(split, item, arena);
    if (item == 0) {
        while (clock_now_ns() < begin + SPLIT_SHARE_NS)
            ;
        split->arena_bytes = (size_t)1 << 60;
    } else if (item == 1) {
        /* The helper was woken before; it is asleep again. */
        while (!is_idle(0) && !is_idle(1))
            ;
    }
    return 0;
}

START_TEST(test_no_memory) {
    await_sleep();
    submit_split(batch, 10, 0, run_without_memory);
    uv_run(&loop, UV_RUN_DEFAULT);
    check_by_owner(batch);
    ck_assert_uint_ge(batch->split.item_ns, SPLIT_SHARE_NS);
    ck_assert_uint_lt(batch->split.n_calls, MAX_ITEMS);
    ck_assert_uint_eq(pool.n_helping, 0);
}
END_TEST

/* An owner whose memory is gone says so. */
START_TEST(test_owner_without_memory) {
    batch->split = (struct split){.run = run_plain, .n_items = 10, .arena_bytes = (size_t)1 << 60};
    submit(batch, work);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(batch->code, -ENOMEM);
    ck_assert_uint_eq(batch->n_ran[0], 0);
}
END_TEST

/* Many at once, of all lengths. */
START_TEST(test_many) {
    struct random random = {.state = 11};
    for (int i = 0; i < BATCHES; i++)
        submit_split(&batches[i], 1 + (uint32_t)random_below(&random, MAX_ITEMS),
                     random_below(&random, 2) ? 1000 : SPLIT_SHARE_NS, run_plain);
    uv_run(&loop, UV_RUN_DEFAULT);
    for (int i = 0; i < BATCHES; i++)
        check_each_once(&batches[i]);
    ck_assert_ptr_null(pool.splits);
}
END_TEST

/* One after the other: the other worker is asleep, or on its way. */
START_TEST(test_many_in_turn) {
    for (int i = 0; i < BATCHES; i++) {
        submit_split(&batches[i], MAX_ITEMS, SPLIT_SHARE_NS, run_plain);
        uv_run(&loop, UV_RUN_DEFAULT);
        check_each_once(&batches[i]);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("split");
    TCase *t = tcase_create("split");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_small);
    tcase_add_test(t, test_helped);
    tcase_add_test(t, test_held_up);
    tcase_add_test(t, test_joined_later);
    tcase_add_test(t, test_queue_first);
    tcase_add_test(t, test_failure);
    tcase_add_test(t, test_in_order);
    tcase_add_test(t, test_no_cpu);
    tcase_add_test(t, test_no_memory);
    tcase_add_test(t, test_owner_without_memory);
    tcase_add_test(t, test_many);
    tcase_add_test(t, test_many_in_turn);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
