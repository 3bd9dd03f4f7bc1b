#include "retrieval/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <tuple>

#include "core/error.h"
#include "core/json.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

const std::string kFixtures = source_path("tests/fixtures/metrics/");
const std::string kShared = source_path("../shared/data/");

// Reads a file of the shared data sets; none where they are absent.
std::optional<Json> shared_json(const std::string& name) {
  if (!std::filesystem::exists(kShared + name)) return std::nullopt;
  return read_json_file(kShared + name);
}

// trec_eval and LlamaIndex divide by all relevant rows, we by those that fit into k.
double trec_average_precision(const Ranking& ranking, int k) {
  const double relevant = static_cast<double>(ranking.relevant.size());
  return average_precision(ranking, k) * std::min<double>(k, relevant) / relevant;
}

std::vector<Ranking> rankings_of(const Json& fixture) {
  std::vector<Ranking> rankings;
  for (const Json& item : fixture["rankings"])
    rankings.push_back({item["retrieved"], item["relevant"]});
  return rankings;
}

// Compares every value of a peer's fixture with metric(name, k) of each ranking; returns their
// number.
int compare(const Json& fixture, double (*map)(const Ranking&, int)) {
  const std::map<std::string, double (*)(const Ranking&, int)> metrics = {{"hit_rate", hit_rate},
                                                                          {"success", hit_rate},
                                                                          {"precision", precision},
                                                                          {"recall", recall},
                                                                          {"mrr", mrr},
                                                                          {"ndcg", ndcg},
                                                                          {"map", map}};
  const std::vector<Ranking> rankings = rankings_of(fixture);
  int compared = 0;
  for (const auto& [name, values] : fixture["values"].items()) {
    const std::size_t at = name.find('@');
    const int k = std::stoi(name.substr(at + 1));
    for (std::size_t i = 0; i < rankings.size(); ++i) {
      const double expected = values[i].is_null() ? 0.0 : values[i].get<double>();
      EXPECT_NEAR(metrics.at(name.substr(0, at))(rankings[i], k), expected, 1e-12)
          << name << " of ranking " << i;
      ++compared;
    }
  }
  return compared;
}

TEST(Metrics, EqualSentenceTransformers) {
  const Json fixture = read_json_file(kFixtures + "sentence_transformers.json");
  EXPECT_EQ(fixture["peer"], "sentence-transformers 6.0.1");
  EXPECT_EQ(compare(fixture, average_precision), 6 * 5 * 58);
}

TEST(Metrics, EqualTrecEval) {
  const Json fixture = read_json_file(kFixtures + "trec_eval.json");
  EXPECT_EQ(compare(fixture, trec_average_precision), 6 * 5 * 58);
}

TEST(Metrics, TableHoldsEveryMetricOfEveryQuery) {
  const Json fixture = read_json_file(kFixtures + "sentence_transformers.json");
  const std::vector<Ranking> rankings = rankings_of(fixture);
  const MetricTable table = compute_metrics(rankings, {10, 1, 10});
  EXPECT_EQ(table.names, (std::vector<std::string>{"hit_rate@1", "hit_rate@10", "precision@1",
                                                   "precision@10", "recall@1", "recall@10", "mrr@1",
                                                   "mrr@10", "ndcg@1", "ndcg@10", "map@100"}));
  for (const std::string& name : table.names) {
    double sum = 0;
    for (std::size_t i = 0; i < rankings.size(); ++i) {
      const double expected = fixture["values"][name][i];
      EXPECT_NEAR(table.values(name)[i], expected, 1e-12) << name;
      sum += expected;
    }
    EXPECT_NEAR(table.mean(name), sum / static_cast<double>(rankings.size()), 1e-12) << name;
  }
  EXPECT_EQ(compute_metrics(rankings, {150}).names.back(), "map@150");
}

TEST(Metrics, ByHand) {
  const Ranking ranking{{7, 3, 9, 1}, {3, 1, 5}};
  EXPECT_EQ(hit_rate(ranking, 1), 0);
  EXPECT_EQ(hit_rate(ranking, 2), 1);
  EXPECT_DOUBLE_EQ(precision(ranking, 4), 0.5);
  EXPECT_DOUBLE_EQ(precision(ranking, 10), 0.2);  // by k, though only four came back
  EXPECT_DOUBLE_EQ(recall(ranking, 4), 2.0 / 3);
  EXPECT_EQ(mrr(ranking, 1), 0);
  EXPECT_DOUBLE_EQ(mrr(ranking, 4), 0.5);
  EXPECT_DOUBLE_EQ(ndcg(ranking, 2), (1 / std::log2(3.0)) / (1 + 1 / std::log2(3.0)));
  EXPECT_DOUBLE_EQ(average_precision(ranking, 4), (1.0 / 2 + 2.0 / 4) / 3);
  EXPECT_DOUBLE_EQ(average_precision(ranking, 2), (1.0 / 2) / 2);
}

TEST(Metrics, NothingRetrievedScoresZero) {
  const Ranking ranking{{}, {1}};
  for (auto metric : {hit_rate, precision, recall, mrr, ndcg, average_precision})
    EXPECT_EQ(metric(ranking, 5), 0);
}

TEST(Metrics, MisuseIsAnInternalError) {
  EXPECT_THROW(hit_rate({{1}, {}}, 1), InternalError);
  EXPECT_THROW(ndcg({{1}, {1}}, 0), InternalError);
  EXPECT_THROW(compute_metrics({{{1}, {1}}}, {-3}), InternalError);
  const MetricTable table = compute_metrics({{{1}, {1}}}, {1});
  EXPECT_THROW(table.mean("hit_rate@2"), InternalError);
  EXPECT_THROW(compute_metrics({}, {1}).mean("hit_rate@1"), InternalError);
}

TEST(Metrics, LlamaIndexCases) {
  const auto file = shared_json("fixtures_vectors/raw/llamaindex_metrics.json");
  if (!file) GTEST_SKIP() << "no shared/data/fixtures_vectors beside the source folder";
  // What LlamaIndex computes, by our functions; docs/metrics.md has the differences.
  const auto compute = [](const std::string& name, const Json& item, const Ranking& ranking) {
    const int k = static_cast<int>(ranking.retrieved.size());
    const bool granular = item.value("granular", false);
    if (name == "hit_rate") return granular ? recall(ranking, k) : hit_rate(ranking, k);
    if (name == "mrr") return granular ? std::numeric_limits<double>::quiet_NaN() : mrr(ranking, k);
    if (name == "precision") return precision(ranking, k);
    if (name == "recall") return recall(ranking, k);
    if (name == "average_precision") return trec_average_precision(ranking, k);
    double ours = 0, theirs = 0;  // the ideal gain within k, and that of all relevant
    for (std::size_t i = 0; i < ranking.relevant.size(); ++i) {
      const double gain = 1 / std::log2(static_cast<double>(i) + 2);
      if (static_cast<int>(i) < k) ours += gain;
      theirs += gain;
    }
    return ndcg(ranking, k) * ours / theirs;
  };
  int compared = 0;
  for (const std::string name :
       {"hit_rate", "mrr", "precision", "recall", "average_precision", "ndcg"}) {
    for (const Json& item : (*file)[name]) {
      Ranking ranking;  // "id7" is row 7
      for (const std::string id : item["retrieved_ids"])
        ranking.retrieved.push_back(std::stoi(id.substr(2)));
      for (const std::string id : item["expected_ids"])
        ranking.relevant.push_back(std::stoi(id.substr(2)));
      const double value = compute(name, item, ranking);
      if (std::isnan(value)) continue;  // granular MRR is no metric of ours
      EXPECT_NEAR(value, item["result"].get<double>(), 1e-12) << name << " " << item;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 33);
}

TEST(Metrics, RanxCases) {
  const auto file = shared_json("fixtures_vectors/raw/ranx.json");
  if (!file) GTEST_SKIP() << "no shared/data/fixtures_vectors beside the source folder";
  const std::map<std::string, double (*)(const Ranking&, int)> metrics = {
      {"hit_rate", hit_rate},
      {"precision", precision},
      {"recall", recall},
      {"mrr", mrr},
      {"map", trec_average_precision}};
  int compared = 0;
  for (const Json& item : (*file)["cases"]) {
    const std::string name = item["metric"];
    const std::size_t at = name.find('@');
    if (at == std::string::npos || !metrics.contains(name.substr(0, at)))
      continue;  // graded, or not ours
    double sum = 0;
    for (std::size_t query = 0; query < item["run"].size(); ++query) {
      Ranking ranking;
      ranking.retrieved = item["run"][query].get<std::vector<std::int64_t>>();
      for (const Json& judged : item["qrels"][query]) ranking.relevant.push_back(judged[0]);
      sum += metrics.at(name.substr(0, at))(ranking, std::stoi(name.substr(at + 1)));
    }
    EXPECT_NEAR(sum / static_cast<double>(item["run"].size()), item["mean"].get<double>(), 1e-12)
        << item;
    ++compared;
  }
  EXPECT_EQ(compared, 7);
}

TEST(Metrics, PytrecEvalCases) {
  const auto file = shared_json("fixtures_vectors/raw/pytrec_eval.json");
  if (!file) GTEST_SKIP() << "no shared/data/fixtures_vectors beside the source folder";
  int compared = 0;
  for (const Json& item : (*file)["cases"]) {
    std::vector<std::pair<double, std::int64_t>> order;  // "d2" is row 2; no equal scores in these
    for (const auto& [id, score] : item["run"]["q1"].items())
      order.emplace_back(-score.get<double>(), std::stoi(id.substr(1)));
    std::sort(order.begin(), order.end());
    Ranking ranking{{}, {2}};
    for (const auto& [score, row] : order) ranking.retrieved.push_back(row);
    for (const auto& [name, value] : item.items()) {
      if (!name.starts_with("ndcg")) continue;
      const int k = name == "ndcg" ? 1000 : std::stoi(name.substr(9));
      EXPECT_NEAR(ndcg(ranking, k), value.get<double>(), 1e-12) << item;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 8);
}

// trec_eval's own test: three topics, 500 passages each, expected values with four digits.
TEST(Metrics, TrecEvalsOwnTest) {
  const std::string folder = kShared + "fixtures_trec_eval/raw/";
  std::ifstream judgements(folder + "qrels.test"), run(folder + "results.test"),
      expected(folder + "out.test.aq");
  if (!judgements || !run || !expected)
    GTEST_SKIP() << "no shared/data/fixtures_trec_eval beside the source folder";
  std::map<std::string, std::int64_t> row_of;
  const auto row = [&](const std::string& id) {
    return row_of.try_emplace(id, static_cast<std::int64_t>(row_of.size())).first->second;
  };
  std::map<std::string, Ranking> rankings;
  std::string topic, skip, id;
  int relevance;
  while (judgements >> topic >> skip >> id >> relevance)
    if (relevance > 0) rankings[topic].relevant.push_back(row(id));
  float score;  // trec_eval compares floats; equal scores are in descending order of ids
  std::map<std::string, std::vector<std::tuple<float, std::string>>> hits;
  std::string rank, tag;
  while (run >> topic >> skip >> id >> rank >> score >> tag) hits[topic].emplace_back(score, id);
  for (auto& [name, list] : hits) {
    std::sort(list.rbegin(), list.rend());
    for (const auto& hit : list) rankings[name].retrieved.push_back(row(std::get<1>(hit)));
  }
  const std::map<std::string, double (*)(const Ranking&, int)> metrics = {
      {"P", precision},      {"recall", recall},
      {"ndcg_cut", ndcg},    {"map_cut", trec_average_precision},
      {"success", hit_rate}, {"recip_rank", mrr}};
  int compared = 0;
  std::string name;
  while (expected >> name >> topic >> id) {
    const bool cut = name != "recip_rank";
    const std::string metric = cut ? name.substr(0, name.rfind('_')) : name;
    if (!metrics.contains(metric) || !rankings.contains(topic)) continue;
    const int k = cut ? std::stoi(name.substr(name.rfind('_') + 1)) : 1000;
    EXPECT_NEAR(metrics.at(metric)(rankings[topic], k), std::stod(id), 5.1e-5)
        << name << " of " << topic;
    ++compared;
  }
  EXPECT_EQ(compared, 3 * (4 * 9 + 3 + 1));
}

}  // namespace
}  // namespace attune
