// A transformer body: token ids to token vectors. A new family is one file pair beside this one and
// one line in encoders/registry.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/json.h"
#include "models/forward_options.h"
#include "models/packed_tokens.h"
#include "models/parameter_store.h"

namespace attune {

class Encoder {
 public:
  virtual ~Encoder() = default;
  // [num_tokens, hidden_size()] fp32; autograd runs through it.
  virtual at::Tensor forward(const PackedTokens& tokens, const ForwardOptions& options) const = 0;
  // Packs every linear layer: see pack() in models/linear.h.
  virtual void pack_weights(at::ScalarType products) = 0;
  virtual int hidden_size() const = 0;
  virtual int max_positions() const = 0;
  virtual int vocabulary_size() const = 0;
};

// What a family does before its parameters exist: read config.json and say which parameters it
// needs.
struct EncoderPlan {
  std::vector<ParameterSpec> parameters;
  std::string weight_prefix;  // stripped from stored names if the file has it, e.g. "bert."
  std::function<std::unique_ptr<Encoder>(const ParameterStore&)> build;
};

// Chosen by config.json's "model_type". An unknown one is an Error{kData} that lists those known.
EncoderPlan plan_encoder(const Json& config, const std::string& config_path);

}  // namespace attune
