/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to the connection: one call, written and later compared with its reply.
 */

#include "tests/load/connection.h"

struct call {
    const struct network *network; /* NULL: not chosen yet */
    uint32_t batch;
    uint32_t first;    /* sample its batch begins with */
    uint8_t *expected; /* its own output in the network's datatype; NULL: those of the samples */
    size_t slot;       /* in the region for outputs */
    enum wire_form in_form, out_form;
    bool real_in, real_out; /* FP32 instead of the network's own datatype */
    bool in_session;
    bool last_only; /* only the last output is asked for */
};

/* Decides what a call is. */
void connection_choose_call(struct connection *c, struct call *ret_call);
/* Appends it to c->burst and computes what it must give; a call with descriptors sets c->fds. */
void connection_write_call(struct connection *c, struct call *call);
/* Compares caller->reply with what the call must give; a difference ends the test. */
void connection_check_reply(struct connection *c, const struct call *call);
