// A run directory that no training made: for tests of reports.
#pragma once

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/config_reader.h"
#include "core/json.h"
#include "data/qa_dataset.h"
#include "pipeline/run_config.h"
#include "pipeline/stage_record.h"
#include "retrieval/query_results.h"

namespace attune::test {

// Ranks of the right passage by the base and by the finetuned model, a pair for each query.
using Ranks = std::vector<std::pair<std::int64_t, std::int64_t>>;

// `up` queries that went from rank 4 to 1, `down` that went back, the others at 2.
inline Ranks changed_ranks(int queries, int up, int down) {
  Ranks ranks;
  for (int i = 0; i < queries; ++i)
    ranks.push_back(i < up          ? std::pair<std::int64_t, std::int64_t>{4, 1}
                    : i < up + down ? std::pair<std::int64_t, std::int64_t>{1, 4}
                                    : std::pair<std::int64_t, std::int64_t>{2, 2});
  return ranks;
}

// The query's own passage stands at `rank`, others of the corpus above it.
inline QueryResult result_at(std::int64_t rank, std::int64_t query, std::int64_t queries,
                             float positive) {
  QueryResult result;
  result.ranks = {rank};
  for (std::int64_t place = 1; place <= 5; ++place)
    result.found.push_back({"d" + std::to_string(place == rank ? query : (query + place) % queries),
                            positive - 0.01f * static_cast<float>(place - rank)});
  result.positive = positive;
  result.negative = rank == 1 ? positive - 0.1f : positive + 0.01f;
  result.random = 0.1f;
  return result;
}

inline QueryResults results_of(const Ranks& ranks) {
  QueryResults results;
  results.passages = std::ssize(ranks);
  results.k = {1, 3, 10};
  results.systems = {"base", "finetuned"};
  results.of.resize(2);
  for (std::int64_t query = 0; query < std::ssize(ranks); ++query) {
    results.query_ids.push_back("q" + std::to_string(query));
    results.num_relevant.push_back(1);
    results.of[0].push_back(result_at(ranks[query].first, query, std::ssize(ranks), 0.5f));
    results.of[1].push_back(result_at(ranks[query].second, query, std::ssize(ranks), 0.7f));
  }
  return results;
}

class RunDirectory {
 public:
  explicit RunDirectory(std::string path) : path_(std::move(path)) {
    config_.name = "made-up";
    config_.output = path_;
    config_.has_model = config_.has_train = config_.has_data = config_.has_evaluate = true;
    config_.model.base = "some/base";
    config_.data.train = {path_ + "/train.json"};
    config_.data.test = path_ + "/test.json";
  }
  const std::string& path() const { return path_; }
  RunConfig& config() { return config_; }

  void write(const std::string& name, const std::string& bytes) const {
    const std::filesystem::path file = path_ + "/" + name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
  }
  void write_config() const { write("config.yaml", print_config(config_)); }

  // A loss that falls, and a validation every `every` steps.
  void write_log(int steps, int every) const {
    std::string lines;
    for (int step = 1; step <= steps; ++step) {
      lines += Json{{"event", "step"},
                    {"step", step},
                    {"epoch", 1.0 * step / steps},
                    {"loss", 1.0 / (1 + 0.01 * step) + 0.05 * std::sin(step)},
                    {"learning_rate", 2e-5 * (1 - 1.0 * step / steps)},
                    {"grad_norm", 3.0},
                    {"pairs", 32},
                    {"tokens", 2000},
                    {"seconds", 0.5}}
                   .dump() +
               "\n";
      if (step % every == 0)
        lines += Json{{"event", "evaluate"},
                      {"step", step},
                      {"metrics", {{"ndcg@10", 0.5 + 0.1 * step / steps}, {"mrr@10", 0.4}}},
                      {"best", true},
                      {"seconds", 1.0}}
                     .dump() +
                 "\n";
    }
    write("metrics.jsonl", lines);
  }

  void write_dataset(const std::string& name, const std::vector<std::string>& queries,
                     const std::vector<std::string>& passages) const {
    EmbeddingQAFinetuneDataset dataset;
    for (std::size_t i = 0; i < queries.size(); ++i) {
      dataset.queries.add("q" + std::to_string(i), queries[i]);
      dataset.corpus.add("d" + std::to_string(i), passages[i]);
      dataset.relevant_docs.push_back({static_cast<std::int64_t>(i)});
    }
    dataset.save_json(path_ + "/" + name);
  }

  void write_results(const Ranks& ranks) const {
    QueryResults results = results_of(ranks);
    results.dataset = path_ + "/test.json";
    results.dataset_sha256 = sha256_file(results.dataset);
    write_query_results(path_ + "/evaluation.queries.jsonl", results);
  }

  void write_stage(const std::string& stage, double seconds, const Json& result) const {
    StageRecord record;
    record.stage = stage;
    record.finished = true;
    record.seconds = seconds;
    record.result = result;
    write_stage_record(path_, record);
  }

 private:
  std::string path_;
  RunConfig config_;
};

// Trained and measured: `up` of the queries got better, `down` worse.
inline void write_whole_run(RunDirectory& run, int queries, int up, int down) {
  std::vector<std::string> texts, passages;
  for (int i = 0; i < queries; ++i) {
    texts.push_back("where is item " + std::to_string(i) + " kept" +
                    std::string(i % 3 == 0 ? "?" : " in all these many long halls?"));
    passages.push_back("item " + std::to_string(i) + " is kept in the hall.");
  }
  run.write_config();
  run.write_log(60, 20);
  run.write_dataset("train.json", texts, passages);
  run.write_dataset("test.json", texts, passages);
  run.write_results(changed_ranks(queries, up, down));
  run.write_stage("train", 30, {{"metrics", {{"peak_memory_mib", 700}}}});
  run.write_stage("evaluate", 3, Json::object());
}

}  // namespace attune::test
