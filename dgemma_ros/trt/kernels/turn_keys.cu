// The KV cache's keys at other positions: turned where they lie, or made anew from the values beside them.
//
// One thread a pair of dimensions (i, i + dim/2) of one row and head; neighbours take neighbouring pairs, so that both
// halves are read and written in whole lines. Whatever the type of the cache, the products are float32. Rows are
// `capacity` apart from head to head; `keys` and `values` point at the first row of the first head.
//
// Semantics: dgemma_ros/runtime/contract.py (rotate, rebuild_keys) and keys.py. Compiled as row_stats.cu is.

#include "device.cuh"

struct Float32 { typedef float stored; };
struct Float16 { typedef unsigned short stored; };
struct BFloat16 { typedef unsigned short stored; };

static __device__ __forceinline__ float widen(Float32, float value) { return value; }
static __device__ __forceinline__ float narrow(Float32, float value) { return value; }
static __device__ __forceinline__ float widen(BFloat16, unsigned short bits) {
    return __uint_as_float((unsigned)bits << 16);
}
// To the nearest, of two equally near to the even one; keys are finite.
static __device__ __forceinline__ unsigned short narrow(BFloat16, float value) {
    const unsigned bits = __float_as_uint(value);
    return (unsigned short)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
#ifdef HOST_SHIM
static __device__ __forceinline__ float widen(Float16, unsigned short bits) { return half_to_float(bits); }
static __device__ __forceinline__ unsigned short narrow(Float16, float value) { return float_to_half(value); }
#else
static __device__ __forceinline__ float widen(Float16, unsigned short bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}
static __device__ __forceinline__ unsigned short narrow(Float16, float value) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
#endif

// Of a thread: its row, counted over the heads, and its pair. False where there is none left for it.
static __device__ __forceinline__ bool place(int heads, int count, int pairs, int64& row, int& pair) {
    const int64 index = (int64)blockIdx.x * blockDim.x + threadIdx.x;
    row = index / pairs, pair = (int)(index % pairs);
    return row < (int64)heads * count;
}

// Turns the first `pairs` pairs of `count` rows of each head by `cosine` and `sine` [pairs].
template <typename Type> static __device__ __forceinline__ void rotate(
    typename Type::stored* keys, const float* cosine, const float* sine, int heads, int capacity, int count, int dim,
    int pairs) {
    int64 row;
    int pair;
    if (!place(heads, count, pairs, row, pair)) return;
    typename Type::stored* first = keys + (row / count * capacity + row % count) * dim + pair;
    typename Type::stored* second = first + dim / 2;
    const float a = widen(Type(), *first), b = widen(Type(), *second), c = cosine[pair], s = sine[pair];
    *first = narrow(Type(), a * c - b * s);
    *second = narrow(Type(), b * c + a * s);
}

// Keys of `count` rows of each head: values times `weight` [dim], turned by `cosine` and `sine` [count, dim/2].
template <typename Type> static __device__ __forceinline__ void rebuild(
    typename Type::stored* keys, const typename Type::stored* values, const float* weight, const float* cosine,
    const float* sine, int heads, int capacity, int count, int dim) {
    int64 row;
    int pair;
    const int half = dim / 2;
    if (!place(heads, count, half, row, pair)) return;
    const int64 at = (row / count * capacity + row % count) * dim + pair, angle = row % count * half + pair;
    const float a = widen(Type(), values[at]) * weight[pair];
    const float b = widen(Type(), values[at + half]) * weight[pair + half];
    keys[at] = narrow(Type(), a * cosine[angle] - b * sine[angle]);
    keys[at + half] = narrow(Type(), b * cosine[angle] + a * sine[angle]);
}

#define TURN_KEYS(SUFFIX, TYPE)                                                                                       \
    extern "C" __global__ void __launch_bounds__(256) dgemma_turn_keys_rotate_##SUFFIX(                               \
        TYPE::stored* keys, const float* cosine, const float* sine, int heads, int capacity, int count, int dim,      \
        int pairs) {                                                                                                  \
        rotate<TYPE>(keys, cosine, sine, heads, capacity, count, dim, pairs);                                         \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256) dgemma_turn_keys_rebuild_##SUFFIX(                              \
        TYPE::stored* keys, const TYPE::stored* values, const float* weight, const float* cosine, const float* sine,  \
        int heads, int capacity, int count, int dim) {                                                                \
        rebuild<TYPE>(keys, values, weight, cosine, sine, heads, capacity, count, dim);                               \
    }

TURN_KEYS(f32, Float32)
TURN_KEYS(f16, Float16)
TURN_KEYS(bf16, BFloat16)
