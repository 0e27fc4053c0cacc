/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to the container's reader and writer: segments whose stored bytes are fewer than those they stand for
 * (docs/model-format.md, "Coded segments"). A coded segment is a row of pieces, one per constant; what it is decoded to
 * is a plain segment, byte for byte what was written.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "model/varint.h"

struct buffer;
struct diag;

/* How the elements of a piece are stored. */
enum coded_kind {
    CODED_PLAIN = 0,    /* as they are */
    CODED_PLANES = 1,   /* first bytes, second bytes … of all elements, each a stream */
    CODED_CODEBOOK = 2, /* the different values, then an index per element */
    CODED_ZSTD = 3,     /* a frame of RFC 8878 */
};

#define CODED_WIDTH_MASK 0x03 /* of a piece's first byte: log2 of an element's bytes */
#define CODED_SPARSE 0x04     /* elements that are zero are left out */
#define CODED_KIND_SHIFT 4
#define CODED_MAX_VALUES 65536 /* of a codebook */
#define CODED_GAP_MAX 255      /* the gap that is followed by no element */

/* --- reading --- */

struct coded_piece {
    size_t offset; /* of its first byte in the decoded segment */
    size_t n;      /* elements */
    size_t stored; /* bytes in the file, with what precedes them */
    const uint8_t *payload;
    size_t size; /* of the payload */
    unsigned width;
    bool sparse;
    enum coded_kind kind;
};

/* Walks over the pieces of a segment; begins as {.c = its bytes}. */
struct coded_walk {
    struct cursor c;
    size_t offset; /* end of the piece before */
};

/* The next piece, which ends at `limit` at the latest. false: malformed. Call it as long as `c` has bytes. */
_nodiscard_ bool coded_next(struct coded_walk *walk, size_t limit, struct coded_piece *ret);
/* "plain", "sparse codebook" … */
const char *coded_method(const struct coded_piece *piece);

/* Tables and buffers of decoding, for any number of segments. */
struct coded_decoder;
_nodiscard_ int coded_decoder_new(struct coded_decoder **ret);
struct coded_decoder *coded_decoder_free(struct coded_decoder *d);
void coded_decoder_freep(struct coded_decoder **d);

/* Decodes a coded segment into `size` bytes at `out` that are zero. MODEL_E_INVALID: `diag` names the piece. */
_nodiscard_ int coded_decode(struct coded_decoder *d, const uint8_t *stored, size_t stored_size,
                             uint8_t *out, size_t size, struct diag *diag);
/* Decodes one zstd frame of exactly `size` bytes. */
_nodiscard_ bool coded_unzstd(struct coded_decoder *d, const uint8_t *frame, size_t frame_size,
                              uint8_t *out, size_t size);

/* --- writing --- */

/* Appends the smallest piece there is for `n` elements of `width` (1, 2, 4 or 8) bytes, `gap` bytes after the piece
 * before. -ENOMEM, -EMSGSIZE. */
_nodiscard_ int coded_put_piece(struct buffer *b, size_t gap, const uint8_t *data, size_t n,
                                unsigned width);
/* Appends a zstd frame. -ENOMEM, -EMSGSIZE. */
_nodiscard_ int coded_put_zstd(struct buffer *b, const uint8_t *data, size_t size);
