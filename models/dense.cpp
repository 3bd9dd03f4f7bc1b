#include "models/dense.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tanh.h>

#include "core/error.h"
#include "models/torch_state_file.h"

namespace attune {
namespace {

struct Activation {
  const char *name, *path;  // path: as Python's class calls itself
  at::Tensor (*apply)(const at::Tensor&);
};

const Activation kActivations[] = {
    {"Identity", "torch.nn.modules.linear.Identity", [](const at::Tensor& x) { return x; }},
    {"Tanh", "torch.nn.modules.activation.Tanh", [](const at::Tensor& x) { return at::tanh(x); }},
    {"ReLU", "torch.nn.modules.activation.ReLU", [](const at::Tensor& x) { return at::relu(x); }},
    {"GELU", "torch.nn.modules.activation.GELU", [](const at::Tensor& x) { return at::gelu(x); }},
    {"Sigmoid", "torch.nn.modules.activation.Sigmoid",
     [](const at::Tensor& x) { return at::sigmoid(x); }},
    {"LeakyReLU", "torch.nn.modules.activation.LeakyReLU",
     [](const at::Tensor& x) { return at::leaky_relu(x); }},  // slope 0.01, as torch's default
    {"SiLU", "torch.nn.modules.activation.SiLU", [](const at::Tensor& x) { return at::silu(x); }},
};

const Activation& activation_called(const std::string& name) {
  for (const Activation& activation : kActivations)
    if (name == activation.name) return activation;
  throw InternalError("unknown activation " + name);
}

std::string activation_name(const Json& path, const std::string& place) {
  std::string known;
  for (const Activation& activation : kActivations) {
    if (path == activation.path || path == std::string("torch.nn.") + activation.name)
      return activation.name;
    known += (known.empty() ? "" : ", ") + std::string(activation.name);
  }
  throw_error(ErrorKind::kData, place, ": \"activation_function\" is ", path.dump(),
              ", supported: ", known, " of torch.nn");
}

std::int64_t read_width(const Json& config, const char* key, const std::string& path) {
  const Json value = config.value(key, Json());
  if (!value.is_number_integer() || value.get<std::int64_t>() < 1 ||
      value.get<std::int64_t>() > 1'000'000)
    throw_error(ErrorKind::kData, path, ": \"", key, "\" is ", value.dump(),
                ", expected an integer from 1 to 1000000");
  return value.get<std::int64_t>();
}

}  // namespace

Dense read_dense(const Json& config, const std::string& path) {
  Dense dense;
  dense.in_features = read_width(config, "in_features", path);
  dense.out_features = read_width(config, "out_features", path);
  const Json bias = config.value("bias", Json(true));
  if (!bias.is_boolean())
    throw_error(ErrorKind::kData, path, ": \"bias\" is ", bias.dump(), ", expected true or false");
  dense.bias = bias.get<bool>();
  if (config.contains("activation_function"))
    dense.activation = activation_name(config["activation_function"], path);
  if (config.value("use_residual", Json(false)) != false)
    throw_error(ErrorKind::kData, path, ": \"use_residual\" is not supported");
  for (const char* key : {"module_input_name", "module_output_name"})
    if (const Json name = config.value(key, Json());
        !name.is_null() && name != "sentence_embedding")
      throw_error(ErrorKind::kData, path, ": \"", key, "\" is ", name.dump(),
                  ", supported: \"sentence_embedding\"");
  return dense;
}

Json dense_json(const Dense& dense) {
  return {{"in_features", dense.in_features},
          {"out_features", dense.out_features},
          {"bias", dense.bias},
          {"activation_function", activation_called(dense.activation).path}};
}

void load_dense(Dense& dense) {
  const std::string path = dense.folder + "/model.safetensors";
  const auto state = read_state(path, dense.folder + "/pytorch_model.bin");
  const auto take = [&](const std::string& name, std::vector<std::int64_t> shape) {
    const auto found = state.find(name);
    if (found == state.end() || found->second.sizes() != at::IntArrayRef(shape))
      throw_error(ErrorKind::kData, path, ": tensor '", name, "' is ",
                  found == state.end() ? "missing" : "of another shape than config.json asks for");
    return found->second;
  };
  dense.linear.weight = take("linear.weight", {dense.out_features, dense.in_features});
  if (dense.bias) dense.linear.bias = take("linear.bias", {dense.out_features});
  if (state.size() != (dense.bias ? 2u : 1u))
    throw_error(ErrorKind::kData, path, ": holds tensors besides linear.weight and linear.bias");
}

at::Tensor apply_dense(const Dense& dense, const at::Tensor& x) {
  return activation_called(dense.activation).apply(linear(x, dense.linear, at::kFloat));
}

}  // namespace attune
