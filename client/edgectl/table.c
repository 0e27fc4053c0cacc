/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables: cells are kept until the widths are known.
 */

#include "client/edgectl/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void table_init(struct table *table, const char *const *titles, unsigned n_columns) {
    edge_assert(n_columns > 0 && n_columns <= TABLE_MAX_COLUMNS);
    *table = (struct table){.n_columns = n_columns, .titles = titles};
}

void table_deinit(struct table *table) {
    for (size_t i = 0; i < table->n_cells; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct table){0};
}

void table_add(struct table *table, const char *fmt, ...) {
    if (table->err)
        return;
    char *cell = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&cell, fmt, ap);
    va_end(ap);
    char **cells = n < 0 ? NULL : reallocarray(table->cells, table->n_cells + 1, sizeof(*cells));
    if (!cells) {
        if (n >= 0)
            free(cell);
        table->err = err_origin(-ENOMEM);
        return;
    }
    /* Names come from files: none may move the cursor. */
    for (char *p = cell; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    table->cells = cells;
    table->cells[table->n_cells++] = cell;
}

static bool is_right(const struct table *t, unsigned column) {
    return t->titles[column][0] == '>';
}

static const char *title(const struct table *t, unsigned column) {
    return t->titles[column] + is_right(t, column);
}

static void print_row(const struct table *t, const char *const *cells, const size_t *widths) {
    unsigned n = t->n_columns;
    while (n > 0 && !*cells[n - 1])
        n--;
    for (unsigned c = 0; c < n; c++) {
        int pad = (int)(widths[c] - human_width(cells[c]));
        bool last = c + 1 == n;
        if (is_right(t, c))
            printf("%*s%s%s", pad, "", cells[c], last ? "" : "  ");
        else
            printf("%s%*s", cells[c], last ? 0 : pad + 2, "");
    }
    putchar('\n');
}

int table_print(const struct table *table) {
    if (table->err)
        return table->err;
    size_t widths[TABLE_MAX_COLUMNS] = {0};
    const char *titles[TABLE_MAX_COLUMNS];
    bool titled = false;
    for (unsigned c = 0; c < table->n_columns; c++) {
        titles[c] = title(table, c);
        widths[c] = human_width(titles[c]);
        titled = titled || *titles[c];
    }
    for (size_t i = 0; i < table->n_cells; i++)
        widths[i % table->n_columns] =
            MAX(widths[i % table->n_columns], human_width(table->cells[i]));
    if (titled)
        print_row(table, titles, widths);
    for (size_t i = 0; i + table->n_columns <= table->n_cells; i += table->n_columns)
        print_row(table, (const char *const *)table->cells + i, widths);
    return 0;
}

size_t human_width(const char *text) {
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

const char *human_bytes(uint64_t bytes, char *ret) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    if (bytes < 1024) {
        snprintf(ret, HUMAN_MAX, "%" PRIu64 " B", bytes);
        return ret;
    }
    double value = (double)bytes / 1024;
    unsigned unit = 0;
    for (; value >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++)
        value /= 1024;
    snprintf(ret, HUMAN_MAX, "%.1f %s", value, units[unit]);
    return ret;
}

const char *human_count(uint64_t count, char *ret) {
    char digits[HUMAN_MAX];
    int n = snprintf(digits, sizeof(digits), "%" PRIu64, count);
    char *p = ret;
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    *p = 0;
    return ret;
}

const char *human_ns(double ns, char *ret) {
    if (ns < 1e6)
        snprintf(ret, HUMAN_MAX, "%.1f µs", ns / 1e3);
    else if (ns < 1e9)
        snprintf(ret, HUMAN_MAX, "%.2f ms", ns / 1e6);
    else
        snprintf(ret, HUMAN_MAX, "%.2f s", ns / 1e9);
    return ret;
}
