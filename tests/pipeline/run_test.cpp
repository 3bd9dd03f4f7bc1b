// What is run again, and what is not.
#include "pipeline/run.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/file.h"
#include "data/qa_dataset.h"
#include "pipeline/stage_record.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

class RunStages : public ::testing::Test {
 protected:
  RunStages()
      : folder_(fs::temp_directory_path() / ("attune_run_stages_" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "documents");
    for (int page = 0; page < 6; ++page) write_page(page, "");
    config_.name = "stages";
    config_.device = "cpu";
    config_.output = folder_ / "out";
    config_.has_documents = config_.has_generate = config_.has_model = config_.has_train = true;
    config_.has_evaluate = true;
    config_.documents.paths = {folder_ / "documents"};
    config_.chunks.min_words = 3;
    config_.generate.split.validation_share = 0.3;
    config_.generate.split.question_pages = {"page5.html"};
    config_.model.base = source_path("tests/fixtures/tiny_bert");
    config_.train.epochs = 1;
    config_.train.batch_size = 4;
  }
  ~RunStages() override { fs::remove_all(folder_); }

  void write_page(int page, const std::string& more) const {
    std::ofstream out(folder_ / "documents" / ("page" + std::to_string(page) + ".html"));
    out << "<html><body><h1>Room " << page << "</h1>";
    for (int section = 0; section < 3; ++section)
      out << "<h2>How is item " << page << section << " kept?</h2><p>Box number "
          << page * 10 + section << " stands in the hall of house " << page << " beside " << section
          << more << ".</p>";
    out << "</body></html>";
  }

  // When each stage was last written; a stage that is not run again keeps its time.
  struct Times {
    fs::file_time_type generate, train, evaluate, report;
  };
  Times run_all() const {
    told_ = run(config_);
    const auto time = [&](const char* stage) {
      return fs::last_write_time(folder_ / "out" / "stages" / (std::string(stage) + ".json"));
    };
    return {time("generate"), time("train"), time("evaluate"), time("report")};
  }

  fs::path folder_;
  RunConfig config_;
  mutable std::string told_;
};

TEST_F(RunStages, UnchangedStagesAreNotRunAgain) {
  const Times first = run_all();
  const std::string told = told_;
  EXPECT_NE(told.find("finetuned"), std::string::npos) << told;
  const Times second = run_all();
  EXPECT_EQ(second.generate, first.generate);
  EXPECT_EQ(second.train, first.train);
  EXPECT_EQ(second.evaluate, first.evaluate);
  EXPECT_EQ(second.report, first.report);
  EXPECT_EQ(told_, told);

  config_.has_report = true;
  config_.report.examples = 3;
  const Times shorter = run_all();
  EXPECT_EQ(shorter.train, first.train);
  EXPECT_EQ(shorter.evaluate, first.evaluate);
  EXPECT_GT(shorter.report, first.report);

  config_.train.learning_rate = 1e-4;
  const Times rate = run_all();
  EXPECT_EQ(rate.generate, first.generate);
  EXPECT_GT(rate.train, first.train);
  EXPECT_GT(rate.evaluate, first.evaluate);

  config_.train.checkpoint_steps = 3;
  EXPECT_EQ(run_all().train, rate.train) << "how often it is saved decides nothing";

  config_.evaluate.k = {1, 2};
  const Times cut = run_all();
  EXPECT_GT(cut.evaluate, rate.evaluate);

  write_page(2, " the door");
  const Times document = run_all();
  EXPECT_GT(document.generate, first.generate);
  EXPECT_GT(document.train, cut.train);
  EXPECT_GT(document.evaluate, cut.evaluate);
}

TEST_F(RunStages, DamagedOutputsAreMadeAgain) {
  const Times first = run_all();
  std::ofstream(folder_ / "out" / "datasets" / "train.json", std::ios::app) << " ";
  const Times second = run_all();
  EXPECT_GT(second.generate, first.generate);
  EXPECT_EQ(second.train, first.train) << "the same data came out";
  fs::remove(folder_ / "out" / "artifact" / "model.safetensors");
  EXPECT_GT(run_all().train, first.train);
  std::ofstream(folder_ / "out" / "stages" / "evaluate.json") << "{\"stage\": 3}";
  EXPECT_NO_THROW(run_all());
}

TEST_F(RunStages, WritesWhatTheFormatsPageLists) {
  run_all();
  for (const char* name :
       {"config.yaml", "datasets/train.json", "datasets/validation.json", "datasets/test.json",
        "metrics.jsonl", "artifact/modules.json", "artifact/attune.json", "evaluation.json",
        "evaluation.queries.jsonl", "report.html"})
    EXPECT_TRUE(fs::is_regular_file(folder_ / "out" / name)) << name;
  const RunConfig resolved = load_run_config(folder_ / "out" / "config.yaml");
  EXPECT_EQ(print_config(resolved), print_config(config_));
}

TEST_F(RunStages, TheCardTellsWhatWasMeasured) {
  config_.has_evaluate = false;
  run(config_);
  const std::string card = config_.output + "/artifact/README.md";
  EXPECT_NE(read_file(card).find("Not measured yet"), std::string::npos);
  config_.has_evaluate = true;
  const Times measured = run_all();
  const std::string text = read_file(card);
  EXPECT_TRUE(text.starts_with("---\nlibrary_name: sentence-transformers\n"));
  for (const char* part : {"model-index:", "type: cosine_ndcg@10", "| ndcg@10 | 0.", "epochs: 1",
                           "resolve_embed_model", "encode_query"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;

  std::ofstream(card, std::ios::app) << "Said by a person.\n";
  const Times again = run_all();
  EXPECT_EQ(again.train, measured.train) << "a card decides no training";
  EXPECT_EQ(again.evaluate, measured.evaluate);
  EXPECT_NE(read_file(card).find("Said by a person."), std::string::npos);
}

TEST_F(RunStages, TheReportIsOfThisRun) {
  run_all();
  const std::string page = read_file(config_.output + "/report.html");
  EXPECT_NE(page.find("Run stages"), std::string::npos);
  EXPECT_NE(page.find("NDCG@10"), std::string::npos);
  const StageRecord record = *read_stage_record(config_.output, "train");
  EXPECT_FALSE(record.result.at("environment").at("device").get<std::string>().empty());
  EXPECT_EQ(record.result.at("base_prompts").at("query"), "");
}

TEST_F(RunStages, GivenDataReplacesTheGenerated) {
  EmbeddingQAFinetuneDataset own;
  for (int i = 0; i < 5; ++i) {
    own.queries.add("q" + std::to_string(i), "what is in box " + std::to_string(i) + "?");
    own.corpus.add("d" + std::to_string(i), "box " + std::to_string(i) + " holds paper.");
    own.relevant_docs.push_back({i});
  }
  config_.data.test = folder_ / "own.json";
  own.save_json(config_.data.test);
  run_all();
  EXPECT_EQ(read_json_file(folder_ / "out" / "evaluation.json")["models"][0]["queries"], 5);
}

TEST_F(RunStages, AStoppedTrainingGoesOnInTheNextRun) {
  int steps = 0;
  const auto stop = [&] { return ++steps > 2; };
  try {
    run(config_, stop);
    FAIL() << "it was not stopped";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInterrupted);
  }
  EXPECT_FALSE(fs::exists(folder_ / "out" / "artifact"));
  run_all();
  EXPECT_TRUE(read_stage_record(config_.output, "train")->finished);
  const std::string metrics = read_file(config_.output + "/metrics.jsonl"), first = "\"step\":1,";
  ASSERT_NE(metrics.find(first), std::string::npos);
  EXPECT_EQ(metrics.find(first), metrics.rfind(first)) << metrics;
}

}  // namespace
}  // namespace attune
