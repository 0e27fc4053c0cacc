/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl: the verb table and the options before the verb.
 */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attributes.h"
#include "base/error.h"
#include "client/edgectl/ctl.h"
#include "runtime/crossover.h"

struct verb {
    const char *name;
    const char *help;
    ctl_verb_fn run;
};

static const struct verb verbs[] = {
    {"import", "make an .edge file of a TFLite network", verb_import},
    {"compress", "make a network smaller", verb_compress},
    {"show", "say what is in a network", verb_show},
    {"load", "give a network to the daemon", verb_load},
    {"unload", "take a network away from the daemon", verb_unload},
    {"list", "list the daemon's networks", verb_list},
    {"ps", "show their use, memory, queue and latency", verb_ps},
    {"infer", "run a network on files", verb_infer},
    {"eval", "measure a network's accuracy on a data set", verb_eval},
    {"bench", "measure a network's latency and throughput", verb_bench},
    {"status", "show the daemon's health", verb_status},
    {"metrics", "print the daemon's metrics (Prometheus text)", verb_metrics},
};

static void print_help(void) {
    printf("Usage: edgectl [--socket PATH] [--json] VERB ...\n\nVerbs:\n");
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        printf("  %-9s %s\n", verbs[i].name, verbs[i].help);
    printf("\n'edgectl VERB --help' explains each.\n");
}

static const struct verb *find_verb(const char *name) {
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

/* The CPU features that networks of this process use: $EDGE_CPU, else the best. */
static int choose_tier(struct ctl *ctl) {
    const char *name = getenv("EDGE_CPU");
    ctl->tier = name && *name ? tier_parse(name) : tier_best();
    if (ctl->tier == TIER_END)
        return ctl_usage(NULL, "EDGE_CPU: unknown tier '%s'", name);
    if (!tier_supported(ctl->tier))
        return ctl_fail(ctl, "EDGE_CPU: this CPU does not have '%s'", name);
    return CTL_DONE;
}

/* $EDGED_CROSSOVER, else where edged reads it. A file that is wrong must not keep one from making a
 * better one. */
static void read_crossovers(void) {
    const char *path = getenv("EDGED_CROSSOVER");
    struct diag diag;
    if (crossover_load(path && *path ? path : CROSSOVER_DEFAULT_FILE, &diag))
        fprintf(stderr, "edgectl: %s; the built-in crossovers are used\n", diag.text);
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},
        {"json", no_argument, NULL, 'J'},
        {"socket", required_argument, NULL, 'S'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    const char *socket = getenv("EDGED_SOCKET");
    struct ctl ctl = {.socket = socket && *socket ? socket : CTL_DEFAULT_SOCKET};

    opterr = 0;
    int c;
    while ((c = getopt_long(argc, argv, "+:h", options, NULL)) != -1) {
        switch (c) {
        case 'h':
            print_help();
            return ctl_flush(&ctl, CTL_DONE);
        case 'J':
            ctl.json = true;
            break;
        case 'S':
            ctl.socket = optarg;
            break;
        case 'V':
            printf("edgectl %s\n", EDGED_VERSION);
            return ctl_flush(&ctl, CTL_DONE);
        case ':':
            return ctl_usage(NULL, "%s needs a value", argv[optind - 1]);
        default:
            return ctl_usage(NULL, "unknown option '%s'", argv[optind - 1]);
        }
    }
    if (optind >= argc)
        return ctl_usage(NULL, "no verb given");
    const struct verb *verb = find_verb(argv[optind]);
    if (!verb)
        return ctl_usage(NULL, "unknown verb '%s'", argv[optind]);
    int status = choose_tier(&ctl);
    if (status)
        return status;
    read_crossovers();
    return ctl_flush(&ctl, verb->run(&ctl, argc - optind, argv + optind));
}
