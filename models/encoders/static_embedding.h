// sentence-transformers' StaticEmbedding (model2vec's potion, static-retrieval-mrl): a table of
// token vectors and no transformer; a text is the mean of its tokens'. It has no config.json: the
// table says all.
#pragma once

#include <string>

#include "models/encoders/encoder.h"

namespace attune {

class StaticEmbedding : public Encoder {
 public:
  explicit StaticEmbedding(at::Tensor table);
  // The id that is vocabulary_size() stands for nothing, and gives zeros: what the peer makes of a
  // text without tokens.
  at::Tensor forward(const PackedTokens& tokens, const ForwardOptions& options) const override;
  void pack_weights(at::ScalarType) override {}
  std::vector<LinearModule> linear_modules() override { return {}; }
  int num_layers() const override { return 0; }
  int hidden_size() const override { return static_cast<int>(table_.size(1)); }
  int max_positions() const override { return kMaxTokens; }
  int vocabulary_size() const override { return static_cast<int>(table_.size(0)); }

  static constexpr int kMaxTokens = 1'000'000;  // of a text; the peer has no limit

 private:
  at::Tensor table_;  // [vocabulary, width] fp32
  at::Tensor none_;   // [1, width]: no position, no type
};

// What stands in for config.json: model_type "static", vocab_size and hidden_size, from the header
// of DIR/model.safetensors. Error{kData} where it holds no table of that kind.
Json static_config(const std::string& directory);

EncoderPlan plan_static(const Json& config, const std::string& config_path);

}  // namespace attune
