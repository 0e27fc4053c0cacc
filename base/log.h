/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Log lines with a level and a few structured fields. They go to stderr, with "<n>" syslog prefixes when asked, or to a
 * sink (edged installs the journal). Thread-safe once configured; configure before starting threads.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

/* Values are syslog priorities. */
enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_NOTICE = 5,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7,
};

/* Context of a line. Zero or NULL members are left out. Strings are borrowed for the call. */
struct log_fields {
    const char *model;
    uint64_t peer;    /* connection number, from 1 */
    uint64_t request; /* request number, from 1 */
    int64_t uid;      /* uid + 1, so that zero means absent */
    int err;          /* negative errno */
};

typedef void (*log_sink_fn)(enum log_level level, const struct log_fields *fields,
                            const char *text);

/* Lines above `level` are dropped. Default: LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* Prefix stderr lines with "<n>", as a service's stderr is read by systemd. Default: off. */
void log_set_prefix(bool on);
/* NULL goes back to stderr. */
void log_set_sink(log_sink_fn sink);

void log_write(enum log_level level, const struct log_fields *fields, const char *fmt, ...)
    _printf_(3, 4);

#define log_error(...) log_write(LOG_LEVEL_ERROR, NULL, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, NULL, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LEVEL_NOTICE, NULL, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, NULL, __VA_ARGS__)
/* Debug lines cost one comparison when they are off. */
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (log_get_level() >= LOG_LEVEL_DEBUG)                                                    \
            log_write(LOG_LEVEL_DEBUG, NULL, __VA_ARGS__);                                         \
    } while (0)
