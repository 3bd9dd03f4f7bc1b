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
#include "retrieval/index/index_generation.h"
#include "retrieval/index/node_lines.h"
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
    fs::file_time_type generate, train, evaluate;
  };
  Times run_all() const {
    told_ = run(config_);
    const auto time = [&](const char* stage) {
      return fs::last_write_time(folder_ / "out" / "stages" / (std::string(stage) + ".json"));
    };
    return {time("generate"), time("train"), time("evaluate")};
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
  EXPECT_EQ(told_, told);

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
        "metrics.jsonl", "artifact/modules.json", "artifact/attune.json", "evaluation.json"})
    EXPECT_TRUE(fs::is_regular_file(folder_ / "out" / name)) << name;
  const RunConfig resolved = load_run_config(folder_ / "out" / "config.yaml");
  EXPECT_EQ(print_config(resolved), print_config(config_));
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

TEST_F(RunStages, TheIndexFollowsTheModelAndThePassages) {
  config_.has_index = true;
  const fs::path record = folder_ / "out" / "stages" / "index.json";
  const std::string directory = config_.output + "/index";
  const auto embedded = [&] {
    return read_stage_record(config_.output, "index")->result["embedded"];
  };
  run_all();
  EXPECT_NE(told_.find("attune index search"), std::string::npos) << told_;
  const auto passages = read_nodes(config_.output + "/datasets/passages.jsonl");
  EXPECT_EQ(IndexGeneration::open(directory)->size(), std::ssize(passages));
  EXPECT_EQ(embedded(), passages.size());
  EmbedOptions cpu;
  cpu.device = "cpu";
  const auto model = resolve_embed_model(config_.output + "/artifact", cpu);
  const auto hits = VectorStoreIndex::load(directory, model).as_retriever(3).retrieve("box 3");
  EXPECT_EQ(hits.size(), 3u);

  const auto time = fs::last_write_time(record);
  run_all();
  EXPECT_EQ(fs::last_write_time(record), time) << "nothing changed";
  write_page(2, " the door");
  config_.train.epochs = 2;
  run_all();
  EXPECT_GT(fs::last_write_time(record), time);
  EXPECT_EQ(embedded(), IndexGeneration::open(directory)->size()) << "another model's vectors";

  // A damaged vector is found, and everything embedded anew.
  const std::string vectors =
      directory + "/" + read_current(directory)->name() + "/vectors.safetensors";
  std::string bytes = read_file(vectors);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  std::ofstream(vectors, std::ios::binary) << bytes;
  run_all();
  EXPECT_EQ(embedded(), IndexGeneration::open(directory)->size());
  IndexGeneration::open(directory)->verify();
}

TEST_F(RunStages, BehindAQueryAdapterTheBasesIndexStays) {
  config_.has_index = true;
  config_.index.directory = folder_ / "base_index";
  config_.index.passages = folder_ / "passages.jsonl";
  std::ofstream(config_.index.passages) << R"({"id": "a", "text": "box 1 holds paper."})" << "\n"
                                        << R"({"id": "b", "text": "box 2 holds glass."})" << "\n";
  config_.train.mode = "adapter";
  EmbedOptions cpu;
  cpu.device = "cpu";
  IndexOptions options;
  options.model = config_.model.base;
  VectorStoreIndex::from_documents(read_nodes(config_.index.passages),
                                   resolve_embed_model(config_.model.base, cpu),
                                   config_.index.directory, options);
  const std::string before = read_file(config_.index.directory + "/current.json");
  run_all();
  EXPECT_EQ(read_file(config_.index.directory + "/current.json"), before);
  EXPECT_EQ(read_stage_record(config_.output, "index")->result["embedded"], 0);
  const auto adapter = resolve_embed_model(config_.output + "/artifact", cpu);
  EXPECT_EQ(VectorStoreIndex::load(config_.index.directory, adapter).size(), 2);
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
