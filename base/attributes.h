/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Compiler attributes and the few macros every folder uses. No code, no state: `kernels/` may include this too.
 */

#include <stddef.h>

#define _cleanup_(fn) __attribute__((__cleanup__(fn)))
#define _const_ __attribute__((__const__))
#define _hot_ __attribute__((__hot__))
#define _nodiscard_ __attribute__((__warn_unused_result__))
#define _printf_(fmt, args) __attribute__((__format__(__printf__, fmt, args)))
#define _public_ __attribute__((__visibility__("default")))
#define _unused_ __attribute__((__unused__))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* <sys/param.h>, which libuv includes, has ones that evaluate their arguments twice. */
#undef MIN
#undef MAX
#define MIN(a, b)                                                                                  \
    ({                                                                                             \
        __auto_type min_a = (a);                                                                   \
        __auto_type min_b = (b);                                                                   \
        min_a < min_b ? min_a : min_b;                                                             \
    })
#define MAX(a, b)                                                                                  \
    ({                                                                                             \
        __auto_type max_a = (a);                                                                   \
        __auto_type max_b = (b);                                                                   \
        max_a > max_b ? max_a : max_b;                                                             \
    })

/* Takes the value out of a cleanup variable: hands ownership over and leaves NULL behind. */
#define steal(ptr)                                                                                 \
    ({                                                                                             \
        __auto_type steal_p = (ptr);                                                               \
        __auto_type steal_v = *steal_p;                                                            \
        *steal_p = NULL;                                                                           \
        steal_v;                                                                                   \
    })
