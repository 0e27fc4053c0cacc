/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/peers/ort.h"

#include <dlfcn.h>
#include <onnxruntime_c_api.h>
#include <stdlib.h>

#include "bench/timing.h"

#define DIMS_MAX 8
#define API_VERSION 21 /* the header's; newer libraries serve it too */

static const OrtApi *api;
static const OrtApiBase *base;
static OrtEnv *env;
static OrtMemoryInfo *memory;

struct port_values {
    OrtValue *value;
    void *data;
    char *name;
    int64_t dims[DIMS_MAX];
    size_t n_dims;
};

struct ort_network {
    OrtSession *session;
    struct port_values in, out;
};

static void check(OrtStatus *status) {
    if (status)
        timing_die("ONNX Runtime: %s", api->GetErrorMessage(status));
}

void ort_open(const char *library) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        timing_die("%s", dlerror());
    const OrtApiBase *(*get_base)(void) = NULL;
    *(void **)&get_base = dlsym(handle, "OrtGetApiBase");
    if (!get_base)
        timing_die("%s: no OrtGetApiBase", library);
    base = get_base();
    api = base->GetApi(API_VERSION);
    if (!api)
        timing_die("%s: does not serve version %d of the interface", library, API_VERSION);
    check(api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "bench", &env));
    check(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
}

const char *ort_version(void) {
    return base->GetVersionString();
}

void ort_close(void) {
    api->ReleaseMemoryInfo(memory);
    api->ReleaseEnv(env);
}

static size_t element_size(ONNXTensorElementDataType type) {
    switch (type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
        return sizeof(float);
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8:
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
        return 1;
    default:
        timing_die("ONNX Runtime: a port of datatype %d", (int)type);
    }
}

/* Memory of ours for a port, as the network declares it. A batch that is left open is 1. */
static void bind(struct port_values *p, OrtTypeInfo *info) {
    const OrtTensorTypeAndShapeInfo *tensor;
    ONNXTensorElementDataType type;
    check(api->CastTypeInfoToTensorInfo(info, &tensor));
    check(api->GetTensorElementType(tensor, &type));
    check(api->GetDimensionsCount(tensor, &p->n_dims));
    if (p->n_dims > DIMS_MAX)
        timing_die("ONNX Runtime: a port of %zu dimensions", p->n_dims);
    check(api->GetDimensions(tensor, p->dims, p->n_dims));
    size_t size = element_size(type);
    for (size_t d = 0; d < p->n_dims; d++) {
        p->dims[d] = p->dims[d] < 0 ? 1 : p->dims[d];
        size *= (size_t)p->dims[d];
    }
    p->data = timing_alloc(size);
    check(api->CreateTensorWithDataAsOrtValue(memory, p->data, size, p->dims, p->n_dims, type,
                                              &p->value));
    api->ReleaseTypeInfo(info);
}

struct ort_network *ort_network_new(const char *path) {
    struct ort_network *n = timing_alloc(sizeof(*n));
    OrtSessionOptions *options;
    OrtAllocator *allocator;
    OrtTypeInfo *info;
    check(api->CreateSessionOptions(&options));
    check(api->SetIntraOpNumThreads(options, 1));
    check(api->SetInterOpNumThreads(options, 1));
    check(api->SetSessionExecutionMode(options, ORT_SEQUENTIAL));
    check(api->SetSessionGraphOptimizationLevel(options, ORT_ENABLE_ALL));
    check(api->CreateSession(env, path, options, &n->session));
    api->ReleaseSessionOptions(options);
    check(api->GetAllocatorWithDefaultOptions(&allocator));
    check(api->SessionGetInputName(n->session, 0, allocator, &n->in.name));
    check(api->SessionGetOutputName(n->session, 0, allocator, &n->out.name));
    check(api->SessionGetInputTypeInfo(n->session, 0, &info));
    bind(&n->in, info);
    check(api->SessionGetOutputTypeInfo(n->session, 0, &info));
    bind(&n->out, info);
    return n;
}

static void unbind(struct port_values *p) {
    OrtAllocator *allocator;
    check(api->GetAllocatorWithDefaultOptions(&allocator));
    check(api->AllocatorFree(allocator, p->name));
    api->ReleaseValue(p->value);
    free(p->data);
}

struct ort_network *ort_network_free(struct ort_network *network) {
    if (network) {
        unbind(&network->in);
        unbind(&network->out);
        api->ReleaseSession(network->session);
        free(network);
    }
    return NULL;
}

void ort_network_run(void *network) {
    struct ort_network *n = network;
    check(api->Run(n->session, NULL, (const char *const *)&n->in.name,
                   (const OrtValue *const *)&n->in.value, 1, (const char *const *)&n->out.name, 1,
                   &n->out.value));
}

void *ort_network_input(const struct ort_network *network) {
    return network->in.data;
}

const void *ort_network_output(const struct ort_network *network) {
    return network->out.data;
}

size_t ort_network_dims(const struct ort_network *network, int64_t ret_dims[8]) {
    for (size_t d = 0; d < network->in.n_dims; d++)
        ret_dims[d] = network->in.dims[d];
    return network->in.n_dims;
}
