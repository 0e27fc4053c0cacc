/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FlatBuffers cursor. A table starts with a signed offset back to its vtable; the vtable holds its own size, the
 * table's size and one 16-bit offset per field, 0 for an absent one. Positions fit 32 bits.
 */

#include "model/flatbuffer.h"

#include <string.h>

#include "base/arith.h"
#include "base/bytes.h"

#define FB_MAX_BYTES ((size_t)INT32_MAX)
#define VTABLE_HEADER 4

static void mark_bad(struct fb *fb, size_t at) {
    if (!fb->bad) {
        fb->bad = true;
        fb->bad_at = at;
    }
}

/* Whether [pos, pos + size) is inside; else the buffer is bad at `from`. */
static bool inside(struct fb *fb, uint64_t pos, uint64_t size, size_t from) {
    if (range_within(pos, size, fb->size))
        return true;
    mark_bad(fb, from);
    return false;
}

void fb_init(struct fb *fb, const void *data, size_t size) {
    *fb = (struct fb){.data = data, .size = size};
    if (size > FB_MAX_BYTES) {
        fb->size = 0;
        mark_bad(fb, 0);
    }
}

/* The table at `pos`; an absent one where anything about it is out of bounds. `from` is the offset that led here. */
static struct fb_table table_at(struct fb *fb, uint64_t pos, size_t from) {
    struct fb_table none = {0};
    if (!inside(fb, pos, 4, from))
        return none;
    int64_t vtable = (int64_t)pos - (int32_t)load_le32(fb->data + pos);
    if (vtable < 0 || !inside(fb, (uint64_t)vtable, VTABLE_HEADER, pos)) {
        mark_bad(fb, pos);
        return none;
    }
    struct fb_table table = {.fb = fb, .pos = (uint32_t)pos, .vtable = (uint32_t)vtable};
    table.vtable_size = load_le16(fb->data + vtable);
    table.table_size = load_le16(fb->data + vtable + 2);
    if (table.vtable_size < VTABLE_HEADER || table.table_size < 4 ||
        !inside(fb, (uint64_t)vtable, table.vtable_size, (size_t)vtable) ||
        !inside(fb, pos, table.table_size, (size_t)vtable)) {
        mark_bad(fb, (size_t)vtable);
        return none;
    }
    return table;
}

bool fb_root(struct fb *fb, const char *identifier, struct fb_table *ret_table) {
    if (fb->size < 8 || memcmp(fb->data + 4, identifier, 4) != 0)
        return false;
    *ret_table = table_at(fb, load_le32(fb->data), 0);
    return !fb->bad;
}

/* Position of a field of `size` bytes; 0 where it is absent (no field can stand at 0). */
static size_t field_at(const struct fb_table *table, unsigned field, size_t size) {
    size_t entry = VTABLE_HEADER + 2 * (size_t)field;
    if (!table->fb || entry + 2 > table->vtable_size)
        return 0;
    size_t offset = load_le16(table->fb->data + table->vtable + entry);
    if (offset == 0)
        return 0;
    if (offset < 4 || !range_within(offset, size, table->table_size)) {
        mark_bad(table->fb, table->vtable + entry);
        return 0;
    }
    return table->pos + offset;
}

bool fb_has(const struct fb_table *table, unsigned field) {
    return field_at(table, field, 1) != 0;
}

bool fb_bool(const struct fb_table *table, unsigned field, bool absent) {
    return fb_u8(table, field, absent) != 0;
}

uint8_t fb_u8(const struct fb_table *table, unsigned field, uint8_t absent) {
    size_t at = field_at(table, field, 1);
    return at ? table->fb->data[at] : absent;
}

int8_t fb_i8(const struct fb_table *table, unsigned field, int8_t absent) {
    return (int8_t)fb_u8(table, field, (uint8_t)absent);
}

uint32_t fb_u32(const struct fb_table *table, unsigned field, uint32_t absent) {
    size_t at = field_at(table, field, 4);
    return at ? load_le32(table->fb->data + at) : absent;
}

int32_t fb_i32(const struct fb_table *table, unsigned field, int32_t absent) {
    return (int32_t)fb_u32(table, field, (uint32_t)absent);
}

uint64_t fb_u64(const struct fb_table *table, unsigned field, uint64_t absent) {
    size_t at = field_at(table, field, 8);
    return at ? load_le64(table->fb->data + at) : absent;
}

float fb_f32(const struct fb_table *table, unsigned field, float absent) {
    size_t at = field_at(table, field, 4);
    return at ? load_lef32(table->fb->data + at) : absent;
}

/* Where the offset that stands at `at` leads. */
static uint64_t follow(const struct fb *fb, size_t at) {
    return (uint64_t)at + load_le32(fb->data + at);
}

struct fb_table fb_child(const struct fb_table *table, unsigned field) {
    size_t at = field_at(table, field, 4);
    return at ? table_at(table->fb, follow(table->fb, at), at) : (struct fb_table){0};
}

struct fb_vector fb_elements(const struct fb_table *table, unsigned field, size_t elem) {
    struct fb_vector none = {0};
    size_t at = field_at(table, field, 4);
    if (!at)
        return none;
    struct fb *fb = table->fb;
    uint64_t pos = follow(fb, at);
    if (!inside(fb, pos, 4, at))
        return none;
    uint32_t count = load_le32(fb->data + pos);
    if (!inside(fb, pos + 4, (uint64_t)count * elem, (size_t)pos))
        return none;
    return (struct fb_vector){.fb = fb, .data = fb->data + pos + 4, .count = count};
}

struct fb_string fb_text(const struct fb_table *table, unsigned field) {
    struct fb_vector bytes = fb_elements(table, field, 1);
    if (!bytes.data)
        return (struct fb_string){.s = ""};
    return (struct fb_string){.s = (const char *)bytes.data, .len = bytes.count};
}

int32_t fb_i32_at(const struct fb_vector *vector, uint32_t i) {
    return (int32_t)load_le32(vector->data + 4 * (size_t)i);
}

int64_t fb_i64_at(const struct fb_vector *vector, uint32_t i) {
    return (int64_t)load_le64(vector->data + 8 * (size_t)i);
}

float fb_f32_at(const struct fb_vector *vector, uint32_t i) {
    return load_lef32(vector->data + 4 * (size_t)i);
}

struct fb_table fb_table_at(const struct fb_vector *vector, uint32_t i) {
    size_t at = (size_t)(vector->data - vector->fb->data) + 4 * (size_t)i;
    return table_at(vector->fb, follow(vector->fb, at), at);
}
