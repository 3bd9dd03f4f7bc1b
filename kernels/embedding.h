// The embedding layer of a BERT-like encoder in one pass:
//
//   s = word[id] + position[place] + type[kind],  n = (s - mean(s)) / sqrt(var(s) + epsilon)
//   y = dropout(n * weight + bias)                                                  by token
//
// and its gradient: as kernels/layer_norm.h down to grad_s, which is then added to the rows of the
// tables that the token has read. Tables are fp32.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/bfloat16.h"
#include "kernels/layer_norm.h"

namespace attune {

struct EmbeddingRows {
  const float* word = nullptr;      // [words, width]
  const float* position = nullptr;  // [positions, width]; null: not added
  const float* type = nullptr;      // [types, width]; null: not added
  std::int64_t words = 0, positions = 0, types = 0;
  const std::int32_t* ids = nullptr;     // [tokens]
  const std::int32_t* places = nullptr;  // [tokens] row of `position`; read only where it is given
  const std::int32_t* kinds = nullptr;   // [tokens] row of `type`; null: all of row 0
};

// Outputs [tokens, width]; each may be null: not written. A token that reads a row outside its
// table has NaN there, so that it cannot go unseen.
template <class T>
struct EmbeddingForward {
  float* y = nullptr;
  T* y_narrow = nullptr;
  float* normalized = nullptr;  // n, as fp32 or as T: one of them is kept for backward
  T* normalized_narrow = nullptr;
  float* inverse_deviation = nullptr;  // [tokens]
};

// norm.weight null: no LayerNorm, y = dropout(s). norm.dropout is that of y; its row key is made of
// norm.token_uid and norm.positions (the place in the sequence), the same for any chunking.
template <class T>
void embedding_forward_cpu(const EmbeddingRows& rows, const AddLayerNorm& norm,
                           const EmbeddingForward<T>& data, std::int64_t begin, std::int64_t end);
// Device pointers in all structs, themselves on the host; all of [0, tokens). `stream` is a
// cudaStream_t. Returns a cudaError_t: of the launch, or cudaErrorInvalidValue.
template <class T>
int embedding_forward_cuda(const EmbeddingRows& rows, const AddLayerNorm& norm,
                           const EmbeddingForward<T>& data, std::int64_t tokens, void* stream);

// From grad_y [tokens, width] fp32 and/or narrow (null: zero; their sum counts) to grad_s [tokens,
// width] fp32, which may be grad_y; gradients of weight and bias are added to, as in layer_norm.h.
// With norm.weight null: dropout alone.
template <class T>
struct EmbeddingBackward {
  const float* grad_y = nullptr;
  const T* grad_y_narrow = nullptr;
  const float* normalized = nullptr;
  const T* normalized_narrow = nullptr;  // read where `normalized` is null
  const float* inverse_deviation = nullptr;
  float* grad_sum = nullptr;
  float* grad_weight = nullptr;  // [width], added to; null: not wanted
  float* grad_bias = nullptr;
};
template <class T>
void embedding_backward_cpu(const AddLayerNorm& norm, const EmbeddingBackward<T>& data,
                            std::int64_t begin, std::int64_t end);
// `workspace`: norm_workspace(tokens, width) floats; null where grad_weight and grad_bias are.
template <class T>
int embedding_backward_cuda(const AddLayerNorm& norm, const EmbeddingBackward<T>& data,
                            std::int64_t tokens, float* workspace, void* stream);

// Which tokens read which row of a table, so that a row's gradient is summed in one place and in
// the order of the tokens, without atomics. Rows that more than kScatterPiece tokens read (special
// tokens, the first positions) are summed in pieces. All arrays have a size that depends on
// `tokens` alone and end in empty entries, so that a CUDA graph can hold the launch.
struct ScatterPlan {
  static constexpr std::int64_t kScatterPiece = 64;

  std::int64_t tokens = 0;
  const std::int32_t* order = nullptr;        // [tokens] tokens by row, equal ones in order
  const std::int32_t* short_begin = nullptr;  // [tokens + 1] where in `order` a short row begins
  const std::int32_t* short_row = nullptr;    // [tokens] row of the table; -1: empty
  const std::int32_t* piece_begin = nullptr;  // [long_pieces + 1] where in `order` a piece begins
  const std::int32_t* long_begin = nullptr;   // [long_pieces + 1] at which piece a long row begins
  const std::int32_t* long_row = nullptr;     // [long_pieces] row of the table; -1: empty

  static std::int64_t long_pieces(std::int64_t tokens) { return tokens / (kScatterPiece / 2); }
  // int32 values of a plan for so many tokens, and the plan that lies in `memory` (host or device).
  static std::int64_t size(std::int64_t tokens);
  static ScatterPlan in(const std::int32_t* memory, std::int64_t tokens);
};

// Fills `memory`, ScatterPlan::size(tokens) values on the host, for the first `count` of `tokens`
// tokens. Tokens that read `skipped_row` (-1: none) are left out. Throws std::invalid_argument for
// a row outside [0, table_rows).
void make_scatter_plan(const std::int32_t* rows, std::int64_t count, std::int64_t tokens,
                       std::int64_t table_rows, std::int64_t skipped_row, std::int32_t* memory);

// table[row] += sum of from[t] over the plan's tokens of that row; from [tokens, width], table
// [table_rows, width]. Equal bits in every run. `workspace` (device): scatter_workspace(tokens,
// width) floats.
std::int64_t scatter_workspace(std::int64_t tokens, std::int64_t width);
int scatter_add_cuda(const float* from, const ScatterPlan& plan, std::int64_t width, float* table,
                     float* workspace, void* stream);
// The same sums, to rounding, without a plan: token after token.
void scatter_add_cpu(const float* from, const std::int32_t* rows, std::int64_t tokens,
                     std::int64_t width, std::int64_t skipped_row, float* table);

}  // namespace attune
