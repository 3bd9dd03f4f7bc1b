#include "trainer/embedding_adapter_finetune_engine.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/file.h"
#include "models/adapters/principal_directions.h"
#include "tests/support/tiny_bert.h"
#include "trainer/adapter_batches.h"
#include "trainer/model_card.h"

namespace attune {
namespace {

FinetuneOptions options_in(const TemporaryFolder& folder, const std::string& run) {
  FinetuneOptions options;
  options.model.base = kTinyBert;
  options.train.mode = "adapter";
  options.train.loss.type = "corpus";
  options.train.epochs = 4;
  options.train.batch_size = 4;
  options.train.learning_rate = 1e-2;
  options.device = "cpu";
  options.output = folder / run;
  options.show_progress = false;
  return options;
}

std::string artifact_hash(const FinetuneEngine& engine) {
  return sha256_file(engine.artifact_path() + "/model.safetensors");
}

TEST(AdapterEngine, EveryKindLearnsByEveryLossAndIsGivenBack) {
  const TemporaryFolder folder;
  for (const char* type : {"linear", "two_layer", "low_rank"})
    for (const char* loss : {"corpus", "mnrl"}) {
      FinetuneOptions options = options_in(folder, std::string(type) + loss);
      options.adapter.type = type;
      options.adapter.rank = 4;
      options.train.loss.type = loss;
      options.train.sampler = "default";
      options.train.batch_size = 12;  // every row in every step, so that losses can be compared
      options.train.epochs = 12;
      FinetuneOptions one = options;
      one.train.max_steps = 1;
      one.output = folder / "one";
      EmbeddingAdapterFinetuneEngine brief(tiny_dataset(), std::nullopt, one);
      const double first = brief.finetune().final_loss;
      EmbeddingAdapterFinetuneEngine engine(tiny_dataset(), std::nullopt, options);
      const FinetuneResult result = engine.finetune();
      EXPECT_TRUE(result.finished);
      EXPECT_EQ(result.steps, 12);
      EXPECT_LT(result.final_loss, first) << type << " " << loss;
      const std::string card = read_file(engine.artifact_path() + "/README.md");
      EXPECT_TRUE(card.starts_with("---\npipeline_tag: sentence-similarity\n")) << card;
      EXPECT_NE(card.find("AdapterEmbeddingModel(base, \"PATH\""), std::string::npos) << card;
      EXPECT_EQ(card.find("TwoLayerNN") != std::string::npos, std::string(type) == "two_layer");
      EXPECT_NE(card.find(kTinyBert), std::string::npos);
      const auto model = engine.get_finetuned_model();
      const auto base = resolve_embed_model(kTinyBert);
      EXPECT_EQ(model->get_text_embedding("a ship"), base->get_text_embedding("a ship"));
      EXPECT_NE(model->get_query_embedding("a ship"), base->get_query_embedding("a ship"));
      EXPECT_EQ(model->document_space(), base->document_space());
    }
}

// Texts of the test set are shown and never obeyed; prompts go where LlamaIndex takes them.
TEST(AdapterEngine, TheCardTellsWhatWasMeasured) {
  Json lineage = {{"run", "r"}, {"adapter", {{"type", "two_layer"}, {"base", "org/base"}}}};
  lineage["card"] = {{"dimension", 8},
                     {"query_prompt", "ask: "},
                     {"document_prompt", ""},
                     {"base_is_named", true},
                     {"pairs", 12},
                     {"losses", {"CorpusSoftmaxLoss"}},
                     {"changed", Json::object()},
                     {"settings", "seed: 1\n"}};
  Json base = {{"model", "base"}, {"queries", 40}, {"ndcg@10", 0.5}}, tuned = base;
  tuned["model"] = "finetuned";
  tuned["comparisons"] = 3;
  tuned["gain"]["ndcg@10"] = {0.1, 0.05, 0.2};
  Json evaluation = {{"dataset", "t.json"}, {"models", {base, tuned}}};
  evaluation["examples"] = Json::array({{{"question", "a | b\n# c"},
                                         {"base", "<img src=x onerror=y>"},
                                         {"finetuned", std::string(1000, 'w')}}});
  const std::string card = model_card(lineage, evaluation);
  for (const char* said :
       {"base_model: \"org/base\"", "from llama_index.embeddings.adapter.utils import TwoLayerNN",
        "query_instruction=\"ask: \"", "| ndcg@10 | 0.5000 | 0.5000 | +10.0 | +5.0 to +20.0 |",
        "all 3 candidates at once", "| a &#124; b &#35; c | &#60;img src=x onerror=y&#62; | www"})
    EXPECT_NE(card.find(said), std::string::npos) << said << "\n" << card;
  EXPECT_EQ(card.find(std::string(161, 'w')), std::string::npos) << "long texts are cut";
  lineage["adapter"]["sides"] = "both";
  EXPECT_EQ(model_card(lineage, nullptr).find("AdapterEmbeddingModel("), std::string::npos);
}

TEST(AdapterEngine, BothSidesLearnByEveryLossAndReduce) {
  const TemporaryFolder folder;
  for (const char* type : {"linear", "two_layer", "low_rank"})
    for (const char* loss : {"corpus", "mnrl"})
      for (const int out : {0, 12}) {
        if (out > 0 && std::string(type) == "low_rank") continue;  // keeps the dimension
        FinetuneOptions options =
            options_in(folder, std::string(type) + loss + std::to_string(out));
        options.adapter.type = type;
        options.adapter.rank = 4;
        options.adapter.sides = "both";
        options.adapter.out_features = out;
        options.adapter.add_residual = out == 0;
        options.train.loss.type = loss;
        options.train.sampler = "default";
        options.train.batch_size = 12;
        options.train.epochs = 12;
        FinetuneOptions one = options;
        one.train.max_steps = 1;
        one.output = folder / "one";
        EmbeddingAdapterFinetuneEngine brief(tiny_dataset(), std::nullopt, one);
        const double first = brief.finetune().final_loss;
        EmbeddingAdapterFinetuneEngine engine(tiny_dataset(), std::nullopt, options);
        EXPECT_LT(engine.finetune().final_loss, first) << type << " " << loss << " " << out;
        const auto model = engine.get_finetuned_model();
        const auto base = resolve_embed_model(kTinyBert);
        EXPECT_EQ(model->dimension(), out == 0 ? 32 : out);
        EXPECT_NE(model->document_space(), base->document_space());
        EXPECT_NE(model->get_text_embedding("a ship"), base->get_text_embedding("a ship"));
      }
}

TEST(AdapterEngine, ReducingStartsAtTheDocumentsPrincipalDirections) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder, "run");
  options.adapter.sides = "both";
  options.adapter.out_features = 6;
  options.train.learning_rate = 1e-12;
  options.train.max_steps = 1;
  EmbeddingAdapterFinetuneEngine engine(tiny_dataset(), std::nullopt, options);
  engine.finetune();
  const EmbeddingQAFinetuneDataset dataset = tiny_dataset();
  const at::Tensor documents = embed_corpus(*resolve_embed_model(kTinyBert), dataset);
  const at::Tensor w = Weights::from_directory(engine.artifact_path()).stored("linear.weight");
  EXPECT_LT((w - principal_directions(documents, 6)).abs().max().item<double>(), 1e-5);
}

TEST(AdapterEngine, WhatDoesNotGoTogetherIsRefused) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder, "first");
  EmbeddingAdapterFinetuneEngine first(tiny_dataset(), std::nullopt, options);
  first.finetune();
  const auto refused = [&](const auto& change) {
    FinetuneOptions wrong = options_in(folder, "wrong");
    change(wrong);
    EmbeddingAdapterFinetuneEngine engine(tiny_dataset(), std::nullopt, wrong);
    EXPECT_THROW(engine.finetune(), Error);
  };
  refused([](FinetuneOptions& o) { o.adapter.out_features = 8; });  // documents stay at 32
  refused([](FinetuneOptions& o) {
    o.adapter.sides = "both";
    o.adapter.out_features = 33;
  });
  refused([](FinetuneOptions& o) {
    o.adapter.sides = "both";
    o.train.parity = "llamaindex";
  });
  refused([&](FinetuneOptions& o) {
    o.adapter.sides = "both";
    o.adapter.start = first.artifact_path();  // is of queries alone
  });
  refused([](FinetuneOptions& o) {
    o.adapter.sides = "both";
    o.adapter.type = "two_layer";
    o.adapter.out_features = 8;  // and a residual
  });
}

TEST(AdapterEngine, ASavedAdapterGoesOnWithItsOwnSides) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder, "first");
  options.adapter.sides = "both";
  options.adapter.out_features = 8;
  EmbeddingAdapterFinetuneEngine first(tiny_dataset(), std::nullopt, options);
  const double loss = first.finetune().final_loss;
  FinetuneOptions again = options_in(folder, "second");
  again.adapter.start = first.artifact_path();
  EmbeddingAdapterFinetuneEngine second(tiny_dataset(), std::nullopt, again);
  EXPECT_LT(second.finetune().final_loss, loss);
  EXPECT_EQ(second.get_finetuned_model()->dimension(), 8);
}

TEST(AdapterEngine, SeveralRunsShareOneFolderOfVectors) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder, "a");
  options.adapter.vectors = folder / "vectors";
  EmbeddingAdapterFinetuneEngine first(tiny_dataset(), std::nullopt, options);
  first.finetune();
  EXPECT_FALSE(std::filesystem::exists(folder / "a/vectors"));
  const auto size = [&] {
    std::uintmax_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder / "vectors"))
      bytes += entry.file_size();
    return bytes;
  };
  const auto before = size();
  options.output = folder / "b";
  options.train.learning_rate = 1e-3;
  EmbeddingAdapterFinetuneEngine second(tiny_dataset(), std::nullopt, options);
  second.finetune();
  EXPECT_EQ(size(), before);
}

TEST(AdapterEngine, StoppedAtAnyStepAndResumedItHasTheSameBits) {
  for (const int out : {0, 16}) {  // reducing, the start and every document are computed again
    const TemporaryFolder folder;
    FinetuneOptions options = options_in(folder, "whole");
    options.train.weight_decay = 0.1;
    options.adapter.out_features = out;
    if (out > 0) options.adapter.sides = "both";
    EmbeddingAdapterFinetuneEngine whole(tiny_dataset(), tiny_dataset(), options);
    whole.finetune();
    for (int stop_after : {1, 5, 11}) {
      options.output = folder / std::to_string(stop_after);
      options.resume = false;
      EmbeddingAdapterFinetuneEngine first(tiny_dataset(), tiny_dataset(), options);
      int asked = 0;
      EXPECT_FALSE(first.finetune([&] { return asked++ == stop_after; }).finished);
      options.resume = true;
      EmbeddingAdapterFinetuneEngine second(tiny_dataset(), tiny_dataset(), options);
      EXPECT_TRUE(second.finetune().finished);
      EXPECT_EQ(artifact_hash(second), artifact_hash(whole)) << out << " " << stop_after;
    }
  }
}

void expect_same_in_chunks(const TemporaryFolder& folder, FinetuneOptions options) {
  EmbeddingAdapterFinetuneEngine plain(tiny_dataset(), std::nullopt, options);
  const double expected = plain.finetune().final_loss;
  options.output = folder / "chunked";
  options.train.chunk_tokens = 3;
  EmbeddingAdapterFinetuneEngine chunked(tiny_dataset(), std::nullopt, options);
  EXPECT_NEAR(chunked.finetune().final_loss, expected, 1e-5);
}

TEST(AdapterEngine, ChunksChangeNothingButMemory) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder, "plain");
  options.train.loss.type = "mnrl";
  expect_same_in_chunks(folder, options);
}

TEST(AdapterEngine, ATrainedCorpusInChunksIsTheSame) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder, "plain");
  options.adapter.sides = "both";
  options.adapter.out_features = 8;
  expect_same_in_chunks(folder, options);
}

TEST(AdapterEngine, DecayPullsTowardsTheIdentity) {
  const TemporaryFolder folder;
  const auto distance = [&](double decay) {
    FinetuneOptions options = options_in(folder, "decay" + std::to_string(decay));
    options.train.weight_decay = decay;
    EmbeddingAdapterFinetuneEngine engine(tiny_dataset(), std::nullopt, options);
    engine.finetune();
    const Weights weights = Weights::from_directory(engine.artifact_path());
    at::Tensor w = weights.stored("linear.weight");
    w.diagonal().sub_(1);
    return w.norm().item<double>();
  };
  const double free = distance(0);
  EXPECT_LT(distance(50), 0.7 * free);
}

TEST(AdapterEngine, GoesOnFromASavedAdapter) {
  const TemporaryFolder folder;
  FinetuneOptions options = options_in(folder, "first");
  EmbeddingAdapterFinetuneEngine first(tiny_dataset(), std::nullopt, options);
  const double loss = first.finetune().final_loss;
  options.adapter.start = first.artifact_path();
  options.output = folder / "second";
  EmbeddingAdapterFinetuneEngine second(tiny_dataset(), std::nullopt, options);
  EXPECT_LT(second.finetune().final_loss, loss);
}

// A base that is no encoder of ours.
class Letters : public BaseEmbedding {
 public:
  int dimension() const override { return 26; }
  std::string model_name() const override { return "letters"; }
  std::string document_space() const override { return "letters"; }
  std::string query_space() const override { return "letters"; }
  mutable int texts_embedded = 0;

 protected:
  void embed(Role, std::span<const std::string_view> texts, std::span<float> out) const override {
    std::fill(out.begin(), out.end(), 0.01f);
    for (std::size_t i = 0; i < texts.size(); ++i)
      for (const char c : texts[i])
        if (c >= 'a' && c <= 'z') out[i * 26 + (c - 'a')] += 1;
    texts_embedded += static_cast<int>(texts.size());
  }
};

TEST(AdapterEngine, AnyBaseServesAndEmbedsEachTextOnce) {
  const TemporaryFolder folder;
  const auto letters = std::make_shared<Letters>();
  const FinetuneOptions options = options_in(folder, "run");
  const EmbeddingQAFinetuneDataset dataset = tiny_dataset();
  EmbeddingAdapterFinetuneEngine engine(dataset, dataset, options, letters);
  EXPECT_TRUE(engine.finetune().finished);
  EXPECT_LE(letters->texts_embedded, dataset.queries.size() + dataset.corpus.size());
  EXPECT_THROW(engine.get_finetuned_model(), Error);  // it does not know where the base is
  EmbeddingAdapterFinetuneEngine again(dataset, std::nullopt, options, letters);
  const int before = letters->texts_embedded;
  again.finetune();
  EXPECT_EQ(letters->texts_embedded, before);
}

}  // namespace
}  // namespace attune
