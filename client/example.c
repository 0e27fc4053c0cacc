/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a network on zeros: example SOCKET MODEL. Build: cc example.c $(pkg-config --cflags --libs libedge) */
#include <edge.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(struct edge *edge, const char *what) {
    fprintf(stderr, "%s: %s\n", what, edge_error_text(edge));
    edge_close(edge);
    return 1;
}

int main(int argc, char **argv) {
    struct edge *edge;
    int r = edge_connect(argc > 1 ? argv[1] : NULL, &edge);
    if (r)
        return fprintf(stderr, "cannot connect: %s\n", strerror(-r)), 1;
    const char *name = argc > 2 ? argv[2] : "wakeword6";
    struct edge_model *model;
    if (edge_describe(edge, name, &model))
        return failed(edge, name);
    struct edge_tensor input = {
        .datatype = model->inputs[0].datatype,
        .size = model->inputs[0].size,
        .data = calloc(1, model->inputs[0].size),
    };
    struct edge_request request = {.model = name, .inputs = &input, .n_inputs = 1, .real = true};
    struct edge_tensor output = {0};
    size_t n_outputs = 1;
    if (edge_infer(edge, &request, &output, &n_outputs, NULL))
        return failed(edge, "infer");
    const float *values = output.data;
    for (size_t i = 0; i < output.size / sizeof(float); i++)
        printf("%-14s %.3f\n", i < model->n_labels ? model->labels[i] : "", (double)values[i]);
    free(input.data);
    edge_model_free(model);
    edge_close(edge);
    return 0;
}
