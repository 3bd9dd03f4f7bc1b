// The plain form of the embedding kernels, in double precision inside a row: what the CUDA kernels
// are held to.
#include "kernels/embedding.h"

#include <cmath>
#include <limits>
#include <vector>

namespace attune {
namespace {

const float* row_of(const float* table, std::int64_t rows, std::int64_t width, std::int64_t row) {
  return row >= 0 && row < rows ? table + row * width : nullptr;
}

std::vector<double> sum_rows(const EmbeddingRows& r, std::int64_t width, std::int64_t token) {
  const float* word = row_of(r.word, r.words, width, r.ids[token]);
  const float* position =
      r.position ? row_of(r.position, r.positions, width, r.places[token]) : nullptr;
  const float* type =
      r.type ? row_of(r.type, r.types, width, r.kinds ? r.kinds[token] : 0) : nullptr;
  if (!word || (r.position && !position) || (r.type && !type))
    return std::vector<double>(width, std::numeric_limits<double>::quiet_NaN());
  std::vector<double> s(width);
  for (std::int64_t c = 0; c < width; ++c)
    s[c] = static_cast<double>(word[c]) + (type ? type[c] : 0.f) + (position ? position[c] : 0.f);
  return s;
}

// What an element is multiplied with.
double mask(const AddLayerNorm& norm, std::int64_t row, std::int64_t column) {
  if (!norm.dropout.on()) return 1;
  const std::uint32_t key = dropout_row_key(norm.dropout.call_key(), norm.token_uid[row],
                                            static_cast<std::uint64_t>(norm.positions[row]));
  return hash32(key + static_cast<std::uint32_t>(column)) >= norm.dropout.threshold
             ? norm.dropout.scale
             : 0;
}

}  // namespace

template <class T>
void embedding_forward_cpu(const EmbeddingRows& rows, const AddLayerNorm& norm,
                           const EmbeddingForward<T>& data, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = norm.width;
  for (std::int64_t t = begin; t < end; ++t) {
    std::vector<double> s = sum_rows(rows, width, t);
    if (norm.weight) {
      double mean = 0, variance = 0;
      for (const double x : s) mean += x / static_cast<double>(width);
      for (const double x : s) variance += (x - mean) * (x - mean) / static_cast<double>(width);
      const double inverse = 1 / std::sqrt(variance + norm.epsilon);
      if (data.inverse_deviation) data.inverse_deviation[t] = static_cast<float>(inverse);
      for (std::int64_t c = 0; c < width; ++c) {
        const double n = (s[c] - mean) * inverse;
        if (data.normalized) data.normalized[t * width + c] = static_cast<float>(n);
        if (data.normalized_narrow)
          data.normalized_narrow[t * width + c] = narrow<T>(static_cast<float>(n));
        s[c] = n * norm.weight[c] + (norm.bias ? norm.bias[c] : 0.f);
      }
    }
    for (std::int64_t c = 0; c < width; ++c) {
      const auto y = static_cast<float>(s[c] * mask(norm, t, c));
      if (data.y) data.y[t * width + c] = y;
      if (data.y_narrow) data.y_narrow[t * width + c] = narrow<T>(y);
    }
  }
}

template <class T>
void embedding_backward_cpu(const AddLayerNorm& norm, const EmbeddingBackward<T>& data,
                            std::int64_t begin, std::int64_t end) {
  const std::int64_t width = norm.width;
  const auto count = static_cast<double>(width);
  std::vector<double> h(width), n(width);
  for (std::int64_t t = begin; t < end; ++t) {
    double mean = 0, along = 0;
    for (std::int64_t c = 0; c < width; ++c) {
      const std::int64_t at = t * width + c;
      h[c] = mask(norm, t, c) *
             ((data.grad_y ? static_cast<double>(data.grad_y[at]) : 0) +
              (data.grad_y_narrow ? static_cast<double>(widen(data.grad_y_narrow[at])) : 0));
      if (!norm.weight) continue;
      n[c] = data.normalized ? data.normalized[at] : widen(data.normalized_narrow[at]);
      if (data.grad_weight) data.grad_weight[c] += static_cast<float>(h[c] * n[c]);
      if (data.grad_bias) data.grad_bias[c] += static_cast<float>(h[c]);
      h[c] *= norm.weight[c];
      mean += h[c] / count;
      along += h[c] * n[c] / count;
    }
    const double inverse = norm.weight ? data.inverse_deviation[t] : 1;
    for (std::int64_t c = 0; c < width; ++c)
      data.grad_sum[t * width + c] = static_cast<float>((h[c] - mean - n[c] * along) * inverse);
  }
}

void scatter_add_cpu(const float* from, const std::int32_t* rows, std::int64_t tokens,
                     std::int64_t width, std::int64_t skipped_row, float* table) {
  for (std::int64_t t = 0; t < tokens; ++t) {
    if (rows[t] == skipped_row) continue;
    for (std::int64_t c = 0; c < width; ++c) table[rows[t] * width + c] += from[t * width + c];
  }
}

#define ATTUNE_INSTANTIATE(T)                                                                  \
  template void embedding_forward_cpu(const EmbeddingRows&, const AddLayerNorm&,               \
                                      const EmbeddingForward<T>&, std::int64_t, std::int64_t); \
  template void embedding_backward_cpu(const AddLayerNorm&, const EmbeddingBackward<T>&,       \
                                       std::int64_t, std::int64_t)
ATTUNE_INSTANTIATE(float);
ATTUNE_INSTANTIATE(BFloat16);
#undef ATTUNE_INSTANTIATE

}  // namespace attune
