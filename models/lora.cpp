#include "models/lora.h"

#include <algorithm>
#include <cmath>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include "core/error.h"

namespace attune {
namespace {

// "query", "key" and "value" are understood whatever the family calls them.
bool is_target(const LinearModule& module, const std::string& target) {
  const std::string& name = module.name;
  return target == "all-linear" || name == target || name.ends_with("." + target) ||
         (target == "query" && module.site == DropoutSite::kQueryLowRank) ||
         (target == "key" && module.site == DropoutSite::kKeyLowRank) ||
         (target == "value" && module.site == DropoutSite::kValueLowRank);
}

std::string ends_of_names(std::span<const LinearModule> modules) {
  std::string known;
  for (const LinearModule& module : modules) {
    if (module.encoder_layer != modules[0].encoder_layer) break;
    const std::size_t layer = module.name.find(".0.");
    known += (known.empty() ? "" : ", ") +
             (layer == std::string::npos ? module.name : module.name.substr(layer + 3));
  }
  return known;
}

void check_rank(int rank, const LinearModule& module) {
  const std::int64_t width = std::min(module.layer->weight.size(1), module.rows);
  if (rank > width)
    throw_error(ErrorKind::kConfig, "train.lora.rank ", rank, " is more than the width of ",
                module.name, ", ", width);
}

}  // namespace

Lora initial_lora(const LoraConfig& config, std::span<const LinearModule> modules, int first_layer,
                  std::uint64_t seed) {
  if (modules.empty())
    throw_error(ErrorKind::kConfig,
                "train.lora: this model has no linear layers to put matrices beside; train its "
                "weights");
  for (const std::string& target : config.targets)
    if (std::none_of(modules.begin(), modules.end(),
                     [&](const LinearModule& module) { return is_target(module, target); }))
      throw_error(ErrorKind::kConfig, "train.lora.targets: no linear layer is called '", target,
                  "'; known: ", ends_of_names(modules), ", all-linear");
  at::Generator generator = at::detail::createCPUGenerator(seed);
  Lora lora{config.rank, config.alpha, {}};
  for (const LinearModule& module : modules) {
    if (module.encoder_layer < first_layer ||
        std::none_of(
            config.targets.begin(), config.targets.end(),
            [&](const std::string& target) { return is_target(module, target); }))
      continue;
    check_rank(config.rank, module);
    const std::int64_t in = module.layer->weight.size(1);
    const double bound = 1 / std::sqrt(static_cast<double>(in));
    lora.modules.push_back({module.name,
                            at::empty({config.rank, in}).uniform_(-bound, bound, generator),
                            at::zeros({module.rows, config.rank})});
  }
  if (lora.modules.empty())
    throw_error(ErrorKind::kConfig, "train.lora: no target is in the last layers (last_layers)");
  return lora;
}

void attach_lora(Lora& lora, std::span<const LinearModule> modules, double dropout,
                 const std::string& place) {
  std::size_t attached = 0;
  for (const LinearModule& module : modules)
    for (LoraModule& added : lora.modules) {
      // Adapters of task models have the encoder's names behind a prefix ("bert.").
      if (added.name != module.name && !added.name.ends_with("." + module.name)) continue;
      added.name = module.name;
      Linear& layer = *module.layer;
      const std::int64_t in = layer.weight.size(1);
      if (added.a.sizes() != at::IntArrayRef({lora.rank, in}) ||
          added.b.sizes() != at::IntArrayRef({module.rows, lora.rank}))
        throw_error(ErrorKind::kData, place, ": ", added.name,
                    " has matrices of other shapes than ", lora.rank, " x ", in, " and ",
                    module.rows, " x ", lora.rank, ": it belongs to another model");
      added.a = added.a.to(layer.weight.device());
      added.b = added.b.to(layer.weight.device());
      layer.low_rank.push_back({added.a, added.b, module.first_row, lora.alpha / lora.rank, dropout,
                                module.encoder_layer, module.site});
      ++attached;
    }
  if (attached == lora.modules.size()) return;
  for (const LoraModule& added : lora.modules)
    if (std::none_of(modules.begin(), modules.end(),
                     [&](const LinearModule& module) { return module.name == added.name; }))
      throw_error(ErrorKind::kData, place, ": the model has no linear layer '", added.name,
                  "'; those of a layer are: ", ends_of_names(modules));
}

at::Tensor merged_weight(const Linear& layer) {
  const at::NoGradGuard no_grad;
  if (layer.low_rank.empty()) return layer.weight.detach();
  at::Tensor merged = layer.weight.detach().clone();
  for (const LowRank& part : layer.low_rank)
    merged.narrow(0, part.first_row, part.b.size(0)).add_(at::mm(part.b, part.a), part.scale);
  return merged;
}

}  // namespace attune
