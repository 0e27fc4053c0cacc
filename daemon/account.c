/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts and charges. Users are few: a list will do.
 */

#include "daemon/account.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

const char *account_resource_name(enum account_resource resource) {
    static const char *const names[ACCOUNT_N] = {"connections", "bytes", "descriptors", "regions",
                                                 "sessions"};
    return names[resource];
}

void accounts_init(struct accounts *accounts, const uint64_t limit[ACCOUNT_N]) {
    accounts->first = NULL;
    memcpy(accounts->limit, limit, sizeof(accounts->limit));
}

void accounts_deinit(struct accounts *accounts) {
    edge_assert(!accounts->first);
}

int account_get(struct accounts *accounts, uid_t uid, struct account **ret_account) {
    struct account *a = accounts->first;
    while (a && a->uid != uid)
        a = a->next;
    if (!a) {
        a = calloc(1, sizeof(*a));
        if (!a)
            return err_origin(-ENOMEM);
        a->owner = accounts;
        a->uid = uid;
        a->next = accounts->first;
        accounts->first = a;
    }
    a->n_refs++;
    *ret_account = a;
    return 0;
}

struct account *account_unref(struct account *account) {
    if (!account || --account->n_refs)
        return NULL;
    for (int i = 0; i < ACCOUNT_N; i++)
        edge_assert(account->used[i] == 0);
    struct account **at = &account->owner->first;
    while (*at != account)
        at = &(*at)->next;
    *at = account->next;
    free(account);
    return NULL;
}

int charge_take(struct charge *charge, struct account *account, enum account_resource resource,
                uint64_t amount) {
    edge_assert(!charge->amount && !charge->account);
    struct charge c = {.account = account, .resource = resource};
    int r = charge_resize(&c, amount);
    if (r)
        return r;
    if (account)
        account->n_refs++;
    *charge = c;
    return 0;
}

int charge_resize(struct charge *charge, uint64_t amount) {
    if (amount <= charge->amount) {
        charge_shrink(charge, amount);
        return 0;
    }
    struct account *a = charge->account;
    if (a) {
        uint64_t used;
        if (__builtin_add_overflow(a->used[charge->resource], amount - charge->amount, &used) ||
            used > a->owner->limit[charge->resource])
            return ACCOUNT_E_QUOTA;
        a->used[charge->resource] = used;
    }
    charge->amount = amount;
    return 0;
}

void charge_shrink(struct charge *charge, uint64_t amount) {
    if (amount >= charge->amount)
        return;
    uint64_t back = charge->amount - amount;
    charge->amount = amount;
    if (!charge->account)
        return;
    edge_assert(charge->account->used[charge->resource] >= back);
    charge->account->used[charge->resource] -= back;
}

void charge_release(struct charge *charge) {
    charge_shrink(charge, 0);
    account_unref(charge->account);
    *charge = (struct charge){0};
}
