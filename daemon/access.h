/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who may change what the daemon serves: root, the daemon's own user, and the configured administrators. Constant once
 * made; loop thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/attributes.h"

struct diag;

#define ACCESS_MAX_ADMINS 64

struct access {
    uid_t admins[ACCESS_MAX_ADMINS];
    size_t n_admins;
};

enum {
    ACCESS_E_INVALID = 1,
};

/* Reads names or uids between spaces or commas. 0, or ACCESS_E_INVALID with the unknown name in the diag. */
_nodiscard_ int access_init(struct access *access, const char *admin_users, struct diag *diag);
bool access_is_admin(const struct access *access, uid_t uid);
