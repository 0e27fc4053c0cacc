/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rates a core can reach: that the counts and the time grow with the work.
 */

#include "tests/kernels/check.h"

#ifdef __x86_64__
uint64_t kern_peak_s8_amx_emulated(uint64_t rounds);
#endif

#define ROUNDS 256
#define TIMES 64

/* A loop whose work was dropped takes as long for any count. */
static void check_rate(struct check *c, const char *op, uint64_t (*peak)(uint64_t),
                       uint64_t (*c_peak)(uint64_t), const char *unit) {
    check_describe(c, "%s %s", tier_name(c->tier), op);
    const uint64_t one = peak(1), none = peak(0), some = peak(ROUNDS);
    check_true(c, one > 0 && none == 0 && some == ROUNDS * one, "the count");
    const double few = CHECK_TIME(peak(ROUNDS)), many = CHECK_TIME(peak(ROUNDS * TIMES));
    check_true(c, many > few * TIMES / 4, "the time");
    if (c->bench) {
        const double per_one = CHECK_TIME(c_peak(ROUNDS * TIMES)) / (double)c_peak(1);
        check_bench_print(c, op, many, per_one * (double)one, (double)(one * ROUNDS * TIMES), unit);
    }
}

void check_peak_s8(struct check *c) {
#ifdef __x86_64__
    if (c->tier == TIER_AVX512VNNI) {
        check_describe(c, "peak_s8 of emulated tiles");
        check_true(c, kern_peak_s8_amx_emulated(2) == 2 * kern_peak_s8_amx_emulated(1),
                   "the count");
    }
#endif
    check_rate(c, "peak_s8", c->new->peak_s8, kernels_get(TIER_C)->peak_s8, "MAC");
}

void check_peak_f32(struct check *c) {
    check_rate(c, "peak_f32", c->new->peak_f32, kernels_get(TIER_C)->peak_f32, "FLOP");
}
