/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fixed-point arithmetic of the integer kernels: multipliers, exponential, reciprocal, logistic and
 * tanh, and the tables of the int8 functions of one argument. Pure functions, no state.
 */

#include "kernels/fixedpoint.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>

#include "base/attributes.h"

void fixedpoint_quantize(double multiplier, int32_t *ret_mult, int32_t *ret_shift) {
    *ret_mult = 0;
    *ret_shift = 0;
    if (!(multiplier > 0))
        return;
    if (!isfinite(multiplier)) {
        *ret_mult = INT32_MAX;
        *ret_shift = 30;
        return;
    }
    int exponent;
    double fraction = frexp(multiplier, &exponent);
    int64_t mult = (int64_t)round(fraction * 2147483648.0);
    if (mult == (int64_t)1 << 31) {
        mult /= 2;
        exponent++;
    }
    if (exponent < -31)
        return;
    if (exponent > 30) {
        mult = INT32_MAX;
        exponent = 30;
    }
    *ret_mult = (int32_t)mult;
    *ret_shift = exponent;
}

int32_t fixedpoint_high_mul(int32_t a, int32_t b) {
    if (a == INT32_MIN && b == INT32_MIN)
        return INT32_MAX;
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

int32_t fixedpoint_round_shift(int32_t x, int n) {
    if (n > 31)
        return 0;
    int64_t mask = ((int64_t)1 << n) - 1;
    int64_t remainder = x & mask;
    return (int32_t)(((int64_t)x >> n) + (remainder > (mask >> 1) + (x < 0)));
}

static int32_t shift_left_saturated(int32_t x, int n) {
    int64_t v = (int64_t)x * ((int64_t)1 << n);
    return (int32_t)(v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : v);
}

/* Taylor's series about -1/8, a in [-1/4, 0) of Q0. */
static int32_t exp_small(int32_t a) {
    int32_t x = a + (1 << 28);
    int32_t x2 = fixedpoint_high_mul(x, x);
    int32_t x3 = fixedpoint_high_mul(x2, x);
    int32_t x4 = fixedpoint_high_mul(x2, x2);
    int32_t cubic = fixedpoint_high_mul(fixedpoint_round_shift(x4, 2) + x3, 715827883);
    int32_t p = fixedpoint_round_shift(cubic + x2, 1);
    return 1895147668 + fixedpoint_high_mul(1895147668, x + p);
}

int32_t fixedpoint_exp_neg(int32_t a, int integer_bits) {
    /* exp(-2^k) in Q0, k from -2 */
    static const int32_t factors[] = {1672461947, 1302514674, 790015084, 290630308,
                                      39332535,   720401,     242};
    if (a == 0)
        return INT32_MAX;
    int fraction_bits = 31 - integer_bits;
    int32_t quarter = (int32_t)1 << (fraction_bits - 2);
    int32_t b = (a & (quarter - 1)) - quarter;
    int32_t result = exp_small(shift_left_saturated(b, integer_bits));
    uint32_t rest = (uint32_t)b - (uint32_t)a;
    for (int k = -2; k <= 4 && k < integer_bits; k++) {
        if (rest & (uint32_t)1 << (fraction_bits + k))
            result = fixedpoint_high_mul(result, factors[k + 2]);
    }
    if (integer_bits > 5 && a < -((int32_t)1 << (36 - integer_bits)))
        result = 0;
    return result;
}

/* About 2 / (1 + a) in Q2 by three Newton steps, a in [0, 1) of Q0. */
static int32_t newton_two_over_one_plus(int32_t a) {
    int64_t sum = (int64_t)a + INT32_MAX;
    int32_t half = (int32_t)((sum + (sum >= 0 ? 1 : -1)) / 2);
    int32_t x = 1515870810 + fixedpoint_high_mul(half, -1010580540);
    for (int i = 0; i < 3; i++) {
        int32_t correction = (1 << 29) - fixedpoint_high_mul(half, x);
        x += shift_left_saturated(fixedpoint_high_mul(x, correction), 2);
    }
    return x;
}

int32_t fixedpoint_recip_one_plus(int32_t a) {
    return shift_left_saturated(newton_two_over_one_plus(a), 1);
}

int32_t fixedpoint_logistic(int32_t a, int integer_bits) {
    if (a == 0)
        return 1 << 30;
    if (a > 0)
        return fixedpoint_recip_one_plus(fixedpoint_exp_neg(-a, integer_bits));
    return INT32_MAX - fixedpoint_recip_one_plus(fixedpoint_exp_neg(a, integer_bits));
}

int32_t fixedpoint_tanh(int32_t a, int integer_bits) {
    if (a == 0)
        return 0;
    /* Read with one more integer bit the same raw value is the double, as tanh needs exp(-2|a|). */
    int32_t e = fixedpoint_exp_neg(a > 0 ? -a : a, integer_bits + 1);
    int32_t t = shift_left_saturated(newton_two_over_one_plus(e) - (1 << 29), 2);
    return a > 0 ? t : -t;
}

/* 65536 * logistic(i / 24) as the reference's table has it: seven entries differ from the rounded
 * function. */
static const uint16_t logistic_table[256] = {
    32768, 33451, 34133, 34813, 35493, 36169, 36843, 37513, 38180, 38841, 39498, 40149, 40794,
    41432, 42064, 42688, 43304, 43912, 44511, 45102, 45683, 46255, 46817, 47369, 47911, 48443,
    48964, 49475, 49975, 50464, 50942, 51409, 51865, 52311, 52745, 53169, 53581, 53983, 54374,
    54755, 55125, 55485, 55834, 56174, 56503, 56823, 57133, 57433, 57724, 58007, 58280, 58544,
    58800, 59048, 59288, 59519, 59743, 59959, 60168, 60370, 60565, 60753, 60935, 61110, 61279,
    61441, 61599, 61750, 61896, 62036, 62172, 62302, 62428, 62549, 62666, 62778, 62886, 62990,
    63090, 63186, 63279, 63368, 63454, 63536, 63615, 63691, 63765, 63835, 63903, 63968, 64030,
    64090, 64148, 64204, 64257, 64308, 64357, 64405, 64450, 64494, 64536, 64576, 64614, 64652,
    64687, 64721, 64754, 64786, 64816, 64845, 64873, 64900, 64926, 64950, 64974, 64997, 65019,
    65039, 65060, 65079, 65097, 65115, 65132, 65149, 65164, 65179, 65194, 65208, 65221, 65234,
    65246, 65258, 65269, 65280, 65291, 65301, 65310, 65319, 65328, 65337, 65345, 65352, 65360,
    65367, 65374, 65381, 65387, 65393, 65399, 65404, 65410, 65415, 65420, 65425, 65429, 65433,
    65438, 65442, 65445, 65449, 65453, 65456, 65459, 65462, 65465, 65468, 65471, 65474, 65476,
    65479, 65481, 65483, 65485, 65488, 65489, 65491, 65493, 65495, 65497, 65498, 65500, 65501,
    65503, 65504, 65505, 65507, 65508, 65509, 65510, 65511, 65512, 65513, 65514, 65515, 65516,
    65517, 65517, 65518, 65519, 65520, 65520, 65521, 65522, 65522, 65523, 65523, 65524, 65524,
    65525, 65525, 65526, 65526, 65526, 65527, 65527, 65528, 65528, 65528, 65529, 65529, 65529,
    65529, 65530, 65530, 65530, 65530, 65531, 65531, 65531, 65531, 65531, 65532, 65532, 65532,
    65532, 65532, 65532, 65533, 65533, 65533, 65533, 65533, 65533, 65533, 65533, 65534, 65534,
    65534, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65535,
};

/* The argument of the 16-bit functions in the table's steps. */
static int32_t scale_s16(int32_t x, int32_t mult, int32_t shift) {
    if (mult == 0) {
        mult = (int32_t)(3U << shift);
        shift = 0;
    }
    return (x * mult + (shift > 0 ? 1 << (shift - 1) : 0)) >> shift;
}

int16_t fixedpoint_logistic_s16(int16_t x) {
    int32_t d = scale_s16(x, 0, 0);
    uint32_t a = (uint32_t)(d < 0 ? -d : d);
    uint32_t u = a >> 9;
    int32_t r = 0x7fff << 10;
    if (u < 255) {
        int32_t step = logistic_table[u + 1] - logistic_table[u];
        r = (logistic_table[u] << 9) + (int32_t)(a & 511) * step;
    }
    return (int16_t)((d >= 0 ? r + 512 : (1 << 25) - r + 511) >> 10);
}

int16_t fixedpoint_tanh_s16(int16_t x, int32_t mult, int32_t shift) {
    int32_t d = scale_s16(x, mult, shift);
    uint32_t a = d < 0 ? 0U - (uint32_t)d : (uint32_t)d;
    uint32_t u = a >> 8;
    int32_t r = 0xffff << 8;
    if (u < 255) {
        int32_t step = logistic_table[u + 1] - logistic_table[u];
        r = (logistic_table[u] << 8) + (int32_t)(a & 255) * step;
    }
    return (int16_t)((d >= 0 ? r - (1 << 23) + 128 : -r + (1 << 23) + 127) >> 8);
}

static int32_t clamp(int64_t v, int32_t lo, int32_t hi) {
    return (int32_t)(v < lo ? lo : v > hi ? hi : v);
}

/* zero + round(value / scale), kept within the bytes. */
static int32_t quantized(float value, float scale, int32_t zero) {
    double q = round((double)(value / scale)) + zero;
    return q < INT8_MIN ? INT8_MIN : q > INT8_MAX ? INT8_MAX : (int32_t)q;
}

/* The logistic and tanh kernels do not renormalise their multiplier. */
struct lut_scale {
    int32_t mult, shift;
    double radius; /* from here on the function is saturated */
};

static struct lut_scale lut_scale(float in_scale) {
    struct lut_scale s;
    double fraction = frexp((double)in_scale * (1 << 27), &s.shift);
    s.mult = (int32_t)round(fraction * 2147483648.0);
    s.radius = floor(ldexp(15.0 * (1 << 27), -s.shift));
    return s;
}

static int32_t lut_argument(const struct lut_scale *s, int32_t d) {
    return s->shift < -31 ? 0 : fixedpoint_multiply(d, s->mult, s->shift);
}

void fixedpoint_lut_logistic(const struct fixedpoint_lut *p, uint8_t ret_table[256]) {
    struct lut_scale s = lut_scale(p->in_scale);
    for (int32_t q = INT8_MIN; q <= INT8_MAX; q++) {
        int32_t d = q - p->in_zero, y;
        if (d <= -s.radius)
            y = INT8_MIN;
        else if (d >= s.radius)
            y = INT8_MAX;
        else
            y = fixedpoint_round_shift(fixedpoint_logistic(lut_argument(&s, d), 4), 23) - 128;
        ret_table[(uint8_t)q] = (uint8_t)clamp(y, INT8_MIN, INT8_MAX);
    }
}

void fixedpoint_lut_tanh(const struct fixedpoint_lut *p, uint8_t ret_table[256]) {
    struct lut_scale s = lut_scale(p->in_scale);
    for (int32_t q = INT8_MIN; q <= INT8_MAX; q++) {
        int32_t d = q - p->in_zero, y;
        if (d <= -s.radius)
            y = INT8_MIN;
        else if (d >= s.radius)
            y = INT8_MAX;
        else
            y = fixedpoint_round_shift(fixedpoint_tanh(lut_argument(&s, d), 4), 24);
        ret_table[(uint8_t)q] = (uint8_t)clamp(y, INT8_MIN, INT8_MAX);
    }
}

/* Rescales by in_scale / out_scale and clamps to [lo, hi]. */
static void lut_rescale(const struct fixedpoint_lut *p, int32_t lo, int32_t hi, uint8_t *table) {
    int32_t mult, shift;
    fixedpoint_quantize((double)(p->in_scale / p->out_scale), &mult, &shift);
    for (int32_t q = INT8_MIN; q <= INT8_MAX; q++) {
        int64_t y = (int64_t)fixedpoint_multiply(q - p->in_zero, mult, shift) + p->out_zero;
        table[(uint8_t)q] = (uint8_t)clamp(y, lo, hi);
    }
}

void fixedpoint_lut_relu(const struct fixedpoint_lut *p, uint8_t ret_table[256]) {
    lut_rescale(p, MAX(INT8_MIN, p->out_zero), INT8_MAX, ret_table);
}

void fixedpoint_lut_relu6(const struct fixedpoint_lut *p, uint8_t ret_table[256]) {
    int32_t hi = quantized(6, p->in_scale, p->in_zero);
    for (int32_t q = INT8_MIN; q <= INT8_MAX; q++)
        ret_table[(uint8_t)q] = (uint8_t)MIN(MAX(q, p->in_zero), hi);
}

void fixedpoint_lut_relu_n1_to_1(const struct fixedpoint_lut *p, uint8_t ret_table[256]) {
    lut_rescale(p, quantized(-1, p->out_scale, p->out_zero),
                quantized(1, p->out_scale, p->out_zero), ret_table);
}

void fixedpoint_lut_leaky_relu(const struct fixedpoint_lut *p, float alpha,
                               uint8_t ret_table[256]) {
    int32_t mult, shift, mult_neg, shift_neg;
    fixedpoint_quantize((double)(p->in_scale / p->out_scale), &mult, &shift);
    float slope = p->in_scale * alpha / p->out_scale;
    fixedpoint_quantize((double)fabsf(slope), &mult_neg, &shift_neg);
    for (int32_t q = INT8_MIN; q <= INT8_MAX; q++) {
        int32_t d = q - p->in_zero;
        int64_t y = p->out_zero;
        if (d >= 0)
            y += fixedpoint_multiply(d, mult, shift);
        else
            y += fixedpoint_multiply(slope < 0 ? -d : d, mult_neg, shift_neg);
        ret_table[(uint8_t)q] = (uint8_t)clamp(y, INT8_MIN, INT8_MAX);
    }
}
