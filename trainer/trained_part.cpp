#include "trainer/trained_part.h"

#include <algorithm>

#include <fnmatch.h>

#include "core/error.h"
#include "core/log.h"
#include "models/lora_directory.h"

namespace attune {
namespace {

bool matches(const RateRule& rule, const std::string& name) {
  return fnmatch(rule.pattern.c_str(), name.c_str(), 0) == 0;
}

std::size_t longest_common_part(const std::string& a, const std::string& b) {
  std::size_t longest = 0;
  std::vector<std::size_t> before(b.size() + 1), now(b.size() + 1);
  for (const char x : a) {
    for (std::size_t j = 0; j < b.size(); ++j) {
      now[j + 1] = x == b[j] ? before[j] + 1 : 0;
      longest = std::max(longest, now[j + 1]);
    }
    std::swap(before, now);
  }
  return longest;
}

[[noreturn]] void refuse_unmatched(const RateRule& rule, std::vector<std::string> trained,
                                   const std::vector<std::string>& frozen) {
  for (const std::string& name : frozen)
    if (matches(rule, name))
      throw_error(ErrorKind::kConfig, "train.rates: '", rule.pattern, "' matches ", name,
                  ", which is not trained (last_layers, freeze_embeddings or lora)");
  constexpr std::size_t kShown = 4;
  const auto shown = std::min(kShown, trained.size());
  std::partial_sort(trained.begin(), trained.begin() + static_cast<std::ptrdiff_t>(shown),
                    trained.end(), [&](const std::string& a, const std::string& b) {
                      return std::pair(longest_common_part(rule.pattern, b), a) <
                             std::pair(longest_common_part(rule.pattern, a), b);
                    });
  std::string near;
  for (std::size_t i = 0; i < shown; ++i) near += (i ? ", " : "") + trained[i];
  throw_error(ErrorKind::kConfig, "train.rates: '", rule.pattern,
              "' matches no tensor; the nearest names are ", near);
}

void add_lora(EmbeddingModel& model, const LoraConfig& config, int first_layer,
              std::uint64_t seed) {
  if (config.start.empty())
    return model.add_lora(initial_lora(config, model.linear_modules(), first_layer, seed),
                          config.dropout, "train.lora");
  if (!is_lora_directory(config.start))
    throw_error(ErrorKind::kData, config.start,
                ": train.lora.start is no PEFT directory (adapter_config.json)");
  model.add_lora(read_lora(config.start), config.dropout, config.start);
}

}  // namespace

void choose_trained(EmbeddingModel& model, const TrainConfig& config, std::uint64_t seed) {
  if (config.last_layers > model.num_layers())
    throw_error(ErrorKind::kConfig, "train.last_layers ", config.last_layers, ": the encoder has ",
                model.num_layers(), " layers");
  const int first_layer = config.last_layers > 0     ? model.num_layers() - config.last_layers
                          : config.freeze_embeddings ? 0
                                                     : ParameterSpec::kEmbeddings;
  const std::size_t own = model.parameters().specs().size();
  if (config.lora.on()) add_lora(model, config.lora, first_layer, seed);

  std::vector<std::string> weights;  // of the encoder: frozen where LoRA is trained
  for (std::size_t i = 0; i < own && config.lora.on(); ++i)
    if (const ParameterSpec& spec = model.parameters().specs()[i];
        spec.layer != ParameterSpec::kHead)
      weights.push_back(spec.name);
  const auto is_trained = [&](const ParameterSpec& spec) {
    return spec.layer >= first_layer &&
           std::find(weights.begin(), weights.end(), spec.name) == weights.end();
  };
  std::vector<std::string> trained, frozen;
  for (const ParameterSpec& spec : model.parameters().specs())
    for (const std::string& name : spec.stored_names)
      (is_trained(spec) ? trained : frozen).push_back(name);
  const std::vector<RateRule> rules = config.rate_rules();
  for (const RateRule& rule : rules)
    if (std::none_of(trained.begin(), trained.end(),
                     [&](const std::string& name) { return matches(rule, name); }))
      refuse_unmatched(rule, trained, frozen);
  model.parameters().select([&](const ParameterSpec& spec, const std::string& name) {
    if (!is_trained(spec)) return 0.0;
    for (const RateRule& rule : rules)
      if (matches(rule, name)) return rule.factor;
    return 1.0;
  });
  if (model.parameters().frozen_count() > 0)
    log_info(str_cat("trained: ", model.parameters().count(), " of ",
                     model.parameters().count() + model.parameters().frozen_count(),
                     " parameters"));
}

}  // namespace attune
