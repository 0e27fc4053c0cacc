/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Memory that a client passed as a descriptor. Only a memfd that cannot shrink is touched: else the client could make
 * the daemon die of SIGBUS. Any thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/fd.h"

struct diag;

enum {
    SHARED_E_REFUSED = 1, /* the diag says why */
};

/* Whether fd is a memfd with F_SEAL_SHRINK; its size and seals. 0 or SHARED_E_REFUSED. */
_nodiscard_ int shared_check(int fd, uint64_t *ret_size, unsigned *ret_seals, struct diag *diag);
/* Maps a region for reading and writing, all its pages reserved. 0, SHARED_E_REFUSED, -ENOMEM. */
_nodiscard_ int shared_map_region(int fd, size_t size, struct map *ret_map, struct diag *diag);
/*
 * Makes [offset, offset + size) of fd readable: mapped, and then *ret_data points into *ret_map, or, where mapping
 * could fault for want of memory, copied into `copy`, which has `size` bytes. 0, SHARED_E_REFUSED, -ENOMEM.
 */
_nodiscard_ int shared_open(int fd, uint64_t offset, size_t size, void *copy, struct map *ret_map,
                            const void **ret_data, struct diag *diag);
