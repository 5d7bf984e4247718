// Up and Down: an expert's weights times the rows that chose it, the rows listed by Route.
//
// Weights are the M side of the tensor cores' product, 64 rows a block of four warps; the expert's rows are the N side,
// 16, 32 or 64 at a time, as few as there are. So a weight is read once for up to 64 rows, and an expert that nobody chose
// is not read at all. Weights and rows travel through shared memory, several stages ahead of the products.
//
// Columns are summed in another order than they are stored in: a lane takes eight neighbours with one 16-byte read, which
// are two steps' worth, and the same eight on both sides.
//
// NVFP4: two numbers of E2M1 a byte and a scale of E4M3 for 16 of them. Their product has at most six significant bits,
// so bfloat16 holds it exactly; a matrix's global scale is applied to the float32 sums.
#include "device.cuh"

static constexpr int TILE_M = 64, THREADS = 128, POOL = 44032;

// bfloat16 weights: a stage is 64 columns.
struct Bf16Weights {
    static constexpr int COLUMNS = 64, CHUNKS = 8, STAGE = TILE_M * 128;
    template <int N8> static constexpr int STAGES = N8 <= 2 ? 4 : N8 <= 4 ? 3 : 2;
    const bf16* weights;
    int pitch;  // columns of a row

    static __device__ __forceinline__ int place(int row, int chunk) { return chunk ^ ((row & 1) << 2); }

    template <typename Rows>
    __device__ __forceinline__ void load(char* stage, const Rows& rows, int column, int columns) const {
        const int chunk = (int)threadIdx.x % 8, m = (int)threadIdx.x / 8, row = rows.start(m), end = rows.end(m);
        const bf16* from = weights + row * pitch + column + 8 * chunk;
        char* to = stage + m * 128 + place(m, chunk) * 16;
        const bool inside = column + 8 * chunk < columns;
#pragma unroll
        for (int j = 0; j < 4; ++j)
            copy_16(to + j * 16 * 128, from + j * Rows::STEP * pitch, inside && row + j * Rows::STEP < end ? 16 : 0);
    }

    template <int N8>
    static __device__ __forceinline__ void multiply(const char* stage, const char* rows, float (&sum)[N8][4]) {
        const int lane = (int)threadIdx.x & 31, g = lane >> 2, t = lane & 3, m = ((int)threadIdx.x >> 5) * 16 + g;
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            const int at = place(g, 4 * i + t) * 16;
            const uint4 low = *reinterpret_cast<const uint4*>(stage + m * 128 + at);
            const uint4 high = *reinterpret_cast<const uint4*>(stage + m * 128 + 8 * 128 + at);
            const unsigned even[4] = {low.x, high.x, low.y, high.y}, odd[4] = {low.z, high.z, low.w, high.w};
#pragma unroll
            for (int j = 0; j < N8; ++j) {
                const uint4 b = *reinterpret_cast<const uint4*>(rows + g * 128 + at + j * 8 * 128);
                mma(sum[j], even, b.x, b.y);
                mma(sum[j], odd, b.z, b.w);
            }
        }
    }
    __device__ __forceinline__ float global(int) const { return 1.0f; }
};

// Eight numbers of E2M1 and their scale as bfloat16 pairs, in the order of their columns.
static __device__ __forceinline__ void dequantise(unsigned packed, unsigned scale, unsigned (&pairs)[4]) {
    // The magnitudes 0, ½, 1, 1½, 2, 3, 4, 6 times 2^120, high and low byte looked up by a nibble each; the scale's bits
    // moved to where bfloat16 has them are the scale times 2^-120.
    const unsigned magnitudes = packed & 0x77777777u;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const unsigned four = magnitudes >> (16 * half), sign_of = packed >> (16 * half);
        const unsigned high = __byte_perm(0x7b7b7b00u, 0x7c7c7c7cu, four);
        const unsigned low = __byte_perm(0xc0800000u, 0xc0804000u, four);
        // Of bytes 0x80 a nibble with its top bit set selects 0xff, another 0x80: bit 6 is the sign.
        unsigned signs;
#ifdef HOST_SHIM
        signs = 0;
        for (int i = 0; i < 4; ++i) signs |= (sign_of >> (4 * i) & 8 ? 0xffu : 0x80u) << (8 * i);
#else
        asm("prmt.b32 %0, %1, %1, %2;" : "=r"(signs) : "r"(0x80808080u), "r"(sign_of));
#endif
        const unsigned signed_high = high | ((signs << 1) & 0x80808080u);
        pairs[2 * half] = multiply_pairs(__byte_perm(low, signed_high, 0x5140), scale);
        pairs[2 * half + 1] = multiply_pairs(__byte_perm(low, signed_high, 0x7362), scale);
    }
}

// NVFP4 weights: a stage is 128 columns, 64 bytes and 8 scales a row.
struct Nvfp4Weights {
    static constexpr int COLUMNS = 128, CHUNKS = 16, STAGE = TILE_M * (64 + 8);
    template <int N8> static constexpr int STAGES = N8 <= 2 ? 5 : N8 <= 4 ? 3 : 2;
    const uint8* weights;
    const uint8* scales;
    const float* globals;
    int pitch;  // columns of a row

    static __device__ __forceinline__ int place(int row, int chunk) {
        return chunk ^ ((chunk >> 3) & 1) ^ ((row & 1) << 1);
    }

    template <typename Rows>
    __device__ __forceinline__ void load(char* stage, const Rows& rows, int column, int columns) const {
        const int chunk = (int)threadIdx.x % 4, m = (int)threadIdx.x / 4, row = rows.start(m), end = rows.end(m);
        const uint8* from = weights + (row * pitch + column) / 2 + 16 * chunk;
        const bool inside = column + 32 * chunk < columns;
#pragma unroll
        for (int j = 0; j < 2; ++j)
            copy_16(stage + (m + 32 * j) * 64 + chunk * 16, from + j * Rows::STEP * pitch,
                    inside && row + 2 * j * Rows::STEP < end ? 16 : 0);
        const int scaled = (int)threadIdx.x / 2, half = (int)threadIdx.x % 2, its = rows.start(scaled);
        copy_4(stage + TILE_M * 64 + scaled * 8 + half * 4, scales + (its * pitch + column) / 16 + 4 * half,
               column + 64 * half < columns && its < rows.end(scaled) ? 4 : 0);
    }

    template <int N8>
    static __device__ __forceinline__ void multiply(const char* stage, const char* rows, float (&sum)[N8][4]) {
        const int lane = (int)threadIdx.x & 31, g = lane >> 2, t = lane & 3, m = ((int)threadIdx.x >> 5) * 16 + g;
        const uint4 low = *reinterpret_cast<const uint4*>(stage + m * 64 + t * 16);
        const uint4 high = *reinterpret_cast<const uint4*>(stage + (m + 8) * 64 + t * 16);
        const char* scales = stage + TILE_M * 64 + 2 * t;
        const unsigned low_scales = *reinterpret_cast<const unsigned short*>(scales + m * 8);
        const unsigned high_scales = *reinterpret_cast<const unsigned short*>(scales + (m + 8) * 8);
        const unsigned lows[4] = {low.x, low.y, low.z, low.w}, highs[4] = {high.x, high.y, high.z, high.w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            // Columns 32t + 8i … + 7: the lane's first block of 16 while i < 2, then its second.
            if (N8 == 8) __syncwarp();  // keeps the next words from being unpacked ahead, for which there are no registers
            const unsigned choose = i < 2 ? 0x4040 : 0x4141;  // the scale's byte, zero, the scale's byte, zero
            const int at = place(g, 4 * t + i) * 16;
            unsigned a[4], b[4];
            dequantise(lows[i], __byte_perm(low_scales, 0, choose) << 4, a);
            dequantise(highs[i], __byte_perm(high_scales, 0, choose) << 4, b);
            const unsigned even[4] = {a[0], b[0], a[1], b[1]}, odd[4] = {a[2], b[2], a[3], b[3]};
#pragma unroll
            for (int j = 0; j < N8; ++j) {
                const uint4 x = *reinterpret_cast<const uint4*>(rows + g * 256 + at + j * 8 * 256);
                mma(sum[j], even, x.x, x.y);
                mma(sum[j], odd, x.z, x.w);
            }
        }
    }
    __device__ __forceinline__ float global(int at) const { return globals[at]; }
};

// Sums of one tile: 64 weight rows times up to 8·N8 rows of `source`, over all columns. `listed` names the rows, those
// below zero are none.
template <int N8, typename Weights, typename Rows>
static __device__ __forceinline__ void product(const Weights& weights, const Rows& rows, const bf16* source,
                                               const int* listed, int columns, char* pool, float (&sum)[N8][4]) {
    constexpr int STAGES = Weights::template STAGES<N8>, CHUNKS = Weights::CHUNKS;
    constexpr int SIZE = Weights::STAGE + 8 * N8 * CHUNKS * 16, STEP = THREADS / CHUNKS;
    static_assert(STAGES * SIZE <= POOL, "");
    const int count = (columns + Weights::COLUMNS - 1) / Weights::COLUMNS;
    const int chunk = (int)threadIdx.x % CHUNKS, n = (int)threadIdx.x / CHUNKS;
    auto load = [&](int number) {
        if (number < count) {
            char* stage = pool + number % STAGES * SIZE;
            const int column = number * Weights::COLUMNS;
            weights.load(stage, rows, column, columns);
            char* to = stage + Weights::STAGE + (n * CHUNKS + Weights::place(n, chunk)) * 16;
            const bool inside = column + 8 * chunk < columns;
#pragma unroll
            for (int j = 0; j < 8 * N8 / STEP; ++j) {
                const int row = listed[n + j * STEP];
                copy_16(to + j * STEP * CHUNKS * 16, source + row * columns + column + 8 * chunk,
                        row >= 0 && inside ? 16 : 0);
            }
        }
        copies_issued();
    };
#pragma unroll
    for (int j = 0; j < N8; ++j) sum[j][0] = sum[j][1] = sum[j][2] = sum[j][3] = 0.0f;
    for (int number = 0; number < STAGES - 1; ++number) load(number);
#pragma unroll 1
    for (int number = 0; number < count; ++number) {
        copies_arrived<STAGES - 2>();
        __syncthreads();
        load(number + STAGES - 1);  // into the stage that all have left
        const char* stage = pool + number % STAGES * SIZE;
        Weights::multiply(stage, stage + Weights::STAGE, sum);
    }
    copies_arrived<0>();
    __syncthreads();
}

// gelu(x) as tanh approximates it: x · sigmoid(2u), u = sqrt(2/π) (x + 0.044715 x³).
static __device__ __forceinline__ float gelu(float x) {
    const float u = 0.7978845608028654f * x * fmaf(0.044715f * x, x, 1.0f);
    return x * reciprocal(1.0f + exp2_fast(-2.0f * LOG2_E * u));
}

// Which weight rows a tile has: that of its row m, the end of the matrix it is of, and how far on that of m + 16 is.
// Of Up a warp's 16 are 8 gate rows and the 8 up rows that belong to them, so that one thread holds both.
struct UpRows {
    static constexpr int STEP = 8;
    int first, inner;
    __device__ __forceinline__ int start(int m) const { return first + m / 16 * 8 + m % 8 + (m & 8 ? inner : 0); }
    __device__ __forceinline__ int end(int m) const { return m & 8 ? 2 * inner : inner; }
};
struct DownRows {
    static constexpr int STEP = 16;
    int first, hidden;
    __device__ __forceinline__ int start(int m) const { return first + m; }
    __device__ __forceinline__ int end(int) const { return hidden; }
};

// An expert's next rows: where they begin among the pairs, how many, and the source's rows they are.
struct Listed {
    int expert, begin, count;
    const int* rows;
};

template <int N8, typename Weights>
static __device__ __forceinline__ void up_tile(const Weights& weights, const UpRows& rows, const Listed& listed,
                                               const bf16* x, int hidden, char* pool, bf16* inner) {
    float sum[N8][4];
    product<N8>(weights, rows, x, listed.rows, hidden, pool, sum);
    const int lane = (int)threadIdx.x & 31, row = rows.first + ((int)threadIdx.x >> 5) * 8 + (lane >> 2);
    if (row >= rows.inner) return;
    const float gate = weights.global(2 * listed.expert), up = weights.global(2 * listed.expert + 1);
#pragma unroll
    for (int j = 0; j < N8; ++j) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            const int n = 8 * j + 2 * (lane & 3) + i;
            if (n < listed.count)
                inner[(int64)(listed.begin + n) * rows.inner + row] =
                    to_bf16(gelu(sum[j][i] * gate) * (sum[j][2 + i] * up));
        }
    }
}

template <int N8, typename Weights>
static __device__ __forceinline__ void down_tile(const Weights& weights, const DownRows& rows, const Listed& listed,
                                                 const bf16* inner, int width, const int* pairs, char* pool,
                                                 bf16* out) {
    float sum[N8][4];
    product<N8>(weights, rows, inner, listed.rows, width, pool, sum);
    const int lane = (int)threadIdx.x & 31, row = rows.first + ((int)threadIdx.x >> 5) * 16 + (lane >> 2);
    const float scale = weights.global(listed.expert);
#pragma unroll
    for (int j = 0; j < N8; ++j) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            const int n = 8 * j + 2 * (lane & 3) + i;
            if (n >= listed.count) continue;
            bf16* to = out + (int64)pairs[listed.begin + n] * rows.hidden + row;
            if (row < rows.hidden) to[0] = to_bf16(sum[j][i] * scale);
            if (row + 8 < rows.hidden) to[8] = to_bf16(sum[j][2 + i] * scale);
        }
    }
}

template <typename Weights>
static __device__ __forceinline__ void up(Weights weights, const bf16* x, const int* offsets, const int* pairs,
                                          int hidden, int inner, int top_k, bf16* result) {
    __shared__ __align__(128) char pool[POOL];
    __shared__ int sources[64];
    const int expert = (int)blockIdx.y, stop = offsets[expert + 1];
    const UpRows rows = {(int)blockIdx.x * (TILE_M / 2), inner};
    for (int begin = offsets[expert]; begin < stop; begin += 64) {
        const int count = stop - begin < 64 ? stop - begin : 64, n = (int)threadIdx.x;
        if (n < 64) sources[n] = n < count ? pairs[begin + n] / top_k : -1;
        __syncthreads();
        const Listed listed = {expert, begin, count, sources};
        if (count <= 16) up_tile<2>(weights, rows, listed, x, hidden, pool, result);
        else if (count <= 32) up_tile<4>(weights, rows, listed, x, hidden, pool, result);
        else up_tile<8>(weights, rows, listed, x, hidden, pool, result);
    }
}

template <typename Weights>
static __device__ __forceinline__ void down(Weights weights, const bf16* inner, const int* offsets, const int* pairs,
                                            int hidden, int width, bf16* out) {
    __shared__ __align__(128) char pool[POOL];
    __shared__ int sources[64];
    const int expert = (int)blockIdx.y, stop = offsets[expert + 1];
    const DownRows rows = {(int)blockIdx.x * TILE_M, hidden};
    for (int begin = offsets[expert]; begin < stop; begin += 64) {
        const int count = stop - begin < 64 ? stop - begin : 64, n = (int)threadIdx.x;
        if (n < 64) sources[n] = n < count ? begin + n : -1;
        __syncthreads();
        const Listed listed = {expert, begin, count, sources};
        if (count <= 16) down_tile<2>(weights, rows, listed, inner, width, pairs, pool, out);
        else if (count <= 32) down_tile<4>(weights, rows, listed, inner, width, pairs, pool, out);
        else down_tile<8>(weights, rows, listed, inner, width, pairs, pool, out);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 2) dgemma_experts_up_bf16(
    const bf16* __restrict__ x, const int* __restrict__ offsets, const int* __restrict__ pairs,
    const bf16* __restrict__ gate_up, int hidden, int inner, int top_k, bf16* __restrict__ result) {
    const Bf16Weights weights = {gate_up + (int64)blockIdx.y * 2 * inner * hidden, hidden};
    up(weights, x, offsets, pairs, hidden, inner, top_k, result);
}
extern "C" __global__ void __launch_bounds__(THREADS, 2) dgemma_experts_up_nvfp4(
    const bf16* __restrict__ x, const int* __restrict__ offsets, const int* __restrict__ pairs,
    const uint8* __restrict__ gate_up, const uint8* __restrict__ gate_up_scale,
    const float* __restrict__ gate_up_global, int hidden, int inner, int top_k, bf16* __restrict__ result) {
    const int64 before = (int64)blockIdx.y * 2 * inner * hidden;
    const Nvfp4Weights weights = {gate_up + before / 2, gate_up_scale + before / 16, gate_up_global, hidden};
    up(weights, x, offsets, pairs, hidden, inner, top_k, result);
}
extern "C" __global__ void __launch_bounds__(THREADS, 2) dgemma_experts_down_bf16(
    const bf16* __restrict__ inner, const int* __restrict__ offsets, const int* __restrict__ pairs,
    const bf16* __restrict__ weight, int hidden, int width, bf16* __restrict__ out) {
    const Bf16Weights weights = {weight + (int64)blockIdx.y * hidden * width, width};
    down(weights, inner, offsets, pairs, hidden, width, out);
}
extern "C" __global__ void __launch_bounds__(THREADS, 2) dgemma_experts_down_nvfp4(
    const bf16* __restrict__ inner, const int* __restrict__ offsets, const int* __restrict__ pairs,
    const uint8* __restrict__ weight, const uint8* __restrict__ scale, const float* __restrict__ global, int hidden,
    int width, bf16* __restrict__ out) {
    const int64 before = (int64)blockIdx.y * hidden * width;
    const Nvfp4Weights weights = {weight + before / 2, scale + before / 16, global, width};
    down(weights, inner, offsets, pairs, hidden, width, out);
}
