/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * UTF-8 as RFC 3629 has it: shortest forms only, no surrogates, nothing beyond U+10FFFF. Thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>

/* The length of the sequence at s, which has n > 0 bytes; 0 where it is none. */
size_t utf8_length(const char *s, size_t n);
/* Whether all n bytes are sequences. */
bool utf8_valid(const char *s, size_t n);
