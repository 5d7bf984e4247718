// What the kernels need of the hardware beyond C++: tensor-core products, asynchronous copies, fast exponentials.
//
// All of it exists since sm_80, so that one source serves every architecture. tests/trt/host_shim.h has the same functions
// for a C++ compiler.
#pragma once

typedef unsigned char uint8;
typedef unsigned short bf16;  // its bits
typedef long long int64;

#define FULL_WARP 0xffffffffu
static constexpr float LOG2_E = 1.4426950408889634f;
static constexpr float LN_2 = 0.6931471805599453f;

#ifdef HOST_SHIM
typedef unsigned long long SharedAddress;
#else
typedef unsigned SharedAddress;
// 2^x and 1/x to about one unit in the last place; subnormal numbers count as zero.
static __device__ __forceinline__ float exp2_fast(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
static __device__ __forceinline__ float reciprocal(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
static __device__ __forceinline__ SharedAddress shared_address(const void* at) {
    SharedAddress address;
    asm("{ .reg .u64 a; cvta.to.shared.u64 a, %1; cvt.u32.u64 %0, a; }" : "=r"(address) : "l"(at));
    return address;
}
// Copies `size` (0 … 16) bytes into shared memory and fills up with zeros; seen after copies_arrived and a barrier.
static __device__ __forceinline__ void copy_16(void* shared, const void* global, int size) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(size)
                 : "memory");
}
static __device__ __forceinline__ void copy_4(void* shared, const void* global, int size) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(size)
                 : "memory");
}
// Closes a group of copies.
static __device__ __forceinline__ void copies_issued() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most PENDING of the thread's groups are under way.
template <int PENDING> static __device__ __forceinline__ void copies_arrived() {
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}
// d[16, 8] += a[16, 16] · b[16, 8], bfloat16 with float32 sums; who holds what is in PTX's manual (mma.m16n8k16).
static __device__ __forceinline__ void mma(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
// Four 8 × 8 matrices of 16-bit numbers; each lane names a row of 16 bytes.
static __device__ __forceinline__ void load_matrices(unsigned (&r)[4], SharedAddress row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
        : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(row) : "memory");
}
static __device__ __forceinline__ void load_transposed(unsigned (&r)[4], SharedAddress row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
        : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(row) : "memory");
}
// Two bfloat16 products at once.
static __device__ __forceinline__ unsigned multiply_pairs(unsigned a, unsigned b) {
    unsigned y;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(y) : "r"(a), "r"(b), "r"(0x80008000u));
    return y;
}
// low in the lower half, each rounded to the nearest.
static __device__ __forceinline__ unsigned pack(float low, float high) {
    unsigned y;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
    return y;
}
#endif

static __device__ __forceinline__ bf16 to_bf16(float x) { return (bf16)(pack(x, 0.0f) & 0xffff); }
static __device__ __forceinline__ float from_bf16(unsigned bits) { return __uint_as_float(bits << 16); }
