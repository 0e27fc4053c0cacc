/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * File descriptors, sealed memfds and mappings. Every descriptor is close-on-exec from birth. Thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct diag;

/* Closes fd unless it is negative; keeps errno; returns -1. */
int fd_close(int fd);
void fd_closep(int *fd);

/* A memory mapping. `data` is NULL where nothing is mapped. */
struct map {
    void *data;
    size_t size;
};
void map_deinit(struct map *map);

/* A new memfd of `size` bytes (> 0), pages reserved with fallocate: later writes cannot fail. -ENOSPC, -ENOMEM,
 * -EFBIG. The name is for /proc only. */
_nodiscard_ int memfd_new(const char *name, size_t size, int *ret_fd);
/* Adds SHRINK, GROW, WRITE and SEAL. The caller has unmapped its writable mappings. */
_nodiscard_ int memfd_seal_image(int fd);
/* Adds SHRINK, GROW and SEAL: the contents stay writable for whoever maps it. */
_nodiscard_ int memfd_seal_region(int fd);
/* The F_SEAL_* of fd; a negative errno where it is no memfd. */
_nodiscard_ int memfd_seals(int fd, unsigned *ret_seals);

/* Maps [0, size) of fd shared and writable. */
_nodiscard_ int map_shared(int fd, size_t size, struct map *ret_map);
/* Maps a sealed memfd read-only: MAP_PRIVATE, since kernels below 6.7 refuse MAP_SHARED of a write-sealed one. */
_nodiscard_ int map_sealed(int fd, size_t size, struct map *ret_map);

/* Brings the pages of a mapping in, those of a writable one for writing, so that whoever uses it first does not wait for
 * them one by one. Changes nothing of what it holds; nobody else may write to it meanwhile. */
void map_populate(const struct map *map, bool writable);

/* Reads all of a file into anonymous memory, so that a later change of the file cannot hurt. At most `max` bytes:
 * -EFBIG above. An empty file gives size 0 and data NULL. `diag` says what failed. */
_nodiscard_ int map_read_file(const char *path, size_t max, struct map *ret_map, struct diag *diag);
/* The same for an open descriptor, from its beginning; its offset does not change. */
_nodiscard_ int map_read_fd(int fd, size_t max, struct map *ret_map, struct diag *diag);

/* Writes a whole file: a temporary one beside it, fsync, rename. Symbolic links stay; the file they lead to is replaced,
 * -ENOENT where there is none. What exists and is no regular file stays too: a device or FIFO is written into (for a
 * FIFO this waits for a reader), a directory is -EISDIR. */
_nodiscard_ int file_write_atomic(const char *path, const void *data, size_t size,
                                  struct diag *diag);
