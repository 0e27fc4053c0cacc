/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the C library's allocator keeps after a peak, back to the system. Thread-safe.
 */

#include <stddef.h>

/* Gives free memory back where there is more than `keep` bytes of it. Under AddressSanitizer, which has an allocator of
 * its own, nothing: C library functions that look into a heap nobody set up are not safe from two threads. */
void heap_trim(size_t keep);
