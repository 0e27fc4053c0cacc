/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .npy files: an error, or an array whose values can all be read.
 */

#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct npy npy;
    struct diag diag;
    if (npy_parse(data, size, &npy, &diag))
        return 0;
    size_t n = 1;
    for (unsigned d = 0; d < npy.n_dims; d++)
        n *= npy.dims[d];
    if (n != npy.n || npy.size != n * dtype_size(npy.dtype))
        abort();
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < npy.size; i++)
        sum = (uint8_t)(sum + ((const uint8_t *)npy.data)[i]);
    npy_deinit(&npy);
    return 0;
}
