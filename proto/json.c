/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents: a scan that knows strings cuts tensor values out of the text, then cJSON parses what is left. A cut leaves
 * its number behind. Where the text itself has a bare number under `data` or `raw` the scan writes `false` instead,
 * so that a number found there in the tree is always one of ours.
 */

#include "proto/json.h"

#include <string.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "base/utf8.h"
#include "proto/values.h"

#define FLAT_BLOCK 64

/* Characters of numbers and literals, blanks and commas: what may stand in an array that is cut out. Without branches, so
 * that the compiler looks at many at once. */
static bool is_flat_char(unsigned char c) {
    bool letter = (unsigned char)((c | 0x20) - 'a') < 26, digit = (unsigned char)(c - '0') < 10;
    bool sign = (unsigned char)(c - '+') < 4; /* + , - . */
    bool tab = (unsigned char)(c - '\t') < 2, space = c == ' ', cr = c == '\r';
    return letter | digit | sign | tab | space | cr;
}

/* The first character from p on that is not flat; *end is a NUL. */
static const char *skip_flat(const char *p, const char *end) {
    while (end - p >= FLAT_BLOCK) {
        unsigned char other = 0;
        for (int i = 0; i < FLAT_BLOCK; i++)
            other |= !is_flat_char((unsigned char)p[i]);
        if (other)
            break;
        p += FLAT_BLOCK;
    }
    while (is_flat_char((unsigned char)*p))
        p++;
    return p;
}

static const char *skip_blanks(const char *p) {
    while (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')
        p++;
    return p;
}

/* The closing quote of the string that begins after `p`; NULL where there is none. */
static const char *string_end(const char *p, const char *end) {
    const char *from = p;
    for (;;) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        if (!quote)
            return NULL;
        size_t backslashes = 0;
        while (quote - backslashes > from && quote[-1 - (ptrdiff_t)backslashes] == '\\')
            backslashes++;
        if (backslashes % 2 == 0)
            return quote;
        p = quote + 1;
    }
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether the text of a key, escapes and all, is the word. */
static bool key_is(const char *p, const char *end, const char *word) {
    for (; *word; word++) {
        if (p == end)
            return false;
        char c = *p++;
        if (c == '\\') {
            if (end - p < 5 || p[0] != 'u' || p[1] != '0' || p[2] != '0' || hex_digit(p[3]) < 0 ||
                hex_digit(p[4]) < 0)
                return false;
            c = (char)(hex_digit(p[3]) * 16 + hex_digit(p[4]));
            p += 5;
        }
        if (c != *word)
            return false;
    }
    return p == end;
}

struct scan {
    struct json_doc *doc;
    const char *text;
    const char *end;
    const char *copied; /* text before it is in doc->small, where anything is */
    bool any;
};

/* Puts `with` in the place of [from, to). */
static int replace(struct scan *s, const char *from, const char *to, const char *with) {
    int r = buffer_append(&s->doc->small, s->copied, (size_t)(from - s->copied));
    if (!r)
        r = buffer_append(&s->doc->small, with, strlen(with));
    s->copied = to;
    s->any = true;
    return r;
}

/* Cuts [from, to), brackets or quotes included. */
static int cut(struct scan *s, const char *from, const char *to, bool is_string) {
    struct json_cut c = {
        .text = (char *)from + 1, .len = (size_t)(to - from) - 2, .is_string = is_string};
    size_t n = s->doc->cuts.len / sizeof(c);
    char number[VALUES_MAX_TEXT + 1];
    if (n == JSON_MAX_CUTS)
        return JSON_E_INVALID;
    number[value_write_uint(number, n)] = '\0';
    int r = buffer_append(&s->doc->cuts, &c, sizeof(c));
    return r ? r : replace(s, from, to, number);
}

/* Looks at the value of a `data` or `raw` key. *p moves behind what was dealt with. */
static int scan_value(struct scan *s, bool is_data, const char **p) {
    const char *value = *p;
    const char *q = value + 1;
    if (is_data && *value == '[') {
        q = skip_flat(q, s->end);
        if (*q != ']')
            return 0;
        *p = q + 1;
        return cut(s, value, q + 1, false);
    }
    if (!is_data && *value == '"') {
        q = string_end(q, s->end);
        if (!q)
            return 0;
        *p = q + 1;
        return cut(s, value, q + 1, true);
    }
    if (*value == '-' || (*value >= '0' && *value <= '9')) {
        while (is_flat_char((unsigned char)*q) && *q != ',')
            q++;
        *p = q;
        return replace(s, value, q, "false");
    }
    return 0;
}

static int scan_cuts(struct scan *s) {
    const char *p = s->text;
    while ((p = memchr(p, '"', (size_t)(s->end - p)))) {
        const char *key = p + 1;
        const char *quote = string_end(key, s->end);
        if (!quote)
            return 0;
        p = skip_blanks(quote + 1);
        if (*p != ':')
            continue;
        bool is_data = key_is(key, quote, "data");
        if (!is_data && !key_is(key, quote, "raw"))
            continue;
        p = skip_blanks(p + 1);
        int r = scan_value(s, is_data, &p);
        if (r)
            return r;
    }
    return 0;
}

/* An escaped NUL would end a C string early: what was checked would not be what was sent. */
static bool has_escaped_nul(const char *text) {
    for (const char *p = text; (p = strstr(p, "\\u0000")); p++) {
        size_t backslashes = 1;
        while (p - backslashes >= text && *(p - backslashes) == '\\')
            backslashes++;
        if (backslashes % 2 == 1)
            return true;
    }
    return false;
}

/* cJSON takes any control character for a blank, and any in a string; JSON does not, and what looks for
 * a member in the text knows only JSON's. */
static bool has_control(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' && !strchr("\t\n\r", text[i]))
            return true;
    return false;
}

void json_doc_init(struct json_doc *doc) {
    buffer_init(&doc->small, SIZE_MAX);
    buffer_init(&doc->cuts, SIZE_MAX);
    doc->root = NULL;
}

void json_doc_deinit(struct json_doc *doc) {
    cJSON_Delete(doc->root);
    buffer_deinit(&doc->small);
    buffer_deinit(&doc->cuts);
    doc->root = NULL;
}

void json_doc_reset(struct json_doc *doc, size_t keep) {
    cJSON_Delete(doc->root);
    doc->root = NULL;
    buffer_reset(&doc->small, keep);
    buffer_reset(&doc->cuts, keep);
}

int json_doc_parse(struct json_doc *doc, char *text, size_t len) {
    struct scan s = {.doc = doc, .text = text, .end = text + len, .copied = text};
    int r = scan_cuts(&s);
    if (r)
        return r;
    const char *parsed = text;
    if (s.any) {
        /* The NUL comes along. */
        r = buffer_append(&doc->small, s.copied, (size_t)(s.end - s.copied) + 1);
        if (r)
            return err_trace(r);
        parsed = (const char *)doc->small.data;
        len = doc->small.len - 1;
    }
    if (!utf8_valid(parsed, len) || has_escaped_nul(parsed) || has_control(parsed, len))
        return JSON_E_INVALID;
    const char *end;
    doc->root = cJSON_ParseWithLengthOpts(parsed, len, &end, false);
    if (!doc->root || skip_blanks(end) != parsed + len)
        return JSON_E_INVALID;
    return 0;
}

const struct json_cut *json_doc_cut(const struct json_doc *doc, const cJSON *item) {
    if (!item || !cJSON_IsNumber(item) || !item->string)
        return NULL;
    bool is_data = strcmp(item->string, "data") == 0;
    size_t n = doc->cuts.len / sizeof(struct json_cut);
    int64_t i;
    if ((!is_data && strcmp(item->string, "raw") != 0) || !json_int(item, 0, JSON_MAX_CUTS, &i) ||
        (size_t)i >= n)
        return NULL;
    return (const struct json_cut *)(const void *)doc->cuts.data + i;
}

static bool escapes_valid(const char *p, size_t len) {
    const char *end = p + len;
    while ((p = memchr(p, '\\', (size_t)(end - p)))) {
        if (end - p < 2 || !strchr("\"\\/bfnrtu", p[1]) || !p[1])
            return false;
        for (int i = 0; p[1] == 'u' && i < 4; i++)
            if (end - p < 6 || hex_digit(p[2 + i]) < 0)
                return false;
        p += 2;
    }
    return true;
}

bool json_doc_whole(const struct json_doc *doc) {
    const struct json_cut *c = (const struct json_cut *)(const void *)doc->cuts.data;
    for (size_t n = doc->cuts.len / sizeof(*c); n > 0; n--, c++)
        if (c->is_string ? !utf8_valid(c->text, c->len) || !escapes_valid(c->text, c->len)
                         : !values_text_valid(c->text, c->len))
            return false;
    return true;
}

/* Behind the value that begins at p, in a document that is valid. */
static const char *skip_value(const char *p, const char *end) {
    for (int depth = 0; p < end;) {
        if (*p == '"')
            p = string_end(p + 1, end) + 1;
        else if (*p == '{' || *p == '[')
            depth++, p++;
        else if (*p == '}' || *p == ']')
            depth--, p++;
        else if (depth == 0) /* a number or a literal */
            while (p < end && *p != ',' && *p != '}' && *p != ']')
                p++;
        else
            p = *p == ':' ? p + 1 : skip_flat(p, end);
        if (depth == 0)
            break;
    }
    return p;
}

const char *json_member_text(const char *text, size_t len, const char *key, size_t *ret_len) {
    const char *end = text + len;
    const char *found = NULL;
    const char *p = strchr(text, '{');
    while (p && (p = memchr(p, '"', (size_t)(end - p)))) {
        const char *quote = string_end(p + 1, end);
        const char *value = skip_blanks(skip_blanks(quote + 1) + 1);
        bool is_it = key_is(p + 1, quote, key);
        p = skip_value(value, end);
        if (is_it) {
            found = value;
            *ret_len = (size_t)(p - value);
        }
    }
    return found;
}

bool json_int(const cJSON *item, int64_t min, int64_t max, int64_t *ret) {
    if (!cJSON_IsNumber(item))
        return false;
    double d = item->valuedouble;
    /* Also false for NaN; then the conversion is defined. */
    if (!(d >= -(double)JSON_MAX_INT && d <= (double)JSON_MAX_INT))
        return false;
    int64_t v = (int64_t)d;
    if ((double)v != d || v < min || v > max)
        return false;
    *ret = v;
    return true;
}
