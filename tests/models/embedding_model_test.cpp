#include "models/embedding_model.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <thread>

#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include "core/durable.h"
#include "core/error.h"
#include "models/artifact.h"
#include "models/encoder_embedding.h"
#include "models/quantized_linear.h"
#include "tests/support/tiny_bert.h"

namespace attune {
namespace {

std::vector<std::string> golden_texts() {
  std::vector<std::string> texts;
  for (const Json& text : tiny_golden()["texts"]) texts.push_back(text.get<std::string>());
  return texts;
}

std::vector<float> embed_all(const BaseEmbedding& model, const std::vector<std::string>& texts) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return model.get_text_embedding_batch(views);
}

double worst(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = a.size() == b.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    difference = std::max(difference, static_cast<double>(std::abs(a[i] - b[i])));
  return difference;
}

std::vector<float> golden_embeddings() {
  std::vector<float> expected;
  for (const Json& row : tiny_golden()["embeddings"])
    for (const Json& x : row) expected.push_back(x.get<float>());
  return expected;
}

// A copy of the tiny model to spoil.
std::string copy_tiny(const TemporaryFolder& folder) {
  std::filesystem::copy(kTinyBert, folder / "model", std::filesystem::copy_options::recursive);
  return folder / "model";
}

void edit_json(const std::string& path, const std::function<void(Json&)>& edit) {
  Json json = read_json_file(path);
  edit(json);
  write_text(path, json.dump());
}

std::string load_error(const std::string& directory) {
  try {
    resolve_embed_model(directory);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(EmbeddingModel, EqualsSentenceTransformers) {
  EXPECT_LT(worst(embed_all(*resolve_embed_model("local:" + kTinyBert), golden_texts()),
                  golden_embeddings()),
            1e-6);
}

TEST(EmbeddingModel, ATextHasTheSameVectorAloneAndInAnyBatch) {
  const std::vector<std::string> texts = golden_texts();
  EmbedOptions small;
  small.batch_tokens = 20;
  const auto model = resolve_embed_model(kTinyBert),
             in_small_batches = resolve_embed_model(kTinyBert, small);
  const std::vector<float> together = embed_all(*model, texts);
  EXPECT_LT(worst(embed_all(*in_small_batches, texts), together), 1e-6);
  std::vector<float> alone;
  for (const std::string& text : texts)
    for (float x : model->get_text_embedding(text)) alone.push_back(x);
  EXPECT_LT(worst(alone, together), 1e-6);
}

TEST(EmbeddingModel, IsThreadSafe) {
  const auto model = resolve_embed_model(kTinyBert);
  const std::vector<std::string> texts = golden_texts();
  const std::vector<float> expected = embed_all(*model, texts);
  std::vector<double> differences(8, 1);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < differences.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) differences[t] = worst(embed_all(*model, texts), expected);
    });
  for (std::thread& thread : threads) thread.join();
  for (double difference : differences) EXPECT_LT(difference, 1e-6);
}

TEST(EmbeddingModel, Bf16IsNearFp32AndNotEqual) {
  EmbedOptions options;
  options.precision = "bf16";
  const double difference = worst(
      embed_all(*resolve_embed_model(kTinyBert, options), golden_texts()), golden_embeddings());
  EXPECT_GT(difference, 1e-5);
  EXPECT_LT(difference, 0.05);
}

TEST(EmbeddingModel, Int8IsNearAndATextsVectorIsItsOwn) {
  if (!has_int8_products()) GTEST_SKIP() << "this processor has neither AVX512-VNNI nor AVX-VNNI";
  EmbedOptions options;
  options.precision = "int8";
  const auto model = resolve_embed_model(kTinyBert, options);
  const auto together = embed_all(*model, golden_texts());
  const double difference = worst(together, golden_embeddings());
  EXPECT_GT(difference, 1e-4);
  EXPECT_LT(difference, 0.1);
  std::vector<float> apart;
  for (const auto& text : golden_texts()) {
    const std::vector<float> vector = model->get_text_embedding(text);
    apart.insert(apart.end(), vector.begin(), vector.end());
  }
  EXPECT_LT(worst(together, apart), 1e-5);
}

TEST(EmbeddingModel, PromptsAreAppliedByRole) {
  EmbedOptions options;
  options.override_prompts = true;
  options.query_prompt = "the ";
  options.document_prompt = "a ";
  const auto with = resolve_embed_model(kTinyBert, options),
             without = resolve_embed_model(kTinyBert);
  EXPECT_EQ(worst(with->get_query_embedding("ship"), without->get_text_embedding("the ship")), 0);
  EXPECT_EQ(worst(with->get_text_embedding("ship"), without->get_text_embedding("a ship")), 0);
  EXPECT_EQ(with->document_space().size(), 64u);
  EXPECT_NE(with->document_space(), without->document_space());
}

TEST(EmbeddingModel, NothingInIsNothingOut) {
  EXPECT_TRUE(resolve_embed_model(kTinyBert)->get_text_embedding_batch({}).empty());
}

TEST(EmbeddingModel, TextThatIsNotUtf8IsRefused) {
  EXPECT_THROW(resolve_embed_model(kTinyBert)->get_text_embedding("a\xff"), Error);
}

TEST(EmbeddingModel, OptionsAreChecked) {
  for (const auto& set : std::vector<std::function<void(EmbedOptions&)>>{
           [](EmbedOptions& o) { o.precision = "fp8"; }, [](EmbedOptions& o) { o.device = "tpu"; },
           [](EmbedOptions& o) { o.device = "cuda:99"; },
           [](EmbedOptions& o) { o.max_length = 65; }, [](EmbedOptions& o) { o.max_length = 1; },
           [](EmbedOptions& o) { o.batch_tokens = -1; }}) {
    EmbedOptions options;
    set(options);
    EXPECT_THROW(resolve_embed_model(kTinyBert, options), Error);
  }
}

TEST(EmbeddingModel, WeightsWithAPrefixAndShardedAreTheSameModel) {
  const TemporaryFolder folder;
  const std::string directory = copy_tiny(folder);
  const Weights weights = Weights::from_directory(kTinyBert);
  std::vector<NamedTensor> shards[2];
  Json map = Json::object();
  int i = 0;
  for (const auto& [name, entry] : weights.entries()) {
    at::Tensor tensor = at::empty(entry.shape);
    weights.copy_to(name, tensor);
    map["bert." + name] = str_cat("part-", i % 2, ".safetensors");
    shards[i++ % 2].push_back({"bert." + name, tensor});
  }
  for (int s = 0; s < 2; ++s) {
    DurableDirectory out(folder / "shard");
    write_safetensors(out, "x", shards[s]);
    out.commit();
    std::filesystem::rename(folder / "shard/x", directory + str_cat("/part-", s, ".safetensors"));
  }
  std::filesystem::remove(directory + "/model.safetensors");
  write_text(directory + "/model.safetensors.index.json", Json{{"weight_map", map}}.dump());
  EXPECT_LT(worst(embed_all(*resolve_embed_model(directory), golden_texts()), golden_embeddings()),
            1e-6);
}

TEST(EmbeddingModel, SpoiledDirectoriesAreRefusedByName) {
  struct Case {
    const char* file;
    std::function<void(Json&)> edit;
    const char* expected;
  };
  for (const Case& c : std::vector<Case>{
           {"config.json", [](Json& j) { j["model_type"] = "t5"; },
            "model_type 't5' is not supported"},
           {"config.json", [](Json& j) { j.erase("model_type"); }, "model_type"},
           {"config.json", [](Json& j) { j["hidden_size"] = 33; }, "heads must divide"},
           {"config.json", [](Json& j) { j["hidden_size"] = -1; }, "\"hidden_size\" is -1"},
           {"config.json", [](Json& j) { j["num_hidden_layers"] = 1e30; }, "num_hidden_layers"},
           {"config.json", [](Json& j) { j["num_hidden_layers"] = 3; },
            "'encoder.layer.2.attention.self.query.weight' is missing"},
           {"config.json", [](Json& j) { j["vocab_size"] = 9000000; },
            "has shape [118, 32], config.json asks for [9000000, 32]"},
           {"config.json", [](Json& j) { j["hidden_act"] = "prelu"; }, "\"hidden_act\""},
           {"config.json", [](Json& j) { j["position_embedding_type"] = "relative_key"; },
            "position_embedding_type"},
           {"modules.json", [](Json& j) { j[1]["type"] = "evil.Module"; },
            "module type 'evil.Module'"},
           {"modules.json", [](Json& j) { j[1]["path"] = "../other"; }, "leads out"},
           {"modules.json", [](Json& j) { j[1]["path"] = "/etc"; }, "leads out"},
           {"modules.json", [](Json& j) { j.erase(1); }, "expected the modules"},
           {"modules.json", [](Json& j) { j = Json::object(); }, "expected a list"},
           {"1_Pooling/config.json", [](Json& j) { j["pooling_mode"] = "median"; },
            "'median' is not supported; known: cls, max, mean, mean_sqrt_len_tokens, weightedmean, "
            "lasttoken"},
           {"1_Pooling/config.json", [](Json& j) { j["pooling_mode_mean_tokens"] = false; },
            "no pooling mode"},
           {"1_Pooling/config.json", [](Json& j) { j["pooling_mode_mean_tokens"] = 1; },
            "expected true or false"},
           {"sentence_bert_config.json", [](Json& j) { j["max_seq_length"] = "x"; },
            "max_seq_length"},
           {"config_sentence_transformers.json", [](Json& j) { j["prompts"] = {{"query", 1}}; },
            "prompt 'query'"}}) {
    const TemporaryFolder folder;
    const std::string directory = copy_tiny(folder);
    edit_json(directory + "/" + c.file, c.edit);
    const std::string message = load_error(directory);
    EXPECT_NE(message.find(c.expected), std::string::npos)
        << "expected '" << c.expected << "' in: " << message;
  }
}

TEST(EmbeddingModel, MissingFilesAreNamed) {
  for (const char* file : {"config.json", "model.safetensors", "1_Pooling/config.json"}) {
    const TemporaryFolder folder;
    const std::string directory = copy_tiny(folder);
    std::filesystem::remove(directory + "/" + file);
    EXPECT_NE(load_error(directory).find(file), std::string::npos) << load_error(directory);
  }
  EXPECT_NE(load_error("no/such/model").find("never downloads"), std::string::npos);
}

TEST(EmbeddingModel, ALinkThatLeadsNowhereIsNotAnAbsentFile) {
  for (const char* file : {"modules.json", "tokenizer.json", "sentence_bert_config.json"}) {
    const TemporaryFolder folder;
    const std::string directory = copy_tiny(folder);
    std::filesystem::remove(directory + "/" + file);
    std::filesystem::create_symlink("/no/such/blob", directory + "/" + file);
    EXPECT_NE(load_error(directory).find(std::string(file) + ": a link that leads nowhere"),
              std::string::npos)
        << load_error(directory);
  }
}

TEST(EmbeddingModel, WeightsThatGiveNaNGiveNoVector) {
  const auto model = load_tiny_bert();
  at::Tensor values = model->parameters().values();
  values.fill_(1e30);
  EXPECT_THROW(EncoderEmbedding(model, "spoiled").get_text_embedding("the ship"), Error);
}

// Recordings on the processor are the work itself, called again on the padded batch.
TEST(EmbeddingModel, ReplayedForwardsGiveTheVectorsOfPlainOnes) {
  const auto model = load_tiny_bert();
  const EncoderEmbedding plain(model, "plain", at::kFloat, /*batch_tokens=*/64);
  EncoderEmbedding recorded(model, "recorded", at::kFloat, /*batch_tokens=*/64);
  recorded.record_forwards(true);
  std::vector<std::string> texts(120);
  for (std::size_t i = 0; i < texts.size(); ++i)
    for (std::size_t word = 0; word < 1 + i * 7 % 19; ++word) texts[i] += "the ship ";
  const std::vector<float> expected = embed_all(plain, texts);
  EXPECT_LT(worst(embed_all(recorded, texts), expected), 1e-6);
  EXPECT_EQ(plain.replayed(), 0);
  const std::int64_t before = recorded.replayed();
  EXPECT_GT(before, 5);
  std::vector<std::thread> threads;  // one of them replays, the others embed as without
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] { EXPECT_LT(worst(embed_all(recorded, texts), expected), 1e-6); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(recorded.replayed(), before);
}

TEST(EmbeddingModel, ANameIsFoundInTheHuggingFaceCache) {
  const TemporaryFolder folder;
  const std::string snapshot = folder / "hub/models--sentence-transformers--tiny/snapshots/abc123";
  std::filesystem::create_directories(snapshot);
  std::filesystem::copy(kTinyBert, snapshot, std::filesystem::copy_options::recursive);
  write_text(folder / "hub/models--sentence-transformers--tiny/refs/main", "abc123\n");
  ASSERT_EQ(setenv("HF_HUB_CACHE", (folder / "hub").c_str(), 1), 0);
  EXPECT_EQ(resolve_model_path("tiny"), snapshot);
  EXPECT_EQ(resolve_model_path("sentence-transformers/tiny"), snapshot);
  EXPECT_THROW(resolve_model_path("sentence-transformers/other"), Error);
  EXPECT_THROW(resolve_model_path("../tiny"), Error);
  unsetenv("HF_HUB_CACHE");
}

TEST(EmbeddingModel, BothLayoutsAndTheLengthInEitherPlaceAreRead) {
  const TemporaryFolder folder;
  const std::string directory = copy_tiny(folder);
  edit_json(directory + "/modules.json", [](Json& j) {
    j[0]["type"] = "sentence_transformers.base.modules.transformer.Transformer";
    j[1]["type"] = "sentence_transformers.sentence_transformer.modules.pooling.Pooling";
    j[2]["type"] = "sentence_transformers.base.modules.normalize.Normalize";
  });
  write_text(directory + "/1_Pooling/config.json",
             R"({"embedding_dimension": 32, "pooling_mode": "mean", "include_prompt": true})");
  edit_json(directory + "/sentence_bert_config.json", [](Json& j) { j.erase("max_seq_length"); });
  edit_json(directory + "/tokenizer_config.json", [](Json& j) { j["model_max_length"] = 32; });
  EXPECT_EQ(EmbeddingModel::load(directory, at::kCPU)->max_length(), 32);
  EXPECT_LT(worst(embed_all(*resolve_embed_model(directory), golden_texts()), golden_embeddings()),
            1e-6);
}

TEST(Artifact, HoldsTheSameModelAndNeedsNothingElse) {
  const TemporaryFolder folder;
  const auto model = load_tiny_bert();
  model->set_prompts({"query: ", ""});
  write_artifact(*model, folder / "artifact", {{"base", "x"}}, "card");
  const auto loaded = EmbeddingModel::load(folder / "artifact", at::kCPU);
  EXPECT_EQ(loaded->prompt(Role::kQuery), "query: ");
  EXPECT_EQ(loaded->max_length(), model->max_length());
  EXPECT_LT(worst(embed_all(*resolve_embed_model(folder / "artifact"), golden_texts()),
                  golden_embeddings()),
            1e-6);
  for (const char* file : {"README.md", "attune.json", "tokenizer.json", "2_Normalize/config.json"})
    EXPECT_TRUE(std::filesystem::exists(folder / (std::string("artifact/") + file))) << file;
}

TEST(Artifact, TensorsThatTheForwardDoesNotUseAreKept) {
  const TemporaryFolder folder;
  write_artifact(*load_tiny_bert(), folder / "artifact", Json::object(), "card");
  const Weights before = Weights::from_directory(kTinyBert),
                after = Weights::from_directory(folder / "artifact");
  for (const auto& [name, entry] : before.entries()) EXPECT_NE(after.find(name), nullptr) << name;
}

TEST(Artifact, NonFiniteWeightsAreNeverWritten) {
  const TemporaryFolder folder;
  const auto model = load_tiny_bert();
  at::Tensor values = model->parameters().values();
  values[5] = NAN;
  EXPECT_THROW(write_artifact(*model, folder / "artifact", Json::object(), "card"), Error);
  EXPECT_FALSE(std::filesystem::exists(folder / "artifact"));
}

TEST(Artifact, AFailedWriteLeavesTheOldOne) {
  const TemporaryFolder folder;
  const auto model = load_tiny_bert();
  write_artifact(*model, folder / "artifact", {{"try", 1}}, "card");
  int operations = 0;
  for (int fail_at = 0; fail_at < 200; ++fail_at) {
    operations = 0;
    set_durable_hook(
        [&](DurableOperation, const std::string&) { return operations++ == fail_at ? 28 : 0; });
    bool failed = false;
    try {
      write_artifact(*model, folder / "artifact", {{"try", 2}}, "card");
    } catch (const Error& error) {
      failed = true;
      EXPECT_EQ(error.kind(), ErrorKind::kResources);
    }
    set_durable_hook({});
    const Json lineage = read_json_file(folder / "artifact/attune.json");
    if (!failed) {
      EXPECT_EQ(lineage["try"], 2);
      return;
    }
    EXPECT_LT(worst(embed_all(*resolve_embed_model(folder / "artifact"), {"the ship"}),
                    embed_all(*resolve_embed_model(kTinyBert), {"the ship"})),
              1e-6);
  }
  FAIL() << "more than 200 operations";
}

}  // namespace
}  // namespace attune
