/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * NumPy .npy files, versions 1 and 2: one array in C order, little endian. Thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/dtype.h"
#include "base/fd.h"

struct buffer;
struct diag;

#define NPY_MAX_DIMS 8
#define NPY_MAX_HEADER 65536
#define NPY_MAX_BYTES ((size_t)4 << 30)

enum {
    NPY_E_INVALID = 1,     /* not an .npy file, or one that contradicts itself */
    NPY_E_UNSUPPORTED = 2, /* an array this program does not take; the diag says what to do */
};

struct npy {
    enum dtype dtype; /* unsigned integers wider than a byte become the next wider signed type */
    uint8_t n_dims;   /* 0 is a scalar */
    size_t dims[NPY_MAX_DIMS]; /* each >= 1 */
    size_t n;                  /* elements */
    size_t size;               /* bytes of data */
    const void *data;          /* aligned for dtype; in the bytes that were parsed, or in `owned` */
    void *owned;
    struct map map; /* of npy_read() */
};

/* Whether the bytes begin like an .npy file. */
bool npy_probe(const void *bytes, size_t size);
/* The array in the bytes, which must stay as long as the array is used. -ENOMEM, NPY_E_*. */
_nodiscard_ int npy_parse(const void *bytes, size_t size, struct npy *ret_npy, struct diag *diag);
/* The array in a file. The same, and what map_read_file() gives. */
_nodiscard_ int npy_read(const char *path, struct npy *ret_npy, struct diag *diag);
void npy_deinit(struct npy *npy);

/* Appends the header of a version 1 file; the values, little endian, follow it. -ENOMEM, -EMSGSIZE, -EINVAL for a dtype
 * or a number of dimensions that .npy files as above do not have. */
_nodiscard_ int npy_write_header(struct buffer *buffer, enum dtype dtype, const size_t *dims,
                                 uint8_t n_dims);
