/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A well-behaved client on a thread of its own, which goes on getting right answers while others misbehave.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct bystander {
    pthread_t thread;
    const char *socket;
    const char *model; /* gives its UINT8 or INT8 input back */
    size_t size;       /* of that input */
    atomic_bool stop;
    uint64_t n_answers;
    uint64_t slowest_ns;
};

void bystander_start(struct bystander *ret_bystander, const char *socket, const char *model,
                     size_t size);
/* Fails the test where nothing was answered or an answer took too long. */
void bystander_stop(struct bystander *bystander);
