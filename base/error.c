/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error chains and diagnostics. No state of its own.
 */

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

int err_report(const char *what, int err, const char *file, int line, const char *func) {
    log_debug("%s %s (%d) in %s, %s:%d", what, strerrordesc_np(-err), err, func, file, line);
    return err;
}

void err_assert_failed(const char *cond, const char *file, int line, const char *func) {
    log_error("bug: assertion '%s' failed in %s, %s:%d", cond, func, file, line);
    abort();
}

/* A diagnostic travels into logs and replies: outside bytes in it must not carry control characters. */
static void diag_clean(struct diag *diag) {
    for (char *p = diag->text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
}

int diag_set(struct diag *diag, int code, const char *fmt, ...) {
    if (!diag)
        return code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(diag->text, sizeof(diag->text), fmt, ap);
    va_end(ap);
    diag_clean(diag);
    return code;
}

int diag_prefix(struct diag *diag, int code, const char *fmt, ...) {
    if (!diag)
        return code;
    char old[DIAG_MAX];
    memcpy(old, diag->text, sizeof(old));
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(diag->text, sizeof(diag->text), fmt, ap);
    va_end(ap);
    size_t used = n < 0 ? 0 : MIN((size_t)n, sizeof(diag->text) - 1);
    snprintf(diag->text + used, sizeof(diag->text) - used, ": %.*s", (int)(sizeof(old) - 1 - used),
             old);
    diag_clean(diag);
    return code;
}
