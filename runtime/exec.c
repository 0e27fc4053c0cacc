/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a plan: resolves each step's operands to pointers and calls its kernel. Allocates nothing.
 */

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "runtime/image-format.h"
#include "runtime/session.h"

/* A run of one item. */
struct run {
    const struct image *image;
    uintptr_t bases[IMAGE_MAX_BASES]; /* addresses that refs count from */
};

typedef void (*exec_fn)(const struct kernels *k, const struct step *s, const void *p,
                        void *const *a);

/* One caller per entry of STEP_FNS; `a`: the step's operands in the order its planner gave them. */
#define CALL(fn, call)                                                                             \
    static void exec_##fn(const struct kernels *k, const struct step *s, const void *p,            \
                          void *const *a) {                                                        \
        call;                                                                                      \
    }

CALL(CONV_S8, k->conv_s8[s->variant]->run(p, a[1], a[0], a[2], a[3]))
CALL(CONV_F32, k->conv_f32[s->variant]->run(p, a[1], a[0], a[2], a[3]))
CALL(CONV_HYBRID, k->conv_hybrid[s->variant]->run(p, a[1], a[0], a[2], a[3]))
CALL(AVG_POOL_S8, k->avg_pool_s8(p, a[0], a[1]))
CALL(MAX_POOL_S8, k->max_pool_s8(p, a[0], a[1]))
CALL(AVG_POOL_F32, k->avg_pool_f32(p, a[0], a[1]))
CALL(MAX_POOL_F32, k->max_pool_f32(p, a[0], a[1]))
CALL(MEAN_S8, k->mean_s8(p, a[0], a[1]))
CALL(MEAN_F32, k->mean_f32(p, a[0], a[1]))
CALL(ADD_S8, k->add_s8(p, a[0], a[1], a[2]))
CALL(SUB_S8, k->sub_s8(p, a[0], a[1], a[2]))
CALL(MUL_S8, k->mul_s8(p, a[0], a[1], a[2]))
CALL(MAX_S8, k->max_s8(p, a[0], a[1], a[2]))
CALL(MIN_S8, k->min_s8(p, a[0], a[1], a[2]))
CALL(ADD_F32, k->add_f32(p, a[0], a[1], a[2]))
CALL(SUB_F32, k->sub_f32(p, a[0], a[1], a[2]))
CALL(MUL_F32, k->mul_f32(p, a[0], a[1], a[2]))
CALL(MAX_F32, k->max_f32(p, a[0], a[1], a[2]))
CALL(MIN_F32, k->min_f32(p, a[0], a[1], a[2]))
CALL(LUT_8, k->lut_8(a[0], a[1], a[2], s->count))
CALL(SOFTMAX_S8, k->softmax_s8(p, a[0], a[1]))
CALL(SOFTMAX_S8_S16, k->softmax_s8_s16(p, a[0], a[1]))
CALL(SOFTMAX_F32, k->softmax_f32(p, a[0], a[1]))
CALL(LOGISTIC_F32, k->logistic_f32(a[0], a[1], s->count))
CALL(TANH_F32, k->tanh_f32(a[0], a[1], s->count))
CALL(CLAMP_F32, k->clamp_f32(s->arg[0], s->arg[1], a[0], a[1], s->count))
CALL(LEAKY_RELU_F32, k->leaky_relu_f32(s->arg[0], a[0], a[1], s->count))
CALL(QUANTIZE_F32_S8, k->quantize_f32_s8(p, a[0], a[1], s->count))
CALL(QUANTIZE_F32_U8, k->quantize_f32_u8(p, a[0], a[1], s->count))
CALL(QUANTIZE_F32_S16, k->quantize_f32_s16(p, a[0], a[1], s->count))
CALL(DEQUANTIZE_S8_F32, k->dequantize_s8_f32(p, a[0], a[1], s->count))
CALL(DEQUANTIZE_U8_F32, k->dequantize_u8_f32(p, a[0], a[1], s->count))
CALL(DEQUANTIZE_S16_F32, k->dequantize_s16_f32(p, a[0], a[1], s->count))
CALL(REQUANTIZE_S8_S16, k->requantize_s8_s16(p, a[0], a[1], s->count))
CALL(REQUANTIZE_S8_S32, k->requantize_s8_s32(p, a[0], a[1], s->count))
CALL(REQUANTIZE_S16_S8, k->requantize_s16_s8(p, a[0], a[1], s->count))
CALL(REQUANTIZE_S16_S16, k->requantize_s16_s16(p, a[0], a[1], s->count))
CALL(REQUANTIZE_S16_S32, k->requantize_s16_s32(p, a[0], a[1], s->count))
/* A state assigned its own value is a copy onto itself. */
CALL(COPY, memmove(a[1], a[0], s->count))
CALL(COPY_ND, k->copy_nd(p, a[0], a[1]))
CALL(FILL, k->fill(a[0], (int32_t)s->variant, a[1], s->count))
CALL(LSTM_S8, k->lstm_s8(p, a[0], a[1], a[2], a[3], a[4], a[5], a[6]))
CALL(LSTM_F32, k->lstm_f32(p, a[0], a[1], a[2], a[3], a[4], a[5], a[6]))
CALL(SVDF_S8, k->svdf_s8(p, a[0], a[1], a[2], a[3], a[4], a[5]))
CALL(SVDF_F32, k->svdf_f32(p, a[0], a[1], a[2], a[3], a[4], a[5]))
CALL(MFCC, k->mfcc(p, a[0], a[1], a[2], a[3]))

static const exec_fn exec_table[] = {
#define X(constant, name) exec_##constant,
    STEP_FNS(X)
#undef X
};

const char *step_fn_name(enum step_fn fn) {
    static const char *const names[] = {
#define X(constant, name) name,
        STEP_FNS(X)
#undef X
    };
    return fn < STEP_FN_END ? names[fn] : NULL;
}

static void run_step(const struct run *run, const struct step *step) {
    void *operands[IMAGE_MAX_REFS];
    for (unsigned i = 0; i < step->n_refs; i++)
        operands[i] = (void *)(run->bases[step->refs[i].base] + step->refs[i].offset);
    const void *params = step->params ? image_at(run->image, step->params) : NULL;
    exec_table[step->fn](run->image->kernels, step, params, operands);
}

/* Without a session, an item's state is a fresh copy at the beginning of the arena. */
static void begin_item(struct run *run, struct session *session, size_t item,
                       const void *const *inputs, void *const *outputs, void *arena) {
    const struct image *image = run->image;
    const struct image_header *h = image->header;
    void *state = session ? session->state : arena;
    if (!session && h->state_bytes)
        memcpy(state, image_at(image, h->state_initial), h->state_bytes);
    run->bases[SPACE_ARENA] = (uintptr_t)arena;
    run->bases[SPACE_IMAGE] = (uintptr_t)image->map.data;
    run->bases[SPACE_STATE] = (uintptr_t)state;
    run->bases[SPACE_NONE] = 0;
    uintptr_t *base = run->bases + SPACE_INPUT;
    for (uint32_t i = 0; i < h->n_inputs; i++)
        *base++ = (uintptr_t)inputs[i] + item * image->inputs[i].size;
    for (uint32_t i = 0; i < h->n_outputs; i++)
        *base++ = (uintptr_t)outputs[i] + item * image->outputs[i].size;
}

int image_run(const struct image *image, struct session *session, uint32_t batch,
              const void *const *inputs, void *const *outputs, void *arena, const bool *stop) {
    edge_assert(!session || session->image == image);
    struct run run;
    run.image = image;
    const uint32_t n_steps = image->header->n_steps;
    for (uint32_t item = 0; item < batch; item++) {
        begin_item(&run, session, item, inputs, outputs, arena);
        for (uint32_t i = 0; i < n_steps; i++) {
            if (stop && __atomic_load_n(stop, __ATOMIC_RELAXED))
                return RUNTIME_E_STOPPED;
            run_step(&run, &image->steps[i]);
        }
    }
    return 0;
}

int image_run_timed(const struct image *image, struct session *session, const void *const *inputs,
                    void *const *outputs, void *arena, uint64_t *ns) {
    struct run run;
    run.image = image;
    begin_item(&run, session, 0, inputs, outputs, arena);
    uint64_t before = clock_now_ns();
    for (uint32_t i = 0; i < image->header->n_steps; i++) {
        run_step(&run, &image->steps[i]);
        uint64_t after = clock_now_ns();
        ns[i] += after - before;
        before = after;
    }
    return 0;
}
