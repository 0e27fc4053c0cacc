/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What each user makes the daemon hold. An object that holds something for a peer embeds a charge, taken before the
 * thing is held and released with it. Loop thread only.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attributes.h"

enum account_resource {
    ACCOUNT_CONNECTIONS,
    ACCOUNT_BYTES,
    ACCOUNT_DESCRIPTORS,
    ACCOUNT_REGIONS,
    ACCOUNT_SESSIONS,
    ACCOUNT_N
};

/* "connections" …, as QuotaExceeded names them. */
const char *account_resource_name(enum account_resource resource);

/* Of one uid; reference counted. */
struct account {
    struct accounts *owner;
    struct account *next;
    uid_t uid;
    unsigned n_refs;
    uint64_t used[ACCOUNT_N];
};

struct accounts {
    struct account *first;
    uint64_t limit[ACCOUNT_N]; /* for each uid */
};

/* A receipt, with a reference to its account. Zeroed it is empty; `account` NULL means that nothing is counted. */
struct charge {
    struct account *account;
    enum account_resource resource;
    uint64_t amount;
};

enum {
    ACCOUNT_E_QUOTA = 1,
};

void accounts_init(struct accounts *accounts, const uint64_t limit[ACCOUNT_N]);
/* All accounts are gone by then. */
void accounts_deinit(struct accounts *accounts);

/* The account of uid, made where there is none, with one more reference. -ENOMEM. */
_nodiscard_ int account_get(struct accounts *accounts, uid_t uid, struct account **ret_account);
/* Accepts NULL; returns NULL. All charges have been released when the last reference goes. */
struct account *account_unref(struct account *account);

/* Fills an empty charge. 0 or ACCOUNT_E_QUOTA, and then nothing is charged. */
_nodiscard_ int charge_take(struct charge *charge, struct account *account,
                            enum account_resource resource, uint64_t amount);
/* Makes it `amount`, more or less. Less always succeeds. 0 or ACCOUNT_E_QUOTA. */
_nodiscard_ int charge_resize(struct charge *charge, uint64_t amount);
/* Makes it at most `amount`. */
void charge_shrink(struct charge *charge, uint64_t amount);
/* Empties it. */
void charge_release(struct charge *charge);
