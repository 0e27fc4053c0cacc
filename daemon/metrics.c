/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics. Names of models are the only label values that come from outside, and they need no escaping.
 */

#include "daemon/metrics.h"

#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "daemon/registry.h"
#include "daemon/server.h"
#include "runtime/runtime.h"

/* Upper bounds of the compute time histogram. Never change them between scrapes. */
static const struct {
    uint64_t ns;
    const char *le;
} bounds[] = {
    {10000, "1e-05"},    {25000, "2.5e-05"},  {50000, "5e-05"},    {100000, "0.0001"},
    {250000, "0.00025"}, {500000, "0.0005"},  {1000000, "0.001"},  {2500000, "0.0025"},
    {5000000, "0.005"},  {10000000, "0.01"},  {25000000, "0.025"}, {50000000, "0.05"},
    {100000000, "0.1"},  {250000000, "0.25"}, {500000000, "0.5"},  {1000000000, "1"},
    {2500000000, "2.5"}, {10000000000, "10"},
};

/* Errors stick, as in the JSON writer. */
struct out {
    struct buffer *text;
    int err;
};

#define EMIT(o, ...)                                                                               \
    do {                                                                                           \
        if (!(o)->err)                                                                             \
            (o)->err = buffer_printf((o)->text, __VA_ARGS__);                                      \
    } while (0)

static void head(struct out *o, const char *name, const char *type, const char *help) {
    EMIT(o, "# HELP edged_%s %s\n# TYPE edged_%s %s\n", name, help, name, type);
}

static void single(struct out *o, const char *name, const char *type, const char *help,
                   uint64_t v) {
    head(o, name, type, help);
    EMIT(o, "edged_%s %llu\n", name, (unsigned long long)v);
}

static uint64_t model_requests(const struct model *m) {
    return m->n_requests;
}

static uint64_t model_failures(const struct model *m) {
    return m->n_failures;
}

static uint64_t model_items(const struct model *m) {
    return m->n_items;
}

static uint64_t model_pending(const struct model *m) {
    return m->n_pending;
}

static uint64_t model_sessions(const struct model *m) {
    return m->n_sessions;
}

static uint64_t model_bytes(const struct model *m) {
    return image_bytes(m->image);
}

static void per_model(struct out *o, const struct registry *registry) {
    static const struct {
        const char *name, *type, *help;
        uint64_t (*get)(const struct model *);
    } rows[] = {
        {"model_requests_total", "counter", "Requests answered with a result.", model_requests},
        {"model_failures_total", "counter", "Requests answered with an error.", model_failures},
        {"model_items_total", "counter", "Runs, each item of a batch counted.", model_items},
        {"model_pending_requests", "gauge", "Requests waiting or being computed.", model_pending},
        {"model_sessions", "gauge", "Open sessions.", model_sessions},
        {"model_bytes", "gauge", "Bytes of the image.", model_bytes},
    };
    for (size_t r = 0; r < ARRAY_SIZE(rows) && registry->n_models; r++) {
        head(o, rows[r].name, rows[r].type, rows[r].help);
        for (size_t i = 0; i < registry->n_models; i++)
            EMIT(o, "edged_%s{model=\"%s\"} %llu\n", rows[r].name, registry->models[i]->name,
                 (unsigned long long)rows[r].get(registry->models[i]));
    }
}

static void compute_histogram(struct out *o, const struct model *m) {
    const char *name = "edged_model_compute_seconds";
    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++)
        EMIT(o, "%s_bucket{model=\"%s\",le=\"%s\"} %llu\n", name, m->name, bounds[i].le,
             (unsigned long long)histogram_count_le(&m->compute, bounds[i].ns));
    EMIT(o, "%s_bucket{model=\"%s\",le=\"+Inf\"} %llu\n", name, m->name,
         (unsigned long long)m->compute.count);
    EMIT(o, "%s_sum{model=\"%s\"} %.9f\n", name, m->name, (double)m->compute.sum_ns * 1e-9);
    EMIT(o, "%s_count{model=\"%s\"} %llu\n", name, m->name, (unsigned long long)m->compute.count);
}

static void times(struct out *o, const struct registry *registry) {
    if (!registry->n_models)
        return;
    head(o, "model_compute_seconds", "histogram", "Time the network ran for a request.");
    for (size_t i = 0; i < registry->n_models; i++)
        compute_histogram(o, registry->models[i]);
    head(o, "model_queue_seconds_total", "counter", "Time requests waited for a worker.");
    for (size_t i = 0; i < registry->n_models; i++)
        EMIT(o, "edged_model_queue_seconds_total{model=\"%s\"} %.9f\n", registry->models[i]->name,
             (double)registry->models[i]->queue_ns * 1e-9);
}

int metrics_write(struct server *server, struct buffer *text) {
    struct out o = {.text = text};
    size_t queued, running;
    pool_load(&server->pool, &queued, &running);
    head(&o, "build_info", "gauge", "Version and instruction set; always 1.");
    EMIT(&o, "edged_build_info{version=\"%s\",tier=\"%s\"} 1\n", EDGED_VERSION,
         tier_name(server->tier));
    head(&o, "uptime_seconds", "gauge", "Time since the start.");
    EMIT(&o, "edged_uptime_seconds %.3f\n", (double)(clock_now_ns() - server->started_ns) * 1e-9);
    single(&o, "workers", "gauge", "Threads that compute.", server->pool.n_workers);
    single(&o, "models", "gauge", "Loaded networks.", server->registry.n_models);
    single(&o, "connections", "gauge", "Open connections.", server->n_peers);
    single(&o, "connections_total", "counter", "Connections accepted.", server->n_peers_ever);
    single(&o, "connections_refused_total", "counter", "Connections above a limit.",
           server->n_refused);
    single(&o, "sessions", "gauge", "Open sessions.", server->n_sessions);
    single(&o, "regions", "gauge", "Registered regions.", server->n_regions);
    single(&o, "queue_length", "gauge", "Requests that may wait.", server->config.queue);
    single(&o, "queued_requests", "gauge", "Requests waiting for a worker.", queued);
    single(&o, "running_requests", "gauge", "Requests being computed.", running);
    single(&o, "calls_total", "counter", "Calls received.", server->n_requests_ever);
    single(&o, "calls_answered_total", "counter", "Calls served to their end.", server->n_answered);
    per_model(&o, &server->registry);
    times(&o, &server->registry);
    return o.err ? o.err : buffer_append(text, "", 1);
}
