/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON writer. The error is sticky, so that callers look at it once, at the end.
 */

#include <string.h>

#include "base/error.h"
#include "base/utf8.h"
#include "proto/json.h"
#include "proto/values.h"

/* Room for `max` bytes more; NULL after an error. */
static char *reserve(struct json_writer *w, size_t max) {
    struct buffer *b = w->buffer;
    if (!w->err && max > b->cap - b->len)
        w->err = buffer_reserve(b, max);
    return w->err ? NULL : (char *)b->data + b->len;
}

static void put(struct json_writer *w, const void *data, size_t len) {
    char *at = reserve(w, len);
    if (!at)
        return;
    memcpy(at, data, len);
    w->buffer->len += len;
}

/* A bracket, after a comma where one has to be. */
static void put_mark(struct json_writer *w, char mark, bool comma) {
    char *at = reserve(w, 2);
    if (!at)
        return;
    at[0] = ',';
    at[comma] = mark;
    w->buffer->len += 1 + (size_t)comma;
}

static void separate(struct json_writer *w) {
    if (w->comma)
        put(w, ",", 1);
    w->comma = true;
}

void json_begin_object(struct json_writer *w) {
    put_mark(w, '{', w->comma);
    w->comma = false;
}

void json_end_object(struct json_writer *w) {
    put_mark(w, '}', false);
    w->comma = true;
}

void json_begin_array(struct json_writer *w) {
    put_mark(w, '[', w->comma);
    w->comma = false;
}

void json_end_array(struct json_writer *w) {
    put_mark(w, ']', false);
    w->comma = true;
}

/* A comma where one has to be, a quote, the text as it is, and `end`. */
static void put_plain(struct json_writer *w, const char *s, size_t len, const char *end) {
    char *at = reserve(w, len + 4);
    if (!at)
        return;
    char *from = at;
    *at = ',';
    at += w->comma;
    *at++ = '"';
    memcpy(at, s, len);
    at += len;
    while (*end)
        *at++ = *end++;
    w->buffer->len += (size_t)(at - from);
}

void json_key(struct json_writer *w, const char *key) {
    put_plain(w, key, strlen(key), "\":");
    w->comma = false;
}

static void put_escaped(struct json_writer *w, unsigned char c) {
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = "btn\0fr"; /* from 0x08 on */
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    size_t len = sizeof(text);
    if (c == '"' || c == '\\') {
        text[1] = (char)c;
        len = 2;
    } else if (c >= 0x08 && c <= 0x0d && letters[c - 0x08]) {
        text[1] = letters[c - 0x08];
        len = 2;
    }
    put(w, text, len);
}

/* Whether nothing in it is escaped. */
static bool is_plain(const char *s, size_t len) {
    unsigned char special = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        special |= (unsigned char)(c - 0x20) >= 0x5f; /* 0x7f and beyond too */
        special |= c == '"';
        special |= c == '\\';
    }
    return !special;
}

void json_put_string(struct json_writer *w, const char *s) {
    size_t len = strlen(s);
    if (is_plain(s, len)) {
        put_plain(w, s, len, "\"");
        w->comma = true;
        return;
    }
    separate(w);
    put(w, "\"", 1);
    size_t copied = 0;
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)s[i];
        size_t n = utf8_length(s + i, len - i);
        if (n && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
            i += n;
            continue;
        }
        put(w, s + copied, i - copied);
        if (n)
            put_escaped(w, c);
        else
            put(w, "\xef\xbf\xbd", 3);
        copied = ++i;
    }
    put(w, s + copied, len - copied);
    put(w, "\"", 1);
}

char *json_put_reserve(struct json_writer *w, size_t max) {
    separate(w);
    return reserve(w, max);
}

void json_put_done(struct json_writer *w, size_t len) {
    edge_assert(len <= w->buffer->cap - w->buffer->len);
    w->buffer->len += len;
}

void json_put_uint(struct json_writer *w, uint64_t v) {
    char *at = json_put_reserve(w, VALUES_MAX_TEXT);
    if (at)
        json_put_done(w, value_write_uint(at, v));
}

void json_put_int(struct json_writer *w, int64_t v) {
    char *at = json_put_reserve(w, VALUES_MAX_TEXT);
    if (at)
        json_put_done(w, value_write_int(at, v));
}

void json_put_float(struct json_writer *w, float v) {
    char *at = json_put_reserve(w, VALUES_MAX_TEXT);
    if (at)
        json_put_done(w, value_write_float(at, v));
}

void json_put_bool(struct json_writer *w, bool v) {
    separate(w);
    put(w, v ? "true" : "false", v ? 4 : 5);
}

void json_put_null(struct json_writer *w) {
    separate(w);
    put(w, "null", 4);
}
