// The functions named _cuda, in every build: where they lead to.
//
// A build with CUDA has the kernels for the GPU. The tests also have them compiled for the
// processor (tests/cuda_emulation), where "device pointers" are the host's and streams are ignored;
// with set_cuda_kernels(&emulated::kTable) the functions lead there. Without either they
// return kNoCudaKernels.
#pragma once

namespace attune {

struct CudaKernelTable;  // kernels/cuda/table.h

inline constexpr int kNoCudaKernels = 801;  // cudaErrorNotSupported

// Those of the GPU; null in a build without CUDA.
const CudaKernelTable* gpu_cuda_kernels();

// The table in use; the GPU's until another is set. Not to be changed while kernels are launched.
const CudaKernelTable* cuda_kernels();
void set_cuda_kernels(const CudaKernelTable* table);

// What to call an error code; the GPU's own words where there is CUDA.
const char* cuda_error_text(int code);

}  // namespace attune
