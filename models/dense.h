// sentence-transformers' Dense module: activation(W x + b) of a text's vector, after pooling.
#pragma once

#include <string>

#include "core/json.h"
#include "models/linear.h"

namespace attune {

struct Dense {
  std::string folder;  // where its config.json and weights were read
  std::int64_t in_features = 0, out_features = 0;
  bool bias = true;
  std::string activation =
      "Tanh";          // Identity, Tanh, ReLU, LeakyReLU, GELU, Sigmoid, SiLU of torch.nn
  Linear linear = {};  // set by load_dense()
};

// From the module's config.json. Error{kData} with `path`: sizes that are none, activations other
// than the above, use_residual, inputs and outputs other than "sentence_embedding".
Dense read_dense(const Json& config, const std::string& path);
Json dense_json(const Dense& dense);

// Reads the weights (model.safetensors, or a plain state dict in pytorch_model.bin) as fp32.
// Error{kData} where they do not fit the sizes.
void load_dense(Dense& dense);

// x [n, in_features] fp32 to [n, out_features] fp32, whatever type the encoder computes in: of each
// text there is one row. Differentiable.
at::Tensor apply_dense(const Dense& dense, const at::Tensor& x);

}  // namespace attune
