// What the sources compiled once per instruction set define, and cpu/table.cpp collects.
#pragma once

#include "kernels/cpu/isa.h"
#include "kernels/cpu/vector.h"

namespace attune::ATTUNE_ISA {

template <class T>
void attention_forward(const AttentionProblem<T>& problem, std::int64_t item, T* out, float* lse,
                       AttentionWorkspace& workspace);
template <class T>
void attention_backward(const AttentionProblem<T>& problem, std::int64_t item, const T* out,
                        const float* lse, const T* grad_out, T* grad_qkv, float* grad_bias,
                        AttentionWorkspace& workspace);
template <class T>
void add_layer_norm_forward(const AddLayerNorm& norm, const AddLayerNormForward<T>& data,
                            std::int64_t begin, std::int64_t end);
template <class T>
void add_layer_norm_backward(const AddLayerNorm& norm, const AddLayerNormBackward<T>& data,
                             std::int64_t begin, std::int64_t end);
template <class T>
void gelu(const T* x, T* y, T* derivative, std::int64_t begin, std::int64_t end);
template <class T>
void quantize_rows(const T* x, std::int64_t width, std::uint8_t* q, float* scales,
                   std::int64_t begin, std::int64_t end);
template <class T>
void rescale_rows(T* y, std::int64_t width, const float* scales, const float* bias,
                  std::int64_t begin, std::int64_t end);
template <class T>
void rotate(const Rotation& rotation, const T* x, T* y, std::int64_t begin, std::int64_t end);
template <class T>
void rms_norm_forward(const RmsNorm& norm, const T* x, T* y, std::int64_t begin, std::int64_t end);
template <class T>
void rms_norm_backward(const RmsNorm& norm, const T* x, const T* grad_y, T* grad_x,
                       float* grad_weight, std::int64_t begin, std::int64_t end);
template <class T>
void glu_forward(const Glu& glu, const T* z, T* y, std::int64_t begin, std::int64_t end);
template <class T>
void glu_backward(const Glu& glu, const T* z, const T* grad_y, T* grad_z, std::int64_t begin,
                  std::int64_t end);

// The function types of the public headers.
decltype(attune::dropout_cpu) dropout;
decltype(attune::adamw_cpu) adamw;
decltype(attune::sum_of_squares_cpu) sum_of_squares;
decltype(attune::cross_entropy_cpu) cross_entropy;
decltype(attune::dot_cpu) dot;

}  // namespace attune::ATTUNE_ISA
