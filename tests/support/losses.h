// Batches for tests of losses, every loss, and the check of a gradient by differences.
#pragma once

#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>

#include "trainer/losses/loss.h"

namespace attune {

// Every place has a sequence and a passage of its own, which answers its row's query alone; labels
// are random, and so is the guide (of 5 numbers).
inline TrainingBatch batch_of(int rows, int columns, int labels_per_row = 0) {
  TrainingBatch batch;
  batch.rows = rows;
  batch.columns = columns;
  batch.sequence_of.resize(static_cast<std::size_t>(rows) * columns);
  std::iota(batch.sequence_of.begin(), batch.sequence_of.end(), 0);
  batch.document_id.resize(static_cast<std::size_t>(rows) * (columns - 1));
  std::iota(batch.document_id.begin(), batch.document_id.end(), 0);
  for (int row = 0; row < rows; ++row) batch.relevant.push_back({row});
  batch.labels_per_row = labels_per_row;
  const at::Tensor labels = at::rand({rows * labels_per_row});
  batch.labels.assign(labels.const_data_ptr<float>(),
                      labels.const_data_ptr<float>() + labels.numel());
  batch.guide = at::randn({rows * columns, 5});
  return batch;
}

// A batch of queries alone, with the passages that answer each.
inline TrainingBatch batch_of(std::vector<std::vector<std::int64_t>> relevant) {
  TrainingBatch batch;
  batch.rows = static_cast<int>(relevant.size());
  batch.columns = 1;
  batch.relevant = std::move(relevant);
  return batch;
}

// The largest difference between the gradient and central differences of the value; `vectors` are
// fp64, whose rounding (1e-16 / step) is far below the curvature's error (step^2).
inline double gradient_error(const Loss& loss, const at::Tensor& vectors,
                             const TrainingBatch& batch) {
  constexpr double kStep = 1e-5;
  const at::Tensor gradient = loss.evaluate(vectors, batch).gradient.contiguous();
  double worst = 0;
  for (std::int64_t i = 0; i < vectors.numel(); ++i) {
    at::Tensor up = vectors.clone(), down = vectors.clone();
    up.view({-1})[i] += kStep;
    down.view({-1})[i] -= kStep;
    const double slope =
        (loss.evaluate(up, batch).value - loss.evaluate(down, batch).value).item<double>() /
        (2 * kStep);
    worst = std::max(worst, std::abs(slope - gradient.view({-1})[i].item<double>()));
  }
  return worst;
}

struct LossCase {
  const char* name;
  int columns, labels_per_row;
  LossConfig config;
};

inline LossConfig of_type(const char* type, const std::function<void(LossConfig&)>& change = {}) {
  LossConfig config;
  config.type = type;
  if (change) change(config);
  return config;
}

// Every loss, and each of its settings at least once.
inline std::vector<LossCase> every_loss() {
  const std::vector<std::string> all = {"query_to_doc", "query_to_query", "doc_to_query",
                                        "doc_to_doc"};
  return {
      {"mnrl", 3, 0, of_type("mnrl")},
      {"mnrl, symmetric", 2, 0,
       of_type("mnrl",
               [](LossConfig& c) {
                 c.directions = {"query_to_doc", "doc_to_query"};
                 c.partition = "per_direction";
               })},
      {"mnrl, every direction", 3, 0, of_type("mnrl", [&](LossConfig& c) { c.directions = all; })},
      {"mnrl, dot", 3, 0,
       of_type("CachedMultipleNegativesRankingLoss",
               [](LossConfig& c) {
                 c.similarity = "dot";
                 c.scale = 1;
               })},
      {"infonce", 3, 0, of_type("infonce")},
      {"infonce, own positive, margin", 3, 0,
       of_type("infonce",
               [](LossConfig& c) {
                 c.positives = "own";
                 c.mask = {"document", "margin"};
                 c.margin = -0.1;
               })},
      {"infonce, relative margin", 3, 0,
       of_type("infonce",
               [](LossConfig& c) {
                 c.mask = {"margin"};
                 c.margin = 0.2;
                 c.margin_strategy = "relative";
               })},
      {"gist", 2, 0, of_type("gist")},
      {"gist, negatives, no anchors", 4, 0,
       of_type("CachedGISTEmbedLoss",
               [](LossConfig& c) {
                 c.contrast_anchors = false;
                 c.margin = 0.1;
                 c.margin_strategy = "relative";
               })},
      {"cosent", 2, 1, of_type("cosent")},
      {"cosent, euclidean", 2, 1,
       of_type("cosent",
               [](LossConfig& c) {
                 c.similarity = "euclidean";
                 c.scale = 1;
               })},
      {"triplet", 3, 0, of_type("triplet")},
      {"triplet, cosine", 3, 0,
       of_type("triplet",
               [](LossConfig& c) {
                 c.similarity = "cosine";
                 c.triplet_margin = 0.5;
               })},
      {"triplet, manhattan", 3, 0,
       of_type("triplet", [](LossConfig& c) { c.similarity = "manhattan"; })},
      {"cosine_similarity", 2, 1, of_type("cosine_similarity")},
      {"margin_mse", 4, 2, of_type("margin_mse")},
      {"margin_mse, scores", 4, 3,
       of_type("margin_mse", [](LossConfig& c) { c.similarity = "cosine"; })},
      {"kl_divergence", 4, 3, of_type("kl_divergence", [](LossConfig& c) { c.scale = 0.5; })},
      {"matryoshka over mnrl", 3, 0,
       of_type("mnrl", [](LossConfig& c) { c.matryoshka = {{6, 3}, {1, 0.5}, 0}; })},
      {"matryoshka over gist, one of two", 3, 0,
       of_type("gist", [](LossConfig& c) { c.matryoshka = {{6, 4}, {}, 1}; })},
      {"matryoshka over cosent", 2, 1,
       of_type("cosent", [](LossConfig& c) { c.matryoshka = {{2, 6}, {}, 0}; })},
  };
}

}  // namespace attune
