// y = act(x W1^T + b1) W2^T + b2, or with add_residual r y + x, r one trained number that starts at
// 0, so that the adapter starts as the identity: LlamaIndex's TwoLayerNN, always with biases.
// Weights start as torch.nn.Linear's: uniform in +-1 / sqrt(inputs).
#pragma once

#include "models/adapters/registry.h"

namespace attune {

class TwoLayerAdapter : public Adapter {
 public:
  static std::unique_ptr<Adapter> make(const Json& config, std::uint64_t seed);

  at::Tensor forward(const at::Tensor& x) const override;
  std::vector<std::pair<std::string, at::Tensor>> parameters() const override;
  std::string config_json() const override { return dump_json_like_python(config_, -1); }

 private:
  Json config_;  // in LlamaIndex's order
  std::string activation_;
  bool add_residual_ = false;
  at::Tensor residual_weight_, weight1_, bias1_, weight2_, bias2_;
};

}  // namespace attune
