/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Compiler attributes and the few macros every folder uses. No code, no state: `kernels/` may include this too.
 */

#include <stddef.h>

#define _cleanup_(fn) __attribute__((__cleanup__(fn)))
#define _nodiscard_ __attribute__((__warn_unused_result__))
#define _printf_(fmt, args) __attribute__((__format__(__printf__, fmt, args)))
#define _public_ __attribute__((__visibility__("default")))
#define _unused_ __attribute__((__unused__))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* <sys/param.h>, which libuv includes, has ones that evaluate their arguments twice. */
#undef MIN
#undef MAX
/* Each argument is evaluated once; the names are unique, so that calls nest. */
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#define SELECT_(a, op, b, x, y)                                                                    \
    ({                                                                                             \
        __auto_type x = (a);                                                                       \
        __auto_type y = (b);                                                                       \
        x op y ? x : y;                                                                            \
    })
#define MIN(a, b) SELECT_(a, <, b, PASTE(min_a_, __COUNTER__), PASTE(min_b_, __COUNTER__))
#define MAX(a, b) SELECT_(a, >, b, PASTE(max_a_, __COUNTER__), PASTE(max_b_, __COUNTER__))

/* Takes the value out of a cleanup variable: hands ownership over and leaves NULL behind. */
#define steal(ptr)                                                                                 \
    ({                                                                                             \
        __auto_type steal_p = (ptr);                                                               \
        __auto_type steal_v = *steal_p;                                                            \
        *steal_p = NULL;                                                                           \
        steal_v;                                                                                   \
    })
