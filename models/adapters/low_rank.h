// y = x + x A^T B^T: the linear adapter's identity plus a matrix of low rank (Hu et al. 2021,
// "LoRA", section 4.1). B is zero at the start, A as torch.nn.Linear's. Saved merged, as the linear
// adapter W = 1 + B A.
#pragma once

#include "models/adapters/registry.h"

namespace attune {

class LowRankAdapter : public Adapter {
 public:
  static std::unique_ptr<Adapter> make(const Json& config, std::uint64_t seed);

  at::Tensor forward(const at::Tensor& x) const override;
  std::vector<std::pair<std::string, at::Tensor>> parameters() const override;
  std::string config_json() const override;
  std::unique_ptr<Adapter> merged() const override;

 private:
  at::Tensor down_, up_;  // A [rank, d], B [d, rank]
};

}  // namespace attune
