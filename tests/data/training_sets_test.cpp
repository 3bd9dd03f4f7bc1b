#include "data/training_sets.h"

#include <fstream>

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/core/scratch.h"

namespace attune {
namespace {

EmbeddingQAFinetuneDataset pairs(const std::string& prefix, int count) {
  EmbeddingQAFinetuneDataset dataset;
  for (int i = 0; i < count; ++i) {
    dataset.queries.add(str_cat("q", i), str_cat(prefix, " question ", i));
    dataset.corpus.add(str_cat("d", i), str_cat(prefix, " answer ", i));
    dataset.relevant_docs.push_back({i});
  }
  return dataset;
}

class TrainingSetsTest : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  Scratch scratch_;
  std::string folder_ = scratch_.path();
};

TEST_F(TrainingSetsTest, OneSetIsWhatItWas) {
  const TrainingSets sets(pairs("a", 3));
  const TrainingRows rows = sets.rows(false, {});
  EXPECT_EQ(rows.num_rows(), 3);
  EXPECT_TRUE(rows.source.empty());
  EXPECT_EQ(rows.num_columns(2), 2);
  EXPECT_EQ(sets.fingerprint(), pairs("a", 3).fingerprint());
}

TEST_F(TrainingSetsTest, EachSetKeepsItsColumns) {
  const TrainingSets sets({{"a.json", pairs("a", 2)}, {"b.json", pairs("b", 3)}});
  std::string negatives;
  for (int i = 0; i < 3; ++i)
    negatives += str_cat(R"({"query_id": "q)", i, R"(", "negatives": ["d)", (i + 1) % 3, "\"]}\n");
  const TrainingRows rows = sets.rows(false, {"", write("b.negatives.jsonl", negatives)});
  ASSERT_EQ(rows.columns.size(), 3u);
  ASSERT_EQ(rows.num_rows(), 5);
  EXPECT_EQ(rows.source, (std::vector<int>{0, 0, 1, 1, 1}));
  EXPECT_EQ(rows.num_columns(1), 2);
  EXPECT_EQ(rows.num_columns(2), 3);
  EXPECT_EQ(rows.columns[0][2], "b question 0");
  EXPECT_EQ(rows.columns[2][1], "");
  EXPECT_EQ(rows.columns[2][2], "b answer 1");
  EXPECT_EQ(rows.document_id[0][3], 1) << "numbers are each set's own";
  // The wider one first.
  const TrainingSets turned({{"b.json", pairs("b", 3)}, {"a.json", pairs("a", 2)}});
  const TrainingRows others = turned.rows(false, {folder_ + "/b.negatives.jsonl", ""});
  EXPECT_EQ(others.columns[2].size(), 5u);
  EXPECT_EQ(others.num_columns(4), 2);
  EXPECT_NE(sets.fingerprint(), turned.fingerprint());
}

TEST_F(TrainingSetsTest, LoadsFiles) {
  const std::string a = write("a.json", pairs("a", 2).to_json()),
                    b = write("b.json", pairs("b", 1).to_json());
  const TrainingSets sets = TrainingSets::load({a, b});
  ASSERT_EQ(sets.sets().size(), 2u);
  EXPECT_EQ(sets.sets()[1].name, b);
  EXPECT_EQ(sets.rows(false, {}).num_rows(), 3);
  EXPECT_THROW(TrainingSets::load({a, folder_ + "/absent.json"}), Error);
}

// The error of `work`, which there must be.
template <class Work>
Error error_of(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorKind::kFailed, "nothing was refused");
}

TEST_F(TrainingSetsTest, RefusesSetsThatDoNotGoTogether) {
  const TrainingSets sets(
      {{"a.json", pairs("a", 2)}, {"empty.json", EmbeddingQAFinetuneDataset()}});
  Error error = error_of([&] { sets.rows(false, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::kData);
  EXPECT_EQ(std::string(error.what()).find("empty.json: no training rows"), 0u) << error.what();
  error = error_of([&] { sets.rows(false, {"x.jsonl"}); });
  EXPECT_EQ(error.kind(), ErrorKind::kConfig) << error.what();
}

TEST_F(TrainingSetsTest, TablesWithLabelsGoWithPairs) {
  const std::string table = write("scored.jsonl",
                                  "{\"a\": \"one\", \"b\": \"two\", \"score\": 0.5}\n"
                                  "{\"a\": \"three\", \"b\": \"four\", \"score\": -1}\n");
  const std::string a = write("a.json", pairs("a", 3).to_json());
  const TrainingSets sets = TrainingSets::load({a, table, a});
  const TrainingRows rows = sets.rows(true, {});
  ASSERT_EQ(rows.num_rows(), 8);
  EXPECT_EQ(rows.num_labels(0), 0);
  EXPECT_EQ(rows.num_labels(4), 1);
  EXPECT_EQ(rows.labels, (std::vector<float>{0, 0, 0, 0.5, -1, 0, 0, 0}));
  EXPECT_EQ(rows.columns[0][4], "three");
  EXPECT_EQ(rows.relevant_of(1).size(), 3u);
  EXPECT_EQ(rows.relevant_of(1)[2], (std::vector<std::int64_t>{2}));
}

}  // namespace
}  // namespace attune
