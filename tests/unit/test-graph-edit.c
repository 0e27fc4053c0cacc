/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model/graph-edit: copies that outlive their original, and changes of a chain x -> RELU -> y -> ADD(y, c) -> z with an
 * operator beside it that nobody needs.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "model/graph-edit.h"
#include "model/graph.h"
#include "model/netfile.h"
#include "tests/graphs.h"
#include "tests/networks.h"

enum { X, Y, C, Z, UNUSED, UNUSED_CONST, N_TENSORS };

static const float ones[4] = {1, 1, 1, 1};

static void add_tensor(struct graph *g, enum tensor_kind kind, const char *name) {
    int32_t index;
    struct tensor t = {.name = name,
                       .dtype = DTYPE_FP32,
                       .kind = kind,
                       .n_dims = 2,
                       .dims = {1, 4},
                       .data = kind == TENSOR_CONST ? ones : NULL,
                       .size = sizeof(ones)};
    ck_assert_int_eq(graph_add_tensor(g, &t, &index), 0);
}

static void add_op(struct graph *g, enum op_kind kind, const int32_t *inputs, uint16_t n,
                   int32_t output) {
    struct op op = {.kind = kind, .n_inputs = n, .n_outputs = 1};
    ck_assert_int_eq(graph_add_op(g, &op, inputs, &output), 0);
}

static struct graph *chain(void) {
    static int32_t inputs[] = {X}, outputs[] = {Z};
    struct graph *g;
    ck_assert_int_eq(graph_new(&g), 0);
    add_tensor(g, TENSOR_ACTIVATION, "x");
    add_tensor(g, TENSOR_ACTIVATION, NULL);
    add_tensor(g, TENSOR_CONST, "c");
    add_tensor(g, TENSOR_ACTIVATION, "z");
    add_tensor(g, TENSOR_ACTIVATION, NULL);
    add_tensor(g, TENSOR_CONST, NULL);
    add_op(g, OP_RELU, (const int32_t[]){X}, 1, Y);
    add_op(g, OP_ADD, (const int32_t[]){Y, UNUSED_CONST}, 2, UNUSED);
    add_op(g, OP_ADD, (const int32_t[]){Y, C}, 2, Z);
    g->inputs = inputs;
    g->outputs = outputs;
    g->n_inputs = g->n_outputs = 1;
    struct diag diag;
    ck_assert_msg(graph_check(g, &diag) == 0, "%s", diag.text);
    return g;
}

START_TEST(copies_outlive_the_original) {
    glob_t files;
    networks_find(&files, true);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct graph *original, *again, *copy;
        struct diag diag;
        if (netfile_read(files.gl_pathv[i], &original, NULL, &diag))
            continue;
        ck_assert_int_eq(graph_copy(original, &copy), 0);
        graph_free(original);
        ck_assert_int_eq(netfile_read(files.gl_pathv[i], &again, NULL, &diag), 0);
        ck_assert_msg(same_graph(copy, again), "%s", files.gl_pathv[i]);
        ck_assert_int_eq(graph_check(copy, &diag), 0);
        graph_free(again);
        graph_free(copy);
    }
    ck_assert_uint_gt(files.gl_pathc, 0);
    globfree(&files);
}
END_TEST

START_TEST(sweep_drops_what_nobody_needs) {
    struct graph *g = chain();
    struct diag diag;
    ck_assert_int_eq(graph_sweep(g), 0);
    ck_assert_uint_eq(g->n_ops, 2);
    ck_assert_uint_eq(g->n_tensors, N_TENSORS - 2);
    ck_assert_str_eq(g->tensors[g->ops[1].inputs[1]].name, "c");
    ck_assert_str_eq(g->tensors[g->outputs[0]].name, "z");
    ck_assert_msg(graph_check(g, &diag) == 0, "%s", diag.text);
    graph_free(g);
}
END_TEST

START_TEST(splice_replaces_operators) {
    struct graph *g = chain();
    struct diag diag;
    int32_t between;
    struct tensor t = g->tensors[Y];
    ck_assert_int_eq(graph_add_tensor(g, &t, &between), 0);
    struct op two[] = {g->ops[0], g->ops[0]};
    two[0].outputs = &between;
    two[1].inputs = &between;
    two[1].kind = OP_TANH;
    ck_assert_int_eq(graph_splice(g, 0, 1, two, 2), 0);
    ck_assert_uint_eq(g->n_ops, 4);
    ck_assert_int_eq(g->ops[0].kind, OP_RELU);
    ck_assert_int_eq(g->ops[1].kind, OP_TANH);
    ck_assert_int_eq(g->ops[1].outputs[0], Y);
    ck_assert_ptr_ne(g->ops[0].outputs, &between);
    ck_assert_msg(graph_check(g, &diag) == 0, "%s", diag.text);
    ck_assert_int_eq(graph_splice(g, 2, 1, NULL, 0), 0);
    ck_assert_int_eq(g->ops[2].outputs[0], Z);
    /* The array has room of its own again. */
    add_op(g, OP_RELU, (const int32_t[]){X}, 1, UNUSED);
    ck_assert_uint_eq(g->n_ops, 4);
    graph_free(g);
}
END_TEST

START_TEST(own_data_leaves_the_old_alone) {
    struct graph *g = chain();
    float *mine = graph_own_data(g, C);
    ck_assert_ptr_nonnull(mine);
    mine[0] = 7;
    ck_assert(ones[0] == 1);
    ck_assert(((const float *)g->tensors[C].data)[0] == 7);
    graph_free(g);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("graph-edit");
    TCase *tc = tcase_create("edit");
    tcase_add_test(tc, copies_outlive_the_original);
    tcase_add_test(tc, sweep_drops_what_nobody_needs);
    tcase_add_test(tc, splice_replaces_operators);
    tcase_add_test(tc, own_data_leaves_the_old_alone);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
