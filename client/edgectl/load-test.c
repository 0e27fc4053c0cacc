/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load test behind `edgectl bench`.
 */

#include "client/edgectl/load-test.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"

#define LOAD_WARM_UP 3 /* calls of each caller before the clock starts, the first included */
#define LOAD_FIRST_ROOM 1024

struct load_test {
    struct source *source;
    const struct load_plan *plan;
    sem_t turns; /* for threads < callers */
    atomic_bool failed;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t n_warm;   /* callers that wait for the start */
    uint64_t until_ns; /* 0: not started */
};

struct caller {
    struct load_test *test;
    pthread_t thread;
    uint64_t *ns;
    size_t n, room;
    uint64_t first_ns, end_ns, start_ns;
    int err;
    struct diag diag;
};

void load_buffers_deinit(struct load_buffers *buffers) {
    for (size_t i = 0; i < GRAPH_MAX_IO; i++) {
        free(buffers->inputs[i]);
        free(buffers->outputs[i]);
    }
    *buffers = (struct load_buffers){0};
}

static void fill_random(const struct port *port, void *values, size_t n, struct random *random) {
    if (port->dtype == DTYPE_FP32) {
        float *f = values;
        for (size_t i = 0; i < n; i++)
            f[i] = (float)(2 * random_unit(random) - 1);
        return;
    }
    uint8_t *bytes = values;
    for (size_t i = 0; i < n * dtype_size(port->dtype); i++)
        bytes[i] = (uint8_t)(port->dtype == DTYPE_BOOL ? random_below(random, 2)
                                                       : random_below(random, 256));
}

int load_buffers_init(struct load_buffers *buffers, const struct source *source, uint32_t batch) {
    struct random random = {LOAD_SEED};
    *buffers = (struct load_buffers){0};
    for (uint32_t i = 0; i < source->n_inputs; i++) {
        const struct port *port = &source->inputs[i];
        buffers->inputs[i] = calloc(batch, port->size);
        if (!buffers->inputs[i])
            return err_origin(-ENOMEM);
        fill_random(port, buffers->inputs[i], batch * port_elements(port), &random);
    }
    for (uint32_t i = 0; i < source->n_outputs; i++) {
        buffers->outputs[i] = calloc(batch, source->outputs[i].size);
        if (!buffers->outputs[i])
            return err_origin(-ENOMEM);
        /* Their pages come now, not in the first call. */
        memset(buffers->outputs[i], 0xff, batch * source->outputs[i].size);
    }
    return 0;
}

static int timed_call(struct caller *c, struct lane *lane, const struct load_buffers *b,
                      uint64_t *ret_ns) {
    struct load_test *t = c->test;
    bool limited = t->plan->threads < t->plan->callers;
    uint64_t start = clock_now_ns();
    while (limited && sem_wait(&t->turns) < 0 && errno == EINTR)
        ;
    int r = lane_run(lane, t->plan->batch, (const void *const *)b->inputs, b->outputs, &c->diag);
    if (limited)
        sem_post(&t->turns);
    c->end_ns = clock_now_ns();
    *ret_ns = c->end_ns - start;
    return r;
}

static int warm_up(struct caller *c, struct lane *lane, const struct load_buffers *b) {
    for (unsigned i = 0; i < LOAD_WARM_UP; i++) {
        uint64_t ns;
        int r = timed_call(c, lane, b, &ns);
        if (r)
            return r;
        if (i == 0)
            c->first_ns = ns;
    }
    return 0;
}

static int record(struct caller *c, uint64_t ns) {
    if (c->n == c->room) {
        size_t room = c->room ? c->room * 2 : LOAD_FIRST_ROOM;
        uint64_t *bigger = reallocarray(c->ns, room, sizeof(*bigger));
        if (!bigger)
            return diag_set(&c->diag, err_origin(-ENOMEM), "out of memory for latencies");
        c->ns = bigger;
        c->room = room;
    }
    c->ns[c->n++] = ns;
    return 0;
}

static int measure(struct caller *c, struct lane *lane, const struct load_buffers *b) {
    int r = 0;
    while (!r && c->n < LOAD_MAX_CALLS && !c->test->failed) {
        uint64_t ns;
        r = timed_call(c, lane, b, &ns);
        if (!r)
            r = record(c, ns);
        if (c->end_ns >= c->test->until_ns)
            break;
    }
    return r;
}

static void *caller_main(void *data) {
    struct caller *c = data;
    struct load_test *t = c->test;
    _cleanup_(load_buffers_deinit) struct load_buffers b = {0};
    _cleanup_(lane_freep) struct lane *lane = NULL;
    int r = load_buffers_init(&b, t->source, t->plan->batch);
    if (r)
        diag_set(&c->diag, r, "out of memory for %u inputs", t->plan->batch);
    if (!r)
        r = lane_new(t->source, false, &lane, &c->diag);
    if (!r)
        r = warm_up(c, lane, &b);
    if (r)
        t->failed = true;
    pthread_mutex_lock(&t->lock);
    t->n_warm++;
    pthread_cond_broadcast(&t->changed);
    while (!t->until_ns)
        pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
    c->start_ns = clock_now_ns();
    if (!r)
        r = measure(c, lane, &b);
    if (r)
        t->failed = true;
    c->err = r;
    return NULL;
}

static int compare_ns(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int collect(const struct caller *callers, const struct load_plan *plan,
                   struct load_result *ret, struct diag *diag) {
    struct load_result result = {.first_ns = callers[0].first_ns};
    uint64_t start = UINT64_MAX, end = 0;
    for (uint32_t i = 0; i < plan->callers; i++) {
        if (callers[i].err) {
            *diag = callers[i].diag;
            return callers[i].err < 0 ? callers[i].err : LOAD_E_FAILED;
        }
        result.n += callers[i].n;
        start = MIN(start, callers[i].start_ns);
        end = MAX(end, callers[i].end_ns);
    }
    result.ns = calloc(MAX(result.n, (size_t)1), sizeof(*result.ns));
    if (!result.ns)
        return diag_set(diag, err_origin(-ENOMEM), "out of memory for latencies");
    size_t at = 0;
    for (uint32_t i = 0; i < plan->callers; i++) {
        if (callers[i].n)
            memcpy(result.ns + at, callers[i].ns, callers[i].n * sizeof(*result.ns));
        at += callers[i].n;
    }
    qsort(result.ns, result.n, sizeof(*result.ns), compare_ns);
    result.seconds = (double)(end - start) / 1e9;
    result.per_second = (double)result.n * plan->batch / result.seconds;
    *ret = result;
    return 0;
}

static int start_callers(struct load_test *t, struct caller *callers, uint32_t *ret_started) {
    for (uint32_t i = 0; i < t->plan->callers; i++) {
        callers[i].test = t;
        int r = pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]);
        if (r)
            return err_origin(-r);
        *ret_started = i + 1;
    }
    return 0;
}

/* Once all are warm the clock starts for all. */
static void give_start(struct load_test *t, uint32_t started) {
    pthread_mutex_lock(&t->lock);
    while (t->n_warm < started)
        pthread_cond_wait(&t->changed, &t->lock);
    t->until_ns = clock_now_ns() + (uint64_t)(t->plan->seconds * 1e9);
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

int load_run(struct source *source, const struct load_plan *plan, struct load_result *ret_result,
             struct diag *diag) {
    struct load_test t = {
        .source = source,
        .plan = plan,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };
    uint32_t started = 0;
    struct caller *callers = calloc(plan->callers, sizeof(*callers));
    if (!callers)
        return diag_set(diag, err_origin(-ENOMEM), "out of memory");
    sem_init(&t.turns, 0, plan->threads);
    int r = start_callers(&t, callers, &started);
    if (r) {
        t.failed = true;
        diag_set(diag, r, "cannot start %u threads: %s", plan->callers, strerror(-r));
    }
    give_start(&t, started);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(callers[i].thread, NULL);
    if (!r)
        r = collect(callers, plan, ret_result, diag);
    for (uint32_t i = 0; i < started; i++)
        free(callers[i].ns);
    free(callers);
    sem_destroy(&t.turns);
    return r;
}

void load_result_deinit(struct load_result *result) {
    free(result->ns);
    *result = (struct load_result){0};
}

uint64_t load_quantile_ns(const struct load_result *result, double quantile) {
    if (!result->n)
        return 0;
    size_t i = (size_t)(quantile * (double)result->n);
    return result->ns[MIN(i, result->n - 1)];
}
