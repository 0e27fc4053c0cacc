/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header, segment table and what the segments hold. Everything that is not plain is decoded into one mapping, whose size
 * is known and allowed before anything is decoded. No state.
 */

#include "model/container-segments.h"

#include <sys/mman.h>

#include "base/arith.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "model/container.h"

static int read_header(struct segments *s, const uint8_t *file, size_t size, struct diag *diag) {
    if (size < HEADER_SIZE || !container_probe(file, size))
        return diag_set(diag, MODEL_E_INVALID, "not an .edge file");
    uint16_t version = load_le16(file + HEADER_VERSION);
    if (version != CONTAINER_VERSION)
        return diag_set(diag, MODEL_E_UNSUPPORTED, "format version %u, not %d", version,
                        CONTAINER_VERSION);
    s->n = load_le16(file + HEADER_SEGMENTS);
    if (s->n > CONTAINER_MAX_SEGMENTS || size < HEADER_SIZE + s->n * (size_t)ENTRY_SIZE)
        return diag_set(diag, MODEL_E_INVALID, "header: %u segments in %zu bytes", s->n, size);
    size_t checked = HEADER_SIZE + s->n * (size_t)ENTRY_SIZE - HEADER_VERSION;
    if (load_le32(file + HEADER_CHECKSUM) != crc32c(file + HEADER_VERSION, checked))
        return diag_set(diag, MODEL_E_INVALID, "header: wrong checksum");
    if (load_le32(file + HEADER_REQUIRED) != 0)
        return diag_set(diag, MODEL_E_UNSUPPORTED, "header: required features 0x%x",
                        load_le32(file + HEADER_REQUIRED));
    if (load_le64(file + HEADER_FILE_SIZE) != size)
        return diag_set(diag, MODEL_E_INVALID, "header: %llu bytes, but the file has %zu",
                        (unsigned long long)load_le64(file + HEADER_FILE_SIZE), size);
    return 0;
}

static bool all_zero(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (data[i])
            return false;
    return true;
}

static bool encoding_known(const struct segment *s) {
    switch (s->kind) {
    case SEGMENT_STRUCTURE:
    case SEGMENT_METADATA:
        return s->encoding == SEGMENT_PLAIN || s->encoding == SEGMENT_ZSTD;
    case SEGMENT_DATA:
        return s->encoding == SEGMENT_PLAIN || s->encoding == SEGMENT_CODED;
    default:
        return false;
    }
}

static int check_entry(const struct segment *s, const uint8_t *entry, uint32_t i,
                       struct diag *diag) {
    uint64_t decoded = load_le64(entry + ENTRY_DECODED);
    bool plain = s->encoding == SEGMENT_PLAIN;
    if (!encoding_known(s))
        return diag_set(diag, MODEL_E_UNSUPPORTED, "segment %u: kind %u, encoding %u", i, s->kind,
                        s->encoding);
    if (entry[ENTRY_FLAGS] & ~SEGMENT_IGNORABLE ||
        (plain ? decoded != s->stored_size : decoded == 0))
        return diag_set(diag, MODEL_E_INVALID, "segment %u: its entry contradicts itself", i);
    if (!plain && !container_ratio_allowed(s->stored_size, decoded))
        return diag_set(diag, MODEL_E_INVALID, "segment %u: %llu bytes cannot come of %zu", i,
                        (unsigned long long)decoded, s->stored_size);
    if (load_le32(entry + ENTRY_CHECKSUM) != crc32c(s->stored, s->stored_size))
        return diag_set(diag, MODEL_E_INVALID, "segment %u: wrong checksum", i);
    return 0;
}

/* A segment starts at the first aligned byte after what is before it; `*end` moves past it. */
static int read_entry(struct segment *s, const uint8_t *file, size_t size, uint32_t i, size_t *end,
                      struct diag *diag) {
    const uint8_t *entry = file + HEADER_SIZE + i * (size_t)ENTRY_SIZE;
    uint64_t offset = load_le64(entry + ENTRY_OFFSET), stored = load_le64(entry + ENTRY_STORED);
    size_t want = ALIGN_UP(*end, CONTAINER_SEGMENT_ALIGN);
    if (offset != want || !range_within(offset, stored, size))
        return diag_set(diag, MODEL_E_INVALID, "segment %u: not where it has to be", i);
    if (!all_zero(file + *end, want - *end))
        return diag_set(diag, MODEL_E_INVALID, "segment %u: padding before it is not zero", i);
    *s = (struct segment){.kind = load_le16(entry + ENTRY_KIND),
                          .encoding = entry[ENTRY_ENCODING],
                          .stored = file + offset,
                          .stored_size = (size_t)stored};
    *end = (size_t)(offset + stored);
    bool known = s->kind >= SEGMENT_STRUCTURE && s->kind <= SEGMENT_DATA;
    s->skipped = !known && entry[ENTRY_FLAGS] & SEGMENT_IGNORABLE;
    if (s->skipped)
        return 0;
    int r = check_entry(s, entry, i, diag);
    s->data = s->stored;
    s->size = (size_t)load_le64(entry + ENTRY_DECODED);
    s->walk.c = (struct cursor){s->stored, s->stored + s->stored_size, false};
    return r;
}

static bool to_decode(const struct segment *s) {
    return !s->skipped && s->encoding != SEGMENT_PLAIN;
}

/* Room for all that has to be decoded, where there is such. The pages come at once: every one will be written. */
static int map_decoded(struct segments *s, struct diag *diag) {
    size_t total = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        if (!to_decode(&s->list[i]))
            continue;
        if (s->list[i].size > CONTAINER_MAX_BYTES - total)
            return diag_set(diag, MODEL_E_INVALID, "more than %zu bytes when decoded",
                            CONTAINER_MAX_BYTES);
        total += ALIGN_UP(s->list[i].size, CONTAINER_SEGMENT_ALIGN);
    }
    if (total == 0)
        return 0;
    void *p = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
                   -1, 0);
    if (p == MAP_FAILED)
        return err_origin(-ENOMEM);
    s->decoded = (struct map){p, total};
    return 0;
}

static int decode_one(struct coded_decoder *decoder, struct segment *s, uint32_t i, uint8_t *out,
                      struct diag *diag) {
    int r = 0;
    if (s->encoding == SEGMENT_CODED)
        r = coded_decode(decoder, s->stored, s->stored_size, out, s->size, diag);
    else if (!coded_unzstd(decoder, s->stored, s->stored_size, out, s->size))
        r = diag_set(diag, MODEL_E_INVALID, "not %zu bytes of zstd", s->size);
    s->data = out;
    return r ? diag_prefix(diag, r, "segment %u", i) : 0;
}

static int decode_all(struct segments *s, struct diag *diag) {
    _cleanup_(coded_decoder_freep) struct coded_decoder *decoder = NULL;
    int r = map_decoded(s, diag);
    if (r || !s->decoded.data)
        return r;
    r = coded_decoder_new(&decoder);
    uint8_t *out = s->decoded.data;
    for (uint32_t i = 0; i < s->n && r == 0; i++) {
        if (!to_decode(&s->list[i]))
            continue;
        r = decode_one(decoder, &s->list[i], i, out, diag);
        out += ALIGN_UP(s->list[i].size, CONTAINER_SEGMENT_ALIGN);
    }
    return r;
}

int segments_read(struct segments *ret, const uint8_t *file, size_t size, struct diag *diag) {
    *ret = (struct segments){0};
    int r = read_header(ret, file, size, diag);
    size_t end = HEADER_SIZE + ret->n * (size_t)ENTRY_SIZE;
    for (uint32_t i = 0; i < ret->n && r == 0; i++)
        r = read_entry(&ret->list[i], file, size, i, &end, diag);
    if (r == 0 && end != size)
        r = diag_set(diag, MODEL_E_INVALID, "%zu bytes after the last segment", size - end);
    return r ? r : decode_all(ret, diag);
}

void segments_deinit(struct segments *s) {
    map_deinit(&s->decoded);
}
