// Verdict and diagnosis: each rule where it must speak, and where it must be silent.
#include "pipeline/report/diagnosis.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "pipeline/report/examples.h"
#include "pipeline/report/slices.h"
#include "tests/support/recorded_run.h"

namespace attune {
namespace {

using Rule = Finding::Rule;
using test::changed_ranks;
using test::results_of;

TEST(Judge, TheIntervalDecides) {
  const Verdict better = judge(results_of(changed_ranks(100, 60, 5)));
  EXPECT_EQ(better.kind, Verdict::Kind::kBetter);
  EXPECT_EQ(better.headline.metric, "ndcg@10");
  EXPECT_EQ(better.queries, 100);
  EXPECT_EQ(better.improved, 60);
  EXPECT_EQ(better.worsened, 5);
  EXPECT_EQ(better.queries_needed, 0);
  EXPECT_GT(better.headline.candidate, better.headline.reference);
  EXPECT_EQ(judge(results_of(changed_ranks(100, 5, 60))).kind, Verdict::Kind::kWorse);
  const Verdict unclear = judge(results_of(changed_ranks(100, 8, 5)));
  EXPECT_EQ(unclear.kind, Verdict::Kind::kUnclear);
  EXPECT_GT(unclear.queries_needed, 100);
  const Verdict same = judge(results_of(changed_ranks(100, 0, 0)));
  EXPECT_EQ(same.kind, Verdict::Kind::kUnclear);
  EXPECT_EQ(same.queries_needed, 0) << "no difference needs no queries to show it";
}

TEST(Judge, WithoutABaseItIsBm25OrNothing) {
  QueryResults results = results_of(changed_ranks(50, 30, 0));
  results.systems[0] = "bm25";
  EXPECT_EQ(judge(results).reference, "bm25");
  results.systems = {"finetuned"};
  results.of.resize(1);
  EXPECT_EQ(judge(results).kind, Verdict::Kind::kUnmeasured);
}

TEST(Judge, WithoutTenTheLargestCutOffCounts) {
  QueryResults results = results_of(changed_ranks(50, 30, 0));
  results.k = {1, 5};
  EXPECT_EQ(judge(results).headline.metric, "ndcg@5");
}

TEST(Examples, MostChangedFirst) {
  const QueryResults results = results_of({{4, 1}, {1, 2}, {2, 2}, {10, 1}, {1, 9}});
  const Examples examples = choose_examples(results, judge(results), 10);
  ASSERT_EQ(examples.best.size(), 2u);
  EXPECT_EQ(examples.best[0].query, 3u);
  EXPECT_EQ(examples.best[0].rank_before, 10);
  EXPECT_EQ(examples.best[1].query, 0u);
  ASSERT_EQ(examples.worst.size(), 2u);
  EXPECT_EQ(examples.worst[0].query, 4u);
  EXPECT_EQ(choose_examples(results, judge(results), 1).worst.size(), 1u);
}

TEST(Slices, EveryQueryIsInOnePartOfAGroup) {
  RecordedRun run;
  run.results = results_of(changed_ranks(90, 30, 0));
  run.test.emplace();
  for (int i = 0; i < 90; ++i) {
    std::string text = "word";
    for (int word = 0; word < i % 9; ++word) text += " word";
    run.test->queries.add("q" + std::to_string(i), text);
    run.sources["q" + std::to_string(i)] = {"headings", "/a/b/" + std::to_string(i % 20) + ".html"};
  }
  const auto groups = make_slices(run, judge(*run.results));
  ASSERT_EQ(groups.size(), 2u) << "one generator alone is no group";
  for (const SliceGroup& group : groups) {
    std::int64_t queries = 0;
    for (const Slice& slice : group.slices) queries += slice.queries;
    EXPECT_EQ(queries, 90) << group.title;
  }
  EXPECT_EQ(groups[1].slices.size(), 9u) << "eight documents, and the others together";
  EXPECT_EQ(groups[1].slices.back().name, "the 12 others");
}

// A run whose training went well, and which was shown to be better.
class Diagnosis : public ::testing::Test {
 protected:
  Diagnosis() {
    run_.settings = {{"train.learning_rate", "2e-05"},
                     {"train.batch_size", "32"},
                     {"train.sampler", "no_duplicates"},
                     {"train.max_steps", "0"}};
    for (int step = 1; step <= 100; ++step)
      run_.log.steps.push_back(
          {step, 1.0 / (1 + 0.05 * step) + 0.02 * std::sin(step), 2e-5, 1.0, 0.1, 320, 9000});
    run_.train_data.emplace();
    run_.train_data->pairs = 20000;
    run_.train_data->cut_passages = 0.02;
    run_.train_data->shared_answer = 0.01;
    StageRecord record;
    record.result["base_prompts"] = {{"query", "query: "}, {"document", ""}};
    run_.stages["train"] = record;
    run_.query_prompt = "query: ";
  }
  void set(const std::string& key, const std::string& value) {
    for (Setting& setting : run_.settings)
      if (setting.key == key) setting.value = value;
  }
  void losses(double (*loss)(int step)) {
    for (LoggedStep& step : run_.log.steps) step.loss = loss(static_cast<int>(step.step));
  }
  void validations(const std::vector<double>& ndcg) {
    run_.log.validations.clear();
    double best = 0;
    for (std::size_t i = 0; i < ndcg.size(); ++i) {
      run_.log.validations.push_back(
          {static_cast<std::int64_t>(10 * (i + 1)), {{"ndcg@10", ndcg[i]}}, ndcg[i] > best, 1});
      best = std::max(best, ndcg[i]);
    }
  }
  bool finds(Rule rule, const Verdict& verdict) const {
    for (const Finding& finding : diagnose(run_, verdict))
      if (finding.rule == rule)
        return !finding.title.empty() && !finding.evidence.empty() && !finding.advice.empty();
    return false;
  }
  bool finds(Rule rule) const { return finds(rule, better_); }

  RecordedRun run_;
  const Verdict better_ = judge(results_of(changed_ranks(100, 60, 5))),
                unclear_ = judge(results_of(changed_ranks(100, 8, 5)));
};

TEST_F(Diagnosis, AGoodRunHasNone) { EXPECT_TRUE(diagnose(run_, better_).empty()); }

TEST_F(Diagnosis, ARunThatRecordedNothingHasNone) {
  EXPECT_TRUE(diagnose(RecordedRun(), Verdict()).empty());
}

TEST_F(Diagnosis, Nonfinite) {
  run_.log.nonfinite = {17};
  EXPECT_TRUE(finds(Rule::kNonfinite));
}

TEST_F(Diagnosis, RateTooHighWhereTheLossTurnsUp) {
  losses([](int step) { return step < 40 ? 0.5 : 0.5 + 0.02 * (step - 40); });
  EXPECT_TRUE(finds(Rule::kRateTooHigh));
  EXPECT_FALSE(finds(Rule::kRateTooLow, unclear_));
  losses([](int step) { return 0.5 + 0.4 * std::sin(7.0 * step); });
  EXPECT_FALSE(finds(Rule::kRateTooHigh)) << "noise around one level";
  losses([](int step) { return step < 40 ? 0.5 : 0.5 + 0.02 * (step - 40); });
  run_.log.steps.resize(20);
  EXPECT_FALSE(finds(Rule::kRateTooHigh)) << "too short to tell";
}

TEST_F(Diagnosis, RateTooLowWhereTheLossStays) {
  losses([](int step) { return 0.5 + 0.01 * std::sin(step); });
  EXPECT_TRUE(finds(Rule::kRateTooLow, unclear_));
  EXPECT_FALSE(finds(Rule::kRateTooLow, better_)) << "it learned, whatever the loss says";
  losses([](int step) { return 0.5 - 0.003 * step; });
  EXPECT_FALSE(finds(Rule::kRateTooLow, unclear_));
}

TEST_F(Diagnosis, AModelThatGotWorseWantsNoHigherRate) {
  const Verdict worse = judge(results_of(changed_ranks(100, 5, 60)));
  losses([](int step) { return 0.5 + 0.01 * std::sin(step); });
  EXPECT_FALSE(finds(Rule::kRateTooLow, worse));
  EXPECT_TRUE(finds(Rule::kRateTooHigh, worse));
  losses([](int step) { return 0.5 - 0.003 * step; });
  EXPECT_FALSE(finds(Rule::kRateTooHigh, worse)) << "it learned what it was given";
}

TEST_F(Diagnosis, ATrainingThatWasCutOffIsNotBlamedForItsEnd) {
  run_.train_data->pairs = 100000;
  validations({0.60, 0.63, 0.66});
  EXPECT_TRUE(finds(Rule::kPairsLeft));
  EXPECT_TRUE(finds(Rule::kStillLearning));
  run_.stages.erase("train");
  EXPECT_FALSE(finds(Rule::kPairsLeft));
  EXPECT_FALSE(finds(Rule::kStillLearning));
}

TEST_F(Diagnosis, PromptMismatch) {
  EXPECT_FALSE(finds(Rule::kPromptMismatch));
  run_.query_prompt = "";
  EXPECT_TRUE(finds(Rule::kPromptMismatch));
  run_.stages["train"].result.erase("base_prompts");
  EXPECT_FALSE(finds(Rule::kPromptMismatch)) << "of an earlier version: not known";
}

TEST_F(Diagnosis, DuplicatesAsNegatives) {
  EXPECT_FALSE(finds(Rule::kDuplicateNegatives)) << "the sampler avoids them";
  set("train.sampler", "default");
  EXPECT_TRUE(finds(Rule::kDuplicateNegatives));
  run_.train_data->shared_answer = 1e-5;
  EXPECT_FALSE(finds(Rule::kDuplicateNegatives)) << "hardly any";
}

TEST_F(Diagnosis, Overfitting) {
  validations({0.60, 0.66, 0.64, 0.62});
  EXPECT_TRUE(finds(Rule::kOverfitting));
  EXPECT_FALSE(finds(Rule::kStillLearning));
  validations({0.60, 0.66, 0.658, 0.657});
  EXPECT_FALSE(finds(Rule::kOverfitting)) << "within the noise";
  validations({0.66, 0.62});
  EXPECT_FALSE(finds(Rule::kOverfitting)) << "two points are no turn";
}

TEST_F(Diagnosis, StillLearning) {
  validations({0.60, 0.63, 0.66});
  EXPECT_TRUE(finds(Rule::kStillLearning));
  validations({0.60, 0.66, 0.6605});
  EXPECT_FALSE(finds(Rule::kStillLearning));
}

TEST_F(Diagnosis, Truncation) {
  run_.train_data->cut_passages = 0.3;
  EXPECT_TRUE(finds(Rule::kTruncation));
  run_.train_data->cut_passages.reset();
  EXPECT_FALSE(finds(Rule::kTruncation)) << "not measured";
}

TEST_F(Diagnosis, TooFewPairs) {
  run_.train_data->pairs = 300;
  EXPECT_TRUE(finds(Rule::kTooFewPairs, unclear_));
  EXPECT_FALSE(finds(Rule::kTooFewPairs, better_)) << "they were enough";
}

TEST_F(Diagnosis, FewQueries) {
  EXPECT_TRUE(finds(Rule::kFewQueries, unclear_));
  EXPECT_FALSE(finds(Rule::kFewQueries, better_));
  EXPECT_FALSE(finds(Rule::kFewQueries, judge(results_of(changed_ranks(100, 0, 0)))));
}

TEST_F(Diagnosis, NothingToGain) {
  const Verdict perfect = judge(results_of(test::Ranks(50, {1, 1})));
  EXPECT_TRUE(finds(Rule::kNothingToGain, perfect));
  EXPECT_FALSE(finds(Rule::kNothingToGain, unclear_));
}

TEST_F(Diagnosis, PairsLeft) {
  EXPECT_FALSE(finds(Rule::kPairsLeft)) << "32,000 of 20,000 were used";
  run_.train_data->pairs = 100000;
  EXPECT_TRUE(finds(Rule::kPairsLeft));
}

}  // namespace
}  // namespace attune
