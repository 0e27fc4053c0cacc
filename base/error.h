/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The error convention: 0 is success; a negative errno is unexpected and is forwarded with err_trace(); a positive
 * MODULE_E_* code is documented by its function and handled by the direct caller. Thread-safe.
 */

#include <errno.h>

#include "base/attributes.h"

/* Raises a negative errno here. `err` is a negative errno value; returns it. */
#define err_origin(err) err_report("raised", (err), __FILE__, __LINE__, __func__)
/* Forwards a code that a callee returned. Positive codes pass silently; returns `err`. */
#define err_trace(err)                                                                             \
    ({                                                                                             \
        int err_trace_e = (err);                                                                   \
        err_trace_e < 0 ? err_report("via", err_trace_e, __FILE__, __LINE__, __func__)             \
                        : err_trace_e;                                                             \
    })
/* Turns a positive code that cannot happen here into -ENOTRECOVERABLE; negative codes are traced. */
#define err_fold(err)                                                                              \
    ({                                                                                             \
        int err_fold_e = (err);                                                                    \
        err_fold_e > 0                                                                             \
            ? err_report("unexpected code", -ENOTRECOVERABLE, __FILE__, __LINE__, __func__)        \
        : err_fold_e < 0 ? err_report("via", err_fold_e, __FILE__, __LINE__, __func__)             \
                         : 0;                                                                      \
    })

/* Logs one hop of an error chain at debug level and returns `err`. Use the macros above. */
int err_report(const char *what, int err, const char *file, int line, const char *func);

/* Always compiled in, for our own bugs only: never on data from a peer or a file. */
#define edge_assert(cond)                                                                          \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0))                                                          \
            err_assert_failed(#cond, __FILE__, __LINE__, __func__);                                \
    } while (0)
_Noreturn void err_assert_failed(const char *cond, const char *file, int line, const char *func);

/* A sentence for a human that says which input was refused and why. The caller owns it; functions that read outside
 * data fill it in when, and only when, they return non-zero. */
#define DIAG_MAX 320
struct diag {
    char text[DIAG_MAX];
};

/* Writes the sentence (cut at DIAG_MAX, control characters replaced) and returns `code`. `diag` may be NULL. */
int diag_set(struct diag *diag, int code, const char *fmt, ...) _printf_(3, 4);
/* Puts "prefix: " before the sentence that is there and returns `code`. */
int diag_prefix(struct diag *diag, int code, const char *fmt, ...) _printf_(3, 4);
