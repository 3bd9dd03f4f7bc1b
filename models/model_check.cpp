#include "models/model_check.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "models/embedding_model.h"
#include "models/stored_names.h"

namespace attune {

std::vector<std::string> model_mistakes(const std::string& directory, const std::string& base) {
  std::vector<std::string> mistakes;
  const auto attempt = [&](const auto& part) {
    try {
      part();
    } catch (const Error& error) {
      if (std::find(mistakes.begin(), mistakes.end(), error.what()) == mistakes.end())
        mistakes.push_back(error.what());
    }
  };
  attempt([&] { EmbeddingModel::load(directory, at::kCPU, base); });
  if (mistakes.empty()) return {};
  const std::string first = mistakes[0];
  mistakes.clear();
  const ModelDirectory model = read_model_directory(directory, base, mistakes);
  if (!model.transformer_path.empty()) {
    EncoderPlan plan;
    if (model.config.is_object())
      attempt([&] {
        plan = plan_encoder(
            model.config, (std::filesystem::path(model.transformer_path) / "config.json").string());
      });
    attempt([&] {
      Weights weights = Weights::from_directory(model.transformer_path);
      if (plan.parameters.empty()) return;  // nothing to hold them against
      use_own_names(weights, plan);
      ParameterStore(std::move(plan.parameters), weights, model.transformer_path, at::kCPU);
    });
    attempt([&] { load_model_tokenizer(model); });
  }
  if (std::find(mistakes.begin(), mistakes.end(), first) == mistakes.end())
    mistakes.insert(mistakes.begin(), first);  // such as parts that do not fit each other
  return mistakes;
}

}  // namespace attune
