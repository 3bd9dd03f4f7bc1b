#include "data/samplers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "core/error.h"
#include "core/hash.h"
#include "core/json.h"

namespace attune {
namespace {

const std::string kFixtures = ATTUNE_SOURCE_DIR "/tests/fixtures/samplers/";

TEST(SamplersTest, RandpermEqualsTorch) {
  const Json fixture = read_json_file(kFixtures + "randperm.json");
  ASSERT_GE(fixture["cases"].size(), 20u);
  for (const Json& expected : fixture["cases"]) {
    const auto n = expected["n"].get<std::int64_t>();
    const auto seed = expected["seed"].get<std::uint64_t>();
    const std::vector<std::int64_t> order = randperm(n, seed);
    std::string joined;
    for (const std::int64_t row : order) joined += str_cat(joined.empty() ? "" : " ", row);
    EXPECT_EQ(sha256(joined), expected["sha256_of_joined"].get<std::string>())
        << "n " << n << " seed " << seed;
  }
  EXPECT_TRUE(randperm(0, 1).empty());
}

TEST(SamplersTest, RandpermRefusesWhatTorchDrawsOtherwise) {
  EXPECT_THROW(randperm(214748364, 1), Error);
}

TrainingRows rows_of(const Json& anchors, const Json& positives) {
  TrainingRows rows;
  rows.columns = {anchors.get<std::vector<std::string_view>>(),
                  positives.get<std::vector<std::string_view>>()};
  return rows;
}

TEST(SamplersTest, EveryEpochEqualsThePeersTrainer) {
  const Json fixture = read_json_file(kFixtures + "trainer.json");
  ASSERT_EQ(fixture["cases"].size(), 8u);
  for (const Json& expected : fixture["cases"]) {
    const TrainingRows rows = rows_of(expected["anchors"], expected["positives"]);
    const auto sampler = expected["sampler"].get<std::string>();
    const int batch_size = expected["batch_size"].get<int>();
    const auto seed = expected["seed"].get<std::uint64_t>();
    for (int epoch = 0; epoch < 3; ++epoch) {
      const Batches batches = sampler == "no_duplicates"
                                  ? no_duplicates_batches(rows, batch_size, 0, epoch)
                                  : default_batches(rows.num_rows(), batch_size, seed, epoch);
      EXPECT_EQ(batches, expected["epochs"][epoch].get<Batches>()) << sampler << " epoch " << epoch;
    }
  }
}

TEST(SamplersTest, SequentialKeepsTheOrder) {
  EXPECT_EQ(sequential_batches(5, 2), (Batches{{0, 1}, {2, 3}, {4}}));
  EXPECT_TRUE(sequential_batches(0, 2).empty());
}

TEST(SamplersTest, NoDuplicatesLooksAtEveryColumn) {
  TrainingRows rows;  // rows 0 and 1 share a text across columns, rows 1 and 2 a negative
  rows.columns = {{"a", "b", "c"}, {"x", "a", "z"}, {"n1", "n2", "n2"}};
  for (int epoch = 0; epoch < 10; ++epoch) {
    for (const std::vector<std::int64_t>& batch : no_duplicates_batches(rows, 3, 1, epoch)) {
      const std::set<std::int64_t> in_batch(batch.begin(), batch.end());
      EXPECT_FALSE(in_batch.contains(1) && in_batch.size() > 1);
    }
  }
}

TEST(SamplersTest, ARowMayRepeatItsOwnText) {
  TrainingRows rows;
  rows.columns = {{"a", "b"}, {"a", "b"}};
  EXPECT_EQ(no_duplicates_batches(rows, 2, 0, 0).size(), 1u);
}

TEST(SamplersTest, EdgeSizes) {
  EXPECT_TRUE(default_batches(0, 4, 42, 0).empty());
  EXPECT_EQ(default_batches(1, 4, 42, 0), (Batches{{0}}));
  EXPECT_TRUE(no_duplicates_batches(TrainingRows(), 4, 42, 0).empty());
  EXPECT_THROW(default_batches(3, 0, 42, 0), InternalError);
}

}  // namespace
}  // namespace attune
