/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The networks of MLPerf Tiny, and where their files are.
 */

#include <stdio.h>
#include <string.h>

#include "bench/peers/ours.h"
#include "bench/peers/peers.h"
#include "tests/shared.h"

/*
 * ResNet-8 adds branches up. ONNX Runtime rounds there in float, and its own forms differ from each other as much as from
 * ours; a logit is 0.17 a step, which moves a probability by up to 11 steps.
 */
const struct peers_network peers_networks_list[PEERS_NETWORKS] = {
    {"KWS DS-CNN", "kws", "kws_ref_model", "kws_ref_model_float32", "kws_int8", 1, 1.3, 1},
    {"VWW MobileNetV1 0.25", "vww", "vww_96_int8", "vww_96_float", "vww_96_int8", 1, 1.5, 1},
    {"ResNet-8", "resnet8", "pretrainedResnet_quant", "pretrainedResnet", "resnet_quant", 64, 1.1,
     0.55},
    {"AD autoencoder", "ad01", "ad01_int8", "ad01_fp32", "ad01_int8", 1, 1.5, 1},
    {"streaming wake word", "strww", "str_ww_ref_model", NULL, "str_ww", 1, 1.5, 1},
};

bool peers_wanted(const struct peers_options *options, const struct peers_network *network) {
    return !options->network || strstr(network->onnx, options->network);
}

void peers_tflite_path(const struct peers_network *network, bool is_float,
                       char ret_path[PEERS_PATH_MAX]) {
    const char *stem = is_float && network->fp32 ? network->fp32 : network->int8;
    snprintf(ret_path, PEERS_PATH_MAX, "%s/models/mlperf-tiny/%s.tflite", shared_dir(), stem);
}

void peers_onnx_path(const struct peers_network *network, const char *form,
                     char ret_path[PEERS_PATH_MAX]) {
    snprintf(ret_path, PEERS_PATH_MAX, "%s/models/mlperf-tiny-onnx/%s_%s.onnx", shared_dir(),
             network->onnx, form);
}

struct graph *peers_graph(const struct peers_network *network, bool is_float) {
    char path[PEERS_PATH_MAX];
    peers_tflite_path(network, is_float, path);
    struct graph *graph = our_graph_read(path);
    if (is_float && !network->fp32)
        our_graph_to_float(graph);
    return graph;
}
