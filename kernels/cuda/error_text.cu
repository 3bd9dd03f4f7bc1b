#include <cuda_runtime.h>

#include "kernels/cuda/functions.h"

namespace attune::ATTUNE_CUDA_NAMESPACE {

const char* error_text(int code) { return cudaGetErrorString(static_cast<cudaError_t>(code)); }

}  // namespace attune::ATTUNE_CUDA_NAMESPACE
