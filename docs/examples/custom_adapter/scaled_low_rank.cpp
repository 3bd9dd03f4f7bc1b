// An adapter of one's own: y = s * x + x A^T B^T, every number of a query's vector scaled by one
// that is trained ((IA)^3, Liu et al. 2022, arXiv:2205.05638, equation 1) beside a matrix of low
// rank (LoRA, Hu et al. 2021, arXiv:2106.09685, section 4.1). It starts as the identity: s is 1, B
// is 0. With d numbers and rank r there are d + 2 d r parameters, where a full matrix has d^2.
#include <charconv>
#include <cmath>
#include <stdexcept>
#include <string>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <attune/adapter.h>
#include <attune/program.h>

namespace {

// The whole number of `key` in a JSON object like {"in_features": 384, "rank": 8}. attune gives
// nothing else; bring a JSON library for richer settings.
std::int64_t number(const std::string& json, const std::string& key, std::int64_t otherwise) {
  const std::size_t found = json.find("\"" + key + "\"");
  if (found == std::string::npos) return otherwise;
  const std::size_t colon = json.find(':', found) + 1;
  const char* begin = json.data() + json.find_first_not_of(' ', colon);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(begin, json.data() + json.size(), value);
  if (error != std::errc{} || value < 1 || (*end != ',' && *end != '}'))
    throw std::invalid_argument("'" + key + "' must be a whole number of at least 1");
  return value;
}

class ScaledLowRank : public attune::Adapter {
 public:
  ScaledLowRank(std::int64_t d, std::int64_t rank, std::uint64_t seed)
      : scale_(at::ones({d})), up_(at::zeros({d, rank})) {
    at::Generator generator = at::detail::createCPUGenerator(seed);
    const double bound = 1 / std::sqrt(static_cast<double>(d));
    down_ = at::empty({rank, d}).uniform_(-bound, bound, generator);
  }
  at::Tensor forward(const at::Tensor& x) const override {
    return x * scale_ + at::linear(at::linear(x, down_), up_);
  }
  std::vector<std::pair<std::string, at::Tensor>> parameters() const override {
    return {{"scale", scale_}, {"down.weight", down_}, {"up.weight", up_}};
  }
  std::string config_json() const override {
    const std::string d = std::to_string(scale_.size(0));
    return "{\"in_features\": " + d + ", \"out_features\": " + d +
           ", \"rank\": " + std::to_string(down_.size(0)) + "}";
  }

 private:
  at::Tensor scale_, down_, up_;
};

std::unique_ptr<attune::Adapter> make_scaled_low_rank(const std::string& config,
                                                      std::uint64_t seed) {
  const std::int64_t in = number(config, "in_features", 0), out = number(config, "out_features", 0);
  if (in != out || in == 0) throw std::invalid_argument("it keeps the dimension");
  const std::int64_t rank = number(config, "rank", 8);
  if (rank > in) throw std::invalid_argument("'rank' is more than the dimension");
  return std::make_unique<ScaledLowRank>(in, rank, seed);
}

}  // namespace

int main(int argc, char** argv) {
  attune::register_adapter("scaled_low_rank", make_scaled_low_rank);
  return attune::run_program(argc, argv);
}
