#include "kernels/dropout.h"

#include <cuda_runtime.h>

#include "kernels/cuda/functions.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/packs.h"
#include "kernels/cuda/row_dropout.h"
#include "kernels/cuda/tiles.h"

namespace attune::ATTUNE_CUDA_NAMESPACE {
namespace {

// One block per token, threads over its features: the row key is made once a thread.
template <class T, int kCount>
__global__ void dropout_kernel(const T* x, const std::int64_t* token_uid,
                               const std::int32_t* positions, T* y, std::int64_t width,
                               Dropout dropout) {
  const std::int64_t token = blockIdx.x;
  const RowDropout mask(dropout, token_uid, positions, token);
  for (std::int64_t c = threadIdx.x * kCount; c < width; c += blockDim.x * kCount) {
    float value[kCount];
    load(x + token * width + c, value);
    mask.apply(static_cast<std::uint32_t>(c), value);
    store(y + token * width + c, value);
  }
}

}  // namespace

template <class T>
int dropout(const T* x, const std::int64_t* token_uid, const std::int32_t* positions, T* y,
            std::int64_t tokens, std::int64_t width, const Dropout& mask, void* stream) {
  if (tokens == 0 || width == 0) return cudaSuccess;
  const bool packs = packed(x, width) && packed(y, width);
  return launch(packs ? dropout_kernel<T, kPack> : dropout_kernel<T, 1>, blocks_for(tokens),
                tiles_of(width, packs ? kPack : 1).threads, stream, x, token_uid, positions, y,
                width, mask);
}

#define ATTUNE_INSTANTIATE(T)                                                                \
  template int dropout(const T*, const std::int64_t*, const std::int32_t*, T*, std::int64_t, \
                       std::int64_t, const Dropout&, void*)
ATTUNE_INSTANTIATE(float);
ATTUNE_INSTANTIATE(BFloat16);
#undef ATTUNE_INSTANTIATE

}  // namespace attune::ATTUNE_CUDA_NAMESPACE
