/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64: CPUID for the instructions, XGETBV for the registers the operating system saves, and for
 * AMX the kernel's permission, which a process must ask for once.
 */

#include <cpuid.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/cpu-arch.h"

/* CPUID leaf 1, ECX */
#define CPUID_FMA (1U << 12)
#define CPUID_OSXSAVE (1U << 27)
#define CPUID_AVX (1U << 28)
#define CPUID_F16C (1U << 29)
/* leaf 7.0, EBX, ECX, EDX */
#define CPUID_AVX2 (1U << 5)
#define CPUID_AVX512 (1U << 16 | 1U << 17 | 1U << 30 | 1U << 31) /* F, DQ, BW, VL */
#define CPUID_AVX512_VBMI (1U << 1)
#define CPUID_AVX512_VNNI (1U << 11)
#define CPUID_AMX (1U << 24 | 1U << 25) /* TILE, INT8 */
/* leaf 7.1, EAX */
#define CPUID_AVX_VNNI (1U << 4)

#define XCR0_AVX 0x6U         /* SSE and AVX state */
#define XCR0_AVX512 0xe6U     /* and mask registers and both halves of the ZMM */
#define XCR0_AMX 0x60000U     /* tile configuration and data */
#define XFEATURE_XTILEDATA 18 /* ARCH_REQ_XCOMP_PERM takes its number */
#define ARCH_REQ_XCOMP_PERM 0x1023

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool supported[TIER_END];
static bool has_vbmi;
static pthread_once_t amx_once = PTHREAD_ONCE_INIT;
static bool amx_permitted;

static uint64_t xcr0(void) {
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static void detect(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return;
    const unsigned leaf1 = CPUID_FMA | CPUID_OSXSAVE | CPUID_AVX | CPUID_F16C;
    if ((c & leaf1) != leaf1)
        return;
    uint64_t saved = xcr0();
    unsigned ebx7, ecx7, edx7, subleaves;
    if (!__get_cpuid_count(7, 0, &subleaves, &ebx7, &ecx7, &edx7))
        return;
    if (!(ebx7 & CPUID_AVX2) || (saved & XCR0_AVX) != XCR0_AVX)
        return;
    supported[TIER_AVX2] = true;
    if (subleaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
        supported[TIER_AVXVNNI] = a & CPUID_AVX_VNNI;
    if ((ebx7 & CPUID_AVX512) != CPUID_AVX512 || !(ecx7 & CPUID_AVX512_VNNI) ||
        (saved & XCR0_AVX512) != XCR0_AVX512)
        return;
    supported[TIER_AVX512VNNI] = true;
    has_vbmi = ecx7 & CPUID_AVX512_VBMI;
    supported[TIER_AMX] = (edx7 & CPUID_AMX) == CPUID_AMX && (saved & XCR0_AMX) == XCR0_AMX;
}

static void request_amx(void) {
    amx_permitted = syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

bool cpu_arch_supports(enum tier tier) {
    pthread_once(&once, detect);
    if (tier == TIER_AMX && supported[tier]) {
        pthread_once(&amx_once, request_amx);
        return amx_permitted;
    }
    return supported[tier];
}

bool cpu_arch_has_vbmi(void) {
    pthread_once(&once, detect);
    return has_vbmi;
}

const char *cpu_arch_blas_core(void) {
    if (cpu_arch_supports(TIER_AVX512VNNI))
        return "SkylakeX";
    return cpu_arch_supports(TIER_AVX2) ? "Haswell" : NULL;
}
