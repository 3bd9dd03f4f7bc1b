#include "models/adapters/two_layer.h"

#include <cmath>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>

#include "core/error.h"

namespace attune {
namespace {

at::Tensor activate(const std::string& name, const at::Tensor& x) {
  if (name == "relu") return at::relu(x);
  if (name == "sigmoid") return at::sigmoid(x);
  if (name == "tanh") return at::tanh(x);
  if (name == "leaky_relu") return at::leaky_relu(x);
  throw_error(ErrorKind::kData, "activation_fn_str '", name,
              "' is not known: expected relu, sigmoid, tanh or leaky_relu");
}

}  // namespace

std::unique_ptr<Adapter> TwoLayerAdapter::make(const Json& config, std::uint64_t seed) {
  const std::int64_t in = adapter_width(config, "in_features"),
                     hidden = adapter_width(config, "hidden_features"),
                     out = adapter_width(config, "out_features");
  auto adapter = std::make_unique<TwoLayerAdapter>();
  adapter->activation_ = config.value("activation_fn_str", "relu");
  adapter->add_residual_ = config.value("add_residual", false);
  activate(adapter->activation_, at::zeros({1}));  // refuses an unknown name before any training
  if (adapter->add_residual_ && in != out)
    throw_error(ErrorKind::kData, "add_residual needs as many out_features as in_features, not ",
                out, " and ", in);
  adapter->config_ = {{"in_features", in},
                      {"hidden_features", hidden},
                      {"out_features", out},
                      {"bias", config.value("bias", false)},
                      {"activation_fn_str", adapter->activation_},
                      {"add_residual", adapter->add_residual_}};
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const auto uniform = [&](at::IntArrayRef shape, std::int64_t inputs) {
    const double bound = 1 / std::sqrt(static_cast<double>(inputs));
    return at::empty(shape).uniform_(-bound, bound, generator);
  };
  adapter->residual_weight_ = at::zeros({1});
  adapter->weight1_ = uniform({hidden, in}, in);
  adapter->bias1_ = uniform({hidden}, in);
  adapter->weight2_ = uniform({out, hidden}, hidden);
  adapter->bias2_ = uniform({out}, hidden);
  return adapter;
}

at::Tensor TwoLayerAdapter::forward(const at::Tensor& x) const {
  const at::Tensor hidden = activate(activation_, at::linear(x, weight1_, bias1_));
  const at::Tensor y = at::linear(hidden, weight2_, bias2_);
  return add_residual_ ? residual_weight_ * y + x : y;
}

std::vector<std::pair<std::string, at::Tensor>> TwoLayerAdapter::parameters() const {
  return {{"residual_weight", residual_weight_},
          {"linear1.weight", weight1_},
          {"linear1.bias", bias1_},
          {"linear2.weight", weight2_},
          {"linear2.bias", bias2_}};
}

}  // namespace attune
