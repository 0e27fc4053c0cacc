/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Option tables as texts.
 */

#include "compress/pass-help.h"

#include <math.h>
#include <stdio.h>

#include <cjson/cJSON.h>

/* "one of a, b, c" */
static void list_choices(const struct pass_field *field, char *ret) {
    size_t used = (size_t)snprintf(ret, PASS_HELP_MAX, "one of ");
    for (unsigned i = 0; field->choices[i] && used < PASS_HELP_MAX; i++)
        used += (size_t)snprintf(ret + used, PASS_HELP_MAX - used, "%s%s", i ? ", " : "",
                                 field->choices[i]);
}

/* 4294967295 is no limit that a reader wants to know. */
static void number_range(const struct pass_field *field, const char *what, char *ret) {
    double unlimited = field->kind == FIELD_COUNT ? 1e9 : 1e30;
    if (field->max < unlimited)
        snprintf(ret, PASS_HELP_MAX, "%s from %.10g to %.10g", what, field->min, field->max);
    else
        snprintf(ret, PASS_HELP_MAX, "%s from %.10g", what, field->min);
}

const char *pass_help_values(const struct pass_field *field, char *ret) {
    switch (field->kind) {
    case FIELD_NUMBER:
        number_range(field, "a number", ret);
        break;
    case FIELD_COUNT:
        number_range(field, "a whole number", ret);
        break;
    case FIELD_FLAG:
        snprintf(ret, PASS_HELP_MAX, "true or false");
        break;
    case FIELD_CHOICE:
        list_choices(field, ret);
        break;
    case FIELD_TEXT:
        snprintf(ret, PASS_HELP_MAX, "a text");
        break;
    }
    return ret;
}

const char *pass_help_default(const struct pass_field *field, char *ret) {
    if (isnan(field->value))
        snprintf(ret, PASS_HELP_MAX, "required");
    else if (field->kind == FIELD_TEXT || field->value < field->min)
        snprintf(ret, PASS_HELP_MAX, "none");
    else if (field->kind == FIELD_CHOICE)
        snprintf(ret, PASS_HELP_MAX, "%s", field->choices[(int)field->value] ?: "none");
    else if (field->kind == FIELD_FLAG)
        snprintf(ret, PASS_HELP_MAX, "%s", field->value != 0 ? "true" : "false");
    else
        snprintf(ret, PASS_HELP_MAX, "%.10g", field->value);
    return ret;
}

static cJSON *options_json(const struct pass *pass) {
    char text[PASS_HELP_MAX];
    cJSON *options = cJSON_CreateArray();
    for (const struct pass_field *f = pass->fields; f->name; f++) {
        cJSON *option = cJSON_CreateObject();
        cJSON_AddStringToObject(option, "name", f->name);
        cJSON_AddStringToObject(option, "values", pass_help_values(f, text));
        cJSON_AddStringToObject(option, "default", pass_help_default(f, text));
        cJSON_AddStringToObject(option, "help", f->help);
        cJSON_AddItemToArray(options, option);
    }
    return options;
}

cJSON *pass_help_json(void) {
    cJSON *list = cJSON_CreateArray();
    for (const struct pass *const *p = pass_list; *p; p++) {
        cJSON *pass = cJSON_CreateObject();
        cJSON_AddStringToObject(pass, "name", (*p)->name);
        cJSON_AddStringToObject(pass, "summary", (*p)->summary);
        cJSON_AddItemToObject(pass, "options", options_json(*p));
        cJSON_AddItemToArray(list, pass);
    }
    return list;
}
