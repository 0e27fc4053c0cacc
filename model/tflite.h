/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Reads a TensorFlow Lite file (FlatBuffers, identifier TFL3; schema.fbs of tflite-micro 90b983c2) into a graph.
 * Thread-safe.
 */

#include <stddef.h>

#include "base/attributes.h"

struct diag;
struct graph;

/*
 * Constants are copied into the graph: `data` may go afterwards. uint8 networks are turned into int8 (zero points minus
 * 128, values xor 0x80) with UINT8 kept at inputs and outputs through QUANTIZE; int8 or float16 weights under float
 * activations become float; resource variables and variable tensors become TENSOR_STATE, CALL_ONCE their initial value.
 * 0, -ENOMEM, MODEL_E_INVALID, MODEL_E_UNSUPPORTED.
 */
_nodiscard_ int tflite_read(const void *data, size_t size, struct graph **ret_graph,
                            struct diag *diag);
