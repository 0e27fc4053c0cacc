/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What networks cost: five int8 networks in less than 12 MB, at least 95 % of a network's bytes given back when it goes,
 * nothing left after hundreds of loads.
 *
 *     memory EDGED NETWORKS-DIR
 */

#include <cjson/cJSON.h>
#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "proto/values.h"
#include "tests/load/caller.h"
#include "tests/load/networks.h"
#include "tests/load/outcome.h"
#include "tests/load/process.h"
#include "tests/shared.h"

#define RSS_OF_FIVE 12000000
#define LOADS 200
#define LOADS_WARM_UP 20
#define RSS_TOLERANCE ((size_t)512 << 10)

struct fixture {
    struct process process;
    struct caller caller;
    const char *demo; /* networks that are always there */
};

static size_t rss(const struct fixture *f) {
    struct process_memory memory;
    process_memory(&f->process, &memory);
    return memory.rss;
}

/* The network `file` as NAME.edge; false with a message where the shared folder does not have it. */
static bool convert(const struct fixture *f, const char *file, const char *name, char *ret_path,
                    size_t size) {
    char path[4096];
    if (!shared_present(file))
        return false;
    snprintf(path, sizeof(path), "%s/%s", shared_dir(), file);
    network_convert(path, name, f->process.dir, ret_path, size);
    return true;
}

static size_t load(struct fixture *f, const char *path) {
    caller_simple(&f->caller, "Load", "path", path);
    return (size_t)caller_int(&f->caller, "bytes");
}

static size_t port_bytes(const cJSON *port) {
    const char *dtype = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(port, "datatype"));
    expect(dtype, "a port without a datatype");
    size_t n = dtype_size(dtype_parse(dtype));
    const cJSON *dim;
    cJSON_ArrayForEach(dim, cJSON_GetObjectItemCaseSensitive(port, "shape")) n *=
        (size_t)dim->valuedouble;
    return n;
}

/* Runs it once on zeros: then every page of its weights has been read. */
static void run_once(struct fixture *f, const char *name) {
    struct json_writer w;
    struct buffer call;
    buffer_init(&call, FRAME_MAX_MESSAGE);
    caller_simple(&f->caller, "Describe", "model", name);
    message_begin_call(&w, &call, "io.edged.Infer", false, false);
    json_key(&w, "model");
    json_put_string(&w, name);
    json_key(&w, "outputForm");
    json_put_string(&w, "raw");
    json_key(&w, "inputs");
    json_begin_array(&w);
    const cJSON *port;
    cJSON_ArrayForEach(port,
                       cJSON_GetObjectItemCaseSensitive(f->caller.reply.parameters, "inputs")) {
        size_t size = port_bytes(port);
        void *zeros = calloc(1, size);
        char *text = malloc(values_base64_len(size) + 1);
        expect(zeros && text, "no memory");
        values_to_base64(zeros, size, text);
        json_begin_object(&w);
        json_key(&w, "name");
        json_put_string(&w, cJSON_GetObjectItemCaseSensitive(port, "name")->valuestring);
        json_key(&w, "raw");
        json_put_string(&w, text);
        json_end_object(&w);
        free(zeros);
        free(text);
    }
    json_end_array(&w);
    expect(message_end(&w) == 0, "the call is too long");
    expect(caller_send_bytes(&f->caller, call.data, call.len, NULL, 0) &&
               caller_receive(&f->caller),
           "the daemon closed the connection");
    expect(!f->caller.reply.error, "%s: %s", name, f->caller.reply.error);
    buffer_deinit(&call);
}

static void test_five(struct fixture *f) {
    static const struct {
        const char *file, *name;
    } five[] = {
        {"models/mlperf-tiny/kws_ref_model.tflite", "kws"},
        {"models/mlperf-tiny/vww_96_int8.tflite", "vww"},
        {"models/mlperf-tiny/pretrainedResnet_quant.tflite", "resnet"},
        {"models/mlperf-tiny/ad01_int8.tflite", "ad01"},
        {"models/mlperf-tiny/str_ww_ref_model.tflite", "str_ww"},
    };
    char path[512];
    size_t bytes = 0;
    for (size_t i = 0; i < ARRAY_SIZE(five); i++) {
        if (!convert(f, five[i].file, five[i].name, path, sizeof(path)))
            return;
        bytes += load(f, path);
        run_once(f, five[i].name);
    }
    struct process_memory memory;
    process_memory(&f->process, &memory);
    printf("five int8 networks, %zu kB of images: rss %zu kB (anonymous %zu, files %zu, shared "
           "%zu), pss %zu kB\n",
           bytes / 1000, memory.rss / 1000, memory.anon / 1000, memory.file / 1000,
           memory.shmem / 1000, memory.pss / 1000);
    if (OUTCOME_SANITIZED)
        printf("SKIPPED: the bound of it, under a sanitizer\n");
    else
        expect(memory.rss < RSS_OF_FIVE, "five networks take %zu bytes", memory.rss);
    for (size_t i = 0; i < ARRAY_SIZE(five); i++)
        caller_simple(&f->caller, "Unload", "model", five[i].name);
}

static void check_unload(struct fixture *f, const char *path, const char *name) {
    process_reset_peak(&f->process);
    size_t before = rss(f), bytes = load(f, path);
    struct process_memory memory;
    process_memory(&f->process, &memory);
    size_t peak = memory.peak;
    run_once(f, name);
    size_t loaded = rss(f);
    caller_simple(&f->caller, "Unload", "model", name);
    caller_settle(&f->caller);
    size_t after = rss(f);
    double share = 100.0 * ((double)loaded - (double)after) / (double)bytes;
    printf("%s: %zu kB; rss %zu kB, at most %zu while loading, %zu after a run, %zu after unload: "
           "%.1f %% given back\n",
           name, bytes / 1000, before / 1000, peak / 1000, loaded / 1000, after / 1000, share);
    if (OUTCOME_SANITIZED)
        printf("SKIPPED: the bound of it, under a sanitizer\n");
    else
        expect(share >= 95, "%s: %zu bytes, but only %zu given back", name, bytes, loaded - after);
}

static void test_unload(struct fixture *f) {
    static const struct {
        const char *file, *name;
    } large[] = {
        {"models/mlperf-tiny/vww_96_int8.tflite", "vww"},
        {"models/mlperf-tiny/pretrainedResnet_large_int8.tflite", "resnet_large"},
        {"models/mlperf-tiny/ad01_fp32.tflite", "ad01_fp32"},
        {"models/coral/mobilenet_v2_1.0_224_quant.tflite", "mobilenet_v2"},
    };
    char path[512], file[4096];
    snprintf(file, sizeof(file), "%s/lenet5_int8.tflite", f->demo);
    network_convert(file, "lenet5", f->process.dir, path, sizeof(path));
    check_unload(f, path, "lenet5");
    for (size_t i = 0; i < ARRAY_SIZE(large); i++)
        if (convert(f, large[i].file, large[i].name, path, sizeof(path)))
            check_unload(f, path, large[i].name);
}

static void test_many_loads(struct fixture *f) {
    char path[512], file[4096];
    size_t before = 0, after;
    unsigned fds = 0;
    snprintf(file, sizeof(file), "%s/lenet300_int8.tflite", f->demo);
    network_convert(file, "again", f->process.dir, path, sizeof(path));
    for (int i = 0; i < LOADS + LOADS_WARM_UP; i++) {
        if (i == LOADS_WARM_UP) {
            before = rss(f);
            fds = process_fds(&f->process);
        }
        load(f, path);
        run_once(f, "again");
        caller_simple(&f->caller, "Unload", "model", "again");
    }
    caller_settle(&f->caller);
    after = rss(f);
    printf("%d times loaded and unloaded: rss %zu kB, before %zu kB; %u descriptors, before %u\n",
           LOADS, after / 1000, before / 1000, process_fds(&f->process), fds);
    expect(process_fds(&f->process) == fds, "descriptors stay behind");
    if (OUTCOME_SANITIZED)
        printf("SKIPPED: the resident set, which the sanitizer enlarges\n");
    else
        expect(after <= before + RSS_TOLERANCE, "memory stays behind");
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: memory EDGED NETWORKS-DIR\n");
        return 2;
    }
    struct fixture f = {.demo = argv[2]};
    process_prepare(&f.process);
    process_start(&f.process, argv[1], "", 0);
    caller_open(&f.caller, f.process.socket);
    printf("no network: rss %zu kB, %u descriptors\n", rss(&f) / 1000, process_fds(&f.process));
    test_five(&f);
    test_unload(&f);
    test_many_loads(&f);
    caller_close(&f.caller);
    process_stop(&f.process);
    return 0;
}
