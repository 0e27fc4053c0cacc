/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `edgectl eval` finds out about a file besides its outputs.
 */

#include <stdio.h>

#include "base/error.h"
#include "client/edgectl/eval.h"
#include "model/graph.h"
#include "model/netfile.h"

#define LATENCY_SECONDS 0.5
#define ENERGY_SECONDS 1.0

static int measure_energy(struct eval *e) {
    _cleanup_(energy_freep) struct energy_meter *meter = NULL;
    int r = energy_open(ENERGY_SYSFS, &meter);
    if (r == 0)
        r = energy_measure(meter, e->source->image, &e->data, ENERGY_SECONDS, &e->energy);
    if (r < 0)
        return r;
    e->has_energy = r == 0;
    if (meter)
        snprintf(e->sensor, sizeof(e->sensor), "%s", energy_sensor(meter));
    return 0;
}

int eval_measure(struct eval *e, const char *path, struct diag *diag) {
    _cleanup_(graph_freep) struct graph *graph = NULL;
    int r = netfile_read(path, &graph, &e->file_bytes, diag);
    if (r)
        return r;
    e->complexity = complexity_of(graph);
    r = latency_measure(e->source->image, &e->data, LATENCY_SECONDS, &e->latency);
    if (r == 0)
        r = measure_energy(e);
    if (r)
        return diag_set(diag, err_trace(r), "the network could not be measured");
    e->measured = true;
    return 0;
}
