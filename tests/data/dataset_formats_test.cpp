// Tables, BEIR folders, conversions, summaries and leaks.
#include "data/dataset_formats.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/file.h"
#include "data/beir.h"
#include "data/dataset_check.h"
#include "data/dataset_convert.h"
#include "data/row_reader.h"
#include "data/training_data.h"
#include "tests/core/scratch.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class DatasetFormatsTest : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& bytes) const {
    fs::create_directories(fs::path(scratch_ / name).parent_path());
    std::ofstream(scratch_ / name, std::ios::binary) << bytes;
    return scratch_ / name;
  }
  template <class Call>
  static std::string refusal(const Call& call, ErrorKind kind = ErrorKind::kData) {
    try {
      call();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "not refused";
    return "";
  }
  // A folder whose query q3 the split does not judge.
  std::string write_folder() const {
    write("beir/corpus.jsonl",
          R"({"_id": "d1", "title": "Title", "text": " one\n", "metadata": {}})"
          "\n"
          R"({"_id": "d2", "text": "two", "metadata": {"url": "x"}})"
          "\n"
          R"({"_id": "d3", "title": "", "text": "three"})"
          "\n");
    write("beir/queries.jsonl",
          "{\"_id\": \"q1\", \"text\": \"first\"}\n{\"_id\": \"q2\", \"text\": \"second\"}\n"
          "{\"_id\": \"q3\", \"text\": \"third\"}\n");
    write("beir/qrels/test.tsv",
          "query-id\tcorpus-id\tscore\nq2\td1\t2\nq1\td3\t1\nq1\td1\t0\nq2\td2\t1\n");
    return scratch_ / "beir";
  }
  Converted convert(const std::string& input, const std::string& output,
                    const ConvertOptions& options = {}) const {
    return convert_dataset(scratch_ / input, scratch_ / output, options);
  }
  std::string bytes(const std::string& name) const { return read_file(scratch_ / name); }

  Scratch scratch_;
};

TEST_F(DatasetFormatsTest, AFormatIsToldByTheName) {
  EXPECT_EQ(dataset_format("a.json"), DatasetFormat::kJson);
  EXPECT_EQ(dataset_format("a.json.gz"), DatasetFormat::kJson);
  EXPECT_EQ(dataset_format("a.jsonl.gz"), DatasetFormat::kJsonLines);
  EXPECT_EQ(dataset_format("a.csv"), DatasetFormat::kCsv);
  EXPECT_EQ(dataset_format("qrels/a.tsv"), DatasetFormat::kTsv);
  EXPECT_EQ(dataset_format(write_folder()), DatasetFormat::kBeir);
  EXPECT_EQ(dataset_format(write_folder() + "/qrels/test.tsv"), DatasetFormat::kBeir);
  EXPECT_TRUE(has(refusal([] { dataset_format("a.parquet"); }), "read_parquet"));
}

TEST_F(DatasetFormatsTest, CsvIsTheSameTableAsJsonLines) {
  const TrainingData lines =
      TrainingData::load(write("rows.jsonl",
                               "{\"q\": \"a, b\", \"p\": \"x\\ny\", \"score\": 0.5}\n"
                               "{\"q\": \"c\", \"p\": \"\\\"z\\\"\", \"score\": 2}\n"));
  const std::string csv = "q,p,score\r\n\"a, b\",\"x\ny\",.5\r\n\r\nc,\"\"\"z\"\"\",2\r\n";
  const std::string tsv = "q\tscore\tp\na, b\t0.5\t\"x\ny\"\nc\t2e0\t\"\"\"z\"\"\"\n";
  EXPECT_EQ(TrainingData::load(write("rows.csv", csv)).fingerprint(), lines.fingerprint());
  EXPECT_EQ(TrainingData::load(write("rows.tsv", tsv)).fingerprint(), lines.fingerprint());
  const TrainingData lists =
      TrainingData::load(write("rows.csv", "q,p,n,scores\na,b,c,\"[1, 0.5]\"\nd,e,f,\"[2, 3]\"\n"));
  EXPECT_EQ(lists.rows(false, "").labels, (std::vector<float>{1, 0.5, 2, 3}));
}

TEST_F(DatasetFormatsTest, MistakesOfCsvAreNamedWithTheirLines) {
  const std::string path =
      write("rows.csv",
            "q,p,score\na,b,1\na,b\na,b,high\na,\xff,1\na,\"b\" c,1\na,b,\"[1,2]\"\na,b,inf\n");
  const std::string message = refusal([&] { TrainingData::load(path); });
  EXPECT_TRUE(has(message, "6 mistakes"));
  EXPECT_TRUE(has(message, "line 3: 2 fields, the first row names 3 columns")) << message;
  EXPECT_TRUE(has(message, "line 4: 'score' is no finite number")) << message;
  EXPECT_TRUE(has(message, "line 5: 'p' is not UTF-8")) << message;
  EXPECT_TRUE(has(message, "rows.csv:6: ' c,1' follows a closing quote")) << message;
  EXPECT_TRUE(has(message, "line 7: 2 labels, the lines before have 1")) << message;
  EXPECT_TRUE(has(message, "line 8: 'score' is no finite number")) << message;
  const auto heading = [&](const std::string& first) {
    return refusal([&] { TrainingData::load(write("rows.csv", first + "\na,b,c\n")); });
  };
  EXPECT_TRUE(has(heading(",q,p"), "without a name"));
  EXPECT_TRUE(has(heading("q,p,q"), "stands there twice"));
  EXPECT_TRUE(has(heading("q,score,label"), "two labels"));
  EXPECT_TRUE(has(heading("q,score"), "1 columns of texts"));
  EXPECT_TRUE(has(refusal([&] { TrainingData::load(write("rows.csv", "")); }), "empty"));
}

TEST_F(DatasetFormatsTest, BeirFolders) {
  const BeirDataset read = read_beir(write_folder());
  const EmbeddingQAFinetuneDataset& dataset = read.dataset;
  EXPECT_EQ(dataset.queries.ids(), (std::vector<std::string>{"q1", "q2"}));
  EXPECT_EQ(dataset.corpus.texts(), (std::vector<std::string>{"Title  one", "two", "three"}));
  EXPECT_EQ(dataset.relevant_docs, (std::vector<std::vector<std::int64_t>>{{2}, {0, 1}}));
  EXPECT_EQ(read.counts.used, 3 + 2 + 3);
  EXPECT_EQ(read.counts.skipped.at("a query that the split does not judge"), 1);
  EXPECT_EQ(read.counts.skipped.at("a passage that is judged not to be relevant"), 1);
  EXPECT_EQ(read.graded, 1);
  EXPECT_EQ(read.more, 1);
  EXPECT_EQ(TrainingData::load(scratch_ / "beir").rows(true, "").num_rows(), 3);

  write("beir/qrels/dev.tsv", "query-id\tcorpus-id\tscore\nq3\td1\t1\n");
  EXPECT_TRUE(has(refusal([&] { read_beir(scratch_ / "beir"); }), "dev.tsv, "));
  EXPECT_EQ(load_qa_dataset(scratch_ / "beir/qrels/dev.tsv").queries.ids(),
            (std::vector<std::string>{"q3"}));
}

TEST_F(DatasetFormatsTest, TheFingerprintIsOfEveryFile) {
  const std::string folder = write_folder();
  const Fingerprint first = fingerprint_dataset_files(folder);
  EXPECT_EQ(fingerprint_dataset_files(folder + "/qrels/test.tsv"), first);
  for (const char* name : {"/corpus.jsonl", "/queries.jsonl", "/qrels/test.tsv"}) {
    const std::string bytes_before = read_file(folder + name);
    std::ofstream(folder + name, std::ios::app) << "\n";
    EXPECT_NE(fingerprint_dataset_files(folder), first) << name;
    std::ofstream(folder + name, std::ios::binary) << bytes_before;
  }
  EXPECT_EQ(fingerprint_dataset_files(folder + "/corpus.jsonl"),
            sha256_file(folder + "/corpus.jsonl"));
}

TEST_F(DatasetFormatsTest, MistakesOfBeirAreNamedWithTheirLines) {
  write_folder();
  write("beir/corpus.jsonl",
        "{\"_id\": \"d1\", \"text\": \"x\"}\n\n[]\n{\"_id\": 3, \"text\": \"x\"}\n"
        "{\"_id\": \"d1\", \"text\": \"x\"}\n{\"text\": \"x\"}\n{\"_id\"\n");
  write("beir/qrels/test.tsv",
        "q\tc\ts\nq1\td1\t1\nq9\td1\t1\nq1\td9\t1\nq1\td1\t1\nq1\td1\nq1\td1\tyes\n");
  const std::string message = refusal([&] { read_beir(scratch_ / "beir"); });
  for (const char* part :
       {"10 mistakes", "corpus.jsonl, line 3: a JSON array", "line 4: '_id' is a JSON number",
        "line 5: the id 'd1' stands there twice", "line 6: '_id' is missing",
        "corpus.jsonl, line 7:", "test.tsv, line 3: no query 'q9'", "line 4: no passage 'd9'",
        "line 5: query 'q1' and passage 'd1' are judged twice", "line 6: 2 fields",
        "line 7: the score 'yes'"})
    EXPECT_TRUE(has(message, part)) << part << "\n" << message;
  write("beir/qrels/test.tsv", "q1\td1\t1\n");
  EXPECT_TRUE(has(refusal([&] { read_beir(scratch_ / "beir"); }), "where the heading"));
}

TEST_F(DatasetFormatsTest, TablesAreConvertedBothWays) {
  const std::string lines =
      "{\"q\": \"a, \\u00e9\", \"p\": \"x\\r\\ny\", \"n\": \"\", \"score\": 1}\n"
      "{\"q\": \"b\", \"p\": \"\\\"\\t\", \"n\": \" z\", \"score\": -0.25}\n";
  write("rows.jsonl", lines);
  EXPECT_EQ(convert("rows.jsonl", "rows.csv").rows, 2);
  EXPECT_EQ(bytes("rows.csv"), "q,p,n,score\n\"a, é\",\"x\r\ny\",,1\nb,\"\"\"\t\", z,-0.25\n");
  convert("rows.csv", "rows.tsv");
  convert("rows.tsv", "back.jsonl");
  EXPECT_EQ(bytes("back.jsonl"), lines);
  write("bad.jsonl", lines + "[]\n");
  EXPECT_TRUE(has(refusal([&] { convert("bad.jsonl", "bad.csv"); }), "line 3"));
  EXPECT_FALSE(fs::exists(scratch_ / "bad.csv"));
}

TEST_F(DatasetFormatsTest, DataSetsAreConvertedBothWays) {
  const std::string golden = source_path("tests/fixtures/qa_dataset/python.json");
  const auto whole = EmbeddingQAFinetuneDataset::from_json(golden);
  EmbeddingQAFinetuneDataset dataset;
  dataset.corpus = whole.corpus;
  dataset.queries = whole.queries;
  dataset.relevant_docs = whole.relevant_docs;
  dataset.save_json(scratch_ / "set.json");
  const Converted folder = convert("set.json", "folder", {.split = "dev"});
  EXPECT_EQ(folder.rows, dataset.queries.size());
  EXPECT_TRUE(fs::exists(scratch_ / "folder/qrels/dev.tsv"));
  // Over a folder that is there nothing is written.
  EXPECT_TRUE(has(refusal([&] { convert("set.json", "folder"); }, ErrorKind::kConfig), "already"));

  write("small.json", R"({"queries": {"q1": "a", "q2": "b"}, "corpus": {"d1": "x", "d2": "y"},
    "relevant_docs": {"q1": ["d2", "d1"], "q2": ["d1"]}})");
  convert("small.json", "small");
  convert("small", "again.json");
  EXPECT_EQ(EmbeddingQAFinetuneDataset::from_json(scratch_ / "again.json").fingerprint(),
            EmbeddingQAFinetuneDataset::from_json(scratch_ / "small.json").fingerprint());
  convert("small.json", "rows.jsonl");
  EXPECT_EQ(bytes("rows.jsonl"),
            "{\"query\": \"a\", \"positive\": \"y\"}\n"
            "{\"query\": \"a\", \"positive\": \"x\"}\n"
            "{\"query\": \"b\", \"positive\": \"x\"}\n");
  convert("rows.jsonl", "back.json");
  const auto back = EmbeddingQAFinetuneDataset::from_json(scratch_ / "back.json");
  EXPECT_EQ(back.relevant_docs, (std::vector<std::vector<std::int64_t>>{{0, 1}, {1}}));

  const std::string negatives = write("negatives.jsonl",
                                      "{\"query_id\": \"q1\", \"negatives\": []}\n"
                                      "{\"query_id\": \"q2\", \"negatives\": [\"d2\"]}\n");
  EXPECT_TRUE(has(refusal([&] { convert("small.json", "rows.csv", {.negatives = negatives}); }),
                  "1 queries without hard negatives"));
  EXPECT_EQ(convert("small.json", "rows.csv", {.negatives = negatives, .may_lose = true}).rows, 1);
  EXPECT_TRUE(has(refusal([&] { convert("small.json", "x.json", {.negatives = negatives}); },
                          ErrorKind::kConfig),
                  "--negatives"));
}

TEST_F(DatasetFormatsTest, NothingIsLostInSilence) {
  write_folder();
  const std::string graded = refusal([&] { convert("beir", "set.json"); });
  EXPECT_TRUE(has(graded, "1 judgements above 1") && has(graded, "1 lines with further keys") &&
              has(graded, "1 times a passage that is judged not"))
      << graded;
  EXPECT_FALSE(fs::exists(scratch_ / "set.json"));
  EXPECT_EQ(convert("beir", "set.json", {.may_lose = true}).lost.size(), 4u);

  write("set.json", R"({"queries": {"q1": "a", "q2": "b"}, "corpus": {"d1": "x", "d2": "y"},
    "relevant_docs": {"q1": ["d1"], "q2": []}})");
  const std::string unused = refusal([&] { convert("set.json", "rows.csv"); });
  EXPECT_TRUE(has(unused, "1 passages that stand in no row") &&
              has(unused, "1 queries that no passage answers"))
      << unused;

  write("rows.jsonl",
        "{\"a\": \"q\", \"b\": \"x\", \"c\": \"n\"}\n{\"a\": \"q\", \"b\": \"x\", "
        "\"c\": \"m\"}\n");
  const std::string negatives = refusal([&] { convert("rows.jsonl", "set.json"); });
  EXPECT_TRUE(has(negatives, "1 further columns") && has(negatives, "1 rows whose first two"))
      << negatives;
  EXPECT_EQ(convert("rows.jsonl", "new.json", {.may_lose = true}).passages, 3);
  write("rows.jsonl", "{\"a\": \"q\", \"b\": \"x\", \"score\": 1}\n");
  EXPECT_TRUE(has(refusal([&] { convert("rows.jsonl", "set.json"); }), "labels say"));
  EXPECT_TRUE(has(refusal([&] { convert("rows.jsonl", "rows.csv.gz"); }, ErrorKind::kConfig),
                  "is not written"));
}

TEST_F(DatasetFormatsTest, SummaryOfATable) {
  const DatasetSummary summary =
      summarize_dataset(write("rows.jsonl",
                              "{\"a\": \"two words\", \"b\": \"x\", \"score\": 1}\n"
                              "{\"a\": \"two words\", \"b\": \"x\", \"score\": 3}\n[]\n"
                              "{\"a\": \"é\", \"b\": \" \", \"score\": 1}\n"
                              "{\"a\": \"é\", \"b\": \"y z w\", \"score\": -1}\n"));
  EXPECT_EQ(summary.rows.used, 3);
  EXPECT_EQ(summary.rows.refused, 1);
  EXPECT_EQ(summary.rows.skipped.at("a text is empty"), 1);
  EXPECT_TRUE(has(summary.refusals.at(0), "line 3"));
  EXPECT_EQ(summary.pairs, 3);
  EXPECT_EQ(summary.repeated_pairs, 1);
  ASSERT_EQ(summary.columns.size(), 2u);
  EXPECT_EQ(summary.columns[0].distinct, 2);
  EXPECT_EQ(summary.columns[0].words.most, 2);
  EXPECT_EQ(summary.columns[0].characters.least, 1);
  EXPECT_EQ(summary.columns[1].words.mean(), 5.0 / 3);
  EXPECT_EQ(summary.labels.least, -1);
  EXPECT_EQ(summary.labels.most, 3);
  EXPECT_EQ(summary.relevant_per_query.count, 0);  // labels do not say which answers
  EXPECT_EQ(summary.to_json()["columns"][1]["distinct"], 2);
}

TEST_F(DatasetFormatsTest, SummaryOfADataSet) {
  const DatasetSummary summary =
      summarize_dataset(write("set.json", R"({"queries": {"q1": "a", "q2": "a"},
    "corpus": {"d1": "x", "d2": "y"}, "relevant_docs": {"q1": ["d1", "d2"], "q2": []}})"));
  EXPECT_EQ(summary.columns[0].distinct, 1);
  EXPECT_EQ(summary.relevant_per_query.least, 0);
  EXPECT_EQ(summary.relevant_per_query.most, 2);
  EXPECT_EQ(summary.pairs, 2);
  const DatasetSummary bad = summarize_dataset(write("set.json", "{\"queries\": {}"));
  EXPECT_EQ(bad.rows.refused, 1);
  EXPECT_TRUE(has(bad.refusals.at(0), "set.json"));
  EXPECT_TRUE(has(summarize_dataset(scratch_ / "absent.csv").refusals.at(0), "no such file"));
}

TEST_F(DatasetFormatsTest, LeaksBetweenFilesOfAnyFormat) {
  const std::string train = write("train.jsonl",
                                  "{\"a\": \"one\", \"b\": \"x\"}\n"
                                  "{\"a\": \"two\", \"b\": \"y\"}\n");
  const std::string test = write("test.json", R"({"queries": {"q1": "two", "q2": "three"},
    "corpus": {"d1": "x", "d2": "z", "d3": "y"}, "relevant_docs": {"q1": ["d2"], "q2": ["d1"]}})");
  const std::string other = write("other.csv", "a,b\none!,x!\n");
  const std::vector<DatasetSummary> summaries = {summarize_dataset(train), summarize_dataset(test),
                                                 summarize_dataset(other)};
  const Leaks leaks = find_leaks(summaries);
  EXPECT_EQ(leaks.queries, 1);
  EXPECT_EQ(leaks.passages, 1);  // "y" answers no query of the test
  ASSERT_EQ(leaks.shown.size(), 2u);
  EXPECT_EQ(leaks.shown[0].text, "two");
  EXPECT_EQ(leaks.shown[0].first_place, "line 2");
  EXPECT_EQ(leaks.shown[0].second_place, "'q1'");
  EXPECT_EQ(leaks.shown[1].text, "x");
  EXPECT_EQ(leaks.shown[1].second_place, "'d1'");
  EXPECT_EQ(find_leaks(std::span(summaries).subspan(1)).queries, 0);
}

}  // namespace
}  // namespace attune
