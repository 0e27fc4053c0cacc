/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edged: the command line, the configuration, then the server until a signal.
 */

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "config/config.h"
#include "daemon/journal.h"
#include "daemon/server.h"

enum {
    EXIT_USAGE = 2,
    EXIT_CONFIG = 78, /* EX_CONFIG of sysexits.h */
};

static const char help[] =
    "Usage: edged [OPTION]...\n"
    "Runs neural networks for the programs of this machine, in the foreground.\n"
    "\n"
    "  --config FILE   settings; without it " CONFIG_PATH ", if that is there\n"
    "  --socket PATH   where clients connect\n"
    "  --models DIR    its *.edge files are loaded at start\n"
    "  --workers N     compute threads; 0: one for each CPU\n"
    "  --cpu TIER      auto, c, avx2, avxvnni, avx512vnni, amx, neon, dotprod, i8mm\n"
    "  --help          this text\n"
    "  --version       the version\n"
    "\n"
    "What is given here goes before the configuration. See edged(8) and edged.conf(5).\n";

/* What the command line says; NULL where it does not. */
struct options {
    const char *config, *socket, *models, *workers, *cpu;
};

static int usage(const char *fmt, const char *what) {
    fputs("edged: ", stderr);
    fprintf(stderr, fmt, what);
    fputs("\nTry 'edged --help'.\n", stderr);
    return EXIT_USAGE;
}

/* -1: go on; else the exit code. */
static int read_options(int argc, char **argv, struct options *options) {
    static const struct option table[] = {
        {"config", required_argument, NULL, 'c'}, {"socket", required_argument, NULL, 's'},
        {"models", required_argument, NULL, 'm'}, {"workers", required_argument, NULL, 'w'},
        {"cpu", required_argument, NULL, 'p'},    {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},      {0},
    };
    int c;
    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (c) {
        case 'c':
            options->config = optarg;
            break;
        case 's':
            options->socket = optarg;
            break;
        case 'm':
            options->models = optarg;
            break;
        case 'w':
            options->workers = optarg;
            break;
        case 'p':
            options->cpu = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_SUCCESS;
        case 'v':
            puts("edged " EDGED_VERSION);
            return EXIT_SUCCESS;
        default: /* getopt has said what is wrong */
            fputs("Try 'edged --help'.\n", stderr);
            return EXIT_USAGE;
        }
    }
    return optind < argc ? usage("there is no argument '%s'", argv[optind]) : -1;
}

/* The environment's tier goes between the configuration and the command line. */
static int apply(struct config *config, const struct options *options, struct diag *diag) {
    const char *tier = getenv("EDGE_CPU");
    const struct {
        const char *origin, *key, *value;
    } rows[] = {
        {"EDGE_CPU", "cpu", tier && *tier ? tier : NULL},
        {"--socket", "socket", options->socket},
        {"--models", "models", options->models},
        {"--workers", "workers", options->workers},
        {"--cpu", "cpu", options->cpu},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int r = rows[i].value ? config_set(config, "server", rows[i].key, rows[i].value, diag) : 0;
        if (r)
            return diag_prefix(diag, r, "%s", rows[i].origin);
    }
    return 0;
}

static int serve(const struct config *config) {
    static struct server server; /* too big for a stack */
    struct diag diag;
    int r = server_init(&server, config, &diag);
    if (r)
        log_error("%s", diag.text);
    else
        r = server_run(&server);
    server_deinit(&server);
    if (r == SERVER_E_CONFIG)
        return EXIT_CONFIG;
    return r ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    struct options options = {0};
    struct config config;
    struct diag diag;
    int code = read_options(argc, argv, &options);
    if (code >= 0)
        return code;
    /* A few threads that share one heap need less memory than heaps of their own. */
    mallopt(M_ARENA_MAX, 1);
    if (!journal_init(getenv("JOURNAL_STREAM")))
        log_set_prefix(getenv("INVOCATION_ID") && !isatty(STDERR_FILENO));
    int r =
        config_read(options.config ? options.config : CONFIG_PATH, options.config, &config, &diag);
    if (r) {
        log_error("%s", diag.text);
        return EXIT_CONFIG;
    }
    if (apply(&config, &options, &diag))
        return usage("%s", diag.text);
    log_set_level(config.log_level);
    return serve(&config);
}
