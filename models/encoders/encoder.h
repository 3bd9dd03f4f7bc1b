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
#include "models/linear.h"
#include "models/packed_tokens.h"
#include "models/parameter_store.h"

namespace attune {

// A linear layer under the name that the checkpoint and PEFT have for it. Query, key and value are
// rows [first_row, first_row + rows) of one layer here (docs/decisions/002).
struct LinearModule {
  std::string name;  // "encoder.layer.0.attention.self.query"
  Linear* layer = nullptr;
  std::int64_t first_row = 0, rows = 0;
  int encoder_layer = 0;
  DropoutSite site = DropoutSite::kQueryLowRank;  // of the dropout before its low rank part
};

class Encoder {
 public:
  virtual ~Encoder() = default;
  // [num_tokens, hidden_size()] fp32; autograd runs through it.
  virtual at::Tensor forward(const PackedTokens& tokens, const ForwardOptions& options) const = 0;
  // Packs every linear layer: see pack() in models/linear.h.
  virtual void pack_weights(at::ScalarType products) = 0;
  // All of them, from the bottom up; rows of one layer in their order.
  virtual std::vector<LinearModule> linear_modules() = 0;
  virtual int num_layers() const = 0;
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
  // {a parameter's name, another under which files have it}: where weights are tied to those of a
  // head, and only the head's name was written, or where older files call it otherwise.
  std::vector<std::pair<std::string, std::string>> other_names = {};
  // Beginnings of the names of tensors that the forward does not use and transformers' AutoModel
  // has: they are written back. What else is there (a task's head) is left out of what is written.
  std::vector<std::string> kept = {"pooler."};
};

// Chosen by config.json's "model_type". An unknown one is an Error{kData} that lists those known.
EncoderPlan plan_encoder(const Json& config, const std::string& config_path);

}  // namespace attune
