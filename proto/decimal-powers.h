/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A table of proto/decimal.
 */

#include <stdint.h>

#define DECIMAL_LOW (-64)
#define DECIMAL_HIGH 45

extern const uint64_t decimal_powers[DECIMAL_HIGH - DECIMAL_LOW + 1][2];
