// What the .cu files define and cuda/table.cpp collects, in the namespace they are compiled for:
// attune::gpu, or attune::emulated in the tests.
#pragma once

#include "kernels/cuda/table.h"

#ifndef ATTUNE_CUDA_NAMESPACE
#error "the build says for what the kernels are compiled: ATTUNE_CUDA_NAMESPACE=gpu or emulated"
#endif

namespace attune::ATTUNE_CUDA_NAMESPACE {

template <class T>
int dropout(const T* x, const std::int64_t* token_uid, const std::int32_t* positions, T* y,
            std::int64_t tokens, std::int64_t width, const Dropout& mask, void* stream);
template <class T>
int add_layer_norm_forward(const AddLayerNorm& norm, const AddLayerNormForward<T>& data,
                           std::int64_t rows, void* stream);
template <class T>
int add_layer_norm_backward(const AddLayerNorm& norm, const AddLayerNormBackward<T>& data,
                            std::int64_t rows, float* workspace, void* stream);
template <class T>
int embedding_forward(const EmbeddingRows& rows, const AddLayerNorm& norm,
                      const EmbeddingForward<T>& data, std::int64_t tokens, void* stream);
template <class T>
int embedding_backward(const AddLayerNorm& norm, const EmbeddingBackward<T>& data,
                       std::int64_t tokens, float* workspace, void* stream);
template <class T>
int bias_gelu_forward(const T* x, const float* bias, T* y, T* derivative, std::int64_t rows,
                      std::int64_t columns, void* stream);
template <class T>
int bias_gelu_backward(const T* grad_y, const T* derivative, T* grad_x, float* grad_bias,
                       float* workspace, std::int64_t rows, std::int64_t columns, void* stream);
template <class T>
int add_column_sums(const T* x, float* sums, float* workspace, std::int64_t rows,
                    std::int64_t columns, void* stream);
template <class T>
int pool_forward(const PackedPooling& pooling, const T* x, float* out, float* inverse_norm,
                 std::int32_t* largest, void* stream);
template <class T>
int pool_backward(const PackedPooling& pooling, const float* grad_out, const float* out,
                  const float* inverse_norm, const std::int32_t* largest, T* grad_x, void* stream);

// The function types of the public headers.
decltype(attune::scatter_add_cuda) scatter_add;
decltype(attune::contrastive_cross_entropy_cuda) contrastive_cross_entropy;
decltype(attune::log_sum_exp_cuda) log_sum_exp;
decltype(attune::symmetric_cross_entropy_cuda) symmetric_cross_entropy;
decltype(attune::adamw_cuda) adamw;
decltype(attune::gradient_state_cuda) gradient_state;
const char* error_text(int code);

}  // namespace attune::ATTUNE_CUDA_NAMESPACE
