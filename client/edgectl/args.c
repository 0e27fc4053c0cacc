/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options from a table. Keeps nothing but what it writes through the table's pointers.
 */

#include "client/edgectl/args.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/edgectl/ctl.h"

/* Beyond every letter, so that getopt_long() can return an index into the table. */
#define ARGS_FIRST_INDEX 256

enum { ARGS_N_COMMON = 3 };
static const char *const common_help[ARGS_N_COMMON][2] = {
    {"--socket PATH", "the daemon's socket ($EDGED_SOCKET, else " CTL_DEFAULT_SOCKET ")"},
    {"--json", "print one JSON document"},
    {"--help", "print this"},
};

void args_list_deinit(struct args_list *list) {
    free(list->items);
    *list = (struct args_list){0};
}

static int list_add(struct args_list *list, const char *item) {
    if (list->n >= ARGS_MAX_LIST)
        return -E2BIG;
    const char **items = reallocarray(list->items, list->n + 1, sizeof(*items));
    if (!items)
        return err_origin(-ENOMEM);
    list->items = items;
    list->items[list->n++] = item;
    return 0;
}

bool args_read_count(const char *text, uint32_t min, uint32_t max, uint32_t *ret_value) {
    uint64_t value = 0;
    if (!*text)
        return false;
    for (const char *p = text; *p; p++) {
        if (!isdigit((unsigned char)*p))
            return false;
        value = value * 10 + (uint64_t)(*p - '0');
        if (value > max)
            return false;
    }
    if (value < min)
        return false;
    *ret_value = (uint32_t)value;
    return true;
}

bool args_read_number(const char *text, double min, double max, double *ret_value) {
    /* strtod() alone would take spaces, signs, hexadecimal and "inf". */
    if (!*text || text[strspn(text, "0123456789.e-")])
        return false;
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (errno || end == text || *end || !(value >= min) || value > max)
        return false;
    *ret_value = value;
    return true;
}

bool args_read_seconds(const char *text, double max, double *ret_value) {
    double value;
    if (!args_read_number(text, 0, max, &value) || value == 0)
        return false;
    *ret_value = value;
    return true;
}

static void print_help(const char *verb, const struct args_spec *spec) {
    printf("Usage: edgectl %s%s%s\n\n%s\n\nOptions:\n", verb, *spec->synopsis ? " " : "",
           spec->synopsis, spec->summary);
    for (const struct args_option *o = spec->options; o->name; o++) {
        char left[64];
        const char letter[] = {'-', o->letter, ',', ' ', 0};
        snprintf(left, sizeof(left), "%s--%s%s%s", o->letter ? letter : "", o->name,
                 o->meta ? " " : "", o->meta ? o->meta : "");
        printf("  %-26s %s\n", left, o->help);
    }
    for (size_t i = 0; i < ARGS_N_COMMON; i++)
        printf("  %-26s %s\n", common_help[i][0], common_help[i][1]);
}

static int store(const char *verb, const struct args_option *o, const char *text) {
    switch (o->kind) {
    case ARGS_FLAG:
        *(bool *)o->value = true;
        return 0;
    case ARGS_STRING:
        if (!*text) {
            ctl_usage(verb, "--%s: an empty value", o->name);
            return ARGS_E_USAGE;
        }
        *(const char **)o->value = text;
        return 0;
    case ARGS_COUNT:
        if (args_read_count(text, o->min, o->max, o->value))
            return 0;
        ctl_usage(verb, "--%s: '%s' is not a whole number from %u to %u", o->name, text, o->min,
                  o->max);
        return ARGS_E_USAGE;
    case ARGS_SECONDS:
        if (args_read_seconds(text, o->max, o->value))
            return 0;
        ctl_usage(verb, "--%s: '%s' is not a number of seconds above 0, at most %u", o->name, text,
                  o->max);
        return ARGS_E_USAGE;
    case ARGS_NUMBER:
        if (args_read_number(text, o->min, o->max, o->value))
            return 0;
        ctl_usage(verb, "--%s: '%s' is not a number from %u to %u", o->name, text, o->min, o->max);
        return ARGS_E_USAGE;
    case ARGS_LIST:
        if (list_add(o->value, text) == 0)
            return 0;
        ctl_usage(verb, "--%s: more than %u of them", o->name, ARGS_MAX_LIST);
        return ARGS_E_USAGE;
    }
    return err_origin(-ENOTRECOVERABLE);
}

/* Fills what getopt_long() reads: the verb's options by index, then the common ones by letter. */
static void make_tables(const struct args_option *options, struct option *ret_long,
                        char *ret_short) {
    char *p = ret_short;
    size_t n = 0;
    *p++ = ':'; /* a missing value is told apart from an unknown option */
    for (; options[n].name; n++) {
        const struct args_option *o = &options[n];
        edge_assert(n < ARGS_MAX_OPTIONS);
        ret_long[n] =
            (struct option){o->name, o->kind == ARGS_FLAG ? no_argument : required_argument, NULL,
                            ARGS_FIRST_INDEX + (int)n};
        if (o->letter) {
            *p++ = o->letter;
            if (o->kind != ARGS_FLAG)
                *p++ = ':';
        }
    }
    *p++ = 'h';
    *p = 0;
    ret_long[n++] = (struct option){"json", no_argument, NULL, 'J'};
    ret_long[n++] = (struct option){"socket", required_argument, NULL, 'S'};
    ret_long[n++] = (struct option){"help", no_argument, NULL, 'h'};
    ret_long[n] = (struct option){0};
}

static const struct args_option *find(const struct args_option *options, int c) {
    if (c >= ARGS_FIRST_INDEX)
        return &options[c - ARGS_FIRST_INDEX];
    for (; options->name; options++)
        if (options->letter == c)
            return options;
    return NULL;
}

int args_parse(struct ctl *ctl, int argc, char **argv, const struct args_spec *spec,
               struct args_list *words) {
    struct option long_options[ARGS_MAX_OPTIONS + ARGS_N_COMMON + 1];
    char short_options[2 * ARGS_MAX_OPTIONS + 3];
    const char *verb = argv[0];
    make_tables(spec->options, long_options, short_options);
    opterr = 0;
    optind = 0; /* starts over: main() has parsed the options before the verb */
    int c;
    while ((c = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
        const struct args_option *o;
        int r = 0;
        if (c == ':') {
            ctl_usage(verb, "%s needs a value", argv[optind - 1]);
            return ARGS_E_USAGE;
        } else if (c == '?') {
            ctl_usage(verb, "unknown or ambiguous option '%s'", argv[optind - 1]);
            return ARGS_E_USAGE;
        } else if (c == 'J') {
            ctl->json = true;
        } else if (c == 'S') {
            ctl->socket = optarg;
        } else if ((o = find(spec->options, c))) {
            r = store(verb, o, optarg);
        } else {
            print_help(verb, spec);
            return ARGS_E_HELP;
        }
        if (r)
            return r;
    }
    size_t n = (size_t)(argc - optind);
    if (n < spec->min_words || n > spec->max_words) {
        ctl_usage(verb,
                  n < spec->min_words ? "too few arguments: edgectl %s%s%s"
                                      : "too many arguments: edgectl %s%s%s",
                  verb, *spec->synopsis ? " " : "", spec->synopsis);
        return ARGS_E_USAGE;
    }
    for (; optind < argc; optind++) {
        int r = list_add(words, argv[optind]);
        if (r == -ENOMEM)
            return r;
        if (r) {
            ctl_usage(verb, "more than %u arguments", ARGS_MAX_LIST);
            return ARGS_E_USAGE;
        }
    }
    return 0;
}

int args_status(int code) {
    if (code == ARGS_E_HELP)
        return CTL_DONE;
    if (code == ARGS_E_USAGE)
        return CTL_USAGE;
    fprintf(stderr, "edgectl: %s\n", strerror(-code));
    return CTL_FAILED;
}
