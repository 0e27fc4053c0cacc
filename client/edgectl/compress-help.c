/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl compress --help-passes: what a recipe may say.
 */

#include "client/edgectl/compress.h"

#include <stdio.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "client/edgectl/ctl.h"
#include "client/edgectl/table.h"
#include "compress/pass-help.h"

static int print_pass(const struct pass *pass) {
    static const char *const titles[] = {"", "", "", ""};
    char text[PASS_HELP_MAX];
    struct table t;
    table_init(&t, titles, ARRAY_SIZE(titles));
    for (const struct pass_field *f = pass->fields; f->name; f++) {
        table_add(&t, "  %s", f->name);
        table_add(&t, "%s", pass_help_values(f, text));
        table_add(&t, "%s", pass_help_default(f, text));
        table_add(&t, "%s", f->help);
    }
    printf("\n%s: %s\n", pass->name, pass->summary);
    int r = table_print(&t);
    table_deinit(&t);
    return r;
}

int compress_print_passes(const struct ctl *ctl) {
    if (ctl->json) {
        cJSON *document = cJSON_CreateObject();
        cJSON_AddItemToObject(document, "passes", pass_help_json());
        return ctl_print_json(ctl, document);
    }
    printf(
        "Passes in the order in which they are best applied, with their options: what they take,\n"
        "what counts where the recipe says nothing, what they do. Every pass also takes\n"
        "\"layers\" and \"except\": lists of names of layers, or patterns with *.\n");
    for (const struct pass *const *p = pass_list; *p; p++)
        if (print_pass(*p))
            return ctl_fail(ctl, "out of memory");
    return CTL_DONE;
}
