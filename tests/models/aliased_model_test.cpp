#include <attune/aliases.h>

#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/alias_registry.h"
#include "core/durable.h"
#include "core/error.h"
#include "tests/support/tiny_bert.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

class AliasedModelTest : public testing::Test {
 protected:
  AliasedModelTest() {
    ::setenv("ATTUNE_HOME", (folder_ / "home").c_str(), 1);
    for (const std::string& name : {old_, new_}) {
      fs::copy(kTinyBert, name, fs::copy_options::recursive);
      write_file_durably(name + "/attune.json", "{\"name\": \"" + name + "\"}");
    }
    lead({{old_, 1}});
  }
  ~AliasedModelTest() override { ::unsetenv("ATTUNE_HOME"); }

  static void lead(const std::vector<std::pair<std::string, std::int64_t>>& to) {
    AliasRegistry registry;
    std::vector<AliasArm> arms;
    for (const auto& [model, weight] : to) arms.push_back(registry.arm(model, weight));
    registry.set("prod", arms);
  }
  // Of all versions together.
  static ArmUse counted(const std::string& model) {
    AliasRegistry registry;
    const AliasVersion now = registry.get("prod");
    std::vector<AliasVersion> all = registry.earlier(now);
    all.push_back(now);
    ArmUse sum;
    for (const AliasVersion& version : all) {
      const ArmUse use = registry.use(version.number)[model];
      sum.requests += use.requests;
      sum.microseconds += use.microseconds;
      for (const auto& [name, count] : use.outcomes) sum.outcomes[name] += count;
    }
    return sum;
  }

  TemporaryFolder folder_;
  const std::string old_ = folder_ / "old", new_ = folder_ / "new";
};

TEST_F(AliasedModelTest, ASwitchIsSeenByTheNextRequestAndCountedForTheModelThatAnswered) {
  AliasedModel prod("prod");
  AliasedRequest first = prod.request("user-1");
  EXPECT_EQ(first.model(), old_);
  EXPECT_EQ(first.embedding().get_query_embedding("a ship"),
            resolve_embed_model("prod")->get_query_embedding("a ship"));
  lead({{new_, 1}});
  EXPECT_EQ(prod.request("user-1").model(), new_);
  first.report("hit", 2);
  first.done();
  first.report("hit");
  for (const std::string& name : {std::string(), std::string(65, 'x'), std::string("\xff")})
    EXPECT_THROW(first.report(name), Error) << "it could not be told as JSON";
  EXPECT_THROW(first.report("hit", -1), Error);
  prod.flush();
  EXPECT_EQ(counted(old_).requests, 1);
  EXPECT_GT(counted(old_).microseconds, 0);
  EXPECT_EQ(counted(old_).outcomes.at("hit"), 3);
  EXPECT_EQ(counted(new_).requests, 1);
  EXPECT_TRUE(counted(new_).outcomes.empty());
}

TEST_F(AliasedModelTest, ThreadsGoOnWhileTheAliasIsSwitchedAndNothingIsLost) {
  {
    AliasedModel prod("prod");
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread)
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          const AliasedRequest request = prod.request("user-" + std::to_string(i));
          if (request.embedding().dimension() > 0) request.report("fine");
        }
      });
    for (const std::int64_t weight : {10, 50, 90}) lead({{old_, 100 - weight}, {new_, weight}});
    for (std::thread& thread : threads) thread.join();
  }
  const ArmUse one = counted(old_), other = counted(new_);
  EXPECT_EQ(one.requests + other.requests, 200);
  std::int64_t fine = 0;
  for (const ArmUse& use : {one, other})
    if (const auto found = use.outcomes.find("fine"); found != use.outcomes.end())
      fine += found->second;
  EXPECT_EQ(fine, 200);
}

TEST_F(AliasedModelTest, AModelThatIsGoneOrReplacedIsRefused) {
  const AliasedModel prod("prod");
  write_file_durably(old_ + "/attune.json", "{}");
  EXPECT_THROW(prod.request(), Error);
  EXPECT_THROW(resolve_embed_model("prod"), Error);
  EXPECT_THROW(resolve_embed_model("alias:candidate"), Error);
  lead({{new_, 1}});
  EXPECT_EQ(prod.request().model(), new_);
  remove_durably(new_);
  EXPECT_EQ(prod.request().model(), new_) << "it is loaded already";
  AliasRegistry().remove("prod");
  EXPECT_THROW(prod.request(), Error);
  EXPECT_THROW(AliasedModel("prod"), Error);
}

}  // namespace
}  // namespace attune
