#include "pipeline/evaluate_stage.h"

#include <algorithm>
#include <iterator>

#include "core/durable.h"
#include "core/duration.h"
#include "core/error.h"
#include "core/log.h"
#include "models/encoder_embedding.h"
#include "pipeline/base_model.h"
#include "pipeline/environment.h"
#include "pipeline/generate_stage.h"
#include "pipeline/stage_record.h"
#include "pipeline/train_stage.h"
#include "retrieval/judged_queries.h"
#include "retrieval/query_results.h"
#include "retrieval/report_table.h"
#include "retrieval/searches.h"
#include "trainer/model_card.h"

namespace attune {
namespace {

constexpr const char* kVersion = "3";  // of what the stage does with equal inputs

bool has_baseline(const RunConfig& config, const std::string& name) {
  const auto& baselines = config.evaluate.baselines;
  return std::find(baselines.begin(), baselines.end(), name) != baselines.end();
}

class Measurements {
 public:
  Measurements(const RunConfig& config, const EmbeddingQAFinetuneDataset& test)
      : config_(config), test_(test) {}

  // A row, and those of `searches` behind it.
  void add(const std::string& name, const std::string& model, const EmbedOptions& options,
           const std::vector<std::string>& searches = {}) {
    log_info(str_cat("evaluate: ", name, " on ", test_.queries.size(), " queries and ",
                     test_.corpus.size(), " passages"));
    const MeasuredModel measured = load_measured(model, options, test_);
    auto rows = evaluate_searches(measured.model, name, test_, config_.evaluate.k, searches,
                                  config_.output + "/evaluation.index");
    rows.front().cost = measured.cost;
    std::move(rows.begin(), rows.end(), std::back_inserter(systems_));
  }
  void add_bm25() {
    systems_.push_back(evaluate_bm25(test_, config_.evaluate.k));
    systems_.back().model = "bm25";
  }
  std::vector<Evaluation> take() { return std::move(systems_); }

 private:
  const RunConfig& config_;
  const EmbeddingQAFinetuneDataset& test_;
  std::vector<Evaluation> systems_;
};

std::vector<Evaluation> evaluate_systems(const RunConfig& config, const std::string& artifact,
                                         const EmbeddingQAFinetuneDataset& test) {
  EmbedOptions options;
  options.device = config.device;
  Measurements measurements(config, test);
  if (has_baseline(config, "base"))
    measurements.add("base", config.model.base, base_embed_options(config));
  measurements.add("finetuned", artifact, options, config.evaluate.searches);
  for (const std::string& candidate : config.evaluate.candidates)
    measurements.add(candidate, candidate, options);
  if (has_baseline(config, "bm25")) measurements.add_bm25();
  return measurements.take();
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

// Up to three queries that the finetuned model answers on rank 1 and the base does not.
Json changed_answers(const std::vector<Evaluation>& systems,
                     const EmbeddingQAFinetuneDataset& test) {
  constexpr std::size_t kMost = 3;
  Json examples = Json::array();
  if (systems.size() < 2 || systems[0].model != "base") return examples;
  const auto first = [](const Evaluation& system, std::size_t query) {
    return system.rankings[query].retrieved.front();
  };
  for (std::size_t query = 0; query < systems[0].rankings.size(); ++query) {
    const std::int64_t before = first(systems[0], query), after = first(systems[1], query);
    const auto is_right = [&](std::int64_t row) {
      return is_relevant(systems[0].rankings[query], row);
    };
    if (is_right(before) || !is_right(after)) continue;
    examples.push_back({{"question", test.queries.text(systems[0].query_rows[query])},
                        {"base", test.corpus.text(before)},
                        {"finetuned", test.corpus.text(after)}});
    if (examples.size() == kMost) break;
  }
  return examples;
}

// A card travels: texts of the test set stand in it only where a report with them was asked for.
Json for_card(const RunConfig& config, Json evaluation) {
  if (!config.has_report || config.report.examples == 0) evaluation.erase("examples");
  return evaluation;
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
  results.candidates = std::max(1, num_candidates(systems));
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
  for (const std::string& candidate : config.evaluate.candidates)
    inputs.files["evaluate.candidates " + candidate] =
        fingerprint_model_files(resolve_model_path(candidate));
  inputs.files["data.test"] = sha256_file(data_paths(config).test);
  return inputs;
}

std::string evaluate_stage(const RunConfig& config) {
  const std::string artifact = config.output + "/artifact", test_path = data_paths(config).test;
  StageRecord record("evaluate");
  record.inputs = evaluate_inputs(config);
  if (const auto last = current_stage_record(config.output, record.stage, record.inputs)) {
    log_info("evaluate: unchanged, not run again");
    add_measurements(artifact,
                     for_card(config, read_json_file(config.output + "/evaluation.json")));
    return last->result.value("table", "");
  }
  const EmbeddingQAFinetuneDataset test = load_test_set(config);
  const std::vector<Evaluation> systems = evaluate_systems(config, artifact, test);
  const Gains gains = gains_of(systems);
  Json evaluation = report_json(test_path, systems, gains);
  evaluation["machine"] = describe_environment(config.device);
  evaluation["examples"] = changed_answers(systems, test);
  write_file_durably(config.output + "/evaluation.json", evaluation.dump(2) + "\n");
  write_query_results(config.output + "/evaluation.queries.jsonl",
                      results_of(systems, config, test, test_path));
  record.add_output(config.output, "evaluation.json");
  record.add_output(config.output, "evaluation.queries.jsonl");
  record.result["table"] = report_table(systems, gains);
  record.result["artifact"] = sha256_file(artifact + "/attune.json");
  record.finish(config.output);
  add_measurements(artifact, for_card(config, evaluation));
  log_info(str_cat("evaluate: done in ", duration_text(record.seconds)));
  return record.result["table"];
}

}  // namespace attune
