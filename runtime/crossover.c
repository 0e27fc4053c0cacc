/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crossover file: reading and writing.
 */

#include "runtime/crossover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"

#define FILE_MAX ((size_t)64 << 10)
#define NAME_MAX_LENGTH ((size_t)32)

/* Part of a line. */
struct span {
    const char *at;
    size_t n;
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static struct span trim(struct span s) {
    while (s.n > 0 && is_blank(*s.at)) {
        s.at++;
        s.n--;
    }
    while (s.n > 0 && is_blank(s.at[s.n - 1]))
        s.n--;
    return s;
}

static bool equals(struct span s, const char *name) {
    return strlen(name) == s.n && memcmp(s.at, name, s.n) == 0;
}

static enum tier find_tier(struct span s) {
    unsigned t = 0;
    while (t < TIER_END && !equals(s, tier_name((enum tier)t)))
        t++;
    return (enum tier)t;
}

/* The value that "kind-pattern" stands for; NULL: none. */
static float *find_value(struct crossovers *c, enum tier tier, struct span name) {
    for (unsigned k = 0; k < SPARSE_KIND_END; k++) {
        const char *kind = sparse_kind_name((enum sparse_kind)k);
        const size_t n = strlen(kind);
        if (name.n <= n || memcmp(name.at, kind, n) != 0 || name.at[n] != '-')
            continue;
        const struct span rest = {name.at + n + 1, name.n - n - 1};
        for (unsigned p = 0; p < KERN_PATTERN_END; p++)
            if (equals(rest, sparse_pattern_name((enum kern_pattern)p)))
                return &c->value[tier][k][p];
    }
    return NULL;
}

/* Digits, and a point with more digits: at most 1. */
static bool read_density(struct span s, float *ret) {
    double v = 0, place = 1;
    bool point = false, digits = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.at[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
        digits = true;
        if (point)
            place /= 10;
        v = point ? v + place * (s.at[i] - '0') : v * 10 + (s.at[i] - '0');
    }
    if (!digits || v > 1)
        return false;
    *ret = (float)v;
    return true;
}

static int parse_line(struct crossovers *c, struct span line, enum tier *tier, struct diag *diag) {
    const int shown = (int)MIN(line.n, NAME_MAX_LENGTH);
    if (line.n == 0 || *line.at == '#')
        return 0;
    if (*line.at == '[') {
        const bool closed = line.n > 2 && line.at[line.n - 1] == ']';
        *tier = closed ? find_tier((struct span){line.at + 1, line.n - 2}) : TIER_END;
        if (*tier == TIER_END)
            return diag_set(diag, CROSSOVER_E_INVALID, "'%.*s' is not a CPU tier in brackets",
                            shown, line.at);
        return 0;
    }
    const char *equal = memchr(line.at, '=', line.n);
    if (!equal)
        return diag_set(diag, CROSSOVER_E_INVALID,
                        "neither a [tier] nor kind-pattern = density nor a comment");
    if (*tier == TIER_END)
        return diag_set(diag, CROSSOVER_E_INVALID, "a value before the first [tier]");
    const struct span name = trim((struct span){line.at, (size_t)(equal - line.at)});
    float *value = find_value(c, *tier, name);
    if (!value)
        return diag_set(diag, CROSSOVER_E_INVALID,
                        "'%.*s' is no kind of product and pattern, like s8-vector-4x1",
                        (int)MIN(name.n, NAME_MAX_LENGTH), name.at);
    const struct span text = trim((struct span){equal + 1, line.n - (size_t)(equal + 1 - line.at)});
    if (!read_density(text, value))
        return diag_set(diag, CROSSOVER_E_INVALID, "'%.*s' is not a density from 0 to 1",
                        (int)MIN(text.n, NAME_MAX_LENGTH), text.at);
    return 0;
}

static void set_none(struct crossovers *c) {
    for (unsigned t = 0; t < TIER_END; t++)
        for (unsigned k = 0; k < SPARSE_KIND_END; k++)
            for (unsigned p = 0; p < KERN_PATTERN_END; p++)
                c->value[t][k][p] = -1;
}

int crossover_parse(const char *origin, const char *text, size_t size, struct crossovers *ret,
                    struct diag *diag) {
    struct crossovers c;
    enum tier tier = TIER_END;
    set_none(&c);
    for (int number = 1; size > 0; number++) {
        const char *newline = memchr(text, '\n', size);
        const size_t n = newline ? (size_t)(newline - text) : size;
        const int r = parse_line(&c, trim((struct span){text, n}), &tier, diag);
        if (r)
            return diag_prefix(diag, r, "%s:%d", origin, number);
        text += n + (newline != NULL);
        size -= n + (newline != NULL);
    }
    *ret = c;
    return 0;
}

int crossover_load(const char *path, struct diag *diag) {
    _cleanup_(map_deinit) struct map map = {0};
    struct crossovers c;
    int r = map_read_file(path, FILE_MAX, &map, diag);
    if (r == -ENOENT)
        return 0;
    if (r == 0)
        r = crossover_parse(path, map.data, map.size, &c, diag);
    if (r)
        return r;
    for (unsigned t = 0; t < TIER_END; t++)
        for (unsigned k = 0; k < SPARSE_KIND_END; k++)
            for (unsigned p = 0; p < KERN_PATTERN_END; p++)
                if (c.value[t][k][p] >= 0)
                    sparse_set_crossover((enum tier)t, (enum sparse_kind)k, (enum kern_pattern)p,
                                         c.value[t][k][p]);
    return 0;
}

void crossover_format(enum tier tier,
                      const struct crossover_result results[SPARSE_KIND_END][KERN_PATTERN_END],
                      char ret[CROSSOVER_TEXT_MAX]) {
    size_t at = (size_t)snprintf(ret, CROSSOVER_TEXT_MAX, "[%s]\n", tier_name(tier));
    for (unsigned k = 0; k < SPARSE_KIND_END; k++)
        for (unsigned p = 0; p < KERN_PATTERN_END; p++)
            at += (size_t)snprintf(ret + at, CROSSOVER_TEXT_MAX - at, "%s-%s = %.2f\n",
                                   sparse_kind_name((enum sparse_kind)k),
                                   sparse_pattern_name((enum kern_pattern)p),
                                   (double)results[k][p].crossover);
}
