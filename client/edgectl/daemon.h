/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The daemon as the verbs see it: connecting, and errors that say what to do next.
 */

#include "base/attributes.h"
#include "client/edge.h"

struct ctl;
struct diag;

enum {
    DAEMON_E_FAILED = 1, /* the diag says what and what to do */
};

/* 0 or DAEMON_E_FAILED. */
_nodiscard_ int daemon_connect(const char *socket, struct edge **ret_edge, struct diag *diag);
/* Puts the sentence of a failed libedge call, with advice, into the diag; returns DAEMON_E_FAILED. */
int daemon_error(struct edge *edge, int code, struct diag *diag);
void daemon_closep(struct edge **edge);

/* For verbs that make one call: connects; on failure prints and returns NULL with an exit code. */
struct edge *daemon_open(const struct ctl *ctl, int *ret_status);
/* Prints a failed call; returns CTL_FAILED. */
int daemon_fail(const struct ctl *ctl, struct edge *edge, int code);
/* Calls a method and prints its reply's parameters as they are. Exit code. */
int daemon_print_reply(const struct ctl *ctl, const char *method, const char *parameters);
