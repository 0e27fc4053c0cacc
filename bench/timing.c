/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/timing.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define WARM_UP_NS 3000000U
#define WARM_UP_CALLS 3 /* at the start of a block: the caches are the former contender's */

void timing_die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(2);
}

void *timing_alloc(size_t size) {
    void *p = aligned_alloc(64, (size + 63) / 64 * 64 + 64);
    if (!p)
        timing_die("no memory");
    return memset(p, 0, size);
}

int timing_pin(void) {
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof(all), &all))
        timing_die("cannot ask which CPUs there are");
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
        if (!CPU_ISSET(cpu, &all))
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (sched_setaffinity(0, sizeof(one), &one))
            break;
        return cpu;
    }
    timing_die("cannot pin this thread");
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int ascending_float(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

double timing_median(double *values, size_t n) {
    if (n == 0)
        return 0;
    qsort(values, n, sizeof(*values), ascending);
    return values[n / 2];
}

/* Microseconds of one call out of `group`. */
static double time_group(const struct contender *c, unsigned group) {
    uint64_t start = clock_now_ns();
    for (unsigned i = 0; i < group; i++)
        c->run(c->context);
    return (double)(clock_now_ns() - start) / 1000 / group;
}

/* How a contender's block is made, after calls that warm it up and tell how long one takes. */
struct block {
    unsigned group, samples;
};

static struct block plan_block(const struct contender *c, double block_us, double min_us) {
    double best = 1e30;
    uint64_t start = clock_now_ns();
    do {
        double us = time_group(c, 1);
        best = us < best ? us : best;
    } while (clock_now_ns() - start < WARM_UP_NS);
    struct block b = {.group = best < min_us ? (unsigned)(min_us / (best + 0.01)) + 1 : 1};
    double samples = block_us / (best * b.group);
    b.samples = samples < 3                    ? 3
                : samples > TIMING_BLOCK_CALLS ? TIMING_BLOCK_CALLS
                                               : (unsigned)samples;
    return b;
}

static void run_block(struct contender *c, const struct block *b, unsigned round) {
    double us[TIMING_BLOCK_CALLS];
    if (b->samples > WARM_UP_CALLS)
        time_group(c, WARM_UP_CALLS);
    for (unsigned i = 0; i < b->samples; i++) {
        us[i] = time_group(c, b->group);
        c->calls_us[c->n_calls++] = (float)us[i];
    }
    c->blocks_us[round] = timing_median(us, b->samples);
}

static void summarize(struct contender *c, unsigned rounds) {
    double medians[TIMING_ROUNDS_MAX];
    memcpy(medians, c->blocks_us, rounds * sizeof(*medians));
    c->median_us = timing_median(medians, rounds);
    qsort(c->calls_us, c->n_calls, sizeof(*c->calls_us), ascending_float);
    c->p99_us = (double)c->calls_us[c->n_calls * 99 / 100];
}

void timing_alternate(struct contender *contenders, size_t n, unsigned rounds, double block_us,
                      double min_us) {
    struct block *blocks = timing_alloc(n * sizeof(*blocks));
    for (size_t i = 0; i < n; i++) {
        struct contender *c = &contenders[i];
        blocks[i] = plan_block(c, block_us, min_us);
        c->blocks_us = timing_alloc(rounds * sizeof(*c->blocks_us));
        c->calls_us = timing_alloc((size_t)rounds * blocks[i].samples * sizeof(*c->calls_us));
        c->n_calls = 0;
    }
    for (unsigned round = 0; round < rounds; round++)
        for (size_t i = 0; i < n; i++)
            run_block(&contenders[i], &blocks[i], round);
    for (size_t i = 0; i < n; i++)
        summarize(&contenders[i], rounds);
    free(blocks);
}

double timing_ratio(const struct contender *a, const struct contender *b, unsigned rounds) {
    double ratios[TIMING_ROUNDS_MAX];
    for (unsigned i = 0; i < rounds; i++)
        ratios[i] = a->blocks_us[i] / b->blocks_us[i];
    return timing_median(ratios, rounds);
}

void contender_deinit(struct contender *contender) {
    free(contender->blocks_us);
    free(contender->calls_us);
}
