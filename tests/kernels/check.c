/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guarded operands, fillings, comparisons and timing of the kernel harness.
 */

#include "tests/kernels/check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/attributes.h"

static void *block_new(struct check *c, size_t size, bool is_input) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t room = (size + page - 1) / page * page;
    if (c->n_blocks == CHECK_BLOCKS) {
        fprintf(stderr, "check: more operands than CHECK_BLOCKS\n");
        exit(EXIT_FAILURE);
    }
    char *map =
        mmap(NULL, room + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED || (room && mprotect(map + page, room, PROT_READ | PROT_WRITE))) {
        perror("check: mmap");
        exit(EXIT_FAILURE);
    }
    c->blocks[c->n_blocks++] = (struct check_block){map, room + 2 * page, is_input};
    return map + page + (c->at_start ? 0 : room - size);
}

void *check_input(struct check *c, size_t size) {
    return block_new(c, size, true);
}

void *check_output(struct check *c, size_t size) {
    void *data = block_new(c, size, false);
    if (size)
        memset(data, 0xa5, size);
    return data;
}

void check_protect(struct check *c) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (unsigned i = 0; i < c->n_blocks; i++) {
        const struct check_block *b = &c->blocks[i];
        if (b->is_input && b->map_size > 2 * page)
            mprotect(b->map + page, b->map_size - 2 * page, PROT_READ);
    }
}

void check_describe(struct check *c, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(c->what, sizeof(c->what), format, args);
    va_end(args);
}

void check_done(struct check *c) {
    for (unsigned i = 0; i < c->n_blocks; i++)
        munmap(c->blocks[i].map, c->blocks[i].map_size);
    c->n_blocks = 0;
}

int32_t check_between(struct check *c, int32_t lo, int32_t hi) {
    return (int32_t)(lo + (int64_t)random_below(&c->random, (uint32_t)((int64_t)hi - lo + 1)));
}

/* -1: the minimum, 1: the maximum, 0: a random value. */
static int extreme(struct check *c, size_t i, enum check_fill fill) {
    switch (fill) {
    case FILL_MIN:
        return -1;
    case FILL_MAX:
        return 1;
    case FILL_ALTERNATING:
        return i % 2 ? 1 : -1;
    case FILL_EXTREMES:
        return random_below(&c->random, 2) ? 1 : -1;
    default:
        return 0;
    }
}

void check_fill_s8(struct check *c, int8_t *x, size_t n, enum check_fill fill) {
    for (size_t i = 0; i < n; i++) {
        int e = extreme(c, i, fill);
        x[i] = (int8_t)(e < 0 ? INT8_MIN : e > 0 ? INT8_MAX : check_between(c, INT8_MIN, INT8_MAX));
    }
}

void check_fill_s16(struct check *c, int16_t *x, size_t n, enum check_fill fill) {
    for (size_t i = 0; i < n; i++) {
        int e = extreme(c, i, fill);
        x[i] = (int16_t)(e < 0   ? INT16_MIN
                         : e > 0 ? INT16_MAX
                                 : check_between(c, INT16_MIN, INT16_MAX));
    }
}

void check_fill_f32(struct check *c, float *x, size_t n, enum check_fill fill) {
    for (size_t i = 0; i < n; i++) {
        int e = extreme(c, i, fill);
        x[i] = e ? (float)e * 4e4F : (float)(random_unit(&c->random) * 8 - 4);
    }
}

static void verdict(struct check *c, bool ok) {
    if (ok)
        c->passed++;
    else
        c->failed++;
}

void check_equal(struct check *c, const void *expected, const void *got, size_t n,
                 size_t elem_size) {
    for (size_t i = 0; i < n; i++) {
        const char *e = (const char *)expected + i * elem_size;
        const char *g = (const char *)got + i * elem_size;
        if (!memcmp(e, g, elem_size))
            continue;
        int32_t ev = 0, gv = 0;
        memcpy(&ev, e, MIN(elem_size, sizeof(ev)));
        memcpy(&gv, g, MIN(elem_size, sizeof(gv)));
        printf("FAILED %s: element %zu of %zu is 0x%x, expected 0x%x\n", c->what, i, n,
               (unsigned)gv, (unsigned)ev);
        verdict(c, false);
        return;
    }
    verdict(c, true);
}

void check_true(struct check *c, bool holds, const char *what) {
    if (!holds)
        printf("FAILED %s: %s\n", c->what, what);
    verdict(c, holds);
}

void check_near(struct check *c, const float *expected, const float *got, size_t n, double bound) {
    for (size_t i = 0; i < n; i++) {
        if (expected[i] == got[i] || (isnan(expected[i]) && isnan(got[i])))
            continue;
        if (fabs((double)got[i] - (double)expected[i]) <= bound)
            continue;
        printf("FAILED %s: element %zu of %zu is %.9g, expected %.9g, bound %.3g\n", c->what, i, n,
               (double)got[i], (double)expected[i], bound);
        verdict(c, false);
        return;
    }
    verdict(c, true);
}

void check_close(struct check *c, const float *expected, const float *got, size_t n, double bound) {
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        if (isfinite(expected[i]))
            largest = fmax(largest, fabs((double)expected[i]));
    }
    check_near(c, expected, got, n, c->tier == TIER_C ? 0 : bound * largest);
}

static double limit_of(const struct check *c, const char *unit) {
    return !strcmp(unit, "MAC")    ? c->limits.macs
           : !strcmp(unit, "FLOP") ? c->limits.flops
                                   : c->limits.bytes;
}

void check_bench_print(const struct check *c, const char *name, double ns, double ref_ns,
                       double work, const char *unit) {
    const double rate = work / ns, limit = limit_of(c, unit);
    printf("%-11s %-44s %12.1f ns", tier_name(c->tier), name, ns);
    if (work > 0)
        printf(" %8.2f G%s/s %4.0f %% of the limit", rate, unit, 100 * rate / limit);
    printf("   C %12.1f ns  x %.2f\n", ref_ns, ref_ns / ns);
}
