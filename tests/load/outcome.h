/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How the load tests end: the first thing that is wrong ends the program with a sentence.
 */

#include <stdio.h>
#include <stdlib.h>

/* Where the sanitizers' own memory hides what is measured. */
#ifdef __SANITIZE_ADDRESS__
#define OUTCOME_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OUTCOME_SANITIZED 1
#endif
#endif
#ifndef OUTCOME_SANITIZED
#define OUTCOME_SANITIZED 0
#endif

#define fail(...)                                                                                  \
    do {                                                                                           \
        fflush(stdout);                                                                            \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                                            \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fputc('\n', stderr);                                                                       \
        exit(1);                                                                                   \
    } while (0)

#define expect(condition, ...)                                                                     \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail(__VA_ARGS__);                                                                     \
    } while (0)
