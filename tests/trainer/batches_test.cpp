// Accumulation, token budgets, several data sets and prompts per column, through the trainer and
// the engines.
#include <filesystem>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "models/adapter_directory.h"
#include "tests/support/tiny_bert.h"
#include "tests/support/training.h"
#include "trainer/embedding_adapter_finetune_engine.h"
#include "trainer/pair_batches.h"
#include "trainer/sentence_transformers_finetune_engine.h"
#include "trainer/trainer.h"

namespace attune {
namespace {

TrainConfig small_config() {
  TrainConfig config = tiny_config();
  config.warmup_ratio = 0;
  config.schedule = "constant";
  return config;
}

std::vector<StepReport> train(const TrainConfig& config, const TrainingRows& rows = tiny_rows(),
                              std::vector<std::string> prompts = {}) {
  const auto model = load_tiny_bert();
  const PairBatches batches(*model, rows, config, 42, std::move(prompts));
  const auto loss = make_loss(config.loss);
  Trainer trainer(*model, *loss, batches, config, 42);
  Recorder recorder;
  trainer.add(recorder);
  trainer.run();
  return recorder.reports;
}

TEST(TokenCaching, TrainingHasTheSameBitsAndTheNextOneTheSameFiles) {
  const TemporaryFolder folder;
  TrainConfig config = small_config();
  for (const int batch_tokens : {0, 120}) {
    config.batch_tokens = batch_tokens;
    config.token_cache.clear();
    const std::vector<StepReport> plain = train(config);
    config.token_cache = folder / "tokens";
    for (int run = 0; run < 2; ++run) {
      const std::vector<StepReport> kept = train(config);
      ASSERT_EQ(kept.size(), plain.size());
      for (std::size_t step = 0; step < kept.size(); ++step) {
        EXPECT_EQ(kept[step].loss, plain[step].loss);
        EXPECT_EQ(kept[step].tokens, plain[step].tokens);
      }
    }
  }
  const std::filesystem::directory_iterator files(folder / "tokens");
  EXPECT_EQ(std::distance(begin(files), end(files)), 3) << "one for each column";
}

TEST(Accumulation, AStepIsTheMeanOfItsBatches) {
  TrainConfig config = small_config();
  config.learning_rate = 1e-12;  // so that every batch meets the same weights
  config.batch_size = 5;         // 5 + 5 + 2 rows an epoch
  const std::vector<StepReport> single = train(config);
  config.accumulate = 2;
  const std::vector<StepReport> pairs = train(config);
  ASSERT_EQ(single.size(), 6u);
  ASSERT_EQ(pairs.size(), 4u);
  for (int epoch = 0; epoch < 2; ++epoch) {
    const StepReport &a = single[3 * epoch], &b = single[3 * epoch + 1], &c = single[3 * epoch + 2];
    const StepReport &first = pairs[2 * epoch], &last = pairs[2 * epoch + 1];
    EXPECT_NEAR(first.loss, (a.loss + b.loss) / 2, 1e-5);
    EXPECT_EQ(first.pairs, 10);
    EXPECT_EQ(first.tokens, a.tokens + b.tokens);
    EXPECT_FALSE(first.ends_epoch);
    EXPECT_LT(first.grad_norm, (a.grad_norm + b.grad_norm) / 2 + 1e-4);
    EXPECT_NEAR(last.loss, c.loss, 1e-5) << "a short last group is averaged over what it has";
    EXPECT_NEAR(last.grad_norm, c.grad_norm, 1e-3);
    EXPECT_EQ(last.pairs, 2);
    EXPECT_TRUE(last.ends_epoch);
    EXPECT_EQ(last.total_steps, 4);
    EXPECT_DOUBLE_EQ(last.epoch, epoch + 1);
  }
}

TEST(Accumulation, ChunksChangeNothing) {
  TrainConfig config = small_config();
  config.accumulate = 2;
  const std::vector<StepReport> plain = train(config);
  config.chunk_tokens = 20;
  const std::vector<StepReport> chunked = train(config);
  ASSERT_EQ(plain.size(), chunked.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_NEAR(plain[i].loss, chunked[i].loss, 1e-4) << i;
    EXPECT_NEAR(plain[i].grad_norm, chunked[i].grad_norm, 1e-2) << i;
  }
}

TEST(TokenBudget, BoundsEveryBatch) {
  const auto model = load_tiny_bert();
  TrainConfig config = small_config();
  config.batch_size = 100;
  config.batch_tokens = 120;
  const PairBatches batches(*model, tiny_rows(), config, 42);
  std::int64_t rows = 0, most = 0;
  for (std::int64_t step = 0; step < batches.steps(); ++step) {
    const StepPlan plan = batches.at(step);
    std::int64_t tokens = 0;
    for (const PackedBatch& chunk : plan.chunks) tokens += chunk.num_tokens();
    EXPECT_LE(tokens, 120);
    most = std::max(most, tokens);
    rows += plan.batch.rows;
  }
  EXPECT_EQ(rows, 2 * tiny_rows().num_rows());
  EXPECT_GT(most, 60) << "batches are filled";
  config.batch_tokens = 5;
  EXPECT_THROW(PairBatches(*model, tiny_rows(), config, 42), Error);
}

TEST(TokenBudget, TheOrderIsThatOfAnyNumberOfThreads) {
  const auto model = load_tiny_bert();
  TrainConfig config = small_config();
  config.batch_tokens = 120;
  const int before = at::get_num_threads();
  std::vector<std::vector<std::int64_t>> first;
  for (const int threads : {1, 3}) {
    at::set_num_threads(threads);
    const PairBatches batches(*model, tiny_rows(), config, 42);
    std::vector<std::vector<std::int64_t>> order;
    for (const SampledBatch& batch : batches.sampled().batches()) order.push_back(batch.rows);
    if (threads == 1) first = order;
    EXPECT_EQ(order, first);
  }
  at::set_num_threads(before);
}

// The tokens of column `c` of the first batch, one list a row.
std::vector<std::vector<std::int32_t>> tokens_of(const StepPlan& plan, int c) {
  const PackedBatch& packed = plan.chunks[0];
  std::vector<std::vector<std::int32_t>> texts;
  for (int row = 0; row < plan.batch.rows; ++row) {
    const std::int64_t i = plan.batch.sequence_of[c * plan.batch.rows + row];
    texts.emplace_back(packed.ids.begin() + packed.cu_seqlens[i],
                       packed.ids.begin() + packed.cu_seqlens[i + 1]);
  }
  return texts;
}

TEST(ColumnPrompts, EachColumnGetsItsOwn) {
  const auto model = load_tiny_bert();
  const TrainingRows rows = tiny_rows();
  const std::vector<std::string> prompts = {"ask ", "", "not this "};
  const PairBatches batches(*model, rows, small_config(), 42, prompts);
  const StepPlan plan = batches.at(0);
  const auto& chosen = batches.sampled().of(0)[0].rows;
  for (int c = 0; c < 3; ++c) {
    std::vector<std::string_view> texts;
    for (const std::int64_t row : chosen) texts.push_back(rows.columns[c][row]);
    const TokenizedTexts expected = model->tokenize(prompts[c], texts);
    const auto got = tokens_of(plan, c);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto ids = expected[static_cast<std::int64_t>(i)];
      EXPECT_EQ(got[i], std::vector<std::int32_t>(ids.begin(), ids.end())) << c;
    }
  }
}

TEST(ColumnPrompts, AnotherNumberThanTheColumnsIsRefused) {
  const auto model = load_tiny_bert();
  for (const std::vector<std::string>& prompts :
       {std::vector<std::string>{"a"}, {"a", "b"}, {"a", "b", "c", "d"}}) {
    try {
      const PairBatches batches(*model, tiny_rows(), small_config(), 42, prompts);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kConfig);
      EXPECT_NE(std::string(error.what()).find("have 3 columns"), std::string::npos)
          << error.what();
    }
  }
}

FinetuneOptions options_in(const std::string& output) {
  FinetuneOptions options;
  options.model.base = kTinyBert;
  options.train = small_config();
  options.device = "cpu";
  options.output = output;
  options.show_progress = false;
  return options;
}

TEST(ColumnPrompts, AreSavedAndServed) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder / "run");
  options.model.prompts.given = true;
  options.model.prompts.columns = {"ask ", "passage "};
  SentenceTransformersFinetuneEngine engine(tiny_dataset(), std::nullopt, options);
  engine.finetune();
  const Json config = read_json_file(engine.artifact_path() + "/config_sentence_transformers.json");
  EXPECT_EQ(config["prompts"]["query"], "ask ");
  EXPECT_EQ(config["prompts"]["document"], "passage ");
  const auto model = EmbeddingModel::load(engine.artifact_path(), at::kCPU);
  EXPECT_EQ(model->prompt(Role::kQuery), "ask ");
  EXPECT_EQ(model->prompt(Role::kText), "passage ");
}

TEST(ColumnPrompts, AreEachPartOfWhatARunIsResumedWith) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder / "run");
  options.model.prompts.given = true;
  options.model.prompts.columns = {"ask ", "passage ", "not this "};
  std::string negatives;
  for (int i = 0; i < 12; ++i)
    negatives += str_cat(R"({"query_id": "q)", i, R"(", "negatives": ["d)", (i + 1) % 12, "\"]}\n");
  write_text(folder / "negatives.jsonl", negatives);
  options.train.negatives = {folder / "negatives.jsonl"};
  options.resume = true;
  int steps = 0;
  SentenceTransformersFinetuneEngine(tiny_dataset(), std::nullopt, options).finetune([&] {
    return steps++ == 2;
  });
  options.model.prompts.columns[2] = "nor this ";
  SentenceTransformersFinetuneEngine other(tiny_dataset(), std::nullopt, options);
  EXPECT_THROW(other.finetune(), Error);
  options.model.prompts.columns[2] = "not this ";
  SentenceTransformersFinetuneEngine same(tiny_dataset(), std::nullopt, options);
  EXPECT_TRUE(same.finetune().finished);
  const Json config = read_json_file(same.artifact_path() + "/config_sentence_transformers.json");
  EXPECT_EQ(config["prompts"]["negative_1"], "not this ");
}

// Half of the pairs, and as many triplets.
TrainingSets two_sets() {
  const EmbeddingQAFinetuneDataset all = tiny_dataset();
  std::vector<TrainingSet> sets;
  for (int set = 0; set < 2; ++set) {
    EmbeddingQAFinetuneDataset part;
    for (std::int64_t i = 0; i < 6; ++i) {
      part.queries.add(str_cat("q", i), all.queries.text(6 * set + i));
      part.corpus.add(str_cat("d", i), all.corpus.text(6 * set + i));
      part.relevant_docs.push_back({i});
    }
    sets.push_back({str_cat("set ", set), std::move(part)});
  }
  return TrainingSets(std::move(sets));
}

std::vector<std::string> negatives_in(const TemporaryFolder& folder) {
  std::string lines;
  for (int i = 0; i < 6; ++i)
    lines += str_cat(R"({"query_id": "q)", i, R"(", "negatives": ["d)", (i + 1) % 6, "\"]}\n");
  write_text(folder / "negatives.jsonl", lines);
  return {"", folder / "negatives.jsonl"};
}

std::string weights_of(const FinetuneEngine& engine) {
  return sha256_file(engine.artifact_path() + "/model.safetensors");
}

TEST(SeveralDataSets, TrainTogetherAndResumeToTheSameBits) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder / "whole");
  options.train.batch_size = 2;
  options.train.sampler = "no_duplicates";
  options.train.negatives = negatives_in(folder);
  options.train.accumulate = 2;
  options.train.checkpoint_steps = 1;
  options.train.dropout = "0.1";
  SentenceTransformersFinetuneEngine whole(two_sets(), std::nullopt, options);
  const FinetuneResult result = whole.finetune();
  EXPECT_EQ(result.steps, 6);   // 3 + 3 batches, two a step, twice
  EXPECT_EQ(result.pairs, 23);  // in one epoch a row's texts stand in every batch already
  for (int stop_after = 1; stop_after < 6; ++stop_after) {
    FinetuneOptions cut = options;
    cut.output = folder / ("cut" + std::to_string(stop_after));
    cut.resume = true;
    int steps = 0;
    EXPECT_FALSE(SentenceTransformersFinetuneEngine(two_sets(), std::nullopt, cut)
                     .finetune([&] { return steps++ == stop_after; })
                     .finished);
    SentenceTransformersFinetuneEngine second(two_sets(), std::nullopt, cut);
    EXPECT_TRUE(second.finetune().finished);
    EXPECT_EQ(weights_of(second), weights_of(whole)) << stop_after;
  }
}

TEST(SeveralDataSets, AnotherOrderOfThemIsAnotherConfiguration) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder / "run");
  options.train.batch_size = 2;
  options.resume = true;
  int steps = 0;
  SentenceTransformersFinetuneEngine(two_sets(), std::nullopt, options).finetune([&] {
    return steps++ == 2;
  });
  std::vector<TrainingSet> turned = two_sets().sets();
  std::swap(turned[0], turned[1]);
  SentenceTransformersFinetuneEngine other(TrainingSets(turned), std::nullopt, options);
  EXPECT_THROW(other.finetune(), Error);
}

TEST(SeveralDataSets, TrainAnAdapter) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder / "run");
  options.train.mode = "adapter";
  options.train.batch_size = 2;
  options.train.negatives = negatives_in(folder);
  EmbeddingAdapterFinetuneEngine engine(two_sets(), std::nullopt, options);
  const FinetuneResult result = engine.finetune();
  EXPECT_EQ(result.pairs, 24);
  EXPECT_TRUE(is_adapter_directory(engine.artifact_path()));
  options.train.loss.type = "corpus";
  options.output = folder / "corpus";
  try {
    EmbeddingAdapterFinetuneEngine(two_sets(), std::nullopt, options).finetune();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    EXPECT_NE(std::string(error.what()).find("takes one data set"), std::string::npos);
  }
}

// A table of the pairs with labels 0, 1, 0, 1, ...
std::string table_in(const TemporaryFolder& folder, bool labelled) {
  const EmbeddingQAFinetuneDataset all = tiny_dataset();
  std::string lines;
  for (std::int64_t i = 0; i < all.queries.size(); ++i) {
    Json line = {{"a", all.queries.text(i)}, {"b", all.corpus.text(i)}};
    if (labelled) line["score"] = i % 2;
    lines += line.dump() + "\n";
  }
  const std::string path = folder / (labelled ? "scored.jsonl" : "plain.jsonl");
  write_text(path, lines);
  return path;
}

TEST(SeveralDataSets, TablesAndPairsTrainTogether) {
  const TemporaryFolder folder;
  std::vector<TrainingSet> sets = two_sets().sets();
  sets.push_back({"plain.jsonl", TrainingData::load(table_in(folder, false))});
  FinetuneOptions options = options_in(folder / "run");
  options.train.batch_size = 2;
  options.train.negatives = {"", negatives_in(folder)[1], ""};
  SentenceTransformersFinetuneEngine engine(TrainingSets(sets), std::nullopt, options);
  EXPECT_EQ(engine.finetune().pairs, 2 * (6 + 6 + 12));
}

TEST(SeveralDataSets, OneThatDoesNotFitTheLossIsNamed) {
  const TemporaryFolder folder;
  std::vector<TrainingSet> sets = {
      {"scored.jsonl", TrainingData::load(table_in(folder, true))},
      {"pairs.json", tiny_dataset()},
  };
  FinetuneOptions options = options_in(folder / "run");
  options.train.loss.type = "cosent";
  try {
    SentenceTransformersFinetuneEngine(TrainingSets(sets), std::nullopt, options).finetune();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_EQ(std::string(error.what()).find("pairs.json: "), 0u) << error.what();
  }
}

TEST(GroupByLabel, TrainsOnRowsWithLabels) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder / "run");
  options.train.sampler = "group_by_label";
  options.train.loss.type = "cosent";
  const TrainingData table = TrainingData::load(table_in(folder, true));
  EXPECT_EQ(SentenceTransformersFinetuneEngine(table, std::nullopt, options).finetune().pairs, 24);
  options.output = folder / "pairs";
  options.train.loss.type = "mnrl";
  SentenceTransformersFinetuneEngine pairs(tiny_dataset(), std::nullopt, options);
  try {
    pairs.finetune();
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("one label each, these have 0"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace attune
