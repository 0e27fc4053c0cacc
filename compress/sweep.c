/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches handed to threads, one lane each. The lock guards what is shared; the caller's thread shows the progress.
 */

#include "compress/sweep.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "compress/compress.h"
#include "compress/dataset.h"
#include "model/graph.h"
#include "runtime/runtime.h"

#define SWEEP_MAX_BATCH 64
#define SWEEP_BATCH_BYTES ((size_t)1 << 20)
#define SWEEP_TICK_NS 100000000

struct sweep {
    const struct sweep_network *network; /* read only while threads run */
    const struct dataset *data;
    uint32_t batch;
    uint8_t *outputs;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t next, done;  /* samples handed out, and finished */
    unsigned n_running; /* threads */
    int err;            /* the first failure stops all */
    struct diag diag;
};

uint32_t sweep_batch_of(size_t bytes_per_item, uint32_t max_batch) {
    size_t batch = MIN(SWEEP_BATCH_BYTES / MAX(bytes_per_item, (size_t)1), (size_t)SWEEP_MAX_BATCH);
    return MAX(1U, MIN((uint32_t)batch, max_batch));
}

static uint32_t network_batch(const struct sweep_network *network) {
    size_t bytes = network->input->size;
    for (uint32_t i = 0; i < network->n_outputs; i++)
        bytes += network->outputs[i].size;
    return sweep_batch_of(bytes, network->max_batch);
}

/* Takes the next batch; 0 where there is none. */
static uint32_t take(struct sweep *s, size_t *ret_first) {
    pthread_mutex_lock(&s->lock);
    uint32_t count = s->err ? 0 : (uint32_t)MIN((size_t)s->batch, s->data->n - s->next);
    *ret_first = s->next;
    s->next += count;
    pthread_mutex_unlock(&s->lock);
    return count;
}

static void report(struct sweep *s, uint32_t count, int err, const struct diag *diag) {
    pthread_mutex_lock(&s->lock);
    s->done += count;
    if (err && !s->err) {
        s->err = err;
        s->diag = *diag;
    }
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static int run_batch(struct sweep *s, void *lane, size_t first, uint32_t count, void *values,
                     void *const *scratch, struct diag *diag) {
    const struct sweep_network *network = s->network;
    const struct dataset *data = s->data;
    const uint8_t *x = data->x.data;
    int r = port_quantize(network->input, data->x.dtype,
                          x + first * data->per_sample * dtype_size(data->x.dtype),
                          count * data->per_sample, values);
    if (r)
        return diag_set(diag, COMPRESS_E_INVALID, "%s samples cannot be converted to %s",
                        dtype_name(data->x.dtype), dtype_name(network->input->dtype));
    r = network->lane_run(lane, count, (const void *const[]){values}, scratch, diag);
    if (!r)
        memcpy(s->outputs + first * network->outputs[0].size, scratch[0],
               count * network->outputs[0].size);
    return r;
}

static int run_lane(struct sweep *s, struct diag *diag) {
    const struct sweep_network *network = s->network;
    void *lane = NULL;
    int r = network->lane_new(network->arg, &lane, diag);
    if (r)
        return r;
    void *values = malloc(s->batch * network->input->size);
    void *scratch[GRAPH_MAX_IO] = {NULL};
    bool complete = values != NULL;
    for (uint32_t i = 0; i < network->n_outputs; i++) {
        scratch[i] = malloc(s->batch * network->outputs[i].size);
        complete = complete && scratch[i];
    }
    if (!complete)
        r = diag_set(diag, err_origin(-ENOMEM), "out of memory");
    size_t first;
    for (uint32_t count; !r && (count = take(s, &first)) > 0;) {
        r = run_batch(s, lane, first, count, values, scratch, diag);
        report(s, r ? 0 : count, 0, NULL);
    }
    free(values);
    for (uint32_t i = 0; i < network->n_outputs; i++)
        free(scratch[i]);
    network->lane_free(lane);
    return r;
}

static void *thread_main(void *data) {
    struct sweep *s = data;
    struct diag diag = {0};
    int r = run_lane(s, &diag);
    report(s, 0, r, &diag);
    pthread_mutex_lock(&s->lock);
    s->n_running--;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* Shows the progress until the last thread has finished. */
static void wait_all(struct sweep *s, sweep_progress_fn progress, void *arg) {
    pthread_mutex_lock(&s->lock);
    while (s->n_running) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += SWEEP_TICK_NS;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&s->changed, &s->lock, &until);
        if (progress)
            progress(arg, s->done);
    }
    pthread_mutex_unlock(&s->lock);
}

static unsigned count_lanes(size_t n, uint32_t batch, unsigned threads) {
    cpu_set_t cpus;
    unsigned lanes = 1;
    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
        lanes = (unsigned)CPU_COUNT(&cpus);
    if (threads)
        lanes = threads;
    size_t batches = (n + batch - 1) / batch;
    return (unsigned)MIN((size_t)MIN(lanes, (unsigned)SWEEP_MAX_LANES), batches);
}

int sweep_dataset(const struct sweep_network *network, const struct dataset *data, unsigned threads,
                  sweep_progress_fn progress, void *arg, void *ret_outputs, struct diag *diag) {
    struct sweep s = {
        .network = network,
        .data = data,
        .batch = network_batch(network),
        .outputs = ret_outputs,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };
    pthread_t ids[SWEEP_MAX_LANES];
    unsigned wanted = count_lanes(data->n, s.batch, threads), started = 0;
    pthread_mutex_lock(&s.lock);
    while (started < wanted && pthread_create(&ids[started], NULL, thread_main, &s) == 0)
        started++;
    s.n_running = started;
    pthread_mutex_unlock(&s.lock);
    if (!started)
        return diag_set(diag, err_origin(-EAGAIN), "cannot start a thread");
    wait_all(&s, progress, arg);
    for (unsigned i = 0; i < started; i++)
        pthread_join(ids[i], NULL);
    if (!s.err)
        return 0;
    return diag_set(diag, s.err < 0 ? s.err : COMPRESS_E_INVALID, "%s", s.diag.text);
}
