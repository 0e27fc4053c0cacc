/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A report as one page that needs nothing else: no script, nothing loaded. Any thread.
 */

#include "base/attributes.h"

struct buffer;
struct cJSON;

/* Appends the page of a report (docs/compressing.md has the document's schema; parts that are missing are left out).
 * -ENOMEM, -EMSGSIZE. */
_nodiscard_ int report_html(const struct cJSON *report, struct buffer *buffer);
