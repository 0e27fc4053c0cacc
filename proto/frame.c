/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framing over sendmsg and recvmsg. Descriptors are owned by the reader until frame_next() hands them to a message.
 */

#include "proto/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"

#define FRAME_FIRST ((size_t)4096) /* an idle connection holds no more than this */
#define FRAME_MOVE                                                                                 \
    ((size_t)4096) /* messages from this size on change hands instead of being copied */
/* Those of the unfinished message and those of the next recvmsg. */
#define FRAME_MAX_PENDING (2 * FRAME_MAX_FDS)

void frame_fds_reset(struct frame_fds *fds) {
    for (unsigned i = 0; i < fds->n; i++)
        fd_close(fds->fds[i]);
    fds->n = 0;
}

int frame_fds_take(struct frame_fds *fds, uint64_t index, int *ret_fd) {
    if (index >= fds->n || fds->fds[index] < 0)
        return -EBADF;
    *ret_fd = fds->fds[index];
    fds->fds[index] = -1;
    return 0;
}

void frame_message_init(struct frame_message *message) {
    buffer_init(&message->text, SIZE_MAX);
    message->fds.n = 0;
}

void frame_message_deinit(struct frame_message *message) {
    buffer_deinit(&message->text);
    frame_fds_reset(&message->fds);
}

void frame_reader_init(struct frame_reader *reader, size_t max_message) {
    *reader = (struct frame_reader){.max_message = max_message};
    buffer_init(&reader->buffer, SIZE_MAX);
}

void frame_reader_deinit(struct frame_reader *reader) {
    for (unsigned i = 0; i < reader->n_pending; i++)
        fd_close(reader->pending[i].fd);
    free(reader->pending);
    buffer_deinit(&reader->buffer);
    *reader = (struct frame_reader){0};
}

bool frame_reader_partial(const struct frame_reader *reader) {
    return reader->buffer.len > reader->start;
}

void frame_reader_trim(struct frame_reader *reader) {
    if (frame_reader_partial(reader))
        return;
    reader->offset += reader->buffer.len;
    reader->start = reader->scanned = 0;
    buffer_reset(&reader->buffer, 0);
}

size_t frame_reader_next_cap(const struct frame_reader *reader) {
    size_t held = reader->buffer.len - reader->start;
    size_t cap = reader->buffer.cap;
    size_t most = reader->max_message + 1;
    if (cap == 0)
        return MIN(FRAME_FIRST, most);
    if (held < cap || cap >= most)
        return cap;
    return cap > most / 2 ? most : cap * 2;
}

void frame_reader_exchange(struct frame_reader *reader, struct buffer *spare) {
    struct buffer *b = &reader->buffer;
    size_t held = b->len - reader->start;
    edge_assert(spare->cap >= b->cap);
    if (held)
        memcpy(spare->data, b->data + reader->start, held);
    reader->offset += reader->start;
    reader->scanned -= reader->start;
    reader->start = 0;
    b->len = held;
    buffer_exchange(b, spare);
}

/* Moves the unfinished message to the front and makes room after it. */
static int make_room(struct frame_reader *reader) {
    struct buffer *b = &reader->buffer;
    if (b->len - reader->start > reader->max_message)
        return -EMSGSIZE;
    size_t cap = frame_reader_next_cap(reader);
    if (reader->start) {
        reader->offset += reader->start;
        reader->scanned -= reader->start;
        buffer_consume(b, reader->start);
        reader->start = 0;
    }
    if (cap <= b->cap)
        return 0;
    uint8_t *data = realloc(b->data, cap);
    if (!data)
        return err_origin(-ENOMEM);
    b->data = data;
    b->cap = cap;
    return 0;
}

/* The stream offset at which the last message that starts in the newest `n` bytes does so. */
static bool last_start(const struct frame_reader *reader, size_t n, uint64_t *ret_offset) {
    const struct buffer *b = &reader->buffer;
    size_t from = b->len - n;
    const uint8_t *nul = memrchr(b->data + from, 0, n - 1);
    size_t at;
    if (nul)
        at = (size_t)(nul - b->data) + 1;
    else if (from == reader->start)
        at = from;
    else
        return false;
    *ret_offset = reader->offset + at;
    return true;
}

static int keep_fds(struct frame_reader *reader, const int *fds, size_t n_fds, size_t n) {
    uint64_t message;
    if (n == 0 || !last_start(reader, n, &message))
        return -EPROTO;
    if (reader->n_pending + n_fds > FRAME_MAX_PENDING)
        return -EPROTO;
    if (!reader->pending) {
        reader->pending = calloc(FRAME_MAX_PENDING, sizeof(*reader->pending));
        if (!reader->pending)
            return err_origin(-ENOMEM);
    }
    for (size_t i = 0; i < n_fds; i++)
        reader->pending[reader->n_pending++] =
            (struct frame_pending){.fd = fds[i], .message = message};
    return 0;
}

/* Collects the descriptors of a control buffer. More than fit cannot come: the buffer has room for the kernel's limit. */
static size_t collect_fds(struct msghdr *msg, int fds[FRAME_MAX_FDS]) {
    size_t n_fds = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        edge_assert(n_fds + n <= FRAME_MAX_FDS);
        memcpy(fds + n_fds, CMSG_DATA(c), n * sizeof(int));
        n_fds += n;
    }
    return n_fds;
}

int frame_recv(struct frame_reader *reader, int fd, int flags, size_t *ret_n) {
    int r = make_room(reader);
    if (r)
        return r;
    struct buffer *b = &reader->buffer;
    struct iovec iov = {.iov_base = b->data + b->len, .iov_len = b->cap - b->len};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(FRAME_MAX_FDS * sizeof(int))];
    } control;
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.space,
        .msg_controllen = sizeof(control.space),
    };
    ssize_t n = recvmsg(fd, &msg, flags | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return -errno;
    b->len += (size_t)n;
    int fds[FRAME_MAX_FDS];
    size_t n_fds = collect_fds(&msg, fds);
    if (msg.msg_flags & MSG_CTRUNC)
        r = -EPROTO;
    else if (n_fds)
        r = keep_fds(reader, fds, n_fds, (size_t)n);
    if (r) {
        for (size_t i = 0; i < n_fds; i++)
            fd_close(fds[i]);
        return r;
    }
    *ret_n = (size_t)n;
    return 0;
}

int frame_peek(struct frame_reader *reader, size_t *ret_len) {
    struct buffer *b = &reader->buffer;
    if (reader->scanned == b->len)
        return FRAME_E_NONE;
    const uint8_t *nul = memchr(b->data + reader->scanned, 0, b->len - reader->scanned);
    if (!nul) {
        reader->scanned = b->len;
        return FRAME_E_NONE;
    }
    reader->scanned = (size_t)(nul - b->data);
    *ret_len = reader->scanned - reader->start;
    return 0;
}

/* Messages are handed out in order, so what belongs to this one is at the front. */
static int move_fds(struct frame_reader *reader, struct frame_fds *fds) {
    uint64_t message = reader->offset + reader->start;
    unsigned n = 0;
    while (n < reader->n_pending && reader->pending[n].message == message)
        n++;
    if (n == 0)
        return 0;
    if (n > FRAME_MAX_FDS)
        return -EPROTO;
    for (unsigned i = 0; i < n; i++)
        fds->fds[i] = reader->pending[i].fd;
    fds->n = n;
    reader->n_pending -= n;
    memmove(reader->pending, reader->pending + n, reader->n_pending * sizeof(*reader->pending));
    return 0;
}

int frame_next(struct frame_reader *reader, struct frame_message *message) {
    struct buffer *b = &reader->buffer;
    size_t len;
    int r = frame_peek(reader, &len);
    if (r)
        return r;
    edge_assert(message->fds.n == 0);
    message->text.len = 0;
    bool move = reader->start == 0 && len + 1 == b->len && len >= FRAME_MOVE;
    if (!move) {
        r = buffer_append(&message->text, b->data + reader->start, len + 1);
        if (r)
            return err_trace(r);
    }
    r = move_fds(reader, &message->fds);
    if (r)
        return r;
    if (move) {
        struct buffer text = *b;
        *b = message->text;
        message->text = text;
        reader->offset += len + 1;
        reader->start = reader->scanned = 0;
    } else {
        reader->start += len + 1;
        reader->scanned = reader->start;
    }
    message->text.len = len;
    return 0;
}

int frame_send(int fd, const struct iovec *iov, size_t n_iov, const int *fds, size_t n_fds,
               int flags, size_t *ret_n) {
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(FRAME_MAX_FDS * sizeof(int))];
    } control;
    struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = n_iov};
    if (n_fds > FRAME_MAX_FDS)
        return err_origin(-E2BIG);
    if (n_fds) {
        msg.msg_control = control.space;
        msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        memset(control.space, 0, msg.msg_controllen);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
    }
    ssize_t n = sendmsg(fd, &msg, flags | MSG_NOSIGNAL);
    if (n < 0)
        return -errno;
    *ret_n = (size_t)n;
    return 0;
}
