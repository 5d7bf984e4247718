// The kernels' sources behind host_shim.h, as a shared library that test_kernels.py calls.
#include "host_shim.h"
namespace rows {
#include "row_stats.cu"
}
namespace canvas {
#include "canvas_update.cu"
}
namespace keys {
#include "turn_keys.cu"
}

typedef long long Int64;

struct RowArguments {
    int type;
    const void* over_cap;
    const float *temperature, *uniform;
    const unsigned char* allowed;
    const Int64* allowed_row;
    int vocab, blocks, size, allowed_rows, softcap_bits;
    Int64 *argmax, *drawn;
    float *entropy, *largest, *total;
};
static void run_rows(void* with) {
    RowArguments& a = *(RowArguments*)with;
#define ARGUMENTS(T)                                                                                                  \
    (const T*)a.over_cap, a.temperature, a.uniform, a.allowed, a.allowed_row, a.vocab, a.blocks, a.size,              \
        a.allowed_rows, a.softcap_bits, a.argmax, a.drawn, a.entropy, a.largest, a.total
    if (a.type == 0) rows::dgemma_row_stats_f32(ARGUMENTS(float));
    if (a.type == 1) rows::dgemma_row_stats_f16(ARGUMENTS(unsigned short));
    if (a.type == 2) rows::dgemma_row_stats_bf16(ARGUMENTS(unsigned short));
}
extern "C" int host_row_stats(int rows, int threads, RowArguments* arguments) {
    return shim::launch((unsigned)rows, (unsigned)threads, run_rows, arguments);
}

struct CanvasArguments {
    const Int64 *argmax, *drawn;
    const float* entropy;
    const Int64* random_tokens;
    const float* entropy_bound;
    const unsigned char* pin;
    const Int64* pin_ids;
    int count;
    Int64 *next_canvas, *argmax_out, *drawn_out;
    float* entropy_out;
    unsigned char* accepted;
    float* mean_entropy;
};
static void run_canvas(void* with) {
    CanvasArguments& a = *(CanvasArguments*)with;
    canvas::dgemma_canvas_update(a.argmax, a.drawn, a.entropy, a.random_tokens, a.entropy_bound, a.pin, a.pin_ids,
                                 a.count, a.next_canvas, a.argmax_out, a.drawn_out, a.entropy_out, a.accepted,
                                 a.mean_entropy);
}
extern "C" int host_canvas_update(int threads, CanvasArguments* arguments) {
    return shim::launch(1, (unsigned)threads, run_canvas, arguments);
}

struct KeyArguments {
    int type, is_rebuild;
    void* keys;
    const void* values;
    const float *weight, *cosine, *sine;
    int heads, capacity, count, dim, pairs;
};
static void run_keys(void* with) {
    KeyArguments& a = *(KeyArguments*)with;
#define TURN(SUFFIX, T)                                                                                               \
    if (a.is_rebuild)                                                                                                 \
        keys::dgemma_turn_keys_rebuild_##SUFFIX((T*)a.keys, (const T*)a.values, a.weight, a.cosine, a.sine, a.heads,  \
                                                a.capacity, a.count, a.dim);                                          \
    else                                                                                                              \
        keys::dgemma_turn_keys_rotate_##SUFFIX((T*)a.keys, a.cosine, a.sine, a.heads, a.capacity, a.count, a.dim,     \
                                               a.pairs);
    if (a.type == 0) { TURN(f32, float) }
    if (a.type == 1) { TURN(f16, unsigned short) }
    if (a.type == 2) { TURN(bf16, unsigned short) }
}
extern "C" int host_turn_keys(int blocks, int threads, KeyArguments* arguments) {
    return shim::launch((unsigned)blocks, (unsigned)threads, run_keys, arguments);
}
