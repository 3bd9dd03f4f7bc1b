#include "pipeline/sweep_plan.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "core/error.h"

namespace attune {
namespace {

using Words = std::vector<std::string>;

class Plan : public ::testing::Test {
 protected:
  Plan()
      : path_(std::filesystem::temp_directory_path() /
              ("attune_plan_" + std::to_string(::getpid()) + ".yaml")) {
    write("data: {train: t.json, validation: v.json}\ntrain: {mode: adapter}\n");
  }
  ~Plan() override { std::filesystem::remove(path_); }
  void write(const std::string& sections) const {
    std::ofstream(path_) << "version: 1\nname: x\nmodel: {base: m}\n" << sections;
  }
  SweepPlan plan(const Words& overrides) const { return plan_sweep(path_, overrides); }
  std::string refusal(const Words& overrides) const {
    try {
      plan(overrides);
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kConfig);
      return error.what();
    }
  }
  std::filesystem::path path_;
};

TEST(SplitValues, CommasSeparateOutsideBracketsAndQuotes) {
  EXPECT_EQ(split_values("1e-4,3e-4"), (Words{"1e-4", "3e-4"}));
  EXPECT_EQ(split_values("linear"), Words{"linear"});
  EXPECT_EQ(split_values("[1,5],[1, 10]"), (Words{"[1,5]", "[1, 10]"}));
  EXPECT_EQ(split_values("[1,5]"), Words{"[1,5]"});
  EXPECT_EQ(split_values("{a: 1, b: 2},3"), (Words{"{a: 1, b: 2}", "3"}));
  EXPECT_EQ(split_values(R"("a, b",'c,d',"")"), (Words{"\"a, b\"", "'c,d'", "\"\""}));
  EXPECT_EQ(split_values("it's,that's"), (Words{"it's", "that's"})) << "no quote begins inside";
  EXPECT_EQ(split_values("a,,b"), (Words{"a", "", "b"}));
  EXPECT_EQ(split_values(""), Words{""});
}

TEST_F(Plan, TakesEveryCombinationOnceInOrder) {
  const SweepPlan made = plan({"adapter.type=linear,low_rank", "train.epochs=7",
                               "train.learning_rate=1e-4,3e-4,1e-3", "output=runs/s"});
  ASSERT_EQ(made.runs.size(), 6u);
  EXPECT_EQ(made.fixed, (Words{"train.epochs=7", "output=runs/s"}));
  EXPECT_EQ(made.output, "runs/s");
  EXPECT_EQ(made.runs[1].name, "type-linear_learning_rate-3e-4");
  EXPECT_EQ(made.runs[1].config.output, "runs/s/type-linear_learning_rate-3e-4");
  EXPECT_EQ(made.runs[4].config.adapter.type, "low_rank");
  for (const SweepRun& run : made.runs) {
    EXPECT_EQ(run.config.train.epochs, 7);
    EXPECT_EQ(run.config.adapter.vectors, "runs/s/vectors") << "the base embeds once for all";
  }
}

TEST_F(Plan, ListsAndTextsWithCommasAreValues) {
  const SweepPlan lists = plan({"adapter.type=mine", "adapter.settings=[a=1, b=2],[a=2]",
                                "evaluate.k=[1,10]", "data.test=t.json"});
  ASSERT_EQ(lists.runs.size(), 2u);
  EXPECT_EQ(lists.runs[0].config.adapter.settings, (Words{"a=1", "b=2"}));
  EXPECT_EQ(lists.runs[1].config.evaluate.k, (std::vector<int>{1, 10}));
  const SweepPlan texts = plan({R"(model.prompts.query="find, please: ","")"});
  EXPECT_EQ(texts.runs[0].config.model.prompts.query, "find, please: ");
  EXPECT_EQ(texts.runs[1].config.model.prompts.query, "");
}

TEST_F(Plan, FoldersDifferWhereValuesOnlyLookAlike) {
  const SweepPlan made = plan({"data.train=a/b.json,a_b.json", "train.max_grad_norm=1,2"});
  EXPECT_NE(made.runs[0].name.find("a_b.json"), std::string::npos);
  for (const SweepRun& a : made.runs) {
    EXPECT_EQ(a.name.find('/'), std::string::npos);
    for (const SweepRun& b : made.runs) EXPECT_EQ(&a == &b, a.name == b.name);
  }
  const std::string longest(300, 'x');
  const SweepPlan many = plan({"model.base=" + longest + "1," + longest + "2"});
  EXPECT_NE(many.runs[0].name, many.runs[1].name);
  EXPECT_LT(many.runs[0].name.size(), 200u);
}

TEST_F(Plan, RefusesWhatCannotBeSwept) {
  const std::vector<std::pair<Words, std::string>> cases = {
      {{}, "no key has several values"},
      {{"train.epochs=3"}, "no key has several values"},
      {{"output=a,b"}, "'output' cannot have several values"},
      {{"data.validation=a,b"}, "'data.validation' cannot"},
      {{"evaluate.k=[1],[2]"}, "'evaluate.k' cannot"},
      {{"adapter.vectors=a,b"}, "'adapter.vectors' cannot"},
      {{"train.epochs=1,,2"}, "a value is left out"},
      {{"train.epochs=1,"}, "a value is left out"},
      {{"train.epochs=1,2", "train.epochs=3,4"}, "swept twice"},
      {{"train.learning_rate=1e-4,0.0001"}, "are the same configuration"},
      {{"train.epochs=1,two"}, "with train.epochs=two"},
      {{"train.epoch=1,2"}, "did you mean 'epochs'"},
      {{"adapter.sides=both,query", "adapter.out_features=8"}, "with adapter.sides=query"},
  };
  for (const auto& [overrides, expected] : cases)
    EXPECT_NE(refusal(overrides).find(expected), std::string::npos) << expected << "\n"
                                                                    << refusal(overrides);
  std::string many = "train.epochs=1";
  for (int i = 2; i <= 1001; ++i) many += "," + std::to_string(i);
  EXPECT_NE(refusal({many}).find("more than 1000"), std::string::npos);
  write("data: {train: t.json}\ntrain: {}\n");
  EXPECT_NE(refusal({"train.epochs=1,2"}).find("give data.validation"), std::string::npos);
}

}  // namespace
}  // namespace attune
