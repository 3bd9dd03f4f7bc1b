#include "data/qa_dataset.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/file.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

class QaDatasetTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        testing::TempDir() + "/qa_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes;
    return folder_ + "/" + name;
  }
  // The message with which the text is refused as a data set.
  std::string refusal(const std::string& text) const {
    try {
      EmbeddingQAFinetuneDataset::from_json(write("bad.json", text));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      EXPECT_NE(std::string(error.what()).find("bad.json"), std::string::npos) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "accepted: " << text;
    return "";
  }

  std::string folder_;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

EmbeddingQAFinetuneDataset small() {
  EmbeddingQAFinetuneDataset dataset;
  for (const char* id : {"q1", "q2", "q3"}) dataset.queries.add(id, std::string("query ") + id);
  for (const char* id : {"d1", "d2", "d3", "d4"}) dataset.corpus.add(id, std::string("text ") + id);
  dataset.relevant_docs = {{1, 0}, {2}, {}};
  return dataset;
}

TEST_F(QaDatasetTest, WritesWhatPythonWrites) {
  const std::string golden = source_path("tests/fixtures/qa_dataset/python.json");
  const auto dataset = EmbeddingQAFinetuneDataset::from_json(golden);
  EXPECT_EQ(dataset.queries.ids(), (std::vector<std::string>{"q2", "q1", "q3"}));
  EXPECT_EQ(dataset.relevant_docs, (std::vector<std::vector<std::int64_t>>{{0, 1}, {}, {2}}));
  const std::string path = folder_ + "/again.json";
  dataset.save_json(path);
  EXPECT_EQ(read_file(path), read_file(golden));
}

TEST_F(QaDatasetTest, EmptyDatasetIsPythonsToo) {
  EXPECT_EQ(EmbeddingQAFinetuneDataset().to_json(),
            "{\n    \"queries\": {},\n    \"corpus\": {},\n    \"relevant_docs\": {},\n    "
            "\"mode\": \"text\"\n}");
}

TEST_F(QaDatasetTest, AcceptsCompactWithoutModeAndWithUnknownKeys) {
  const auto dataset = EmbeddingQAFinetuneDataset::from_json(write(
      "a.json",
      R"({"queries":{"q":"Grüße"},"corpus":{"d":"t"},"relevant_docs":{"q":["d"]},"extra":[1]})"));
  EXPECT_EQ(dataset.queries.text(0), "Grüße");
  EXPECT_FALSE(has(dataset.to_json(), "extra"));
}

TEST_F(QaDatasetTest, AQueryWithoutAnEntryHasNoRelevantPassage) {
  const auto dataset = EmbeddingQAFinetuneDataset::from_json(
      write("a.json", R"({"queries":{"q":"x"},"corpus":{},"relevant_docs":{}})"));
  EXPECT_EQ(dataset.relevant_docs, (std::vector<std::vector<std::int64_t>>{{}}));
}

TEST_F(QaDatasetTest, NamesEveryMistakeAtOnce) {
  const std::string message =
      refusal(R"({"queries":{"q1":7,"q2":"x","q3":"y"},"corpus":{"d":null,"e":"t"},"mode":"image",)"
              R"("relevant_docs":{"q2":["e","gone",3,"e"],"nobody":["e"],"q3":"e"}})");
  for (const char* part :
       {"'q1' is a JSON number", "'d' is a JSON null", "'gone'", "a JSON number in the array",
        "'e' stands there twice", "'nobody'", "\"image\"", "'q3': a JSON string"})
    EXPECT_TRUE(has(message, part)) << part << " in " << message;
}

TEST_F(QaDatasetTest, ShowsAtMostTwentyMistakes) {
  std::string relevant;
  for (int i = 0; i < 50; ++i) relevant += (i == 0 ? "\"n" : ",\"n") + std::to_string(i) + "\":[]";
  const std::string message =
      refusal(R"({"queries":{},"corpus":{},"relevant_docs":{)" + relevant + "}}");
  EXPECT_TRUE(has(message, "50 mistakes"));
  EXPECT_TRUE(has(message, "'n19'") && !has(message, "'n20'"));
  EXPECT_TRUE(has(message, "and 30 more"));
}

TEST_F(QaDatasetTest, RefusesOtherFiles) {
  EXPECT_TRUE(has(refusal("[]"), "a JSON array, expected an object"));
  EXPECT_TRUE(has(refusal("{}"), "'corpus' is missing"));
  EXPECT_TRUE(has(refusal(R"({"queries":[],"corpus":{},"relevant_docs":{}})"),
                  "'queries' is a JSON array"));
  refusal("");
  refusal("{\"queries\":{\"a\":\"\xFF\"}}");
  refusal(R"({"queries":{"a":"1","a":"2"},"corpus":{},"relevant_docs":{}})");
  EXPECT_THROW(EmbeddingQAFinetuneDataset::from_json(folder_ + "/absent.json"), Error);
}

TEST_F(QaDatasetTest, AHundredThousandEntriesInLinearTime) {
  EmbeddingQAFinetuneDataset dataset;
  for (int i = 0; i < 100000; ++i) {
    dataset.queries.add("q" + std::to_string(i), "query");
    dataset.corpus.add("d" + std::to_string(i), "text");
    dataset.relevant_docs.push_back({i});
  }
  const auto start = std::chrono::steady_clock::now();
  const auto again = EmbeddingQAFinetuneDataset::from_json(write("big.json", dataset.to_json()));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  EXPECT_EQ(again.relevant_docs, dataset.relevant_docs);
  EXPECT_EQ(again.fingerprint(), dataset.fingerprint());
}

TEST_F(QaDatasetTest, ReadsEverySharedDataset) {
  const std::string shared = source_path("../shared/data");
  if (!fs::exists(shared)) GTEST_SKIP() << "the shared data sets are not beside the repository";
  int read = 0;
  for (const auto& entry : fs::recursive_directory_iterator(shared)) {
    const std::string path = entry.path().string();
    if (!has(path, "/retrieval/") || !has(path, ".json")) continue;
    if (fs::file_size(path) > 3'000'000) continue;  // the big ones take a second each
    if (has(path, "xquad") && !has(path, ".en.") && !has(path, "/en")) continue;
    const auto dataset = EmbeddingQAFinetuneDataset::from_json(path);
    EXPECT_GT(dataset.queries.size(), 0) << path;
    EXPECT_GT(make_training_rows(dataset, false).num_rows(), 0) << path;
    ++read;
  }
  EXPECT_GE(read, 2);
}

TEST_F(QaDatasetTest, TrainingRowsAreTheFirstOrAllPassages) {
  const EmbeddingQAFinetuneDataset dataset = small();
  const TrainingRows first = make_training_rows(dataset, false);
  EXPECT_EQ(first.columns, (std::vector<std::vector<std::string_view>>{{"query q1", "query q2"},
                                                                       {"text d2", "text d3"}}));
  EXPECT_EQ(first.document_id[0], (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(first.skipped_unanswered, 1);
  const TrainingRows all = make_training_rows(dataset, true);
  EXPECT_EQ(all.columns[1], (std::vector<std::string_view>{"text d2", "text d1", "text d3"}));
}

TEST_F(QaDatasetTest, EmptyTextsAreCountedAndSkipped) {
  EmbeddingQAFinetuneDataset dataset = small();
  dataset.queries.add("q4", " \n\t");
  dataset.corpus.add("d5", "");
  dataset.relevant_docs = {{4, 0}, {2}, {}, {0}};
  const TrainingRows rows = make_training_rows(dataset, true);
  EXPECT_EQ(rows.skipped_empty, 2);
  EXPECT_EQ(rows.columns[1], (std::vector<std::string_view>{"text d1", "text d3"}));
}

TEST_F(QaDatasetTest, HardNegativesBecomeColumns) {
  const std::string path = write("n.jsonl",
                                 "{\"query_id\": \"q2\", \"negatives\": [\"d1\", \"d2\"]}\r\n\n"
                                 "{\"query_id\": \"q1\", \"negatives\": [\"d4\", \"d3\"]}");
  const EmbeddingQAFinetuneDataset dataset = small();
  const TrainingRows rows = make_training_rows(dataset, true, path);
  ASSERT_EQ(rows.columns.size(), 4u);
  EXPECT_EQ(rows.columns[2], (std::vector<std::string_view>{"text d4", "text d4", "text d1"}));
  EXPECT_EQ(rows.columns[3], (std::vector<std::string_view>{"text d3", "text d3", "text d2"}));
}

TEST_F(QaDatasetTest, AQueryWithAnEmptyListOfNegativesMakesNoRow) {
  const std::string path = write("n.jsonl",
                                 "{\"query_id\": \"q1\", \"negatives\": []}\n"
                                 "{\"query_id\": \"q2\", \"negatives\": [\"d1\"]}\n");
  const EmbeddingQAFinetuneDataset dataset = small();
  const TrainingRows rows = make_training_rows(dataset, true, path);
  EXPECT_EQ(rows.columns,
            (std::vector<std::vector<std::string_view>>{{"query q2"}, {"text d3"}, {"text d1"}}));
  EXPECT_EQ(rows.skipped_without_negatives, 1);
}

TEST_F(QaDatasetTest, WrongNegativesAreRefused) {
  const auto refused = [&](const std::string& lines) -> std::string {
    try {
      const EmbeddingQAFinetuneDataset dataset = small();
      make_training_rows(dataset, false, write("n.jsonl", lines));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      EXPECT_TRUE(has(error.what(), "n.jsonl")) << error.what();
      return error.what();
    }
    return "accepted";
  };
  const std::string good = R"({"query_id":"q1","negatives":["d4"]})";
  EXPECT_TRUE(has(refused(good), "no line for the query 'q2'"));
  EXPECT_TRUE(has(refused(good + "\n" + R"({"query_id":"q2","negatives":["d1","d2"]})"),
                  "'q2' has 2 negatives"));
  EXPECT_TRUE(has(refused("{\"query_id\":\"q1\",\"negatives\":[]}\n"
                          "{\"query_id\":\"q2\",\"negatives\":[]}"),
                  "no query has negatives"));
  EXPECT_TRUE(has(refused(R"({"query_id":"q9","negatives":[]})"), "line 1: no query 'q9'"));
  EXPECT_TRUE(has(refused(good + "\n" + good), "line 2: the query 'q1' stands there twice"));
  EXPECT_TRUE(has(refused(R"({"query_id":"q1","negatives":["d9"]})"), "no passage 'd9'"));
  EXPECT_TRUE(has(refused(R"({"query_id":"q1","negatives":["d1"]})"), "cannot be a negative"));
  EXPECT_TRUE(has(refused(R"({"query_id":"q1"})"), "line 1: no object"));
  EXPECT_TRUE(has(refused("{"), "line 1"));
  EXPECT_NE(refused("[1]"), "accepted");
}

}  // namespace
}  // namespace attune
