/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernels [--tier NAME] [--seed N] [--bench] [--kernel NAME]: runs every kernel of every tier this
 * machine has against its reference, and times them where asked to. Exit 1 when a check failed.
 */

#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attributes.h"
#include "tests/kernels/bench.h"
#include "tests/kernels/check.h"
#include "tests/kernels/naive.h"

struct row {
    const char *name;
    check_fn check;
    size_t offset; /* of the pointer in struct kernels; 0: a list */
};

#define ROW(op) {#op, check_##op, offsetof(struct kernels, op)},
static const struct row rows[] = {{"conv_s8", check_conv_s8, 0},
                                  {"conv_f32", check_conv_f32, 0},
                                  {"conv_hybrid", check_conv_hybrid, 0},
                                  KERN_OPS(ROW)};
#undef ROW

static sigjmp_buf crashed;

static void on_crash(int signal) {
    siglongjmp(crashed, signal);
}

static void catch_crashes(void) {
    static char stack[64 * 1024];
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    const struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK};
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    sigaltstack(&alternate, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        sigaction(signals[i], &action, NULL);
}

static void run_row(struct check *c, const struct row *row) {
    check_describe(c, "%s %s", tier_name(c->tier), row->name);
    const int signal = sigsetjmp(crashed, 1);
    if (signal == 0) {
        row->check(c);
        if (c->bench)
            bench_op(c, row->name);
        return;
    }
    printf("FAILED %s: %s\n", c->what, strsignal(signal));
    c->failed++;
    check_done(c);
}

/* The functions of a tier that an earlier one has too were checked there. */
static bool seen_before(const struct row *row, const struct kernels *k, enum tier tier) {
    if (row->offset == 0)
        return false;
    for (unsigned t = 0; t < (unsigned)tier; t++) {
        if (tier_supported((enum tier)t) &&
            !memcmp((const char *)kernels_get((enum tier)t) + row->offset,
                    (const char *)k + row->offset, sizeof(void (*)(void))))
            return true;
    }
    return false;
}

static void run_tier(struct check *c, enum tier tier, const char *kernel) {
    c->tier = tier;
    c->new = kernels_get(tier);
    c->ref = tier == TIER_C ? naive_kernels() : kernels_get(TIER_C);
    const unsigned passed = c->passed;
    if (c->bench)
        bench_start(c);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (kernel && strcmp(kernel, rows[i].name))
            continue;
        if (!seen_before(&rows[i], c->new, tier))
            run_row(c, &rows[i]);
    }
    printf("%s: %u checks passed\n", tier_name(tier), c->passed - passed);
}

static int usage(const char *program) {
    fprintf(stderr, "usage: %s [--tier NAME] [--seed N] [--kernel NAME] [--bench]\n", program);
    return 2;
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"tier", required_argument, NULL, 't'},
        {"seed", required_argument, NULL, 's'},
        {"kernel", required_argument, NULL, 'k'},
        {"bench", no_argument, NULL, 'b'},
        {0},
    };
    static struct check c;
    enum tier only = TIER_END;
    uint64_t seed = clock_now_ns();
    const char *kernel = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 't':
            only = tier_parse(optarg);
            if (only == TIER_END)
                return usage(argv[0]);
            break;
        case 's':
            seed = strtoull(optarg, NULL, 0);
            break;
        case 'k':
            kernel = optarg;
            break;
        case 'b':
            c.bench = true;
            break;
        default:
            return usage(argv[0]);
        }
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("seed %llu\n", (unsigned long long)seed);
    catch_crashes();
    for (unsigned t = 0; t < TIER_END; t++) {
        if (only != TIER_END && only != (enum tier)t)
            continue;
        /* each tier gets the same cases */
        c.random.state = seed;
        if (tier_supported((enum tier)t))
            run_tier(&c, (enum tier)t, kernel);
        else
            printf("SKIPPED %s: this machine does not have it\n", tier_name((enum tier)t));
    }
    printf("%u passed, %u failed\n", c.passed, c.failed);
    return c.failed || c.passed == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
