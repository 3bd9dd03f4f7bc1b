#include "models/mock_embedding.h"

#include <cmath>
#include <random>

#include "core/error.h"
#include "core/hash.h"

namespace attune {

MockEmbedding::MockEmbedding(int dimension) : dimension_(dimension) {
  if (dimension < 1 || dimension > 1 << 16)
    throw_error(ErrorKind::kConfig, "mock:", dimension, ": expected a dimension from 1 to 65536");
}

std::string MockEmbedding::document_space() const { return sha256(model_name()); }

void MockEmbedding::embed(Role, std::span<const std::string_view> texts,
                          std::span<float> out) const {
  float* row = out.data();
  for (const std::string_view text : texts) {
    // The engine's numbers are the same everywhere, those of the standard's distributions are not.
    std::mt19937_64 draw(std::stoull(sha256(text).substr(0, 16), nullptr, 16));
    double squares = 0;
    for (int i = 0; i < dimension_; ++i) {
      row[i] = static_cast<float>(static_cast<double>(draw() >> 11) * 0x1p-52 - 1);
      squares += static_cast<double>(row[i]) * row[i];
    }
    const double length = std::sqrt(squares);
    for (int i = 0; i < dimension_; ++i) row[i] = static_cast<float>(row[i] / length);
    row += dimension_;
  }
}

}  // namespace attune
