#include "retrieval/report_table.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace attune {
namespace {

// Forty queries, each with passage 0 relevant, of which `found` have it on rank 1 and the others
// on 2.
Evaluation system(const std::string& name, int found, const std::vector<int>& k) {
  Evaluation evaluation;
  evaluation.model = name;
  for (int i = 0; i < 40; ++i) {
    evaluation.query_rows.push_back(i);
    evaluation.rankings.push_back(
        {i < found ? std::vector<std::int64_t>{0, 1} : std::vector<std::int64_t>{1, 0}, {0}});
  }
  evaluation.metrics = compute_metrics(evaluation.rankings, k);
  return evaluation;
}

TEST(ReportTable, RowsColumnsAndVerdicts) {
  const std::vector<Evaluation> systems = {system("bäse", 10, {1, 10}),
                                           system("finetuned", 40, {1, 10})};
  EXPECT_EQ(report_table(systems, gains_of(systems)),
            "model      hit_rate@1  hit_rate@10  mrr@10  ndcg@10  recall@10\n"
            "bäse           0.2500       1.0000  0.6250   0.7232     1.0000\n"
            "finetuned      1.0000       1.0000  1.0000   1.0000     1.0000\n"
            "\n"
            "finetuned against bäse, 40 queries:\n"
            "  hit_rate@1   better by 75.0 points (95 % interval 60.0 to 87.5), p 0.0001\n"
            "  hit_rate@10  not shown to be better (+0.0 points, 95 % interval 0.0 to 0.0), p 1\n"
            "  mrr@10       better by 37.5 points (95 % interval 30.0 to 43.8), p 0.0001\n"
            "  ndcg@10      better by 27.7 points (95 % interval 22.1 to 32.3), p 0.0001\n");
}

TEST(ReportTable, OneSystemHasNoVerdict) {
  const std::vector<Evaluation> systems = {system("only", 20, {5})};
  EXPECT_EQ(report_table(systems, gains_of(systems)),
            "model  hit_rate@5   mrr@5  ndcg@5  recall@5\n"
            "only       1.0000  0.7500  0.8155    1.0000\n");
}

TEST(ReportTable, PrimaryMetricsPreferTen) {
  EXPECT_EQ(primary_metrics(compute_metrics({{{0}, {0}}}, {5, 10, 20})),
            (std::vector<std::string>{"hit_rate@5", "hit_rate@10", "hit_rate@20", "mrr@10",
                                      "ndcg@10", "recall@10"}));
  EXPECT_EQ(primary_metrics(compute_metrics({{{0}, {0}}}, {3, 5})),
            (std::vector<std::string>{"hit_rate@3", "hit_rate@5", "mrr@5", "ndcg@5", "recall@5"}));
}

TEST(ReportTable, DifferentQueriesCannotBeCompared) {
  std::vector<Evaluation> systems = {system("a", 1, {1}), system("b", 1, {1})};
  systems[1].query_rows[3] = 99;
  EXPECT_THROW(report_table(systems, gains_of(systems)), InternalError);
}

TEST(ReportJson, KeysInOrder) {
  const std::vector<Evaluation> systems = {system("a", 10, {1})};
  const Json json = report_json("test.json", systems, gains_of(systems));
  EXPECT_EQ(
      json.dump(),
      R"({"dataset":"test.json","models":[{"model":"a","queries":40,"hit_rate@1":0.25,"precision@1":0.25,)"
      R"("recall@1":0.25,"mrr@1":0.25,"ndcg@1":0.25,"map@100":0.625}]})");
}

TEST(ReportJson, FurtherModelsTellTheirGain) {
  const std::vector<Evaluation> systems = {system("a", 10, {1}), system("b", 40, {1})};
  const Json model = report_json("test.json", systems, gains_of(systems))["models"][1];
  EXPECT_EQ(model["against"], "a");
  EXPECT_EQ(model["gain"]["hit_rate@1"], Json({0.75, 0.6, 0.875}));
  EXPECT_FALSE(model["gain"].contains("recall@1"));
  EXPECT_EQ(model["comparisons"], 1);
  EXPECT_EQ(model["p"]["hit_rate@1"], 1.0 / 10001);
  EXPECT_EQ(model["corrected_p"], model["p"]);
}

// Candidates are corrected together, a yardstick is none of them, and a row may name the one that
// it is compared with.
TEST(Gains, SeveralCandidates) {
  std::vector<Evaluation> systems = {system("base", 10, {1}), system("a", 40, {1}),
                                     system("b", 15, {1}), system("BM25", 16, {1}),
                                     system("a (index)", 39, {1})};
  systems[3].is_candidate = systems[4].is_candidate = false;
  systems[4].against = "a";
  const Gains gains = gains_of(systems);
  const auto gain = [&](int row) { return gains[row].at("mrr@1"); };
  EXPECT_EQ(gain(0).difference.comparisons, 2);
  EXPECT_EQ(gain(0).corrected_p, 2 * gain(0).p);
  EXPECT_EQ(gain(1).p, 0.0625) << "five queries, all for it: 2 of 32 patterns";
  EXPECT_EQ(gain(1).corrected_p, 0.0625) << "the larger of two is taken as it is";
  EXPECT_EQ(gain(2).difference.comparisons, 1);
  EXPECT_EQ(gain(2).corrected_p, gain(2).p);
  EXPECT_EQ(gain(3).difference.difference, -1.0 / 40);
  const PairedDifference alone =
      paired_bootstrap(systems[0].metrics.values("mrr@1"), systems[1].metrics.values("mrr@1"));
  EXPECT_LE(gain(0).difference.low, alone.low);
  const std::string table = report_table(systems, gains);
  EXPECT_NE(table.find("interval for all 2 candidates"), std::string::npos) << table;
  EXPECT_NE(table.find(", p 0.0001, corrected 0.0002\n"), std::string::npos) << table;
  EXPECT_NE(table.find("a (index) against a, 40 queries:"), std::string::npos) << table;
  systems[4].against = "nobody";
  EXPECT_THROW(gains_of(systems), InternalError);
}

}  // namespace
}  // namespace attune
