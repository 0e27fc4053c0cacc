/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What serving costs: the round trip of one Infer call with a `raw` tensor, less the compute time that its reply states,
 * beside a plain socket echo of the same bytes, call by call in turn. Waking up a process on another core costs several
 * times what it costs on one's own, so that an echo that may run anywhere tells little: it is pinned, once to the client's
 * core and once to another. The daemon runs where the scheduler wants. Asserted is the ratio of the medians to the faster
 * echo, that on one core.
 *
 *     bench-roundtrip EDGED MODEL.tflite [MAX-RATIO]
 *
 * MODEL.tflite lies in the shared folder.
 */

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "proto/values.h"
#include "tests/load/caller.h"
#include "tests/load/networks.h"
#include "tests/load/process.h"
#include "tests/shared.h"

#define CALLS 20000
#define WARM_UP 2000
#define MESSAGE_MAX (1 << 20)

static void die(const char *what) {
    fprintf(stderr, "bench-roundtrip: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void write_all(int fd, const char *data, size_t size) {
    while (size) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n <= 0)
            die("send");
        data += n;
        size -= (size_t)n;
    }
}

/* Reads up to and with the next NUL. */
static size_t read_message(int fd, char *ret) {
    size_t len = 0;
    do {
        ssize_t n = recv(fd, ret + len, MESSAGE_MAX - len, 0);
        if (n <= 0)
            die("the server closed the connection");
        len += (size_t)n;
    } while (ret[len - 1] != '\0');
    return len;
}

/* The number of CPU `index` of those this process may use, or of its last. */
static int nth_cpu(int index) {
    cpu_set_t set;
    int found = 0;
    sched_getaffinity(0, sizeof(set), &set);
    for (int cpu = 0; cpu < CPU_SETSIZE && index >= 0; cpu++)
        if (CPU_ISSET(cpu, &set)) {
            found = cpu;
            index--;
        }
    return found;
}

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        die("sched_setaffinity");
}

/* A process of its own on a core that answers each message with a reply. */
struct echo {
    int fd;
    pid_t pid;
};

static _Noreturn void serve_echo(int fd, const char *reply, size_t reply_size) {
    static char message[MESSAGE_MAX];
    for (;;) {
        size_t len = 0;
        do {
            ssize_t n = recv(fd, message + len, sizeof(message) - len, 0);
            if (n <= 0)
                _exit(0);
            len += (size_t)n;
        } while (message[len - 1] != '\0');
        write_all(fd, reply, reply_size);
    }
}

static void echo_start(struct echo *ret_echo, int cpu, const char *reply, size_t reply_size) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        die("socketpair");
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        close(pair[0]);
        pin(cpu);
        serve_echo(pair[1], reply, reply_size);
    }
    close(pair[1]);
    *ret_echo = (struct echo){.fd = pair[0], .pid = pid};
}

static void echo_stop(struct echo *echo) {
    shutdown(echo->fd, SHUT_RDWR);
    close(echo->fd);
    waitpid(echo->pid, NULL, 0);
}

static char *make_request(const char *model, size_t bytes) {
    unsigned char *raw = malloc(bytes);
    size_t text = values_base64_len(bytes) + 1;
    char *base64 = malloc(text), *request = malloc(text + 512);
    if (!raw || !base64 || !request)
        die("memory");
    for (size_t i = 0; i < bytes; i++)
        raw[i] = (unsigned char)(i * 37 % 251);
    values_to_base64(raw, bytes, base64);
    snprintf(request, text + 512,
             "{\"method\":\"io.edged.Infer\",\"parameters\":{\"model\":\"%s\",\"inputs\":"
             "[{\"raw\":\"%s\"}],\"outputForm\":\"raw\"}}",
             model, base64);
    free(raw);
    free(base64);
    return request;
}

static double number_after(const char *text, const char *key) {
    const char *p = strstr(text, key);
    if (!p) {
        fprintf(stderr, "bench-roundtrip: no %s in %.200s\n", key, text);
        exit(2);
    }
    return strtod(p + strlen(key), NULL);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *v, size_t n, double q) {
    qsort(v, n, sizeof(*v), ascending);
    return v[(size_t)(q * (double)(n - 1))];
}

enum {
    ECHO_ACROSS, /* on another core than the client's */
    ECHO_SAME,
    ECHO_N
};

/* Microseconds of each call: all of it, without the compute time, and of the echoes. */
struct times {
    double call[CALLS], rest[CALLS], echo[ECHO_N][CALLS];
};

static double round_trip(int fd, const char *request, size_t size, char *ret_reply) {
    uint64_t start = clock_now_ns();
    write_all(fd, request, size);
    read_message(fd, ret_reply);
    return (double)(clock_now_ns() - start) / 1000;
}

static void measure(struct times *t, int edged, const struct echo *echo, const char *request,
                    size_t size) {
    static char reply[MESSAGE_MAX], echoed[MESSAGE_MAX];
    for (int i = -WARM_UP; i < CALLS; i++) {
        int at = i < 0 ? 0 : i;
        t->call[at] = round_trip(edged, request, size, reply);
        t->rest[at] = t->call[at] - number_after(reply, "\"computeNanoseconds\":") / 1000;
        for (int e = 0; e < ECHO_N; e++)
            t->echo[e][at] = round_trip(echo[e].fd, request, size, echoed);
    }
}

static void print_row(const char *what, double *v) {
    printf("%-22s %8.1f %8.1f\n", what, quantile(v, CALLS, 0.5), quantile(v, CALLS, 0.99));
}

/* Starts the daemon with the network as "network"; returns the bytes of its input. */
static size_t start(struct process *process, const char *edged, const char *model) {
    struct networks networks;
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", shared_dir(), model);
    process_prepare(process);
    networks_init(&networks);
    networks_add_file(&networks, path, "network", process->models, 1);
    size_t size = image_input(networks.list[0].image, 0)->size;
    networks_deinit(&networks);
    process_start(process, edged, "", 0);
    return size;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: bench-roundtrip EDGED MODEL.tflite [MAX-RATIO]\n");
        return 2;
    }
    if (!shared_present(argv[2]))
        return 77;
    static char reply[MESSAGE_MAX];
    static struct times times;
    struct process process;
    struct caller caller;
    char *request = make_request("network", start(&process, argv[1], argv[2]));
    size_t request_size = strlen(request) + 1;
    caller_open(&caller, process.socket);
    write_all(caller.fd, request, request_size);
    size_t reply_size = read_message(caller.fd, reply);
    int other_cpu = nth_cpu(1);

    struct echo echo[ECHO_N];
    pin(nth_cpu(0));
    echo_start(&echo[ECHO_ACROSS], other_cpu, reply, reply_size);
    echo_start(&echo[ECHO_SAME], nth_cpu(0), reply, reply_size);
    measure(&times, caller.fd, echo, request, request_size);
    for (int e = 0; e < ECHO_N; e++)
        echo_stop(&echo[e]);
    caller_close(&caller);
    process_stop(&process);
    free(request);

    double rest = quantile(times.rest, CALLS, 0.5);
    double ratio = rest / quantile(times.echo[ECHO_SAME], CALLS, 0.5);
    printf("%zu bytes out, %zu back, %d calls; us\n", request_size, reply_size, CALLS);
    printf("%-22s %8s %8s\n", "", "p50", "p99");
    print_row("call", times.call);
    print_row("call less compute", times.rest);
    print_row("echo across cores", times.echo[ECHO_ACROSS]);
    print_row("echo on one core", times.echo[ECHO_SAME]);
    printf("ratio of medians %.2f on one core, %.2f across cores\n", ratio,
           rest / quantile(times.echo[ECHO_ACROSS], CALLS, 0.5));
    return argc > 3 && ratio > strtod(argv[3], NULL) ? 1 : 0;
}
