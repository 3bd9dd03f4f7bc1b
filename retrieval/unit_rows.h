// Vectors seen as divided by their lengths, without a copy of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace attune {

class UnitRows {
 public:
  // vectors [n, dimension], row-major, which must outlive this; `what` names them in errors. Reads
  // all of them once. Error{kData}: the row that holds NaN or infinity.
  UnitRows(std::span<const float> vectors, int dimension, const char* what = "passage");

  std::int64_t size() const { return static_cast<std::int64_t>(norms_.size()); }
  int dimension() const { return dimension_; }

  // The row divided by its norm, each number rounded to float once, into out [dimension]. Zeros
  // stay zeros: the floor of a norm is that of torch.nn.functional.normalize, 1e-12.
  void copy_row(std::int64_t row, float* out) const;

  // Rows for a matrix product: that of `vectors` times `scale` is that of the divided rows, but for
  // three roundings more.
  struct Block {
    std::int64_t first, rows;
    const float* vectors;      // [rows, dimension]
    std::vector<float> scale;  // [rows]
    std::vector<float> copy;   // what `vectors` points to where a product could overflow
  };
  Block block(std::int64_t first, std::int64_t rows) const;

 private:
  std::span<const float> vectors_;
  int dimension_;
  std::vector<double> norms_;
};

// The dot product of two divided rows, summed in double in a fixed order, rounded to float.
float unit_dot(const float* a, const float* b, int dimension);

}  // namespace attune
