// That the stand-in for a GPU runs kernels rightly, and finds what it promises to find.
#include <cmath>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/cuda_emulation/cuda_runtime.h"
#include "tests/cuda_emulation/emulator.h"

namespace attune {
namespace {

using cuda_emulation::ThreadOrder;

template <class... Parameters, class... Arguments>
cudaError_t start(void (*kernel)(Parameters...), dim3 grid, dim3 block, Arguments... arguments) {
  cudaLaunchConfig_t config;
  config.gridDim = grid;
  config.blockDim = block;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

class Emulation : public testing::Test {
 protected:
  void TearDown() override { cuda_emulation::set_thread_order(ThreadOrder::kForward); }
};

// Runs in all orders of threads and blocks; what they give.
template <class Run>
std::vector<std::vector<float>> in_every_order(const Run& run) {
  std::vector<std::vector<float>> results;
  for (const ThreadOrder order :
       {ThreadOrder::kForward, ThreadOrder::kReverse, ThreadOrder::kShuffled}) {
    cuda_emulation::set_thread_order(order);
    results.push_back(run());
  }
  return results;
}

__global__ void write_index(float* out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] =
      static_cast<float>(thread + 1000 * block);
}

using EmulationRuns = Emulation;

TEST_F(EmulationRuns, EveryThreadOfEveryBlockOnce) {
  const std::vector<float> expected = [] {
    std::vector<float> v;
    for (int block = 0; block < 2 * 3 * 2; ++block)
      for (int thread = 0; thread < 4 * 2 * 3; ++thread)
        v.push_back(static_cast<float>(thread + 1000 * block));
    return v;
  }();
  for (const std::vector<float>& result : in_every_order([] {
         std::vector<float> out(2 * 3 * 2 * 4 * 2 * 3);
         EXPECT_EQ(start(write_index, dim3(2, 3, 2), dim3(4, 2, 3), out.data()), cudaSuccess);
         return out;
       }))
    EXPECT_EQ(result, expected);
}

TEST_F(EmulationRuns, RefuseGridsAndBlocksThatNoGpuTakes) {
  float out[1];
  for (const auto& [grid, block] : {std::pair{dim3(0), dim3(32)},
                                    {dim3(1), dim3(0)},
                                    {dim3(1), dim3(1025)},
                                    {dim3(1, 65536), dim3(1)},
                                    {dim3(1), dim3(1, 1, 65)}})
    EXPECT_EQ(start(write_index, grid, block, out), cudaErrorInvalidConfiguration);
}

// The sum of 0 ... blockDim.x - 1 through shared memory and through exchanges.
__global__ void sum_both_ways(float* out) {
  __shared__ float values[256];
  values[threadIdx.x] = static_cast<float>(threadIdx.x);
  float sum = values[threadIdx.x];
  for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(~0u, sum, offset);
  __shared__ float of_warp[8];
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = sum;
  __syncthreads();
  float plain = 0, total = 0;
  for (unsigned i = 0; i < blockDim.x; ++i) plain += values[i];
  for (unsigned i = 0; i < blockDim.x / 32; ++i) total += of_warp[i];
  out[2 * threadIdx.x] = plain;
  out[2 * threadIdx.x + 1] = total;
}

TEST_F(EmulationRuns, BarriersAndExchangesGiveWhatOtherThreadsWrote) {
  for (const std::vector<float>& result : in_every_order([] {
         std::vector<float> out(512);
         EXPECT_EQ(start(sum_both_ways, dim3(3), dim3(256), out.data()), cudaSuccess)
             << cuda_emulation::failure();
         return out;
       }))
    EXPECT_EQ(result, std::vector<float>(512, 255 * 256 / 2));
}

using EmulationFinds = Emulation;

__global__ void rotate_without_barrier(const float* in, float* out) {
  __shared__ float values[64];
  values[threadIdx.x] = in[threadIdx.x];
  out[threadIdx.x] = values[(threadIdx.x + 1) % blockDim.x];
}

TEST_F(EmulationFinds, AMissingBarrierByTheOrder) {
  std::vector<float> in(64);
  for (int i = 0; i < 64; ++i) in[i] = static_cast<float>(i);
  const auto results = in_every_order([&] {
    std::vector<float> out(64);
    EXPECT_EQ(start(rotate_without_barrier, dim3(1), dim3(64), in.data(), out.data()), cudaSuccess);
    return out;
  });
  EXPECT_NE(results[0], results[1]);
  EXPECT_NE(results[0], results[2]);
}

__global__ void sum_blocks_without_order(float* total) {
  *total = *total * 2 + static_cast<float>(blockIdx.x);
}

TEST_F(EmulationFinds, ADependenceBetweenBlocksByTheOrder) {
  const auto results = in_every_order([] {
    std::vector<float> total(1);
    EXPECT_EQ(start(sum_blocks_without_order, dim3(5), dim3(1), total.data()), cudaSuccess);
    return total;
  });
  EXPECT_NE(results[0], results[1]);
}

__global__ void read_shared_before_writing(float* out) {
  __shared__ float value;
  if (threadIdx.x == 0) *out = value;
  value = 1;
}

TEST_F(EmulationFinds, SharedMemoryThatNobodyHasWritten) {
  float out = 0;
  for (int run = 0; run < 2; ++run) {  // also where the last block has
    ASSERT_EQ(start(read_shared_before_writing, dim3(2), dim3(1), &out), cudaSuccess);
    EXPECT_TRUE(std::isnan(out));
  }
}

__global__ void barrier_for_some(int some) {
  if (static_cast<int>(threadIdx.x) < some) __syncthreads();
}

__global__ void two_barriers() {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();
}

TEST_F(EmulationFinds, BarriersThatNotAllReach) {
  for (const ThreadOrder order :
       {ThreadOrder::kForward, ThreadOrder::kReverse, ThreadOrder::kShuffled}) {
    cuda_emulation::set_thread_order(order);
    EXPECT_EQ(start(barrier_for_some, dim3(2), dim3(64), 40), cudaErrorLaunchFailure);
    EXPECT_NE(cuda_emulation::failure().find("40 threads wait"), std::string::npos)
        << cuda_emulation::failure();
    EXPECT_EQ(start(two_barriers, dim3(1), dim3(64)), cudaErrorLaunchFailure);
    EXPECT_NE(cuda_emulation::failure().find("different places"), std::string::npos)
        << cuda_emulation::failure();
    // Nothing of it is left behind.
    EXPECT_EQ(start(barrier_for_some, dim3(2), dim3(64), 64), cudaSuccess);
    EXPECT_EQ(cuda_emulation::failure(), "");
  }
}

__global__ void exchange_for_some(unsigned some, float* out) {
  if (threadIdx.x < some) out[threadIdx.x] = __shfl_xor_sync(~0u, 1.f, 1);
}

TEST_F(EmulationFinds, ExchangesThatNotAllLanesReach) {
  std::vector<float> out(64);
  EXPECT_EQ(start(exchange_for_some, dim3(1), dim3(64), 64u, out.data()), cudaSuccess);
  EXPECT_EQ(start(exchange_for_some, dim3(1), dim3(64), 40u, out.data()), cudaErrorLaunchFailure);
  EXPECT_NE(cuda_emulation::failure().find("8 threads wait"), std::string::npos)
      << cuda_emulation::failure();
  // A last warp that is not whole.
  EXPECT_EQ(start(exchange_for_some, dim3(1), dim3(40), 40u, out.data()), cudaErrorLaunchFailure);
}

#ifdef __SANITIZE_ADDRESS__
__global__ void write_beyond(float* out, unsigned at) {
  __shared__ float values[16];
  values[at] = 1;
  __syncthreads();
  *out = values[0];
}

TEST(EmulationFindsDeathTest, WritesBeyondSharedAndGlobalMemory) {
  std::vector<float> out(1);
  EXPECT_DEATH(start(write_beyond, dim3(1), dim3(1), out.data(), 16u),
               "global-buffer-overflow|index 16");
  EXPECT_DEATH(start(write_index, dim3(1), dim3(2), out.data()), "heap-buffer-overflow");
}
#endif

}  // namespace
}  // namespace attune
