/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What serving costs, beside a plain socket echo of the same bytes in the same phase: the start, one client, 64 clients,
 * arrays of numbers, a region, a batch. Waking up another core costs several times what staying on one's own does, on a virtual
 * machine up to 20 us each way, and a scheduler with two idle cores always does it: one client is measured with the
 * daemon's loop on its own core and on another, each beside an echo in the same place.
 *
 *     bench-roundtrip EDGED [--check]
 *
 * --check: the exit status is 1 where a bound is missed.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "bench/serving/crowd.h"
#include "bench/serving/echo.h"
#include "bench/serving/exchange.h"
#include "bench/serving/subjects.h"
#include "client/edge.h"
#include "proto/values.h"
#include "tests/load/caller.h"
#include "tests/load/process.h"

#define STARTS 9
#define CALLS 10000
#define LARGE_CALLS 400
#define WARM_UP 200
#define CROWD 64
#define CROWD_ROUNDS 5
#define CROWD_SECONDS 0.6

#define KWS_BYTES 490
#define BATCH 64

/* The bounds. */
#define MAX_START_MS 25
#define MAX_ECHOES 2  /* of one client's p50 less compute, to the echo's p50 */
#define MAX_KWS_US 35 /* p50 of a call, client and daemon on one core */
#define MAX_TAIL 3    /* p99 to p50, or the echo's own where that is more */
#define MIN_CROWD                                                                                  \
    52500 /* calls a second: three times what ONNX Runtime gets behind a server by hand */
#define MAX_ARRAY_US 1000 /* more than raw */
#define MAX_REGION_US 40  /* beyond compute */
#define MAX_BATCH 0.75    /* of the compute time of as many calls in turn; with one CPU 1.05 */

static bool missed;

static void bound(bool met, const char *what) {
    if (met)
        return;
    printf("MISSED: %s\n", what);
    missed = true;
}

struct calls {
    double total[CALLS], rest[CALLS], echo[CALLS]; /* us; rest: without the compute time */
};

static struct calls calls;
static char reply[EXCHANGE_MAX], echoed[EXCHANGE_MAX];

static double compute_us(const char *text) {
    return number_after(text, "\"computeNanoseconds\":") / 1000;
}

static void measure_start(const char *edged) {
    double ms[STARTS];
    for (int i = 0; i < STARTS; i++) {
        struct process process;
        process_prepare(&process);
        if (!subjects_write_five(process.models))
            exit(77);
        uint64_t begin = clock_now_ns();
        process_start(&process, edged, "", 0);
        ms[i] = (double)(clock_now_ns() - begin) / 1e6;
        process_stop(&process);
    }
    double p50 = quantile(ms, STARTS, 0.5);
    printf("start, five networks: %.1f ms to ready (%.1f to %.1f)\n\n", p50, ms[0], ms[STARTS - 1]);
    bound(p50 < MAX_START_MS, "start");
}

static void print_row(const char *what, double *v, size_t n) {
    printf("  %-26s %8.1f %8.1f\n", what, quantile(v, n, 0.5), quantile(v, n, 0.99));
}

/* One client on the first core, the daemon's loop and the echo on CPU `cpu`, call by call in turn. */
static void measure_one(const struct process *process, int fd, const char *name,
                        const struct message *m, int cpu, bool same_core) {
    struct echo echo;
    write_all(fd, m->text, m->size);
    size_t reply_size = read_message(fd, reply);
    pin(process->pid, cpu);
    echo_start(&echo, cpu, 1, reply, reply_size);
    for (int i = -WARM_UP; i < CALLS; i++) {
        int at = MAX(i, 0);
        calls.total[at] = round_trip(fd, m->text, m->size, reply);
        calls.rest[at] = calls.total[at] - compute_us(reply);
        calls.echo[at] = round_trip(echo.fds[0], m->text, m->size, echoed);
    }
    echo_stop(&echo);
    pin(process->pid, -1);
    double rest = quantile(calls.rest, CALLS, 0.5), base = quantile(calls.echo, CALLS, 0.5);
    double call = quantile(calls.total, CALLS, 0.5);
    double tail = quantile(calls.total, CALLS, 0.99) / call;
    double echo_tail = quantile(calls.echo, CALLS, 0.99) / base;
    printf("%s, one client, %s: %zu bytes out, %zu back; us       p50      p99\n", name,
           same_core ? "on one core" : "across cores", m->size, reply_size);
    print_row("call", calls.total, CALLS);
    print_row("call less compute", calls.rest, CALLS);
    print_row("echo", calls.echo, CALLS);
    printf("  less compute / echo %.2f; p99 / p50 %.1f, the echo's %.1f\n\n", rest / base, tail,
           echo_tail);
    bound(rest <= MAX_ECHOES * base, "one client beside the echo");
    bound(tail <= MAX(echo_tail, (double)MAX_TAIL), "one client's p99");
    if (same_core && strcmp(name, "kws") == 0)
        bound(call <= MAX_KWS_US, "one client's p50");
}

/* Many clients, in turn with as many of an echo. */
static void measure_crowd(const struct process *process, const char *name, const struct message *m,
                          double least) {
    struct caller callers[CROWD];
    int fds[CROWD];
    struct echo echo;
    for (int i = 0; i < CROWD; i++) {
        caller_open(&callers[i], process->socket);
        fds[i] = callers[i].fd;
    }
    write_all(fds[0], m->text, m->size);
    size_t reply_size = read_message(fds[0], reply);
    echo_start(&echo, -1, CROWD, reply, reply_size);
    double rate[CROWD_ROUNDS], p50[CROWD_ROUNDS], p99[CROWD_ROUNDS];
    double echo_rate[CROWD_ROUNDS], echo_p50[CROWD_ROUNDS], echo_p99[CROWD_ROUNDS];
    pin(0, -1);
    for (int i = 0; i < CROWD_ROUNDS; i++) {
        struct crowd c;
        crowd_run(fds, CROWD, m->text, m->size, CROWD_SECONDS, &c);
        rate[i] = c.per_second;
        p50[i] = c.p50;
        p99[i] = c.p99;
        crowd_run(echo.fds, CROWD, m->text, m->size, CROWD_SECONDS / 2, &c);
        echo_rate[i] = c.per_second;
        echo_p50[i] = c.p50;
        echo_p99[i] = c.p99;
    }
    pin(0, nth_cpu(0));
    echo_stop(&echo);
    for (int i = 0; i < CROWD; i++)
        caller_close(&callers[i]);
    double calls_s = quantile(rate, CROWD_ROUNDS, 0.5);
    double tail = quantile(p99, CROWD_ROUNDS, 0.5) / quantile(p50, CROWD_ROUNDS, 0.5);
    double echo_tail =
        quantile(echo_p99, CROWD_ROUNDS, 0.5) / quantile(echo_p50, CROWD_ROUNDS, 0.5);
    printf(
        "%s, %d clients: %.0f calls/s, p50 %.0f us, p99 %.0f us (x %.1f); echo %.0f/s, p50 %.0f, "
        "p99 %.0f (x %.1f)\n",
        name, CROWD, calls_s, quantile(p50, CROWD_ROUNDS, 0.5), quantile(p99, CROWD_ROUNDS, 0.5),
        tail, quantile(echo_rate, CROWD_ROUNDS, 0.5), quantile(echo_p50, CROWD_ROUNDS, 0.5),
        quantile(echo_p99, CROWD_ROUNDS, 0.5), echo_tail);
    bound(calls_s >= least, "many clients' calls");
    bound(tail <= MAX(echo_tail, (double)MAX_TAIL), "many clients' p99");
}

/* Two calls in turn; returns by how much the median of the first, less compute, is above that of the second. */
static double compare(int fd, const struct message *m, const struct message *other) {
    for (int i = -20; i < LARGE_CALLS; i++) {
        int at = MAX(i, 0);
        calls.rest[at] = round_trip(fd, m->text, m->size, reply) - compute_us(reply);
        calls.echo[at] = round_trip(fd, other->text, other->size, reply) - compute_us(reply);
    }
    return quantile(calls.rest, LARGE_CALLS, 0.5) - quantile(calls.echo, LARGE_CALLS, 0.5);
}

/* The same through libedge: edge_call() with numbers, edge_infer() without. */
static double compare_client(const char *socket, const char *model, const struct message *m,
                             void *values, size_t size) {
    struct edge *edge;
    struct edge_tensor in = {.data = values, .size = size}, out;
    struct edge_request request = {.model = model, .inputs = &in, .n_inputs = 1};
    if (edge_connect(socket, &edge))
        die("edge_connect");
    for (int i = -20; i < LARGE_CALLS; i++) {
        int at = MAX(i, 0);
        char *parameters;
        struct edge_timing timing;
        size_t n_outputs = 1;
        uint64_t begin = clock_now_ns();
        if (edge_call(edge, "io.edged.Infer", m->text, &parameters))
            die(edge_error_text(edge));
        calls.rest[at] = (double)(clock_now_ns() - begin) / 1000 - compute_us(parameters);
        free(parameters);
        out.data = NULL;
        begin = clock_now_ns();
        if (edge_infer(edge, &request, &out, &n_outputs, &timing))
            die(edge_error_text(edge));
        calls.echo[at] = (double)(clock_now_ns() - begin - timing.compute_ns) / 1000;
    }
    edge_close(edge);
    return quantile(calls.rest, LARGE_CALLS, 0.5) - quantile(calls.echo, LARGE_CALLS, 0.5);
}

static void measure_arrays(const struct process *process, int fd) {
    static int8_t bytes[SUBJECT_ARRAY];
    static float floats[SUBJECT_ARRAY];
    srand(1);
    for (size_t i = 0; i < SUBJECT_ARRAY; i++) {
        bytes[i] = (int8_t)(rand() & 255);
        floats[i] = (float)rand() / (float)RAND_MAX;
    }
    printf("%d numbers instead of raw, us more:\n", SUBJECT_ARRAY);
    for (int is_float = 0; is_float < 2; is_float++) {
        void *values = is_float ? (void *)floats : (void *)bytes;
        size_t size = is_float ? sizeof(floats) : sizeof(bytes);
        const char *model = is_float ? "floats" : "bytes";
        struct message raw = subjects_raw(model, values, size);
        struct message in = subjects_data_parameters(model, is_float, values, SUBJECT_ARRAY, "raw");
        struct message both =
            subjects_data_parameters(model, is_float, values, SUBJECT_ARRAY, "data");
        struct message call_in = subjects_call(&in), call_both = subjects_call(&both);
        double sent = compare(fd, &call_in, &raw);
        double answered = compare(fd, &call_both, &call_in);
        double client = compare_client(process->socket, model, &in, values, size);
        double client_both = compare_client(process->socket, model, &both, values, size);
        printf("  %-8s sent %6.0f, answered %6.0f; by libedge sent %6.0f, both %6.0f\n",
               is_float ? "floats" : "integers", sent, answered, client, client_both);
        bound(sent < MAX_ARRAY_US && answered < MAX_ARRAY_US, "an array in the daemon");
        bound(client < MAX_ARRAY_US, "an array through libedge");
        free(raw.text);
        free(in.text);
        free(both.text);
        free(call_in.text);
        free(call_both.text);
    }
}

static void measure_region(const struct process *process) {
    struct caller caller;
    caller_open(&caller, process->socket);
    int fd;
    size_t size = SUBJECT_REGION * sizeof(float);
    if (memfd_new("bench", size, &fd) || memfd_seal_region(fd))
        die("memfd");
    struct map map;
    if (map_shared(fd, size, &map))
        die("mmap");
    json_key(caller_begin(&caller, "RegisterRegion"), "fileDescriptor");
    json_put_uint(&caller.writer, 0);
    caller_call(&caller, &fd, 1);
    struct message m = subjects_region(caller_string(&caller, "region"));
    pin(process->pid, nth_cpu(0));
    for (int i = -20; i < LARGE_CALLS; i++) {
        int at = MAX(i, 0);
        memset(map.data, i & 1, size); /* as a client would: the caches hold new values */
        calls.total[at] = round_trip(caller.fd, m.text, m.size, reply);
        calls.rest[at] = calls.total[at] - compute_us(reply);
    }
    pin(process->pid, -1);
    double rest = quantile(calls.rest, LARGE_CALLS, 0.5);
    printf("%zu kB in a region: %.1f us beyond compute (%.1f), one core\n", size / 1000, rest,
           quantile(calls.total, LARGE_CALLS, 0.5) - rest);
    bound(rest < MAX_REGION_US, "a region");
    free(m.text);
    map_deinit(&map);
    fd_close(fd);
    caller_close(&caller);
}

/* A batch beside calls of one item: whoever has nothing else to do helps, and it is never slower. */
static void measure_batch(int fd, const struct message *one) {
    static unsigned char values[BATCH * KWS_BYTES];
    for (size_t i = 0; i < sizeof(values); i++)
        values[i] = (unsigned char)(i * 37 % 251);
    struct message batch = subjects_raw("kws", values, sizeof(values));
    for (int i = -WARM_UP; i < LARGE_CALLS; i++) {
        int at = MAX(i, 0);
        round_trip(fd, one->text, one->size, reply);
        calls.rest[at] = compute_us(reply) * BATCH;
        round_trip(fd, batch.text, batch.size, reply);
        calls.total[at] = compute_us(reply);
    }
    double alone = quantile(calls.rest, LARGE_CALLS, 0.5);
    double together = quantile(calls.total, LARGE_CALLS, 0.5);
    printf("a batch of %d: computed in %.1f us, one by one %.1f; ratio %.2f\n", BATCH, together,
           alone, together / alone);
    bound(together <= (nth_cpu(0) == nth_cpu(1) ? 1.05 : MAX_BATCH) * alone, "a batch");
    free(batch.text);
}

int main(int argc, char **argv) {
    bool check = argc == 3 && strcmp(argv[2], "--check") == 0;
    if (argc != 2 + check) {
        fprintf(stderr, "usage: bench-roundtrip EDGED [--check]\n");
        return 2;
    }
    struct process process;
    struct caller caller;
    unsigned char values[1024];
    for (size_t i = 0; i < sizeof(values); i++)
        values[i] = (unsigned char)(i * 37 % 251);
    measure_start(argv[1]);

    process_prepare(&process);
    subjects_write_five(process.models);
    subjects_write_plain(process.models);
    process_start(&process, argv[1], "", 0);
    caller_open(&caller, process.socket);
    pin(0, nth_cpu(0));
    struct message kws = subjects_raw("kws", values, KWS_BYTES);
    struct message ad01 = subjects_raw("ad01", values, 640);
    measure_one(&process, caller.fd, "kws", &kws, nth_cpu(0), true);
    measure_one(&process, caller.fd, "kws", &kws, nth_cpu(1), false);
    measure_one(&process, caller.fd, "ad01", &ad01, nth_cpu(0), true);
    measure_crowd(&process, "kws", &kws, MIN_CROWD);
    measure_crowd(&process, "ad01", &ad01, MIN_CROWD);
    measure_arrays(&process, caller.fd);
    measure_region(&process);
    measure_batch(caller.fd, &kws);
    caller_close(&caller);
    process_stop(&process);
    free(kws.text);
    free(ad01.text);
    return check && missed ? 1 : 0;
}
