/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The harness that runs every kernel of every tier against a reference: the C tier against the
 * plain formulas of naive.h, all others against the C tier. Operands stand between inaccessible
 * pages, once flush to the page behind them and once flush to the page before them; inputs are
 * read-only while a kernel runs; a crash is a failed check.
 *
 * A row is one operation of struct kernels, made from kernels/list.h: an operation without a
 * function check_<op> does not link. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/random.h"
#include "kernels/list.h"

#define CHECK_BLOCKS 16

struct check_block {
    char *map;
    size_t map_size;
    bool is_input;
};

/* What the core can do at most in a nanosecond; 0: not measured. */
struct check_limits {
    double macs;  /* of bytes, in registers */
    double flops; /* in registers */
    double bytes; /* read and written in L1 */
};

struct check {
    enum tier tier;
    const struct kernels *ref, *new;
    struct random random;
    bool bench;
    struct check_limits limits;
    bool at_start; /* where operands stand in their pages */
    unsigned passed, failed;
    char what[256]; /* the case, for messages */
    struct check_block blocks[CHECK_BLOCKS];
    unsigned n_blocks;
};

typedef void (*check_fn)(struct check *c);

/* Operands of one case: freed by check_done(). Sizes of 0 give a pointer nobody may read. */
void *check_input(struct check *c, size_t size);
void *check_output(struct check *c, size_t size);
/* Makes the inputs read-only: call when they are filled. */
void check_protect(struct check *c);
void check_describe(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Ends a case: every comparison since the last one passed, or it failed. */
void check_done(struct check *c);

/* What an input is filled with. */
enum check_fill {
    FILL_RANDOM,
    FILL_MIN,
    FILL_MAX,
    FILL_ALTERNATING, /* minimum, maximum, minimum ... */
    FILL_EXTREMES,    /* minimum or maximum at random */
    FILL_END
};

void check_fill_s8(struct check *c, int8_t *x, size_t n, enum check_fill fill);
void check_fill_s16(struct check *c, int16_t *x, size_t n, enum check_fill fill);
/* Real values about [-4, 4]; the extremes are 1e4 times as large. */
void check_fill_f32(struct check *c, float *x, size_t n, enum check_fill fill);
int32_t check_between(struct check *c, int32_t lo, int32_t hi);

void check_equal(struct check *c, const void *expected, const void *got, size_t n,
                 size_t elem_size);
/* Something that must hold, in words. */
void check_true(struct check *c, bool holds, const char *what);
/* |got - expected| <= bound * largest |expected|; at the C tier the results must be equal. */
void check_close(struct check *c, const float *expected, const float *got, size_t n, double bound);
/* |got - expected| <= bound. */
void check_near(struct check *c, const float *expected, const float *got, size_t n, double bound);

#define CHECK_F32_BOUND 1e-5

/* Nanoseconds of one call: the best of some samples. */
#define CHECK_TIME(call)                                                                           \
    ({                                                                                             \
        double time_best = 1e30;                                                                   \
        unsigned time_reps = 1;                                                                    \
        for (int time_i = 0; time_i < 12; time_i++) {                                              \
            uint64_t time_start = clock_now_ns();                                                  \
            for (unsigned time_r = 0; time_r < time_reps; time_r++)                                \
                call;                                                                              \
            double time_ns = (double)(clock_now_ns() - time_start) / time_reps;                    \
            time_best = time_ns < time_best ? time_ns : time_best;                                 \
            if (time_i == 0)                                                                       \
                time_reps = time_ns > 1e6 ? 1 : (unsigned)(1e6 / (time_ns + 1)) + 1;               \
        }                                                                                          \
        time_best;                                                                                 \
    })

/* One line: the call, its rate in units of 1e9 per second (`unit`: MAC, FLOP or B) and how much of the limit that is, beside
 * the C reference. `work` 0: a call without a rate. */
void check_bench_print(const struct check *c, const char *name, double ns, double ref_ns,
                       double work, const char *unit);

#define CHECK_DECLARE(op) void check_##op(struct check *c);
KERN_OPS(CHECK_DECLARE)
#undef CHECK_DECLARE
void check_conv_s8(struct check *c);
void check_conv_f32(struct check *c);
void check_conv_hybrid(struct check *c);
