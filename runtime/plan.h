/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A plan while it is made: steps, the values they read and write, and the parts that go into the image. Private to
 * runtime/; one thread, freed when the image is written.
 *
 * Values are numbered: the graph's tensors first, then scratch and tables of the plan's own. Steps name values; where a
 * value lives is decided last, when all lifetimes are known (place.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "kernels/kernels.h"
#include "model/graph.h"
#include "runtime/image-format.h"

struct diag;

#define PLAN_NONE UINT32_MAX

struct value {
    enum space space;
    uint32_t alias;  /* another value that holds this one's bytes, or PLAN_NONE */
    uint64_t at;     /* of an alias: where in that value it begins, in bytes */
    size_t size;     /* bytes; a state's may be more than its tensor's, see plan_append() */
    uint32_t first;  /* step that writes it; PLAN_NONE before */
    uint32_t last;   /* last step that touches it */
    uint64_t offset; /* as struct ref; SPACE_IMAGE: number of a part until the image is laid out */
    bool placed;     /* offset is set */
};

/* A piece of the image. */
struct part {
    size_t size;
    uint64_t offset;
    const void *bytes; /* copied; NULL: packed weights */
    const struct kern_conv_impl *pack;
    const struct kern_conv *conv;
    struct kern_conv_weights weights;
};

/* A step while it is planned: values instead of places. */
struct plan_step {
    struct step step;
    uint32_t values[IMAGE_MAX_REFS]; /* read, then written; PLAN_NONE: absent */
    uint32_t n_inputs;               /* of them read */
    uint32_t params;                 /* part, or PLAN_NONE */
    uint32_t op;                     /* operator it stands for */
    uint32_t output;                 /* tensor that people see as its result */
    const char *fused;
    const char *why; /* NULL: nothing to say */
    uint64_t weight_bytes;
};

struct plan {
    const struct graph *graph; /* `ordered`, once that is made */
    struct graph ordered;      /* with WRITE_STATEs where they are done best (plan-order.c) */
    const uint32_t *numbers;   /* per operator: its number in the file */
    const struct kernels *kernels;
    struct diag *diag;

    struct value *values;
    uint32_t n_values, cap_values;
    struct plan_step *steps;
    uint32_t n_steps, cap_steps;
    struct part *parts;
    uint32_t n_parts, cap_parts;

    uint32_t op; /* operator that is being planned */
    bool *done;  /* per operator: planned already, inside an earlier one */
    /* Per tensor: the only operator that reads it; PLAN_NONE: several, none, or it is an output. */
    uint32_t *consumer;
    /* Per tensor, seen through operators that may leave values where they are; n_ops: it is an output. */
    uint32_t *last_reader;
    uint32_t *pad;     /* per operator: PAD operator whose padding it takes over, or PLAN_NONE */
    const char *notes; /* for the next step's `why` */
    uint64_t state_bytes;
    uint64_t arena_bytes;

    void **allocations;
    size_t n_allocations, cap_allocations;
};

_nodiscard_ int plan_new(const struct graph *graph, const struct kernels *kernels,
                         struct diag *diag, struct plan **ret_plan);
struct plan *plan_free(struct plan *plan);
void plan_freep(struct plan **plan);

/* Orders the operators and finds who reads what. 0, -ENOMEM. */
_nodiscard_ int plan_look_ahead(struct plan *plan);
/* Lets results take the place of operands that nobody reads any more, where the kernel allows it. */
void plan_share(struct plan *plan);
/* Gives the states their offsets. 0, MODEL_E_UNSUPPORTED. */
_nodiscard_ int plan_place_states(struct plan *plan);

/* Plans every operator, settles the outputs and places the values. 0, -ENOMEM, MODEL_E_UNSUPPORTED. */
_nodiscard_ int plan_make(struct plan *plan);

/* ---- for the planners of operators ---- */

/* Zeroed memory that lives as long as the plan; NULL when there is none. */
void *plan_alloc(struct plan *plan, size_t n, size_t size);

/* Says something about the step that is planned next; a few words for people. What does not fit any more, or finds no
 * memory, is left out. */
void plan_note(struct plan *plan, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same about a step that is planned already. */
void plan_note_step(struct plan *plan, struct plan_step *step, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The operator being planned needs no step: its output is an alias. */
void plan_note_free(struct plan *plan);
/* Notes what a step got `kernel` for: nothing to choose from, the first choice, or the reasons against those before it. */
void plan_note_choice(struct plan *plan, const struct kern_conv_impl *const *list,
                      const struct kern_conv *p, unsigned chosen);
/* Operators without a step behind the last step are noted there. */
void plan_note_rest(struct plan *plan);

/* Adds a step. `values`: operands in the order exec.c reads them, n_inputs read, then n_outputs written; the last ones
 * may be scratch. `params` is copied. */
struct step_args {
    enum step_fn fn;
    const void *params;
    size_t params_size;
    uint32_t inputs[IMAGE_MAX_REFS];
    uint32_t n_inputs;
    uint32_t outputs[3];
    uint32_t n_outputs;
    uint64_t count;
    float arg[2];
    uint32_t variant;
    const char *fused;
    uint64_t weight_bytes;
};
_nodiscard_ int plan_step(struct plan *plan, const struct step_args *args);

/* A new value in the arena that only the next step uses. */
_nodiscard_ int plan_scratch(struct plan *plan, size_t size, uint32_t *ret_value);
/* A value in the image: `bytes` (at least as long-lived as the plan) are copied when the image is written. */
_nodiscard_ int plan_const(struct plan *plan, const void *bytes, size_t size, uint32_t *ret_value);
/* Packed weights of a convolution; `conv` and what `weights` points at live as long as the plan. */
_nodiscard_ int plan_packed(struct plan *plan, const struct kern_conv_impl *impl,
                            const struct kern_conv *conv, const struct kern_conv_weights *weights,
                            uint32_t *ret_value);
/* The value that holds the bytes of `value`, seen through its aliases; *ret_at, unless NULL: where they begin in it. */
uint32_t plan_root(const struct plan *plan, uint32_t value, uint64_t *ret_at);
/* Where that is. */
enum space plan_space(const struct plan *plan, uint32_t value);
/* `tensor` has the bytes of `of` from `at` on from now on. */
void plan_alias(struct plan *plan, uint32_t tensor, uint32_t of, uint64_t at);
/* Makes whoever computed `value` write it into `into` from `at` on. False where that cannot be: it lies elsewhere than in
 * the arena, or shares its memory already. */
bool plan_absorb(struct plan *plan, uint32_t value, uint32_t into, uint64_t at);
/* Lets `tensor`, which begins with the bytes of `value`, lie where `value` does, if that is the end of a state: the state
 * gets room behind it for the rest. False where that cannot be. */
bool plan_append(struct plan *plan, uint32_t tensor, uint32_t value);
/* A new value that is a part of another. */
_nodiscard_ int plan_part(struct plan *plan, uint32_t of, uint64_t at, size_t size,
                          uint32_t *ret_value);
/* Whether `state` is overwritten while a value that lies in it is still needed, from plan->op to operator `last`. */
bool plan_overwritten(const struct plan *plan, uint32_t state, uint32_t last);

/* The operator being planned. */
static inline const struct op *plan_op(const struct plan *plan) {
    return &plan->graph->ops[plan->op];
}
static inline const struct tensor *plan_tensor(const struct plan *plan, int32_t tensor) {
    return &plan->graph->tensors[tensor];
}
/* Operand k of the operator being planned as a tensor. */
static inline const struct tensor *plan_in(const struct plan *plan, unsigned k) {
    return plan_tensor(plan, plan_op(plan)->inputs[k]);
}
static inline const struct tensor *plan_out(const struct plan *plan, unsigned k) {
    return plan_tensor(plan, plan_op(plan)->outputs[k]);
}
static inline float tensor_scale(const struct tensor *t) {
    return t->quant.n_scales ? t->quant.scales[0] : 0.0F;
}

/* MODEL_E_UNSUPPORTED with the operator's name and index. */
int plan_unsupported(struct plan *plan, const char *why);

/* The clamp of a fused activation, quantized for tensor y (int8 types) and in float. */
struct clamp {
    int32_t lo, hi;
    float lo_f, hi_f;
};
struct clamp plan_clamp(enum activation act, const struct tensor *y);

/* Takes over a single RELU, RELU6 or RELU_N1_TO_1 that follows `tensor`, where that gives the same bytes: tightens
 * `clamp`, marks the operator done and returns its output; else returns `tensor`. */
uint32_t plan_fuse_relu(struct plan *plan, uint32_t tensor, struct clamp *clamp,
                        const char **ret_fused);

/* The PAD whose padding the operator being planned takes over, or NULL; *ret_input: what it then reads first. */
const struct op_pad *plan_taken_pad(const struct plan *plan, uint32_t *ret_input);
/* "PAD, RELU": what a step with such a PAD and activation has taken over; NULL for nothing. */
const char *plan_fused_names(struct plan *plan, const struct op_pad *pad, const char *relu);

/* Integer weights under float activations: what `p` and `weights` say more than for float weights, and the list to choose
 * from and the step to make instead of the float ones. 0, -ENOMEM. */
_nodiscard_ int plan_hybrid(struct plan *plan, struct kern_conv *p,
                            struct kern_conv_weights *weights,
                            const struct kern_conv_impl *const **list, enum step_fn *fn);

/* One planner per family; each plans operator plan->op. */
typedef int (*plan_op_fn)(struct plan *plan);
int plan_conv_2d(struct plan *plan);
int plan_depthwise_conv_2d(struct plan *plan);
int plan_fully_connected(struct plan *plan);
int plan_pool(struct plan *plan);
int plan_mean(struct plan *plan);
int plan_binary(struct plan *plan);
int plan_softmax(struct plan *plan);
int plan_unary(struct plan *plan);
int plan_quantize(struct plan *plan);
int plan_reshape(struct plan *plan);
int plan_pad(struct plan *plan);
int plan_concatenation(struct plan *plan);
int plan_transpose(struct plan *plan);
int plan_strided_slice(struct plan *plan);
int plan_split(struct plan *plan);
int plan_read_state(struct plan *plan);
int plan_write_state(struct plan *plan);
int plan_lstm(struct plan *plan);
int plan_svdf(struct plan *plan);
int plan_mfcc(struct plan *plan);
