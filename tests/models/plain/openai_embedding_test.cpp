// The client of POST /embeddings against a scripted server.
#include "models/openai_embedding.h"

#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <attune/embedding_services.h>

#include "core/error.h"
#include "tests/support/fake_llm_server.h"

namespace attune {
namespace {

const std::string kKey = "sk-Q7d9TfW2mZ0xLk3Vb8";

// What the server answers for a text (vector_of of the script): SHA-256 bytes, of "a" ca 97 81 12.
const std::vector<float> kVectorOfA = {(0xca - 128) / 128.0f, (0x97 - 128) / 128.0f,
                                       (0x81 - 128) / 128.0f, (0x12 - 128) / 128.0f};

class OpenAIEmbeddingTest : public testing::Test {
 protected:
  std::unique_ptr<OpenAIEmbedding> serve(const std::string& plan, int dimensions = 4) {
    server_.emplace(plan);
    OpenAIEmbeddingConfig config;
    config.url = server_->url();
    config.model = "m";
    config.dimensions = dimensions;
    config.attempts = 3;
    config.retry_seconds = 0.01;
    config.timeout_seconds = 10;
    config.api_key_env = key_env_;
    return std::make_unique<OpenAIEmbedding>(config);
  }
  static std::string failure(ErrorKind kind, const BaseEmbedding& model) {
    try {
      const std::vector<std::string_view> texts = {"a", "b"};
      model.get_text_embedding_batch(texts);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return {};
  }
  std::optional<FakeLlmServer> server_;
  std::string key_env_;
};

TEST_F(OpenAIEmbeddingTest, RowsAreOrderedWhateverTheirForm) {
  for (const char* plan :
       {"{}", R"({"then": {"numbers": true}})", R"({"then": {"refuse": ["encoding_format"]}})"}) {
    const auto model = serve(plan);
    const std::vector<std::string_view> texts = {"b", "a", "line one\nline two"};
    const std::vector<float> vectors = model->get_text_embedding_batch(texts);
    ASSERT_EQ(vectors.size(), 12u);
    EXPECT_EQ(std::vector<float>(vectors.begin() + 4, vectors.begin() + 8), kVectorOfA);
    EXPECT_EQ(server_->asked().back()["input"][2], "line one\nline two");
    EXPECT_EQ(server_->asked().back()["path"], "/v1/embeddings");
    EXPECT_EQ(model->usage().tokens, 30);
    model->get_query_embedding("a");
    EXPECT_LE(server_->asked().size(), 3u) << "what the server does not know is asked for once";
  }
}

TEST_F(OpenAIEmbeddingTest, TheDimensionIsLearntOrAsked) {
  auto model = serve(R"({"then": {"dimension": 6}})", 0);
  EXPECT_EQ(model->dimension(), 6);
  EXPECT_EQ(model->get_text_embedding("a").size(), 6u);
  EXPECT_EQ(server_->asked().size(), 2u);
  EXPECT_EQ(server_->asked()[0]["fields"], Json::array({"encoding_format", "input", "model"}));
  model = serve("{}", 3);
  EXPECT_EQ(model->get_text_embedding("a").size(), 3u);
  EXPECT_EQ(server_->asked()[0]["fields"],
            Json::array({"dimensions", "encoding_format", "input", "model"}));
}

TEST_F(OpenAIEmbeddingTest, RepeatsWhatMayGoWellAnotherTime) {
  auto model = serve(R"({"script": [{"drop": true}, {}, {"status": 500}, {}, {"cut": 30}, {},
      {"raw": "<html>", "content_type": "text/html"}, {}, {"raw": "{\"data\": [NaN]}"}, {},
      {"status": 429, "headers": {"Retry-After": "1"}}, {}]})");
  for (int i = 1; i <= 6; ++i) {
    EXPECT_EQ(model->get_text_embedding("a"), kVectorOfA);
    EXPECT_EQ(server_->asked().size(), 2u * i);
  }
  EXPECT_EQ(model->usage().requests, 12);
  EXPECT_EQ(model->usage().failures, 0);
  model = serve(R"({"then": {"status": 503}})");
  const std::string told = failure(ErrorKind::kFailed, *model);
  EXPECT_NE(told.find("HTTP 503"), std::string::npos) << told;
  EXPECT_NE(told.find("3 attempts"), std::string::npos) << told;
  EXPECT_EQ(server_->asked().size(), 3u);
  EXPECT_EQ(model->usage().failures, 1);
}

TEST_F(OpenAIEmbeddingTest, WrongAnswersAreRefusedAtOnce) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"data": "fewer"})", "1 vectors for 2 texts"},
      {R"({"data": "twice"})", "twice"},
      {R"({"data": "nan"})", "NaN"},
      {R"({"dimension": 5})", "5 numbers, expected 4"},
      {R"({"raw": "{\"data\": [{\"index\": 0, \"embedding\": \"!\"}, {}]}"})", "base64"},
      {R"({"raw": "{\"data\": [{\"index\": 2, \"embedding\": \"\"}, {}]}"})", "index"},
      {R"({"raw": "{\"data\": [{\"index\": 0, \"embedding\": [1, 2, 3, 1e99]}, {}]}"})",
       "infinity"},
      {R"({"raw": "{\"data\": [{\"index\": 0, \"embedding\": [1, 2, 3, \"4\"]}, {}]}"})", "number"},
      {R"({"raw": "{\"data\": [{\"index\": 0, \"embedding\": {}}, {}]}"})", "base64"},
      {R"({"raw": "[]"})", "no array 'data'"},
      {R"({"huge": 20000000})", "larger than"},
      {R"({"status": 400, "body": {"error": {"message": "too long"}}})", "too long"}};
  std::string script;
  for (const auto& [step, part] : cases) script += (script.empty() ? "" : ", ") + step;
  const auto model = serve(R"({"script": [)" + script + "]}");
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const auto& [step, part] = cases[i];
    const std::string told = failure(ErrorKind::kData, *model);
    EXPECT_NE(told.find(part), std::string::npos) << step << ": " << told;
    EXPECT_NE(told.find("127.0.0.1"), std::string::npos) << told;
    EXPECT_EQ(server_->asked().size(), i + 1) << step;
  }
}

TEST_F(OpenAIEmbeddingTest, NoServerNoModelNoKey) {
  OpenAIEmbeddingConfig config;
  config.url = "http://127.0.0.1:1/v1";
  config.model = "m";
  config.attempts = 2;
  config.retry_seconds = 0;
  ::setenv("no_proxy", "*", 1);
  EXPECT_NE(failure(ErrorKind::kFailed, OpenAIEmbedding(config)).find("127.0.0.1"),
            std::string::npos);
  const auto model = serve(R"({"script": [{"status": 401}, {"status": 403}, {"status": 404},
                                          {"status": 302}, {"status": 402}]})");
  for (std::size_t asked = 1; asked <= 5; ++asked) {
    failure(ErrorKind::kConfig, *model);
    EXPECT_EQ(server_->asked().size(), asked);
  }
  config.api_key_env = "ATTUNE_TEST_NO_SUCH_KEY";
  EXPECT_THROW(OpenAIEmbedding{config}, Error);
}

TEST_F(OpenAIEmbeddingTest, TheKeyIsSentAndStaysNowhere) {
  ::setenv("ATTUNE_TEST_KEY", kKey.c_str(), 1);
  key_env_ = "ATTUNE_TEST_KEY";
  testing::internal::CaptureStderr();
  std::string told;
  const auto model = serve(R"({"script": [
      {"status": 500, "body": "for {key}"},
      {"status": 400, "body": {"error": {"message": "bad {key}"}}},
      {"status": 401, "body": {"error": {"message": "wrong {key}"}}}]})");
  for (int i = 0; i < 2; ++i) {
    try {
      model->get_text_embedding("a");
    } catch (const Error& error) {
      told += error.what();
    }
    told += model->model_name() + model->document_space();
    EXPECT_EQ(server_->asked()[0]["key"], true);
  }
  told += testing::internal::GetCapturedStderr();
  EXPECT_NE(told.find("wrong [key]"), std::string::npos) << told;
  for (std::size_t part = 0; part + 8 <= kKey.size(); ++part)
    EXPECT_EQ(told.find(kKey.substr(part, 8)), std::string::npos) << told;
  ::unsetenv("ATTUNE_TEST_KEY");
}

TEST_F(OpenAIEmbeddingTest, SpacesAreAddressModelDimensionAndPrompt) {
  OpenAIEmbeddingConfig config;
  config.url = "http://h/v1";
  config.model = "m";
  config.dimensions = 4;
  const std::string space = OpenAIEmbedding(config).document_space();
  EXPECT_EQ(space, OpenAIEmbedding(config).query_space());
  auto other = config;
  other.url = "http://other/v1";
  EXPECT_NE(OpenAIEmbedding(other).document_space(), space);
  other = config;
  other.model = "n";
  EXPECT_NE(OpenAIEmbedding(other).document_space(), space);
  other = config;
  other.dimensions = 5;
  EXPECT_NE(OpenAIEmbedding(other).document_space(), space);
  other = config;
  other.query_prompt = "query: ";
  EXPECT_EQ(OpenAIEmbedding(other).document_space(), space);
  EXPECT_NE(OpenAIEmbedding(other).query_space(), space);
}

TEST_F(OpenAIEmbeddingTest, IsWrittenInOneWord) {
  serve("{}");
  EmbedOptions options;
  options.override_prompts = true;
  options.query_prompt = "query: ";
  const auto model = OpenAIEmbedding::resolve(
      "org/m@" + server_->url() + "/v1/?dimensions=4&batch=2&timeout=5", options);
  EXPECT_EQ(model->model_name(), "org/m@" + server_->url() + "/v1");
  const std::vector<std::string_view> texts = {"a", "b", "c", "d", "e"};
  EXPECT_EQ(model->get_query_embedding_batch(texts).size(), 20u);
  ASSERT_EQ(server_->asked().size(), 3u);
  EXPECT_EQ(server_->asked()[0]["input"], Json::array({"query: a", "query: b"}));
  EXPECT_EQ(server_->asked()[0]["key"], false) << "a key is sent where its variable is named";

  const std::string secret = "sk-secret-in-the-wrong-place";
  for (const std::string& bad :
       {std::string("@http://h"), std::string("m@ftp://h"), "m@http://user:" + secret + "@h/v1",
        "m@http://h?api_key_env=" + secret, "m@http://h?key=" + secret, std::string("m@http://h?"),
        std::string("m@http://h?batch=0"), std::string("m@http://h?batch=3000"),
        std::string("m@http://h?dimensions=two"), std::string("m@http://h?batch=1&batch=2"),
        std::string("m@http://h?batch="), std::string("m@http://"), std::string("m@http://h#x"),
        std::string("text-embedding-3-small?dimensions=256")}) {
    try {
      OpenAIEmbedding::resolve(bad, {});
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kConfig) << bad;
      EXPECT_EQ(std::string(error.what()).find(secret), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace attune
