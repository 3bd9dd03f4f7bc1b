#include "pipeline/run_config.h"

#include <algorithm>
#include <set>

#include "core/alias_registry.h"
#include "core/shortened.h"

namespace attune {
namespace {

bool is_plain_name(const std::string& name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
  return plain && !name.empty() && name.front() != '.' && name.size() <= 200;
}

std::vector<std::string> wrong_candidates(const EvaluateConfig& evaluate) {
  constexpr std::size_t kMost = 20;
  std::vector<std::string> wrong;
  std::set<std::string> seen = {"base", "finetuned", "bm25"};
  for (const std::string& candidate : evaluate.candidates) {
    if (candidate.empty())
      wrong.push_back("holds an empty name: expected a model's folder or name");
    else if (!seen.insert(candidate).second)
      wrong.push_back("holds '" + candidate +
                      "', which is a row of the table already: leave it out, or write a folder of "
                      "that name as ./" +
                      candidate);
  }
  if (evaluate.candidates.size() > kMost)
    wrong.push_back("holds " + std::to_string(evaluate.candidates.size()) +
                    " models: at most 20, for with more chance has too much to choose from");
  return wrong;
}

}  // namespace

bool is_device_name(const std::string& name) {
  if (name == "auto" || name == "cpu" || name == "cuda") return true;
  if (!name.starts_with("cuda:")) return false;
  const std::string digits = name.substr(5);
  return !digits.empty() && digits.size() <= 3 &&
         digits.find_first_not_of("0123456789") == std::string::npos;
}

std::vector<RunConfig::Mistake> RunConfig::cross_mistakes() const {
  std::vector<Mistake> found;
  const auto add = [&](const char* key, const std::string& message) {
    found.push_back({key, message});
  };
  if (!name.empty() && !is_plain_name(name))
    add("name",
        "'" + shortened(name) +
            "' is no name: at most 200 letters, digits, '-', '_' and '.', not beginning with '.'");
  if (has_documents && documents.paths.empty())
    add("documents", "'documents' names no paths: give documents.paths");
  if (!is_device_name(device))
    add("device", "'" + shortened(device) + "' is not known: expected auto, cpu, cuda or cuda:N");
  if (has_documents && !has_generate)
    add("documents", "'documents' without 'generate': add the section that makes pairs of them");
  if (has_generate && !has_documents)
    add("generate",
        "'generate' without 'documents': say with documents.paths what to make pairs of");
  if (has_chunks && !has_documents)
    add("chunks", "'chunks' without 'documents': there is nothing to cut; give documents.paths");
  if (has_generate && !has_model)
    add("generate",
        "'generate' without 'model': passages are measured in the tokens of model.base");
  if (has_train && data.train.empty() && !has_generate)
    add("train", "'train' has no data: give data.train, or documents and generate");
  const bool adapts = has_train && train.mode == "adapter";
  if (has_train && !adapts && train.loss.kind() == "corpus")
    add("train.loss.type", "train.loss.type corpus needs frozen passages: train.mode adapter");
  const char* const chooses = train.last_layers > 0     ? "train.last_layers"
                              : train.freeze_embeddings ? "train.freeze_embeddings"
                              : !train.rates.empty()    ? "train.rates"
                              : train.lora.on()         ? "train.lora"
                                                        : nullptr;
  if (adapts && chooses != nullptr)
    add(chooses,
        "train.last_layers, freeze_embeddings, rates and lora are of train.mode full: an adapter "
        "leaves the whole encoder as it is");
  if (adapts && !train.token_cache.empty())
    add("train.token_cache",
        "train.token_cache is of train.mode full: adapters keep vectors (OUTPUT/vectors)");
  if (has_train && !train.lora.on() && train.lora.save == "peft")
    add("train.lora.save",
        "train.lora.save peft without LoRA: give train.lora.rank or train.lora.start");
  if (adapts && !model.prompts.columns.empty())
    add("model.prompts.columns",
        "model.prompts.columns is of train.mode full: an adapter's base embeds queries and "
        "passages; give query and document");
  if (has_mine && data.train.empty() && !has_generate)
    add("mine", "'mine' has no data: give data.train, or documents and generate");
  if (has_mine && !has_train)
    add("mine",
        "'mine' makes what 'train' learns from, and there is no 'train'; `attune data mine` mines "
        "alone");
  if (has_mine && !train.negatives.empty())
    add("train.negatives", "'mine' makes the negatives: leave one of the two out");
  if (has_train && !train.negatives.empty() &&
      train.negatives.size() != std::max<std::size_t>(data.train.size(), 1))
    add("train.negatives",
        "train.negatives names another number of files than data.train: give one for "
        "each data set, in their order, \"\" for none");
  if (has_train && data.train.size() > 1 && train.loss.kind() == "corpus")
    add("train.loss.type", "train.loss.type corpus takes one data set: join them into one file");
  if (has_train && data.train.size() > 1 && train.parity == "llamaindex")
    add("train.parity",
        "train.parity llamaindex takes one data set: its batches would mix several");
  if (has_train && !adapts && train.parity != "none")
    add("train.parity", "train.parity is of adapters: train.mode adapter");
  if (adapts && train.parity == "llamaindex" && adapter.sides == "both")
    add("adapter.sides",
        "adapter.sides both is not what train.parity llamaindex does: queries alone");
  if (has_train && train.patience > 0 && data.validation.empty() && !has_generate)
    add("train.patience", "train.patience needs questions to measure: give data.validation");
  if ((has_train || has_evaluate) && !has_generate && !has_model)
    add(has_train ? "train" : "evaluate", "there is no model: give model.base");
  if (has_evaluate && !has_train)
    add("evaluate",
        "'evaluate' compares the finetuned model with its base and needs 'train'; `attune "
        "evaluate` ranks models that are there already");
  if (has_evaluate && data.test.empty() && !has_generate)
    add("evaluate", "'evaluate' has no questions: give data.test, or documents and generate");
  for (const std::string& wrong : wrong_candidates(evaluate))
    add("evaluate.candidates", "evaluate.candidates " + wrong);
  if (std::set(evaluate.searches.begin(), evaluate.searches.end()).size() !=
      evaluate.searches.size())
    add("evaluate.searches", "evaluate.searches names one twice");
  if (has_report && !has_train) add("report", "'report' tells of a training and needs 'train'");
  if (has_index && !has_train)
    add("index",
        "'index' holds the finetuned model's vectors and needs 'train'; `attune index build` takes "
        "models that are there already");
  if (has_index && index.passages.empty() && !has_generate && data.test.empty())
    add("index", "'index' has no passages: give index.passages, data.test, or documents");
  if (has_integrate && !has_train)
    add("integrate",
        "'integrate' leads an alias to the finetuned model and needs 'train'; `attune alias set` "
        "takes models that are there already");
  if (has_integrate && !integrate.alias.empty() && !is_alias_name(integrate.alias))
    add("integrate.alias",
        "'" + integrate.alias +
            "' is no name of an alias: a letter, then letters, digits, '-', '_' and '.'");
  const bool compares = has_evaluate && std::ranges::count(evaluate.baselines, "base") > 0;
  if (has_integrate && integrate.if_better && !compares)
    add("integrate.if_better",
        "integrate.if_better needs 'evaluate' with the baseline base, or say if_better: false");
  if (has_integrate && (model.base == integrate.alias || model.base == "alias:" + integrate.alias))
    add("integrate.alias",
        "model.base is the alias that 'integrate' changes: every run would train on; give the "
        "model's directory or id");
  if (!has_generate && !has_train && !has_evaluate)
    add("version", "no stage is named: add 'documents' with 'generate', 'train' or 'evaluate'");
  return found;
}

std::vector<RunConfig::Idle> RunConfig::idle_settings() const {
  const bool adapts = has_train && train.mode == "adapter";
  const bool validates = !data.validation.empty() || has_generate;
  const bool indexes_test = has_index && index.passages.empty() && !has_generate;
  return {
      {"adapter", !adapts, "train.mode is not adapter"},
      {"data.train", !has_train, "there is no 'train'"},
      {"data.validation", !has_train, "there is no 'train'"},
      {"data.test", !has_evaluate && !indexes_test, "there is no 'evaluate'"},
      {"train.evaluate_steps", !validates, "nothing is measured without data.validation"},
      {"train.multi_dataset", data.train.size() < 2, "data.train is one data set"},
      {"train.freeze_embeddings", train.lora.on(), "train.lora freezes all weights"},
      {"train.deterministic", device == "cpu", "the processor always is"},
      {"mine.seed", mine.sampling_strategy == "top", "mine.sampling_strategy top draws nothing"},
  };
}

}  // namespace attune
