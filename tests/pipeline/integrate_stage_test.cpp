#include "pipeline/integrate_stage.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace attune {
namespace {

Json evaluation(double difference, double low, double high, const std::string& against = "base") {
  Json tuned = {{"model", "finetuned"}, {"against", against}};
  tuned["gain"] = {{"hit_rate@1", {-0.5, -0.9, -0.1}}, {"ndcg@10", {difference, low, high}}};
  return {{"dataset", "t"}, {"models", {{{"model", "base"}}, tuned}}};
}

TEST(IsShownBetter, WhenTheWholeIntervalOfNdcgIsAboveZero) {
  EXPECT_TRUE(is_shown_better(evaluation(0.2, 0.1, 0.3)));
  EXPECT_FALSE(is_shown_better(evaluation(0.2, -0.1, 0.5))) << "not shown";
  EXPECT_FALSE(is_shown_better(evaluation(0, 0, 0))) << "the same";
  EXPECT_FALSE(is_shown_better(evaluation(-0.2, -0.3, -0.1)));
}

TEST(IsShownBetter, RefusesWhatDoesNotSay) {
  EXPECT_THROW(is_shown_better(Json::object()), Error);
  EXPECT_THROW(is_shown_better({{"models", 3}}), Error);
  EXPECT_THROW(is_shown_better(evaluation(0.2, 0.1, 0.3, "bm25")), Error);
  Json broken = evaluation(0.2, 0.1, 0.3);
  broken["models"][1]["gain"]["ndcg@10"] = {0.2, "much"};
  EXPECT_THROW(is_shown_better(broken), Error);
}

}  // namespace
}  // namespace attune
