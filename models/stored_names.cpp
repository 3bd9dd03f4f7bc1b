#include "models/stored_names.h"

#include <algorithm>
#include <set>

#include "core/error.h"

namespace attune {

namespace {

// Where some are there, ParameterStore names the others.
void refuse_foreign(const Weights& weights, const EncoderPlan& plan) {
  for (const ParameterSpec& spec : plan.parameters)
    for (const std::string& name : spec.stored_names)
      if (weights.find(name)) return;
  if (plan.parameters.empty()) return;
  std::string found, file;
  int count = 0;
  for (const auto& [name, entry] : weights.entries()) {
    if (count == 0) file = entry.file;
    if (++count <= 3) found += (count > 1 ? ", '" : "'") + name + "'";
  }
  if (count == 0) return;
  throw_error(ErrorKind::kData, file,
              ": holds no tensor of the family that config.json names (such "
              "as '",
              plan.parameters[0].stored_names[0], "'), but ", found, count > 3 ? ", ..." : "",
              ": they are another family's, or another program's names; fetch the weights that "
              "belong to this config.json");
}

}  // namespace

void use_own_names(Weights& weights, const EncoderPlan& plan) {
  std::vector<std::string> prefixed;
  for (const auto& [name, entry] : weights.entries())
    if (!plan.weight_prefix.empty() && name.starts_with(plan.weight_prefix))
      prefixed.push_back(name);
  for (const std::string& name : prefixed)
    weights.rename(name, name.substr(plan.weight_prefix.size()));
  for (const auto& [own, other] : plan.other_names)
    if (!weights.find(own) && weights.find(other)) weights.rename(other, own);
  refuse_foreign(weights, plan);
}

std::vector<std::string> left_out(const Weights& weights, const EncoderPlan& plan) {
  std::set<std::string> used;
  for (const ParameterSpec& spec : plan.parameters)
    used.insert(spec.stored_names.begin(), spec.stored_names.end());
  const auto is_kept = [&](const std::string& name) {
    return std::any_of(plan.kept.begin(), plan.kept.end(),
                       [&](const std::string& start) { return name.starts_with(start); });
  };
  std::vector<std::string> names;
  for (const auto& [name, entry] : weights.entries())
    if (!used.count(name) && !is_kept(name) && !name.ends_with("position_ids"))
      names.push_back(name);
  return names;
}

}  // namespace attune
