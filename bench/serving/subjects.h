/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Networks and calls of the serving benchmark.
 */

#include <stdbool.h>
#include <stddef.h>

#define SUBJECT_ARRAY 27648            /* values of a 96 x 96 picture in three colours */
#define SUBJECT_REGION (224 * 224 * 3) /* floats: 600 kB */

/* Writes DIR/NAME.edge for the five networks of MLPerf Tiny, int8: "kws", "vww", "resnet", "ad01", "str_ww". False with a
 * message where the shared folder does not have them. */
bool subjects_write_five(const char *dir);
/* Networks whose output is their input, "bytes" and "floats" of SUBJECT_ARRAY values, and "picture", the mean of
 * SUBJECT_REGION floats by colour. */
void subjects_write_plain(const char *dir);

/* An Infer call. The caller frees its text. */
struct message {
    char *text;
    size_t size; /* with its NUL */
};

/* `size` bytes of a network's input as base64. */
struct message subjects_raw(const char *model, const void *values, size_t size);
/* The parameters of a call with n values as JSON numbers; `is_float`: FP32, else INT8. */
struct message subjects_data_parameters(const char *model, bool is_float, const void *values,
                                        size_t n, const char *output_form);
/* The call with these parameters. */
struct message subjects_call(const struct message *parameters);
/* The picture's input at the beginning of a region. */
struct message subjects_region(const char *region);
