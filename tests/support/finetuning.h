// Engines on the tiny BERT, one whose loss is not finite when a test wants it, and what runs leave.
#pragma once

#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "models/device.h"
#include "models/encoder_embedding.h"
#include "tests/support/tiny_bert.h"
#include "trainer/finetune_engine.h"
#include "trainer/pair_batches.h"

namespace attune {

// Twelve pairs, batches of four, dropout as in config.json.
inline FinetuneOptions tiny_options(const std::string& output, int steps) {
  FinetuneOptions options;
  options.model.base = kTinyBert;
  options.train.epochs = (steps + 2) / 3;
  options.train.max_steps = steps;
  options.train.batch_size = 4;
  options.train.learning_rate = 1e-3;
  options.device = "cpu";
  options.output = output;
  options.show_progress = false;
  return options;
}

enum class Fault { kLoss, kGradient };

// Steps (0-based) whose loss or gradient is not finite.
using Faults = std::map<std::int64_t, Fault>;

class FaultyLoss : public Loss {
 public:
  FaultyLoss(std::unique_ptr<Loss> loss, Faults faults)
      : loss_(std::move(loss)), faults_(std::move(faults)) {}
  void check(const RowSource&, int) const override {}
  LossOutput evaluate(const at::Tensor& vectors, const TrainingBatch& batch) const override {
    LossOutput output = loss_->evaluate(vectors, batch);
    const auto fault = faults_.find(batch.step);
    if (fault == faults_.end()) return output;
    if (fault->second == Fault::kLoss)
      output.value.fill_(std::numeric_limits<float>::quiet_NaN());
    else
      output.gradient.fill_(std::numeric_limits<float>::infinity());
    return output;
  }

 private:
  std::unique_ptr<Loss> loss_;
  Faults faults_;
};

// Full training with such a loss; leaves its weights in `values`.
class FaultyEngine : public FinetuneEngine {
 public:
  FaultyEngine(EmbeddingQAFinetuneDataset dataset,
               std::optional<EmbeddingQAFinetuneDataset> validation, FinetuneOptions options,
               Faults faults)
      : FinetuneEngine(std::move(dataset), std::move(validation), std::move(options)),
        faults_(std::move(faults)) {}
  FinetuneResult finetune(const StopRequested& stop_requested = {}) override {
    const auto model = load_tiny_bert();
    const PairBatches batches(*model, training_rows(), options_.train, options_.seed);
    const FaultyLoss loss(make_loss(options_.train.loss), faults_);
    Trainer trainer(*model, loss, batches, options_.train, options_.seed);
    const EncoderEmbedding embedding(model, "the model in training");
    const Subject subject{embedding, model->parameters(), describe_device(model->device()),
                          embedding.query_space(), batches.rows()};
    const auto result = run(trainer, subject, std::chrono::steady_clock::now(), stop_requested);
    values = model->parameters().values();
    return result;
  }
  TrainingEstimate estimate(const EmbeddingQAFinetuneDataset*, int) override { return {}; }
  at::Tensor values;

 private:
  Faults faults_;
};

// metrics.jsonl without what differs between equal runs.
inline std::vector<Json> told_by(const std::string& output) {
  std::vector<Json> events;
  std::ifstream file(output + "/metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    events.push_back(Json::parse(line));
    events.back().erase("seconds");
  }
  return events;
}

inline std::vector<Json> told_by(const std::string& output, const std::string& event) {
  std::vector<Json> events;
  for (Json& found : told_by(output))
    if (found["event"] == event) events.push_back(std::move(found));
  return events;
}

}  // namespace attune
