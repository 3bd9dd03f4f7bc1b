#include "kernels/column_sums.h"

#include <cuda_runtime.h>

#include "kernels/cuda/functions.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/packs.h"
#include "kernels/cuda/parts.h"
#include "kernels/cuda/reduce.h"
#include "kernels/cuda/tiles.h"

namespace attune::ATTUNE_CUDA_NAMESPACE {
namespace {

// A thread sums one pack of columns over one part of the rows.
template <class T, int kCount>
__global__ void part_sums_kernel(const T* x, float* partial, std::int64_t rows,
                                 std::int64_t columns, std::int64_t rows_per_part) {
  const std::int64_t column =
      (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * kCount;
  if (column >= columns) return;
  const std::int64_t begin = blockIdx.y * rows_per_part,
                     end = begin + rows_per_part < rows ? begin + rows_per_part : rows;
  float sum[kCount] = {};
#pragma unroll 4
  for (std::int64_t row = begin; row < end; ++row) load_add(x + row * columns + column, sum);
  store(partial + blockIdx.y * columns + column, sum);
}

constexpr int kPartWarps = 16;

// One lane per column; the warps take parts in turn, and warp 0 adds their sums in order.
__global__ void __launch_bounds__(kPartWarps* kWarp)
    add_parts_kernel(const float* partial, std::int64_t parts, std::int64_t stride,
                     std::int64_t columns, float* first, float* second) {
  __shared__ float sums[kPartWarps][kWarp];
  const std::int64_t all = second ? 2 * columns : columns;
  const int warp = static_cast<int>(threadIdx.x) / kWarp,
            lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kWarp + lane;
  float sum = 0;
  if (column < all) {
#pragma unroll 4
    for (std::int64_t part = warp; part < parts; part += kPartWarps)
      sum += partial[part * stride + column];
  }
  sums[warp][lane] = sum;
  __syncthreads();
  if (warp != 0 || column >= all) return;
  float total = 0;
#pragma unroll
  for (int w = 0; w < kPartWarps; ++w) total += sums[w][lane];
  float* target = column < columns ? first + column : second + (column - columns);
  *target += total;
}

}  // namespace

int add_parts(const float* partial, std::int64_t parts, std::int64_t stride, std::int64_t columns,
              float* first, float* second, void* stream) {
  const std::int64_t all = second ? 2 * columns : columns;
  return launch(add_parts_kernel, blocks_for(divide_up<std::int64_t>(all, kWarp)),
                kPartWarps * kWarp, stream, partial, parts, stride, columns, first, second);
}

template <class T>
int add_column_sums(const T* x, float* sums, float* workspace, std::int64_t rows,
                    std::int64_t columns, void* stream) {
  if (rows == 0 || columns == 0) return cudaSuccess;
  const bool packs = packed(x, columns) && packed(workspace, columns);
  const Tiles tiles = tiles_of(columns, packs ? kPack : 1);
  const dim3 grid(tiles.count, static_cast<unsigned>(parts_of(rows)));
  const int error = launch(packs ? part_sums_kernel<T, kPack> : part_sums_kernel<T, 1>, grid,
                           tiles.threads, stream, x, workspace, rows, columns, rows_per_part(rows));
  return error ? error
               : add_parts(workspace, parts_of(rows), columns, columns, sums, nullptr, stream);
}

template int add_column_sums(const float*, float*, float*, std::int64_t, std::int64_t, void*);
template int add_column_sums(const BFloat16*, float*, float*, std::int64_t, std::int64_t, void*);

}  // namespace attune::ATTUNE_CUDA_NAMESPACE
