/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every setting with its type and range, and the conversions from text.
 */

#include "config/settings.h"

#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "config/config.h"

enum setting_type {
    SETTING_COUNT, /* unsigned */
    SETTING_MODE,  /* unsigned, octal */
    SETTING_BYTES, /* uint64_t, with K, M or G */
    SETTING_TEXT,  /* char[max], max counts the NUL; may be empty where min is 0 */
    SETTING_TIER,  /* char[max] */
    SETTING_LEVEL, /* enum log_level */
};

struct setting {
    const char *section;
    const char *key;
    enum setting_type type;
    size_t offset;
    uint64_t min;
    uint64_t max;
};

#define AT(member) offsetof(struct config, member)
#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static const struct setting settings[] = {
    {"server", "socket", SETTING_TEXT, AT(socket), 1, CONFIG_SOCKET_MAX},
    {"server", "socket-mode", SETTING_MODE, AT(socket_mode), 0, 0777},
    {"server", "models", SETTING_TEXT, AT(models), 0, CONFIG_PATH_MAX},
    {"server", "workers", SETTING_COUNT, AT(workers), 0, 256},
    {"server", "cpu", SETTING_TIER, AT(cpu), 1, CONFIG_TIER_MAX},
    {"server", "crossover-file", SETTING_TEXT, AT(crossover_file), 0, CONFIG_PATH_MAX},
    {"server", "admin-users", SETTING_TEXT, AT(admin_users), 0, CONFIG_PATH_MAX},
    {"server", "log-level", SETTING_LEVEL, AT(log_level), 0, 0},
    {"limits", "max-batch", SETTING_COUNT, AT(max_batch), 1, 4096},
    {"limits", "queue", SETTING_COUNT, AT(queue), 1, 65536},
    {"limits", "max-connections", SETTING_COUNT, AT(max_connections), 1, 65536},
    {"limits", "max-connections-per-user", SETTING_COUNT, AT(max_connections_per_user), 1, 65536},
    {"limits", "max-message", SETTING_BYTES, AT(max_message), 4 * KIB, GIB},
    {"limits", "memory-per-user", SETTING_BYTES, AT(memory_per_user), MIB, 1024 * GIB},
};

/* The names of kernels/cpu.h, which this folder may not use; the unit test compares them. */
static const char *const tiers[] = {"auto", "c",    "avx2",    "avxvnni", "avx512vnni",
                                    "amx",  "neon", "dotprod", "i8mm"};

static const struct {
    const char *name;
    enum log_level level;
} levels[] = {
    {"error", LOG_LEVEL_ERROR}, {"warning", LOG_LEVEL_WARNING}, {"notice", LOG_LEVEL_NOTICE},
    {"info", LOG_LEVEL_INFO},   {"debug", LOG_LEVEL_DEBUG},
};

/* A decimal number and, where `suffix` is set, one letter K, M or G. strtoull would take signs, blanks and octal. */
static bool parse_number(const char *text, bool suffix, uint64_t *ret) {
    uint64_t v = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
            __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
            return false;
    if (p == text)
        return false;
    if (suffix && *p) {
        static const char letters[] = "KMG";
        const char *at = strchr(letters, *p);
        if (!at || __builtin_mul_overflow(v, UINT64_C(1) << (10 * (at - letters + 1)), &v))
            return false;
        p++;
    }
    if (*p)
        return false;
    *ret = v;
    return true;
}

static int set_number(const struct setting *s, const char *value, void *target, struct diag *diag) {
    bool bytes = s->type == SETTING_BYTES;
    uint64_t v;
    if (!parse_number(value, bytes, &v))
        return diag_set(diag, CONFIG_E_INVALID, "%s: '%.40s' is not a number%s", s->key, value,
                        bytes ? " of bytes (K, M and G may follow)" : "");
    if (v < s->min || v > s->max)
        return diag_set(diag, CONFIG_E_INVALID, "%s: %.40s is not within %llu to %llu", s->key,
                        value, (unsigned long long)s->min, (unsigned long long)s->max);
    if (bytes)
        *(uint64_t *)target = v;
    else
        *(unsigned *)target = (unsigned)v;
    return 0;
}

/* As chmod(1) takes it: three octal digits, a zero may go before them. */
static int set_mode(const struct setting *s, const char *value, unsigned *target,
                    struct diag *diag) {
    const char *p = value + (strlen(value) == 4 && *value == '0');
    if (strlen(p) != 3 || strspn(p, "01234567") != 3)
        return diag_set(diag, CONFIG_E_INVALID, "%s: '%.40s' is not a mode like 0660", s->key,
                        value);
    *target = (unsigned)((p[0] - '0') << 6 | (p[1] - '0') << 3 | (p[2] - '0'));
    return 0;
}

static int set_text(const struct setting *s, const char *value, char *target, struct diag *diag) {
    size_t len = strlen(value);
    if (len < s->min)
        return diag_set(diag, CONFIG_E_INVALID, "%s: must not be empty", s->key);
    if (len >= s->max)
        return diag_set(diag, CONFIG_E_INVALID, "%s: longer than %llu bytes", s->key,
                        (unsigned long long)s->max - 1);
    memcpy(target, value, len + 1);
    return 0;
}

static int set_tier(const struct setting *s, const char *value, char *target, struct diag *diag) {
    for (size_t i = 0; i < ARRAY_SIZE(tiers); i++)
        if (strcmp(value, tiers[i]) == 0)
            return set_text(s, value, target, diag);
    return diag_set(diag, CONFIG_E_INVALID,
                    "%s: '%.40s' is not auto, c, avx2, avxvnni, avx512vnni, amx, neon, dotprod or "
                    "i8mm",
                    s->key, value);
}

static int set_level(const struct setting *s, const char *value, enum log_level *target,
                     struct diag *diag) {
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
        if (strcmp(value, levels[i].name) == 0) {
            *target = levels[i].level;
            return 0;
        }
    return diag_set(diag, CONFIG_E_INVALID,
                    "%s: '%.40s' is not error, warning, notice, info or debug", s->key, value);
}

bool settings_have_section(const char *section) {
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
        if (strcmp(settings[i].section, section) == 0)
            return true;
    return false;
}

/* An unknown key: says so, and where it would be right if it is merely in the wrong section. */
static int unknown_key(const char *section, const char *key, struct diag *diag) {
    if (!*section)
        return diag_set(diag, CONFIG_E_INVALID, "'%.40s' stands before the first [section]", key);
    if (!settings_have_section(section))
        return diag_set(diag, CONFIG_E_INVALID, "unknown section [%.40s]", section);
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
        if (strcmp(settings[i].key, key) == 0)
            return diag_set(diag, CONFIG_E_INVALID, "'%.40s' belongs in [%s], not in [%s]", key,
                            settings[i].section, section);
    return diag_set(diag, CONFIG_E_INVALID, "unknown key '%.40s' in [%s]", key, section);
}

int settings_set(struct config *config, const char *section, const char *key, const char *value,
                 struct diag *diag) {
    const struct setting *s = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(settings) && !s; i++)
        if (strcmp(settings[i].section, section) == 0 && strcmp(settings[i].key, key) == 0)
            s = &settings[i];
    if (!s)
        return unknown_key(section, key, diag);
    void *target = (char *)config + s->offset;
    switch (s->type) {
    case SETTING_COUNT:
    case SETTING_BYTES:
        return set_number(s, value, target, diag);
    case SETTING_MODE:
        return set_mode(s, value, target, diag);
    case SETTING_TEXT:
        return set_text(s, value, target, diag);
    case SETTING_TIER:
        return set_tier(s, value, target, diag);
    case SETTING_LEVEL:
        return set_level(s, value, target, diag);
    }
    return err_origin(-ENOTRECOVERABLE);
}
