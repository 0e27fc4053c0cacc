/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole networks: ours int8 and float, ONNX Runtime's three forms, and the convolutions and dense layers alone back to back
 * in oneDNN, in turn.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "bench/peers/bounds.h"
#include "bench/peers/onednn.h"
#include "bench/peers/ort.h"
#include "bench/peers/ours.h"
#include "bench/peers/peers.h"
#include "bench/timing.h"
#include "model/graph.h"
#include "runtime/runtime.h"

#define BLOCK_US 2500
#define LOADS 7 /* fresh ones, for the time to load and that of the first run */

enum { OURS_S8, OURS_F32, ORT_F32, ORT_U8, ORT_S8, ONEDNN, N_PEERS };
static const char *const names[N_PEERS] = {"edged int8",         "edged float",
                                           "ONNX Runtime float", "ONNX Runtime u8",
                                           "ONNX Runtime s8",    "oneDNN layers"};
static const char *const ort_forms[N_PEERS] = {[ORT_F32] = "f32", [ORT_U8] = "u8", [ORT_S8] = "s8"};

struct peer {
    struct contender contender;
    double load_ms, first_us; /* 0: not known */
};

static double since_us(uint64_t start) {
    return (double)(clock_now_ns() - start) / 1000;
}

static void *load(const struct peers_network *network, int which, enum tier tier) {
    if (ort_forms[which]) {
        char path[PEERS_PATH_MAX];
        peers_onnx_path(network, ort_forms[which], path);
        return ort_network_new(path);
    }
    struct graph *graph = peers_graph(network, which == OURS_F32);
    struct our_network *n = our_network_new(graph, tier);
    graph_free(graph);
    return n;
}

static void unload(int which, void *network) {
    if (ort_forms[which])
        ort_network_free(network);
    else
        our_network_free(network);
}

/* Loads it several times; keeps the last one. */
static void peer_init(struct peer *p, const struct peers_network *network, int which,
                      enum tier tier) {
    double load_us[LOADS], first_us[LOADS];
    p->contender = (struct contender){.name = names[which],
                                      .run = ort_forms[which] ? ort_network_run : our_network_run};
    for (int i = 0; i < LOADS; i++) {
        if (i > 0)
            unload(which, p->contender.context);
        uint64_t start = clock_now_ns();
        p->contender.context = load(network, which, tier);
        load_us[i] = since_us(start);
        start = clock_now_ns();
        p->contender.run(p->contender.context);
        first_us[i] = since_us(start);
    }
    p->load_ms = timing_median(load_us, LOADS) / 1000;
    p->first_us = timing_median(first_us, LOADS);
}

/* The layers' shapes come from the graph. */
static void onednn_init(struct peer *p, const struct graph *graph) {
    struct onednn_layers *layers = onednn_layers_new();
    for (uint32_t i = 0; i < graph->n_ops; i++) {
        struct kern_conv shape;
        if (our_graph_layer(graph, &graph->ops[i], &shape))
            onednn_layers_add(layers, &shape, graph->ops[i].kind == OP_FULLY_CONNECTED);
    }
    p->contender =
        (struct contender){.name = names[ONEDNN], .run = onednn_layers_run, .context = layers};
}

static void peer_deinit(struct peer *p, int which) {
    if (which == ONEDNN)
        onednn_layers_free(p->contender.context);
    else
        unload(which, p->contender.context);
    contender_deinit(&p->contender);
}

static void print_peer(const struct peer *p, double macs) {
    const struct contender *c = &p->contender;
    printf("  %-20s %9.1f %9.1f %7.2f", c->name, c->median_us, c->p99_us, c->p99_us / c->median_us);
    if (p->first_us > 0)
        printf(" %9.1f %7.2f %8.2f", p->first_us, p->first_us / c->median_us, p->load_ms);
    else
        printf(" %9s %7s %8s", "-", "-", "-");
    printf(" %8.1f\n", macs / c->median_us / 1000);
}

static bool has_avx512(enum tier tier) {
    return tier == TIER_AVX512VNNI || tier == TIER_AMX;
}

static double int8_bound(const struct peers_network *network, enum tier tier) {
    switch (tier) {
    case TIER_AMX:
        return 3;
    case TIER_AVX512VNNI:
        return 2.5;
    case TIER_AVX2:
    case TIER_AVXVNNI:
        return network->avx2_bound;
    default:
        return 0;
    }
}

/* The ratios of one network. */
struct result {
    bool present;
    double int8, fp32, onednn, first, load_ms;
};

static int fastest_ort(const struct peer *peers) {
    int best = ORT_F32;
    for (int i = ORT_F32; i <= ORT_S8; i++)
        if (peers[i].contender.median_us < peers[best].contender.median_us)
            best = i;
    return best;
}

static struct result compare(const struct peers_network *network,
                             const struct peers_options *options) {
    struct peer peers[N_PEERS] = {0};
    struct contender contenders[N_PEERS];
    struct graph *graph = peers_graph(network, 0);
    double macs = our_graph_macs(graph);
    for (int i = 0; i < ONEDNN; i++)
        peer_init(&peers[i], network, i, options->tier);
    onednn_init(&peers[ONEDNN], graph);
    for (int i = 0; i < N_PEERS; i++)
        contenders[i] = peers[i].contender;
    timing_alternate(contenders, N_PEERS, options->rounds, BLOCK_US, 0);
    printf("%s, %.3f MMAC\n", network->title, macs / 1e6);
    for (int i = 0; i < N_PEERS; i++) {
        peers[i].contender = contenders[i];
        print_peer(&peers[i], macs);
    }
    unsigned rounds = options->rounds;
    struct result r = {
        .present = true,
        .int8 = timing_ratio(&contenders[fastest_ort(peers)], &contenders[OURS_S8], rounds),
        .fp32 = timing_ratio(&contenders[ORT_F32], &contenders[OURS_F32], rounds),
        .onednn = timing_ratio(&contenders[OURS_S8], &contenders[ONEDNN], rounds),
        .first = peers[OURS_S8].first_us / contenders[OURS_S8].median_us,
        .load_ms = peers[OURS_S8].load_ms,
    };
    for (int i = 0; i < N_PEERS; i++)
        peer_deinit(&peers[i], i);
    graph_free(graph);
    return r;
}

static void check_result(const struct peers_network *network, const struct result *r,
                         enum tier tier) {
    bool asked = has_avx512(tier);
    bounds_check(network->title, "int8, fastest ONNX Runtime / ours", r->int8,
                 (struct bound){.at_least = int8_bound(network, tier)});
    bounds_check(network->title, "float, ONNX Runtime / ours", r->fp32,
                 (struct bound){.at_least = asked ? network->float_bound : 0});
    bounds_check(network->title, "int8, ours / oneDNN layers", r->onednn,
                 (struct bound){.at_most = asked ? 0.8 : 0});
    bounds_check(network->title, "int8, first run / median", r->first,
                 (struct bound){.at_most = asked ? 2 : 0});
    bounds_check(network->title, "int8, load ms", r->load_ms,
                 (struct bound){.at_most = asked ? 3 : 0});
}

void peers_networks(const struct peers_options *options) {
    struct result results[PEERS_NETWORKS] = {0};
    printf("\nwhole networks, us\n  %-20s %9s %9s %7s %9s %7s %8s %8s\n", "", "median", "p99",
           "/median", "first", "/median", "load ms", "GMAC/s");
    for (int i = 0; i < PEERS_NETWORKS; i++)
        if (peers_wanted(options, &peers_networks_list[i]))
            results[i] = compare(&peers_networks_list[i], options);
    putchar('\n');
    int present = 0, well_below = 0;
    for (int i = 0; i < PEERS_NETWORKS; i++) {
        if (!results[i].present)
            continue;
        check_result(&peers_networks_list[i], &results[i], options->tier);
        present++;
        well_below += results[i].onednn <= 0.6;
    }
    if (present == PEERS_NETWORKS && has_avx512(options->tier))
        bounds_check("networks", "with ours / oneDNN <= 0.6", well_below,
                     (struct bound){.at_least = 3});
}
