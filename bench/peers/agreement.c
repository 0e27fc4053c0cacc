/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether ONNX Runtime computes the same from the same inputs, so that the comparison is one of the same work: on the real
 * inputs of the int8 networks' golden files; float networks get the values that those stand for.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "bench/peers/bounds.h"
#include "bench/peers/ort.h"
#include "bench/peers/ours.h"
#include "bench/peers/peers.h"
#include "bench/timing.h"
#include "model/graph.h"
#include "runtime/runtime.h"
#include "tests/shared.h"

#define FLOAT_BOUND 1e-4 /* of the largest output, or of 1 */
#define FILE_MAX ((size_t)64 << 20)

enum form { F32, U8, S8, N_FORMS };
static const char *const form_names[N_FORMS] = {"f32", "u8", "s8"};

/* Two networks that should be the same, and what the inputs are. */
struct pair {
    enum form form;
    struct our_network *ours;
    struct ort_network *theirs;
    const struct port *quantized; /* the int8 network's input */
    size_t n_in, n_out;
    size_t channels; /* of an image: ONNX Runtime's come first; 1: the orders are the same */
};

/* Where our value i is in theirs. */
static size_t place(const struct pair *p, size_t i) {
    return i % p->channels * (p->n_in / p->channels) + i / p->channels;
}

static void pair_init(struct pair *p, const struct peers_network *network, enum form form,
                      enum tier tier) {
    char path[PEERS_PATH_MAX];
    int64_t dims[8];
    struct graph *graph = peers_graph(network, form == F32);
    size_t size = form == F32 ? sizeof(float) : 1;
    p->form = form;
    p->ours = our_network_new(graph, tier);
    peers_onnx_path(network, form_names[form], path);
    p->theirs = ort_network_new(path);
    p->n_in = image_input(p->ours->image, 0)->size / size;
    p->n_out = image_output(p->ours->image, 0)->size / size;
    p->channels = ort_network_dims(p->theirs, dims) == 4 ? (size_t)dims[1] : 1;
    graph_free(graph);
}

static void pair_deinit(struct pair *p) {
    our_network_free(p->ours);
    ort_network_free(p->theirs);
}

static void pair_run(const struct pair *p, const int8_t *input) {
    void *theirs = ort_network_input(p->theirs);
    for (size_t i = 0; i < p->n_in; i++) {
        size_t at = place(p, i);
        if (p->form == F32) {
            float x = (float)(input[i] - p->quantized->zero_point) * p->quantized->scale;
            ((float *)p->ours->input)[i] = ((float *)theirs)[at] = x;
        } else {
            ((int8_t *)p->ours->input)[i] = input[i];
            ((uint8_t *)theirs)[at] = (uint8_t)(p->form == U8 ? input[i] + 128 : input[i]);
        }
    }
    our_network_run(p->ours);
    ort_network_run(p->theirs);
}

/* The largest difference of the outputs: steps, or parts of the largest value. */
static double float_difference(const struct pair *p) {
    const float *ours = p->ours->output, *theirs = ort_network_output(p->theirs);
    double worst = 0, largest = 1;
    for (size_t i = 0; i < p->n_out; i++) {
        worst = fmax(worst, fabs((double)ours[i] - (double)theirs[i]));
        largest = fmax(largest, fabs((double)theirs[i]));
    }
    return worst / largest;
}

static double int8_difference(const struct pair *p) {
    const int8_t *ours = p->ours->output;
    const uint8_t *theirs = ort_network_output(p->theirs);
    int worst = 0;
    for (size_t i = 0; i < p->n_out; i++) {
        int their = p->form == U8 ? theirs[i] - 128 : (int8_t)theirs[i];
        worst = abs(ours[i] - their) > worst ? abs(ours[i] - their) : worst;
    }
    return worst;
}

static void agree(const struct peers_network *network, const struct pair *p,
                  const struct map *inputs) {
    const double bound = p->form == F32 ? FLOAT_BOUND : network->steps;
    size_t n = inputs->size / p->n_in, within = 0;
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        pair_run(p, (const int8_t *)inputs->data + i * p->n_in);
        double d = p->form == F32 ? float_difference(p) : int8_difference(p);
        within += d <= bound;
        worst = fmax(worst, d);
    }
    char what[64];
    snprintf(what, sizeof(what), "%s: worst %.3g; %zu inputs, within %g:", form_names[p->form],
             worst, n, bound);
    bounds_check(network->title, what, (double)within, (struct bound){.at_least = (double)n});
}

static void agree_all(const struct peers_network *network, enum tier tier) {
    char path[PEERS_PATH_MAX];
    struct diag diag;
    struct map inputs;
    struct graph *graph = peers_graph(network, 0);
    struct our_network *quantized = our_network_new(graph, tier);
    graph_free(graph);
    snprintf(path, sizeof(path), "%s/golden/%s/inputs.bin", shared_dir(), network->golden);
    if (map_read_file(path, FILE_MAX, &inputs, &diag))
        timing_die("%s", diag.text);
    for (enum form form = F32; form < N_FORMS; form++) {
        struct pair pair;
        pair_init(&pair, network, form, tier);
        pair.quantized = image_input(quantized->image, 0);
        agree(network, &pair, &inputs);
        pair_deinit(&pair);
    }
    map_deinit(&inputs);
    our_network_free(quantized);
}

void peers_agreement(const struct peers_options *options) {
    printf("\nagreement with ONNX Runtime\n");
    for (int i = 0; i < PEERS_NETWORKS; i++)
        if (peers_wanted(options, &peers_networks_list[i]))
            agree_all(&peers_networks_list[i], options->tier);
}
