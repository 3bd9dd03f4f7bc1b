// The functions named _cuda: each leads to the table in use.
#include "kernels/cuda/parts.h"
#include "kernels/cuda/table.h"
#include "kernels/cuda_kernels.h"

#include <type_traits>

namespace attune {
namespace {

#ifdef ATTUNE_WITH_CUDA_KERNELS
const CudaKernelTable* table = &gpu::kTable;
#else
const CudaKernelTable* table = nullptr;
#endif

// The member of the table's part for T.
template <class T, class Member>
auto typed(Member member) {
  if constexpr (std::is_same_v<T, float>)
    return table->fp32.*member;
  else
    return table->bf16.*member;
}

}  // namespace

const CudaKernelTable* gpu_cuda_kernels() {
#ifdef ATTUNE_WITH_CUDA_KERNELS
  return &gpu::kTable;
#else
  return nullptr;
#endif
}

const CudaKernelTable* cuda_kernels() { return table; }
void set_cuda_kernels(const CudaKernelTable* other) { table = other; }

const char* cuda_error_text(int code) {
  if (table && code != kNoCudaKernels) return table->error_text(code);
  return code == kNoCudaKernels ? "this build has no CUDA kernels" : "a CUDA error";
}

std::int64_t norm_workspace(std::int64_t rows, std::int64_t width) {
  return 2 * parts_of(rows) * width;
}

std::int64_t column_sums_workspace(std::int64_t rows, std::int64_t columns) {
  return parts_of(rows) * columns;
}

std::int64_t scatter_workspace(std::int64_t tokens, std::int64_t width) {
  return ScatterPlan::long_pieces(tokens) * width;
}

#define ATTUNE_TYPED(function, ...) \
  (table ? typed<T>(&TypedCudaKernels<T>::function)(__VA_ARGS__) : kNoCudaKernels)
#define ATTUNE_PLAIN(function, ...) (table ? table->function(__VA_ARGS__) : kNoCudaKernels)

template <class T>
int dropout_cuda(const T* x, const std::int64_t* token_uid, const std::int32_t* positions, T* y,
                 std::int64_t tokens, std::int64_t width, const Dropout& dropout, void* stream) {
  return ATTUNE_TYPED(dropout, x, token_uid, positions, y, tokens, width, dropout, stream);
}

template <class T>
int add_layer_norm_forward_cuda(const AddLayerNorm& norm, const AddLayerNormForward<T>& data,
                                std::int64_t rows, void* stream) {
  return ATTUNE_TYPED(add_layer_norm_forward, norm, data, rows, stream);
}

template <class T>
int add_layer_norm_backward_cuda(const AddLayerNorm& norm, const AddLayerNormBackward<T>& data,
                                 std::int64_t rows, float* workspace, void* stream) {
  return ATTUNE_TYPED(add_layer_norm_backward, norm, data, rows, workspace, stream);
}

template <class T>
int embedding_forward_cuda(const EmbeddingRows& rows, const AddLayerNorm& norm,
                           const EmbeddingForward<T>& data, std::int64_t tokens, void* stream) {
  return ATTUNE_TYPED(embedding_forward, rows, norm, data, tokens, stream);
}

template <class T>
int embedding_backward_cuda(const AddLayerNorm& norm, const EmbeddingBackward<T>& data,
                            std::int64_t tokens, float* workspace, void* stream) {
  return ATTUNE_TYPED(embedding_backward, norm, data, tokens, workspace, stream);
}

template <class T>
int bias_gelu_forward_cuda(const T* x, const float* bias, T* y, T* derivative, std::int64_t rows,
                           std::int64_t columns, void* stream) {
  return ATTUNE_TYPED(bias_gelu_forward, x, bias, y, derivative, rows, columns, stream);
}

template <class T>
int bias_gelu_backward_cuda(const T* grad_y, const T* derivative, T* grad_x, float* grad_bias,
                            float* workspace, std::int64_t rows, std::int64_t columns,
                            void* stream) {
  return ATTUNE_TYPED(bias_gelu_backward, grad_y, derivative, grad_x, grad_bias, workspace, rows,
                      columns, stream);
}

template <class T>
int add_column_sums_cuda(const T* x, float* sums, float* workspace, std::int64_t rows,
                         std::int64_t columns, void* stream) {
  return ATTUNE_TYPED(add_column_sums, x, sums, workspace, rows, columns, stream);
}

template <class T>
int pool_forward_cuda(const PackedPooling& pooling, const T* x, float* out, float* inverse_norm,
                      std::int32_t* largest, void* stream) {
  return ATTUNE_TYPED(pool_forward, pooling, x, out, inverse_norm, largest, stream);
}

template <class T>
int pool_backward_cuda(const PackedPooling& pooling, const float* grad_out, const float* out,
                       const float* inverse_norm, const std::int32_t* largest, T* grad_x,
                       void* stream) {
  return ATTUNE_TYPED(pool_backward, pooling, grad_out, out, inverse_norm, largest, grad_x, stream);
}

int scatter_add_cuda(const float* from, const ScatterPlan& plan, std::int64_t width, float* to,
                     float* workspace, void* stream) {
  return ATTUNE_PLAIN(scatter_add, from, plan, width, to, workspace, stream);
}

int contrastive_cross_entropy_cuda(const ContrastiveScores& scores, float factor, float* losses,
                                   void* stream) {
  return ATTUNE_PLAIN(contrastive_cross_entropy, scores, factor, losses, stream);
}

int log_sum_exp_cuda(const ContrastiveScores& scores, float* row_lse, float* column_lse,
                     void* stream) {
  return ATTUNE_PLAIN(log_sum_exp, scores, row_lse, column_lse, stream);
}

int symmetric_cross_entropy_cuda(const ContrastiveScores& scores, const SymmetricShares& shares,
                                 const float* row_lse, const float* column_lse, float factor,
                                 float* losses, void* stream) {
  return ATTUNE_PLAIN(symmetric_cross_entropy, scores, shares, row_lse, column_lse, factor, losses,
                      stream);
}

int adamw_cuda(const AdamWStep* step, const GradientState* state, float* values, float* gradients,
               float* first, float* second, BFloat16* working, std::int64_t begin, std::int64_t end,
               void* stream) {
  return ATTUNE_PLAIN(adamw, step, state, values, gradients, first, second, working, begin, end,
                      stream);
}

int gradient_state_cuda(const float* gradients, std::int64_t count, const float* loss,
                        float max_norm, double* workspace, GradientState* state, void* stream) {
  return ATTUNE_PLAIN(gradient_state, gradients, count, loss, max_norm, workspace, state, stream);
}

#define ATTUNE_INSTANTIATE(T)                                                                     \
  template int dropout_cuda(const T*, const std::int64_t*, const std::int32_t*, T*, std::int64_t, \
                            std::int64_t, const Dropout&, void*);                                 \
  template int add_layer_norm_forward_cuda(const AddLayerNorm&, const AddLayerNormForward<T>&,    \
                                           std::int64_t, void*);                                  \
  template int add_layer_norm_backward_cuda(const AddLayerNorm&, const AddLayerNormBackward<T>&,  \
                                            std::int64_t, float*, void*);                         \
  template int embedding_forward_cuda(const EmbeddingRows&, const AddLayerNorm&,                  \
                                      const EmbeddingForward<T>&, std::int64_t, void*);           \
  template int embedding_backward_cuda(const AddLayerNorm&, const EmbeddingBackward<T>&,          \
                                       std::int64_t, float*, void*);                              \
  template int bias_gelu_forward_cuda(const T*, const float*, T*, T*, std::int64_t, std::int64_t, \
                                      void*);                                                     \
  template int bias_gelu_backward_cuda(const T*, const T*, T*, float*, float*, std::int64_t,      \
                                       std::int64_t, void*);                                      \
  template int add_column_sums_cuda(const T*, float*, float*, std::int64_t, std::int64_t, void*); \
  template int pool_forward_cuda(const PackedPooling&, const T*, float*, float*, std::int32_t*,   \
                                 void*);                                                          \
  template int pool_backward_cuda(const PackedPooling&, const float*, const float*, const float*, \
                                  const std::int32_t*, T*, void*)
ATTUNE_INSTANTIATE(float);
ATTUNE_INSTANTIATE(BFloat16);
#undef ATTUNE_INSTANTIATE

}  // namespace attune
