/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * MNIST's test part as `edgectl eval` reads it. One thread.
 */

#include <stdbool.h>

/* Unpacks FOLDER/t10k-*.xz into DIR/x.npy (float32 [n,28,28,1], pixel / 255) and DIR/y.npy (int64 [n]). False where
 * there is no xz. */
bool mnist_unpack(const char *folder, const char *dir);
