/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon/account and daemon/access: limits one below, at and above; receipts that give back what they took.
 */

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "daemon/access.h"
#include "daemon/account.h"

static struct accounts accounts;

static void setup(void) {
    accounts_init(&accounts,
                  (const uint64_t[ACCOUNT_N]){[ACCOUNT_CONNECTIONS] = 2, [ACCOUNT_BYTES] = 1000});
}

static void teardown(void) {
    accounts_deinit(&accounts);
}

START_TEST(test_limits) {
    struct account *a;
    struct charge c[3] = {0};
    ck_assert_int_eq(account_get(&accounts, 7, &a), 0);
    ck_assert_int_eq(charge_take(&c[0], a, ACCOUNT_CONNECTIONS, 1), 0);
    ck_assert_int_eq(charge_take(&c[1], a, ACCOUNT_CONNECTIONS, 1), 0);
    ck_assert_int_eq(charge_take(&c[2], a, ACCOUNT_CONNECTIONS, 1), ACCOUNT_E_QUOTA);
    ck_assert_uint_eq(c[2].amount, 0);
    charge_release(&c[0]);
    ck_assert_int_eq(charge_take(&c[2], a, ACCOUNT_CONNECTIONS, 1), 0);
    charge_release(&c[1]);
    charge_release(&c[2]);
    ck_assert_int_eq(charge_take(&c[0], a, ACCOUNT_BYTES, 999), 0);
    ck_assert_int_eq(charge_resize(&c[0], 1000), 0);
    ck_assert_int_eq(charge_resize(&c[0], 1001), ACCOUNT_E_QUOTA);
    ck_assert_uint_eq(c[0].amount, 1000);
    ck_assert_int_eq(charge_resize(&c[0], UINT64_MAX), ACCOUNT_E_QUOTA);
    charge_shrink(&c[0], 2000);
    ck_assert_uint_eq(c[0].amount, 1000);
    charge_shrink(&c[0], 10);
    ck_assert_uint_eq(a->used[ACCOUNT_BYTES], 10);
    charge_release(&c[0]);
    ck_assert_uint_eq(a->used[ACCOUNT_BYTES], 0);
    account_unref(a);
}
END_TEST

/* Each user has limits of his own, and a receipt keeps its account alive. */
START_TEST(test_users) {
    struct account *a, *b, *again;
    struct charge ca = {0}, cb = {0};
    ck_assert_int_eq(account_get(&accounts, 1, &a), 0);
    ck_assert_int_eq(account_get(&accounts, 2, &b), 0);
    ck_assert_int_eq(account_get(&accounts, 1, &again), 0);
    ck_assert_ptr_eq(a, again);
    ck_assert_int_eq(charge_take(&ca, a, ACCOUNT_BYTES, 1000), 0);
    ck_assert_int_eq(charge_take(&cb, b, ACCOUNT_BYTES, 1000), 0);
    account_unref(a);
    account_unref(again);
    account_unref(b);
    charge_release(&ca);
    ck_assert_ptr_eq(accounts.first, b);
    charge_release(&cb);
    ck_assert_ptr_null(accounts.first);
}
END_TEST

/* Internal work is not counted. */
START_TEST(test_nobody) {
    struct charge c = {0};
    ck_assert_int_eq(charge_take(&c, NULL, ACCOUNT_BYTES, UINT64_MAX), 0);
    charge_release(&c);
    ck_assert_ptr_null(account_unref(NULL));
}
END_TEST

START_TEST(test_access) {
    struct access access;
    struct diag diag;
    ck_assert_int_eq(access_init(&access, " 12, nobody\t4294967294", &diag), 0);
    ck_assert_uint_eq(access.n_admins, 3);
    ck_assert(access_is_admin(&access, 0));
    ck_assert(access_is_admin(&access, geteuid()));
    ck_assert(access_is_admin(&access, 12));
    ck_assert(access_is_admin(&access, 65534));
    ck_assert(!access_is_admin(&access, 13));
    ck_assert_int_eq(access_init(&access, "", &diag), 0);
    ck_assert(!access_is_admin(&access, 12));
    static const char *const bad[] = {"no-such-user-here", "4294967295", "-1", "12x",
                                      "99999999999999999999999"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        ck_assert_int_eq(access_init(&access, bad[i], &diag), ACCESS_E_INVALID);
        ck_assert_ptr_nonnull(strstr(diag.text, bad[i]));
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("account");
    TCase *t = tcase_create("account");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_limits);
    tcase_add_test(t, test_users);
    tcase_add_test(t, test_nobody);
    tcase_add_test(t, test_access);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
