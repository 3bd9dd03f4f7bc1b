#include "retrieval/unit_rows.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace attune {
namespace {

constexpr double kSmallestNorm = 1e-12;
// A float product of a row and a unit vector stays below the row's norm times a small number.
constexpr double kLargestNorm = 1e30;

}  // namespace

UnitRows::UnitRows(std::span<const float> vectors, int dimension, const char* what)
    : vectors_(vectors), dimension_(dimension) {
  ATTUNE_ASSERT(dimension >= 1 && vectors.size() % dimension == 0);
  norms_.resize(vectors.size() / dimension);
  at::parallel_for(0, size(), 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      double squares = 0;
      for (const float x : vectors.subspan(row * dimension, dimension))
        squares += static_cast<double>(x) * x;
      if (!std::isfinite(squares))
        throw_error(
            ErrorKind::kData, "the embedding of ", what, " ", row,
            " holds NaN or infinity; the model's weights are damaged or its training diverged");
      norms_[row] = std::max(std::sqrt(squares), kSmallestNorm);
    }
  });
}

void UnitRows::copy_row(std::int64_t row, float* out) const {
  const float* in = vectors_.data() + row * dimension_;
  for (int i = 0; i < dimension_; ++i) out[i] = static_cast<float>(in[i] / norms_[row]);
}

UnitRows::Block UnitRows::block(std::int64_t first, std::int64_t rows) const {
  Block block{first, rows, vectors_.data() + first * dimension_, std::vector<float>(rows), {}};
  const auto norms = std::span(norms_).subspan(first, rows);
  if (std::ranges::any_of(norms, [](double norm) { return norm > kLargestNorm; })) {
    block.copy.resize(rows * dimension_);
    for (std::int64_t i = 0; i < rows; ++i) copy_row(first + i, block.copy.data() + i * dimension_);
    block.vectors = block.copy.data();
    std::ranges::fill(block.scale, 1.0f);
  } else {
    std::ranges::transform(norms, block.scale.begin(),
                           [](double norm) { return static_cast<float>(1 / norm); });
  }
  return block;
}

float unit_dot(const float* a, const float* b, int dimension) {
  double lanes[4] = {};  // four sums, so that the additions need not wait for each other
  int i = 0;
  for (; i + 4 <= dimension; i += 4)
    for (int lane = 0; lane < 4; ++lane)
      lanes[lane] += static_cast<double>(a[i + lane]) * b[i + lane];
  for (; i < dimension; ++i) lanes[0] += static_cast<double>(a[i]) * b[i];
  return static_cast<float>((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]));
}

}  // namespace attune
