// y = x W^T (+ b), W the identity and b zero at the start: LlamaIndex's LinearLayer.
#pragma once

#include "models/adapters/registry.h"

namespace attune {

class LinearAdapter : public Adapter {
 public:
  LinearAdapter(at::Tensor weight, at::Tensor bias);  // [out, in]; [out] or undefined
  static std::unique_ptr<Adapter> make(const Json& config, std::uint64_t seed);

  at::Tensor forward(const at::Tensor& x) const override;
  std::vector<std::pair<std::string, at::Tensor>> parameters() const override;
  std::string config_json() const override;

 private:
  at::Tensor weight_, bias_;
};

}  // namespace attune
