/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Runs programs as a script would. One thread.
 */

#include <stddef.h>

#define COMMAND_MAX_ARGS 24

/*
 * Runs argv[0], found as a shell finds it, with the arguments up to NULL, and waits for it. What it writes to stdout
 * comes back as text (at most `max` bytes, a NUL after it, freed by the caller) unless ret_out is NULL: then it goes to
 * ours. Returns its exit status; a program that cannot be run or dies of a signal ends the test.
 */
int command_run(const char *const *argv, size_t max, char **ret_out, size_t *ret_size);

/* The output of one that succeeds; anything else ends the test. Freed by the caller. */
char *command_output(const char *const *argv);
