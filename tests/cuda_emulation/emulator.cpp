#include "tests/cuda_emulation/emulator.h"

#include <algorithm>
#include <mutex>
#include <new>
#include <numeric>
#include <random>
#include <vector>

#include <sys/mman.h>

#include "tests/cuda_emulation/cuda_runtime.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

const char* cudaGetErrorString(cudaError_t error) {
  if (error == cudaErrorLaunchFailure) return attune::cuda_emulation::failure().c_str();
  return error == cudaSuccess ? "no error" : "invalid argument or configuration";
}

#ifndef __x86_64__
#error "the switch between fibers is written for x86-64, as the CPU kernels are"
#endif
// Saves the registers that a call must keep on the running stack, and goes on with another one.
extern "C" void attune_switch_stack(void** save, void* load);
asm(R"(
.text
.type attune_switch_stack, @function
attune_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size attune_switch_stack, . - attune_switch_stack
)");

// Of the section that holds all __shared__ arrays; weak: there may be none.
extern "C" __attribute__((weak)) char __start_attune_shared[];
extern "C" __attribute__((weak)) char __stop_attune_shared[];

namespace attune::cuda_emulation {
namespace {

constexpr std::size_t kStack = 64 << 10;
constexpr int kWarp = 32, kMaxThreads = 1024;

struct Fiber {
  enum State { kReady, kAtBlockBarrier, kAtWarpBarrier, kEnded };
  State state = kReady;
  int line = 0;            // where it waits
  unsigned mask = 0;       // for whom
  unsigned exchanges = 0;  // counts them: two in a row use different slots
  void* stack_pointer = nullptr;
  char* stack = nullptr;
  void* fake_stack = nullptr;  // AddressSanitizer's
};

struct Emulator {
  std::mutex in_use;
  ThreadOrder order = ThreadOrder::kForward;
  std::string failure;
  std::vector<Fiber> fibers;  // of the block; their stacks are kept for the next one
  std::vector<std::uint64_t> slots[2];
  int threads = 0, current = 0;
  void (*call)(void*) = nullptr;
  void* arguments = nullptr;
  std::minstd_rand random;

  void* scheduler = nullptr;  // its stack pointer while a fiber runs, and its stack's bounds
  void* scheduler_fake_stack = nullptr;
  const void* scheduler_stack = nullptr;
  std::size_t scheduler_size = 0;
} emulator;

void to_scheduler(Fiber& fiber) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(fiber.state == Fiber::kEnded ? nullptr : &fiber.fake_stack,
                                 emulator.scheduler_stack, emulator.scheduler_size);
#endif
  attune_switch_stack(&fiber.stack_pointer, emulator.scheduler);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fiber.fake_stack, &emulator.scheduler_stack,
                                  &emulator.scheduler_size);
#endif
}

void to_fiber(Fiber& fiber) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&emulator.scheduler_fake_stack, fiber.stack, kStack);
#endif
  attune_switch_stack(&emulator.scheduler, fiber.stack_pointer);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(emulator.scheduler_fake_stack, nullptr, nullptr);
#endif
}

[[noreturn]] void fiber_main() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &emulator.scheduler_stack, &emulator.scheduler_size);
#endif
  emulator.call(emulator.arguments);
  Fiber& fiber = emulator.fibers[emulator.current];
  fiber.state = Fiber::kEnded;
  to_scheduler(fiber);
  __builtin_unreachable();
}

void wait(Fiber::State state, unsigned mask, int line) {
  Fiber& fiber = emulator.fibers[emulator.current];
  fiber.state = state;
  fiber.mask = mask;
  fiber.line = line;
  to_scheduler(fiber);
}

void prepare(Fiber& fiber) {
  if (!fiber.stack) {
    void* memory = mmap(nullptr, kStack, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    fiber.stack = static_cast<char*>(memory);
  }
#ifdef __SANITIZE_ADDRESS__  // what a fiber that never ended has left
  if (fiber.state != Fiber::kEnded) __asan_unpoison_memory_region(fiber.stack, kStack);
#endif
  // As attune_switch_stack leaves it: six registers, the place to go on, and that one's caller.
  void** top = reinterpret_cast<void**>(fiber.stack + kStack);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(&fiber_main);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  fiber.stack_pointer = top;
  fiber.state = Fiber::kReady;
  fiber.exchanges = 0;
  fiber.fake_stack = nullptr;
}

template <class Index>
void put_in_order(std::vector<Index>& items) {
  if (emulator.order == ThreadOrder::kReverse) std::reverse(items.begin(), items.end());
  if (emulator.order == ThreadOrder::kShuffled)
    std::shuffle(items.begin(), items.end(), emulator.random);
}

std::string place() {
  return "block (" + std::to_string(blockIdx.x) + ", " + std::to_string(blockIdx.y) + ", " +
         std::to_string(blockIdx.z) + "): ";
}

// Lets all threads of [begin, end) in `mask` go on if they wait for each other: true. False if some
// have not come; what is wrong for good goes to emulator.failure.
bool release(int begin, int end, unsigned mask, Fiber::State state) {
  int waiting = 0, named = 0, line = 0;
  unsigned exchanges = 0;
  for (int t = begin; t < end; ++t) {
    if (state == Fiber::kAtWarpBarrier && !(mask >> (t - begin) & 1u)) continue;
    ++named;
    const Fiber& fiber = emulator.fibers[t];
    if (fiber.state != state) continue;
    if (waiting++ == 0) {
      line = fiber.line;
      exchanges = fiber.exchanges;
    }
    if (fiber.line != line ||
        (state == Fiber::kAtWarpBarrier && (fiber.mask != mask || fiber.exchanges != exchanges)))
      emulator.failure = place() + "threads wait at different places for each other: lines " +
                         std::to_string(line) + " and " + std::to_string(fiber.line);
  }
  if (!emulator.failure.empty() || waiting == 0) return false;
  const int expected = state == Fiber::kAtWarpBarrier ? __builtin_popcount(mask) : named;
  if (waiting < expected) return false;
  for (int t = begin; t < end; ++t)
    if (emulator.fibers[t].state == state &&
        (state == Fiber::kAtBlockBarrier || (mask >> (t - begin) & 1u)))
      emulator.fibers[t].state = Fiber::kReady;
  return true;
}

bool release_some() {
  bool released = false;
  for (int warp = 0; warp < emulator.threads; warp += kWarp) {
    const int end = std::min(warp + kWarp, emulator.threads);
    for (int t = warp; t < end; ++t)
      if (emulator.fibers[t].state == Fiber::kAtWarpBarrier)
        released |= release(warp, end, emulator.fibers[t].mask, Fiber::kAtWarpBarrier);
  }
  return released || release(0, emulator.threads, 0, Fiber::kAtBlockBarrier);
}

// Nobody can run and not all have ended.
void report_waiting() {
  int ended = 0, waiting = 0, line = 0;
  for (int t = 0; t < emulator.threads; ++t) {
    ended += emulator.fibers[t].state == Fiber::kEnded;
    if (emulator.fibers[t].state == Fiber::kEnded) continue;
    if (waiting++ == 0) line = emulator.fibers[t].line;
  }
  emulator.failure = place() + std::to_string(waiting) + " threads wait at line " +
                     std::to_string(line) + " or later for threads that never come there; " +
                     std::to_string(ended) + " of " + std::to_string(emulator.threads) +
                     " have ended";
}

__attribute__((no_sanitize("address"))) void spoil_shared_memory() {
  for (volatile char* p = __start_attune_shared; p < __stop_attune_shared; ++p) *p = '\xff';
}

void run_block() {
  spoil_shared_memory();
  for (int t = 0; t < emulator.threads; ++t) prepare(emulator.fibers[t]);
  std::vector<int> ready(emulator.threads);
  for (;;) {
    ready.clear();
    for (int t = 0; t < emulator.threads; ++t)
      if (emulator.fibers[t].state == Fiber::kReady) ready.push_back(t);
    put_in_order(ready);
    for (int t : ready) {
      emulator.current = t;
      const unsigned x = blockDim.x, y = blockDim.y, i = static_cast<unsigned>(t);
      threadIdx = {i % x, i / x % y, i / x / y};
      to_fiber(emulator.fibers[t]);
    }
    if (std::all_of(emulator.fibers.begin(), emulator.fibers.begin() + emulator.threads,
                    [](const Fiber& f) { return f.state == Fiber::kEnded; }))
      return;
    const bool released = release_some();
    if (!emulator.failure.empty()) return;
    if (!released) return report_waiting();
  }
}

bool fits(const cudaLaunchConfig_t& config) {
  const dim3 &g = config.gridDim, &b = config.blockDim;
  const auto threads = static_cast<std::uint64_t>(b.x) * b.y * b.z;
  return threads >= 1 && threads <= kMaxThreads && b.z <= 64 && g.x >= 1 && g.x <= 0x7fffffffu &&
         g.y >= 1 && g.y <= 65535 && g.z >= 1 && g.z <= 65535 && config.dynamicSmemBytes == 0;
}

}  // namespace

void set_thread_order(ThreadOrder order) { emulator.order = order; }
const std::string& failure() { return emulator.failure; }

void wait_for_block(int line) { wait(Fiber::kAtBlockBarrier, 0, line); }
void wait_for_warp(unsigned mask, int line) { wait(Fiber::kAtWarpBarrier, mask, line); }

std::uint64_t exchange(unsigned mask, std::uint64_t bits, int source, int line) {
  const int thread = emulator.current;
  std::vector<std::uint64_t>& slots = emulator.slots[emulator.fibers[thread].exchanges++ % 2];
  slots[thread] = bits;
  wait(Fiber::kAtWarpBarrier, mask, line);
  return slots[thread / kWarp * kWarp + source];
}

cudaError_t launch(const cudaLaunchConfig_t& config, void (*call)(void*), void* arguments) {
  const std::lock_guard lock(emulator.in_use);
  emulator.failure.clear();
  if (!fits(config)) return cudaErrorInvalidConfiguration;
  gridDim = config.gridDim;
  blockDim = config.blockDim;
  emulator.threads = static_cast<int>(blockDim.x * blockDim.y * blockDim.z);
  emulator.call = call;
  emulator.arguments = arguments;
  emulator.random.seed(1);
  emulator.fibers.resize(std::max<std::size_t>(emulator.fibers.size(), emulator.threads));
  for (auto& slots : emulator.slots) slots.resize(kMaxThreads);

  std::vector<std::uint64_t> blocks(static_cast<std::uint64_t>(gridDim.x) * gridDim.y * gridDim.z);
  std::iota(blocks.begin(), blocks.end(), 0);
  put_in_order(blocks);
  for (const std::uint64_t b : blocks) {
    blockIdx = {static_cast<unsigned>(b % gridDim.x),
                static_cast<unsigned>(b / gridDim.x % gridDim.y),
                static_cast<unsigned>(b / gridDim.x / gridDim.y)};
    run_block();
    if (!emulator.failure.empty()) return cudaErrorLaunchFailure;
  }
  return cudaSuccess;
}

}  // namespace attune::cuda_emulation
