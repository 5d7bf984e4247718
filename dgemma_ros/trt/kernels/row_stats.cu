// RowStats: everything that is needed of each row of logits, in one pass over them.
//
// One block of threads a row. A row is cut into `blocks` blocks of `size` tokens, the two levels of the CDF. One warp
// takes one block of tokens at a time and leaves its largest logit, the sum of its weights and the sum of weight times
// logit in shared memory, each relative to the block's own largest: so nothing has to be known of the row beforehand,
// and nothing overflows. Warp 0 then joins the blocks, inverts the CDF over them in float64, and reads the one block of
// tokens again in which the draw fell.
//
// Semantics: dgemma_ros/graphs/diffusion.py, in words that can be read in diffusion_numpy.py. The same source is
// compiled by nvcc, by NVRTC (no header is needed) and, behind tests/trt/host_shim.h, by a C++ compiler.

#ifndef MAX_BLOCKS
#define MAX_BLOCKS 1024
#endif
#define FULL_WARP 0xffffffffu

typedef unsigned char uint8;
typedef long long int64;

// A logit that no temperature makes drawable, and that entropy can still be computed with (diffusion.MASKED).
static constexpr float MASKED = -1e30f;
// Below every scaled logit: where a lane has seen no token. Finite, so that differences of it are no NaN.
static constexpr float NOTHING = -3e38f;

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

// One row of logits as the model means them: softcapped, over temperature, tokens outside the row's set masked.
template <typename Type> struct Row {
    const typename Type::stored* logits;
    const uint8* allowed;
    float gain;

    __device__ __forceinline__ float scaled(float over_cap, unsigned is_allowed) const {
        return tanhf(over_cap) * gain + (is_allowed ? 0.0f : MASKED);
    }
    __device__ __forceinline__ float at(int token) const { return scaled(one(Type(), logits + token), allowed[token]); }
};

// What one lane, one warp or one row has seen: the largest logit and its first token, and relative to that logit the
// weights' sum and the sum of weight times logit.
struct Seen {
    float largest, total, weighted;
    unsigned token;
};

// Takes in COUNT logits of consecutive tokens, which all are inside the row.
template <int COUNT> static __device__ __forceinline__ void take(Seen& seen, const float (&x)[COUNT], unsigned token) {
    float top = x[0];
    unsigned best = token;
#pragma unroll
    for (int i = 1; i < COUNT; ++i) {
        if (x[i] > top) top = x[i], best = token + i;
    }
    if (top > seen.largest || seen.total == 0.0f) {
        // Of two equal logits the first is kept: a lane meets its tokens in ascending order.
        const float moved = seen.largest - top, factor = expf(moved);
        seen.weighted = factor * (seen.weighted + moved * seen.total);
        seen.total *= factor;
        seen.largest = top, seen.token = best;
    }
#pragma unroll
    for (int i = 0; i < COUNT; ++i) {
        const float centred = x[i] - seen.largest, weight = expf(centred);
        seen.total += weight;
        seen.weighted += weight * centred;
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

// Joins what the lanes of a warp have seen; all lanes get the result.
static __device__ __forceinline__ Seen join(const Seen& own) {
    Seen all;
    all.largest = warp_max(own.largest);
    all.token = warp_min(own.largest == all.largest ? own.token : 0xffffffffu);
    const float moved = own.largest - all.largest, factor = expf(moved);
    all.total = warp_sum(own.total * factor);
    all.weighted = warp_sum(factor * (own.weighted + moved * own.total));
    return all;
}

// One warp over the tokens [start, stop) of a row.
template <typename Type>
static __device__ __forceinline__ Seen scan(const Row<Type>& row, int start, int stop, unsigned lane, bool vectors) {
    const int N = Type::PER_VECTOR;
    Seen seen = {NOTHING, 0.0f, 0.0f, (unsigned)start};
    if (vectors) {
#pragma unroll 2
        for (int token = start + (int)lane * N; token < stop; token += 32 * N) {
            const uint4 packed = *reinterpret_cast<const uint4*>(row.logits + token);
            unsigned flags[2];
            flags[0] = *reinterpret_cast<const unsigned*>(row.allowed + token);
            flags[1] = N == 8 ? *reinterpret_cast<const unsigned*>(row.allowed + token + N - 4) : 0;
            float x[N];
            unpack(Type(), packed, x);
#pragma unroll
            for (int i = 0; i < N; ++i) x[i] = row.scaled(x[i], flags[i / 4] >> (8 * (i % 4)) & 0xff);
            take<N>(seen, x, (unsigned)token);
        }
    } else {
        for (int token = start + (int)lane; token < stop; token += 32) {
            const float x[1] = {row.at(token)};
            take<1>(seen, x, (unsigned)token);
        }
    }
    return join(seen);
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

struct BlockWeights {
    const float* largest;
    const float* total;
    float top;
    __device__ __forceinline__ float operator()(int i) const { return total[i] * expf(largest[i] - top); }
};
template <typename Type> struct TokenWeights {
    Row<Type> row;
    int start;
    float top;
    __device__ __forceinline__ float operator()(int i) const { return expf(row.at(start + i) - top); }
};

template <typename Type>
static __device__ __forceinline__ void row_stats(
    const typename Type::stored* over_cap, const float* temperature, const float* uniform, const uint8* allowed,
    const int64* allowed_row, int vocab, int blocks, int size, int allowed_rows, int softcap_bits, int64* argmax,
    int64* drawn, float* entropy, float* largest, float* total) {
    __shared__ float block_largest[MAX_BLOCKS], block_total[MAX_BLOCKS], block_weighted[MAX_BLOCKS];
    __shared__ unsigned block_token[MAX_BLOCKS];
    const unsigned lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    const int64 r = blockIdx.x;
    Row<Type> row;
    row.logits = over_cap + r * vocab;
    row.allowed = allowed + allowed_row[allowed_rows == 1 ? 0 : r] * vocab;
    row.gain = __int_as_float(softcap_bits) / temperature[0];
    // 16 bytes at once where every row, every set and every block of tokens begins at a vector's boundary.
    const int N = Type::PER_VECTOR;
    const bool vectors = vocab % N == 0 && size % N == 0 && (unsigned long long)over_cap % 16 == 0 &&
                         (unsigned long long)allowed % 4 == 0;

    for (int b = (int)warp; b < blocks; b += (int)warps) {
        const int start = b * size, stop = start + size < vocab ? start + size : vocab;
        const Seen seen = scan(row, start, stop, lane, vectors);
        if (lane == 0) {
            block_largest[b] = seen.largest, block_total[b] = seen.total;
            block_weighted[b] = seen.weighted, block_token[b] = seen.token;
        }
    }
    __syncthreads();
    if (warp) return;

    float top = NOTHING;
    for (int b = (int)lane; b < blocks; b += 32) top = fmaxf(top, block_largest[b]);
    top = warp_max(top);
    unsigned first = 0xffffffffu;
    double sum = 0.0, weighted = 0.0;
    for (int b = (int)lane; b < blocks; b += 32) {
        if (block_largest[b] == top && block_token[b] < first) first = block_token[b];
        const float moved = block_largest[b] - top, factor = expf(moved);
        sum += (double)(block_total[b] * factor);
        weighted += (double)(factor * (block_weighted[b] + moved * block_total[b]));
    }
    first = warp_min(first), sum = warp_sum(sum), weighted = warp_sum(weighted);

    const double target = (double)uniform[r] * sum;
    double before, inside;
    const BlockWeights level_one = {block_largest, block_total, top};
    const int block = invert(level_one, blocks, target, lane, before);
    const int start = block * size, count = start + size < vocab ? size : vocab - start;
    const double local = target > before ? target - before : 0.0;
    const TokenWeights<Type> level_two = {row, start, top};
    const int offset = invert(level_two, count, local, lane, inside);
    if (lane == 0) {
        argmax[r] = first < (unsigned)vocab ? (int64)first : 0;
        drawn[r] = start + offset;
        entropy[r] = (float)(log(sum) - weighted / sum);
        largest[r] = top;
        total[r] = (float)sum;
    }
}

#define ROW_STATS(name, Type)                                                                                         \
    extern "C" __global__ void __launch_bounds__(512) name(                                                           \
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
