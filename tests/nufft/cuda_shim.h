// CUDA on the host, as far as kernels.cu needs it: to test the very source without a GPU.
//
// The threads of a block are fibers of one system thread, switched where they wait for each other;
// blocks run on several system threads at once, so that a sum that lacks its atomic loses
// terms. Warps, and the lanes of a warp, run in an order that turns around at every wait and as
// far as the next one, so that a wait that is missing shows. What does not show: a missing
// wait between two updates of one number, and reads beyond an array that nobody uses.

#pragma once
#include <atomic>
#include <cmath>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <type_traits>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __launch_bounds__(threads)
#define __shared__ static thread_local // by all fibers of a block, and by no other block

using std::ceil;
using std::rint;

struct Dim {
    unsigned x = 0;
};

namespace shim {

constexpr int MOST = 1024, LANES = 32;
constexpr std::size_t STACK = 1 << 16;
enum State { READY, AT_WARP, AT_BLOCK, DONE };

struct Fiber {
    ucontext_t context;
    jmp_buf at;
    std::unique_ptr<char[]> stack{new char[STACK]};
    bool started;
    State state;
    int shuffles;
    alignas(8) char value[2][8];
};

struct Block {
    std::vector<Fiber> fibers;
    void (*body)(const void *);
    const void *arguments;
    int now = 0;
    jmp_buf scheduler{};
};

inline thread_local Block *block = nullptr;
inline thread_local Dim thread_index, block_index, block_size;

[[noreturn]] inline void fail(const char *why) {
    std::fprintf(stderr, "cuda_shim: %s\n", why);
    std::abort();
}

// No variable of the caller is changed between the two returns of _setjmp.
__attribute__((noinline)) inline void wait(State state) {
    Fiber &fiber = block->fibers[block->now];
    fiber.state = state;
    if (!_setjmp(fiber.at)) _longjmp(block->scheduler, 1);
}

inline void start() {
    block->body(block->arguments);
    wait(DONE);
}

__attribute__((noinline)) inline void resume(int thread) {
    if (_setjmp(block->scheduler)) return;
    block->now = thread;
    thread_index.x = unsigned(thread);
    Fiber &fiber = block->fibers[thread];
    if (fiber.started) _longjmp(fiber.at, 1);
    fiber.started = true;
    setcontext(&fiber.context);
}

inline int count(int first, int threads, State state) {
    int sum = 0;
    for (int t = first; t < first + threads; ++t) sum += block->fibers[t].state == state;
    return sum;
}

// Run the lanes from wait to wait, in turns from the first and from the last.
inline bool run_warp(int first) {
    bool ran = false;
    for (int turn = 0; count(first, LANES, READY) > 0; ++turn) {
        for (int i = 0; i < LANES; ++i) {
            const int t = first + (turn % 2 ? LANES - 1 - i : i);
            if (block->fibers[t].state == READY) resume(t);
        }
        ran = true;
        if (count(first, LANES, AT_WARP) == LANES)
            for (int t = first; t < first + LANES; ++t) block->fibers[t].state = READY;
    }
    return ran;
}

inline void run_block(int threads) {
    for (int t = 0; t < threads; ++t) {
        Fiber &fiber = block->fibers[t];
        fiber.started = false;
        fiber.state = READY;
        fiber.shuffles = 0;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.get();
        fiber.context.uc_stack.ss_size = STACK;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, start, 0);
    }
    // A warp goes as far as it can before the next one starts.
    for (int round = 0;; ++round) {
        bool ran = false;
        for (int w = 0; w < threads; w += LANES)
            ran |= run_warp(round % 2 ? threads - LANES - w : w);
        if (count(0, threads, DONE) == threads) return;
        if (count(0, threads, AT_BLOCK) == threads)
            for (int t = 0; t < threads; ++t) block->fibers[t].state = READY;
        else if (!ran)
            fail("some threads wait for others that do not come");
    }
}

template <typename Body> void launch(unsigned blocks, unsigned threads, const Body &body) {
    if (threads % LANES || threads > MOST) fail("a block must be whole warps of at most 1024");
    std::atomic<unsigned> next{0};
    auto work = [&] {
        Block mine{std::vector<Fiber>(threads),
                   [](const void *b) { (*static_cast<const Body *>(b))(); }, &body};
        block = &mine;
        block_size.x = threads;
        for (unsigned b; (b = next++) < blocks;) {
            block_index.x = b;
            run_block(int(threads));
        }
    };
    std::vector<std::thread> workers;
    for (unsigned w = 0; w < (blocks < 4 ? blocks : 4); ++w) workers.emplace_back(work);
    for (auto &worker : workers) worker.join();
}

template <typename A> A argument(std::uint64_t bits) {
    if constexpr (std::is_pointer_v<A>)
        return reinterpret_cast<A>(bits);
    else
        return A(bits);
}

template <typename... A, std::size_t... I>
void call(void (*kernel)(A...), unsigned blocks, unsigned threads, const std::uint64_t *bits,
          std::index_sequence<I...>) {
    launch(blocks, threads, [=] { kernel(argument<A>(bits[I])...); });
}

// Launch a kernel with as many arguments as it takes; 0 if `count` is another number.
template <typename... A>
int call(void (*kernel)(A...), unsigned blocks, unsigned threads, const std::uint64_t *bits,
         int count) {
    if (count != sizeof...(A)) return 0;
    call(kernel, blocks, threads, bits, std::index_sequence_for<A...>{});
    return 1;
}

} // namespace shim

#define threadIdx shim::thread_index
#define blockIdx shim::block_index
#define blockDim shim::block_size

inline void __syncthreads() { shim::wait(shim::AT_BLOCK); }
inline void __syncwarp() { shim::wait(shim::AT_WARP); }

template <typename T> T __shfl_xor_sync(unsigned, T value, int mask) {
    using namespace shim;
    const int me = block->now;
    const int slot = block->fibers[me].shuffles++ % 2; // a lane is at most one shuffle ahead
    __builtin_memcpy(block->fibers[me].value[slot], &value, sizeof value);
    wait(AT_WARP);
    __builtin_memcpy(&value, block->fibers[me ^ mask].value[slot], sizeof value);
    return value;
}

template <typename T> T atomicAdd(T *to, T value) { return std::atomic_ref<T>(*to).fetch_add(value); }
