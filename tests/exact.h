/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Mappings whose bytes behind the end AddressSanitizer guards too; a mapping alone ends at a page.
 */

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

#ifdef __SANITIZE_ADDRESS__
#define EXACT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EXACT_ASAN 1
#endif
#endif

#ifdef EXACT_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

/* Between [data, data + size) and the end of its last page. Unguard it again after the mapping went: its addresses are
 * used for others. */
static inline void exact_guard(void *data, size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), used = size % page;
    if (used)
        ASAN_POISON_MEMORY_REGION((char *)data + size, page - used);
}

static inline void exact_unguard(void *data, size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), used = size % page;
    if (used)
        ASAN_UNPOISON_MEMORY_REGION((char *)data + size, page - used);
}
