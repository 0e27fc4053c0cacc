/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the serving benchmark's parts share: messages over a socket, places, medians. Errors end the program.
 */

#include <stddef.h>
#include <sys/types.h>

#define EXCHANGE_MAX ((size_t)4 << 20) /* bytes of a message */

/* Says what failed and why, exits with 2. */
_Noreturn void die(const char *what);

void write_all(int fd, const char *data, size_t size);
/* Reads up to and with the next NUL into EXCHANGE_MAX bytes; returns how many. */
size_t read_message(int fd, char *ret);
/* Sends and waits for the answer; microseconds. */
double round_trip(int fd, const char *message, size_t size, char *ret_reply);

/* The number of CPU `index` of those this process may use, or of its last. */
int nth_cpu(int index);
/* Binds a thread, 0 for the caller; -1: to any CPU again. */
void pin(pid_t thread, int cpu);

/* The number behind `key` in a reply. */
double number_after(const char *text, const char *key);
/* Sorts. */
double quantile(double *values, size_t n, double q);
