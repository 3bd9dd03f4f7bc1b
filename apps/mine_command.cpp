#include <filesystem>
#include <memory>

#include <attune/base_embedding.h>

#include "apps/standard_output.h"
#include "apps/verbs.h"
#include "core/error.h"
#include "core/json.h"
#include "data/dataset_formats.h"
#include "retrieval/hard_negatives.h"

namespace attune {
namespace {

MiningConfig read_config(const Arguments& arguments) {
  MiningConfig config;
  config.source = arguments.value("--source", config.source);
  config.num_negatives = arguments.number("--num-negatives", config.num_negatives, 1);
  config.range_min = arguments.number("--range-min", config.range_min, 0);
  config.range_max = arguments.number("--range-max", config.range_max, 1);
  config.max_score = arguments.real("--max-score");
  config.min_score = arguments.real("--min-score");
  config.absolute_margin = arguments.real("--absolute-margin");
  if (arguments.value("--relative-margin") == "none")
    config.relative_margin.reset();
  else if (arguments.has("--relative-margin"))
    config.relative_margin = arguments.real("--relative-margin");
  config.sampling_strategy = arguments.value("--sampling", config.sampling_strategy);
  config.seed = static_cast<std::uint64_t>(arguments.number("--seed", 42, 0));
  return config;
}

std::shared_ptr<const BaseEmbedding> load_model(const Arguments& arguments,
                                                const MiningConfig& config) {
  if (!arguments.has("--model")) return nullptr;
  if (config.source == "bm25")
    throw_error(ErrorKind::kConfig,
                "--source bm25 asks no model: leave --model out, or mine with --source both");
  EmbedOptions options;
  options.base = arguments.value("--base", "");
  options.precision = arguments.value("--precision", options.precision);
  options.device = arguments.value("--device", options.device);
  options.max_length = arguments.number("--max-length", 0, 1);
  options.batch_tokens = arguments.number("--batch-tokens", 0, 1);
  return resolve_embed_model(arguments.value("--model"), options);
}

// The counts under their names, in the order in which they are told.
Json counts_of(const MinedNegatives& mined) {
  return {{"queries", mined.complete},
          {"too_few", mined.incomplete},
          {"unanswered", mined.unanswered},
          {"num_negatives", mined.num_negatives},
          {"range_max", mined.range_max},
          {"candidates", mined.candidates},
          {"dropped_same_document", mined.dropped_same_document},
          {"dropped_absolute_margin", mined.dropped_absolute_margin},
          {"dropped_relative_margin", mined.dropped_relative_margin},
          {"dropped_max_score", mined.dropped_max_score},
          {"dropped_min_score", mined.dropped_min_score},
          {"blank_passages", mined.blank_passages},
          {"repeated_passages", mined.repeated_passages}};
}

std::string sentence_of(const MinedNegatives& mined) {
  std::string text =
      str_cat(mined.complete, " queries have ", mined.num_negatives, " hard negatives each, ",
              mined.incomplete, " found too few and are left out of training, ", mined.unanswered,
              " have no relevant passage; of ", mined.candidates, " candidates");
  const auto tell = [&](const char* guard, std::int64_t count) {
    if (count > 0) text += str_cat(", ", count, " dropped by ", guard);
  };
  tell("same document", mined.dropped_same_document);
  tell("absolute_margin", mined.dropped_absolute_margin);
  tell("relative_margin", mined.dropped_relative_margin);
  tell("max_score", mined.dropped_max_score);
  tell("min_score", mined.dropped_min_score);
  return str_cat(text, "; ", mined.repeated_passages, " passages repeat others, ",
                 mined.blank_passages, " are blank");
}

}  // namespace

void data_mine_command(const Arguments& arguments, const RunConfig&) {
  const MiningConfig config = read_config(arguments);
  const std::string path = arguments.value("--dataset"), output = arguments.value("--output");
  std::error_code ignored;
  if (std::filesystem::equivalent(output, path, ignored))
    throw_error(ErrorKind::kConfig, output,
                ": --output is the file of --dataset; give another name");
  const auto dataset = load_qa_dataset(path);
  const auto model = load_model(arguments, config);
  const MinedNegatives mined = mine_hard_negatives(dataset, model.get(), config);
  if (mined.complete == 0)
    throw_error(ErrorKind::kData, path, ": nothing is written: ", sentence_of(mined),
                "; lower --num-negatives or the margins, or raise --range-max");
  mined.save_jsonl(output, dataset);
  if (!arguments.has("--json")) return write_stdout(output + ": " + sentence_of(mined) + "\n");
  Json answer = {{"status", "succeeded"}, {"output", output}};
  answer.update(counts_of(mined));
  write_stdout(answer.dump() + "\n");
}

}  // namespace attune
