#include <charconv>

#include "apps/alias_text.h"
#include "apps/standard_output.h"
#include "apps/verbs.h"
#include "core/error.h"
#include "models/job_model.h"

namespace attune {
namespace {

std::int64_t weight_of(const std::string& word) {
  std::int64_t weight = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), weight);
  if (error != std::errc() || end != word.data() + word.size())
    throw_error(ErrorKind::kConfig, "--weight ", word, " is no whole number");
  return weight;
}

}  // namespace

void alias_set_command(const Arguments& arguments, const RunConfig&) {
  const std::vector<std::string>& words = arguments.positionals();
  const std::vector<std::string> weights = arguments.values("--weight");
  const std::size_t models = words.size() - 1;
  if (weights.size() != models && (models > 1 || !weights.empty()))
    throw_error(ErrorKind::kConfig, models, " models and ", weights.size(),
                " weights: give --weight once for each model, in their order");
  AliasRegistry registry;
  std::vector<AliasArm> arms;
  for (std::size_t i = 0; i < models; ++i)
    arms.push_back(alias_arm(registry, words[i + 1], weights.empty() ? 1 : weight_of(weights[i])));
  const AliasVersion version = registry.set(words[0], arms);
  write_stdout(arguments.has("--json") ? alias_json(version).dump() + "\n" : alias_line(version));
}

}  // namespace attune
