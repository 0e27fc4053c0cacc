/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading follows Lemire, "Number parsing at a gigabyte per second" (2021): one product of 64 by 128 bits decides nearly
 * always. Writing follows Giulietti, "The Schubfach way to render doubles" (2020), for float: the interval of what rounds
 * to the number is scaled by a power of ten, rounded to odd so that comparisons stay exact, and the decimal is picked.
 */

#include "proto/decimal.h"

#include <string.h>

#include "proto/decimal-powers.h"

#define EXACT_DIGITS (UINT64_C(1) << 53) /* any integer up to here is exact in a double */
#define EXACT_POWER 22                   /* so are powers of ten up to here */

#define DOUBLE_BITS 52 /* of the fraction */
#define DOUBLE_BIAS 1023
#define DOUBLE_MAX_EXPONENT 2047
#define FLOAT_BITS 23
#define FLOAT_BIAS 150 /* with the fraction as an integer */

__extension__ typedef unsigned __int128 uint128;

static const double exact_powers[EXACT_POWER + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* floor(log2(10^e)), and floor(log10(2^e)), for |e| < 1200; shifts of negative numbers are arithmetic with gcc and clang. */
static int log2_of_power10(int e) {
    return (e * 1741647) >> 19;
}

static int log10_of_power2(int e) {
    return (e * 1262611) >> 22;
}

/* floor(log10(3/4 * 2^e)) */
static int log10_of_three_quarters(int e) {
    return (e * 1262611 - 524031) >> 22;
}

static const uint64_t *power10(int e) {
    return decimal_powers[e - DECIMAL_LOW];
}

/* The upper 128 of the 192 bits of w * 10^e; false where what was left out of the power could reach them. */
static bool scale(uint64_t w, int e, uint64_t *ret_high, uint64_t *ret_low) {
    const uint64_t *power = power10(e);
    uint128 product = (uint128)w * power[0];
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    /* The 9 bits below the fraction and what rounds it: only a carry through all of them matters. */
    if ((high & 0x1ff) == 0x1ff) {
        uint64_t more = (uint64_t)((uint128)w * power[1] >> 64);
        high += __builtin_add_overflow(low, more, &low);
        /* Up to 5^55 the power is exact, and so is one over 5^27 for what has 64 bits. */
        if (low == UINT64_MAX && (e < -27 || e > 55))
            return false;
    }
    *ret_high = high;
    *ret_low = low;
    return true;
}

/* digits * 10^exponent, digits not 0, where a product is not exact. */
static bool round_to_double(uint64_t digits, int exponent, double *ret) {
    uint64_t high, low;
    int zeros = __builtin_clzll(digits);
    if (exponent < DECIMAL_LOW || exponent > DECIMAL_HIGH ||
        !scale(digits << zeros, exponent, &high, &low))
        return false;
    int top = (int)(high >> 63);
    int shift = top + 64 - DOUBLE_BITS - 3;
    uint64_t fraction = high >> shift; /* 54 bits: one to round by */
    int biased = log2_of_power10(exponent) + 63 + top - zeros + DOUBLE_BIAS;
    if (biased <= 0 || biased >= DOUBLE_MAX_EXPONENT)
        return false;
    /* Exactly half way, which only such exponents allow: to even. */
    if (low <= 1 && exponent >= -4 && exponent <= 23 && (fraction & 3) == 1 &&
        fraction << shift == high)
        fraction--;
    fraction = (fraction + (fraction & 1)) >> 1;
    if (fraction >> (DOUBLE_BITS + 1)) {
        fraction >>= 1;
        biased++;
    }
    uint64_t bits = (fraction & ((UINT64_C(1) << DOUBLE_BITS) - 1)) | (uint64_t)biased
                                                                          << DOUBLE_BITS;
    if (biased == DOUBLE_MAX_EXPONENT)
        return false;
    memcpy(ret, &bits, sizeof(bits));
    return true;
}

bool decimal_to_double(uint64_t digits, int exponent, double *ret) {
    if (digits <= EXACT_DIGITS && exponent >= -EXACT_POWER && exponent <= EXACT_POWER) {
        double d = (double)digits;
        *ret = exponent < 0 ? d / exact_powers[-exponent] : d * exact_powers[exponent];
        return true;
    }
    if (digits == 0) {
        *ret = 0;
        return true;
    }
    return round_to_double(digits, exponent, ret);
}

/* power * v / 2^64 with the last bit set where a fraction was cut off: comparisons with even numbers stay exact. The power
 * is rounded up, which is too little to look like a fraction. */
static uint32_t scale_to_odd(uint64_t power, uint32_t v) {
    uint128 product = (uint128)power * v;
    uint32_t whole = (uint32_t)(product >> 64);
    uint32_t fraction = (uint32_t)(product >> 32);
    return whole | (fraction > 1);
}

/* Four times what the numbers half way to the neighbours and the number itself are, in units of 10^k. */
struct interval {
    uint32_t lower, middle, upper; /* what lies on a bound is inside */
};

/* The nearest multiple of the unit, or of ten units where one of those is inside. Which is which nobody can predict: both
 * are computed. */
static uint32_t pick(const struct interval *v, int *k) {
    uint32_t s = v->middle / 4, tens = s / 10, half = 4 * s + 2;
    bool ten_down = v->lower <= 40 * tens, ten_up = 40 * tens + 40 <= v->upper;
    bool down = v->lower <= 4 * s, up = 4 * s + 4 <= v->upper;
    bool nearer_up = (v->middle > half) | ((v->middle == half) & (s & 1));
    bool in_tens = (ten_down != ten_up) & (s >= 10);
    uint32_t one = s + ((down != up) ? up : nearer_up);
    *k += in_tens;
    return in_tens ? tens + ten_up : one;
}

/* At most nine digits: at most eight zeros. */
static struct decimal without_zeros(uint32_t digits, int exponent) {
    static const uint32_t powers[] = {10000, 100, 10, 10};
    int n = 4;
    for (size_t i = 0; i<sizeof(powers) / sizeof(powers[0]); i++, n = n> 1 ? n / 2 : 1)
        if (digits % powers[i] == 0) {
            digits /= powers[i];
            exponent += n;
        }
    return (struct decimal){.digits = digits, .exponent = exponent};
}

struct decimal decimal_of_float(float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof(bits));
    uint32_t fraction = bits & ((1U << FLOAT_BITS) - 1);
    int biased = (int)(bits >> FLOAT_BITS);
    uint32_t c = biased ? fraction | 1U << FLOAT_BITS : fraction;
    int q = (biased ? biased : 1) - FLOAT_BIAS;
    /* The neighbour below a power of two is half as far away. */
    bool closer = fraction == 0 && biased > 1;
    int k = closer ? log10_of_three_quarters(q) : log10_of_power2(q);
    int shift = q + log2_of_power10(-k) + 1;
    uint64_t power = power10(-k)[0] + 1;
    uint32_t odd = c & 1; /* then the bounds themselves round to a neighbour */
    struct interval interval = {
        .lower = scale_to_odd(power, (4 * c - 2 + closer) << shift) + odd,
        .middle = scale_to_odd(power, 4 * c << shift),
        .upper = scale_to_odd(power, (4 * c + 2) << shift) - odd,
    };
    uint32_t digits = pick(&interval, &k);
    return without_zeros(digits, k);
}
