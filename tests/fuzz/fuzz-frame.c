/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: the bytes arrive in pieces whose sizes the input chooses; with odd ones comes a descriptor. Messages that
 * come out contain no NUL, and nothing leaks.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "proto/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return 0;
    struct frame_reader reader;
    struct frame_message message;
    frame_reader_init(&reader, 5000);
    frame_message_init(&message);
    int r = 0;
    while (size > 1 && r == 0) {
        size_t piece = MIN((size_t)data[0] * 8 + 1, size - 1);
        struct iovec iov = {.iov_base = (void *)(data + 1), .iov_len = piece};
        size_t n;
        if (frame_send(pair[0], &iov, 1, pair, data[0] & 1, MSG_DONTWAIT, &n))
            break;
        data += n + 1;
        size -= n + 1;
        while ((r = frame_recv(&reader, pair[1], MSG_DONTWAIT, &n)) == 0) {
            while (frame_next(&reader, &message) == 0) {
                edge_assert(strlen((char *)message.text.data) == message.text.len);
                frame_fds_reset(&message.fds);
            }
        }
        if (r == -EAGAIN)
            r = 0;
    }
    frame_message_deinit(&message);
    frame_reader_deinit(&reader);
    fd_close(pair[0]);
    fd_close(pair[1]);
    return 0;
}
