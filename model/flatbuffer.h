/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A bounds-checking FlatBuffers cursor: every offset, vtable and length is looked at before it is followed, nothing
 * recurses on data, nothing is allocated. An offset that leaves the buffer marks the buffer bad and reads as absent, so
 * that a caller may read a whole table and look at `bad` once. One thread at a time; what it returns points into the
 * buffer.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct fb {
    const uint8_t *data;
    size_t size;
    bool bad;
    size_t bad_at; /* where the first broken offset stands */
};

struct fb_table {
    struct fb *fb;   /* NULL: an absent table, whose fields are all absent */
    uint32_t pos;    /* of the table */
    uint32_t vtable; /* of its vtable */
    uint16_t vtable_size, table_size;
};

/* Elements of a vector; data is NULL where it is absent. */
struct fb_vector {
    struct fb *fb;
    const uint8_t *data;
    uint32_t count;
};

/* Bytes of a string, not terminated; s is "" where it is absent. */
struct fb_string {
    const char *s;
    uint32_t len;
};

/* FlatBuffers are at most 2 GiB: a larger buffer is bad at once. */
void fb_init(struct fb *fb, const void *data, size_t size);
/* The root table. The identifier is four bytes. False where the buffer does not begin like such a file. */
_nodiscard_ bool fb_root(struct fb *fb, const char *identifier, struct fb_table *ret_table);

/* Scalar fields by their number in the schema; `absent` is the schema's default. */
bool fb_bool(const struct fb_table *table, unsigned field, bool absent);
int8_t fb_i8(const struct fb_table *table, unsigned field, int8_t absent);
uint8_t fb_u8(const struct fb_table *table, unsigned field, uint8_t absent);
int32_t fb_i32(const struct fb_table *table, unsigned field, int32_t absent);
uint32_t fb_u32(const struct fb_table *table, unsigned field, uint32_t absent);
uint64_t fb_u64(const struct fb_table *table, unsigned field, uint64_t absent);
float fb_f32(const struct fb_table *table, unsigned field, float absent);

/* Whether the field is there, whatever it holds. */
bool fb_has(const struct fb_table *table, unsigned field);
struct fb_table fb_child(const struct fb_table *table, unsigned field);
struct fb_string fb_text(const struct fb_table *table, unsigned field);
/* A vector of scalars of `elem` bytes, or of tables (elem 4). */
struct fb_vector fb_elements(const struct fb_table *table, unsigned field, size_t elem);

/* Elements of a vector, i < count. */
int32_t fb_i32_at(const struct fb_vector *vector, uint32_t i);
int64_t fb_i64_at(const struct fb_vector *vector, uint32_t i);
float fb_f32_at(const struct fb_vector *vector, uint32_t i);
struct fb_table fb_table_at(const struct fb_vector *vector, uint32_t i);
