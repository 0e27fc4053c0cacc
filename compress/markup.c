/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Escaping and numbers.
 */

#include "compress/markup.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/utf8.h"

void markup_raw(struct markup *m, const char *fmt, ...) {
    char *text = NULL;
    va_list ap;
    if (m->err)
        return;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0) {
        m->err = err_origin(-ENOMEM);
        return;
    }
    m->err = buffer_append(m->out, text, (size_t)n);
    free(text);
}

static const char *entity(unsigned char c) {
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void markup_text(struct markup *m, const char *text) {
    if (!text)
        return;
    bool utf8 = utf8_valid(text, strlen(text));
    for (const char *p = text; *p && !m->err; p++) {
        unsigned char c = (unsigned char)*p;
        const char *escaped = entity(c);
        if (escaped)
            m->err = buffer_append(m->out, escaped, strlen(escaped));
        else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f || (c >= 0x80 && !utf8))
            m->err = buffer_append(m->out, "?", 1);
        else
            m->err = buffer_append(m->out, p, 1);
    }
}

void markup_wrap(struct markup *m, const char *before, const char *text, const char *after) {
    markup_raw(m, "%s", before);
    markup_text(m, text);
    markup_raw(m, "%s", after);
}

static const char *dash(char *ret) {
    snprintf(ret, MARKUP_MAX_NUMBER, "–");
    return ret;
}

const char *markup_bytes(double bytes, char *ret) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
    unsigned unit = 0;
    if (isnan(bytes))
        return dash(ret);
    for (; bytes >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++)
        bytes /= 1024;
    int digits = unit == 0 || bytes >= 1000 ? 0 : 1;
    snprintf(ret, MARKUP_MAX_NUMBER, "%.*f\u00a0%s", digits, bytes, units[unit]);
    return ret;
}

const char *markup_count(double count, char *ret) {
    char digits[MARKUP_MAX_NUMBER];
    if (isnan(count) || !(fabs(count) < 1e18))
        return dash(ret);
    int n = snprintf(digits, sizeof(digits), "%.0f", count);
    char *p = ret;
    for (int i = 0; i < n; i++) {
        if (i && digits[i - 1] != '-' && (n - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    *p = 0;
    return ret;
}

const char *markup_us(double us, char *ret) {
    if (isnan(us))
        return dash(ret);
    if (us < 1e3)
        snprintf(ret, MARKUP_MAX_NUMBER, us < 100 ? "%.1f\u00a0µs" : "%.0f\u00a0µs", us);
    else if (us < 1e6)
        snprintf(ret, MARKUP_MAX_NUMBER, "%.2f\u00a0ms", us / 1e3);
    else
        snprintf(ret, MARKUP_MAX_NUMBER, "%.2f\u00a0s", us / 1e6);
    return ret;
}

const char *markup_ratio(double ratio, char *ret) {
    if (!isfinite(ratio))
        return dash(ret);
    snprintf(ret, MARKUP_MAX_NUMBER, ratio < 10 ? "%.2f×" : ratio < 100 ? "%.1f×" : "%.0f×", ratio);
    return ret;
}
