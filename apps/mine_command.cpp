#include <filesystem>
#include <memory>

#include <attune/base_embedding.h>

#include "apps/standard_output.h"
#include "apps/verbs.h"
#include "core/error.h"
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
    throw_error(ErrorKind::kData, path, ": nothing is written: ", mined.summary(),
                "; lower --num-negatives or the margins, or raise --range-max");
  mined.save_jsonl(output, dataset);
  if (!arguments.has("--json")) return write_stdout(output + ": " + mined.summary() + "\n");
  Json answer = {{"status", "succeeded"}, {"output", output}};
  answer.update(mined.counts());
  write_stdout(answer.dump() + "\n");
}

}  // namespace attune
