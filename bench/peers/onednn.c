/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/peers/onednn.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "bench/timing.h"

#define LAYERS_MAX 64
#define CHANNELS_MAX 4096

/* Operands of one primitive, in the order of ARGS. */
enum { SRC, WEIGHTS, BIAS, DST, N_OPERANDS };
static const int args[N_OPERANDS] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST};
static const dnnl_query_t queries[N_OPERANDS] = {dnnl_query_src_md, dnnl_query_weights_md,
                                                 dnnl_query_weights_md, dnnl_query_dst_md};
static const int query_index[N_OPERANDS] = {0, 0, 1, 0};

struct layer {
    dnnl_primitive_t primitive;
    dnnl_memory_t operands[N_OPERANDS];
    void *data[N_OPERANDS];
    dnnl_exec_arg_t args[N_OPERANDS];
};

struct onednn_layers {
    struct layer layers[LAYERS_MAX];
    unsigned n;
};

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static void check(dnnl_status_t status, const char *what) {
    if (status != dnnl_success)
        timing_die("oneDNN: %s: status %d", what, (int)status);
}

static dnnl_cpu_isa_t isa_of(enum tier tier) {
    switch (tier) {
    case TIER_C:
        return dnnl_cpu_isa_sse41;
    case TIER_AVX2:
        return dnnl_cpu_isa_avx2;
    case TIER_AVXVNNI:
        return dnnl_cpu_isa_avx2_vnni;
    case TIER_AVX512VNNI:
        return dnnl_cpu_isa_avx512_core_vnni;
    default:
        return dnnl_cpu_isa_all;
    }
}

void onednn_open(enum tier tier) {
    omp_set_num_threads(1);
    check(dnnl_set_max_cpu_isa(isa_of(tier)), "limit of the instructions");
    check(dnnl_engine_create(&engine, dnnl_cpu, 0), "engine");
    check(dnnl_stream_create(&stream, engine, dnnl_stream_in_order), "stream");
}

const char *onednn_version(void) {
    static char text[32];
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof(text), "%d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

static dnnl_memory_desc_t any_layout(int n_dims, const dnnl_dims_t dims, dnnl_data_type_t type) {
    dnnl_memory_desc_t md;
    check(dnnl_memory_desc_init_by_tag(&md, n_dims, dims, type, dnnl_format_tag_any), "shape");
    return md;
}

/* Scales per output channel, and ReLU. */
static dnnl_primitive_attr_t attributes(int32_t out_c) {
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t ops;
    float scales[CHANNELS_MAX];
    if (out_c > CHANNELS_MAX)
        timing_die("a layer of %d channels", (int)out_c);
    for (int32_t c = 0; c < out_c; c++)
        scales[c] = 0.001F + 0.00001F * (float)c;
    check(dnnl_primitive_attr_create(&attr), "attributes");
    check(dnnl_primitive_attr_set_output_scales(attr, out_c, 1 << 1, scales), "scales");
    check(dnnl_post_ops_create(&ops), "post-operations");
    check(dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0), "ReLU");
    check(dnnl_primitive_attr_set_post_ops(attr, ops), "post-operations");
    check(dnnl_post_ops_destroy(ops), "post-operations");
    return attr;
}

static dnnl_primitive_desc_t describe(const_dnnl_op_desc_t op, int32_t out_c) {
    dnnl_primitive_desc_t desc;
    dnnl_primitive_attr_t attr = attributes(out_c);
    check(dnnl_primitive_desc_create(&desc, op, attr, engine, NULL), "no implementation");
    check(dnnl_primitive_attr_destroy(attr), "attributes");
    return desc;
}

static dnnl_primitive_desc_t describe_dense(const struct kern_conv *p) {
    dnnl_memory_desc_t src = any_layout(2, (dnnl_dims_t){p->in_w, p->in_c}, dnnl_u8);
    dnnl_memory_desc_t weights = any_layout(2, (dnnl_dims_t){p->out_c, p->in_c}, dnnl_s8);
    dnnl_memory_desc_t bias = any_layout(1, (dnnl_dims_t){p->out_c}, dnnl_s32);
    dnnl_memory_desc_t dst = any_layout(2, (dnnl_dims_t){p->out_w, p->out_c}, dnnl_u8);
    dnnl_inner_product_desc_t op;
    check(dnnl_inner_product_forward_desc_init(&op, dnnl_forward_inference, &src, &weights, &bias,
                                               &dst),
          "dense layer");
    return describe(&op, p->out_c);
}

/* What the windows reach beyond the far edge. */
static dnnl_dim_t pad_end(int32_t in, int32_t out, int32_t kernel, int32_t stride, int32_t dilation,
                          int32_t pad_begin) {
    return (dnnl_dim_t)(out - 1) * stride + (dnnl_dim_t)(kernel - 1) * dilation + 1 - in -
           pad_begin;
}

static dnnl_primitive_desc_t describe_conv(const struct kern_conv *p) {
    int32_t groups = p->in_c / p->group_in_c;
    dnnl_memory_desc_t src = any_layout(4, (dnnl_dims_t){1, p->in_c, p->in_h, p->in_w}, dnnl_u8);
    dnnl_memory_desc_t weights =
        groups > 1
            ? any_layout(
                  5,
                  (dnnl_dims_t){groups, p->out_c / groups, p->group_in_c, p->kernel_h, p->kernel_w},
                  dnnl_s8)
            : any_layout(4, (dnnl_dims_t){p->out_c, p->in_c, p->kernel_h, p->kernel_w}, dnnl_s8);
    dnnl_memory_desc_t bias = any_layout(1, (dnnl_dims_t){p->out_c}, dnnl_s32);
    dnnl_memory_desc_t dst = any_layout(4, (dnnl_dims_t){1, p->out_c, p->out_h, p->out_w}, dnnl_u8);
    const dnnl_dims_t strides = {p->stride_h, p->stride_w};
    const dnnl_dims_t dilations = {p->dilation_h - 1, p->dilation_w - 1};
    const dnnl_dims_t begin = {p->pad_top, p->pad_left};
    const dnnl_dims_t end = {
        pad_end(p->in_h, p->out_h, p->kernel_h, p->stride_h, p->dilation_h, p->pad_top),
        pad_end(p->in_w, p->out_w, p->kernel_w, p->stride_w, p->dilation_w, p->pad_left)};
    dnnl_convolution_desc_t op;
    check(dnnl_dilated_convolution_forward_desc_init(&op, dnnl_forward_inference,
                                                     dnnl_convolution_direct, &src, &weights, &bias,
                                                     &dst, strides, dilations, begin, end),
          "convolution");
    return describe(&op, p->out_c);
}

static void fill(void *data, const dnnl_memory_desc_t *md, struct random *random) {
    size_t size = dnnl_memory_desc_get_size(md);
    if (md->data_type == dnnl_s32) {
        for (size_t i = 0; i < size / sizeof(int32_t); i++)
            ((int32_t *)data)[i] = (int32_t)random_below(random, 2000) - 1000;
        return;
    }
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)data)[i] = (uint8_t)random_below(random, 256);
}

/* Plain weights into the layout that the primitive wants: what is added to them there for signed sums is then right. */
static void reorder_weights(dnnl_memory_t to, const dnnl_memory_desc_t *md, struct random *random) {
    dnnl_memory_desc_t plain;
    dnnl_memory_t from;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t reorder;
    static const dnnl_format_tag_t tags[] = {
        dnnl_format_tag_undef, dnnl_a, dnnl_ab, dnnl_abc, dnnl_abcd, dnnl_abcde};
    check(dnnl_memory_desc_init_by_tag(&plain, md->ndims, md->dims, md->data_type, tags[md->ndims]),
          "plain weights");
    void *data = timing_alloc(dnnl_memory_desc_get_size(&plain));
    fill(data, &plain, random);
    check(dnnl_memory_create(&from, &plain, engine, data), "plain weights");
    check(dnnl_reorder_primitive_desc_create(&desc, &plain, engine, md, engine, NULL), "reorder");
    check(dnnl_primitive_create(&reorder, desc), "reorder");
    const dnnl_exec_arg_t io[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    check(dnnl_primitive_execute(reorder, stream, 2, io), "reorder");
    check(dnnl_stream_wait(stream), "reorder");
    dnnl_primitive_destroy(reorder);
    dnnl_primitive_desc_destroy(desc);
    dnnl_memory_destroy(from);
    free(data);
}

void onednn_layers_add(struct onednn_layers *layers, const struct kern_conv *p, bool dense) {
    if (layers->n == LAYERS_MAX)
        timing_die("oneDNN: more than %d layers", LAYERS_MAX);
    struct layer *l = &layers->layers[layers->n++];
    struct random random = {layers->n};
    dnnl_primitive_desc_t desc = dense ? describe_dense(p) : describe_conv(p);
    check(dnnl_primitive_create(&l->primitive, desc), "primitive");
    for (int i = 0; i < N_OPERANDS; i++) {
        const dnnl_memory_desc_t *md =
            dnnl_primitive_desc_query_md(desc, queries[i], query_index[i]);
        l->data[i] = timing_alloc(dnnl_memory_desc_get_size(md));
        check(dnnl_memory_create(&l->operands[i], md, engine, l->data[i]), "memory");
        if (i == WEIGHTS)
            reorder_weights(l->operands[i], md, &random);
        else if (i != DST)
            fill(l->data[i], md, &random);
        l->args[i] = (dnnl_exec_arg_t){args[i], l->operands[i]};
    }
    dnnl_primitive_desc_destroy(desc);
}

struct onednn_layers *onednn_layers_new(void) {
    return timing_alloc(sizeof(struct onednn_layers));
}

struct onednn_layers *onednn_layers_free(struct onednn_layers *layers) {
    if (!layers)
        return NULL;
    for (unsigned i = 0; i < layers->n; i++) {
        dnnl_primitive_destroy(layers->layers[i].primitive);
        for (int k = 0; k < N_OPERANDS; k++) {
            dnnl_memory_destroy(layers->layers[i].operands[k]);
            free(layers->layers[i].data[k]);
        }
    }
    free(layers);
    return NULL;
}

void onednn_layers_run(void *layers) {
    struct onednn_layers *l = layers;
    for (unsigned i = 0; i < l->n; i++)
        check(dnnl_primitive_execute(l->layers[i].primitive, stream, N_OPERANDS, l->layers[i].args),
              "execution");
    check(dnnl_stream_wait(stream), "execution");
}
