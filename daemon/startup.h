/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Loading the models directory at start: every file on a worker, and a call when the last one is through. Loop thread.
 */

#include "base/attributes.h"

struct server;

/*
 * Submits one job per *.edge file of `dir` (may be ""). A directory that cannot be read and a file that cannot be loaded
 * are warnings. `ready` is called once, at once where there is nothing to load. -ENOMEM.
 */
_nodiscard_ int startup_load(struct server *server, const char *dir,
                             void (*ready)(struct server *));
/* Drops what has not begun; the pool has ended or the loop will deliver the rest. */
void startup_cancel(struct server *server);
