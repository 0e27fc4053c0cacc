/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A softmax over memory that somebody changes meanwhile, as a client's region may: results are
 * undefined, but nothing outside of the parameters is read.
 */

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels/kernels.h"

#define COLS 64
#define RUNS 100000

static volatile int8_t x[COLS];
static atomic_bool stop;

static void *change(void *arg) {
    for (int8_t v = 0; !atomic_load_explicit(&stop, memory_order_relaxed); v = (int8_t)~v)
        for (size_t i = 0; i < COLS; i++)
            x[i] = (int8_t)(v ? INT8_MAX : INT8_MIN);
    return NULL;
}

START_TEST(test_changing_input) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    /* The table ends in the first of two pages, and what is before them faults. */
    char *map = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(map, MAP_FAILED);
    ck_assert_int_eq(mprotect(map + page, page, PROT_READ | PROT_WRITE), 0);
    ck_assert_uint_le(sizeof(struct kern_softmax), page);
    struct kern_softmax *p = (void *)(map + page);
    *p = (struct kern_softmax){.rows = 1, .cols = COLS, .mult = 1 << 30, .shift = 22};
    p->diff_min = -255;
    kern_softmax_prepare(p);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, change, NULL), 0);
    for (int t = 0; t < TIER_END; t++) {
        if (!tier_supported((enum tier)t))
            continue;
        int8_t y[COLS];
        int16_t y16[COLS];
        for (int i = 0; i < RUNS; i++) {
            kernels_get((enum tier)t)->softmax_s8(p, (const int8_t *)x, y);
            kernels_get((enum tier)t)->softmax_s8_s16(p, (const int8_t *)x, y16);
        }
    }
    atomic_store(&stop, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(munmap(map, 3 * page), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("softmax");
    TCase *tcase = tcase_create("changing");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, test_changing_input);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
