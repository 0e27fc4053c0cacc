/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages, places, medians.
 */

#include "bench/serving/exchange.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

void die(const char *what) {
    fprintf(stderr, "bench-roundtrip: %s: %s\n", what, strerror(errno));
    exit(2);
}

void write_all(int fd, const char *data, size_t size) {
    while (size) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n <= 0)
            die("send");
        data += n;
        size -= (size_t)n;
    }
}

size_t read_message(int fd, char *ret) {
    size_t len = 0;
    do {
        ssize_t n = recv(fd, ret + len, EXCHANGE_MAX - len, 0);
        if (n <= 0)
            die("the server closed the connection");
        len += (size_t)n;
    } while (ret[len - 1] != '\0');
    return len;
}

double round_trip(int fd, const char *message, size_t size, char *ret_reply) {
    uint64_t start = clock_now_ns();
    write_all(fd, message, size);
    read_message(fd, ret_reply);
    return (double)(clock_now_ns() - start) / 1000;
}

/* What the process could use when it began. */
static const cpu_set_t *allowed(void) {
    static cpu_set_t set;
    if (CPU_COUNT(&set) == 0)
        sched_getaffinity(0, sizeof(set), &set);
    return &set;
}

int nth_cpu(int index) {
    int found = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && index >= 0; cpu++)
        if (CPU_ISSET(cpu, allowed())) {
            found = cpu;
            index--;
        }
    return found;
}

void pin(pid_t thread, int cpu) {
    cpu_set_t set = *allowed();
    if (cpu >= 0) {
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
    }
    if (sched_setaffinity(thread, sizeof(set), &set) < 0)
        die("sched_setaffinity");
}

double number_after(const char *text, const char *key) {
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

double quantile(double *values, size_t n, double q) {
    qsort(values, n, sizeof(*values), ascending);
    return values[(size_t)(q * (double)(n - 1))];
}
