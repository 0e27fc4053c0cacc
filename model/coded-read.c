/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decodes coded segments. Elements go through blocks that stay in the first-level cache straight to where they belong; the
 * memory beside that does not depend on the file. A decoder belongs to one thread.
 */

#include "model/coded.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/arith.h"
#include "base/bytes.h"
#include "base/error.h"
#include "model/graph.h"
#include "model/rans.h"

#define BLOCK 4096 /* elements at a time; a multiple of RANS_STATES */
#define MAX_WIDTH 8

struct coded_decoder {
    ZSTD_DCtx *zstd;
    struct rans_decoder low, high;
    uint8_t low_block[BLOCK], high_block[BLOCK];
    uint8_t values[CODED_MAX_VALUES * MAX_WIDTH];
};

int coded_decoder_new(struct coded_decoder **ret) {
    /* Not cleared: what a segment uses it writes first, and pages that none uses are never there. */
    struct coded_decoder *d = malloc(sizeof(*d));
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    if (!d || !zstd) {
        ZSTD_freeDCtx(zstd);
        free(d);
        return err_origin(-ENOMEM);
    }
    d->zstd = zstd;
    *ret = d;
    return 0;
}

struct coded_decoder *coded_decoder_free(struct coded_decoder *d) {
    if (d)
        ZSTD_freeDCtx(d->zstd);
    free(d);
    return NULL;
}

void coded_decoder_freep(struct coded_decoder **d) {
    *d = coded_decoder_free(*d);
}

bool coded_next(struct coded_walk *walk, size_t limit, struct coded_piece *ret) {
    struct cursor *c = &walk->c;
    const uint8_t *begin = c->p;
    uint32_t gap = get_varint(c);
    uint8_t head = get_byte(c);
    uint32_t n = get_varint(c), size = get_varint(c);
    const uint8_t *payload = get_bytes(c, size);
    unsigned width = 1U << (head & CODED_WIDTH_MASK);
    uint64_t offset = (uint64_t)walk->offset + gap, bytes = (uint64_t)n * width;
    if (!payload || n == 0 || head >> CODED_KIND_SHIFT > CODED_ZSTD ||
        head & ~(CODED_WIDTH_MASK | CODED_SPARSE | 3 << CODED_KIND_SHIFT) ||
        !range_within(offset, bytes, limit))
        return false;
    *ret = (struct coded_piece){.offset = (size_t)offset,
                                .n = n,
                                .stored = (size_t)(c->p - begin),
                                .payload = payload,
                                .size = size,
                                .width = width,
                                .sparse = head & CODED_SPARSE,
                                .kind = (enum coded_kind)(head >> CODED_KIND_SHIFT)};
    walk->offset = (size_t)(offset + bytes);
    return true;
}

const char *coded_method(const struct coded_piece *piece) {
    static const char *const names[2][4] = {
        {"plain", "entropy", "codebook", "zstd"},
        {"sparse plain", "sparse entropy", "sparse codebook", "sparse zstd"}};
    return names[piece->sparse][piece->kind];
}

/* --- elements --- */

static bool decode_plane(struct coded_decoder *d, struct cursor *c, uint8_t *out, size_t n,
                         unsigned width) {
    if (!rans_decoder_init(&d->low, c, n))
        return false;
    if (width == 1)
        return rans_decode(&d->low, out, n);
    for (size_t done = 0, some; done < n; done += some, out += some * width) {
        some = MIN(n - done, (size_t)BLOCK);
        if (!rans_decode(&d->low, d->low_block, some))
            return false;
        for (size_t i = 0; i < some; i++)
            out[i * width] = d->low_block[i];
    }
    return true;
}

static bool decode_planes(struct coded_decoder *d, struct cursor *c, uint8_t *out, size_t n,
                          unsigned width) {
    for (unsigned i = 0; i < width; i++)
        if (!decode_plane(d, c, out + i, n, width))
            return false;
    return true;
}

static inline bool look_up_one(const struct coded_decoder *d, uint8_t *out, size_t n,
                               unsigned width, uint32_t n_values, bool wide) {
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t index = d->low_block[i] | (wide ? (uint32_t)d->high_block[i] << 8 : 0U);
        most = MAX(most, index);
        memcpy(out + i * width, d->values + (size_t)index * width, width);
    }
    return most < n_values; /* those above were read from the table's room too, not outside */
}

/* The block's indices become values. Widths are constants here, so that an element is a load and a store. */
static bool look_up(const struct coded_decoder *d, uint8_t *out, size_t n, unsigned width,
                    uint32_t n_values) {
    bool wide = n_values > 256;
    switch (width) {
    case 1:
        return look_up_one(d, out, n, 1, n_values, wide);
    case 2:
        return look_up_one(d, out, n, 2, n_values, wide);
    case 4:
        return wide ? look_up_one(d, out, n, 4, n_values, true)
                    : look_up_one(d, out, n, 4, n_values, false);
    default:
        return look_up_one(d, out, n, 8, n_values, wide);
    }
}

static bool decode_codebook(struct coded_decoder *d, struct cursor *c, uint8_t *out, size_t n,
                            unsigned width) {
    uint32_t n_values = get_varint(c);
    if (c->bad || n_values < 1 || n_values > MIN(n, (size_t)CODED_MAX_VALUES))
        return false;
    size_t reach = n_values > 256 ? CODED_MAX_VALUES : 256;
    memset(d->values + n_values * width, 0, (reach - n_values) * width);
    if (!decode_planes(d, c, d->values, n_values, width) || !rans_decoder_init(&d->low, c, n) ||
        (n_values > 256 && !rans_decoder_init(&d->high, c, n)))
        return false;
    for (size_t done = 0, some; done < n; done += some, out += some * width) {
        some = MIN(n - done, (size_t)BLOCK);
        if (!rans_decode(&d->low, d->low_block, some) ||
            (n_values > 256 && !rans_decode(&d->high, d->high_block, some)) ||
            !look_up(d, out, some, width, n_values))
            return false;
    }
    return true;
}

bool coded_unzstd(struct coded_decoder *d, const uint8_t *frame, size_t frame_size, uint8_t *out,
                  size_t size) {
    return ZSTD_decompressDCtx(d->zstd, out, size, frame, frame_size) == size;
}

static bool decode_elements(struct coded_decoder *d, struct cursor *c, enum coded_kind kind,
                            uint8_t *out, size_t n, unsigned width) {
    const uint8_t *bytes;
    uint32_t size;
    switch (kind) {
    case CODED_PLAIN:
        bytes = get_bytes(c, n * width);
        if (bytes)
            memcpy(out, bytes, n * width);
        return bytes;
    case CODED_PLANES:
        return decode_planes(d, c, out, n, width);
    case CODED_CODEBOOK:
        return decode_codebook(d, c, out, n, width);
    default:
        size = get_varint(c);
        bytes = get_bytes(c, size);
        return bytes && coded_unzstd(d, bytes, size, out, n * width);
    }
}

/* --- sparse pieces --- */

/* Where the elements that are not zero go: element `from` is the next of them, `to` the place behind the last. */
struct spread {
    size_t from, to, n;
};

/* Moves elements forward to their places, and leaves zeros where they were. None overtakes one that has not moved: behind
 * each there is room for those that follow. */
static inline bool spread_block(struct spread *s, uint8_t *out, const uint8_t *gaps, size_t n_gaps,
                                unsigned width) {
    static const uint8_t zero[MAX_WIDTH];
    uint8_t value[MAX_WIDTH];
    for (size_t i = 0; i < n_gaps; i++) {
        s->to += gaps[i];
        if (gaps[i] == CODED_GAP_MAX && s->to <= s->n)
            continue;
        if (s->from == s->n || s->to > s->from)
            return false;
        memcpy(value, out + s->from * width, width);
        memcpy(out + s->from++ * width, zero, width);
        memcpy(out + s->to++ * width, value, width);
    }
    return true;
}

static bool spread_any(struct spread *s, uint8_t *out, const uint8_t *gaps, size_t n_gaps,
                       unsigned width) {
    switch (width) {
    case 1:
        return spread_block(s, out, gaps, n_gaps, 1);
    case 2:
        return spread_block(s, out, gaps, n_gaps, 2);
    case 4:
        return spread_block(s, out, gaps, n_gaps, 4);
    default:
        return spread_block(s, out, gaps, n_gaps, 8);
    }
}

/* The elements that are not zero are decoded to the end of their piece and spread over it from there. */
static bool decode_sparse(struct coded_decoder *d, const struct coded_piece *piece,
                          struct cursor *c, uint8_t *out) {
    uint32_t n_kept = get_varint(c), n_gaps = get_varint(c);
    if (c->bad || n_kept > piece->n || n_gaps < n_kept ||
        n_gaps - n_kept > (piece->n - n_kept) / CODED_GAP_MAX)
        return false;
    struct spread s = {.from = piece->n - n_kept, .n = piece->n};
    uint8_t *kept = out + s.from * piece->width;
    if ((n_kept && !decode_elements(d, c, piece->kind, kept, n_kept, piece->width)) ||
        !rans_decoder_init(&d->high, c, n_gaps))
        return false;
    for (size_t done = 0, some; done < n_gaps; done += some) {
        some = MIN(n_gaps - done, (size_t)BLOCK);
        if (!rans_decode(&d->high, d->high_block, some) ||
            !spread_any(&s, out, d->high_block, some, piece->width))
            return false;
    }
    return s.from == s.n;
}

static bool decode_piece(struct coded_decoder *d, const struct coded_piece *piece, uint8_t *out) {
    struct cursor c = {piece->payload, piece->payload + piece->size, false};
    bool ok = piece->sparse ? decode_sparse(d, piece, &c, out)
                            : decode_elements(d, &c, piece->kind, out, piece->n, piece->width);
    return ok && c.p == c.end;
}

int coded_decode(struct coded_decoder *d, const uint8_t *stored, size_t stored_size, uint8_t *out,
                 size_t size, struct diag *diag) {
    struct coded_walk walk = {.c = {stored, stored + stored_size, false}};
    for (unsigned i = 0; walk.c.p != walk.c.end; i++) {
        struct coded_piece piece;
        if (!coded_next(&walk, size, &piece))
            return diag_set(diag, MODEL_E_INVALID, "piece %u: malformed", i);
        if (!decode_piece(d, &piece, out + piece.offset))
            return diag_set(diag, MODEL_E_INVALID, "piece %u (%s): malformed", i,
                            coded_method(&piece));
    }
    if (walk.offset != size)
        return diag_set(diag, MODEL_E_INVALID, "its pieces end at byte %zu of %zu", walk.offset,
                        size);
    return 0;
}
