/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A real edged on a private socket in a temporary directory, and a Varlink client that knows nothing of edged: JSON texts
 * and NUL bytes over a socket. A client's failure to do something fails the test.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct cJSON;

/* Sanitizers need memory of their own: bounds are wider then. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_SLACK_KIB 262144
#else
#define MEMORY_SLACK_KIB 0
#endif

struct daemon {
    char dir[64];
    char socket[108];
    pid_t pid;
    const char
        *config; /* set it before the start: lines of edged.conf; NULL: a batch limit of 256 */
    int notify;  /* the socket it notifies */
};

/* Starts it with these further arguments (NULL-terminated, may be NULL) and waits until it says READY=1. What is in
 * `files` ("affine", "quant", "two", "counter", "slow", or "broken") lies in its models directory as <name>.edge. */
void daemon_start(struct daemon *daemon, const char *const *files, const char *const *args);
/* Again, in the directory it had, after it was killed. */
void daemon_restart(struct daemon *daemon);
/* Waits until it notifies a text that contains this. */
void daemon_wait(struct daemon *daemon, const char *text);
/* The program with these arguments and nothing to serve: its exit code. */
int daemon_run(const char *const *args);
/* SIGTERM; returns the exit code, -1 where a signal ended it; the directory is removed. */
int daemon_stop(struct daemon *daemon);
/* A path in its directory. */
const char *daemon_path(const struct daemon *daemon, const char *name);
/* Descriptors it has open. */
unsigned daemon_fds(const struct daemon *daemon);
/* Of /proc/PID/status, in KiB: "VmRSS", "RssShmem" … */
unsigned long daemon_memory(const struct daemon *daemon, const char *field);

struct client {
    int fd;
    char *buffer;
    size_t len, cap;
    int fds[8]; /* that came with the last reply; closed with the next */
    unsigned n_fds;
};

void client_connect(struct client *client, const struct daemon *daemon);
void client_close(struct client *client);
/* Sends a text and its NUL, with descriptors. */
void client_send(struct client *client, const char *text, const int *fds, unsigned n_fds);
/* printf of a text, with ' in the place of " to be readable. */
void client_sendf(struct client *client, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The next reply, which the caller deletes; NULL at the end of the stream. */
struct cJSON *client_receive(struct client *client);

/* Looks into JSON: "parameters.outputs.0.data". NULL where there is nothing. */
const struct cJSON *json_at(const struct cJSON *json, const char *path);
/* The next reply is this error, and a parameter of it (NULL: none) this string. */
void expect_error(struct client *client, const char *error, const char *parameter,
                  const char *value);
/* The next reply is a success; the caller deletes it. */
struct cJSON *expect_success(struct client *client);
/* Numbers of an array in a reply. */
void expect_numbers(const struct cJSON *json, const char *path, const double *want, size_t n);
/* The daemon has closed the connection. */
void expect_closed(struct client *client);
/* A number of Status. */
long status_of(struct client *client, const char *field);
/* Waits until Status says so, asking again and again. */
void wait_status(struct client *client, const char *field, long value);

struct Suite;
/* Runs one suite; the exit code. */
int run_suite(struct Suite *suite);
