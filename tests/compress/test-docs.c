/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docs/recipes.md lists every pass with the options that its table has.
 *
 *     test-docs             says whether it does
 *     test-docs --update    writes them into it
 */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/fd.h"
#include "compress/pass-help.h"

#define PAGE EDGED_SOURCE "/docs/recipes.md"
#define MAX_PAGE ((size_t)1 << 20)

static const char begin_mark[] = "<!-- passes: written by test-docs --update -->\n";
static const char end_mark[] = "<!-- end of passes -->\n";

static void fail(const char *what) {
    fprintf(stderr, PAGE ": %s\n", what);
    exit(EXIT_FAILURE);
}

static void append(struct buffer *b, const char *text) {
    if (buffer_append(b, text, strlen(text)))
        fail("out of memory");
}

/* A cell ends at a bar. */
static void append_cell(struct buffer *b, const char *text) {
    append(b, " ");
    for (const char *p = text; *p; p++) {
        const char one[] = {*p, 0};
        append(b, *p == '|' ? "\\|" : one);
    }
    append(b, " |");
}

static void append_pass(struct buffer *b, const struct pass *pass) {
    char text[PASS_HELP_MAX];
    append(b, "\n### ");
    append(b, pass->name);
    append(b, "\n\n");
    const char first[] = {(char)toupper((unsigned char)pass->summary[0]), 0};
    append(b, first);
    append(b, pass->summary + 1);
    append(b, ".\n");
    if (!pass->fields->name)
        return;
    append(b, "\n| option | takes | without it | does |\n|---|---|---|---|\n");
    for (const struct pass_field *f = pass->fields; f->name; f++) {
        append(b, "| `");
        append(b, f->name);
        append(b, "` |");
        append_cell(b, pass_help_values(f, text));
        append_cell(b, pass_help_default(f, text));
        append_cell(b, f->help);
        append(b, "\n");
    }
}

/* What stands between the marks, which `*ret_begin` and `*ret_end` are set to. */
static void find_marks(char *page, char **ret_begin, char **ret_end) {
    char *begin = strstr(page, begin_mark), *end = strstr(page, end_mark);
    if (!begin || !end || end < begin)
        fail("the marks around the passes are missing");
    *ret_begin = begin + strlen(begin_mark);
    *ret_end = end;
}

int main(int argc, char **argv) {
    struct buffer page, passes, updated;
    struct map map = {0};
    struct diag diag = {0};
    char *begin, *end;
    buffer_init(&page, MAX_PAGE);
    buffer_init(&passes, MAX_PAGE);
    buffer_init(&updated, MAX_PAGE);
    if (map_read_file(PAGE, MAX_PAGE / 2, &map, &diag))
        fail(diag.text);
    if (buffer_append(&page, map.data, map.size) || buffer_append(&page, "", 1))
        fail("out of memory");
    for (const struct pass *const *p = pass_list; *p; p++)
        append_pass(&passes, *p);
    append(&passes, "\n");
    find_marks((char *)page.data, &begin, &end);
    bool same = passes.len == (size_t)(end - begin) && memcmp(passes.data, begin, passes.len) == 0;
    if (!same && argc == 2 && strcmp(argv[1], "--update") == 0) {
        if (buffer_append(&updated, page.data, (size_t)((uint8_t *)begin - page.data)) ||
            buffer_append(&updated, passes.data, passes.len))
            fail("out of memory");
        append(&updated, end);
        if (file_write_atomic(PAGE, updated.data, updated.len, &diag))
            fail(diag.text);
        same = true;
    }
    buffer_deinit(&page);
    buffer_deinit(&passes);
    buffer_deinit(&updated);
    map_deinit(&map);
    if (!same)
        fail("the passes differ from their tables: run test-docs --update");
    return EXIT_SUCCESS;
}
