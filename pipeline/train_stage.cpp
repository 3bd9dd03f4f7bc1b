#include "pipeline/train_stage.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "core/durable.h"
#include "core/duration.h"
#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "data/dataset_formats.h"
#include "models/adapter_directory.h"
#include "models/lora_directory.h"
#include "models/model_directory.h"
#include "pipeline/environment.h"
#include "pipeline/generate_stage.h"
#include "pipeline/stage_record.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStage = "train";
constexpr const char* kVersion = "1";  // of what the stage does with equal inputs

// The part of the configuration that decides the artifact.
std::string deciding_settings(RunConfig config) {
  config.has_evaluate = config.has_index = config.has_integrate = config.has_report = false;
  config.train = config.train.deciding();
  config.adapter.vectors.clear();
  config.output.clear();
  config.name.clear();
  config.data.test.clear();
  return print_config(config);
}

std::string first_difference(const std::string& before, const std::string& now) {
  std::istringstream old_lines(before), new_lines(now);
  std::string old_line, new_line;
  while (true) {
    const bool more_old = static_cast<bool>(std::getline(old_lines, old_line));
    const bool more_new = static_cast<bool>(std::getline(new_lines, new_line));
    if (!more_old && !more_new) return "";
    if (!more_old) old_line = "nothing";
    if (!more_new) new_line = "nothing";
    if (old_line != new_line) break;
  }
  const auto trim = [](const std::string& line) {
    const std::size_t first = line.find_first_not_of(' ');
    return first == std::string::npos ? std::string() : line.substr(first);
  };
  return str_cat("it began with '", trim(old_line), "', now it is '", trim(new_line), "'");
}

struct Inputs {
  Fingerprint base, validation, adapter, guide, lora;
  std::vector<Fingerprint> train, negatives;
};

// A PEFT directory is one with its own base.
Fingerprint fingerprint_base(const std::string& model) {
  const std::string directory = resolve_model_path(model);
  const Fingerprint own = fingerprint_model_files(directory);
  if (!is_lora_directory(directory)) return own;
  return sha256(own + fingerprint_model_files(read_model_directory(directory).transformer_path));
}

Inputs fingerprint_inputs(const RunConfig& config, const DataPaths& data) {
  if (!config.adapter.start.empty() && !is_adapter_directory(config.adapter.start))
    throw_error(ErrorKind::kData, config.adapter.start,
                ": adapter.start is no directory of an adapter (config.json, pytorch_model.bin)");
  const auto of_file = [](const std::string& path) {
    return path.empty() ? "" : sha256_file(path);
  };
  const auto of_files = [&](const std::vector<std::string>& paths) {
    std::vector<Fingerprint> fingerprints;
    for (const std::string& path : paths)
      fingerprints.push_back(path.empty() ? "" : fingerprint_dataset_files(path));
    return fingerprints;
  };
  return {fingerprint_base(config.model.base),
          of_file(data.validation),
          config.adapter.start.empty() ? "" : fingerprint_model_files(config.adapter.start),
          config.train.loss.guide.empty() ? "" : fingerprint_base(config.train.loss.guide),
          config.train.lora.start.empty() ? "" : lora_fingerprint(config.train.lora.start),
          of_files(data.train),
          of_files(config.train.negatives)};
}

StageInputs stage_inputs(RunConfig config, const Inputs& inputs) {
  config.adapter.vectors.clear();
  config.train = config.train.deciding();
  StageInputs all;
  all.settings = settings_of(config.model, "model");
  all.settings.merge(settings_of(config.train, "train"));
  all.settings.merge(settings_of(config.adapter, "adapter"));
  // Where things are does not matter, only what they hold.
  for (const char* path :
       {"model.base", "train.negatives", "train.loss.guide", "train.lora.start", "adapter.start"})
    all.settings.erase(path);
  all.settings["seed"] = std::to_string(config.seed);
  all.settings["device"] = config.device;
  all.settings["what 'train' does"] = kVersion;
  const auto add = [&](const std::string& name, const Fingerprint& fingerprint) {
    if (!fingerprint.empty()) all.files[name] = fingerprint;
  };
  const auto add_all = [&](const std::string& name, const std::vector<Fingerprint>& all_of) {
    for (std::size_t i = 0; i < all_of.size(); ++i)
      add(all_of.size() == 1 ? name : str_cat(name, "[", i, "]"), all_of[i]);
  };
  add("model.base", inputs.base);
  add_all("data.train", inputs.train);
  add("data.validation", inputs.validation);
  add_all("train.negatives", inputs.negatives);
  add("adapter.start", inputs.adapter);
  add("train.loss.guide", inputs.guide);
  add("train.lora.start", inputs.lora);
  return all;
}

void remove_previous_progress(const std::string& output) {
  for (const char* name : {"checkpoints", "metrics.jsonl", "tensorboard"})
    remove_durably(output + "/" + name);
}

Json metrics_of(const FinetuneResult& result, bool validated) {
  Json metrics;
  metrics["final_loss"] = result.final_loss;
  metrics["steps"] = result.steps;
  metrics["pairs"] = result.pairs;
  metrics["seconds"] = result.seconds;
  metrics["pairs_per_second"] =
      result.seconds > 0 ? static_cast<double>(result.pairs) / result.seconds : 0.0;
  metrics["peak_memory_mib"] = peak_resident_memory() / (1 << 20);
  metrics["skipped_empty"] = result.skipped_empty;
  metrics["skipped_unanswered"] = result.skipped_unanswered;
  metrics["skipped_steps"] = result.skipped_steps;
  metrics["rollbacks"] = result.rollbacks;
  if (result.peak_memory > 0) metrics["peak_memory_bytes"] = result.peak_memory;
  if (result.graphs.batches > 0) {  // docs/decisions/019
    metrics["graph_steps"] = result.graphs.batches;
    metrics["graph_hits"] = result.graphs.replayed;
    metrics["padded_tokens"] = result.graphs.tokens + result.graphs.padding;
  }
  if (validated) {
    metrics["stopped_early"] = result.stopped_early;
    metrics["best_step"] = result.best_step;
    metrics["validation_ndcg@10"] = result.best_metric;
  }
  return metrics;
}

FinetuneOptions engine_options(const RunConfig& config, const Inputs& inputs, bool resume) {
  FinetuneOptions options = finetune_options(config);
  options.resume = resume;
  options.lineage["attune"] = ATTUNE_VERSION;
  options.lineage["run"] = config.name;
  options.lineage["base_files"] = inputs.base;
  const std::vector<Fingerprint>& train = inputs.train;
  options.lineage["data"] = {{"train", train.size() == 1 ? Json(train[0]) : Json(train)},
                             {"validation", inputs.validation}};
  options.lineage["config"] = print_config(config);
  return options;
}

}  // namespace

FinetuneOptions finetune_options(const RunConfig& config) {
  FinetuneOptions options;
  options.model = config.model;
  options.train = config.train;
  options.adapter = config.adapter;
  options.evaluate_k = config.evaluate.k;
  options.seed = config.seed;
  options.device = config.device;
  options.output = config.output;
  return options;
}

std::optional<EmbeddingQAFinetuneDataset> load_validation(const std::string& path) {
  if (path.empty()) return std::nullopt;
  auto dataset = EmbeddingQAFinetuneDataset::from_json(path);
  if (dataset.queries.size() > 0) return dataset;
  log_info(str_cat(path, " holds no query: nothing is measured during training"));
  return std::nullopt;
}

Fingerprint fingerprint_model_files(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  const auto options = fs::directory_options::follow_directory_symlink;
  for (fs::recursive_directory_iterator entry(directory, options, error), end;
       !error && entry != end; entry.increment(error)) {
    const std::string extension = entry->path().extension();
    if ((extension == ".json" || extension == ".txt" || extension == ".safetensors" ||
         extension == ".bin") &&
        entry->is_regular_file())
      names.push_back(entry->path().lexically_relative(directory).string());
  }
  if (error)
    throw_error(ErrorKind::kResources, directory, ": cannot list the folder: ", error.message());
  std::sort(names.begin(), names.end());
  Sha256 hash;
  for (const std::string& name : names)
    hash.update(str_cat(name.size(), ":", name)).update(sha256_file(directory + "/" + name));
  return hash.hex();
}

void check_existing_training(const RunConfig& config, Existing existing) {
  const std::string& output = config.output;
  const auto record = read_stage_record(output, kStage);
  if (existing == Existing::kRefuse) {
    std::error_code ignored;
    for (const char* name : {"stages/train.json", "artifact", "metrics.jsonl", "checkpoints"})
      if (fs::exists(output + "/" + name, ignored))
        throw_error(
            ErrorKind::kConfig, output, " holds a run already (", name,
            "): --resume goes on with it, --overwrite replaces it, and another 'output' leaves it");
  }
  if (existing == Existing::kResume && record) {
    const std::string before = record->result.value("settings", ""),
                      now = deciding_settings(config);
    if (before != now)
      throw_error(ErrorKind::kConfig, output,
                  " cannot be resumed with other settings: ", first_difference(before, now),
                  "; --overwrite starts anew");
  }
}

StageInputs train_inputs(const RunConfig& config) {
  return stage_inputs(config, fingerprint_inputs(config, data_paths(config)));
}

TrainOutcome train_stage(const RunConfig& config, Existing existing, const StopRequested& stop) {
  remove_stale_temporaries(config.output + "/artifact");
  const DataPaths data = data_paths(config);
  const Inputs inputs = fingerprint_inputs(config, data);
  TrainOutcome outcome{config.output, config.output + "/artifact", {}};
  StageRecord record(kStage);
  record.inputs = stage_inputs(config, inputs);
  const auto last = read_stage_record(config.output, kStage);
  const bool is_same = last && last->has_inputs(record.inputs);
  if (existing == Existing::kResume && last && !is_same)
    throw_error(ErrorKind::kConfig, config.output,
                " cannot be resumed: the base model or the data are not "
                "what they were when it began; --overwrite starts anew");
  if (existing != Existing::kOverwrite && is_same &&
      last->is_current(config.output, record.inputs)) {
    log_info(str_cat("train: unchanged, not run again: ", outcome.artifact, " was made in ",
                     duration_text(last->seconds)));
    outcome.metrics = last->result.at("metrics");
    return outcome;
  }
  if (last && !is_same)
    log_info(str_cat(kStage, ": runs again: ", record.inputs.changes_since(last->inputs)));
  auto training = TrainingSets::load(data.train);
  auto validation = load_validation(data.validation);
  const bool validated = validation.has_value(),
             resume = existing != Existing::kOverwrite && is_same;
  const auto engine = make_finetune_engine(std::move(training), std::move(validation),
                                           engine_options(config, inputs, resume));
  if (!resume) remove_previous_progress(config.output);
  record.result["settings"] = deciding_settings(config);
  record.result["environment"] = describe_environment(config.device);
  if (const std::string base = resolve_model_path(config.model.base); !is_adapter_directory(base)) {
    const Prompts prompts = read_model_directory(base).prompts;
    record.result["base_prompts"] = {{"query", prompts.query}, {"document", prompts.document}};
  }
  write_stage_record(config.output, record);

  const FinetuneResult result = engine->finetune(stop);
  if (!result.finished)
    throw_error(ErrorKind::kInterrupted, config.output, ": stopped after step ", result.steps,
                ", which is saved");
  outcome.metrics = metrics_of(result, validated);
  record.finished = true;
  record.seconds = result.seconds;
  record.result["metrics"] = outcome.metrics;
  for (const auto& entry : fs::recursive_directory_iterator(outcome.artifact))
    if (entry.is_regular_file() && entry.path().filename() != "README.md")  // people add to it
      record.add_output(config.output, entry.path().lexically_relative(config.output).string());
  write_stage_record(config.output, record);
  log_info(str_cat("train: ", result.steps, " steps over ", result.pairs, " pairs in ",
                   duration_text(result.seconds), ", last loss ", result.final_loss));
  return outcome;
}

}  // namespace attune
