// The same test on the processor, where the CUDA kernels run in tests/cuda_emulation, and on a GPU.
//
//   CudaTest: TEST_P bodies are instantiated twice, as Emulated/... (several orders of the threads)
//   and as Cuda/..., which skip themselves, visibly, where there is no GPU or no CUDA.
// The suites' own names must not hold "Cuda": by it ctest tells what needs a GPU.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#ifdef ATTUNE_WITH_CUDA_KERNELS
#include <cuda_runtime_api.h>
#endif
#include <gtest/gtest.h>

#include "kernels/cuda/table.h"
#include "kernels/cuda_kernels.h"
#include "tests/cuda_emulation/emulator.h"

namespace attune {

enum class CudaPlace : std::uint8_t { kForward, kReverse, kShuffled, kGpu };

// Memory of the place a test runs at.
inline void* allocate_at(CudaPlace place, std::size_t bytes) {
  void* memory = nullptr;
#ifdef ATTUNE_WITH_CUDA_KERNELS
  if (place == CudaPlace::kGpu) {
    if (cudaMalloc(&memory, bytes) != cudaSuccess) throw std::bad_alloc();
    return memory;
  }
#endif
  (void)place;
  memory = std::malloc(bytes);
  if (!memory && bytes > 0) throw std::bad_alloc();
  return memory;
}

inline void free_at(CudaPlace place, void* memory) {
#ifdef ATTUNE_WITH_CUDA_KERNELS
  if (place == CudaPlace::kGpu) {
    cudaFree(memory);
    return;
  }
#endif
  (void)place;
  std::free(memory);
}

// Waits for what was started before; an error of a kernel is thrown here.
inline void copy_at(CudaPlace place, void* to, const void* from, std::size_t bytes, bool to_host) {
#ifdef ATTUNE_WITH_CUDA_KERNELS
  if (place == CudaPlace::kGpu) {
    const cudaError_t code =
        cudaMemcpy(to, from, bytes, to_host ? cudaMemcpyDeviceToHost : cudaMemcpyHostToDevice);
    if (code != cudaSuccess) throw std::runtime_error(cudaGetErrorString(code));
    return;
  }
#endif
  (void)place;
  (void)to_host;
  std::memcpy(to, from, bytes);
}

// Why the place cannot be used; empty where it can.
inline std::string why_not(CudaPlace place) {
  if (place != CudaPlace::kGpu) return {};
#ifdef ATTUNE_WITH_CUDA_KERNELS
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess && count > 0) return {};
  return "no GPU here";
#else
  return "this build has no CUDA";
#endif
}

class CudaTest : public testing::TestWithParam<CudaPlace> {
 protected:
  void SetUp() override {
    const std::string reason = why_not(GetParam());
    if (!reason.empty()) GTEST_SKIP() << reason;
    using cuda_emulation::ThreadOrder;
    if (GetParam() != CudaPlace::kGpu)
      cuda_emulation::set_thread_order(GetParam() == CudaPlace::kForward ? ThreadOrder::kForward
                                       : GetParam() == CudaPlace::kReverse
                                           ? ThreadOrder::kReverse
                                           : ThreadOrder::kShuffled);
    set_cuda_kernels(GetParam() == CudaPlace::kGpu ? gpu_cuda_kernels() : &emulated::kTable);
  }
  void TearDown() override { set_cuda_kernels(gpu_cuda_kernels()); }

  // A copy of `values` at the place, as long as the test runs. Exactly as long as it must be, so
  // that AddressSanitizer and compute-sanitizer see what goes beyond.
  template <class T>
  T* device(const std::vector<T>& values) {
    const CudaPlace place = GetParam();
    const std::size_t bytes = values.size() * sizeof(T);
    std::shared_ptr<void> memory(allocate_at(place, bytes),
                                 [place](void* p) { free_at(place, p); });
    if (bytes > 0) copy_at(place, memory.get(), values.data(), bytes, /*to_host=*/false);
    memory_.push_back(memory);
    return static_cast<T*>(memory.get());
  }
  // Space for `count` values that no test can mistake for a result.
  template <class T>
  T* space(std::int64_t count) {
    std::vector<T> spoiled(count);
    if (count > 0) std::memset(static_cast<void*>(spoiled.data()), 0xff, count * sizeof(T));
    return device(spoiled);
  }
  template <class T>
  std::vector<T> host(const T* values, std::int64_t count) {
    std::vector<T> copy(count);
    if (count > 0) copy_at(GetParam(), copy.data(), values, count * sizeof(T), /*to_host=*/true);
    return copy;
  }

 private:
  std::vector<std::shared_ptr<void>> memory_;
};

#define ATTUNE_EXPECT_CUDA(call)                                  \
  do {                                                            \
    const int code = (call);                                      \
    ASSERT_EQ(code, 0) << #call << ": " << cuda_error_text(code); \
  } while (false)

inline std::string cuda_place_name(const testing::TestParamInfo<CudaPlace>& info) {
  static const char* const kNames[] = {"Forward", "Reverse", "Shuffled", "Gpu"};
  return kNames[static_cast<int>(info.param)];
}

#define ATTUNE_INSTANTIATE_CUDA_TESTS(suite)                                           \
  INSTANTIATE_TEST_SUITE_P(                                                            \
      Emulated, suite,                                                                 \
      testing::Values(CudaPlace::kForward, CudaPlace::kReverse, CudaPlace::kShuffled), \
      cuda_place_name);                                                                \
  INSTANTIATE_TEST_SUITE_P(Cuda, suite, testing::Values(CudaPlace::kGpu), cuda_place_name)

}  // namespace attune
