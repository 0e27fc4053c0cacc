/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4), the checksum of `.edge` segments. Thread-safe.
 */

#include <stddef.h>
#include <stdint.h>

/* Checksum of [data, data + size); 0 for an empty range. */
uint32_t crc32c(const void *data, size_t size);
