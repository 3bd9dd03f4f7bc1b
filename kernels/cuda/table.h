// The CUDA kernels' host functions as a table, so that one program can hold those for the GPU and
// those that the tests run on the processor.
#pragma once

#include "kernels/adamw.h"
#include "kernels/column_sums.h"
#include "kernels/cross_entropy.h"
#include "kernels/dropout.h"
#include "kernels/embedding.h"
#include "kernels/gelu.h"
#include "kernels/layer_norm.h"
#include "kernels/pooling.h"

namespace attune {

template <class T>
struct TypedCudaKernels {
  decltype(&dropout_cuda<T>) dropout;
  decltype(&add_layer_norm_forward_cuda<T>) add_layer_norm_forward;
  decltype(&add_layer_norm_backward_cuda<T>) add_layer_norm_backward;
  decltype(&embedding_forward_cuda<T>) embedding_forward;
  decltype(&embedding_backward_cuda<T>) embedding_backward;
  decltype(&bias_gelu_forward_cuda<T>) bias_gelu_forward;
  decltype(&bias_gelu_backward_cuda<T>) bias_gelu_backward;
  decltype(&add_column_sums_cuda<T>) add_column_sums;
  decltype(&pool_forward_cuda<T>) pool_forward;
  decltype(&pool_backward_cuda<T>) pool_backward;
};

struct CudaKernelTable {
  TypedCudaKernels<float> fp32;
  TypedCudaKernels<BFloat16> bf16;
  decltype(&scatter_add_cuda) scatter_add;
  decltype(&contrastive_cross_entropy_cuda) contrastive_cross_entropy;
  decltype(&log_sum_exp_cuda) log_sum_exp;
  decltype(&symmetric_cross_entropy_cuda) symmetric_cross_entropy;
  decltype(&adamw_cuda) adamw;
  decltype(&gradient_state_cuda) gradient_state;
  const char* (*error_text)(int code);
};

namespace gpu {
extern const CudaKernelTable kTable;  // in builds with CUDA
}
namespace emulated {
extern const CudaKernelTable kTable;  // in the tests' library attune_kernels_emulated
}

}  // namespace attune
