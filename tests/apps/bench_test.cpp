// `attune bench compare`: what is called slower, and what is no report.
#include "tests/apps/program.h"

namespace attune::test {
namespace {

class Bench : public ProgramTest {
 protected:
  void write_report(const std::string& name, const std::vector<double>& attune,
                    const std::vector<double>& peer, const std::string& processor = "P") const {
    Json report;
    report["format"] = "attune-benchmark-1";
    report["facts"]["processor"] = processor;
    report["measurements"] = {{{"name", "train"}, {"attune", attune}, {"peer", peer}}};
    spit(folder_ / name, report.dump());
  }
};

TEST_F(Bench, ToldByTheRatioToThePeerOfTheSameRound) {
  write_report("a.json", {1.0, 1.01, 2.0, 0.99, 1.0}, {2.0, 2.02, 4.0, 1.98, 2.0});
  write_report("busy.json", {3.0, 3.0, 3.1, 9.0, 3.0}, {6.0, 6.0, 6.2, 18.0, 6.0});  // as fast
  write_report("slow.json", {1.2, 1.21, 1.19, 1.2, 1.2}, {2, 2, 2, 2, 2});
  write_report("noisy.json", {0.5, 2.0, 1.3, 0.7, 1.8}, {2, 2, 2, 2, 2});
  const Outcome same = run({"bench", "compare", "a.json", "busy.json"});
  EXPECT_EQ(same.code, 0) << same.err;
  EXPECT_NE(same.out.find("the same within the limit"), std::string::npos) << same.out;
  const Outcome slow = run({"bench", "compare", "a.json", "slow.json"});
  EXPECT_EQ(slow.code, 1);
  EXPECT_NE(slow.out.find("+20.0 %"), std::string::npos) << slow.out;
  EXPECT_NE(slow.err.find("slower: train"), std::string::npos) << slow.err;
  const Outcome allowed = run({"bench", "compare", "a.json", "slow.json", "--limit", "25"});
  EXPECT_EQ(allowed.code, 0) << allowed.out;
  const Outcome fast = run({"bench", "compare", "slow.json", "a.json"});
  EXPECT_EQ(fast.code, 0);
  EXPECT_NE(fast.out.find("faster"), std::string::npos) << fast.out;
  const Outcome noisy = run({"bench", "compare", "a.json", "noisy.json"});
  EXPECT_EQ(noisy.code, 0);
  EXPECT_NE(noisy.out.find("not known"), std::string::npos) << noisy.out;
}

TEST_F(Bench, DifferentMachinesAndRowsAreNamed) {
  write_report("a.json", {1}, {2});
  write_report("b.json", {1}, {2}, "Q");
  EXPECT_NE(run({"bench", "compare", "a.json", "b.json"}).err.find("processor differs"),
            std::string::npos);
}

TEST_F(Bench, WhatIsNoReportIsRefused) {
  write_report("a.json", {1, 1}, {2, 2});
  write_report("uneven.json", {1, 1}, {2});
  write_report("zero.json", {0, 1}, {2, 2});
  spit(folder_ / "other.json", R"({"format": "attune-benchmark-1", "measurements": []})");
  spit(folder_ / "list.json", "[1]");
  spit(folder_ / "half.json", "{\"format\": \"attune-ben");
  for (const char* name :
       {"uneven.json", "zero.json", "other.json", "list.json", "half.json", "absent.json"}) {
    const Outcome outcome = run({"bench", "compare", "a.json", name});
    EXPECT_EQ(outcome.code, 3) << name << ": " << outcome.err;
    EXPECT_NE(outcome.err.find(name), std::string::npos) << outcome.err;
  }
  EXPECT_EQ(run({"bench", "campare", "a.json", "a.json"}).code, 2);
}

}  // namespace
}  // namespace attune::test
