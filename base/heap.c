/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving memory back.
 */

#include "base/heap.h"

#include <malloc.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEAP_IS_GLIBC 0
#endif
#endif
#ifndef HEAP_IS_GLIBC
#ifdef __SANITIZE_ADDRESS__
#define HEAP_IS_GLIBC 0
#else
#define HEAP_IS_GLIBC 1
#endif
#endif

void heap_trim(size_t keep) {
    if (HEAP_IS_GLIBC && mallinfo2().fordblks > keep)
        malloc_trim(0);
}
