/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What every verb shares: the invocation's context, exit codes, and how a failure or a JSON document is printed. One
 * thread.
 */

#include <stdbool.h>

#include "base/attributes.h"
#include "kernels/cpu.h"

struct cJSON;
struct diag;

#define CTL_DEFAULT_SOCKET "/run/edged/io.edged"

enum {
    CTL_DONE = 0,
    CTL_FAILED = 1,
    CTL_USAGE = 2,
};

struct ctl {
    const char *socket; /* never NULL */
    bool json;
    enum tier tier; /* of networks that run in this process */
};

/* A verb's arguments begin at argv[0], which is its own name. Returns an exit code. */
typedef int (*ctl_verb_fn)(struct ctl *ctl, int argc, char **argv);

/* Prints the sentence to stderr, with --json also {"error": …} to stdout. Returns CTL_FAILED. */
int ctl_fail(const struct ctl *ctl, const char *fmt, ...) _printf_(2, 3);
/* The same for a diagnostic. */
int ctl_fail_diag(const struct ctl *ctl, const struct diag *diag);
/* Prints the sentence and where help is to stderr. Returns CTL_USAGE. */
int ctl_usage(const char *verb, const char *fmt, ...) _printf_(2, 3);
/* Prints the document to stdout and frees it; NULL counts as out of memory. CTL_DONE or CTL_FAILED. */
int ctl_print_json(const struct ctl *ctl, struct cJSON *document);
/* Flushes stdout: a full disk is a failure, not silence. Returns `status`, or CTL_FAILED. */
int ctl_flush(const struct ctl *ctl, int status);

/* Whether `s` ends in `suffix` and has something before it. */
bool ctl_has_suffix(const char *s, const char *suffix);
/* Whether the word is a file and not the name of a network in the daemon. */
bool ctl_is_file(const char *name);

int verb_bench(struct ctl *ctl, int argc, char **argv);
int verb_compress(struct ctl *ctl, int argc, char **argv);
int verb_eval(struct ctl *ctl, int argc, char **argv);
int verb_import(struct ctl *ctl, int argc, char **argv);
int verb_infer(struct ctl *ctl, int argc, char **argv);
int verb_list(struct ctl *ctl, int argc, char **argv);
int verb_load(struct ctl *ctl, int argc, char **argv);
int verb_metrics(struct ctl *ctl, int argc, char **argv);
int verb_ps(struct ctl *ctl, int argc, char **argv);
int verb_show(struct ctl *ctl, int argc, char **argv);
int verb_status(struct ctl *ctl, int argc, char **argv);
int verb_unload(struct ctl *ctl, int argc, char **argv);
