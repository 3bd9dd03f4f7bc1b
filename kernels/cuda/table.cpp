#include "kernels/cuda/table.h"

#include "kernels/cuda/functions.h"

namespace attune::ATTUNE_CUDA_NAMESPACE {
namespace {

template <class T>
constexpr TypedCudaKernels<T> typed() {
  return {dropout<T>,
          add_layer_norm_forward<T>,
          add_layer_norm_backward<T>,
          embedding_forward<T>,
          embedding_backward<T>,
          bias_gelu_forward<T>,
          bias_gelu_backward<T>,
          add_column_sums<T>,
          pool_forward<T>,
          pool_backward<T>};
}

}  // namespace

const CudaKernelTable kTable = {
    typed<float>(), typed<BFloat16>(),       scatter_add, contrastive_cross_entropy,
    log_sum_exp,    symmetric_cross_entropy, adamw,       gradient_state,
    error_text};

}  // namespace attune::ATTUNE_CUDA_NAMESPACE
