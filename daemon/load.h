/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From a file to an image: what loading does on a worker. A load belongs to one thread at a time.
 */

#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "daemon/registry.h"
#include "kernels/cpu.h"

struct image;

struct load {
    const char *path; /* borrowed; NULL: read `fd` */
    int fd;           /* owned; -1 where there is a path */
    enum tier tier;
    char name[GRAPH_MAX_SERVED_NAME + 1]; /* "": takes it from the metadata, else from the path */
    struct image *image;                  /* the result: one reference */
    struct diag diag;
    uint64_t ns; /* how long it took */
};

enum {
    LOAD_E_INVALID = 1, /* the diag says why */
};

/* Fills in name, image and ns. 0, LOAD_E_INVALID, -ENOMEM, -ENOSPC. */
_nodiscard_ int load_run(struct load *load);
/* Closes the descriptor and drops the image. */
void load_deinit(struct load *load);
