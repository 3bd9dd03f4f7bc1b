#include "retrieval/query_results.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "core/file.h"
#include "tests/core/scratch.h"

namespace attune {
namespace {

QueryResults some_results() {
  QueryResults results;
  results.dataset = "data/test \"1\".json";
  results.dataset_sha256 = "abc";
  results.passages = 500;
  results.k = {1, 10};
  results.systems = {"base", "bm25"};
  results.candidates = 3;
  results.query_ids = {"q\"1", "q2"};
  results.num_relevant = {2, 1};
  results.of = {{{{1, 12}, {{"d<1>", 0.75f}, {"d2", -0.5f}}, 0.75f, 0.5f, 0.125f},
                 {{}, {}, 0.25f, 0.5f, 0.0f}},
                {{{3}, {{"d2", 7.5f}}, 5.5f, 7.5f, NAN}, {{}, {}, NAN, NAN, NAN}}};
  return results;
}

TEST(QueryResults, WhatIsWrittenIsRead) {
  const Scratch scratch;
  const std::string path = scratch / "queries.jsonl";
  write_query_results(path, some_results());
  const QueryResults read = read_query_results(path);
  EXPECT_EQ(read.dataset, "data/test \"1\".json");
  EXPECT_EQ(read.passages, 500);
  EXPECT_EQ(read.candidates, 3);
  EXPECT_EQ(read.k, (std::vector<int>{1, 10}));
  EXPECT_EQ(read.query_ids, (std::vector<std::string>{"q\"1", "q2"}));
  EXPECT_EQ(read.of[0][0].ranks, (std::vector<std::int64_t>{1, 12}));
  EXPECT_EQ(read.of[0][0].found[1].id, "d2");
  EXPECT_EQ(read.of[0][0].found[1].score, -0.5f);
  EXPECT_EQ(read.of[0][1].positive, 0.25f);
  EXPECT_TRUE(std::isnan(read.of[1][0].random));
  EXPECT_EQ(read.find_system("bm25"), 1);
  EXPECT_EQ(read.find_system("other"), -1);
  write_query_results(scratch / "again.jsonl", read);
  EXPECT_EQ(read_file(path), read_file(scratch / "again.jsonl"));
}

TEST(QueryResults, MetricsAreThoseOfTheRankings) {
  const MetricTable table = some_results().metrics(0);
  Ranking ranking{{7, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 8}, {7, 8}};
  const MetricTable expected = compute_metrics({ranking, {{}, {1}}}, {1, 10});
  EXPECT_EQ(table.names, expected.names);
  EXPECT_EQ(table.per_query, expected.per_query);
}

TEST(QueryResults, DamageIsNamedWithItsLine) {
  const Scratch scratch;
  const std::string path = scratch / "queries.jsonl";
  write_query_results(path, some_results());
  const std::string good = read_file(path);
  const auto refused = [&](const std::string& from, const std::string& to) {
    std::string bytes = good;
    const std::size_t at = bytes.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    bytes.replace(at, from.size(), to);
    std::ofstream(path, std::ios::binary) << bytes;
    try {
      read_query_results(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      return std::string(error.what());
    }
    ADD_FAILURE() << "was read with " << to;
    return std::string();
  };
  const auto holds = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_TRUE(holds(refused("\"candidates\":3", "\"candidates\":0"), "expected 1 to"));
  EXPECT_TRUE(holds(refused("[1,12]", "[12,1]"), ":2: \"ranks\" must ascend"));
  EXPECT_TRUE(holds(refused("[1,12]", "[1,1000000000000]"), "within 1 to 100"));
  EXPECT_TRUE(holds(refused("[1,12]", "[1,2,3]"), "3 of 2"));
  EXPECT_TRUE(holds(refused("[1,12]", "[0]"), "ascend"));
  EXPECT_TRUE(holds(refused("\"relevant\":2", "\"relevant\":1e18"), ":2:"));
  EXPECT_TRUE(holds(refused("\"relevant\":2", "\"relevant\":0"), "expected 1 to"));
  EXPECT_TRUE(holds(refused("\"q2\"", "\"q\\\"1\""), "twice"));
  EXPECT_TRUE(holds(refused("\"k\":[1,10]", "\"k\":[]"), "no cut-off"));
  EXPECT_TRUE(holds(refused("\"k\":[1,10]", "\"k\":[2000000000]"), "cut-offs of 1 to"));
  EXPECT_TRUE(holds(refused("[\"base\",\"bm25\"]", "[\"base\",\"base\"]"), "each once"));
  EXPECT_TRUE(holds(refused("\"attune_query_results\":1", "\"attune_query_results\":2"),
                    "another version"));
  EXPECT_TRUE(holds(refused("\"bm25\":{\"ranks\"", "\"other\":{\"ranks\""), ":2:"));
  EXPECT_TRUE(holds(refused(good, ""), "no query"));
}

}  // namespace
}  // namespace attune
