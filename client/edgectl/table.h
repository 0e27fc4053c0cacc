/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Aligned tables on stdout, and numbers as people read them. A table belongs to one thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

#define TABLE_MAX_COLUMNS 16
#define HUMAN_MAX 32

struct table {
    unsigned n_columns;
    const char *const *
        titles; /* borrowed; a title that begins with '>' is a column of numbers, set to the right */
    char **cells; /* row after row */
    size_t n_cells;
    int err; /* -ENOMEM once a cell could not be kept */
};

void table_init(struct table *table, const char *const *titles, unsigned n_columns);
void table_deinit(struct table *table);
/* Appends the next cell, row after row. Control characters become '?'. */
void table_add(struct table *table, const char *fmt, ...) _printf_(2, 3);
/* Prints titles (unless all are empty) and rows. 0 or -ENOMEM, and nothing is printed then. */
_nodiscard_ int table_print(const struct table *table);

/* "1,234", "12.3 KiB", "1.24 ms", "1.2 s" in a buffer of HUMAN_MAX bytes. Return it. */
const char *human_bytes(uint64_t bytes, char *ret);
const char *human_count(uint64_t count, char *ret);
const char *human_ns(double ns, char *ret);

/* Columns of the text, as a terminal shows it: UTF-8 continuation bytes take none. */
size_t human_width(const char *text);
