/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call after the other, each with values of its own.
 */

#include "tests/load/bystander.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "proto/tensor.h"
#include "proto/values.h"
#include "tests/load/caller.h"
#include "tests/load/outcome.h"

#define SLOWEST_NS UINT64_C(20000000000)

static void check_answer(const struct caller *caller, const uint8_t *want, size_t size) {
    struct wire_tensor t;
    struct wire_fault fault;
    struct diag diag;
    size_t n;
    expect(!caller->reply.error, "the bystander gets %s", caller->reply.error);
    const cJSON *outputs = cJSON_GetObjectItemCaseSensitive(caller->reply.parameters, "outputs");
    expect(wire_tensor_read(&caller->doc, cJSON_GetArrayItem(outputs, 0), "outputs[0]", false, &t,
                            &fault) == 0,
           "%s: %s", fault.field, fault.diag.text);
    expect(t.form == WIRE_RAW, "not the form that was asked for");
    uint8_t *got = malloc(values_base64_max(t.text_len));
    expect(got && values_from_base64(t.text, t.text_len, got, values_base64_max(t.text_len), &n,
                                     &diag) == 0,
           "bad base64");
    expect(n == size && memcmp(got, want, size) == 0, "the bystander gets a wrong answer");
    free(got);
}

static void call_once(struct caller *caller, const struct bystander *b, struct random *random,
                      uint8_t *values, char *text) {
    for (size_t i = 0; i < b->size; i++)
        values[i] = (uint8_t)random_u64(random);
    values_to_base64(values, b->size, text);
    struct json_writer *w = caller_begin(caller, "Infer");
    json_key(w, "model");
    json_put_string(w, b->model);
    json_key(w, "inputs");
    json_begin_array(w);
    json_begin_object(w);
    json_key(w, "raw");
    json_put_string(w, text);
    json_end_object(w);
    json_end_array(w);
    json_key(w, "outputForm");
    json_put_string(w, "raw");
    caller_call(caller, NULL, 0);
    check_answer(caller, values, b->size);
}

static void *run(void *data) {
    struct bystander *b = data;
    struct caller caller;
    struct random random = {1};
    uint8_t *values = malloc(b->size);
    char *text = malloc(values_base64_len(b->size) + 1);
    expect(values && text, "no memory");
    caller_open(&caller, b->socket);
    while (!atomic_load(&b->stop) || b->n_answers == 0) {
        uint64_t start = clock_now_ns();
        call_once(&caller, b, &random, values, text);
        uint64_t ns = clock_now_ns() - start;
        b->slowest_ns = MAX(b->slowest_ns, ns);
        b->n_answers++;
    }
    caller_close(&caller);
    free(values);
    free(text);
    return NULL;
}

void bystander_start(struct bystander *ret_bystander, const char *socket, const char *model,
                     size_t size) {
    *ret_bystander = (struct bystander){.socket = socket, .model = model, .size = size};
    expect(pthread_create(&ret_bystander->thread, NULL, run, ret_bystander) == 0, "no thread");
}

void bystander_stop(struct bystander *bystander) {
    atomic_store(&bystander->stop, true);
    expect(pthread_join(bystander->thread, NULL) == 0, "no end of the thread");
    printf("the bystander got %llu right answers, the slowest after %.1f ms\n",
           (unsigned long long)bystander->n_answers, (double)bystander->slowest_ns / 1e6);
    expect(bystander->slowest_ns < SLOWEST_NS, "that is too slow");
}
