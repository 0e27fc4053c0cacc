/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: between real values and bytes, and from bytes to bytes.
 */

/* Beyond every byte less every zero point, and within int32. */
#define QUANTIZE_LIMIT 1024.0F
/* The largest float below 1/2: added to |v| it carries into the integer from 1/2 on, and never
 * below. */
#define QUANTIZE_HALF 0x1.fffffep-2F

/* x / scale, halves away from zero; NaN is 0. */
static inline vec quantize_lanes(vec_floats x, float scale) {
    const vec_floats limit = QUANTIZE_LIMIT - (vec_floats){0};
    const vec_floats half = QUANTIZE_HALF - (vec_floats){0};
    vec_floats v = x / scale;
    const vec_lanes sign = (vec_lanes)v & INT32_MIN;
    const vec_floats size = (vec_floats)((vec_lanes)v & INT32_MAX);
    /* false for NaN too */
    const vec_lanes small = (vec_lanes)(size < limit), number = (vec_lanes)(v == v);
    v = (vec_floats)(((vec_lanes)size & small) | ((vec_lanes)limit & ~small & number));
    v = (vec_floats)((vec_lanes)(v + half) | sign);
    return (vec) __builtin_convertvector(v, vec_lanes);
}

/* A block of VEC_BYTES results, of bytes that are `flip` apart from signed ones. */
static inline vec quantize_block(const float *x, float scale, const struct vec_out *out,
                                 int8_t flip) {
    vec q[4];
    for (unsigned i = 0; i < 4; i++)
        q[i] = quantize_lanes((vec_floats)vec_load(x + i * VEC_LANES), scale);
    /* four rows of one vector */
    const vec bytes = vec_order(vec_narrow(q[0], q[1], q[2], q[3], out), 1);
    return (vec)((vec_lanes)bytes ^ (vec_lanes)vec_set1_byte(flip));
}

static void quantize(const struct kern_quantize *p, bool is_unsigned, const float *x, int8_t *y,
                     size_t n) {
    const int32_t flip = is_unsigned ? 128 : 0;
    const float scale = p->scale;
    const struct vec_out out = vec_out_set(p->zero - flip, p->out_min - flip, p->out_max - flip);
    size_t i = 0;
    for (; i + VEC_BYTES <= n; i += VEC_BYTES)
        vec_store(y + i, quantize_block(x + i, scale, &out, (int8_t)-flip));
    if (i < n) {
        float rest[VEC_BYTES] = {0};
        memcpy(rest, x + i, (n - i) * sizeof(*x));
        vec_store_some(y + i, quantize_block(rest, scale, &out, (int8_t)-flip), n - i);
    }
}

void KERN_NAME(quantize_f32_s8)(const struct kern_quantize *p, const float *x, int8_t *y,
                                size_t n) {
    quantize(p, false, x, y, n);
}

void KERN_NAME(quantize_f32_u8)(const struct kern_quantize *p, const float *x, uint8_t *y,
                                size_t n) {
    quantize(p, true, x, (int8_t *)y, n);
}

void KERN_NAME(dequantize_s8_f32)(const struct kern_quantize *p, const int8_t *x, float *y,
                                  size_t n) {
    const float scale = p->scale;
    const int32_t zero = p->zero;
    for (size_t i = 0; i < n; i++)
        y[i] = scale * (float)(x[i] - zero);
}

void KERN_NAME(dequantize_u8_f32)(const struct kern_quantize *p, const uint8_t *x, float *y,
                                  size_t n) {
    const float scale = p->scale;
    const int32_t zero = p->zero;
    for (size_t i = 0; i < n; i++)
        y[i] = scale * (float)(x[i] - zero);
}

/* Shorter inputs are done before the table is ready. */
#define LUT_MIN_BYTES 128

void KERN_NAME(lut_8)(const uint8_t table[256], const uint8_t *x, uint8_t *y, size_t n) {
    if (n < LUT_MIN_BYTES) {
        kern_lut_8_c(table, x, y, n);
        return;
    }
    struct vec_table t;
    vec_table_set(&t, table);
    size_t i = 0;
    for (; i + VEC_BYTES <= n; i += VEC_BYTES)
        vec_store(y + i, vec_lookup(&t, vec_load(x + i)));
    if (i < n)
        vec_store_some(y + i, vec_lookup(&t, vec_load_some(x + i, n - i)), n - i);
}
