// Attention over intervals: each row sees one interval of the cache's slots, and only what some row of a tile sees is read.
//
// A block takes 64 queries that share their keys: rows times the heads of a group. It goes over tiles of NK slots between
// the first and the last that any of its rows sees, with the running maximum and sum of flash attention, in float32. Scores
// are not scaled: the model's norms carry it.
//
// Four warps of 16 queries hold queries and results in registers. Heads of 512 are split over two such sets of warps, which
// add their halves of the scores through shared memory. Shared memory is one tile of keys and one of values, each loaded
// while the other is used: at most 40 KB, so no limit need be raised by whoever launches this.
//
// Split: several blocks share a tile's interval and leave normalised parts, which Merge weighs. It is for long contexts
// with few rows; a launch that fills the device without it leaves all to the first.
#include "device.cuh"

static constexpr int QUERIES = 64;
#define HIDDEN (-__int_as_float(0x7f800000))

// Where a chunk of 16 bytes lies in its row, so that eight rows' same chunk are in different banks. It is an exclusive or,
// so the low bits of a row's own number can be set against a lane's once, outside all loops.
template <int D> static __device__ __forceinline__ int spread(int row) { return D >= 64 ? row & 7 : (row >> 1) & 3; }

static __device__ __forceinline__ float quad_max(float x) {
    x = fmaxf(x, __shfl_xor_sync(FULL_WARP, x, 1));
    return fmaxf(x, __shfl_xor_sync(FULL_WARP, x, 2));
}
static __device__ __forceinline__ float quad_sum(float x) {
    x += __shfl_xor_sync(FULL_WARP, x, 1);
    return x + __shfl_xor_sync(FULL_WARP, x, 2);
}

// What a block works on.
struct Part {
    const bf16 *query, *keys, *values;
    const int64 *first, *last;
    int heads, kv_heads, rows, capacity, firsts;
    int splits, split;

    __device__ __forceinline__ int group() const { return heads / kv_heads; }
    // The visible slots of a query of this block's group; nothing (from 1 to 0) behind the last row.
    __device__ __forceinline__ void interval(int query_of_group, int& from, int& to) const {
        const int row = query_of_group / group();
        from = 1, to = 0;
        if (row >= rows) return;
        const int64 low = first[firsts == 1 ? 0 : row], high = last[row];
        if (high < low || high < 0 || low >= capacity) return;
        from = low < 0 ? 0 : (int)low, to = high < capacity ? (int)high : capacity - 1;
    }
};

// Attention of one block; `sum` and `top` are each of the lane's two queries' sum of weights and largest score · log2 e.
template <int D, int WD, int NK>
static __device__ __forceinline__ void attend(
    const Part& part, char* pool, float (&out)[D / WD / 8][4], float (&top)[2], float (&sum)[2]) {
    constexpr int DW = D / WD, THREADS = 128 * WD, CHUNKS = D / 8, TILE = NK * D * 2;
    char *keys = pool, *values = pool + TILE;
    float4* exchange = reinterpret_cast<float4*>(pool + 2 * TILE);
    const int lane = (int)threadIdx.x & 31, warp = (int)threadIdx.x >> 5, g = lane >> 2, t = lane & 3;
    const int half = WD == 1 ? 0 : warp & 1, set = WD == 1 ? warp : warp >> 1, column = half * DW;
    const int tile = (int)blockIdx.x * QUERIES, kv_head = (int)blockIdx.y, group = part.group();

    // The tile's interval, each warp for itself. A query's own is its first slot and how many follow; where there is none, a
    // first slot that no slot reaches. It lies in shared memory, because registers are full.
    __shared__ int2 visible[QUERIES], span;
    int begin = part.capacity, end = -1;
#pragma unroll
    for (int i = 0; i < QUERIES / 32; ++i) {
        int from, to;
        part.interval(tile + lane + 32 * i, from, to);
        if (from <= to) begin = from < begin ? from : begin, end = to > end ? to : end;
        visible[lane + 32 * i] = from <= to ? make_int2(from, to - from) : make_int2(part.capacity + NK, 0);
    }
#pragma unroll
    for (int offset = 16; offset; offset >>= 1) {
        const int a = __shfl_xor_sync(FULL_WARP, begin, offset), b = __shfl_xor_sync(FULL_WARP, end, offset);
        begin = a < begin ? a : begin, end = b > end ? b : end;
    }
    span = make_int2(begin, end - begin);
    const int start = begin / NK, count = end < begin ? 0 : end / NK - start + 1;
    const int share = (count + part.splits - 1) / part.splits;
    const int from_tile = start + part.split * share;
    const int to_tile = from_tile + share < start + count ? from_tile + share : start + count;

    unsigned q[DW / 16][4];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        const int mine = tile + 16 * set + g + 8 * i, row = mine / group, head = kv_head * group + mine % group;
        const bool here = row < part.rows;
        const bf16* at = part.query + ((int64)head * part.rows + (here ? row : 0)) * D + column + 2 * t;
#pragma unroll
        for (int k = 0; k < DW / 16; ++k) {
            q[k][i] = here ? *reinterpret_cast<const unsigned*>(at + 16 * k) : 0;
            q[k][2 + i] = here ? *reinterpret_cast<const unsigned*>(at + 16 * k + 8) : 0;
        }
        top[i] = HIDDEN, sum[i] = 0.0f;
    }
#pragma unroll
    for (int j = 0; j < DW / 8; ++j) out[j][0] = out[j][1] = out[j][2] = out[j][3] = 0.0f;

    constexpr int STEP = THREADS / CHUNKS;  // rows that the block copies at once
    const int own_row = (int)threadIdx.x / CHUNKS, own_chunk = (int)threadIdx.x % CHUNKS;
    const int own = (kv_head * part.capacity + own_row) * D + 8 * own_chunk;  // a cache has below 2^31 numbers
    // Slots that nobody sees are zeros: what lies there may not be a number.
    auto load = [&](char* into, const bf16* all, int number) {
        if (number < to_tile) {
            const bf16* at = all + (own + number * (NK * D));
            const int2 seen = span;
#pragma unroll
            for (int j = 0; j < NK / STEP; ++j) {
                const int row = own_row + j * STEP, slot = number * NK + row;
                copy_16(into + (row * CHUNKS + (own_chunk ^ spread<D>(row))) * 16, at + j * STEP * D,
                        (unsigned)(slot - seen.x) <= (unsigned)seen.y ? 16 : 0);
            }
        }
        copies_issued();
    };
    // A lane's row of the first matrices; those of other chunks differ in the bits above by exclusive or.
    const int key_row = (lane & 7) * CHUNKS * 16 + column * 2, key_chunk = ((lane >> 3) ^ spread<D>(lane & 7)) * 16;
    const int value_row = (lane & 15) * CHUNKS * 16 + column * 2, value_chunk = ((lane >> 4) ^ spread<D>(lane & 15)) * 16;
    const SharedAddress keys_at = shared_address(keys) + key_row, values_at = shared_address(values) + value_row;
    load(keys, part.keys, from_tile);
#pragma unroll 1
    for (int number = from_tile; number < to_tile; ++number) {
        copies_arrived<0>();
        __syncthreads();  // these keys are there, and all have left the values before
        load(values, part.values, number);
        float s[NK / 8][4];
#pragma unroll
        for (int j = 0; j < NK / 8; ++j) {
            s[j][0] = s[j][1] = s[j][2] = s[j][3] = 0.0f;
#pragma unroll
            for (int k = 0; k < DW / 32; ++k) {
                unsigned b[4];
                load_matrices(b, keys_at + (key_chunk ^ (64 * (k & 1))) + (8 * j * CHUNKS * 16 + 128 * (k >> 1)));
                mma(s[j], q[2 * k], b[0], b[1]);
                mma(s[j], q[2 * k + 1], b[2], b[3]);
            }
            if (WD == 2) exchange[(warp * (NK / 8) + j) * 32 + lane] = make_float4(s[j][0], s[j][1], s[j][2], s[j][3]);
        }
        __syncthreads();  // all have left the keys
        load(keys, part.keys, number + 1);
        const int slot = number * NK + 2 * t;
        if (WD == 2) {
#pragma unroll
            for (int j = 0; j < NK / 8; ++j) {
                const float4 other = exchange[((warp ^ 1) * (NK / 8) + j) * 32 + lane];
                s[j][0] += other.x, s[j][1] += other.y, s[j][2] += other.z, s[j][3] += other.w;
            }
        }
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int2 interval = visible[16 * set + g + 8 * (i >> 1)];
#pragma unroll
            for (int j = 0; j < NK / 8; ++j) {
                // Below the interval the difference is a large unsigned number.
                if ((unsigned)(slot + 8 * j + (i & 1) - interval.x) > (unsigned)interval.y) s[j][i] = HIDDEN;
            }
        }
        bool moved = false;
        float base[2], factor[2];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            float largest = HIDDEN;
#pragma unroll
            for (int j = 0; j < NK / 8; ++j) largest = fmaxf(largest, fmaxf(s[j][2 * i], s[j][2 * i + 1]));
            largest = fmaxf(top[i], quad_max(largest) * LOG2_E);
            base[i] = largest == HIDDEN ? 0.0f : largest;
            factor[i] = exp2_fast(top[i] - base[i]);
            moved |= largest != top[i];
            top[i] = largest;
        }
        if (__any_sync(FULL_WARP, moved)) {
            sum[0] *= factor[0], sum[1] *= factor[1];
#pragma unroll
            for (int j = 0; j < DW / 8; ++j)
                out[j][0] *= factor[0], out[j][1] *= factor[0], out[j][2] *= factor[1], out[j][3] *= factor[1];
        }
#pragma unroll
        for (int j = 0; j < NK / 8; ++j) {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                s[j][i] = exp2_fast(fmaf(s[j][i], LOG2_E, -base[i >> 1]));
                sum[i >> 1] += s[j][i];
            }
        }
        copies_arrived<1>();
        __syncthreads();  // the values are there
#pragma unroll
        for (int k = 0; k < NK / 16; ++k) {
            const unsigned p[4] = {
                pack(s[2 * k][0], s[2 * k][1]), pack(s[2 * k][2], s[2 * k][3]),
                pack(s[2 * k + 1][0], s[2 * k + 1][1]), pack(s[2 * k + 1][2], s[2 * k + 1][3])};
#pragma unroll
            for (int j = 0; j < DW / 16; ++j) {
                unsigned b[4];
                load_transposed(b, values_at + (value_chunk ^ (32 * (j & 3))) + (16 * k * CHUNKS * 16 + 128 * (j >> 2)));
                mma(out[2 * j], p, b[0], b[1]);
                mma(out[2 * j + 1], p, b[2], b[3]);
            }
        }
    }
    copies_arrived<0>();
    sum[0] = quad_sum(sum[0]), sum[1] = quad_sum(sum[1]);
}

template <int D, int WD, int NK>
static __device__ __forceinline__ void whole(Part part, bf16* y) {
    constexpr int DW = D / WD;
    __shared__ __align__(128) char pool[2 * NK * D * 2 + (WD == 2 ? 128 * WD * NK / 8 * 16 : 0)];
    float out[DW / 8][4], top[2], sum[2];
    attend<D, WD, NK>(part, pool, out, top, sum);
    const int lane = (int)threadIdx.x & 31, warp = (int)threadIdx.x >> 5;
    const int set = WD == 1 ? warp : warp >> 1, column = WD == 1 ? 0 : (warp & 1) * DW;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        const int mine = (int)blockIdx.x * QUERIES + 16 * set + (lane >> 2) + 8 * i, group = part.group();
        const int row = mine / group, head = (int)blockIdx.y * group + mine % group;
        if (row >= part.rows) continue;
        const float scale = sum[i] > 0.0f ? 1.0f / sum[i] : 0.0f;
        bf16* at = y + ((int64)head * part.rows + row) * D + column + 2 * (lane & 3);
#pragma unroll
        for (int j = 0; j < DW / 8; ++j)
            *reinterpret_cast<unsigned*>(at + 8 * j) = pack(out[j][2 * i] * scale, out[j][2 * i + 1] * scale);
    }
}

template <int D, int WD, int NK>
static __device__ __forceinline__ void split(Part part, int enough, float* partial, float* stats) {
    constexpr int DW = D / WD;
    __shared__ __align__(128) char pool[2 * NK * D * 2 + (WD == 2 ? 128 * WD * NK / 8 * 16 : 0)];
    float out[DW / 8][4], top[2], sum[2];
    const bool alone = (int)(gridDim.x * gridDim.y) >= enough;
    part.split = (int)blockIdx.z, part.splits = alone ? 1 : (int)gridDim.z;
    const int lane = (int)threadIdx.x & 31, warp = (int)threadIdx.x >> 5;
    const int set = WD == 1 ? warp : warp >> 1, column = WD == 1 ? 0 : (warp & 1) * DW;
    const bool idle = alone && blockIdx.z > 0;
    if (!idle) attend<D, WD, NK>(part, pool, out, top, sum);
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        const int mine = (int)blockIdx.x * QUERIES + 16 * set + (lane >> 2) + 8 * i, group = part.group();
        const int row = mine / group, head = (int)blockIdx.y * group + mine % group;
        if (row >= part.rows) continue;
        const int64 at = ((int64)blockIdx.z * part.heads + head) * part.rows + row;
        if ((lane & 3) == 0 && column == 0)
            stats[2 * at] = idle ? HIDDEN : top[i], stats[2 * at + 1] = idle ? 0.0f : sum[i];
        if (idle) continue;
        const float scale = sum[i] > 0.0f ? 1.0f / sum[i] : 0.0f;
        float* to = partial + at * D + column + 2 * (lane & 3);
#pragma unroll
        for (int j = 0; j < DW / 8; ++j)
            *reinterpret_cast<float2*>(to + 8 * j) = make_float2(out[j][2 * i] * scale, out[j][2 * i + 1] * scale);
    }
}

#define ATTENTION(D, WD, NK)                                                                                            \
    extern "C" __global__ void __launch_bounds__(128 * WD, 2 / WD) dgemma_attention_##D(                                \
        const bf16* __restrict__ query, const bf16* __restrict__ keys, const bf16* __restrict__ values,                 \
        const int64* __restrict__ first, const int64* __restrict__ last, int heads, int kv_heads, int rows,             \
        int capacity, int firsts, bf16* __restrict__ y) {                                                               \
        const Part part = {query, keys, values, first, last, heads, kv_heads, rows, capacity, firsts, 1, 0};            \
        whole<D, WD, NK>(part, y);                                                                                      \
    }                                                                                                                   \
    extern "C" __global__ void __launch_bounds__(128 * WD, 2 / WD) dgemma_attention_split_##D(                          \
        const bf16* __restrict__ query, const bf16* __restrict__ keys, const bf16* __restrict__ values,                 \
        const int64* __restrict__ first, const int64* __restrict__ last, int heads, int kv_heads, int rows,             \
        int capacity, int firsts, int enough, float* __restrict__ partial, float* __restrict__ stats) {                 \
        const Part part = {query, keys, values, first, last, heads, kv_heads, rows, capacity, firsts, 1, 0};            \
        split<D, WD, NK>(part, enough, partial, stats);                                                                 \
    }

ATTENTION(32, 1, 32)
ATTENTION(64, 1, 32)
ATTENTION(128, 1, 32)
ATTENTION(256, 1, 16)
ATTENTION(512, 2, 16)

// One warp a query: its parts, each weighed with its share of the whole sum. A part that saw nothing is not read.
extern "C" __global__ void __launch_bounds__(128) dgemma_attention_merge(
    const float* __restrict__ partial, const float* __restrict__ stats, int queries, int size, int splits,
    bf16* __restrict__ y) {
    const int lane = (int)threadIdx.x & 31;
    const int64 query = (int64)blockIdx.x * 4 + (threadIdx.x >> 5);
    if (query >= queries) return;
    float top = HIDDEN, whole = 0.0f;
    for (int s = 0; s < splits; ++s) top = fmaxf(top, stats[2 * ((int64)s * queries + query)]);
    const float base = top == HIDDEN ? 0.0f : top;
    for (int s = 0; s < splits; ++s) {
        const float* stat = stats + 2 * ((int64)s * queries + query);
        whole += stat[1] * exp2_fast(stat[0] - base);
    }
    const float scale = whole > 0.0f ? 1.0f / whole : 0.0f;
    for (int column = 2 * lane; column < size; column += 64) {
        float x = 0.0f, z = 0.0f;
        for (int s = 0; s < splits; ++s) {
            const float* stat = stats + 2 * ((int64)s * queries + query);
            if (stat[1] <= 0.0f) continue;
            const float weight = stat[1] * exp2_fast(stat[0] - base) * scale;
            const float2 v = *reinterpret_cast<const float2*>(partial + ((int64)s * queries + query) * size + column);
            x = fmaf(weight, v.x, x), z = fmaf(weight, v.y, z);
        }
        *reinterpret_cast<unsigned*>(y + query * size + column) = pack(x, z);
    }
}
