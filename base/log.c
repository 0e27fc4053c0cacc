/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines. Process-wide configuration, set once at start; each line is formatted on the stack and written with one
 * write so that lines of several threads do not mix.
 */

#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_MAX 1024

static enum log_level max_level = LOG_LEVEL_INFO;
static bool prefix_on;
static log_sink_fn sink;

void log_set_level(enum log_level level) {
    max_level = level;
}

enum log_level log_get_level(void) {
    return max_level;
}

void log_set_prefix(bool on) {
    prefix_on = on;
}

void log_set_sink(log_sink_fn new_sink) {
    sink = new_sink;
}

static void append(char *line, size_t *len, const char *fmt, ...) _printf_(3, 4);
static void append(char *line, size_t *len, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line + *len, LOG_LINE_MAX - *len, fmt, ap);
    va_end(ap);
    if (n > 0)
        *len = MIN(*len + (size_t)n, (size_t)LOG_LINE_MAX - 1);
}

static void write_stderr(enum log_level level, const struct log_fields *fields, const char *text) {
    char line[LOG_LINE_MAX];
    size_t len = 0;
    if (prefix_on)
        append(line, &len, "<%d>", (int)level);
    append(line, &len, "%s", text);
    if (fields) {
        if (fields->model)
            append(line, &len, " model=\"%.64s\"", fields->model);
        if (fields->peer)
            append(line, &len, " peer=%llu", (unsigned long long)fields->peer);
        if (fields->uid)
            append(line, &len, " uid=%lld", (long long)(fields->uid - 1));
        if (fields->request)
            append(line, &len, " request=%llu", (unsigned long long)fields->request);
        if (fields->err)
            append(line, &len, " err=%s", strerrorname_np(-fields->err));
    }
    line[len++] = '\n';
    /* A lost log line has nowhere to be reported. */
    _unused_ ssize_t n = write(STDERR_FILENO, line, len);
}

void log_write(enum log_level level, const struct log_fields *fields, const char *fmt, ...) {
    if (level > max_level)
        return;
    int saved = errno;
    char text[LOG_LINE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (sink)
        sink(level, fields, text);
    else
        write_stderr(level, fields, text);
    errno = saved;
}
