// Which model a name means, and Settings: swaps, overrides, callbacks, threads.
#include <attune/settings.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <thread>

#include <attune/vector_store_index.h>
#include <gtest/gtest.h>

#include "core/alias_registry.h"
#include "core/durable.h"
#include "core/error.h"
#include "data/generation/generate_config.h"
#include "models/mock_embedding.h"
#include "models/model_directory.h"
#include "retrieval/evaluation.h"
#include "tests/core/scratch.h"
#include "tests/support/fake_embedding.h"
#include "tests/support/refusal.h"
#include "tests/support/tiny_bert.h"

namespace attune {
namespace {

class SettingsTest : public testing::Test {
 protected:
  SettingsTest() {
    ::setenv("ATTUNE_HOME", home_.path().c_str(), 1);
    ::unsetenv("ATTUNE_EMBED_MODEL");
    ::unsetenv("ATTUNE_LLM");
    Settings::reset();
  }
  ~SettingsTest() override {
    Settings::reset();
    for (const char* name : {"ATTUNE_HOME", "ATTUNE_EMBED_MODEL", "ATTUNE_LLM"}) ::unsetenv(name);
  }
  void user_file(const std::string& text) const {
    write_file_durably(home_ / "settings.json", text);
  }
  Scratch home_, scratch_;
};

using ResolveTest = SettingsTest;

TEST_F(ResolveTest, EveryKindOfName) {
  EXPECT_EQ(resolve_embed_model("mock:8")->dimension(), 8);
  EXPECT_EQ(resolve_embed_model("local:" + kTinyBert)->dimension(), 32);
  write_file_durably(scratch_ / "v.jsonl", R"({"text": "a", "vector": [1, 2]})");
  EXPECT_EQ(resolve_embed_model("vectors:" + (scratch_ / "v.jsonl"))->dimension(), 2);
  EXPECT_EQ(resolve_embed_model("openai:m@http://h/v1?dimensions=7")->dimension(), 7);
  const auto object = std::make_shared<const FakeEmbedding>();
  EXPECT_EQ(resolve_embed_model(object), object);
  message_of(ErrorKind::kConfig,
             [] { resolve_embed_model(std::shared_ptr<const BaseEmbedding>()); });
  for (const char* name : {"disabled", "none"}) {
    const auto disabled = resolve_embed_model(name);
    EXPECT_NE(message_of(ErrorKind::kConfig, [&] { disabled->get_text_embedding("a"); })
                  .find("set_embed_model"),
              std::string::npos);
    message_of(ErrorKind::kConfig, [&] { (void)disabled->document_space(); });
  }
}

TEST_F(ResolveTest, RefusalsSayWhatToType) {
  const auto told = [&](ErrorKind kind, const std::string& name, const EmbedOptions& options = {}) {
    return message_of(kind, [&] { resolve_embed_model(name, options); });
  };
  EXPECT_NE(told(ErrorKind::kData, "no-such-model").find("openai:MODEL@"), std::string::npos);
  // What was tried is named, with what may have been meant.
  EXPECT_NE(told(ErrorKind::kData, "prodd").find("aliases (there are none)"), std::string::npos);
  const std::string id = "job-0123456789ab";
  EXPECT_NE(told(ErrorKind::kConfig, id).find("no job '" + id + "': there is no " + home_.path()),
            std::string::npos);
  AliasRegistry aliases;
  aliases.set("prod", {aliases.arm(kTinyBert)});
  EXPECT_NE(told(ErrorKind::kData, "prodd").find("jobs.sqlite (did you mean prod?)"),
            std::string::npos);
  EXPECT_NE(told(ErrorKind::kConfig, "model-0123456789ab").find("`attune jobs list`"),
            std::string::npos);
  EXPECT_NE(message_of(ErrorKind::kConfig, [] { resolve_model_path("mock:8"); })
                .find("'mock:8' has no directory"),
            std::string::npos);
  EXPECT_NE(told(ErrorKind::kConfig, "https://h/v1").find("openai:MODEL@"), std::string::npos);
  EXPECT_NE(told(ErrorKind::kConfig, "mock:eight").find("mock:8"), std::string::npos);
  told(ErrorKind::kConfig, "openai:m");  // no server is meant by itself
  told(ErrorKind::kData, "vectors:" + (scratch_ / "absent"));
  for (const char* name : {"mock:8", "openai:m@http://h", "vectors:v.jsonl"}) {
    EmbedOptions options;
    options.max_length = 12;
    EXPECT_NE(told(ErrorKind::kConfig, name, options).find("max_length"), std::string::npos);
    options = {};
    options.precision = "bf16";
    EXPECT_NE(told(ErrorKind::kConfig, name, options).find("precision"), std::string::npos);
  }
  // Nothing that is given is passed over.
  EmbedOptions options;
  options.query_prompt = "query: ";
  EXPECT_NE(told(ErrorKind::kConfig, kTinyBert, options).find("override_prompts"),
            std::string::npos);
  options = {};
  options.max_length = -1;
  told(ErrorKind::kConfig, kTinyBert, options);
}

TEST_F(ResolveTest, DefaultIsWhatTheUserChose) {
  const std::string nothing =
      message_of(ErrorKind::kConfig, [] { resolve_embed_model("default"); });
  for (const char* part : {"ATTUNE_EMBED_MODEL", "settings.json", "export"})
    EXPECT_NE(nothing.find(part), std::string::npos) << nothing;
  user_file(R"({"embed_model": "mock:3"})");
  EXPECT_EQ(resolve_embed_model("default")->dimension(), 3);
  EXPECT_EQ(Settings::embed_model()->dimension(), 3);
  ::setenv("ATTUNE_EMBED_MODEL", "mock:5", 1);
  EXPECT_EQ(resolve_embed_model("default")->dimension(), 5);
  ::setenv("ATTUNE_EMBED_MODEL", "default", 1);
  message_of(ErrorKind::kConfig, [] { resolve_embed_model("default"); });
  ::setenv("ATTUNE_EMBED_MODEL", "nowhere", 1);
  EXPECT_NE(message_of(ErrorKind::kData, [] { resolve_embed_model("default"); }).find("chosen by"),
            std::string::npos);
  ::unsetenv("ATTUNE_EMBED_MODEL");
  for (const char* bad : {"[]", R"({"embed_model": 3})", R"({"model": "mock:3"})", "{"}) {
    user_file(bad);
    message_of(ErrorKind::kData, [] { resolve_embed_model("default"); });
  }
}

TEST_F(SettingsTest, AreLazyAndKeepWhatWasLoaded) {
  Settings::set_embed_model("local:" + (scratch_ / "not-there-yet"));
  message_of(ErrorKind::kData, [] { Settings::embed_model(); });
  std::filesystem::copy(kTinyBert, scratch_ / "not-there-yet",
                        std::filesystem::copy_options::recursive);
  const auto model = Settings::embed_model();
  EXPECT_EQ(Settings::embed_model(), model);
  const auto object = std::make_shared<const FakeEmbedding>();
  Settings::set_embed_model(object);
  EXPECT_EQ(Settings::embed_model(), object);
  message_of(ErrorKind::kConfig,
             [] { Settings::set_embed_model(std::shared_ptr<const BaseEmbedding>()); });
  EXPECT_EQ(Settings::embed_model(), object);
}

TEST_F(SettingsTest, ScopesOverrideOneComponent) {
  using Component = Settings::Component;
  Settings::set_embed_model("mock:2");
  {
    const Settings::Scope retriever(Component::kRetriever, "mock:3");
    auto inner = std::make_unique<Settings::Scope>(Component::kRetriever,
                                                   std::make_shared<const MockEmbedding>(4));
    EXPECT_EQ(Settings::embed_model(Component::kRetriever)->dimension(), 4);
    EXPECT_EQ(Settings::embed_model(Component::kIndex)->dimension(), 2);
    EXPECT_EQ(Settings::embed_model(Component::kEvaluator)->dimension(), 2);
    EXPECT_EQ(Settings::embed_model()->dimension(), 2);
    inner.reset();
    EXPECT_EQ(Settings::embed_model(Component::kRetriever)->dimension(), 3);
  }
  EXPECT_EQ(Settings::embed_model(Component::kRetriever)->dimension(), 2);
}

TEST_F(SettingsTest, CallbacksAreHeardOfEveryModelUntilTheyGo) {
  struct Count : EmbeddingCallback {
    void on_embedding_end(const EmbeddingEnd&) override { ++batches; }
    std::atomic<int> batches{0};
  };
  const auto count = std::make_shared<Count>();
  Settings::set_embed_model("mock:2");
  Settings::embed_model()->get_text_embedding("a");
  EXPECT_EQ(count->batches, 0);
  Settings::add_callback(count);
  for (int i = 0; i < 2; ++i) Settings::embed_model()->get_text_embedding("a");
  Settings::set_embed_model("mock:3");
  const auto model = Settings::embed_model();
  model->get_text_embedding("a");
  EXPECT_EQ(count->batches, 3);
  Settings::remove_callback(count);
  model->get_text_embedding("a");
  EXPECT_EQ(count->batches, 3);
}

TEST_F(SettingsTest, IndexRetrieverAndEvaluationAskAtEachCall) {
  const std::vector<TextNode> nodes = {{"1", "one"}, {"2", "two"}, {"3", "three"}};
  Settings::set_embed_model("mock:8");
  auto index = VectorStoreIndex::from_documents(nodes, scratch_ / "index");
  const auto retriever = index.as_retriever(1);
  EXPECT_EQ(retriever.retrieve("two")[0].node.id, "2");
  const Settings::Scope evaluator(Settings::Component::kEvaluator, "mock:4");
  EXPECT_EQ(evaluate(tiny_dataset(), {1}).model, "mock:4");
  {
    const Settings::Scope other(Settings::Component::kRetriever, "mock:9");
    const std::string told = message_of(ErrorKind::kData, [&] { retriever.retrieve("two"); });
    EXPECT_NE(told.find("mock:8"), std::string::npos) << told;
    EXPECT_NE(told.find("mock:9"), std::string::npos) << told;
    index.insert(std::vector<TextNode>{{"4", "four"}});  // another component
  }
  EXPECT_EQ(retriever.retrieve("four")[0].node.id, "4");
  Settings::set_embed_model("mock:9");
  message_of(ErrorKind::kData, [&] { index.insert(std::vector<TextNode>{{"5", "five"}}); });
  auto loaded = VectorStoreIndex::load(scratch_ / "index");
  EXPECT_EQ(loaded.size(), 4);
  message_of(ErrorKind::kData, [&] { loaded.as_retriever(1).retrieve("two"); });
  Settings::set_embed_model("mock:8");
  EXPECT_EQ(loaded.as_retriever(1).retrieve("two")[0].node.id, "2");
}

TEST_F(SettingsTest, TheLanguageModelIsThatOfGenerationLeftOut) {
  const auto read = [] {
    GenerateConfig config;
    ConfigDocument::parse("method: llm", "c.yaml").read(config);
    return config.llm;
  };
  EXPECT_NE(message_of(ErrorKind::kConfig, read).find("ATTUNE_LLM"), std::string::npos);
  user_file(R"({"llm": "small@https://h/v1"})");
  EXPECT_EQ(read().model, "small");
  Settings::set_llm("big@https://g/v1?api_key_env=BIG_KEY");
  EXPECT_EQ(Settings::llm(), "big@https://g/v1?api_key_env=BIG_KEY");
  EXPECT_EQ(read().model, "big");
  EXPECT_EQ(read().url, "https://g/v1");
  EXPECT_EQ(read().api_key_env, "BIG_KEY");
  message_of(ErrorKind::kConfig, [] { Settings::set_llm("big"); });
}

TEST_F(SettingsTest, AreSafeOnEightThreads) {
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 100; ++i) {
          Settings::set_embed_model("mock:" + std::to_string(2 + (t + i) % 3));
          const Settings::Scope scope(Settings::Component::kIndex, "mock:7");
          const int width = Settings::embed_model()->dimension();
          wrong += width < 2 || width > 4;
          wrong += Settings::embed_model(Settings::Component::kIndex)->dimension() != 7;
          Settings::embed_model()->get_text_embedding("a");
        }
      });
  }
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace attune
