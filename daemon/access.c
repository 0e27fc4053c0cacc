/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Administrators by uid. Names are looked up once, at start.
 */

#include "daemon/access.h"

#include <errno.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

#define NAME_MAX_BYTES 64

/* A uid in digits. */
static bool parse_uid(const char *s, uid_t *ret_uid) {
    uint64_t v = 0;
    for (const char *p = s; *p; p++) {
        if (*p < '0' || *p > '9')
            return false;
        v = v * 10 + (uint64_t)(*p - '0');
        if (v >= UINT32_MAX) /* (uid_t)-1 means "no user" */
            return false;
    }
    *ret_uid = (uid_t)v;
    return *s;
}

static int add(struct access *access, const char *name, struct diag *diag) {
    uid_t uid;
    if (!parse_uid(name, &uid)) {
        struct passwd *user = getpwnam(name);
        if (!user)
            return diag_set(diag, ACCESS_E_INVALID, "admin-users: there is no user '%s'", name);
        uid = user->pw_uid;
    }
    if (access->n_admins == ACCESS_MAX_ADMINS)
        return diag_set(diag, ACCESS_E_INVALID, "admin-users: more than %d", ACCESS_MAX_ADMINS);
    access->admins[access->n_admins++] = uid;
    return 0;
}

int access_init(struct access *access, const char *admin_users, struct diag *diag) {
    static const char separators[] = " \t,";
    access->n_admins = 0;
    for (const char *p = admin_users; *(p += strspn(p, separators));) {
        char name[NAME_MAX_BYTES];
        size_t len = strcspn(p, separators);
        if (len >= sizeof(name))
            return diag_set(diag, ACCESS_E_INVALID, "admin-users: there is no user '%.*s'",
                            (int)MIN(len, (size_t)200), p);
        memcpy(name, p, len);
        name[len] = 0;
        int r = add(access, name, diag);
        if (r)
            return r;
        p += len;
    }
    return 0;
}

bool access_is_admin(const struct access *access, uid_t uid) {
    if (uid == 0 || uid == geteuid())
        return true;
    for (size_t i = 0; i < access->n_admins; i++)
        if (access->admins[i] == uid)
            return true;
    return false;
}
