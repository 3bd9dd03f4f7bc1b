// A whole transformer model as BaseEmbedding.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include <attune/base_embedding.h>

#include "models/batch_graphs.h"
#include "models/embedding_model.h"

namespace attune {

class EncoderEmbedding : public BaseEmbedding {
 public:
  // `batch_tokens` bounds the tokens of one forward, texts are embedded sorted by length; 0: 4096
  // on the processor, whose caches hold no more, and 16384 on CUDA.
  EncoderEmbedding(std::shared_ptr<const EmbeddingModel> model, std::string name,
                   at::ScalarType compute = at::kFloat, int batch_tokens = 0, int threads = 0);

  int dimension() const override { return model_->dimension(); }
  std::string model_name() const override { return name_; }
  // The model's as it was at the first call: hashing all weights takes seconds for a large one.
  std::string document_space() const override;
  std::string query_space() const override;
  const EmbeddingModel& model() const { return *model_; }

  // Whether forwards are recorded and replayed (models/batch_graphs.h): from the beginning on a
  // GPU, never elsewhere but where a test asks for it. Before the first text.
  void record_forwards(bool on);
  std::int64_t replayed() const;  // forwards

 protected:
  void embed(Role role, std::span<const std::string_view> texts,
             std::span<float> out) const override {
    embed_counted(role, texts, out);
  }
  Taken embed_counted(Role role, std::span<const std::string_view> texts,
                      std::span<float> out) const override;

 private:
  ForwardOptions forward_options() const;

  std::shared_ptr<const EmbeddingModel> model_;
  std::string name_;
  at::ScalarType compute_;
  int batch_tokens_, threads_;
  mutable std::once_flag hashed_;
  mutable std::string document_space_;
  mutable std::mutex graphs_mutex_;  // whoever does not get it embeds without recordings
  mutable std::optional<BatchGraphs> graphs_;
};

// Loads a directory with options checked: unknown devices and precisions are Error{kConfig}.
std::shared_ptr<const EncoderEmbedding> load_encoder_embedding(const std::string& model,
                                                               const EmbedOptions& options);

// "fp32" or "bf16", the precisions of training; else Error{kConfig}.
at::ScalarType parse_precision(const std::string& name);

}  // namespace attune
