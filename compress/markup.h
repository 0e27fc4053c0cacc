/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Writing HTML and SVG: texts from outside are escaped, a failure is kept until the end. One thread.
 */

#include <stddef.h>

#include "base/attributes.h"
#include "base/buffer.h"

struct markup {
    struct buffer *out;
    int err; /* the first failure: -ENOMEM, -EMSGSIZE; nothing is written after it */
};

/* Markup as it is: only for texts of this program and for numbers. */
void markup_raw(struct markup *m, const char *fmt, ...) _printf_(2, 3);
/* A text from anywhere, good between tags and in quoted attributes. Control characters and what is not UTF-8 become
 * question marks. NULL counts as empty. */
void markup_text(struct markup *m, const char *text);
/* markup_raw() of a format whose only conversion is %s, for a text from anywhere. */
void markup_wrap(struct markup *m, const char *before, const char *text, const char *after);

/* Numbers as people read them, in a buffer of MARKUP_MAX_NUMBER; NAN is a dash. */
#define MARKUP_MAX_NUMBER 48
const char *markup_bytes(double bytes, char *ret); /* "12.3 KiB" */
const char *markup_count(double count, char *ret); /* "1,234" */
const char *markup_us(double us, char *ret);       /* "1.24 ms" */
const char *markup_ratio(double ratio, char *ret); /* "12.3×" */
