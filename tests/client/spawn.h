/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Runs the programs under test and keeps what they print; a temporary folder per test. One thread.
 */

#include <stddef.h>
#include <sys/types.h>

#define SPAWN_MAX_ARGS 32
#define SPAWN_MAX_PATHS 64
#define SPAWN_MAX_TEXT (1 << 20)

struct cJSON;

struct spawned {
    int status; /* exit code; -1: ended by a signal */
    char *out, *err;
};

/* The folder of the running test: spawn_setup() makes it, spawn_teardown() removes it with its files. */
extern char spawn_dir[64];
void spawn_setup(void);
void spawn_teardown(void);
/* dir/name, valid for the next SPAWN_MAX_PATHS calls. */
const char *spawn_path(const char *name);
/* Writes a file of the folder; returns its path. */
const char *spawn_write(const char *name, const void *data, size_t size);

/* Runs edgectl with the arguments up to NULL, with `input` (or NULL) as its standard input. The texts are valid until
 * the next call. */
struct spawned edgectl(const char *input, ...) __attribute__((__sentinel__));
/* The same, expecting exit code 0 and one JSON document on standard output, for the caller to delete. */
struct cJSON *edgectl_json(const char *first, ...) __attribute__((__sentinel__));

/* Starts `program` with the arguments up to NULL and the listening socket, as a service manager hands it over; its
 * standard output and error go to the file `log`. */
pid_t spawn_daemon(const char *program, int listener, const char *log, ...)
    __attribute__((__sentinel__));
/* Ends it and returns its exit code. */
int spawn_stop(pid_t pid);
