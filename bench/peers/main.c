/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-peers: how fast others are at the same work. One pinned thread, batch 1, medians of blocks in turn. Exit 1 where a
 * bound is missed; ../README.md says which there are.
 */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/peers/bounds.h"
#include "bench/peers/onednn.h"
#include "bench/peers/ort.h"
#include "bench/peers/peers.h"
#include "bench/timing.h"
#include "tests/shared.h"

#define ROUNDS 31

static int usage(void) {
    fputs(
        "usage: bench-peers [--tier NAME] [--rounds N] [--network PART-OF-NAME] [--library PATH]\n"
        "                   [--networks] [--layers] [--shapes] [--check]\n",
        stderr);
    return 2;
}

/* The processor's name, as Linux has it. */
static void print_cpu(int cpu) {
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");
    const char *name = "?";
    while (file && fgets(line, sizeof(line), file))
        if (!strncmp(line, "model name", 10) && strchr(line, ':')) {
            name = strchr(line, ':') + 2;
            line[strcspn(line, "\n")] = '\0';
            break;
        }
    printf("%s, pinned to CPU %d\n", name, cpu);
    if (file)
        fclose(file);
}

/* What is asked for; false: bad usage. */
static bool parse(int argc, char **argv, struct peers_options *options) {
    static const struct option names[] = {
        {"tier", required_argument, NULL, 't'},
        {"rounds", required_argument, NULL, 'r'},
        {"network", required_argument, NULL, 'n'},
        {"library", required_argument, NULL, 'o'},
        {"networks", no_argument, NULL, 'N'},
        {"layers", no_argument, NULL, 'L'},
        {"shapes", no_argument, NULL, 'S'},
        {"check", no_argument, NULL, 'C'},
        {0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 't':
            options->tier = tier_parse(optarg);
            if (options->tier == TIER_END)
                return false;
            break;
        case 'r':
            options->rounds = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'n':
            options->network = optarg;
            break;
        case 'o':
            options->library = optarg;
            break;
        case 'N':
            options->networks = true;
            break;
        case 'L':
            options->layers = true;
            break;
        case 'S':
            options->shapes = true;
            break;
        case 'C':
            options->check = true;
            break;
        default:
            return false;
        }
    }
    if (!options->check && !options->layers && !options->shapes && !options->networks)
        options->networks = options->layers = true;
    return options->rounds > 0 && options->rounds <= TIMING_ROUNDS_MAX && optind == argc;
}

static void run(const struct peers_options *options) {
    onednn_open(options->tier);
    ort_open(options->library);
    printf(
        "tier %s; ONNX Runtime %s, oneDNN %s limited to the tier; one thread, batch 1, %u rounds\n",
        tier_name(options->tier), ort_version(), onednn_version(), options->rounds);
    if (options->check)
        peers_agreement(options);
    if (options->networks)
        peers_networks(options);
    if (options->layers)
        peers_layers(options);
    if (options->shapes)
        peers_shapes(options);
    ort_close();
}

int main(int argc, char **argv) {
    struct peers_options options = {
        .tier = TIER_END, .rounds = ROUNDS, .library = PEERS_DIR "/lib/libonnxruntime.so.1"};
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!parse(argc, argv, &options))
        return usage();
    if (!shared_present("models/mlperf-tiny-onnx"))
        return 77;
    /* What a shell forces on OpenBLAS is not what a user of the machine gets. */
    unsetenv("OPENBLAS_CORETYPE");
    if (options.tier == TIER_END)
        options.tier = tier_best();
    if (!tier_supported(options.tier)) {
        printf("SKIPPED: this machine does not have %s\n", tier_name(options.tier));
        return 77;
    }
    print_cpu(timing_pin());
    run(&options);
    if (bounds_missed())
        printf("\n%u bounds missed\n", bounds_missed());
    return bounds_missed() > 0;
}
