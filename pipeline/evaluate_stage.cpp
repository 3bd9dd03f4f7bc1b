#include "pipeline/evaluate_stage.h"

#include <algorithm>

#include "core/durable.h"
#include "core/error.h"
#include "core/log.h"
#include "models/encoder_embedding.h"
#include "pipeline/base_model.h"
#include "pipeline/generate_stage.h"
#include "pipeline/stage_record.h"
#include "pipeline/train_stage.h"
#include "retrieval/query_results.h"
#include "retrieval/report_table.h"
#include "trainer/model_card.h"

namespace attune {
namespace {

constexpr const char* kVersion = "2";  // of what the stage does with equal inputs

bool has_baseline(const RunConfig& config, const std::string& name) {
  const auto& baselines = config.evaluate.baselines;
  return std::find(baselines.begin(), baselines.end(), name) != baselines.end();
}

Evaluation evaluate_model(const std::string& name, const std::string& directory,
                          const EmbedOptions& options, const EmbeddingQAFinetuneDataset& test,
                          const std::vector<int>& k) {
  log_info(str_cat("evaluate: ", name, " on ", test.queries.size(), " queries and ",
                   test.corpus.size(), " passages"));
  Evaluation evaluation = evaluate(*resolve_embed_model(directory, options), test, k);
  evaluation.model = name;
  return evaluation;
}

std::vector<Evaluation> evaluate_systems(const RunConfig& config, const std::string& artifact,
                                         const EmbeddingQAFinetuneDataset& test) {
  std::vector<Evaluation> systems;
  EmbedOptions options;
  options.device = config.device;
  if (has_baseline(config, "base"))
    systems.push_back(evaluate_model("base", config.model.base, base_embed_options(config), test,
                                     config.evaluate.k));
  systems.push_back(evaluate_model("finetuned", artifact, options, test, config.evaluate.k));
  if (has_baseline(config, "bm25")) {
    systems.push_back(evaluate_bm25(test, config.evaluate.k));
    systems.back().model = "bm25";
  }
  return systems;
}

QueryResult result_of(const Evaluation& system, std::size_t query, const TextTable& corpus) {
  const Ranking& ranking = system.rankings[query];
  const QueryScores& scores = system.scores[query];
  QueryResult result;
  for (std::size_t i = 0; i < ranking.retrieved.size(); ++i) {
    const std::int64_t row = ranking.retrieved[i];
    if (std::binary_search(ranking.relevant.begin(), ranking.relevant.end(), row))
      result.ranks.push_back(static_cast<std::int64_t>(i) + 1);
    if (i < kFoundPassages) result.found.push_back({corpus.id(row), scores.retrieved[i]});
  }
  result.positive = scores.positive;
  result.negative = scores.negative;
  result.random = scores.random;
  return result;
}

QueryResults results_of(const std::vector<Evaluation>& systems, const RunConfig& config,
                        const EmbeddingQAFinetuneDataset& test, const std::string& path) {
  QueryResults results;
  results.dataset = path;
  results.dataset_sha256 = sha256_file(path);
  results.passages = test.corpus.size();
  results.k = config.evaluate.k;
  const Evaluation& first = systems.front();
  for (std::size_t query = 0; query < first.query_rows.size(); ++query) {
    results.query_ids.push_back(test.queries.id(first.query_rows[query]));
    results.num_relevant.push_back(std::ssize(first.rankings[query].relevant));
  }
  for (const Evaluation& system : systems) {
    results.systems.push_back(system.model);
    std::vector<QueryResult>& of = results.of.emplace_back();
    for (std::size_t query = 0; query < system.rankings.size(); ++query)
      of.push_back(result_of(system, query, test.corpus));
  }
  return results;
}

}  // namespace

EmbeddingQAFinetuneDataset load_test_set(const RunConfig& config) {
  const std::string path = data_paths(config).test;
  auto test = EmbeddingQAFinetuneDataset::from_json(path);
  for (const std::vector<std::int64_t>& relevant : test.relevant_docs)
    if (!relevant.empty()) return test;
  throw_error(ErrorKind::kData, path,
              ": holds no query with a relevant passage, so nothing can be measured; give "
              "data.test, or name pages with questions in generate.question_pages");
}

StageInputs evaluate_inputs(const RunConfig& config) {
  StageInputs inputs;
  inputs.settings = settings_of(config.evaluate, "evaluate");
  inputs.settings.merge(settings_of(config.model, "model"));
  inputs.settings.erase("model.base");
  inputs.settings["device"] = config.device;
  inputs.settings["what 'evaluate' does"] = kVersion;
  inputs.files["artifact"] = fingerprint_model_files(config.output + "/artifact");
  inputs.files["model.base"] = fingerprint_model_files(resolve_model_path(config.model.base));
  inputs.files["data.test"] = sha256_file(data_paths(config).test);
  return inputs;
}

std::string evaluate_stage(const RunConfig& config) {
  const std::string artifact = config.output + "/artifact", test_path = data_paths(config).test;
  StageRecord record("evaluate", evaluate_inputs(config));
  if (const auto last = current_stage_record(config.output, record.stage, record.inputs)) {
    log_info("evaluate: unchanged, not run again");
    add_measurements(artifact, read_json_file(config.output + "/evaluation.json"));
    return last->result.value("table", "");
  }
  const EmbeddingQAFinetuneDataset test = load_test_set(config);
  const std::vector<Evaluation> systems = evaluate_systems(config, artifact, test);
  const Gains gains = gains_of(systems);
  const Json evaluation = report_json(test_path, systems, gains);
  write_file_durably(config.output + "/evaluation.json", evaluation.dump(2) + "\n");
  write_query_results(config.output + "/evaluation.queries.jsonl",
                      results_of(systems, config, test, test_path));
  record.add_output(config.output, "evaluation.json");
  record.add_output(config.output, "evaluation.queries.jsonl");
  record.result["table"] = report_table(systems, gains);
  record.result["artifact"] = sha256_file(artifact + "/attune.json");
  record.finish(config.output);
  add_measurements(artifact, evaluation);
  log_info(str_cat("evaluate: done in ", record.seconds, " s"));
  return record.result["table"];
}

}  // namespace attune
