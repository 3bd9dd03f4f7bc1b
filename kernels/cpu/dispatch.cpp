#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "kernels/cpu/isa.h"

namespace attune {
namespace {

bool supported(const KernelTable& table) {
  if (&table == &avx512::kTable)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (&table == &avx2::kTable)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return true;
}

const KernelTable* best() {
  for (const KernelTable* table : {&avx512::kTable, &avx2::kTable})
    if (supported(*table)) return table;
  return &portable::kTable;
}

const KernelTable*& active() {
  static const KernelTable* table = best();
  return table;
}

}  // namespace

const char* kernel_isa() { return active()->name; }

void set_kernel_isa(const char* name) {
  for (const KernelTable* table : {&portable::kTable, &avx2::kTable, &avx512::kTable})
    if (std::strcmp(table->name, name) == 0 && supported(*table)) {
      active() = table;
      return;
    }
  throw std::invalid_argument(std::string("instruction set '") + name + "' is not available here");
}

void AttentionWorkspace::Free::operator()(float* p) const { std::free(p); }

float* AttentionWorkspace::floats(std::int64_t count) {
  if (count > capacity_) {
    memory_.reset();
    capacity_ = 0;  // aligned_alloc may fail below, and this workspace be used again
    const std::size_t bytes = (static_cast<std::size_t>(count) * sizeof(float) + 63) / 64 * 64;
    memory_.reset(static_cast<float*>(std::aligned_alloc(64, bytes)));
    if (!memory_) throw std::bad_alloc();
    capacity_ = count;
  }
  return memory_.get();
}

namespace {

template <class T>
const TypedKernels<T>& typed() {
  if constexpr (std::is_same_v<T, float>)
    return active()->fp32;
  else
    return active()->bf16;
}

}  // namespace

template <class T>
void attention_forward_cpu(const AttentionProblem<T>& problem, std::int64_t item, T* out,
                           float* lse, AttentionWorkspace& workspace) {
  typed<T>().attention_forward(problem, item, out, lse, workspace);
}

template <class T>
void attention_backward_cpu(const AttentionProblem<T>& problem, std::int64_t item, const T* out,
                            const float* lse, const T* grad_out, T* grad_qkv, float* grad_bias,
                            AttentionWorkspace& workspace) {
  typed<T>().attention_backward(problem, item, out, lse, grad_out, grad_qkv, grad_bias, workspace);
}

template <class T>
void add_layer_norm_forward_cpu(const AddLayerNorm& norm, const AddLayerNormForward<T>& data,
                                std::int64_t begin, std::int64_t end) {
  typed<T>().add_layer_norm_forward(norm, data, begin, end);
}

template <class T>
void add_layer_norm_backward_cpu(const AddLayerNorm& norm, const AddLayerNormBackward<T>& data,
                                 std::int64_t begin, std::int64_t end) {
  typed<T>().add_layer_norm_backward(norm, data, begin, end);
}

template <class T>
void gelu_cpu(const T* x, T* y, T* derivative, std::int64_t begin, std::int64_t end) {
  typed<T>().gelu(x, y, derivative, begin, end);
}

template <class T>
void quantize_rows_cpu(const T* x, std::int64_t width, std::uint8_t* q, float* scales,
                       std::int64_t begin, std::int64_t end) {
  typed<T>().quantize_rows(x, width, q, scales, begin, end);
}

template <class T>
void rescale_rows_cpu(T* y, std::int64_t width, const float* scales, const float* bias,
                      std::int64_t begin, std::int64_t end) {
  typed<T>().rescale_rows(y, width, scales, bias, begin, end);
}

template <class T>
void rotate_cpu(const Rotation& rotation, const T* x, T* y, std::int64_t begin, std::int64_t end) {
  typed<T>().rotate(rotation, x, y, begin, end);
}

template <class T>
void rms_norm_forward_cpu(const RmsNorm& norm, const T* x, T* y, std::int64_t begin,
                          std::int64_t end) {
  typed<T>().rms_norm_forward(norm, x, y, begin, end);
}

template <class T>
void rms_norm_backward_cpu(const RmsNorm& norm, const T* x, const T* grad_y, T* grad_x,
                           float* grad_weight, std::int64_t begin, std::int64_t end) {
  typed<T>().rms_norm_backward(norm, x, grad_y, grad_x, grad_weight, begin, end);
}

template <class T>
void glu_forward_cpu(const Glu& glu, const T* z, T* y, std::int64_t begin, std::int64_t end) {
  typed<T>().glu_forward(glu, z, y, begin, end);
}

template <class T>
void glu_backward_cpu(const Glu& glu, const T* z, const T* grad_y, T* grad_z, std::int64_t begin,
                      std::int64_t end) {
  typed<T>().glu_backward(glu, z, grad_y, grad_z, begin, end);
}

#define ATTUNE_INSTANTIATE(T)                                                                     \
  template void attention_forward_cpu(const AttentionProblem<T>&, std::int64_t, T*, float*,       \
                                      AttentionWorkspace&);                                       \
  template void attention_backward_cpu(const AttentionProblem<T>&, std::int64_t, const T*,        \
                                       const float*, const T*, T*, float*, AttentionWorkspace&);  \
  template void add_layer_norm_forward_cpu(const AddLayerNorm&, const AddLayerNormForward<T>&,    \
                                           std::int64_t, std::int64_t);                           \
  template void add_layer_norm_backward_cpu(const AddLayerNorm&, const AddLayerNormBackward<T>&,  \
                                            std::int64_t, std::int64_t);                          \
  template void gelu_cpu(const T*, T*, T*, std::int64_t, std::int64_t);                           \
  template void quantize_rows_cpu(const T*, std::int64_t, std::uint8_t*, float*, std::int64_t,    \
                                  std::int64_t);                                                  \
  template void rotate_cpu(const Rotation&, const T*, T*, std::int64_t, std::int64_t);            \
  template void rms_norm_forward_cpu(const RmsNorm&, const T*, T*, std::int64_t, std::int64_t);   \
  template void rms_norm_backward_cpu(const RmsNorm&, const T*, const T*, T*, float*,             \
                                      std::int64_t, std::int64_t);                                \
  template void glu_forward_cpu(const Glu&, const T*, T*, std::int64_t, std::int64_t);            \
  template void glu_backward_cpu(const Glu&, const T*, const T*, T*, std::int64_t, std::int64_t); \
  template void rescale_rows_cpu(T*, std::int64_t, const float*, const float*, std::int64_t,      \
                                 std::int64_t)
ATTUNE_INSTANTIATE(float);
ATTUNE_INSTANTIATE(BFloat16);
#undef ATTUNE_INSTANTIATE

void dropout_cpu(const float* x, const std::int64_t* token_uid, const std::int32_t* positions,
                 float* y, std::int64_t begin, std::int64_t end, std::int64_t width,
                 const Dropout& dropout) {
  active()->dropout(x, token_uid, positions, y, begin, end, width, dropout);
}

void adamw_cpu(const AdamWStep& step, float* values, float* gradients, float* first, float* second,
               std::int64_t begin, std::int64_t end) {
  active()->adamw(step, values, gradients, first, second, begin, end);
}

double sum_of_squares_cpu(const float* x, std::int64_t begin, std::int64_t end) {
  return active()->sum_of_squares(x, begin, end);
}

float dot_cpu(const float* a, const float* b, std::int64_t n) { return active()->dot(a, b, n); }

void cross_entropy_cpu(float* x, std::int64_t columns, std::int64_t first_target, float scale,
                       float factor, float* losses, std::int64_t begin, std::int64_t end) {
  active()->cross_entropy(x, columns, first_target, scale, factor, losses, begin, end);
}

}  // namespace attune
