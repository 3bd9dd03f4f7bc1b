#include "retrieval/gate.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace attune {
namespace {

TEST(Gate, Texts) {
  const std::vector<Gate> gates = parse_gates({"ndcg@10=0.70", "hit_rate@1=1"}, {1, 10});
  ASSERT_EQ(gates.size(), 2u);
  EXPECT_EQ(gates[0].metric, "ndcg@10");
  EXPECT_EQ(gates[0].least, 0.7);
  for (const char* wrong : {"", "ndcg@10", "ndcg@10=", "ndcg@10=70", "ndcg@10=-0.1", "ndcg@10=nan",
                            "ndcg@10=0.7x", "=0.7", "ndcg@5=0.7", "ndgc@10=0.7"})
    try {
      parse_gates({wrong}, {1, 10});
      ADD_FAILURE() << wrong;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kConfig) << wrong;
    }
  try {
    parse_gates({"ndgc@10=0.7"}, {10});
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean 'ndcg@10'?"), std::string::npos);
  }
}

TEST(Gate, ReachedOrNot) {
  const MetricTable table = compute_metrics({{{5}, {5}}, {{6}, {5}}}, {1});
  EXPECT_NO_THROW(check_gates(parse_gates({"hit_rate@1=0.5"}, {1}), table, "m"));
  try {
    check_gates(parse_gates({"hit_rate@1=0.51", "mrr@1=0.9", "ndcg@1=0.1"}, {1}), table, "m");
    FAIL() << "it was met";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kFailed);
    EXPECT_STREQ(error.what(),
                 "gate not met: m: hit_rate@1 is 0.5, below 0.51, mrr@1 is 0.5, below 0.9");
  }
}

}  // namespace
}  // namespace attune
