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

    // `first` is the weight row of the tile's row 0, `row_of` says which one a tile's row is.
    template <typename Rows>
    __device__ __forceinline__ void load(char* stage, const Rows& rows, int column, int columns) const {
        const int chunk = (int)threadIdx.x % 8;
        const bool inside = column + 8 * chunk < columns;
#pragma unroll
        for (int j = 0; j < TILE_M * 8 / THREADS; ++j) {
            const int m = (int)threadIdx.x / 8 + j * (THREADS / 8);
            const int row = rows.weight_row(m);
            const bf16* from = weights + (row < 0 ? 0 : row) * pitch + (inside ? column + 8 * chunk : 0);
            copy_16(stage + m * 128 + place(m, chunk) * 16, from, row >= 0 && inside ? 16 : 0);
        }
    }

    template <int N8>
    static __device__ __forceinline__ void multiply(const char* stage, const char* rows, float (&sum)[N8][4]) {
        const int lane = (int)threadIdx.x & 31, g = lane >> 2, t = lane & 3, m = ((int)threadIdx.x >> 5) * 16 + g;
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            const uint4 low = *reinterpret_cast<const uint4*>(stage + m * 128 + place(m, 4 * i + t) * 16);
            const uint4 high = *reinterpret_cast<const uint4*>(stage + (m + 8) * 128 + place(m + 8, 4 * i + t) * 16);
            const unsigned even[4] = {low.x, high.x, low.y, high.y}, odd[4] = {low.z, high.z, low.w, high.w};
#pragma unroll
            for (int j = 0; j < N8; ++j) {
                const int n = 8 * j + g;
                const uint4 b = *reinterpret_cast<const uint4*>(rows + n * 128 + place(n, 4 * i + t) * 16);
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
        const int chunk = (int)threadIdx.x % 4;
        const bool inside = column + 32 * chunk < columns;
#pragma unroll
        for (int j = 0; j < TILE_M * 4 / THREADS; ++j) {
            const int m = (int)threadIdx.x / 4 + j * (THREADS / 4);
            const int row = rows.weight_row(m);
            const uint8* from = weights + ((row < 0 ? 0 : row) * pitch + (inside ? column + 32 * chunk : 0)) / 2;
            copy_16(stage + m * 64 + chunk * 16, from, row >= 0 && inside ? 16 : 0);
        }
        const int m = (int)threadIdx.x / 2, half = (int)threadIdx.x % 2;
        const int row = rows.weight_row(m);
        const bool scaled = column + 64 * half < columns;
        const uint8* from = scales + ((row < 0 ? 0 : row) * pitch + (scaled ? column + 64 * half : 0)) / 16;
        copy_4(stage + TILE_M * 64 + m * 8 + half * 4, from, row >= 0 && scaled ? 4 : 0);
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
            const unsigned choose = i < 2 ? 0x4040 : 0x4141;  // the scale's byte, zero, the scale's byte, zero
            unsigned a[4], b[4];
            dequantise(lows[i], __byte_perm(low_scales, 0, choose) << 4, a);
            dequantise(highs[i], __byte_perm(high_scales, 0, choose) << 4, b);
            const unsigned even[4] = {a[0], b[0], a[1], b[1]}, odd[4] = {a[2], b[2], a[3], b[3]};
#pragma unroll
            for (int j = 0; j < N8; ++j) {
                const int n = 8 * j + g;
                const uint4 x = *reinterpret_cast<const uint4*>(rows + n * 256 + place(n, 4 * t + i) * 16);
                mma(sum[j], even, x.x, x.y);
                mma(sum[j], odd, x.z, x.w);
            }
        }
    }
    __device__ __forceinline__ float global(int at) const { return globals[at]; }
};

// Sums of one tile: 64 weight rows times up to 8·N8 rows of `source`, over all columns.
template <int N8, typename Weights, typename Rows>
static __device__ __forceinline__ void product(
    const Weights& weights, const Rows& rows, const bf16* source, int columns, char* pool, float (&sum)[N8][4]) {
    constexpr int STAGES = Weights::template STAGES<N8>, ROWS = 8 * N8 * Weights::COLUMNS * 2, SIZE = Weights::STAGE + ROWS;
    static_assert(STAGES * SIZE <= POOL, "");
    const int count = (columns + Weights::COLUMNS - 1) / Weights::COLUMNS;
    const int chunk = (int)threadIdx.x % Weights::CHUNKS;
    auto load = [&](int number) {
        if (number < count) {
            char* stage = pool + number % STAGES * SIZE;
            const int column = number * Weights::COLUMNS;
            weights.load(stage, rows, column, columns);
            const bool inside = column + 8 * chunk < columns;
#pragma unroll
            for (int j = 0; j < 8 * N8 * Weights::CHUNKS / THREADS; ++j) {
                const int n = (int)threadIdx.x / Weights::CHUNKS + j * (THREADS / Weights::CHUNKS);
                const int row = rows.source_row(n);
                const bf16* from = source + (row < 0 ? 0 : row) * columns + (inside ? column + 8 * chunk : 0);
                copy_16(stage + Weights::STAGE + (n * Weights::CHUNKS + Weights::place(n, chunk)) * 16, from,
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

// Which rows a tile has. Of Up a warp's 16 are 8 gate rows and the 8 up rows that belong to them, so that one thread holds
// both; `listed` are the pairs of the tile's N side.
struct UpRows {
    const int* listed;
    int first, inner, top_k;
    __device__ __forceinline__ int weight_row(int m) const {
        const int row = first + m / 16 * 8 + m % 8;
        return row < inner ? (m % 16 < 8 ? row : inner + row) : -1;
    }
    __device__ __forceinline__ int source_row(int n) const { return listed[n] < 0 ? -1 : listed[n] / top_k; }
};
struct DownRows {
    int first, hidden, begin, count;
    __device__ __forceinline__ int weight_row(int m) const { return first + m < hidden ? first + m : -1; }
    __device__ __forceinline__ int source_row(int n) const { return n < count ? begin + n : -1; }
};

template <int N8, typename Weights>
static __device__ __forceinline__ void up_tile(const Weights& weights, const UpRows& rows, const bf16* x, int hidden,
                                               int begin, int count, int expert, char* pool, bf16* inner) {
    float sum[N8][4];
    product<N8>(weights, rows, x, hidden, pool, sum);
    const int lane = (int)threadIdx.x & 31, row = rows.first + ((int)threadIdx.x >> 5) * 8 + (lane >> 2);
    if (row >= rows.inner) return;
    const float gate_scale = weights.global(2 * expert), up_scale = weights.global(2 * expert + 1);
#pragma unroll
    for (int j = 0; j < N8; ++j) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            const int n = 8 * j + 2 * (lane & 3) + i;
            if (n < count)
                inner[(int64)(begin + n) * rows.inner + row] =
                    to_bf16(gelu(sum[j][i] * gate_scale) * (sum[j][2 + i] * up_scale));
        }
    }
}

template <int N8, typename Weights>
static __device__ __forceinline__ void down_tile(const Weights& weights, const DownRows& rows, const bf16* inner,
                                                 int width, int expert, const int* listed, char* pool, bf16* out) {
    float sum[N8][4];
    product<N8>(weights, rows, inner, width, pool, sum);
    const int lane = (int)threadIdx.x & 31, row = rows.first + ((int)threadIdx.x >> 5) * 16 + (lane >> 2);
    const float scale = weights.global(expert);
#pragma unroll
    for (int j = 0; j < N8; ++j) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            const int n = 8 * j + 2 * (lane & 3) + i;
            if (n >= rows.count) continue;
            bf16* to = out + (int64)listed[n] * rows.hidden + row;
            if (row < rows.hidden) to[0] = to_bf16(sum[j][i] * scale);
            if (row + 8 < rows.hidden) to[8] = to_bf16(sum[j][2 + i] * scale);
        }
    }
}

template <typename Weights>
static __device__ __forceinline__ void up(Weights weights, const bf16* x, const int* offsets, const int* pairs,
                                          int hidden, int inner, int top_k, bf16* result) {
    __shared__ __align__(128) char pool[POOL];
    __shared__ int listed[64];
    const int expert = (int)blockIdx.y, stop = offsets[expert + 1];
    for (int begin = offsets[expert]; begin < stop; begin += 64) {
        const int count = stop - begin < 64 ? stop - begin : 64;
        if (threadIdx.x < 64) listed[threadIdx.x] = (int)threadIdx.x < count ? pairs[begin + (int)threadIdx.x] : -1;
        __syncthreads();
        const UpRows rows = {listed, (int)blockIdx.x * (TILE_M / 2), inner, top_k};
        if (count <= 16) up_tile<2>(weights, rows, x, hidden, begin, count, expert, pool, result);
        else if (count <= 32) up_tile<4>(weights, rows, x, hidden, begin, count, expert, pool, result);
        else up_tile<8>(weights, rows, x, hidden, begin, count, expert, pool, result);
        __syncthreads();
    }
}

template <typename Weights>
static __device__ __forceinline__ void down(Weights weights, const bf16* inner, const int* offsets, const int* pairs,
                                            int hidden, int width, bf16* out) {
    __shared__ __align__(128) char pool[POOL];
    __shared__ int listed[64];
    const int expert = (int)blockIdx.y, stop = offsets[expert + 1];
    for (int begin = offsets[expert]; begin < stop; begin += 64) {
        const int count = stop - begin < 64 ? stop - begin : 64;
        if ((int)threadIdx.x < count) listed[threadIdx.x] = pairs[begin + (int)threadIdx.x];
        __syncthreads();
        const DownRows rows = {(int)blockIdx.x * TILE_M, hidden, begin, count};
        if (count <= 16) down_tile<2>(weights, rows, inner, width, expert, listed, pool, out);
        else if (count <= 32) down_tile<4>(weights, rows, inner, width, expert, listed, pool, out);
        else down_tile<8>(weights, rows, inner, width, expert, listed, pool, out);
        __syncthreads();
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 3) dgemma_experts_up_bf16(
    const bf16* __restrict__ x, const int* __restrict__ offsets, const int* __restrict__ pairs,
    const bf16* __restrict__ gate_up, int hidden, int inner, int top_k, bf16* __restrict__ result) {
    const Bf16Weights weights = {gate_up + (int64)blockIdx.y * 2 * inner * hidden, hidden};
    up(weights, x, offsets, pairs, hidden, inner, top_k, result);
}
extern "C" __global__ void __launch_bounds__(THREADS, 3) dgemma_experts_up_nvfp4(
    const bf16* __restrict__ x, const int* __restrict__ offsets, const int* __restrict__ pairs,
    const uint8* __restrict__ gate_up, const uint8* __restrict__ gate_up_scale,
    const float* __restrict__ gate_up_global, int hidden, int inner, int top_k, bf16* __restrict__ result) {
    const int64 before = (int64)blockIdx.y * 2 * inner * hidden;
    const Nvfp4Weights weights = {gate_up + before / 2, gate_up_scale + before / 16, gate_up_global, hidden};
    up(weights, x, offsets, pairs, hidden, inner, top_k, result);
}
extern "C" __global__ void __launch_bounds__(THREADS, 3) dgemma_experts_down_bf16(
    const bf16* __restrict__ inner, const int* __restrict__ offsets, const int* __restrict__ pairs,
    const bf16* __restrict__ weight, int hidden, int width, bf16* __restrict__ out) {
    const Bf16Weights weights = {weight + (int64)blockIdx.y * hidden * width, width};
    down(weights, inner, offsets, pairs, hidden, width, out);
}
extern "C" __global__ void __launch_bounds__(THREADS, 3) dgemma_experts_down_nvfp4(
    const bf16* __restrict__ inner, const int* __restrict__ offsets, const int* __restrict__ pairs,
    const uint8* __restrict__ weight, const uint8* __restrict__ scale, const float* __restrict__ global, int hidden,
    int width, bf16* __restrict__ out) {
    const int64 before = (int64)blockIdx.y * hidden * width;
    const Nvfp4Weights weights = {weight + before / 2, scale + before / 16, global, width};
    down(weights, inner, offsets, pairs, hidden, width, out);
}
