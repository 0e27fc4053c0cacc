/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies of a hostile daemon: the bytes are what it sends, the first chooses the call.
 */

#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/edge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void infer(struct edge *edge) {
    struct edge_tensor input = {.data = (void *)"x", .size = 1}, outputs[4] = {0};
    struct edge_request request = {.model = "m", .inputs = &input, .n_inputs = 1};
    size_t n = 4;
    if (edge_infer(edge, &request, outputs, &n, NULL))
        return;
    /* What was handed out can be read. */
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < outputs[i].size; k++)
            sum = (uint8_t)(sum + ((uint8_t *)outputs[i].data)[k]);
}

static void call(struct edge *edge, uint8_t which) {
    struct edge_model *model = NULL;
    struct edge_list *list = NULL;
    struct edge_status *status = NULL;
    struct edge_region *region;
    struct edge_session *session;
    char *text = NULL;
    switch (which % 8) {
    case 0:
        infer(edge);
        break;
    case 1:
        if (edge_describe(edge, "m", &model) == 0)
            edge_model_free(model);
        break;
    case 2:
        if (edge_list(edge, &list) == 0)
            edge_list_free(list);
        break;
    case 3:
        if (edge_status(edge, &status) == 0)
            edge_status_free(status);
        break;
    case 4:
        if (edge_call(edge, "a.B", NULL, &text) == 0)
            free(text);
        break;
    case 5:
        if (edge_region_new(edge, 4096, &region) == 0)
            infer(edge);
        break;
    case 6:
        if (edge_session_open(edge, "m", &session) == 0)
            edge_session_close(session);
        break;
    case 7:
        if (edge_metrics(edge, &text) == 0)
            free(text);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int fds[2];
    struct edge *edge;
    if (size == 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
        return 0;
    /* What does not fit into the socket does not matter. */
    ssize_t sent = send(fds[1], data + 1, size - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0 && shutdown(fds[1], SHUT_WR) == 0 && edge_connect_fd(fds[0], &edge) == 0) {
        call(edge, data[0]);
        edge_close(edge);
    } else {
        close(fds[0]);
    }
    close(fds[1]);
    return 0;
}
