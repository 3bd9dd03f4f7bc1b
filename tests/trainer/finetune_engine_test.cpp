#include "trainer/sentence_transformers_finetune_engine.h"

#include <fstream>

#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "retrieval/evaluation.h"
#include "tests/support/tiny_bert.h"
#include "trainer/checkpoint.h"

namespace attune {
namespace {

FinetuneOptions options_in(const TemporaryFolder& folder) {
  FinetuneOptions options;
  options.model.base = kTinyBert;
  options.train.epochs = 3;
  options.train.batch_size = 4;
  options.train.learning_rate = 1e-3;
  options.device = "cpu";
  options.output = folder / "run";
  options.show_progress = false;
  return options;
}

std::string weights_of(const std::string& directory) {
  return sha256_file(directory + "/model.safetensors");
}

std::vector<Json> metrics_of(const std::string& output) {
  std::vector<Json> events;
  std::ifstream file(output + "/metrics.jsonl");
  for (std::string line; std::getline(file, line);) events.push_back(Json::parse(line));
  return events;
}

TEST(FinetuneEngine, TrainsAndGivesTheModelBack) {
  const TemporaryFolder folder;
  SentenceTransformersFinetuneEngine engine(tiny_dataset(), std::nullopt, options_in(folder));
  EXPECT_THROW(engine.get_finetuned_model(), Error);
  const FinetuneResult result = engine.finetune();
  EXPECT_TRUE(result.finished);
  EXPECT_EQ(result.steps, 9);
  EXPECT_EQ(result.pairs, 36);
  EXPECT_EQ(engine.get_finetuned_model()->dimension(), 32);
  EXPECT_EQ(metrics_of(folder / "run").size(), 9u);
  const Json lineage = read_json_file(engine.artifact_path() + "/attune.json");
  EXPECT_EQ(lineage["base"], kTinyBert);
  EXPECT_NE(lineage["base_fingerprint"], lineage["fingerprint"]);
  EXPECT_EQ(lineage["fingerprint"], engine.get_finetuned_model()->document_space());
}

TEST(FinetuneEngine, ASetSmallerThanABatchTrains) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder);
  options.train.batch_size = 100;
  SentenceTransformersFinetuneEngine engine(tiny_dataset(), std::nullopt, options);
  EXPECT_EQ(engine.finetune().steps, 3);
  EXPECT_NE(weights_of(engine.artifact_path()), weights_of(kTinyBert));
}

TEST(FinetuneEngine, EmptyTextsAreCountedAndSkipped) {
  const TemporaryFolder folder;
  EmbeddingQAFinetuneDataset dataset = tiny_dataset();
  dataset.queries.add("empty", "  ");
  dataset.relevant_docs.push_back({0});
  dataset.queries.add("unanswered", "a question");
  dataset.relevant_docs.push_back({});
  const FinetuneResult result =
      SentenceTransformersFinetuneEngine(dataset, std::nullopt, options_in(folder)).finetune();
  EXPECT_EQ(result.skipped_empty, 1);
  EXPECT_EQ(result.skipped_unanswered, 1);
  EXPECT_EQ(result.pairs, 36);
}

TEST(FinetuneEngine, NoPairsAtAllIsAnErrorOfData) {
  const TemporaryFolder folder;
  SentenceTransformersFinetuneEngine engine(EmbeddingQAFinetuneDataset(), std::nullopt,
                                            options_in(folder));
  try {
    engine.finetune();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
  }
}

TEST(FinetuneEngine, TheBestModelOnValidationIsKept) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder);
  options.train.evaluate_steps = 1;
  options.train.learning_rate = 0.5;  // destroys the model after a few steps
  const FinetuneResult result =
      SentenceTransformersFinetuneEngine(tiny_dataset(), tiny_dataset(), options).finetune();
  std::int64_t best_step = 0;
  double best = -1;
  int evaluations = 0;
  for (const Json& event : metrics_of(folder / "run"))
    if (event["event"] == "evaluate") {
      ++evaluations;
      if (event["metrics"]["ndcg@10"].get<double>() > best) {
        best = event["metrics"]["ndcg@10"].get<double>();
        best_step = event["step"].get<std::int64_t>();
      }
    }
  EXPECT_EQ(evaluations, 9);
  EXPECT_EQ(result.best_step, best_step);
  EXPECT_DOUBLE_EQ(result.best_metric, best);
  // The artifact really is that model.
  EmbedOptions embed;
  embed.device = "cpu";
  const auto model = resolve_embed_model(folder / "run/artifact", embed);
  EXPECT_NEAR(evaluate(*model, tiny_dataset(), {10}).metrics.mean("ndcg@10"), best, 1e-9);
}

TEST(FinetuneEngine, AResumedRunEqualsAnUninterruptedOneBitForBit) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder);
  options.train.checkpoint_steps = 1;
  options.train.evaluate_steps = 2;
  SentenceTransformersFinetuneEngine whole(tiny_dataset(), tiny_dataset(), options);
  whole.finetune();
  const std::string expected = weights_of(whole.artifact_path());
  const std::vector<Json> expected_metrics = metrics_of(folder / "run");
  for (int stop_after = 1; stop_after < 9; ++stop_after) {
    FinetuneOptions cut = options;
    cut.output = folder / ("cut" + std::to_string(stop_after));
    cut.resume = true;
    int steps = 0;
    const FinetuneResult first =
        SentenceTransformersFinetuneEngine(tiny_dataset(), tiny_dataset(), cut).finetune([&] {
          return steps++ == stop_after;
        });
    EXPECT_FALSE(first.finished);
    SentenceTransformersFinetuneEngine second(tiny_dataset(), tiny_dataset(), cut);
    EXPECT_TRUE(second.finetune().finished);
    EXPECT_EQ(weights_of(second.artifact_path()), expected) << stop_after;
    const std::vector<Json> metrics = metrics_of(cut.output);
    ASSERT_EQ(metrics.size(), expected_metrics.size());
    for (std::size_t i = 0; i < metrics.size(); ++i)
      for (const char* key : {"step", "loss", "grad_norm", "metrics"})
        if (metrics[i].contains(key)) {
          EXPECT_EQ(metrics[i][key], expected_metrics[i][key]) << stop_after;
        }
  }
}

TEST(FinetuneEngine, ResumingWithOtherSettingsIsRefused) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder);
  options.resume = true;
  int steps = 0;
  SentenceTransformersFinetuneEngine(tiny_dataset(), std::nullopt, options).finetune([&] {
    return steps++ == 2;
  });
  options.train.learning_rate = 2e-3;
  SentenceTransformersFinetuneEngine changed(tiny_dataset(), std::nullopt, options);
  try {
    changed.finetune();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    EXPECT_NE(std::string(error.what()).find("configuration was"), std::string::npos)
        << error.what();
  }
}

TEST(FinetuneEngine, ADamagedCheckpointIsPassedOver) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder);
  options.train.checkpoint_steps = 2;
  SentenceTransformersFinetuneEngine whole(tiny_dataset(), std::nullopt, options);
  whole.finetune();
  const std::string expected = weights_of(whole.artifact_path());
  const std::string newest = folder / "run/checkpoints/step-00000008/state.safetensors";
  std::string bytes = read_file(newest);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_text(newest, bytes);
  options.resume = true;
  SentenceTransformersFinetuneEngine again(tiny_dataset(), std::nullopt, options);
  EXPECT_EQ(again.finetune().pairs, 36);
  EXPECT_EQ(weights_of(again.artifact_path()), expected);
}

}  // namespace
}  // namespace attune
