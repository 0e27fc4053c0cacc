/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages: the input is parsed as a call and as a reply; every element of `inputs` is read as a tensor and its values
 * are decoded in every datatype.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "proto/json.h"
#include "proto/message.h"
#include "proto/tensor.h"
#include "proto/values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const struct wire_tensor *t) {
    struct diag diag;
    if (t->form == WIRE_RAW) {
        size_t max = values_base64_max(t->text_len);
        void *values = malloc(max);
        if (values && values_from_base64(t->text, t->text_len, values, max, &max, &diag) == 0)
            edge_assert(max <= values_base64_max(t->text_len));
        free(values);
    }
    if (t->form != WIRE_DATA)
        return;
    size_t n = values_count(t->text, t->text_len);
    for (enum dtype d = DTYPE_FP32; dtype_size(d); d++) {
        void *values = malloc(n * dtype_size(d) + 1);
        char *text = malloc(values_text_max(d, n));
        if (values && text &&
            values_from_text(t->text, t->text_len, d, true, n, values, &diag) == 0)
            edge_assert(values_to_text(d, values, n, text) <= values_text_max(d, n));
        free(values);
        free(text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    struct json_doc doc;
    json_doc_init(&doc);
    /* The text ends at its first NUL, as a frame does. */
    if (json_doc_parse(&doc, text, strlen(text)) == 0) {
        struct diag diag;
        struct message_call call;
        struct message_reply reply;
        _unused_ int r = message_read_reply(&doc, &reply, &diag);
        const cJSON *input;
        if (message_read_call(&doc, &call, &diag) == 0) {
            cJSON_ArrayForEach(input, cJSON_GetObjectItem(call.parameters, "inputs")) {
                struct wire_tensor t;
                struct wire_fault fault;
                if (wire_tensor_read(&doc, input, "inputs[0]", false, &t, &fault) == 0)
                    decode(&t);
            }
        }
    }
    json_doc_deinit(&doc);
    free(text);
    return 0;
}
