/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Times several ways to do one thing beside each other: in every round each gets a block of calls in turn, so that a
 * slow phase of the machine meets all of them. One thread, pinned.
 */

#include <stddef.h>
#include <stdint.h>

#define TIMING_ROUNDS_MAX 1001
#define TIMING_BLOCK_CALLS 512 /* at most, in one block */

/* One of them. The caller sets the first group; timing_alternate() fills in the rest. */
struct contender {
    const char *name;
    void (*run)(void *context); /* one call */
    void *context;

    double median_us;  /* of the blocks' medians */
    double p99_us;     /* of all calls; not known of calls timed in groups */
    double *blocks_us; /* [rounds] median of each block; contender_deinit() */
    float *calls_us;
    size_t n_calls;
};

/* Pins this thread to the last CPU it may use; returns its number. */
int timing_pin(void);
/* Ends the program with a message on standard error. */
_Noreturn void timing_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Zeroed and aligned for every kernel; free(). */
void *timing_alloc(size_t size);
/* Sorts `values`; 0 where there are none. */
double timing_median(double *values, size_t n);

/* A call shorter than `min_us` is timed in groups that are longer. `block_us` is what a block takes about. */
void timing_alternate(struct contender *contenders, size_t n, unsigned rounds, double block_us,
                      double min_us);
/* How many times longer a takes than b: the median over the rounds. */
double timing_ratio(const struct contender *a, const struct contender *b, unsigned rounds);
void contender_deinit(struct contender *contender);
