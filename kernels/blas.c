/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading and calling OpenBLAS: see blas.h.
 */

#include "kernels/blas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu-arch.h"

/* The constants of cblas.h. */
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

typedef void (*sgemm_fn)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                         const float *a, int lda, const float *b, int ldb, float beta, float *c,
                         int ldc);
typedef void (*sgemv_fn)(int order, int trans, int m, int n, float alpha, const float *a, int lda,
                         const float *x, int incx, float beta, float *y, int incy);
typedef void (*set_num_threads_fn)(int n);
typedef char *(*get_corename_fn)(void);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void *handle;
static sgemm_fn sgemm;
static sgemv_fn sgemv;
static get_corename_fn get_corename;

/* dlsym gives a pointer to data; ISO C knows no cast from it to a function. */
static void find(void *library, const char *name, void *ret_function) {
    void *symbol = dlsym(library, name);
    memcpy(ret_function, &symbol, sizeof(symbol));
}

/* The first call allocates the library's work area: better now than in somebody's inference. */
static void warm_up(void) {
    float a[4] = {0}, b[4] = {0}, c[4] = {0};
    sgemm(ROW_MAJOR, NO_TRANS, TRANS, 2, 2, 2, 1, a, 2, b, 2, 1, c, 2);
}

void blas_prepare(void) {
    const char *core = cpu_arch_blas_core();
    if (core)
        setenv("OPENBLAS_CORETYPE", core, 0);
    setenv("OPENBLAS_NUM_THREADS", "1", 0);
}

static void load(void) {
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return;
    set_num_threads_fn set_num_threads;
    find(library, "openblas_set_num_threads", &set_num_threads);
    find(library, "openblas_get_corename", &get_corename);
    find(library, "cblas_sgemv", &sgemv);
    find(library, "cblas_sgemm", &sgemm);
    if (!set_num_threads || !get_corename || !sgemv || !sgemm) {
        sgemm = NULL;
        dlclose(library);
        return;
    }
    handle = library;
    set_num_threads(1);
    warm_up();
}

bool blas_available(void) {
    pthread_once(&once, load);
    return sgemm;
}

const char *blas_core(void) {
    return blas_available() ? get_corename() : NULL;
}

bool blas_symbol(const char *name, void *ret_function) {
    void *symbol = blas_available() ? dlsym(handle, name) : NULL;
    if (symbol)
        memcpy(ret_function, &symbol, sizeof(symbol));
    return symbol;
}

void blas_gemm_f32(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c,
                   int ldc) {
    if (m == 1)
        sgemv(ROW_MAJOR, NO_TRANS, n, k, 1, b, ldb, a, 1, 1, c, 1);
    else
        sgemm(ROW_MAJOR, NO_TRANS, TRANS, m, n, k, 1, a, lda, b, ldb, 1, c, ldc);
}
