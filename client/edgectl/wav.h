/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Recordings as a sound network takes them, read by libsndfile. Thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct diag;

enum {
    WAV_E_INVALID = 1, /* not a recording libsndfile reads, or none of this rate and one channel */
};

/* Whether the bytes begin like a RIFF WAVE file. */
bool wav_probe(const void *bytes, size_t size);
/* Fills ret_samples[n] with the first samples of a mono recording of `rate` Hz; a shorter one is followed by zeros.
 * 0 or WAV_E_INVALID. */
_nodiscard_ int wav_parse(const void *bytes, size_t size, uint32_t rate, size_t n,
                          int16_t *ret_samples, struct diag *diag);
