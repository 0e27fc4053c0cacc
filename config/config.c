/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the configuration with libinih. It is given the text line by line, so that every message names its line and
 * nothing it would quietly accept (long lines cut in two, indented lines joined to the one before) gets that far.
 */

#include "config/config.h"

#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "config/settings.h"

#define CONFIG_FILE_MAX ((size_t)64 << 10)

static const struct config defaults = {
    .socket = "/run/edged/io.edged",
    .socket_mode = 0660,
    .models = "/var/lib/edged/models",
    .workers = 0,
    .cpu = "auto",
    .crossover_file = "/var/lib/edged/crossover",
    .admin_users = "",
    .log_level = LOG_LEVEL_INFO,
    .max_batch = 64,
    .queue = 1024,
    .max_connections = 1024,
    .max_connections_per_user = 256,
    .max_message = UINT64_C(16) << 20,
    .memory_per_user = UINT64_C(256) << 20,
};

/* One parse. `line` is the number of the line libinih has last been given. */
struct parser {
    struct config config;
    const char *origin;
    const char *text;
    size_t left;
    int line;
    int result;
    struct diag *diag;
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* A section that holds no key, or only commented ones, never reaches the handler. */
static int check_section(struct parser *p, const char *line, size_t len) {
    char name[32];
    const char *end = memchr(line, ']', len);
    if (!end)
        return diag_set(p->diag, CONFIG_E_INVALID, "']' is missing");
    size_t n = (size_t)(end - line) - 1;
    if (n < sizeof(name)) {
        memcpy(name, line + 1, n);
        name[n] = 0;
        if (settings_have_section(name))
            return 0;
    }
    return diag_set(p->diag, CONFIG_E_INVALID, "unknown section [%.*s]", (int)MIN(n, (size_t)40),
                    line + 1);
}

/* ini_reader: the next line without leading blanks, or NULL at the end and after an error. */
static char *next_line(char *str, int num, void *stream) {
    struct parser *p = stream;
    if (p->result || p->left == 0)
        return NULL;
    const char *newline = memchr(p->text, '\n', p->left);
    size_t len = newline ? (size_t)(newline - p->text) + 1 : p->left;
    const char *line = p->text;
    p->text += len;
    p->left -= len;
    p->line++;
    while (len > 0 && is_blank(*line)) {
        line++;
        len--;
    }
    if (memchr(line, 0, len)) {
        p->result = diag_set(p->diag, CONFIG_E_INVALID, "a NUL byte");
        return NULL;
    }
    if (len >= (size_t)num) {
        p->result = diag_set(p->diag, CONFIG_E_INVALID, "longer than %d bytes", num - 1);
        return NULL;
    }
    if (len > 0 && *line == '[') {
        p->result = check_section(p, line, len);
        if (p->result)
            return NULL;
    }
    memcpy(str, line, len);
    str[len] = 0;
    return str;
}

static int handle(void *user, const char *section, const char *name, const char *value) {
    struct parser *p = user;
    p->result = settings_set(&p->config, section, name, value, p->diag);
    /* Users are looked up later: keep where. */
    if (p->result == 0 && strcmp(name, "admin-users") == 0)
        snprintf(p->config.admin_users_origin, CONFIG_ORIGIN_MAX, "%s:%d", p->origin, p->line);
    return p->result == 0;
}

int config_parse(struct config *config, const char *origin, const void *text, size_t size,
                 struct diag *diag) {
    struct parser p = {
        .config = *config, .origin = origin, .text = text, .left = size, .diag = diag};
    int bad_line = ini_parse_stream(next_line, &p, handle, &p);
    if (bad_line < 0)
        return diag_set(diag, -ENOMEM, "%s: no memory", origin);
    /* libinih reads on after a line it cannot take; a later error of ours must not hide that one. */
    if (bad_line > 0 && (p.result == 0 || bad_line < p.line))
        return diag_set(diag, CONFIG_E_INVALID,
                        "%s:%d: neither a [section] nor key = value nor a comment", origin,
                        bad_line);
    if (p.result)
        return diag_prefix(diag, p.result, "%s:%d", origin, p.line);
    *config = p.config;
    return 0;
}

int config_set(struct config *config, const char *section, const char *key, const char *value,
               struct diag *diag) {
    return settings_set(config, section, key, value, diag);
}

void config_defaults(struct config *ret_config) {
    *ret_config = defaults;
}

static int read_file(struct config *config, const char *path, struct diag *diag) {
    _cleanup_(map_deinit) struct map map = {0};
    int r = map_read_file(path, CONFIG_FILE_MAX, &map, diag);
    return r ? r : config_parse(config, path, map.data, map.size, diag);
}

static int is_drop_in(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

/* Byte order, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_drop_in(struct config *config, const char *dir, const char *name,
                        struct diag *diag) {
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (n < 0 || (size_t)n >= sizeof(path))
        return diag_set(diag, -ENAMETOOLONG, "%s/%s: the name is too long", dir, name);
    return read_file(config, path, diag);
}

static int read_drop_ins(struct config *config, const char *path, struct diag *diag) {
    char dir[PATH_MAX];
    int n = snprintf(dir, sizeof(dir), "%s.d", path);
    if (n < 0 || (size_t)n >= sizeof(dir))
        return diag_set(diag, -ENAMETOOLONG, "%s.d: the name is too long", path);
    struct dirent **names;
    int count = scandir(dir, &names, is_drop_in, by_name);
    if (count < 0)
        return errno == ENOENT ? 0 : diag_set(diag, -errno, "%s: %s", dir, strerror(errno));
    int r = 0;
    for (int i = 0; i < count; i++) {
        if (r == 0)
            r = read_drop_in(config, dir, names[i]->d_name, diag);
        free(names[i]);
    }
    free(names);
    return r;
}

int config_read(const char *path, bool must_exist, struct config *ret_config, struct diag *diag) {
    struct config config = defaults;
    int r = read_file(&config, path, diag);
    if (r && (r != -ENOENT || must_exist))
        return r;
    r = read_drop_ins(&config, path, diag);
    if (r)
        return r;
    *ret_config = config;
    return 0;
}
