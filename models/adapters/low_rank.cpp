#include "models/adapters/low_rank.h"

#include <cmath>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include "core/error.h"
#include "models/adapters/linear.h"

namespace attune {

std::unique_ptr<Adapter> LowRankAdapter::make(const Json& config, std::uint64_t seed) {
  const std::int64_t in = adapter_width(config, "in_features"),
                     out = adapter_width(config, "out_features"),
                     rank = adapter_width(config, "rank");
  if (in != out)
    throw_error(ErrorKind::kData, "a low-rank adapter keeps the dimension: out_features ", out,
                " is not in_features ", in);
  if (rank > in)
    throw_error(ErrorKind::kData, "a low-rank adapter's rank, ", rank,
                ", is more than the dimension, ", in);
  auto adapter = std::make_unique<LowRankAdapter>();
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  adapter->down_ = at::empty({rank, in}).uniform_(-bound, bound, generator);
  adapter->up_ = at::zeros({out, rank});
  return adapter;
}

at::Tensor LowRankAdapter::forward(const at::Tensor& x) const {
  return x + at::linear(at::linear(x, down_), up_);
}

std::vector<std::pair<std::string, at::Tensor>> LowRankAdapter::parameters() const {
  return {{"down.weight", down_}, {"up.weight", up_}};
}

std::string LowRankAdapter::config_json() const {
  const Json config = {
      {"in_features", down_.size(1)}, {"out_features", up_.size(0)}, {"rank", down_.size(0)}};
  return dump_json_like_python(config, -1);
}

std::unique_ptr<Adapter> LowRankAdapter::merged() const {
  const at::NoGradGuard no_grad;
  return std::make_unique<LinearAdapter>(
      at::eye(up_.size(0), up_.options()) + at::matmul(up_, down_), at::Tensor());
}

}  // namespace attune
