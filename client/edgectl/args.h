/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A verb's options as a table: parsing (getopt_long), checked numbers and the help text come from it. One thread, since
 * getopt keeps its place in globals.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct ctl;

#define ARGS_MAX_OPTIONS 24
#define ARGS_MAX_LIST 4096

/* Values of an option that may be repeated, and positional arguments. Borrowed from argv. */
struct args_list {
    const char **items;
    size_t n;
};
void args_list_deinit(struct args_list *list);

enum args_kind {
    ARGS_FLAG,    /* bool * */
    ARGS_STRING,  /* const char ** */
    ARGS_COUNT,   /* uint32_t *, between min and max */
    ARGS_SECONDS, /* double *, above 0 and at most max */
    ARGS_NUMBER,  /* double *, from min to max */
    ARGS_LIST,    /* struct args_list *, may be repeated */
};

struct args_option {
    const char *name; /* long name; NULL ends the table */
    char letter;      /* 0: none */
    enum args_kind kind;
    void *value; /* the default is what is there */
    uint32_t min, max;
    const char *meta; /* what the help calls the value; NULL for flags */
    const char *help;
};

struct args_spec {
    const char
        *synopsis; /* positional arguments as the help shows them, for example "FILE -o OUT" */
    const char *summary; /* one or more lines about the verb */
    const struct args_option *options;
    size_t min_words, max_words; /* positional arguments */
};

enum {
    ARGS_E_HELP = 1,  /* help was asked for and printed */
    ARGS_E_USAGE = 2, /* a message was printed */
};

/*
 * Parses argv (argv[0] is the verb). --json, --socket and --help are understood everywhere; the first two go to `ctl`.
 * Positional arguments are appended to `words`, in order. 0, -ENOMEM, ARGS_E_HELP, ARGS_E_USAGE.
 */
_nodiscard_ int args_parse(struct ctl *ctl, int argc, char **argv, const struct args_spec *spec,
                           struct args_list *words);
/* What the verb returns to main() for a non-zero code of args_parse(). */
int args_status(int code);

/* Parses decimal digits that fill the string. False for anything else and outside [min, max]. */
bool args_read_count(const char *text, uint32_t min, uint32_t max, uint32_t *ret_value);
/* Parses a decimal number, fractions too, from `min` to `max`. */
bool args_read_number(const char *text, double min, double max, double *ret_value);
/* Parses a decimal number of seconds, fractions too; above 0 and at most `max`. */
bool args_read_seconds(const char *text, double max, double *ret_value);
