/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * JSON as the wire needs it: cJSON reads documents, with the bulk of tensors (`data` arrays, `raw` strings) kept out of
 * its tree; a small writer appends to a buffer. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"

struct cJSON;

#define JSON_MAX_CUTS 512
#define JSON_MAX_INT (INT64_C(1) << 53) /* beyond it a JSON number is not exact everywhere */

/* A value kept out of the tree: the text between its brackets or quotes, in the document. */
struct json_cut {
    char *text;
    size_t len;
    bool is_string;
};

struct json_doc {
    struct buffer small; /* the text without the cuts, where there are any */
    struct buffer cuts;  /* of struct json_cut */
    struct cJSON *root;
};

enum {
    JSON_E_INVALID = 1,
};

void json_doc_init(struct json_doc *doc);
void json_doc_deinit(struct json_doc *doc);
/* Frees the tree, keeps up to `keep` bytes of memory for the next document. */
void json_doc_reset(struct json_doc *doc, size_t keep);
/*
 * Parses text[0..len), which must live, unmoved, as long as the cuts are used and be followed by a NUL. The document
 * must be new or reset. 0, JSON_E_INVALID (no JSON, no UTF-8, a NUL within a string, too many cuts, or cJSON had no
 * memory), -ENOMEM.
 */
_nodiscard_ int json_doc_parse(struct json_doc *doc, char *text, size_t len);
/*
 * What was cut out where `item` stands; NULL where nothing was. Cut are, under the key `data`, arrays that hold neither
 * strings nor arrays nor objects, and under the key `raw`, strings. Their elements are not checked yet.
 */
const struct json_cut *json_doc_cut(const struct json_doc *doc, const struct cJSON *item);

/* Whether what was cut out is JSON as well. */
bool json_doc_whole(const struct json_doc *doc);
/* The text of the value of `key` in the object that is the whole of a document's text; the last where there are several.
 * NULL where there is none. */
const char *json_member_text(const char *text, size_t len, const char *key, size_t *ret_len);

/* Whether item is an integer within [min, max]; stores it. */
bool json_int(const struct cJSON *item, int64_t min, int64_t max, int64_t *ret);

/* Appends JSON; commas come by themselves. The first error sticks, and nothing more is written. */
struct json_writer {
    struct buffer *buffer;
    int err; /* 0, -ENOMEM, -EMSGSIZE */
    bool comma;
};

void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
/* The key is one of ours: nothing in it needs an escape. */
void json_key(struct json_writer *w, const char *key);
/* Bytes that are not UTF-8 become U+FFFD. */
void json_put_string(struct json_writer *w, const char *s);
void json_put_int(struct json_writer *w, int64_t v);
void json_put_uint(struct json_writer *w, uint64_t v);
/* Shortest text that reads back as the same float; null where it is not finite. */
void json_put_float(struct json_writer *w, float v);
void json_put_bool(struct json_writer *w, bool v);
void json_put_null(struct json_writer *w);
/* Room for a value of at most `max` bytes, to be written in place and then announced with json_put_done(); NULL after
 * an error. */
char *json_put_reserve(struct json_writer *w, size_t max);
void json_put_done(struct json_writer *w, size_t len);
