#include "data/samplers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "core/error.h"
#include "core/hash.h"
#include "core/json.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

const std::string kFixtures = source_path("tests/fixtures/samplers/");

TEST(SamplersTest, RandpermEqualsTorch) {
  const Json fixture = read_json_file(kFixtures + "randperm.json");
  ASSERT_GE(fixture["cases"].size(), 20u);
  for (const Json& expected : fixture["cases"]) {
    const auto n = expected["n"].get<std::int64_t>();
    const auto seed = expected["seed"].get<std::uint64_t>();
    const std::vector<std::int64_t> order = Generator(seed).randperm(n);
    std::string joined;
    for (const std::int64_t row : order) joined += str_cat(joined.empty() ? "" : " ", row);
    EXPECT_EQ(sha256(joined), expected["sha256_of_joined"].get<std::string>())
        << "n " << n << " seed " << seed;
  }
  EXPECT_TRUE(Generator(1).randperm(0).empty());
}

TEST(SamplersTest, RandpermRefusesWhatTorchDrawsOtherwise) {
  EXPECT_THROW(Generator(1).randperm(214748364), Error);
}

TrainingRows rows_of(const Json& anchors, const Json& positives) {
  TrainingRows rows;
  rows.columns = {anchors.get<std::vector<std::string_view>>(),
                  positives.get<std::vector<std::string_view>>()};
  return rows;
}

Batches default_batches(std::int64_t num_rows, int batch_size, std::uint64_t seed) {
  return all_batches(*default_sampler(num_rows, batch_size), seed);
}

Batches no_duplicates_batches(const TrainingRows& rows, const BatchLimit& limit,
                              std::uint64_t seed) {
  return all_batches(*no_duplicates_sampler(rows, 0, rows.num_rows(), limit, seed), seed);
}

Batches label_batches(const std::vector<float>& labels, int batch_size, std::uint64_t seed) {
  const auto sampler = group_by_label_sampler(labels, batch_size, seed, "these rows");
  const Batches batches = all_batches(*sampler, seed);
  EXPECT_EQ(std::ssize(batches), sampler->size());
  return batches;
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
                                  ? no_duplicates_batches(rows, {batch_size}, 0 + epoch)
                                  : default_batches(rows.num_rows(), batch_size, seed + epoch);
      EXPECT_EQ(batches, expected["epochs"][epoch].get<Batches>()) << sampler << " epoch " << epoch;
    }
  }
}

TEST(SamplersTest, GroupByLabelEqualsThePeersTrainer) {
  const Json fixture = read_json_file(kFixtures + "labels.json");
  ASSERT_EQ(fixture["cases"].size(), 5u);
  for (const Json& expected : fixture["cases"])
    for (int epoch = 0; epoch < 3; ++epoch)
      EXPECT_EQ(label_batches(expected["labels"].get<std::vector<float>>(),
                              expected["batch_size"].get<int>(), 0 + epoch),
                expected["epochs"][epoch].get<Batches>())
          << expected["labels"].dump() << " epoch " << epoch;
}

TEST(SamplersTest, EveryBatchHoldsTwoRowsOfTwoLabels) {
  std::vector<float> labels;
  for (int i = 0; i < 500; ++i) labels.push_back(static_cast<float>(i * i % 37 % 11));
  for (const Batch& batch : label_batches(labels, 6, 9)) {
    std::map<float, int> rows_with;
    for (const std::int64_t row : batch) ++rows_with[labels[row]];
    EXPECT_GE(std::count_if(rows_with.begin(), rows_with.end(),
                            [](const auto& entry) { return entry.second >= 2; }),
              2);
  }
}

TEST(SamplersTest, GroupByLabelRefusesWhatCannotBeGrouped) {
  for (const std::vector<float>& labels :
       {std::vector<float>{}, {1, 1, 1, 1}, {1, 1, 1, 2, 3}, {1, 2, 3, 4}}) {
    try {
      label_batches(labels, 4, 1);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      EXPECT_EQ(std::string(error.what()).find("these rows: "), 0u) << error.what();
    }
  }
}

// The rows of tests/oracles/make_sampler_fixtures.py, multi_order().
struct MultiCase {
  explicit MultiCase(const Json& fixture)
      : sizes(fixture["sizes"].get<std::vector<std::int64_t>>()) {
    sampler = fixture["sampler"].get<std::string>();
    batch_size = fixture["batch_size"].get<int>();
    const std::int64_t total = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
    texts.reserve(2 * total);
    rows.columns.resize(2);
    rows.sources.assign(sizes.size(), {"a set", 2});
    for (std::size_t set = 0; set < sizes.size(); ++set)
      for (std::int64_t i = 0; i < sizes[set]; ++i) {
        texts.push_back(str_cat("row ", rows.num_rows()));
        rows.columns[0].push_back(texts.back());
        texts.push_back(str_cat("text ", set, " ", i / 3));
        rows.columns[1].push_back(texts.back());
        rows.labels.push_back(static_cast<float>(i % 4));
        rows.source.push_back(static_cast<int>(set));
      }
  }

  Batches batches(const std::string& multi, std::uint64_t child_seed, std::uint64_t seed) const {
    std::vector<std::unique_ptr<BatchSampler>> samplers;
    std::int64_t first = 0;
    for (const std::int64_t size : sizes) {
      if (sampler == "no_duplicates")
        samplers.push_back(
            no_duplicates_sampler(rows, first, first + size, {batch_size}, child_seed));
      else if (sampler == "group_by_label")
        samplers.push_back(group_by_label_sampler(std::span(rows.labels).subspan(first, size),
                                                  batch_size, child_seed, "a set"));
      else
        samplers.push_back(default_sampler(size, batch_size));
      first += size;
    }
    return multi == "round_robin" ? round_robin_batches(samplers, sizes, seed)
                                  : proportional_batches(samplers, sizes, seed);
  }

  std::vector<std::int64_t> sizes;
  std::string sampler;
  int batch_size = 0;
  std::vector<std::string> texts;
  TrainingRows rows;
};

TEST(SamplersTest, SeveralDataSetsEqualThePeersTrainer) {
  const Json fixture = read_json_file(kFixtures + "multi_dataset.json");
  ASSERT_EQ(fixture["cases"].size(), 32u);
  for (const Json& expected : fixture["cases"]) {
    const MultiCase multi(expected);
    for (int epoch = 0; epoch < 3; ++epoch) {
      const bool told = expected["samplers_are_told_the_epoch"].get<bool>();
      EXPECT_EQ(multi.batches(expected["multi_dataset"].get<std::string>(), told ? epoch : 0,
                              expected["seed"].get<std::uint64_t>() + epoch),
                expected["epochs"][epoch].get<Batches>())
          << expected["sampler"] << " " << expected["multi_dataset"] << " "
          << expected["sizes"].dump() << " epoch " << epoch << " told " << told;
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
    for (const Batch& batch : no_duplicates_batches(rows, {3}, 1 + epoch)) {
      const std::set<std::int64_t> in_batch(batch.begin(), batch.end());
      EXPECT_FALSE(in_batch.contains(1) && in_batch.size() > 1);
    }
  }
}

TEST(SamplersTest, ARowMayRepeatItsOwnText) {
  TrainingRows rows;
  rows.columns = {{"a", "b"}, {"a", "b"}};
  EXPECT_EQ(no_duplicates_batches(rows, {2}, 0).size(), 1u);
}

TEST(SamplersTest, ColumnsThatADataSetHasNotAreNoDuplicates) {
  TrainingRows rows;
  rows.columns = {{"a", "b", "c"}, {"x", "y", "z"}, {"", "", "n"}};
  rows.source = {0, 0, 1};
  rows.sources = {{"pairs", 2}, {"triplets", 3}};
  EXPECT_EQ(all_batches(*no_duplicates_sampler(rows, 0, 2, {2}, 0), 0).size(), 1u);
}

// What every order must be: each row at most once, and no batch above its limit.
void expect_within(const Batches& batches, const BatchLimit& limit) {
  std::set<std::int64_t> seen;
  for (const Batch& batch : batches) {
    EXPECT_LE(std::ssize(batch), limit.rows);
    std::int64_t tokens = 0;
    for (const std::int64_t row : batch) {
      tokens += limit.lengths[row];
      EXPECT_TRUE(seen.insert(row).second);
    }
    EXPECT_TRUE(tokens <= limit.tokens || batch.size() == 1);
  }
}

TEST(SamplersTest, TokensAreBounded) {
  std::vector<std::int64_t> lengths;
  for (int i = 0; i < 200; ++i) lengths.push_back(3 + i * 7 % 50);
  std::vector<std::string> texts;
  for (int i = 0; i < 200; ++i) texts.push_back(str_cat("text ", i / 2));
  TrainingRows rows;
  rows.columns = {{texts.begin(), texts.end()}};
  const BatchLimit limit{16, 120, lengths};
  const Batches random = random_batches(200, limit, 4);
  expect_within(random, limit);
  std::size_t count = 0;
  for (const Batch& batch : random) count += batch.size();
  EXPECT_EQ(count, 200u);
  EXPECT_GT(std::max_element(random.begin(), random.end(),
                             [](const Batch& a, const Batch& b) { return a.size() < b.size(); })
                ->size(),
            random[0].size() / 2);
  const Batches distinct = no_duplicates_batches(rows, limit, 4);
  expect_within(distinct, limit);
  for (const Batch& batch : distinct) {
    std::set<std::string> in_batch;
    for (const std::int64_t row : batch) EXPECT_TRUE(in_batch.insert(texts[row]).second);
  }
  // Without a limit of tokens it is the sampler of before.
  EXPECT_EQ(random_batches(200, {16}, 4), default_batches(200, 16, 4));
}

TEST(SamplersTest, EdgeSizes) {
  EXPECT_TRUE(default_batches(0, 4, 42).empty());
  EXPECT_EQ(default_batches(1, 4, 42), (Batches{{0}}));
  EXPECT_TRUE(no_duplicates_batches(TrainingRows(), {4}, 42).empty());
  EXPECT_THROW(default_batches(3, 0, 42), InternalError);
  EXPECT_TRUE(proportional_batches({}, {}, 1).empty());
}

}  // namespace
}  // namespace attune
