// CanvasUpdate: accepts the surest positions within the entropy bound and draws the others anew.
//
// One block, one thread a position. Sorting counts, for each position, those that come before it, which for a canvas
// is quicker than a sorting network and is stable by itself. The running sum is made by one thread in float64, in the
// reference's order: 256 dependent additions take a few microseconds, and no other order rounds the same.
//
// Semantics: dgemma_ros/graphs/diffusion.py and diffusion_numpy.py. Compiled as row_stats.cu is.

#ifndef MAX_CANVAS
#define MAX_CANVAS 1024
#endif

#include "device.cuh"

// Whether a comes before b; NaN comes last, as numpy sorts it.
static __device__ __forceinline__ bool precedes(float a, int i, float b, int j) {
    const bool a_nan = a != a, b_nan = b != b;
    if (a_nan || b_nan) return a_nan == b_nan ? i < j : b_nan;
    return a < b || (a == b && i < j);
}

extern "C" __global__ void __launch_bounds__(MAX_CANVAS) dgemma_canvas_update(
    const int64* __restrict__ argmax, const int64* __restrict__ drawn,
    const float* __restrict__ entropy, const int64* __restrict__ random_tokens,
    const float* __restrict__ entropy_bound, const uint8* __restrict__ pin, const int64* __restrict__ pin_ids,
    int count, int64* __restrict__ next_canvas, int64* __restrict__ argmax_out, int64* __restrict__ drawn_out,
    float* __restrict__ entropy_out, uint8* __restrict__ accepted, float* __restrict__ mean_entropy) {
    __shared__ float unsorted[MAX_CANVAS], ascending[MAX_CANVAS], before[MAX_CANVAS];
    __shared__ double sum;
    const int i = (int)threadIdx.x;
    const bool here = i < count;
    const bool pinned = here && pin[i];
    const float own = !here || pinned ? 0.0f : entropy[i];
    if (here) unsorted[i] = own;
    __syncthreads();

    int rank = 0;
    if (here) {
        for (int j = 0; j < count; ++j) rank += precedes(unsorted[j], j, own, i);
        ascending[rank] = own;
    }
    __syncthreads();
    if (i == 0) {
        double running = 0.0;
        for (int j = 0; j < count; ++j) {
            running += (double)ascending[j];
            before[j] = (float)running - ascending[j];
        }
        sum = running;
    }
    __syncthreads();

    if (here) {
        const int64 token = pinned ? pin_ids[i] : drawn[i];
        const bool accept = pinned || before[rank] <= entropy_bound[0];
        next_canvas[i] = accept ? token : random_tokens[i];
        argmax_out[i] = pinned ? pin_ids[i] : argmax[i];
        drawn_out[i] = token;
        entropy_out[i] = own;
        accepted[i] = accept;
    }
    if (i == 0) mean_entropy[0] = (float)(sum / count);
}
