/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to the container's reader and writer: the numbers of docs/model-format.md, and the parameters of an operator
 * as a row of integers.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/arith.h"
#include "model/graph.h"

#define CONTAINER_MAGIC                                                                            \
    "\x89"                                                                                         \
    "EDGE\r\n\x1a"
#define CONTAINER_MAGIC_SIZE 8
#define CONTAINER_VERSION 1
#define CONTAINER_MAX_SEGMENTS 16
#define CONTAINER_SEGMENT_ALIGN 64
#define CONTAINER_UNIT 4           /* offsets in the structure count these */
#define CONTAINER_LARGE_CONST 1024 /* constants of at least so many bytes … */
#define CONTAINER_LARGE_ALIGN                                                                      \
    16 /* … are aligned to this, smaller ones to their element but at least a unit */

/* Offsets of the header's fields. */
enum {
    HEADER_CHECKSUM = 8,
    HEADER_VERSION = 12,
    HEADER_SEGMENTS = 14,
    HEADER_REQUIRED = 16,
    HEADER_OPTIONAL = 20,
    HEADER_FILE_SIZE = 24,
    HEADER_SIZE = 32,
};

/* Offsets of a segment entry's fields. */
enum {
    ENTRY_KIND = 0,
    ENTRY_ENCODING = 2,
    ENTRY_FLAGS = 3,
    ENTRY_CHECKSUM = 4,
    ENTRY_OFFSET = 8,
    ENTRY_STORED = 16,
    ENTRY_DECODED = 24,
    ENTRY_SIZE = 32,
};

enum segment_kind {
    SEGMENT_STRUCTURE = 1,
    SEGMENT_METADATA = 2,
    SEGMENT_DATA = 3,
};

enum segment_encoding {
    SEGMENT_PLAIN = 0,
    SEGMENT_CODED = 1, /* data: pieces (model/coded.h) */
    SEGMENT_ZSTD = 2,  /* structure and metadata: a frame */
};

/* What a segment may be decoded to, so that a small file does not make its reader allocate as it likes. */
#define CONTAINER_MAX_RATIO 1024
#define CONTAINER_FREE_BYTES 65536 /* that every segment may have beside */

/* A writer stores a segment plain unless another encoding saves one byte of so many. */
#define CONTAINER_MIN_SAVING 16

#define SEGMENT_IGNORABLE 1 /* flag: a reader that does not know the kind skips the segment */

/* First byte of a tensor. */
#define TENSOR_DTYPE_MASK 0x0f
#define TENSOR_KIND_SHIFT 4
#define TENSOR_KIND_MASK 3
#define TENSOR_NAMED 0x40
#define TENSOR_HAS_DATA 0x80

/* Second byte of a tensor. */
#define TENSOR_DIMS_MASK 0x07
#define TENSOR_QUANT_SHIFT 3
#define TENSOR_QUANT_MASK 3
#define TENSOR_AXIS_SHIFT 5
enum { QUANT_NONE = 0, QUANT_PER_TENSOR = 1, QUANT_PER_AXIS = 2, QUANT_GROUPS = 3 };

#define CONTAINER_MAX_PARAMS 18

static inline bool container_ratio_allowed(uint64_t stored, uint64_t decoded) {
    return decoded <= CONTAINER_FREE_BYTES ||
           (decoded - CONTAINER_FREE_BYTES - 1) / CONTAINER_MAX_RATIO < stored;
}

/* Where a constant starts at the earliest after what ends at `end`. */
static inline size_t container_const_offset(const struct tensor *t, size_t end) {
    size_t align = t->size >= CONTAINER_LARGE_CONST
                       ? CONTAINER_LARGE_ALIGN
                       : MAX(dtype_size(t->dtype), (size_t)CONTAINER_UNIT);
    return ALIGN_UP(end, align);
}

/* What a parameter is when it is not stored. Returns the number of parameters of a kind, 0 for kinds without. */
int container_param_defaults(enum op_kind kind, int32_t ret_defaults[CONTAINER_MAX_PARAMS]);
/* An operator's parameters as integers, floats as their bits; and back. Both know as many as the defaults have. */
void container_params_get(const struct op *op, int32_t ret_values[CONTAINER_MAX_PARAMS]);
void container_params_set(struct op *op, const int32_t values[CONTAINER_MAX_PARAMS]);
