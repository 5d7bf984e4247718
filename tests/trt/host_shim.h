// A CUDA block of threads on a C++ compiler, for testing the kernels' own source where there is no GPU.
//
// Every thread of a block is a fiber; a fiber gives way only where the kernel meets others: at __syncthreads and at a
// warp's shuffles. Blocks run one after the other, so `__shared__` is static storage. Lanes exchange values through an
// array: all write, all meet, all read, all meet. Arithmetic is the host's float32 (fused or not as the compiler likes).
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#include <vector>

#define HOST_SHIM 1
#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(n)
#define __restrict__
#define __shared__ static

struct uint4 { unsigned x, y, z, w; };
struct dim { unsigned x; };
static dim blockIdx, blockDim, threadIdx;

namespace shim {
const unsigned MAX_THREADS = 1024;
const size_t STACK = 64 << 10;
struct Fiber {
    ucontext_t context;
    bool done;
};
struct Barrier {
    unsigned waiting, round;
};
static Fiber fibers[MAX_THREADS];
static ucontext_t scheduler;
static unsigned current;
static Barrier block_barrier, warp_barriers[MAX_THREADS / 32];
static uint64_t exchanged[MAX_THREADS];
static void (*body)(void*);
static void* arguments;
static std::vector<char> stacks;

inline void give_way() {
    const unsigned self = current;
    swapcontext(&fibers[self].context, &scheduler);
    current = self, threadIdx.x = self;
}
inline void meet(Barrier& barrier, unsigned members) {
    const unsigned round = barrier.round;
    if (++barrier.waiting == members) {
        barrier.waiting = 0, ++barrier.round;
        return;
    }
    while (barrier.round == round) give_way();
}
inline void meet_warp() { meet(warp_barriers[current / 32], 32); }
inline void enter() {
    body(arguments);
    fibers[current].done = true;
    swapcontext(&fibers[current].context, &scheduler);
}
template <typename T> inline T exchange(T value, unsigned lane) {
    static_assert(sizeof(T) <= 8, "");
    const unsigned self = current, first = self / 32 * 32;
    exchanged[self] = 0;
    memcpy(&exchanged[self], &value, sizeof(T));
    meet_warp();
    T other;
    memcpy(&other, &exchanged[first + (lane < 32 ? lane : self % 32)], sizeof(T));
    meet_warp();
    return other;
}
// Runs `call` for every thread of every block; threads must be a multiple of 32. False where fibers wait for ever.
inline bool launch(unsigned blocks, unsigned threads, void (*call)(void*), void* with) {
    if (threads % 32 || threads > MAX_THREADS) return false;
    body = call, arguments = with, blockDim.x = threads;
    stacks.resize(threads * STACK);
    for (unsigned b = 0; b < blocks; ++b) {
        blockIdx.x = b;
        block_barrier = Barrier(), memset(warp_barriers, 0, sizeof warp_barriers);
        for (unsigned t = 0; t < threads; ++t) {
            getcontext(&fibers[t].context);
            fibers[t].done = false;
            fibers[t].context.uc_stack.ss_sp = &stacks[t * STACK];
            fibers[t].context.uc_stack.ss_size = STACK;
            fibers[t].context.uc_link = &scheduler;
            makecontext(&fibers[t].context, (void (*)())enter, 0);
        }
        unsigned long turns = 0;
        for (unsigned alive = threads; alive; ++turns) {
            if (turns > 1000000) return false;
            alive = 0;
            for (unsigned t = 0; t < threads; ++t) {
                if (fibers[t].done) continue;
                current = t, threadIdx.x = t;
                swapcontext(&scheduler, &fibers[t].context);
                alive += !fibers[t].done;
            }
        }
    }
    return true;
}
}  // namespace shim

inline void __syncthreads() { shim::meet(shim::block_barrier, blockDim.x); }
inline int __syncthreads_count(int predicate) {
    static unsigned count;
    if (shim::current == 0) count = 0;
    __syncthreads();
    count += predicate != 0;
    __syncthreads();
    const int result = (int)count;
    __syncthreads();
    return result;
}
template <typename T> inline T __shfl_sync(unsigned, T value, int lane) { return shim::exchange(value, (unsigned)lane); }
template <typename T> inline T __shfl_xor_sync(unsigned, T value, int mask) {
    return shim::exchange(value, (shim::current % 32) ^ (unsigned)mask);
}
template <typename T> inline T __shfl_up_sync(unsigned, T value, unsigned by) {
    const unsigned lane = shim::current % 32;
    return shim::exchange(value, lane >= by ? lane - by : lane);
}
inline float __uint_as_float(unsigned bits) { float f; memcpy(&f, &bits, 4); return f; }
inline unsigned __float_as_uint(float f) { unsigned bits; memcpy(&bits, &f, 4); return bits; }
inline float __int_as_float(int bits) { float f; memcpy(&f, &bits, 4); return f; }
inline float half_to_float(unsigned short bits) {
    const unsigned sign = (bits & 0x8000u) << 16, exponent = bits >> 10 & 31, mantissa = bits & 1023;
    if (exponent == 31) return __uint_as_float(sign | 0x7f800000u | mantissa << 13);
    if (exponent == 0) return (sign ? -1.0f : 1.0f) * ldexpf((float)mantissa, -24);
    return __uint_as_float(sign | (exponent + 112) << 23 | mantissa << 13);
}
// To the nearest, of two equally near to the even one.
inline unsigned short float_to_half(float value) {
    const unsigned bits = __float_as_uint(value), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (unsigned short)(sign | 0x7e00u);
    const float size = __uint_as_float(magnitude);
    if (size >= 65520.0f) return (unsigned short)(sign | 0x7c00u);
    if (size < 6.103515625e-05f) return (unsigned short)(sign | (unsigned)nearbyintf(size * 16777216.0f));
    return (unsigned short)(sign | (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13);
}
