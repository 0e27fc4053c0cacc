/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Log lines with their fields to the journal. Any thread.
 */

#include <stdbool.h>

/* Installs the sink where stderr is the journal's stream, which `stream` ($JOURNAL_STREAM, may be NULL) says. */
bool journal_init(const char *stream);
