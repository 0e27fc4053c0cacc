/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eight connections with thousands of pipelined calls each, mixed networks, all forms of tensors both ways, batches and
 * sessions: every answer right, none lost, none out of order. Then the same while other clients are killed. Afterwards
 * the daemon holds as much memory and as many descriptors as before.
 *
 *     stress EDGED OPS-DIR NETWORKS-DIR [CALLS]
 */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/load/caller.h"
#include "tests/load/chaos.h"
#include "tests/load/connection.h"
#include "tests/load/networks.h"
#include "tests/load/outcome.h"
#include "tests/load/process.h"
#include "tests/shared.h"

#define CONNECTIONS 8
#define CALLS 2000
#define SEED 20240229
/* What the allocator may keep although it was freed (its caches for each thread fill up in the course of some rounds):
 * more than before any call, and from round to round. Of shared memory a network's pages stay once it has run. */
#define ANON_TOLERANCE ((size_t)3 << 19)
#define RSS_TOLERANCE ((size_t)1 << 20)
#define POLL_TIMEOUT_MS 120000

static void add_if_there(struct networks *networks, const char *path, const char *name,
                         const char *dir, unsigned weight) {
    if (shared_present(path)) {
        char full[4096];
        snprintf(full, sizeof(full), "%s/%s", shared_dir(), path);
        networks_add_file(networks, full, name, dir, weight);
    }
}

static void add_networks(struct networks *networks, const char *ops, const char *demo,
                         const char *dir) {
    static const char *const op_names[] = {"reshape",     "add_0",           "split_axis3",
                                           "dw_3x3_same", "fc_03",           "f32_conv",
                                           "f32_fc",      "quantize_f32_i8", "dequantize_u8"};
    static const char *const demo_names[] = {"wakeword6_int8", "lenet5_int8", "lenet300_int8"};
    char path[4096];
    for (size_t i = 0; i < ARRAY_SIZE(op_names); i++) {
        snprintf(path, sizeof(path), "%s/%s.tflite", ops, op_names[i]);
        networks_add_file(networks, path, op_names[i], dir, i == 0 ? 10 : 5);
    }
    for (size_t i = 0; i < ARRAY_SIZE(demo_names); i++) {
        snprintf(path, sizeof(path), "%s/%s.tflite", demo, demo_names[i]);
        networks_add_file(networks, path, demo_names[i], dir, 5);
    }
    networks_add_sum(networks, "sum", dir, 5);
    add_if_there(networks, "models/mlperf-tiny/kws_ref_model.tflite", "kws_int8", dir, 5);
    add_if_there(networks, "models/mlperf-tiny/str_ww_ref_model.tflite", "str_ww", dir, 5);
    add_if_there(networks, "models/micro-wake-word/v2/hey_jarvis.tflite", "hey_jarvis", dir, 5);
}

static bool all_done(const struct connection *connections) {
    for (int i = 0; i < CONNECTIONS; i++)
        if (!connection_done(&connections[i]))
            return false;
    return true;
}

/* Drives all connections from one thread: whoever can send or receive does. */
static void drive(struct connection *connections) {
    while (!all_done(connections)) {
        struct pollfd pollfds[CONNECTIONS];
        for (int i = 0; i < CONNECTIONS; i++)
            pollfds[i] = (struct pollfd){.fd = connections[i].caller.fd,
                                         .events = connection_events(&connections[i])};
        int n = poll(pollfds, CONNECTIONS, POLL_TIMEOUT_MS);
        expect(n > 0, "nothing happens any more");
        for (int i = 0; i < CONNECTIONS; i++)
            connection_step(&connections[i], pollfds[i].revents);
    }
}

static void report(const struct connection *connections, double seconds, unsigned killed) {
    size_t calls = 0, items = 0, in[4] = {0}, out[4] = {0}, in_session = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
        const struct connection *c = &connections[i];
        calls += c->n_done;
        items += c->n_items;
        in_session += c->in_session;
        for (int f = 0; f < 4; f++) {
            in[f] += c->in_forms[f];
            out[f] += c->out_forms[f];
        }
    }
    printf("%zu calls with %zu items in %.1f s, %u clients killed; ", calls, items, seconds,
           killed);
    printf("in data %zu, raw %zu, region %zu, descriptor %zu; ", in[0], in[1], in[2], in[3]);
    printf("out data %zu, raw %zu, region %zu, descriptor %zu; ", out[0], out[1], out[2], out[3]);
    printf("in a session %zu\n", in_session);
    fflush(stdout);
}

static void run_round(const struct process *process, const struct networks *networks, uint64_t seed,
                      size_t n_calls, bool with_chaos) {
    struct chaos chaos;
    struct connection connections[CONNECTIONS];
    unsigned killed = 0;
    if (with_chaos)
        chaos_start(&chaos, process->socket, networks, seed + 1000);
    for (int i = 0; i < CONNECTIONS; i++)
        connection_start(&connections[i], process->socket, networks, seed + (uint64_t)i, n_calls);
    uint64_t start = clock_now_ns();
    drive(connections);
    double seconds = (double)(clock_now_ns() - start) / 1e9;
    if (with_chaos) {
        killed = chaos_stop(&chaos);
        expect(killed > 0, "no client was killed");
    }
    report(connections, seconds, killed);
    for (int i = 0; i < CONNECTIONS; i++)
        connection_close(&connections[i]);
}

/* What the daemon holds when nobody but `control` is connected. */
struct holding {
    struct process_memory memory;
    unsigned fds;
};

static void measure(struct caller *control, const struct process *process,
                    struct holding *ret_holding) {
    struct holding *h = ret_holding;
    caller_settle(control);
    process_memory(process, &h->memory);
    h->fds = process_fds(process);
    printf("rss %zu kB (anonymous %zu, files %zu, shared %zu), %u descriptors\n",
           h->memory.rss / 1024, h->memory.anon / 1024, h->memory.file / 1024,
           h->memory.shmem / 1024, h->fds);
}

static void compare(const struct holding *start, const struct holding *before,
                    const struct holding *now) {
    expect(now->fds == start->fds, "%u descriptors, %u at the start", now->fds, start->fds);
    if (OUTCOME_SANITIZED) {
        printf("SKIPPED: the resident set, which the sanitizer enlarges\n");
        return;
    }
    expect(now->memory.anon <= start->memory.anon + ANON_TOLERANCE,
           "%zu kB anonymous, %zu at the start", now->memory.anon / 1024,
           start->memory.anon / 1024);
    expect(now->memory.rss <= before->memory.rss + RSS_TOLERANCE, "%zu kB resident, %zu before",
           now->memory.rss / 1024, before->memory.rss / 1024);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: stress EDGED OPS-DIR NETWORKS-DIR [CALLS]\n");
        return 2;
    }
    size_t n_calls = argc > 4 ? strtoul(argv[4], NULL, 10) : CALLS;
    struct process process;
    struct networks networks;
    struct caller control;
    printf("seed %d\n", SEED);
    process_prepare(&process);
    networks_init(&networks);
    add_networks(&networks, argv[2], argv[3], process.models);
    networks_fill(&networks, SEED);
    process_start(&process, argv[1], "", 0);
    caller_open(&control, process.socket);

    struct holding start, before, now;
    measure(&control, &process, &start);
    run_round(&process, &networks, SEED, n_calls, true);
    measure(&control, &process, &before);
    for (int chaos = 0; chaos < 2; chaos++) {
        run_round(&process, &networks, SEED + 100 + 100 * (uint64_t)chaos, n_calls, chaos == 1);
        measure(&control, &process, &now);
        compare(&start, &before, &now);
    }
    caller_close(&control);
    process_stop(&process);
    networks_deinit(&networks);
    return 0;
}
