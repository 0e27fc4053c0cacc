/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Connections that were told why they are turned away and have not read it yet. Closing one at once would make the
 * client's call fail before it sees the answer. Each is kept for a second at most. Loop thread only.
 */

#include <stddef.h>

#define LINGER_MAX 32           /* at a time; further ones are closed at once */
#define LINGER_MS 1000          /* until the client is given up */
#define LINGER_BYTES (64 << 10) /* of calls that are read and dropped */

struct farewell;
struct server;

struct lingering {
    struct farewell *first;
    size_t n;
};

/* Sends no more on fd, drops what comes, and closes it when the client does. Takes fd over in any case. */
void linger_add(struct server *server, int fd);
/* Closes all. */
void linger_close_all(struct server *server);
