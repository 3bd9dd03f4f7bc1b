// The functions that are compiled once per instruction set (ATTUNE_ISA) and chosen at run time.
#pragma once

#include "kernels/adamw.h"
#include "kernels/attention.h"
#include "kernels/cross_entropy.h"
#include "kernels/dot.h"
#include "kernels/dropout.h"
#include "kernels/gelu.h"
#include "kernels/glu.h"
#include "kernels/layer_norm.h"
#include "kernels/quantize.h"
#include "kernels/rms_norm.h"
#include "kernels/rotary.h"

namespace attune {

template <class T>
struct TypedKernels {
  decltype(&attention_forward_cpu<T>) attention_forward;
  decltype(&attention_backward_cpu<T>) attention_backward;
  decltype(&add_layer_norm_forward_cpu<T>) add_layer_norm_forward;
  decltype(&add_layer_norm_backward_cpu<T>) add_layer_norm_backward;
  decltype(&gelu_cpu<T>) gelu;
  decltype(&quantize_rows_cpu<T>) quantize_rows;
  decltype(&rescale_rows_cpu<T>) rescale_rows;
  decltype(&rotate_cpu<T>) rotate;
  decltype(&rms_norm_forward_cpu<T>) rms_norm_forward;
  decltype(&rms_norm_backward_cpu<T>) rms_norm_backward;
  decltype(&glu_forward_cpu<T>) glu_forward;
  decltype(&glu_backward_cpu<T>) glu_backward;
};

struct KernelTable {
  const char* name;
  TypedKernels<float> fp32;
  TypedKernels<BFloat16> bf16;
  decltype(&dropout_cpu) dropout;
  decltype(&adamw_cpu) adamw;
  decltype(&sum_of_squares_cpu) sum_of_squares;
  decltype(&cross_entropy_cpu) cross_entropy;
  decltype(&dot_cpu) dot;
};

namespace portable {
extern const KernelTable kTable;
}
namespace avx2 {
extern const KernelTable kTable;
}
namespace avx512 {
extern const KernelTable kTable;
}

}  // namespace attune
