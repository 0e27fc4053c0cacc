/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal as a sink of base/log.
 */

#include "daemon/journal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Our lines carry where they come from in their text, if anywhere. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/log.h"

#define MAX_FIELDS 8

/* The fields of one line, formatted on the stack. */
struct line {
    struct iovec iov[MAX_FIELDS];
    int n;
    char text[MAX_FIELDS][128];
    char message[1100];
};

static void add(struct line *line, const char *fmt, ...) _printf_(2, 3);
static void add(struct line *line, const char *fmt, ...) {
    va_list ap;
    char *text = line->text[line->n];
    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof(line->text[0]), fmt, ap);
    va_end(ap);
    if (len < 0)
        return;
    line->iov[line->n++] =
        (struct iovec){.iov_base = text, .iov_len = MIN((size_t)len, sizeof(line->text[0]) - 1)};
}

static void sink(enum log_level level, const struct log_fields *fields, const char *text) {
    struct line line = {0};
    int len = snprintf(line.message, sizeof(line.message), "MESSAGE=%s", text);
    line.iov[line.n++] = (struct iovec){.iov_base = line.message,
                                        .iov_len = MIN((size_t)len, sizeof(line.message) - 1)};
    add(&line, "PRIORITY=%d", (int)level);
    add(&line, "SYSLOG_IDENTIFIER=edged");
    if (fields && fields->model)
        add(&line, "EDGED_MODEL=%.64s", fields->model);
    if (fields && fields->peer)
        add(&line, "EDGED_PEER=%" PRIu64, fields->peer);
    if (fields && fields->request)
        add(&line, "EDGED_REQUEST=%" PRIu64, fields->request);
    if (fields && fields->uid)
        add(&line, "EDGED_UID=%" PRId64, fields->uid - 1);
    if (fields && fields->err)
        add(&line, "ERRNO=%d", -fields->err);
    sd_journal_sendv(line.iov, line.n);
}

bool journal_init(const char *stream) {
    struct stat st;
    char mine[64];
    if (!stream || fstat(STDERR_FILENO, &st) < 0)
        return false;
    snprintf(mine, sizeof(mine), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    if (strcmp(mine, stream) != 0)
        return false;
    log_set_sink(sink);
    return true;
}
