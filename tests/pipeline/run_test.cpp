// What is run again, and what is not.
#include "pipeline/run.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/file.h"
#include "data/qa_dataset.h"
#include "pipeline/recorded_job.h"
#include "pipeline/stage_record.h"
#include "pipeline/stages.h"
#include "retrieval/index/index_generation.h"
#include "retrieval/index/node_lines.h"
#include "retrieval/query_results.h"
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
  EXPECT_TRUE(evaluation_metrics(config_)["ndcg@10"].is_number()) << "what the job keeps of it";
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

TEST_F(RunStages, CandidatesAndSearchesAreRowsOfOneTable) {
  config_.has_report = true;
  config_.evaluate.k = {1, 10};
  config_.evaluate.candidates = {folder_ / "candidate"};
  config_.evaluate.searches = {"hybrid", "approximate_index"};
  fs::copy(config_.model.base, folder_ / "candidate", fs::copy_options::recursive);
  const Times first = run_all();
  const Json evaluation = read_json_file(folder_ / "out" / "evaluation.json");
  std::vector<std::string> names;
  for (const Json& model : evaluation["models"]) names.push_back(model["model"]);
  EXPECT_EQ(names, (std::vector<std::string>{"base", "finetuned", "finetuned (hybrid)",
                                             "finetuned (approximate_index)",
                                             config_.evaluate.candidates[0], "bm25"}));
  const Json &tuned = evaluation["models"][1], &candidate = evaluation["models"][4];
  EXPECT_EQ(tuned["comparisons"], 3);
  EXPECT_EQ(candidate["gain"]["ndcg@10"], Json({0.0, 0.0, 0.0})) << "it is the base once more";
  EXPECT_EQ(candidate["p"]["ndcg@10"], 1);
  EXPECT_EQ(evaluation["models"][3]["against"], "finetuned");
  EXPECT_GT(tuned["cost"]["query_ms_p50"], 0);
  EXPECT_FALSE(fs::exists(folder_ / "out" / "evaluation.index"));
  const QueryResults results = read_query_results(folder_ / "out" / "evaluation.queries.jsonl");
  EXPECT_EQ(results.candidates, 3);
  const std::string page = read_file(config_.output + "/report.html");
  EXPECT_NE(page.find("hold together (Bonferroni)"), std::string::npos);

  EXPECT_EQ(run_all().evaluate, first.evaluate);
  std::ofstream(folder_ / "candidate" / "config_sentence_transformers.json")
      << R"({"prompts": {"query": "ask: "}})";
  EXPECT_GT(run_all().evaluate, first.evaluate) << "the candidate is another one now";
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
  const auto stop = [&] { return ++steps > 5; };  // three stages ask, too
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

// "generate runs: ..., check absent, ..." of what run() would do now, without the absent ones.
std::vector<std::string> forecasts(const RunConfig& config) {
  std::vector<std::string> told;
  for (const StageForecast& stage : explain(config))
    if (stage.status != "absent")
      told.push_back(stage.stage + " " + stage.status + ": " + stage.reason);
  return told;
}

using Told = std::vector<std::string>;

constexpr const char* kSame = " current: nothing has changed since it ran";
Told all_current() {
  Told told;
  for (const char* stage : {"generate", "check", "train", "evaluate", "report"})
    told.push_back(std::string(stage) + kSame);
  return told;
}

TEST_F(RunStages, ExplainsWhatRunsAndWhy) {
  const Told fresh = forecasts(config_);
  ASSERT_EQ(fresh.size(), 5u);
  EXPECT_EQ(fresh[0], "generate runs: it has not run in " + config_.output);
  EXPECT_EQ(fresh[4], "report runs: it has not run in " + config_.output);
  EXPECT_FALSE(fs::exists(config_.output)) << "nothing is written";

  run_all();
  EXPECT_EQ(forecasts(config_), all_current());

  config_.train.learning_rate = 1e-4;
  Told told = forecasts(config_);
  EXPECT_EQ(told[0], std::string("generate") + kSame);
  EXPECT_EQ(told[2], "train runs: train.learning_rate 2e-05 -> 1e-04");
  EXPECT_EQ(told[3], "evaluate runs: unless train makes the same again");
  run_all();
  EXPECT_EQ(forecasts(config_), all_current());

  config_.train.checkpoint_steps = 3;  // decides nothing but what the report shows
  told = forecasts(config_);
  EXPECT_EQ(told[2], std::string("train") + kSame);
  EXPECT_EQ(told[3], std::string("evaluate") + kSame);
  EXPECT_EQ(told[4], "report runs: config.yaml changed");

  config_.evaluate.k = {1, 2};
  config_.evaluate.baselines = {"base"};
  told = forecasts(config_);
  EXPECT_EQ(told[2], std::string("train") + kSame);
  EXPECT_EQ(told[3],
            "evaluate runs: evaluate.baselines [base, bm25] -> [base], evaluate.k [1, 3, 5, 10] "
            "-> [1, 2]");
  run_all();

  write_page(2, " the door");
  told = forecasts(config_);
  EXPECT_TRUE(told[0].starts_with("generate runs: document ")) << told[0];
  EXPECT_NE(told[0].find("page2.html changed"), std::string::npos) << told[0];
  run_all();

  fs::remove(folder_ / "out" / "artifact" / "model.safetensors");
  EXPECT_EQ(forecasts(config_)[2], "train runs: artifact/model.safetensors is not what it wrote");
}

TEST_F(RunStages, ExplainsAStoppedTraining) {
  int steps = 0;
  EXPECT_THROW(run(config_, [&] { return ++steps > 5; }), Error);
  EXPECT_EQ(forecasts(config_)[2], "train runs: it was begun and not finished: it goes on");
}

TEST_F(RunStages, MinedNegativesAreTrainedOn) {
  config_.has_mine = true;
  config_.mine.source = "model";
  config_.mine.num_negatives = 1;
  config_.mine.relative_margin.reset();
  run_all();
  const fs::path negatives = folder_ / "out" / "datasets" / "negatives.jsonl";
  ASSERT_TRUE(fs::exists(negatives));
  EXPECT_EQ(read_stage_record(config_.output, "train")->inputs.files.count("train.negatives"), 1u);
  Told told = forecasts(config_);
  EXPECT_EQ(told, (Told{std::string("generate") + kSame, std::string("check") + kSame,
                        std::string("mine") + kSame, std::string("train") + kSame,
                        std::string("evaluate") + kSame, std::string("report") + kSame}));
  const auto mined = fs::last_write_time(negatives);
  run_all();
  EXPECT_EQ(fs::last_write_time(negatives), mined);

  config_.mine.num_negatives = 2;
  told = forecasts(config_);
  EXPECT_EQ(told[2], "mine runs: mine.num_negatives 1 -> 2");
  EXPECT_EQ(told[3], "train runs: unless mine makes the same again");

  config_.has_mine = false;
  told = forecasts(config_);
  EXPECT_EQ(told[2], "train runs: train.negatives is gone");
}

TEST_F(RunStages, TheCheckTellsWhatTheDataHold) {
  run_all();
  const Json found = read_json_file(folder_ / "out" / "data.json");
  ASSERT_EQ(found["data_sets"].size(), 3u);
  EXPECT_TRUE(found["shared"].empty()) << found["shared"];

  // A test that is the training set: said aloud, and refused by nobody.
  config_.data.test = config_.output + "/datasets/train.json";
  ::testing::internal::CaptureStderr();
  run_all();
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(read_json_file(folder_ / "out" / "data.json")["data_sets"].size(), 2u) << said;
  fs::copy_file(config_.data.test, folder_ / "copy.json");
  config_.data.test = folder_ / "copy.json";
  ::testing::internal::CaptureStderr();
  run_all();
  const std::string warned = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(warned.find("which is trained on"), std::string::npos) << warned;
  const Json shared = read_json_file(folder_ / "out" / "data.json")["shared"];
  ASSERT_EQ(shared.size(), 1u) << shared;
  EXPECT_EQ(shared[0]["second"], config_.data.test);
  EXPECT_GT(shared[0]["queries"].get<int>(), 0);
}

}  // namespace
}  // namespace attune
