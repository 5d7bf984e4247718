// Route and Combine: the two ends of the mixture of experts.
//
// Route sorts the pairs (row, chosen expert) by expert: one block, one warp a stretch of pairs. Each warp counts, a sum
// over warps says where each warp's pairs of an expert begin, and the warps go over their pairs once more. Nothing
// depends on the order of threads: an expert's pairs ascend. Combine adds up a row's chosen experts in their order.
#include "device.cuh"

#ifndef MAX_EXPERTS
#define MAX_EXPERTS 256
#endif
static constexpr int ROUTE_WARPS = 32;

template <typename Index>
static __device__ __forceinline__ void route(const Index* index, int count, int experts, int* offsets, int* pairs) {
    __shared__ int next[ROUTE_WARPS][MAX_EXPERTS];
    __shared__ int total[MAX_EXPERTS];
    const int lane = (int)threadIdx.x & 31, warp = (int)threadIdx.x >> 5;
    const int share = (count + 32 * ROUTE_WARPS - 1) / (32 * ROUTE_WARPS) * 32;
    const int start = warp * share, stop = start + share < count ? start + share : count;
    for (int e = lane; e < experts; e += 32) next[warp][e] = 0;
    __syncwarp();
    for (int base = start; base < stop; base += 32) {
        const bool here = base + lane < stop;
        const int64 chosen = here ? (int64)index[base + lane] : -1;
        const int expert = !here ? -1 : chosen < 0 ? 0 : chosen < experts ? (int)chosen : experts - 1;
        const unsigned same = __match_any_sync(FULL_WARP, expert);
        if (here && !(same & ((1u << lane) - 1))) next[warp][expert] += __popc(same);
        __syncwarp();
    }
    __syncthreads();
    for (int e = (int)threadIdx.x; e < experts; e += (int)blockDim.x) {
        int sum = 0;
        for (int w = 0; w < ROUTE_WARPS; ++w) {
            const int own = next[w][e];
            next[w][e] = sum;
            sum += own;
        }
        total[e] = sum;
    }
    __syncthreads();
    if (warp == 0) {
        int before = 0;
        for (int base = 0; base < experts; base += 32) {
            const int e = base + lane, own = e < experts ? total[e] : 0;
            int sum = own;
#pragma unroll
            for (int offset = 1; offset < 32; offset <<= 1) {
                const int other = __shfl_up_sync(FULL_WARP, sum, (unsigned)offset);
                if (lane >= offset) sum += other;
            }
            if (e < experts) total[e] = before + sum - own, offsets[e] = before + sum - own;
            before += __shfl_sync(FULL_WARP, sum, 31);
        }
        if (lane == 0) offsets[experts] = before;
    }
    __syncthreads();
    for (int base = start; base < stop; base += 32) {
        const bool here = base + lane < stop;
        const int64 chosen = here ? (int64)index[base + lane] : -1;
        const int expert = !here ? -1 : chosen < 0 ? 0 : chosen < experts ? (int)chosen : experts - 1;
        const unsigned same = __match_any_sync(FULL_WARP, expert), before = same & ((1u << lane) - 1);
        if (here) pairs[total[expert] + next[warp][expert] + __popc(before)] = base + lane;
        __syncwarp();
        if (here && !before) next[warp][expert] += __popc(same);
        __syncwarp();
    }
}

extern "C" __global__ void __launch_bounds__(1024) dgemma_route_i64(
    const int64* __restrict__ index, int count, int experts, int* __restrict__ offsets, int* __restrict__ pairs) {
    route(index, count, experts, offsets, pairs);
}
extern "C" __global__ void __launch_bounds__(1024) dgemma_route_i32(
    const int* __restrict__ index, int count, int experts, int* __restrict__ offsets, int* __restrict__ pairs) {
    route(index, count, experts, offsets, pairs);
}

static __device__ __forceinline__ float weight_of(const float* weights, int64 at) { return weights[at]; }
static __device__ __forceinline__ float weight_of(const bf16* weights, int64 at) { return from_bf16(weights[at]); }

// One block a row, 16 bytes a thread at a time.
template <typename Weight>
static __device__ __forceinline__ void combine(const bf16* out, const Weight* weights, int hidden, int top_k, bf16* y) {
    const int64 row = blockIdx.x;
    for (int column = 8 * (int)threadIdx.x; column < hidden; column += 8 * (int)blockDim.x) {
        float sum[8] = {0, 0, 0, 0, 0, 0, 0, 0};
        for (int slot = 0; slot < top_k; ++slot) {
            const int64 pair = row * top_k + slot;
            const float weight = weight_of(weights, pair);
            const uint4 v = *reinterpret_cast<const uint4*>(out + pair * hidden + column);
            const unsigned words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                sum[2 * i] = fmaf(weight, from_bf16(words[i] & 0xffff), sum[2 * i]);
                sum[2 * i + 1] = fmaf(weight, from_bf16(words[i] >> 16), sum[2 * i + 1]);
            }
        }
        uint4 packed;
        packed.x = pack(sum[0], sum[1]), packed.y = pack(sum[2], sum[3]);
        packed.z = pack(sum[4], sum[5]), packed.w = pack(sum[6], sum[7]);
        *reinterpret_cast<uint4*>(y + row * hidden + column) = packed;
    }
}

extern "C" __global__ void __launch_bounds__(512) dgemma_combine_f32(
    const bf16* __restrict__ out, const float* __restrict__ weights, int hidden, int top_k, bf16* __restrict__ y) {
    combine(out, weights, hidden, top_k, y);
}
extern "C" __global__ void __launch_bounds__(512) dgemma_combine_bf16(
    const bf16* __restrict__ out, const bf16* __restrict__ weights, int hidden, int top_k, bf16* __restrict__ y) {
    combine(out, weights, hidden, top_k, y);
}
