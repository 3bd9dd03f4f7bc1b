#include "pipeline/dry_run.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "models/model_directory.h"
#include "pipeline/generate_stage.h"
#include "pipeline/mine_stage.h"
#include "pipeline/train_stage.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

struct DataSets {
  TrainingSets train;
  std::optional<EmbeddingQAFinetuneDataset> validation, test;
};

// Those that are there; the generated ones are made anew in memory.
DataSets load_data(const RunConfig& config, bool with_test) {
  QuestionDatasets made;
  if (config.has_generate) made = generate_without_writing(config);
  DataSets sets{config.data.train.empty() ? TrainingSets(std::move(made.train))
                                          : TrainingSets::load(config.data.train),
                {},
                {}};
  if (!config.data.validation.empty())
    sets.validation = load_validation(config.data.validation);
  else if (made.validation.queries.size() > 0)
    sets.validation = std::move(made.validation);
  if (!with_test) return sets;
  sets.test = config.data.test.empty() ? std::move(made.test)
                                       : EmbeddingQAFinetuneDataset::from_json(config.data.test);
  return sets;
}

// Mining takes long, so it is not done for an estimate.
RunConfig with_negatives_that_are_there(const RunConfig& config) {
  if (!config.has_mine) return config;
  for (const std::string& path : mined_paths(config))
    if (!file_exists(path)) {
      log_warning("--dry-run: the hard negatives of 'mine' are not there yet, and not counted");
      return config;
    }
  return with_mined_negatives(config);
}

// Before anything is loaded: the weights; where they are trained, gradients and two moments too.
void check_model_fits(const std::string& directory, bool is_trained) {
  std::int64_t weights = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string extension = entry.path().extension();
    if ((extension == ".safetensors" || extension == ".bin") && entry.is_regular_file(error))
      weights += static_cast<std::int64_t>(entry.file_size(error));
  }
  const std::int64_t needed = is_trained ? 4 * weights : weights, available = available_memory();
  if (needed > available)
    throw_error(ErrorKind::kResources, directory, ": weights of ", memory_text(weights),
                " need at least ", memory_text(needed),
                is_trained ? " with gradients and AdamW's moments" : "", ", and available are ",
                memory_text(available), ": take a smaller model, or end other programs");
}

std::int64_t free_disk(const std::string& output) {
  fs::path place = fs::absolute(output);
  std::error_code error;
  while (!fs::exists(place, error) && place.has_relative_path()) place = place.parent_path();
  const fs::space_info space = fs::space(place, error);
  return error ? 0 : static_cast<std::int64_t>(space.available);
}

void check_disk(const RunConfig& config, const TrainingEstimate& estimate, std::int64_t free) {
  const std::int64_t needed = estimate.model_bytes + estimate.checkpoint_bytes;
  if (needed > free)
    throw_error(ErrorKind::kResources, config.output, " would hold ", memory_text(needed), " (",
                memory_text(estimate.checkpoint_bytes), " of checkpoints, ",
                memory_text(estimate.model_bytes), " of the model), and free there are ",
                memory_text(free),
                ": make room, give another output, or set train.checkpoint_steps: 0");
}

void check_memory(const TrainingEstimate& estimate) {
  if (estimate.memory > estimate.available_memory)
    throw_error(ErrorKind::kResources, "the training would take ", memory_text(estimate.memory),
                ", and available are ", memory_text(estimate.available_memory),
                ": lower train.chunk_tokens or train.batch_size, set train.recompute: true, or end "
                "other programs");
}

std::string time_text(double seconds) {
  char text[32];
  if (seconds < 90)
    std::snprintf(text, sizeof text, "%.0f s", seconds);
  else if (seconds < 5400)
    std::snprintf(text, sizeof text, "%.0f min", seconds / 60);
  else
    std::snprintf(text, sizeof text, "%.1f h", seconds / 3600);
  return text;
}

std::string text_of(const RunConfig& config, const TrainingEstimate& e, std::int64_t free) {
  const std::string chunks =
      e.chunk_tokens > 0 ? str_cat("chunks of ", e.chunk_tokens, " tokens") : "whole batches";
  std::string text = str_cat("nothing was written to ", config.output, "\npairs   ", e.pairs, ", ",
                             e.steps, " steps\n");
  if (e.counted_steps > 0)
    text += str_cat("tokens  ", std::llround(e.tokens_per_epoch), " an epoch, at most ",
                    e.largest_step, " a step (counted over ", e.counted_steps, " of the steps)\n");
  text += str_cat("memory  ", memory_text(e.memory), " at its highest, of ",
                  memory_text(e.available_memory));
  if (e.counted_steps > 0)
    text += str_cat("; ", std::llround(e.bytes_per_token / 1024), " KiB a token, ", chunks);
  return text + str_cat("\ntime    ", time_text(e.training_seconds + e.evaluation_seconds),
                        ", of them ", time_text(e.evaluation_seconds), " of evaluation\ndisk    ",
                        memory_text(e.checkpoint_bytes + e.model_bytes), ", of ", memory_text(free),
                        " free\n");
}

}  // namespace

DryRun dry_run(const RunConfig& given, bool whole_run) {
  const RunConfig config = with_negatives_that_are_there(given);
  if (!config.has_train)
    throw_error(ErrorKind::kConfig,
                "--dry-run tells of the training, and the configuration has no section 'train'");
  const bool every_weight =
      config.train.mode == "full" && !config.train.lora.on() && config.train.last_layers == 0;
  check_model_fits(resolve_model_path(config.model.base), every_weight);
  DataSets data = load_data(config, whole_run && config.has_evaluate);
  FinetuneOptions options = finetune_options(config);
  options.train.token_cache.clear();  // nothing is written
  const auto engine =
      make_finetune_engine(std::move(data.train), std::move(data.validation), options);
  const auto systems = static_cast<int>(
      1 + std::ssize(config.evaluate.candidates) +
      std::count(config.evaluate.baselines.begin(), config.evaluate.baselines.end(), "base"));
  const TrainingEstimate e = engine->estimate(data.test ? &*data.test : nullptr, systems);
  const std::int64_t free = free_disk(config.output);
  check_memory(e);
  check_disk(config, e, free);
  DryRun answer;
  answer.text = text_of(config, e, free);
  answer.json = {{"status", "dry_run"},
                 {"run", config.output},
                 {"pairs", e.pairs},
                 {"steps", e.steps},
                 {"tokens_per_epoch", std::llround(e.tokens_per_epoch)},
                 {"tokens_per_step_max", e.largest_step},
                 {"chunk_tokens", e.chunk_tokens},
                 {"bytes_per_token", e.bytes_per_token},
                 {"memory_bytes", e.memory},
                 {"available_memory_bytes", e.available_memory},
                 {"training_seconds", e.training_seconds},
                 {"evaluation_seconds", e.evaluation_seconds},
                 {"checkpoint_bytes", e.checkpoint_bytes},
                 {"model_bytes", e.model_bytes},
                 {"free_disk_bytes", free}};
  return answer;
}

}  // namespace attune
