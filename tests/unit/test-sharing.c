/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/: values that share memory. Random networks of everything that shares or moves memory run beside a plain
 * interpreter that shares nothing; results must be equal to the bit, run after run. And networks that must not copy.
 */

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attributes.h"
#include "base/error.h"
#include "base/random.h"
#include "model/graph.h"
#include "runtime/runtime.h"

#define MAX_ROWS 3
#define MAX_COLS 6
#define MAX_VALUES ((size_t)64)
#define NETWORKS 4000
#define RUNS 4

static struct graph *graph;
static struct random rng;

static void setup(void) {
    ck_assert_int_eq(graph_new(&graph), 0);
}

static void teardown(void) {
    graph = graph_free(graph);
}

/* ---- building ---- */

static int32_t tensor(enum tensor_kind kind, int32_t rows, int32_t cols) {
    char *name = graph_alloc(graph, 8);
    snprintf(name, 8, "t%u", graph->n_tensors);
    struct tensor t = {.name = name, .dtype = DTYPE_FP32, .kind = kind, .n_dims = 2};
    t.dims[0] = rows;
    t.dims[1] = cols;
    t.size = tensor_elements(&t) * sizeof(float);
    int32_t index;
    ck_assert_int_eq(graph_add_tensor(graph, &t, &index), 0);
    return index;
}

static int32_t activation(int32_t rows, int32_t cols) {
    return tensor(TENSOR_ACTIVATION, rows, cols);
}

static void add(struct op o, const int32_t *in, uint16_t n_in, const int32_t *out, uint16_t n_out) {
    o.n_inputs = n_in;
    o.n_outputs = n_out;
    ck_assert_int_eq(graph_add_op(graph, &o, in, out), 0);
}

static const int32_t *dims(int32_t t) {
    return graph->tensors[t].dims;
}

static int32_t unary(enum op_kind kind, int32_t x) {
    int32_t y = activation(dims(x)[0], dims(x)[1]);
    add((struct op){.kind = kind}, &x, 1, &y, 1);
    return y;
}

static int32_t binary(enum op_kind kind, int32_t a, int32_t b) {
    int32_t y = activation(MAX(dims(a)[0], dims(b)[0]), MAX(dims(a)[1], dims(b)[1]));
    add((struct op){.kind = kind}, (int32_t[]){a, b}, 2, &y, 1);
    return y;
}

static int32_t slice(int32_t x, int axis, int32_t begin, int32_t stride, int32_t count) {
    struct op o = {.kind = OP_STRIDED_SLICE};
    for (int d = 0; d < 2; d++) {
        o.slice.begin[d] = d == axis ? begin : 0;
        o.slice.stride[d] = d == axis ? stride : 1;
        o.slice.count[d] = d == axis ? count : dims(x)[d];
    }
    int32_t y = activation(o.slice.count[0], o.slice.count[1]);
    add(o, &x, 1, &y, 1);
    return y;
}

static int32_t join(int axis, const int32_t *x, uint16_t n) {
    int32_t y_dims[2] = {dims(x[0])[0], dims(x[0])[1]};
    for (uint16_t i = 1; i < n; i++)
        y_dims[axis] += dims(x[i])[axis];
    int32_t y = activation(y_dims[0], y_dims[1]);
    struct op o = {.kind = OP_CONCATENATION};
    o.axis.axis = axis;
    add(o, x, n, &y, 1);
    return y;
}

static int32_t read_state(int32_t state) {
    int32_t y = activation(dims(state)[0], dims(state)[1]);
    add((struct op){.kind = OP_READ_STATE}, &state, 1, &y, 1);
    return y;
}

static void write_state(int32_t state, int32_t value) {
    add((struct op){.kind = OP_WRITE_STATE}, (int32_t[]){state, value}, 2, NULL, 0);
}

static void io(const int32_t *in, uint32_t n_in, const int32_t *out, uint32_t n_out) {
    graph->inputs = graph_alloc(graph, n_in * sizeof(int32_t));
    graph->outputs = graph_alloc(graph, n_out * sizeof(int32_t));
    memcpy(graph->inputs, in, n_in * sizeof(int32_t));
    memcpy(graph->outputs, out, n_out * sizeof(int32_t));
    graph->n_inputs = n_in;
    graph->n_outputs = n_out;
}

static struct image *build(void) {
    struct diag diag = {""};
    ck_assert_msg(graph_check(graph, &diag) == 0, "%s", diag.text);
    struct image *image = NULL;
    ck_assert_msg(image_build(graph, TIER_C, &image, &diag) == 0, "%s", diag.text);
    return image;
}

/* ---- the plain interpreter: every tensor has memory of its own ---- */

static float memory[512][MAX_VALUES];

static void interpret_slice(const struct op *o, const float *x, float *y) {
    const int32_t *xd = dims(o->inputs[0]);
    for (int32_t i = 0; i < o->slice.count[0]; i++)
        for (int32_t j = 0; j < o->slice.count[1]; j++)
            *y++ = x[(o->slice.begin[0] + i * o->slice.stride[0]) * xd[1] + o->slice.begin[1] +
                     j * o->slice.stride[1]];
}

/* Parts along an axis, to or from the whole. */
static void interpret_parts(int axis, int32_t whole, const int32_t *parts, uint16_t n, bool cut) {
    int32_t at[2] = {0, 0};
    for (uint16_t k = 0; k < n; k++) {
        for (int32_t i = 0; i < dims(parts[k])[0]; i++)
            for (int32_t j = 0; j < dims(parts[k])[1]; j++) {
                float *w = &memory[whole][(at[0] + i) * dims(whole)[1] + at[1] + j];
                float *p = &memory[parts[k]][i * dims(parts[k])[1] + j];
                *(cut ? p : w) = *(cut ? w : p);
            }
        at[axis] += dims(parts[k])[axis];
    }
}

static void interpret_binary(const struct op *o) {
    int32_t a = o->inputs[0], b = o->inputs[1], y = o->outputs[0];
    for (int32_t i = 0; i < dims(y)[0]; i++)
        for (int32_t j = 0; j < dims(y)[1]; j++) {
            float u = memory[a][(dims(a)[0] > 1 ? i : 0) * dims(a)[1] + (dims(a)[1] > 1 ? j : 0)];
            float v = memory[b][(dims(b)[0] > 1 ? i : 0) * dims(b)[1] + (dims(b)[1] > 1 ? j : 0)];
            memory[y][i * dims(y)[1] + j] = o->kind == OP_ADD   ? u + v
                                            : o->kind == OP_SUB ? u - v
                                                                : fmaxf(u, v);
        }
}

static void interpret(const struct op *o) {
    int32_t x = o->inputs[0], y = o->n_outputs ? o->outputs[0] : x;
    size_t n = tensor_elements(&graph->tensors[y]);
    switch (o->kind) {
    case OP_WRITE_STATE:
        memcpy(memory[x], memory[o->inputs[1]], n * sizeof(float));
        break;
    case OP_READ_STATE:
    case OP_RESHAPE:
        memcpy(memory[y], memory[x], n * sizeof(float));
        break;
    case OP_RELU6:
        for (size_t i = 0; i < n; i++)
            memory[y][i] = fminf(fmaxf(memory[x][i], 0.0F), 6.0F);
        break;
    case OP_LEAKY_RELU:
        for (size_t i = 0; i < n; i++)
            memory[y][i] = memory[x][i] >= 0 ? memory[x][i] : memory[x][i] * o->leaky.alpha;
        break;
    case OP_TRANSPOSE:
        for (int32_t i = 0; i < dims(y)[0]; i++)
            for (int32_t j = 0; j < dims(y)[1]; j++)
                memory[y][i * dims(y)[1] + j] = memory[x][j * dims(x)[1] + i];
        break;
    case OP_STRIDED_SLICE:
        interpret_slice(o, memory[x], memory[y]);
        break;
    case OP_CONCATENATION:
        interpret_parts(o->axis.axis, y, o->inputs, o->n_inputs, false);
        break;
    case OP_SPLIT:
        interpret_parts(o->axis.axis, x, o->outputs, o->n_outputs, true);
        break;
    default:
        interpret_binary(o);
        break;
    }
}

/* ---- random networks ---- */

static int32_t pick(int32_t n) {
    return (int32_t)random_below(&rng, (uint32_t)n);
}

struct pool {
    int32_t values[256]; /* tensors that can be read */
    int n;
    int32_t states[3];
    bool written[3];
};

static int32_t any(const struct pool *p) {
    /* Mostly what is new, so that values die. */
    int back = pick(3) ? MIN(p->n, 4) : p->n;
    return p->values[p->n - 1 - pick(back)];
}

static bool grow(struct pool *p, int32_t value) {
    if (p->n == (int)ARRAY_SIZE(p->values) || graph->n_tensors > 480)
        return false;
    p->values[p->n++] = value;
    return true;
}

static void add_slice(struct pool *p) {
    int32_t x = any(p);
    int axis = pick(2);
    int32_t dim = dims(x)[axis], begin = pick(dim), stride = pick(4) ? 1 : 2;
    grow(p, slice(x, axis, begin, stride, 1 + pick((dim - begin + stride - 1) / stride)));
}

static void add_split(struct pool *p) {
    int32_t x = any(p);
    int axis = pick(2);
    if (dims(x)[axis] % 2)
        return;
    int32_t half[2] = {dims(x)[0], dims(x)[1]}, out[2];
    half[axis] /= 2;
    for (int k = 0; k < 2; k++)
        grow(p, out[k] = activation(half[0], half[1]));
    struct op o = {.kind = OP_SPLIT};
    o.axis.axis = axis;
    add(o, &x, 1, out, 2);
}

static void add_join(struct pool *p) {
    int32_t parts[3] = {any(p)};
    int axis = pick(2);
    int32_t room = (axis ? MAX_COLS : MAX_ROWS) - dims(parts[0])[axis];
    uint16_t n = 1;
    for (int tries = 0; tries < 8 && n < 3; tries++) {
        int32_t x = any(p);
        if (dims(x)[1 - axis] != dims(parts[0])[1 - axis] || dims(x)[axis] > room)
            continue;
        room -= dims(x)[axis];
        parts[n++] = x;
    }
    if (n > 1)
        grow(p, join(axis, parts, n));
}

static void add_binary(struct pool *p) {
    static const enum op_kind kinds[] = {OP_ADD, OP_SUB, OP_MAXIMUM};
    int32_t a = any(p), b = any(p);
    for (int d = 0; d < 2; d++)
        if (dims(a)[d] != dims(b)[d] && dims(a)[d] != 1 && dims(b)[d] != 1)
            b = a;
    if (pick(4) == 0) { /* an operand that is a part of the other */
        int axis = pick(2);
        b = slice(a, axis, pick(dims(a)[axis]), 1, 1);
    }
    grow(p, binary(kinds[pick(3)], a, b));
}

static void add_change_of_shape(struct pool *p) {
    int32_t x = any(p);
    if (dims(x)[0] > MAX_COLS || dims(x)[1] > MAX_ROWS)
        return;
    int32_t y = activation(dims(x)[1], dims(x)[0]);
    struct op o = {.kind = pick(2) ? OP_TRANSPOSE : OP_RESHAPE};
    if (o.kind == OP_TRANSPOSE)
        memcpy(o.transpose.perm, (int32_t[]){1, 0}, 2 * sizeof(int32_t));
    add(o, &x, 1, &y, 1);
    grow(p, y);
}

static void add_state_use(struct pool *p) {
    int s = pick(3);
    int32_t state = p->states[s], value = any(p);
    if (pick(2)) {
        grow(p, read_state(state));
    } else if (dims(value)[0] == dims(state)[0] && dims(value)[1] == dims(state)[1]) {
        write_state(state, value);
        p->written[s] = true;
    }
}

/* What streaming networks do: the last values of a row and the new ones, of which the last are kept. */
static void add_window(struct pool *p) {
    int s = pick(3);
    int32_t state = p->states[s], old = read_state(state), fresh = any(p);
    if (dims(fresh)[0] != dims(state)[0] || dims(fresh)[1] + dims(state)[1] > MAX_COLS)
        return;
    if (pick(2) && dims(old)[1] > 1)
        old = slice(old, 1, pick(4) ? 1 : 0, 1, dims(old)[1] - 1);
    int32_t window = join(1, (int32_t[]){old, fresh}, 2);
    grow(p, window);
    if (pick(4) == 0) { /* two windows of one state at a time */
        int32_t other = unary(OP_RELU6, fresh);
        grow(p, binary(OP_SUB, window, join(1, (int32_t[]){old, other}, 2)));
    }
    int32_t more = dims(window)[1] - dims(state)[1];
    if (more < 0 || pick(3) == 0)
        return;
    write_state(state, more ? slice(window, 1, more, 1, dims(state)[1]) : window);
    p->written[s] = true;
}

static void random_network(int n_ops) {
    struct pool p = {.n = 0};
    int32_t inputs[2], outputs[4];
    for (int i = 0; i < 2; i++)
        grow(&p, inputs[i] = activation(1 + pick(2), 1 + pick(MAX_COLS)));
    for (int i = 0; i < 3; i++) {
        p.states[i] = tensor(TENSOR_STATE, 1 + pick(2), 1 + pick(4));
        grow(&p, read_state(p.states[i]));
    }
    for (int i = 0; i < n_ops; i++) {
        static void (*const steps[])(struct pool *) = {
            add_slice,  add_split,           add_join,      add_join,
            add_binary, add_change_of_shape, add_state_use, add_window,
        };
        if (pick(3) == 0) {
            struct op o = {.kind = pick(2) ? OP_RELU6 : OP_LEAKY_RELU, .leaky.alpha = 0.5F};
            int32_t x = any(&p), y = activation(dims(x)[0], dims(x)[1]);
            add(o, &x, 1, &y, 1);
            grow(&p, y);
        } else {
            steps[pick(ARRAY_SIZE(steps))](&p);
        }
    }
    uint32_t n_outputs = 1 + (uint32_t)pick(4);
    for (uint32_t i = 0; i < n_outputs; i++) /* an input is no output */
        outputs[i] = MAX(any(&p), p.values[2]);
    for (uint32_t i = 1; i < n_outputs; i++) /* none twice */
        for (uint32_t k = 0; k < i; k++)
            if (outputs[k] == outputs[i])
                n_outputs = i;
    for (int s = 0; s < 3; s++) /* every state is written somewhere */
        if (!p.written[s])
            write_state(p.states[s], read_state(p.states[s]));
    io(inputs, 2, outputs, n_outputs);
}

static void compare_run(const struct image *image, struct session *session, void *arena,
                        const char *what) {
    float in[2][MAX_VALUES], out[4][MAX_VALUES];
    for (int i = 0; i < 2; i++)
        for (size_t k = 0; k < MAX_VALUES; k++)
            in[i][k] = memory[graph->inputs[i]][k] = (float)pick(100) - 50;
    for (uint32_t o = 0; o < graph->n_ops; o++)
        interpret(&graph->ops[o]);
    ck_assert_int_eq(image_run(image, session, 1, (const void *[]){in[0], in[1]},
                               (void *[]){out[0], out[1], out[2], out[3]}, arena, NULL),
                     0);
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        ck_assert_msg(
            memcmp(out[i], memory[graph->outputs[i]], graph->tensors[graph->outputs[i]].size) == 0,
            "%s: output %u", what, i);
}

START_TEST(test_random_networks) {
    for (unsigned i = 0; i < NETWORKS; i++) {
        char what[64];
        snprintf(what, sizeof(what), "network of seed %u", i);
        rng.state = i;
        teardown();
        setup();
        random_network(1 + pick(30));
        memset(memory, 0, sizeof(memory));
        _cleanup_(image_unrefp) struct image *image = build();
        _cleanup_(session_freep) struct session *session = NULL;
        ck_assert_int_eq(session_new(image, &session), 0);
        void *arena =
            aligned_alloc(RUNTIME_ARENA_ALIGN, image_arena_bytes(image) + RUNTIME_ARENA_ALIGN);
        memset(arena, 0x7f, image_arena_bytes(image));
        for (unsigned k = 0; k < RUNS; k++)
            compare_run(image, session, arena, what);
        free(arena);
    }
}
END_TEST

/* ---- networks that must not copy ---- */

static unsigned count_copies(const struct image *image) {
    unsigned n = 0;
    for (uint32_t i = 0; i < image_n_layers(image); i++) {
        const char *kernel = image_layer(image, i).kernel;
        n += strcmp(kernel, "memcpy") == 0 || strcmp(kernel, "copy_nd") == 0;
    }
    return n;
}

START_TEST(test_parts_are_computed_in_place) {
    int32_t x = activation(1, 4), a = unary(OP_RELU6, x), b = unary(OP_TANH, x);
    int32_t y = unary(OP_LOGISTIC, join(1, (int32_t[]){a, b}, 2));
    io(&x, 1, &y, 1);
    _cleanup_(image_unrefp) struct image *image = build();
    ck_assert_uint_eq(image_n_layers(image), 3);
    ck_assert_str_eq(image_layer(image, 2).why, "CONCATENATION before it is free");
    ck_assert_uint_eq(image_arena_bytes(image), 64);
}
END_TEST

/* A join that is an output is computed there, part by part. */
START_TEST(test_parts_of_an_output) {
    int32_t x = activation(1, 4), a = unary(OP_RELU6, x), b = unary(OP_TANH, x);
    int32_t y = join(1, (int32_t[]){a, b}, 2);
    io(&x, 1, &y, 1);
    _cleanup_(image_unrefp) struct image *image = build();
    ck_assert_uint_eq(image_n_layers(image), 2);
    ck_assert_uint_eq(image_arena_bytes(image), 0);
}
END_TEST

START_TEST(test_cuts_are_views) {
    int32_t x = activation(2, 4), rows[2] = {activation(1, 4), activation(1, 4)};
    struct op o = {.kind = OP_SPLIT};
    add(o, &x, 1, rows, 2);
    int32_t part = slice(rows[1], 1, 1, 1, 2), y = unary(OP_TANH, part);
    io(&x, 1, &y, 1);
    _cleanup_(image_unrefp) struct image *image = build();
    ck_assert_uint_eq(image_n_layers(image), 1);
    ck_assert_str_eq(image_layer(image, 0).why,
                     "SPLIT before it is free; STRIDED_SLICE before it is free");
}
END_TEST

/* A small piece does not keep a large value alive: it is copied. */
START_TEST(test_small_piece_of_a_large_value) {
    for (int32_t cols = 4096; cols <= 4098; cols++) {
        teardown();
        setup();
        int32_t x = activation(1, cols), a = unary(OP_TANH, x);
        int32_t y = unary(OP_LOGISTIC, slice(a, 1, 0, 1, 1));
        io(&x, 1, &y, 1);
        _cleanup_(image_unrefp) struct image *image = build();
        ck_assert_uint_eq(count_copies(image), cols > 4097);
    }
}
END_TEST

/* Both orders in which streaming networks keep a window: one move of the state in each run, and one copy of an input. */
START_TEST(test_window_moves_once) {
    bool late = _i % 2, computed = _i / 2 % 2;
    int32_t x = activation(1, 2), state = tensor(TENSOR_STATE, 1, 4);
    int32_t fresh = computed ? unary(OP_TANH, x) : x;
    int32_t old = read_state(state), window;
    if (late) { /* the oldest go first, and the window is what is kept */
        window = join(1, (int32_t[]){slice(old, 1, 2, 1, 2), fresh}, 2);
        write_state(state, window);
    } else {
        window = join(1, (int32_t[]){old, fresh}, 2);
        write_state(state, slice(window, 1, 2, 1, 4));
    }
    int32_t y = unary(OP_LOGISTIC, window); /* reads it when the state is overwritten already */
    io(&x, 1, &y, 1);
    _cleanup_(image_unrefp) struct image *image = build();
    ck_assert_uint_eq(count_copies(image), computed ? 1 : 2);
    ck_assert_uint_eq(image_n_layers(image), 3);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sharing");
    TCase *tc = tcase_create("sharing");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_random_networks);
    tcase_add_test(tc, test_parts_are_computed_in_place);
    tcase_add_test(tc, test_parts_of_an_output);
    tcase_add_test(tc, test_cuts_are_views);
    tcase_add_test(tc, test_small_piece_of_a_large_value);
    tcase_add_loop_test(tc, test_window_moves_once, 0, 4);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
