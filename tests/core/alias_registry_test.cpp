#include "core/alias_registry.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <thread>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/durable.h"
#include "core/error.h"
#include "tests/core/scratch.h"

namespace attune {
namespace {

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

class AliasRegistryTest : public testing::Test {
 protected:
  AliasRegistryTest() : path_(scratch_ / "jobs.sqlite") {}
  AliasArm model(const std::string& name, std::int64_t weight = 1) {
    const std::string folder = scratch_ / name;
    write_file_durably(folder + "/attune.json", "{\"name\": \"" + name + "\"}");
    return AliasRegistry(path_).arm(folder, weight);
  }
  std::string finished_job(const std::string& name) {
    const AliasArm arm = model(name);
    JobRegistry jobs(path_);
    const std::string id = jobs.begin({name, scratch_ / name, "/", {"run", name}, "", ""}).id;
    jobs.succeed(id, arm.path, Json::object());
    return id;
  }

  Scratch scratch_;
  std::string path_;
};

TEST_F(AliasRegistryTest, IsSwitchedAndRolledBackAgainAndAgain) {
  AliasRegistry aliases(path_);
  const AliasArm a = model("a"), b = model("b"), c = model("c");
  for (const AliasArm& arm : {a, b, c}) aliases.set("prod", {arm});
  const AliasVersion now = aliases.get("prod");
  EXPECT_EQ(now.arms[0].path, c.path);
  EXPECT_EQ(aliases.set("prod", {c}).number, now.number) << "it leads there already";
  EXPECT_EQ(aliases.earlier(now).size(), 2u);
  EXPECT_EQ(aliases.rollback("prod").arms[0].path, b.path);
  // What is set after a rollback goes back to what was in use, not to what was rolled back.
  aliases.set("prod", {c});
  EXPECT_EQ(aliases.rollback("prod").arms[0].path, b.path);
  EXPECT_EQ(aliases.rollback("prod").arms[0].path, a.path);
  EXPECT_NE(message_of([&] { aliases.rollback("prod"); }).find("nothing to roll back to"),
            std::string::npos);
  EXPECT_EQ(AliasRegistry(path_).get("prod").arms[0].path, a.path);
  aliases.remove("prod");
  EXPECT_TRUE(aliases.list().empty());
  EXPECT_GT(aliases.set("prod", {a}).number, now.number) << "a number is given once";
}

TEST_F(AliasRegistryTest, LeadsToNothingThatIsNotReadyGoneOrReplaced) {
  AliasRegistry aliases(path_);
  JobRegistry jobs(path_);
  const std::string running = jobs.begin({"r", scratch_ / "r", "/", {"run", "r"}, "", ""}).id;
  EXPECT_NE(message_of([&] { aliases.arm(running); }).find(running + " is running"),
            std::string::npos);
  const std::string done = finished_job("done");
  const AliasArm arm = aliases.arm(done);
  EXPECT_EQ(arm.model, "model-" + done.substr(4));
  aliases.set("prod", {arm});
  EXPECT_NE(message_of([&] { jobs.remove(done); }).find("alias 'prod'"), std::string::npos);
  aliases.set("prod", {model("other")});
  jobs.remove(done);
  EXPECT_NE(message_of([&] { aliases.set("prod", {arm}); }).find("has succeeded"),
            std::string::npos);

  const AliasArm replaced = model("replaced"), gone = model("gone");
  aliases.set("prod", {replaced});
  aliases.set("prod", {gone});
  aliases.set("prod", {model("other")});
  remove_durably(gone.path);
  EXPECT_NE(message_of([&] { aliases.rollback("prod"); }).find(gone.path + " is gone"),
            std::string::npos);
  EXPECT_EQ(aliases.get("prod").arms[0].path, scratch_ / "other") << "left as it was";
  write_file_durably(replaced.path + "/attune.json", "{}");
  EXPECT_NE(message_of([&] { aliases.set("new", {replaced}); }).find("replaced by another one"),
            std::string::npos);
}

TEST_F(AliasRegistryTest, RefusesWrongNamesAndWeights) {
  AliasRegistry aliases(path_);
  const AliasArm a = model("a");
  for (const char* name : {"", "job-0123456789ab", "model-x", "a/b", "9lives", "default",
                           "two words", "prod\n", "'; DROP TABLE aliases; --"})
    EXPECT_NE(message_of([&] { aliases.set(name, {a}); }).find("no name of an alias"),
              std::string::npos)
        << name;
  EXPECT_THROW(aliases.set(std::string(65, 'a'), {a}), Error);
  for (const std::int64_t weight : {-1, 0, 1000001})
    EXPECT_THROW(aliases.set("prod", {model("a", weight)}), Error) << weight;
  EXPECT_NE(message_of([&] { aliases.set("prod", {a, a}); }).find("given twice"),
            std::string::npos);
  EXPECT_THROW(aliases.set("prod", {}), Error);
  EXPECT_THROW(aliases.set("prod", std::vector<AliasArm>(17, a)), Error);
  aliases.set("prod", {a});
  EXPECT_NE(message_of([&] { aliases.get("prd"); }).find("did you mean prod"), std::string::npos);
  EXPECT_THROW(aliases.rollback("candidate"), Error);
  EXPECT_THROW(aliases.remove("candidate"), Error);
}

TEST(AliasArms, KeysAreSharedByWeightAndMoveOnlyIntoAnArmThatGrows) {
  const auto split = [](std::int64_t a, std::int64_t b, std::int64_t c) {
    AliasVersion version{"prod", 1, 0, 0, {{"a", "/a", "", a}, {"b", "/b", "", b}}};
    if (c > 0) version.arms.push_back({"c", "/c", "", c});
    return version;
  };
  constexpr int kKeys = 20000;
  const auto arms = [&](const AliasVersion& version) {
    std::vector<std::string> all;
    for (int key = 0; key < kKeys; ++key)
      all.push_back(arm_for(version, "user-" + std::to_string(key)).model);
    return all;
  };
  const auto share = [](const std::vector<std::string>& all, const std::string& arm) {
    return static_cast<double>(std::count(all.begin(), all.end(), arm)) / kKeys;
  };
  const auto moved = [](const std::vector<std::string>& from, const std::vector<std::string>& to) {
    std::map<std::string, int> into;
    for (int key = 0; key < kKeys; ++key)
      if (from[key] != to[key]) ++into[to[key]];
    return into;
  };
  const auto ninety = arms(split(90, 10, 0)), half = arms(split(50, 50, 0)),
             three = arms(split(50, 50, 25));
  // Four standard deviations of a share of 20,000 keys: 4 sqrt(p (1 - p) / 20000).
  EXPECT_NEAR(share(ninety, "b"), 0.10, 0.0085);
  EXPECT_NEAR(share(half, "b"), 0.50, 0.0142);
  EXPECT_NEAR(share(three, "c"), 0.20, 0.0114);
  EXPECT_EQ(arms(split(9, 1, 0)), ninety) << "shares count";
  EXPECT_EQ(moved(ninety, half).size(), 1u);
  EXPECT_TRUE(moved(ninety, half).contains("b"));
  EXPECT_EQ(moved(half, three).size(), 1u);
  EXPECT_TRUE(moved(half, three).contains("c"));
  // The formula, as documented: another program may follow it.
  EXPECT_EQ(arm_for(split(90, 10, 0), "").model, "a");
  EXPECT_EQ(arm_for(split(5, 5, 0), "").model, "a");
  AliasVersion other = split(50, 50, 0);
  other.alias = "candidate";
  EXPECT_NE(arms(other), half) << "two aliases split independently";
}

TEST_F(AliasRegistryTest, ReadersSeeOneVersionWhileOthersSwitch) {
  const std::vector<std::vector<AliasArm>> states = {{model("a")},
                                                     {model("a", 90), model("b", 10)},
                                                     {model("b", 3), model("c", 2), model("a", 1)}};
  for (int i = 0; i < 9; ++i) AliasRegistry(path_).set("prod", states[i % 3]);
  std::vector<pid_t> writers;  // SQLite's files must not be open over a fork
  for (int writer = 0; writer < 4; ++writer) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        AliasRegistry own(path_);
        for (int i = 0; i < 15; ++i) {
          own.set("prod", states[(i + writer) % 3]);
          if (i % 4 == 3) own.rollback("prod");
          own.add_use(own.get("prod").number, states[0][0].model, {1, 5, {{"hit", 1}}});
        }
      } catch (...) {
        ::_exit(1);
      }
      ::_exit(0);
    }
    writers.push_back(child);
  }
  AliasRegistry aliases(path_);
  const auto is_one_of_them = [&](const AliasVersion& version) {
    return std::ranges::any_of(states, [&](const std::vector<AliasArm>& state) {
      return std::ranges::equal(state, version.arms, {}, &AliasArm::weight, &AliasArm::weight) &&
             std::ranges::equal(state, version.arms, {}, &AliasArm::path, &AliasArm::path);
    });
  };
  for (int look = 0; look < 200; ++look) ASSERT_TRUE(is_one_of_them(aliases.get("prod")));
  for (const pid_t writer : writers) {
    int status = 0;
    ::waitpid(writer, &status, 0);
    EXPECT_EQ(status, 0);
  }
  std::int64_t hits = 0;
  for (std::int64_t version = 1; version < 100; ++version)
    for (const auto& [model, use] : aliases.use(version))
      if (const auto hit = use.outcomes.find("hit"); hit != use.outcomes.end()) hits += hit->second;
  EXPECT_EQ(hits, 60);
}

TEST_F(AliasRegistryTest, AnAliasThatGoesWhileItIsReadIsThereWholeOrNot) {
  const AliasArm a = model("a"), b = model("b", 3);
  AliasRegistry(path_).set("stays", {a});
  const std::jthread writer([&](const std::stop_token& stop) {
    AliasRegistry own(path_);
    while (!stop.stop_requested()) {
      own.set("prod", {a});
      own.set("prod", {a, b});
      own.remove("prod");
    }
  });
  AliasRegistry aliases(path_);
  int there = 0;
  for (int look = 0; look < 1000; ++look) {
    const auto found = aliases.find("prod");
    if (found) {
      ++there;
      ASSERT_EQ(found->arms.size(), found->previous == 0 ? 1u : 2u);
      ASSERT_LE(aliases.earlier(*found).size(), 1u);
    }
    ASSERT_GE(aliases.list().size(), 1u);
  }
  EXPECT_GT(there, 0);
}

TEST_F(AliasRegistryTest, PathsAreText) {
  AliasRegistry aliases(path_);
  EXPECT_NE(message_of([&] {
              aliases.arm(scratch_ /
                          "not\xff"
                          "text");
            }).find("is not UTF-8"),
            std::string::npos);
  write_file_durably(scratch_ / "model-x/attune.json", "{}");
  EXPECT_EQ(aliases.arm(scratch_ / "model-x").path, scratch_ / "model-x");
  EXPECT_TRUE(aliases.arm("model-x").path.ends_with("/model-x")) << "a folder, no model's id";
}

TEST_F(AliasRegistryTest, ARegistryFromBeforeIsBroughtUpToDate) {
  {
    JobRegistry made(path_);
    made.submit({"old", "/r", "/", {"run", "c"}, "", ""});
    Database old(path_);
    for (const char* table : {"alias_outcomes", "alias_arms", "alias_versions", "aliases"})
      old.run(std::string("DROP TABLE ") + table);
    old.run("ALTER TABLE jobs DROP COLUMN artifact_sha256");
    old.run("PRAGMA user_version=1");
  }
  AliasRegistry aliases(path_);
  aliases.set("prod", {model("a")});
  EXPECT_EQ(JobRegistry(path_).list().at(0).request.name, "old");
}

}  // namespace
}  // namespace attune
