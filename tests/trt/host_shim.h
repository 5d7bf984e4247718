// A CUDA block of threads on a C++ compiler, for testing the kernels' own source where there is no GPU.
//
// Every thread of a block is a fiber; a fiber gives way only where the kernel meets others: at __syncthreads and where a
// warp works together (shuffles, votes, tensor cores, matrix loads). Blocks run one after the other, so `__shared__` is
// static storage, filled with NaN before each block. Arithmetic is the host's float32 (fused or not as the compiler likes).
//
// Asynchronous copies run as late as they may, when their group is waited for, so that a missing wait is seen; or at once
// (`eager`), so that a stage that is overwritten too early is. Bytes that they copy are counted.
#pragma once

#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#include <deque>
#include <vector>

#define HOST_SHIM 1
#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static __attribute__((section("shared_memory")))

struct uint4 { unsigned x, y, z, w; };
struct float4 { float x, y, z, w; };
struct float2 { float x, y; };
struct int2 { int x, y; };
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
struct dim { unsigned x, y, z; };
static dim blockIdx, blockDim, threadIdx, gridDim;

extern "C" char __start_shared_memory[], __stop_shared_memory[];

namespace shim {
const unsigned MAX_THREADS = 1024;
const size_t STACK = 64 << 10;
struct Copy {
    void* to;
    const void* from;
    int size, whole;
    void run() const {
        memset((char*)to + size, 0, (size_t)(whole - size));
        memcpy(to, from, (size_t)size);
    }
};
struct Fiber {
    ucontext_t context;
    jmp_buf at;
    bool begun, done;
    std::vector<Copy> issued;
    std::deque<std::vector<Copy>> groups;
};
struct Barrier {
    unsigned waiting, round;
};
static Fiber fibers[MAX_THREADS];
static ucontext_t outside;
static jmp_buf scheduler;
static unsigned current;
static Barrier block_barrier, warp_barriers[MAX_THREADS / 32];
static void* operands[MAX_THREADS];
static void (*body)(void*);
static void* arguments;
static std::vector<char> stacks;
static bool eager;
static unsigned long long copied;

inline void give_way() {
    const unsigned self = current;
    if (!_setjmp(fibers[self].at)) _longjmp(scheduler, 1);
    current = self, threadIdx.x = self;
}
// All members meet; the last to come does `work` for all.
template <typename Work> inline void meet(Barrier& barrier, unsigned members, const Work& work) {
    const unsigned round = barrier.round;
    if (++barrier.waiting == members) {
        work();
        barrier.waiting = 0, ++barrier.round;
        return;
    }
    while (barrier.round == round) give_way();
}
// A warp's lanes meet, each with an operand of its own; the last one works on all 32.
template <typename Operand, typename Work> inline void together(Operand& own, const Work& work) {
    const unsigned first = current / 32 * 32;
    operands[current] = &own;
    meet(warp_barriers[current / 32], 32, [&] {
        Operand* lanes[32];
        for (int i = 0; i < 32; ++i) lanes[i] = (Operand*)operands[first + (unsigned)i];
        work(lanes);
    });
}
inline void enter() {
    body(arguments);
    fibers[current].done = true;
    _longjmp(scheduler, 1);
}
template <typename T> struct Exchanged {
    T value, result;
    unsigned from;
};
template <typename T> inline T exchange(T value, unsigned lane) {
    Exchanged<T> own = {value, value, lane < 32 ? lane : current % 32};
    together(own, [](Exchanged<T>** lanes) {
        for (int i = 0; i < 32; ++i) lanes[i]->result = lanes[lanes[i]->from]->value;
    });
    return own.result;
}
inline void resume(unsigned t) {
    current = t, threadIdx.x = t;
    if (_setjmp(scheduler)) return;
    if (fibers[t].begun) _longjmp(fibers[t].at, 1);
    fibers[t].begun = true;
    setcontext(&fibers[t].context);
}
inline bool run_block(unsigned threads) {
    block_barrier = Barrier(), memset(warp_barriers, 0, sizeof warp_barriers);
    memset(__start_shared_memory, 0xff, (size_t)(__stop_shared_memory - __start_shared_memory));
    for (unsigned t = 0; t < threads; ++t) {
        Fiber& fiber = fibers[t];
        getcontext(&fiber.context);
        fiber.done = fiber.begun = false;
        fiber.issued.clear(), fiber.groups.clear();
        fiber.context.uc_stack.ss_sp = &stacks[t * STACK];
        fiber.context.uc_stack.ss_size = STACK;
        fiber.context.uc_link = &outside;
        makecontext(&fiber.context, (void (*)())enter, 0);
    }
    unsigned long turns = 0;
    for (unsigned alive = threads; alive; ++turns) {
        if (turns > 10000000) return false;
        alive = 0;
        for (unsigned t = 0; t < threads; ++t) {
            if (fibers[t].done) continue;
            resume(t);
            alive += !fibers[t].done;
        }
    }
    for (unsigned t = 0; t < threads; ++t)  // a copy that nobody waited for may arrive in another's memory
        if (!fibers[t].issued.empty() || !fibers[t].groups.empty()) return false;
    return true;
}
// Runs `call` for every thread of every block; threads must be a multiple of 32. False where fibers wait for ever, or leave
// copies behind.
inline bool launch(dim grid, unsigned threads, void (*call)(void*), void* with) {
    if (threads % 32 || threads > MAX_THREADS) return false;
    body = call, arguments = with, blockDim = {threads, 1, 1}, gridDim = grid;
    stacks.resize(threads * STACK);
    for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x)
                if (!run_block(threads)) return false;
    return true;
}
}  // namespace shim

inline void __syncthreads() { shim::meet(shim::block_barrier, blockDim.x, [] {}); }
inline void __syncwarp() { shim::meet(shim::warp_barriers[shim::current / 32], 32, [] {}); }
template <typename T> inline T __shfl_sync(unsigned, T value, int lane) { return shim::exchange(value, (unsigned)lane); }
template <typename T> inline T __shfl_xor_sync(unsigned, T value, int mask) {
    return shim::exchange(value, (shim::current % 32) ^ (unsigned)mask);
}
template <typename T> inline T __shfl_up_sync(unsigned, T value, unsigned by) {
    const unsigned lane = shim::current % 32;
    return shim::exchange(value, lane >= by ? lane - by : lane);
}
inline unsigned __match_any_sync(unsigned, int value) {
    struct Vote { int value; unsigned same; } own = {value, 0};
    shim::together(own, [](Vote** lanes) {
        for (int i = 0; i < 32; ++i)
            for (int j = 0; j < 32; ++j) lanes[i]->same |= (unsigned)(lanes[i]->value == lanes[j]->value) << j;
    });
    return own.same;
}
inline bool __any_sync(unsigned, bool value) {
    struct Vote { bool value, any; } own = {value, false};
    shim::together(own, [](Vote** lanes) {
        for (int i = 0; i < 32; ++i)
            for (int j = 0; j < 32; ++j) lanes[i]->any |= lanes[j]->value;
    });
    return own.any;
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
    const unsigned long long both = (unsigned long long)b << 32 | a;
    unsigned result = 0;
    for (int i = 0; i < 4; ++i) result |= (unsigned)(both >> 8 * (selector >> 4 * i & 7) & 0xff) << 8 * i;
    return result;
}
inline float __uint_as_float(unsigned bits) { float f; memcpy(&f, &bits, 4); return f; }
inline float __int_as_float(int bits) { float f; memcpy(&f, &bits, 4); return f; }
inline unsigned __float_as_uint(float f) { unsigned bits; memcpy(&bits, &f, 4); return bits; }
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

// What device.cuh has for the hardware.
inline float exp2_fast(float x) { return exp2f(x); }
inline float reciprocal(float x) { return 1.0f / x; }
inline unsigned long long shared_address(const void* at) { return (unsigned long long)at; }
inline void copy(void* to, const void* from, int size, int whole) {
    shim::copied += (unsigned long long)size;
    const shim::Copy made = {to, from, size, whole};
    if (shim::eager) made.run();
    shim::fibers[shim::current].issued.push_back(made);
}
inline void copy_16(void* to, const void* from, int size) { copy(to, from, size, 16); }
inline void copy_4(void* to, const void* from, int size) { copy(to, from, size, 4); }
inline void copies_issued() {
    shim::Fiber& fiber = shim::fibers[shim::current];
    fiber.groups.push_back(std::move(fiber.issued));
    fiber.issued.clear();
}
template <int PENDING> inline void copies_arrived() {
    std::deque<std::vector<shim::Copy>>& groups = shim::fibers[shim::current].groups;
    for (; groups.size() > PENDING; groups.pop_front())
        if (!shim::eager)
            for (const shim::Copy& made : groups.front()) made.run();
}
inline unsigned round_to_bf16(float x) {
    const unsigned bits = __float_as_uint(x);
    if (x != x) return 0x7fff;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
inline unsigned pack(float low, float high) { return round_to_bf16(low) | round_to_bf16(high) << 16; }
inline float half_of(unsigned pair, int i) { return __uint_as_float(i ? pair & 0xffff0000u : pair << 16); }
inline unsigned multiply_pairs(unsigned a, unsigned b) {
    return pack(half_of(a, 0) * half_of(b, 0), half_of(a, 1) * half_of(b, 1));
}
struct Fragments {
    float* d;
    const unsigned* a;
    unsigned b[2];
};
inline void mma(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    Fragments own = {d, a, {b0, b1}};
    shim::together(own, [](Fragments** lanes) {
        float left[16][16], right[16][8];
        for (int lane = 0; lane < 32; ++lane) {
            const int g = lane / 4, t = lane % 4;
            for (int i = 0; i < 8; ++i)
                left[g + 8 * (i / 2 % 2)][2 * t + i % 2 + 8 * (i / 4)] = half_of(lanes[lane]->a[i / 2], i % 2);
            for (int i = 0; i < 4; ++i) right[2 * t + i % 2 + 8 * (i / 2)][g] = half_of(lanes[lane]->b[i / 2], i % 2);
        }
        for (int lane = 0; lane < 32; ++lane)
            for (int i = 0; i < 4; ++i) {
                const int row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
                float sum = 0.0f;
                for (int k = 0; k < 16; ++k) sum += left[row][k] * right[k][column];
                lanes[lane]->d[i] += sum;
            }
    });
}
struct Matrices {
    unsigned* r;
    const unsigned short* row;
};
inline void load_matrices(unsigned (&r)[4], unsigned long long row) {
    Matrices own = {r, (const unsigned short*)row};
    shim::together(own, [](Matrices** lanes) {
        for (int lane = 0; lane < 32; ++lane)
            for (int i = 0; i < 4; ++i) memcpy(&lanes[lane]->r[i], lanes[8 * i + lane / 4]->row + 2 * (lane % 4), 4);
    });
}
inline void load_transposed(unsigned (&r)[4], unsigned long long row) {
    Matrices own = {r, (const unsigned short*)row};
    shim::together(own, [](Matrices** lanes) {
        for (int lane = 0; lane < 32; ++lane)
            for (int i = 0; i < 4; ++i) {
                const int first = 8 * i + 2 * (lane % 4), column = lane / 4;
                lanes[lane]->r[i] = lanes[first]->row[column] | (unsigned)lanes[first + 1]->row[column] << 16;
            }
    });
}
