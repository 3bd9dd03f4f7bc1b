// A model without weights: a text's vector is drawn from its SHA-256 and the model's seed. Counts
// what it embeds.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <string>

#include <attune/base_embedding.h>

#include "core/hash.h"

namespace attune {

class FakeEmbedding : public BaseEmbedding {
 public:
  explicit FakeEmbedding(std::string name = "fake", int dimension = 16, int seed = 1)
      : name_(std::move(name)), dimension_(dimension), seed_(seed) {}

  int dimension() const override { return dimension_; }
  std::string model_name() const override { return name_; }
  std::string document_space() const override {
    return sha256("documents " + std::to_string(seed_));
  }
  std::string query_space() const override { return sha256("queries " + std::to_string(seed_)); }
  std::int64_t embedded_texts() const { return embedded_texts_; }

 protected:
  void embed(Role role, std::span<const std::string_view> texts,
             std::span<float> out) const override {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const std::string hash = sha256(texts[i]);
      std::mt19937_64 rng(std::stoull(hash.substr(0, 15), nullptr, 16) + seed_);
      std::normal_distribution<float> normal;
      for (int j = 0; j < dimension_; ++j) out[i * dimension_ + j] = normal(rng);
    }
    if (role == Role::kText) embedded_texts_ += static_cast<std::int64_t>(texts.size());
  }

 private:
  std::string name_;
  int dimension_, seed_;
  mutable std::atomic<std::int64_t> embedded_texts_{0};
};

}  // namespace attune
