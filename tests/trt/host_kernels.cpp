// The kernels' sources behind host_shim.h, as a shared library that emulated.py calls: any kernel by its name, with pointers to
// its arguments, as cuLaunchKernel takes them.
#include "host_shim.h"

#include "device.cuh"

#include <utility>

namespace rows {
#include "row_stats.cu"
}
namespace canvas {
#include "canvas_update.cu"
}
namespace keys {
#include "turn_keys.cu"
}
namespace routing {
#include "route.cu"
}
namespace experts {
#include "experts.cu"
}
namespace attention {
#include "attention.cu"
}

template <typename... Types, size_t... Index>
static void call(void (*kernel)(Types...), void** values, std::index_sequence<Index...>) {
    kernel(*(typename std::remove_reference<Types>::type*)values[Index]...);
}
template <typename... Types> static void call(void (*kernel)(Types...), void** values) {
    call(kernel, values, std::index_sequence_for<Types...>());
}

struct Entry {
    const char* name;
    void (*run)(void*);
};
#define ENTRY(space, name) {#name, [](void* values) { call(space::name, (void**)values); }}
static const Entry entries[] = {
    ENTRY(rows, dgemma_row_stats_f32), ENTRY(rows, dgemma_row_stats_f16), ENTRY(rows, dgemma_row_stats_bf16),
    ENTRY(canvas, dgemma_canvas_update),
#define KEYS(T) ENTRY(keys, dgemma_turn_keys_rotate_##T), ENTRY(keys, dgemma_turn_keys_rebuild_##T)
    KEYS(f32), KEYS(f16), KEYS(bf16),
    ENTRY(routing, dgemma_route_i64), ENTRY(routing, dgemma_route_i32),
    ENTRY(routing, dgemma_combine_f32), ENTRY(routing, dgemma_combine_bf16),
    ENTRY(experts, dgemma_experts_up_bf16), ENTRY(experts, dgemma_experts_up_nvfp4),
    ENTRY(experts, dgemma_experts_down_bf16), ENTRY(experts, dgemma_experts_down_nvfp4),
#define HEADS(D) ENTRY(attention, dgemma_attention_##D), ENTRY(attention, dgemma_attention_split_##D)
    HEADS(32), HEADS(64), HEADS(128), HEADS(256), HEADS(512),
    ENTRY(attention, dgemma_attention_merge),
};

// The bytes that asynchronous copies moved, or -1 where the kernel hangs, leaves copies behind or is unknown.
extern "C" long long host_launch(const char* name, unsigned x, unsigned y, unsigned z, unsigned threads, int eager, void** values) {
    for (const Entry& entry : entries)
        if (!strcmp(entry.name, name)) {
            shim::copied = 0, shim::eager = eager != 0;
            return shim::launch({x, y, z}, threads, entry.run, values) ? (long long)shim::copied : -1;
        }
    return -1;
}
