/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Varlink framing: messages end with a NUL byte and may carry descriptors (SCM_RIGHTS). A reader and a message belong
 * to one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"

struct iovec;

#define FRAME_MAX_MESSAGE ((size_t)16 << 20) /* default cap on a message, without its NUL */
#define FRAME_MAX_FDS 253                    /* the kernel's limit for one sendmsg */

/* Owned descriptors of one message. A taker sets its entry to -1. */
struct frame_fds {
    int fds[FRAME_MAX_FDS];
    unsigned n;
};

/* Closes what is left. */
void frame_fds_reset(struct frame_fds *fds);
/* Hands descriptor `index` over to the caller; -EBADF where there is none, or it was taken before. */
_nodiscard_ int frame_fds_take(struct frame_fds *fds, uint64_t index, int *ret_fd);

/* One received message. text.data[text.len] is a NUL. */
struct frame_message {
    struct buffer text;
    struct frame_fds fds;
};

void frame_message_init(struct frame_message *message);
void frame_message_deinit(struct frame_message *message);

/* A descriptor that waits for the message it belongs to. */
struct frame_pending {
    int fd;
    uint64_t message; /* stream offset at which that message starts */
};

struct frame_reader {
    struct buffer buffer; /* received; the first `start` bytes are done with */
    size_t start;
    size_t scanned;  /* no NUL in [start, scanned) */
    uint64_t offset; /* stream offset of buffer.data[0] */
    size_t max_message;
    struct frame_pending *pending;
    unsigned n_pending;
};

void frame_reader_init(struct frame_reader *reader, size_t max_message);
/* Closes descriptors no message claimed. */
void frame_reader_deinit(struct frame_reader *reader);

/*
 * One recvmsg of `fd` into the free space, which grows first where there is none. Call it only when frame_next() has
 * nothing more. `flags` may hold MSG_DONTWAIT. Descriptors belong to the last message that starts in what was received:
 * the kernel puts bytes sent before them into the same recvmsg, but never bytes sent after them. *ret_n 0 is the end
 * of the stream. -EAGAIN, -EINTR, -EMSGSIZE (message above the cap), -EPROTO (descriptors lost or within a message),
 * -ENOMEM, other errors of recvmsg.
 */
_nodiscard_ int frame_recv(struct frame_reader *reader, int fd, int flags, size_t *ret_n);
/* The capacity that the next frame_recv() will have grown the buffer to: for charging it before. */
size_t frame_reader_next_cap(const struct frame_reader *reader);
/* Whether bytes of an unfinished message are waiting. */
bool frame_reader_partial(const struct frame_reader *reader);
/* Goes on with the memory of `spare`, which has more, and leaves its own there. */
void frame_reader_exchange(struct frame_reader *reader, struct buffer *spare);
/* Gives the buffer back while it is empty. */
void frame_reader_trim(struct frame_reader *reader);

enum {
    FRAME_E_NONE = 1, /* no complete message is waiting */
};
/* The length of the next complete message without its NUL. 0 or FRAME_E_NONE. */
_nodiscard_ int frame_peek(struct frame_reader *reader, size_t *ret_len);
/*
 * Moves the next message into `message`, replacing its text; its descriptors must have been reset. A large message
 * that is alone in the buffer changes hands without a copy. 0, FRAME_E_NONE, -ENOMEM, -EPROTO (more than FRAME_MAX_FDS).
 */
_nodiscard_ int frame_next(struct frame_reader *reader, struct frame_message *message);

/*
 * One sendmsg, without SIGPIPE. `fds` go with the first byte: a message that carries descriptors must start at iov[0]
 * and be sent alone, its rest without them. *ret_n may be less than all. -EAGAIN, -EINTR, -EPIPE, others of sendmsg.
 */
_nodiscard_ int frame_send(int fd, const struct iovec *iov, size_t n_iov, const int *fds,
                           size_t n_fds, int flags, size_t *ret_n);
