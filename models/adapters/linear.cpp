#include "models/adapters/linear.h"

#include <ATen/ops/eye.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>

namespace attune {

LinearAdapter::LinearAdapter(at::Tensor weight, at::Tensor bias)
    : weight_(std::move(weight)), bias_(std::move(bias)) {}

std::unique_ptr<Adapter> LinearAdapter::make(const Json& config, std::uint64_t) {
  const std::int64_t in = adapter_width(config, "in_features"),
                     out = adapter_width(config, "out_features");
  const bool bias = config.value("bias", false);
  return std::make_unique<LinearAdapter>(at::eye(out, in), bias ? at::zeros({out}) : at::Tensor());
}

at::Tensor LinearAdapter::forward(const at::Tensor& x) const {
  return bias_.defined() ? at::linear(x, weight_, bias_) : at::linear(x, weight_);
}

std::vector<std::pair<std::string, at::Tensor>> LinearAdapter::parameters() const {
  std::vector<std::pair<std::string, at::Tensor>> all = {{"linear.weight", weight_}};
  if (bias_.defined()) all.emplace_back("linear.bias", bias_);
  return all;
}

std::string LinearAdapter::config_json() const {
  const Json config = {{"in_features", weight_.size(1)},
                       {"out_features", weight_.size(0)},
                       {"bias", bias_.defined()}};
  return dump_json_like_python(config, -1);
}

}  // namespace attune
