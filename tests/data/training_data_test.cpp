#include "data/training_data.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "tests/core/scratch.h"

namespace attune {
namespace {

class TrainingDataTest : public testing::Test {
 protected:
  TrainingData load(const std::string& text) const {
    const std::string path = scratch_ / "rows.jsonl";
    std::ofstream(path, std::ios::binary) << text;
    return TrainingData::load(path);
  }
  std::string refusal(const std::string& text) const {
    try {
      load(text);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      return error.what();
    }
    ADD_FAILURE() << "accepted: " << text;
    return "";
  }
  Scratch scratch_;
};

TEST_F(TrainingDataTest, RowsOfATableAreItsLinesInOrder) {
  const TrainingData data = load(
      "{\"q\": \"one\", \"p\": \"A\", \"n\": \"B\", \"scores\": [2, 0.5]}\r\n\n"
      "{\"q\": \"two\", \"p\": \"C\", \"n\": \"A\", \"scores\": [1, -1]}\n"
      "{\"q\": \"one\", \"p\": \" \", \"n\": \"C\", \"scores\": [0, 0]}");
  EXPECT_EQ(data.dataset.queries.size(), 2);
  EXPECT_EQ(data.dataset.corpus.size(), 4);
  const TrainingRows rows = data.rows(false, "");
  ASSERT_EQ(rows.num_rows(), 2);
  EXPECT_EQ(rows.skipped_empty, 1);  // the third
  EXPECT_EQ(rows.columns[2], (std::vector<std::string_view>{"B", "A"}));
  EXPECT_EQ(rows.query_id, (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(rows.document_id[0][0], rows.document_id[1][1]);  // both are "A"
  EXPECT_EQ(rows.labels_per_row, 2);
  EXPECT_EQ(rows.labels, (std::vector<float>{2, 0.5, 1, -1}));
  EXPECT_TRUE(rows.relevant[0].empty());  // a score does not say which passage answers
}

TEST_F(TrainingDataTest, WithoutLabelsTheSecondTextAnswersTheFirst) {
  const TrainingData data = load(
      "{\"a\":\"q\",\"b\":\"x\"}\n{\"a\":\"q\",\"b\":\"y\"}\n"
      "{\"a\":\"q\",\"b\":\"x\"}\n");
  EXPECT_EQ(data.rows(false, "").relevant[0], (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(data.rows(false, "").num_rows(), 3);
  EXPECT_THROW(data.rows(true, ""), Error);
  EXPECT_THROW(data.rows(false, "negatives.jsonl"), Error);
}

TEST_F(TrainingDataTest, MistakesAreNamedWithTheirLines) {
  const std::string first = "{\"a\":\"q\",\"b\":\"x\",\"score\":1}\n";
  const auto expect = [&](const std::string& line, const std::string& part) {
    const std::string message = refusal(first + line);
    EXPECT_NE(message.find("line 2"), std::string::npos) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect("[1]", "a JSON array");
  expect("{\"a\":\"q\",\"b\":\"x\"}", "other keys");
  expect("{\"b\":\"q\",\"a\":\"x\",\"score\":1}", "other keys");
  expect("{\"a\":\"q\",\"b\":3,\"score\":1}", "'b' is a JSON number");
  expect("{\"a\":\"q\",\"b\":\"x\",\"score\":\"high\"}", "'score' is no finite number");
  expect("{\"a\":\"q\",\"b\":\"x\",\"score\":1e300}", "'score' is no finite number");
  expect("{\"a\":\"q\",\"b\":\"x\",\"score\":[]}", "'score' is no finite number");
  expect("{\"a\":\"q\",\"b\":\"x\",\"score\":[1,2]}", "2 labels, the lines before have 1");
  expect("{\"a\":\"q\",", "rows.jsonl");
  EXPECT_NE(refusal("{\"a\":\"q\"}").find("at least two texts"), std::string::npos);
  EXPECT_NE(refusal("{\"a\":\"q\",\"b\":\"x\",\"score\":1,\"label\":1}").find("second label"),
            std::string::npos);
  EXPECT_EQ(load("\n").rows(false, "").num_rows(), 0);
}

TEST_F(TrainingDataTest, TheFingerprintIsOfTextsOrderAndLabels) {
  const std::string a = "{\"a\":\"q\",\"b\":\"x\",\"score\":1}\n",
                    b = "{\"a\":\"r\",\"b\":\"y\",\"score\":1}\n";
  const Fingerprint first = load(a + b).fingerprint();
  EXPECT_EQ(load(a + "\n" + b).fingerprint(), first);
  EXPECT_NE(load(b + a).fingerprint(), first);
  EXPECT_NE(load(a + a + b).fingerprint(), first);
  EXPECT_NE(load(a + "{\"a\":\"r\",\"b\":\"y\",\"score\":2}").fingerprint(), first);
}

}  // namespace
}  // namespace attune
