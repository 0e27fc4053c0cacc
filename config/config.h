/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The daemon's settings: built-in defaults, then /etc/edged/edged.conf, then edged.conf.d/ beside it. A plain value without
 * pointers: copy it freely. No state, thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/log.h"

struct diag;

#define CONFIG_PATH_MAX 192   /* a path with its NUL; a line of the file is not longer either */
#define CONFIG_SOCKET_MAX 108 /* sun_path with its NUL */
#define CONFIG_TIER_MAX 16
#define CONFIG_ORIGIN_MAX 256

/* A file says something that is not a valid setting. */
#define CONFIG_E_INVALID 1

struct config {
    /* [server] */
    char socket[CONFIG_SOCKET_MAX];             /* ignored when systemd passes the socket */
    unsigned socket_mode;                       /* permissions of `socket` */
    char models[CONFIG_PATH_MAX];               /* its *.edge files are loaded at start; "": none */
    unsigned workers;                           /* compute threads; 0: one for each CPU */
    char cpu[CONFIG_TIER_MAX];                  /* a tier's name, or "auto" */
    char crossover_file[CONFIG_PATH_MAX];       /* measured densities; "": none */
    char admin_users[CONFIG_PATH_MAX];          /* names or uids, between spaces or commas */
    char admin_users_origin[CONFIG_ORIGIN_MAX]; /* "FILE:LINE" that says so; "": none */
    enum log_level log_level;
    /* [limits] */
    unsigned max_batch;
    unsigned queue; /* requests that wait for a worker */
    unsigned max_connections;
    unsigned max_connections_per_user;
    uint64_t max_message;     /* bytes of one message */
    uint64_t memory_per_user; /* bytes held for one uid */
};

void config_defaults(struct config *ret_config);

/* Reads `path` and then `path`.d/<name>.conf in byte order over the defaults; a later setting replaces an earlier one.
 * A `path` that is not there is an error (-ENOENT) only where `must_exist`. CONFIG_E_INVALID: `diag` says
 * "FILE:LINE: what and why". A negative errno: a file cannot be read. *ret_config is written on success only. */
_nodiscard_ int config_read(const char *path, bool must_exist, struct config *ret_config,
                            struct diag *diag);

/* Reads settings from memory into *config, which keeps what the text does not name; on failure it is unchanged.
 * `origin` stands for the file's name in messages. CONFIG_E_INVALID. */
_nodiscard_ int config_parse(struct config *config, const char *origin, const void *text,
                             size_t size, struct diag *diag);

/* Sets one value as a line `key = value` in [section] would: for the command line. CONFIG_E_INVALID. */
_nodiscard_ int config_set(struct config *config, const char *section, const char *key,
                           const char *value, struct diag *diag);
