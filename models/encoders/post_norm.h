// The body that BERT began and most encoders share: learned positions, full attention, LayerNorm
// after each residual sum (Devlin et al. 2018). What sets families apart are the names of their
// tensors and a few numbers.
#pragma once

#include <string>
#include <vector>

#include "models/encoders/config_fields.h"
#include "models/encoders/encoder.h"
#include "models/layer_norm.h"
#include "models/linear.h"
#include "models/token_embedding.h"

namespace attune {

// Of the tensors of a layer, behind "<layers>.<index>.".
struct PostNormNames {
  std::string layers = "encoder.layer";
  std::string query = "attention.self.query", key = "attention.self.key",
              value = "attention.self.value";
  std::string stacked = "attention.self.qkv";  // query, key and value as one parameter here
  std::string attention_output = "attention.output.dense",
              attention_norm = "attention.output.LayerNorm";
  std::string intermediate = "intermediate.dense", output = "output.dense",
              output_norm = "output.LayerNorm";
};

struct PostNormConfig {
  int vocabulary = 30522, width = 768, layers = 12, heads = 12, inner = 3072;
  int positions = 512;    // rows of the table
  int token_types = 2;    // 0: the family has none
  int padding_token = 0;  // its row of the word embeddings gets no gradient
  // From this on positions are counted past the padding token's id, as fairseq has it; padding
  // tokens stand at that id and are not counted.
  bool positions_after_padding = false;
  // MPNet's: buckets of distances whose bias by head is added to the scores of every layer; 0:
  // none.
  int distance_buckets = 0;
  double dropout = 0.1, attention_dropout = 0.1, epsilon = 1e-12;
  std::string activation = "gelu";
  PostNormNames names;

  int max_positions() const {
    return positions_after_padding ? positions - padding_token - 1 : positions;
  }
};

// T5's buckets (Raffel et al. 2020) of key - query in -reach to reach, [2 * reach + 1] int64: half
// of them for keys behind the query, of these half for one distance each, the others ever wider up
// to 128.
at::Tensor distance_buckets(std::int64_t reach, int buckets);

// Heads that do not divide the width, parts wider than the kernels take, no position left.
void check_post_norm(const PostNormConfig& config, ConfigFields& fields);

class PostNormEncoder : public Encoder {
 public:
  PostNormEncoder(const PostNormConfig& config, const ParameterStore& parameters);
  at::Tensor forward(const PackedTokens& tokens, const ForwardOptions& options) const override;
  void pack_weights(at::ScalarType products) override;
  std::vector<LinearModule> linear_modules() override;
  int num_layers() const override { return config_.layers; }
  int hidden_size() const override { return config_.width; }
  int max_positions() const override { return config_.max_positions(); }
  int vocabulary_size() const override { return config_.vocabulary; }

 private:
  struct Layer {
    Linear qkv, attention_output, intermediate, output;
    LayerNorm attention_norm, output_norm;
  };
  // [heads, 2 * longest - 1]: AttentionSpec::bias.
  at::Tensor distance_bias(std::int64_t longest) const;
  at::Tensor intermediate(const at::Tensor& x, const Linear& layer, const PackedTokens& tokens,
                          const ForwardOptions& options) const;
  Stream layer_forward(const Stream& stream, int index, const PackedTokens& tokens,
                       const ForwardOptions& options) const;

  PostNormConfig config_;
  EmbeddingTables embeddings_;
  LayerNorm embedding_norm_;
  at::Tensor distance_bias_;  // [buckets, heads], or undefined
  at::Tensor buckets_;        // of distances -(positions - 1) to positions - 1, int64
  std::vector<Layer> layers_;
};

// The plan of a family that is this body; `prefix` as EncoderPlan::weight_prefix, `tied` the name
// of the matrix of its head for masked words, which is the word embeddings too.
EncoderPlan plan_post_norm(const PostNormConfig& config, const std::string& prefix,
                           const std::string& tied);

}  // namespace attune
