// RowStats: everything that is needed of each row of logits, in one pass over them.
//
// One block of threads a row. A row is cut into `blocks` blocks of `size` tokens, the two levels of the CDF, and a warp takes
// one block at a time. Weights are relative to a reference that the warp's lanes share: a logit that was the largest of some
// tokens, raised when one is more than 2^LAG times as likely, so that nothing overflows, nothing has to be known of the row
// beforehand, and raising it is rare. Warp 0 then joins the blocks, inverts the CDF over them in float64, and reads the one
// block of tokens again in which the draw fell.
//
// A logit costs at most 20 instructions, three of them special functions. All of it is in base 2: a row's gain has log2 e in
// it, and tanh x = 1 - 2 / (1 + 2^(2 log2 e · x)).
//
// Semantics: dgemma_ros/graphs/diffusion.py, in words that can be read in diffusion_numpy.py. The same source is
// compiled by nvcc, by NVRTC and, behind tests/trt/host_shim.h, by a C++ compiler.
#include "device.cuh"

#ifndef MAX_BLOCKS
#define MAX_BLOCKS 1024
#endif

// A logit that no temperature makes drawable, and that entropy can still be computed with (diffusion.MASKED); in base 2.
static constexpr float MASKED = -1e30f * LOG2_E;
// Below every scaled logit: where a lane has seen no token. Finite, so that differences of it are no NaN.
static constexpr float NOTHING = -3e38f;
static constexpr float LAG = 8.0f;
static constexpr int THREADS = 512;

struct Float32 { typedef float stored; static const int PER_VECTOR = 4; };
struct Float16 { typedef unsigned short stored; static const int PER_VECTOR = 8; };
struct BFloat16 { typedef unsigned short stored; static const int PER_VECTOR = 8; };

static __device__ __forceinline__ float widen(Float32, unsigned bits) { return __uint_as_float(bits); }
static __device__ __forceinline__ float widen(BFloat16, unsigned bits) { return __uint_as_float(bits << 16); }
#ifdef HOST_SHIM
static __device__ __forceinline__ float widen(Float16, unsigned bits) { return half_to_float((unsigned short)bits); }
#else
static __device__ __forceinline__ float widen(Float16, unsigned bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"((unsigned short)bits));
    return value;
}
#endif

// The 16 bytes of a vector as its logits.
static __device__ __forceinline__ void unpack(Float32 type, uint4 v, float* x) {
    x[0] = widen(type, v.x), x[1] = widen(type, v.y), x[2] = widen(type, v.z), x[3] = widen(type, v.w);
}
template <typename Half> static __device__ __forceinline__ void unpack(Half type, uint4 v, float* x) {
    x[0] = widen(type, v.x & 0xffff), x[1] = widen(type, v.x >> 16);
    x[2] = widen(type, v.y & 0xffff), x[3] = widen(type, v.y >> 16);
    x[4] = widen(type, v.z & 0xffff), x[5] = widen(type, v.z >> 16);
    x[6] = widen(type, v.w & 0xffff), x[7] = widen(type, v.w >> 16);
}

static __device__ __forceinline__ float one(Float32, const float* at) { return *at; }
template <typename Half> static __device__ __forceinline__ float one(Half type, const unsigned short* at) {
    return widen(type, *at);
}

// One row of logits as the model means them, in base 2: softcapped, over temperature, tokens outside the row's set masked.
template <typename Type> struct Row {
    const typename Type::stored* logits;
    const uint8* allowed;
    float gain;

    __device__ __forceinline__ float scaled(float over_cap, unsigned is_allowed) const {
        const float part = reciprocal(1.0f + exp2_fast(2.0f * LOG2_E * over_cap));
        const float value = fmaf(-2.0f * gain, part, gain);
        return is_allowed ? value : MASKED;
    }
    __device__ __forceinline__ float at(int token) const { return scaled(one(Type(), logits + token), allowed[token]); }
};

// What a lane has seen of the row: its largest logit and where the vector of tokens with the first such begins. Relative to
// `reference`, which all lanes of a warp share: the sums of weights of this block and of those before, and the sum of weight
// times logit of all.
struct Seen {
    float largest, reference, total, before, weighted;
    unsigned token;
};

// Takes in COUNT logits of consecutive tokens; a lane without tokens takes none (`here`). All lanes of a warp call it.
template <int COUNT>
static __device__ __forceinline__ void take(Seen& seen, const float (&x)[COUNT], unsigned token, bool here) {
    float top = x[0];
#pragma unroll
    for (int i = 1; i < COUNT; ++i) top = fmaxf(top, x[i]);
    if (!here) top = NOTHING;
    if (top > seen.largest) seen.largest = top, seen.token = token;  // of two equal ones the first is kept
    if (__any_sync(FULL_WARP, top > seen.reference + LAG)) {
        float reference = seen.reference > top ? seen.reference : top;
#pragma unroll
        for (int offset = 16; offset; offset >>= 1)
            reference = fmaxf(reference, __shfl_xor_sync(FULL_WARP, reference, offset));
        const float moved = seen.reference - reference, factor = exp2_fast(moved);
        seen.weighted = factor * (seen.weighted + moved * (seen.before + seen.total));
        seen.total *= factor, seen.before *= factor;
        seen.reference = reference;
    }
    if (here) {
#pragma unroll
        for (int i = 0; i < COUNT; ++i) {
            const float centred = x[i] - seen.reference, weight = exp2_fast(centred);
            seen.total += weight;
            seen.weighted = fmaf(weight, centred, seen.weighted);
        }
    }
}

static __device__ __forceinline__ float warp_max(float value) {
#pragma unroll
    for (int offset = 16; offset; offset >>= 1) value = fmaxf(value, __shfl_xor_sync(FULL_WARP, value, offset));
    return value;
}
template <typename Number> static __device__ __forceinline__ Number warp_sum(Number value) {
#pragma unroll
    for (int offset = 16; offset; offset >>= 1) value += __shfl_xor_sync(FULL_WARP, value, offset);
    return value;
}
static __device__ __forceinline__ unsigned warp_min(unsigned value) {
#pragma unroll
    for (int offset = 16; offset; offset >>= 1) {
        const unsigned other = __shfl_xor_sync(FULL_WARP, value, offset);
        value = other < value ? other : value;
    }
    return value;
}
// The sum of the lanes before this one.
static __device__ __forceinline__ double sum_before(double value, unsigned lane) {
    double sum = value;
#pragma unroll
    for (int offset = 1; offset < 32; offset <<= 1) {
        const double other = __shfl_up_sync(FULL_WARP, sum, offset);
        if (lane >= (unsigned)offset) sum += other;
    }
    const double before = __shfl_up_sync(FULL_WARP, sum, 1);
    return lane ? before : 0.0;
}

// One warp over ascending weights: the first index whose running sum passes `target` and that weighs something. No
// rounding may draw what weighs nothing: behind the last sum, the last index of any weight counts; NaN gives 0.
// `before` is what runs before the found index.
template <typename Weigh>
static __device__ __forceinline__ int invert(const Weigh& weigh, int count, double target, unsigned lane, double& before) {
    const int chunk = (count + 31) / 32;
    const int start = (int)lane * chunk, stop = start + chunk < count ? start + chunk : count;
    double own = 0.0;
    for (int i = start; i < stop; ++i) own += (double)weigh(i);
    double running = sum_before(own, lane), found_before = 0.0, last_before = 0.0;
    unsigned found = 0xffffffffu, last = 0;
    for (int i = start; i < stop; ++i) {
        const double weight = (double)weigh(i), next = running + weight;
        if (weight > 0.0) {
            if (found == 0xffffffffu && next > target) found = (unsigned)i, found_before = running;
            last = (unsigned)i + 1, last_before = running;
        }
        running = next;
    }
    const unsigned first = warp_min(found);
    if (first != 0xffffffffu) {
        before = __shfl_sync(FULL_WARP, found_before, (int)first / chunk);
        return (int)first;
    }
    const unsigned behind = ~warp_min(~last);  // the largest
    if (!behind) {
        before = 0.0;
        return 0;
    }
    before = __shfl_sync(FULL_WARP, last_before, (int)(behind - 1) / chunk);
    return (int)behind - 1;
}

// One warp over the tokens [start, stop) of a row.
template <typename Type>
static __device__ __forceinline__ void scan(
    const Row<Type>& row, int start, int stop, unsigned lane, bool vectors, Seen& seen) {
    const int N = Type::PER_VECTOR;
    seen.before += seen.total;
    seen.total = 0.0f;
    if (vectors) {
#pragma unroll 2
        for (int base = start; base < stop; base += 32 * N) {
            const int token = base + (int)lane * N;
            const bool here = token < stop;
            const int at = here ? token : start;
            const uint4 packed = *reinterpret_cast<const uint4*>(row.logits + at);
            unsigned flags[2];
            flags[0] = *reinterpret_cast<const unsigned*>(row.allowed + at);
            flags[1] = N == 8 ? *reinterpret_cast<const unsigned*>(row.allowed + at + N - 4) : 0;
            float x[N];
            unpack(Type(), packed, x);
#pragma unroll
            for (int i = 0; i < N; ++i) x[i] = row.scaled(x[i], flags[i / 4] & 0xffu << 8 * (i % 4));
            take<N>(seen, x, (unsigned)token, here);
        }
    } else {
        for (int base = start; base < stop; base += 32) {
            const int token = base + (int)lane;
            const bool here = token < stop;
            const float x[1] = {row.at(here ? token : start)};
            take<1>(seen, x, (unsigned)token, here);
        }
    }
}

struct BlockWeights {
    const float* reference;
    const float* total;
    float top;
    __device__ __forceinline__ float operator()(int i) const { return total[i] * exp2_fast(reference[i] - top); }
};
template <typename Type> struct TokenWeights {
    Row<Type> row;
    int start;
    float top;
    __device__ __forceinline__ float operator()(int i) const { return exp2_fast(row.at(start + i) - top); }
};

template <typename Type>
static __device__ __forceinline__ void row_stats(
    const typename Type::stored* over_cap, const float* temperature, const float* uniform, const uint8* allowed,
    const int64* allowed_row, int vocab, int blocks, int size, int allowed_rows, int softcap_bits, int64* argmax,
    int64* drawn, float* entropy, float* largest, float* total) {
    __shared__ float block_reference[MAX_BLOCKS], block_total[MAX_BLOCKS];
    __shared__ float warp_reference[THREADS / 32], warp_total[THREADS / 32], warp_weighted[THREADS / 32];
    __shared__ float warp_largest[THREADS / 32];
    __shared__ unsigned warp_token[THREADS / 32];
    const unsigned lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    const int64 r = blockIdx.x;
    Row<Type> row;
    row.logits = over_cap + r * vocab;
    row.allowed = allowed + allowed_row[allowed_rows == 1 ? 0 : r] * vocab;
    row.gain = __int_as_float(softcap_bits) / temperature[0] * LOG2_E;
    // 16 bytes at once where every row, every set and every block of tokens begins at a vector's boundary.
    const int N = Type::PER_VECTOR;
    const bool vectors = vocab % N == 0 && size % N == 0 && (unsigned long long)over_cap % 16 == 0 &&
                         (unsigned long long)allowed % 4 == 0;

    Seen seen = {NOTHING, NOTHING, 0.0f, 0.0f, 0.0f, 0xffffffffu};
    for (int b = (int)warp; b < blocks; b += (int)warps) {
        const int start = b * size, stop = start + size < vocab ? start + size : vocab;
        scan(row, start, stop, lane, vectors, seen);
        const float sum = warp_sum(seen.total);
        if (lane == 0) block_reference[b] = seen.reference, block_total[b] = sum;
    }
    const float most = warp_max(seen.largest);
    const unsigned at = warp_min(seen.largest == most ? seen.token : 0xffffffffu);
    const float all = warp_sum(seen.before + seen.total), weights = warp_sum(seen.weighted);
    if (lane == 0) {
        warp_largest[warp] = most, warp_token[warp] = at, warp_reference[warp] = seen.reference;
        warp_total[warp] = all, warp_weighted[warp] = weights;
    }
    __syncthreads();
    if (warp) return;

    const bool some = lane < warps;
    const float top = warp_max(some ? warp_largest[lane] : NOTHING);
    const unsigned vector = warp_min(some && warp_largest[lane] == top ? warp_token[lane] : 0xffffffffu);
    double weighted = 0.0, sum = 0.0;
    if (some) {
        const float moved = warp_reference[lane] - top, factor = exp2_fast(moved);
        weighted = (double)(factor * (warp_weighted[lane] + moved * warp_total[lane]));
    }
    for (int b = (int)lane; b < blocks; b += 32)
        sum += (double)(block_total[b] * exp2_fast(block_reference[b] - top));
    weighted = warp_sum(weighted), sum = warp_sum(sum);
    // Of the vector's tokens the first that is the largest.
    const unsigned width = vectors ? N : 1;
    const unsigned own = vector + lane;
    const bool is = lane < width && own < (unsigned)vocab && row.at((int)own) == top;
    const unsigned first = warp_min(is ? own : vector);
    const unsigned found = warp_min(is ? own : 0xffffffffu);

    const double target = (double)uniform[r] * sum;
    double before, inside;
    const BlockWeights level_one = {block_reference, block_total, top};
    const int block = invert(level_one, blocks, target, lane, before);
    const int start = block * size, count = start + size < vocab ? size : vocab - start;
    const double local = target > before ? target - before : 0.0;
    const TokenWeights<Type> level_two = {row, start, top};
    const int offset = invert(level_two, count, local, lane, inside);
    if (lane == 0) {
        const unsigned best = found != 0xffffffffu ? found : first;
        argmax[r] = best < (unsigned)vocab ? (int64)best : 0;
        drawn[r] = start + offset;
        entropy[r] = (float)(log(sum) - weighted / sum * (double)LN_2);
        largest[r] = top * LN_2;
        total[r] = (float)sum;
    }
}

#define ROW_STATS(name, Type)                                                                                         \
    extern "C" __global__ void __launch_bounds__(THREADS, 2) name(                                                       \
        const Type::stored* __restrict__ over_cap, const float* __restrict__ temperature,                             \
        const float* __restrict__ uniform, const uint8* __restrict__ allowed,                                         \
        const int64* __restrict__ allowed_row, int vocab, int blocks, int size, int allowed_rows, int softcap_bits,   \
        int64* __restrict__ argmax, int64* __restrict__ drawn, float* __restrict__ entropy,                           \
        float* __restrict__ largest, float* __restrict__ total) {                                                     \
        row_stats<Type>(over_cap, temperature, uniform, allowed, allowed_row, vocab, blocks, size, allowed_rows,      \
                        softcap_bits, argmax, drawn, entropy, largest, total);                                        \
    }

ROW_STATS(dgemma_row_stats_f32, Float32)
ROW_STATS(dgemma_row_stats_f16, Float16)
ROW_STATS(dgemma_row_stats_bf16, BFloat16)
