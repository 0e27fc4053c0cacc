/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages, documents and exit codes of edgectl.
 */

#include "client/edgectl/ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/error.h"

bool ctl_has_suffix(const char *s, const char *suffix) {
    size_t n = strlen(s), m = strlen(suffix);
    return n > m && strcmp(s + n - m, suffix) == 0;
}

bool ctl_is_file(const char *name) {
    return strchr(name, '/') || ctl_has_suffix(name, ".edge") || ctl_has_suffix(name, ".tflite");
}

static void print_failure(const struct ctl *ctl, const char *text) {
    fprintf(stderr, "edgectl: %s\n", text);
    if (!ctl->json)
        return;
    cJSON *document = cJSON_CreateObject();
    char *printed = NULL;
    if (cJSON_AddStringToObject(document, "error", text))
        printed = cJSON_PrintUnformatted(document);
    if (printed)
        printf("%s\n", printed);
    cJSON_free(printed);
    cJSON_Delete(document);
}

int ctl_fail(const struct ctl *ctl, const char *fmt, ...) {
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    print_failure(ctl, text);
    return CTL_FAILED;
}

int ctl_fail_diag(const struct ctl *ctl, const struct diag *diag) {
    return ctl_fail(ctl, "%s", diag->text);
}

int ctl_usage(const char *verb, const char *fmt, ...) {
    fputs("edgectl: ", stderr);
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nTry 'edgectl %s%s--help'.\n", verb ? verb : "", verb ? " " : "");
    return CTL_USAGE;
}

int ctl_print_json(const struct ctl *ctl, struct cJSON *document) {
    char *printed = document ? cJSON_Print(document) : NULL;
    cJSON_Delete(document);
    if (!printed)
        return ctl_fail(ctl, "out of memory");
    printf("%s\n", printed);
    cJSON_free(printed);
    return ctl_flush(ctl, CTL_DONE);
}

int ctl_flush(const struct ctl *ctl, int status) {
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "edgectl: cannot write to standard output: %m\n");
        return CTL_FAILED;
    }
    return status;
}
