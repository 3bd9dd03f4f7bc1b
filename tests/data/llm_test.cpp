#include "data/generation/llm_generation.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "core/config_reader.h"
#include "core/error.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/request_pace.h"
#include "data/generation/application_llm.h"
#include "data/generation/default_llm.h"
#include "data/generation/llm_openai.h"
#include "tests/support/fake_llm_server.h"

namespace attune {
namespace {

const std::string kKey = "sk-Q7d9TfW2mZ0xLk3Vb8";

Passages make_passages(int count) {
  Passages out;
  for (int i = 0; i < count; ++i) {
    Passage passage;
    passage.text = "Text of passage " + std::to_string(i) + ".";
    passage.id = sha256(passage.text).substr(0, 16);
    out.rows.push_back(passage);
  }
  return out;
}

// One try of generate_with_llm, and what came of it.
class LlmTest : public testing::Test {
 protected:
  void SetUp() override {
    config_.model = "m";
    config_.concurrency = 1;
    config_.retry_seconds = 0.02;
    config_.timeout_seconds = 10;
  }
  void serve(const std::string& plan) {
    server_.emplace(plan);
    config_.url = server_->url();
  }
  GenerationOutcome ask(int passages, const StopRequested& stop = {}) {
    return generate_with_llm(make_passages(passages), config_, 2, journal_, 1, stop);
  }
  // The message of the Error of that kind.
  std::string failure(ErrorKind kind, int passages, const StopRequested& stop = {}) {
    try {
      ask(passages, stop);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return {};
  }
  std::map<std::string, int> requests_by_passage() const {
    std::map<std::string, int> out;
    for (const Json& asked : server_->asked()) ++out[asked["passage"].get<std::string>()];
    return out;
  }
  Scratch scratch_;
  LlmConfig config_;
  std::string journal_ = scratch_ / "answers.jsonl";
  std::optional<FakeLlmServer> server_;
};

TEST_F(LlmTest, AsksEveryPassageOnceAndKeepsTheirOrder) {
  serve(R"({"then": {"delay": 0.01}})");
  config_.concurrency = 8;
  config_.price_prompt = 2;
  config_.price_completion = 10;
  const Passages passages = make_passages(30);
  const GenerationOutcome outcome = ask(30);
  EXPECT_EQ(outcome.counts.passages, 30);
  EXPECT_EQ(outcome.counts.asked, 30);
  EXPECT_EQ(outcome.counts.requests, 30);
  EXPECT_EQ(outcome.counts.retries, 0);
  EXPECT_EQ(outcome.counts.failed, 0);
  EXPECT_EQ(outcome.counts.usage.prompt, 3000);
  EXPECT_EQ(outcome.counts.usage.completion, 300);
  EXPECT_DOUBLE_EQ(outcome.counts.cost, (3000 * 2 + 300 * 10) / 1e6);
  ASSERT_EQ(outcome.questions.size(), 60u);
  for (std::size_t i = 0; i < 60; ++i) {
    EXPECT_EQ(outcome.questions[i].passage, static_cast<std::int64_t>(i / 2));
    EXPECT_EQ(outcome.questions[i].generator, "llm");
  }
  const auto requests = requests_by_passage();
  EXPECT_EQ(requests.size(), 30u);
  for (const Passage& passage : passages.rows) EXPECT_TRUE(requests.contains(passage.id));

  const GenerationOutcome again = ask(30);
  EXPECT_EQ(again.counts.from_journal, 30);
  EXPECT_EQ(again.counts.requests, 0);
  EXPECT_EQ(again.counts.earlier_usage.prompt, 3000);
  EXPECT_DOUBLE_EQ(again.counts.earlier_cost, outcome.counts.cost);
  ASSERT_EQ(again.questions.size(), 60u);
  for (std::size_t i = 0; i < 60; ++i)
    EXPECT_EQ(again.questions[i].text, outcome.questions[i].text);
  EXPECT_EQ(server_->asked().size(), 30u);
}

TEST_F(LlmTest, RepeatsWhatMayGoWellAnotherTime) {
  serve(R"({"script": [{"status": 500}, {"status": 503}, {}, {"status": 429}, {}, {"status": 408},
            {}, {"cut": 30}, {}, {"raw": "{\"choices\": ["}, {}, {"raw": "<html>", "content_type":
            "text/html"}, {}, {"raw": "{}"}, {}, {"status": 502, "body": ""}, {}]})");
  const GenerationOutcome outcome = ask(8);
  EXPECT_EQ(outcome.counts.asked, 8);
  EXPECT_EQ(outcome.counts.requests, 17);
  EXPECT_EQ(outcome.counts.retries, 9);
  EXPECT_EQ(outcome.counts.failed, 0);
  EXPECT_EQ(server_->asked().size(), 17u);
}

TEST_F(LlmTest, RepeatsWhatGotNoAnswerOrALateOne) {
  serve(R"({"script": [{"drop": true}, {"delay": 3}]})");
  config_.timeout_seconds = 0.5;
  const GenerationOutcome outcome = ask(1);
  EXPECT_EQ(outcome.counts.requests, 3);
  EXPECT_EQ(outcome.counts.retries, 2);
}

TEST_F(LlmTest, WaitsAsLongAsTheServerAsks) {
  serve(R"({"script": [{"status": 429, "headers": {"Retry-After": "1"}},
                       {}, {"status": 503, "headers": {"Retry-After": "{date+2}"}}]})");
  const auto began = std::chrono::steady_clock::now();
  const GenerationOutcome outcome = ask(2);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  EXPECT_EQ(outcome.counts.retries, 2);
  EXPECT_GE(seconds, 2);  // a date has whole seconds
  EXPECT_LT(seconds, 10);
}

TEST_F(LlmTest, LeavesOutPassagesWithoutAnswerAndAsksThemAgain) {
  serve(R"({"script": [{}, {"status": 500}, {"status": 500}, {"status": 500}, {},
                       {"status": 400, "body": {"error": {"message": "too long"}}}, {}]})");
  config_.attempts = 3;
  const GenerationOutcome outcome = ask(5);
  EXPECT_EQ(outcome.counts.asked, 3);
  EXPECT_EQ(outcome.counts.failed, 2);
  EXPECT_EQ(outcome.counts.requests, 7);
  EXPECT_EQ(outcome.counts.retries, 2);
  EXPECT_EQ(outcome.questions.size(), 6u);
  const GenerationOutcome rest = ask(5);
  EXPECT_EQ(rest.counts.asked, 2);
  EXPECT_EQ(rest.counts.from_journal, 3);
  EXPECT_EQ(rest.questions.size(), 10u);
}

TEST_F(LlmTest, StopsAtTheFirstPassageWithoutAnswerIfToldTo) {
  serve(R"({"script": [{}, {"status": 500}, {"status": 500}]})");
  config_.attempts = 2;
  config_.on_failure = "fail";
  const std::string message = failure(ErrorKind::kFailed, 5);
  EXPECT_NE(message.find("passage " + make_passages(2).rows[1].id), std::string::npos) << message;
  EXPECT_NE(message.find("HTTP 500 (scripted 500)"), std::string::npos) << message;
  EXPECT_EQ(ask(5).counts.from_journal, 1);
}

TEST_F(LlmTest, GivesUpOnAServerThatNeverAnswers) {
  config_.url = "http://127.0.0.1:1";
  config_.attempts = 2;
  config_.retry_seconds = 0;
  ::setenv("no_proxy", "*", 1);
  const std::string message = failure(ErrorKind::kFailed, 50);
  EXPECT_NE(message.find("10 passages in a row got no answer"), std::string::npos) << message;
  EXPECT_NE(message.find("127.0.0.1"), std::string::npos) << message;
}

TEST_F(LlmTest, HugeAnswersAreRefusedNotRepeated) {
  serve(R"({"script": [{"huge": 20000000}]})");
  const GenerationOutcome outcome = ask(2);
  EXPECT_EQ(outcome.counts.failed, 1);
  EXPECT_EQ(outcome.counts.asked, 1);
  EXPECT_EQ(outcome.counts.requests, 2);
}

TEST_F(LlmTest, CountsQuestionsThatLackOrAreTooMany) {
  serve(R"({"script": [{"answer": "1. One?"}, {"answer": "1. One?\n2. Two?\n3. Three?"},
                       {"answer": "I cannot."}, {"answer": "1. One?\n2. Tw", "finish": "length"},
                       {"answer": "", "finish": "length"},
                       {"answer": "<think>Is it", "finish": "length"}]})");
  const GenerationOutcome outcome = ask(6);
  EXPECT_EQ(outcome.counts.asked, 4);
  EXPECT_EQ(outcome.counts.failed, 2);  // nothing but the token limit
  EXPECT_EQ(outcome.counts.short_answers, 3);
  EXPECT_EQ(outcome.counts.missing_questions, 3);
  EXPECT_EQ(outcome.counts.surplus_questions, 1);
  EXPECT_EQ(outcome.counts.questions, 5);
  EXPECT_EQ(outcome.counts.usage.completion, 60);
}

TEST_F(LlmTest, AnswersAreStructuredWhereTheServerCan) {
  serve(R"({"then": {"answer": "{\"questions\": [\"What?\", \"Why?\"]}"}})");
  EXPECT_EQ(ask(1).questions.front().text, "What?");
  const Json fields = server_->asked().front()["fields"];
  EXPECT_EQ(fields,
            Json::array({"max_tokens", "messages", "model", "response_format", "temperature"}));
  EXPECT_EQ(server_->asked().front()["path"], "/v1/chat/completions");
}

TEST_F(LlmTest, RemembersWhatTheServerDoesNotKnow) {
  serve(R"({"then": {"refuse": ["response_format", "temperature"]}})");
  const GenerationOutcome outcome = ask(4);
  EXPECT_EQ(outcome.counts.asked, 4);
  EXPECT_EQ(outcome.counts.requests, 6);
  EXPECT_EQ(outcome.counts.retries, 0);
  EXPECT_EQ(server_->asked().size(), 6u);
}

TEST_F(LlmTest, FallsBackOnceFromManyThreads) {
  serve(R"({"then": {"delay": 0.05, "refuse": ["response_format"]}})");
  config_.concurrency = 4;
  const GenerationOutcome outcome = ask(12);
  EXPECT_EQ(outcome.counts.asked, 12);
  EXPECT_LE(outcome.counts.requests, 16);  // at most once for each thread
}

TEST_F(LlmTest, StructuredJsonAndTextAreKeptTo) {
  serve(R"({"then": {"refuse": ["response_format"]}})");
  config_.structured = "json";
  EXPECT_NE(failure(ErrorKind::kFailed, 1).find("none of 1 passages got an answer"),
            std::string::npos);
  config_.structured = "text";
  EXPECT_EQ(ask(1).counts.requests, 1);
}

TEST_F(LlmTest, SendsMaxCompletionTokensToServersThatWantIt) {
  serve(R"({"script": [{"status": 400, "body":
            {"error": {"message": "Use 'max_completion_tokens' instead."}}}]})");
  EXPECT_EQ(ask(2).counts.requests, 3);
  EXPECT_EQ(server_->asked()[2]["fields"][0], "max_completion_tokens");
}

TEST_F(LlmTest, SomeRefusalsEndTheRunAtOnce) {
  const std::pair<std::string, const char*> cases[] = {
      {R"({"status": 401})", "the server wants a key"},
      {R"({"status": 403})", "the server wants a key"},
      {R"({"status": 404})", "is there a model 'm' (llm.model)"},
      {R"({"status": 308, "headers": {"Location": "https://other/"}})",
       "it points to 'https://other/'"},
      {R"({"status": 429, "body": {"error": {"code": "insufficient_quota", "message": "pay"}}})",
       "(pay); the account at the server has nothing left"}};
  for (const auto& [step, part] : cases) {
    serve(R"({"then": )" + step + "}");
    const std::string message = failure(ErrorKind::kConfig, 3);
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(server_->asked().size(), 1u);
  }
}

TEST_F(LlmTest, TheKeyIsSentAndStaysNowhere) {
  ::setenv("ATTUNE_TEST_KEY", (kKey + "\n").c_str(), 1);
  config_.api_key_env = "ATTUNE_TEST_KEY";
  serve(R"({"script": [{"answer": "1. Is it sure?\n2. Yes?"}, {"status": 500, "body": "for {key}"},
            {"status": 400, "body": {"error": {"message": "bad {key} here"}}}, {},
            {"status": 401, "body": {"error": {"message": "Incorrect API key: {key}"}}}]})");
  testing::internal::CaptureStderr();
  config_.attempts = 2;
  const std::string message = failure(ErrorKind::kConfig, 4);
  const std::string logged = testing::internal::GetCapturedStderr();
  EXPECT_NE(message.find("Incorrect API key: [key]"), std::string::npos) << message;
  EXPECT_NE(logged.find("bad [key] here"), std::string::npos) << logged;
  for (const Json& asked : server_->asked()) EXPECT_EQ(asked["key"], true);
  for (std::size_t part = 0; part + 8 <= kKey.size(); ++part)
    for (const std::string& text : {message, logged, read_file(journal_)})
      EXPECT_EQ(text.find(kKey.substr(part, 8)), std::string::npos) << text;
  // Nor in what is printed of the configuration; an answer that repeats it loses it.
  EXPECT_EQ(print_config(config_).find(kKey.substr(0, 8)), std::string::npos);
  serve(R"({"then": {"answer": "1. Is it )" + kKey + R"(?\n2. Why?"}})");
  std::filesystem::remove(journal_);
  EXPECT_EQ(ask(1).questions.front().text, "Is it [key]?");
  EXPECT_EQ(read_file(journal_).find(kKey), std::string::npos);
  ::unsetenv("ATTUNE_TEST_KEY");
  EXPECT_EQ(ask(1).counts.from_journal, 1);  // nothing to ask: no key is needed
  std::filesystem::remove(journal_);
  EXPECT_NE(failure(ErrorKind::kConfig, 1).find("ATTUNE_TEST_KEY (llm.api_key_env) is not set"),
            std::string::npos);
}

TEST_F(LlmTest, TheKeyMayStandInAFile) {
  serve("{}");
  config_.api_key_file = scratch_ / "key";
  write_file_durably(config_.api_key_file, kKey + "\n");
  ask(1);
  EXPECT_EQ(server_->asked().front()["key"], true);
  std::filesystem::remove(journal_);
  for (const std::string& bad : {std::string(), std::string("\n"), kKey + "\nX-Other: 1",
                                 kKey + " " + kKey, std::string("\xff\xfe")}) {
    write_file_durably(config_.api_key_file, bad);
    const std::string message = failure(ErrorKind::kConfig, 1);
    EXPECT_NE(message.find("holds no key"), std::string::npos) << message;
    EXPECT_EQ(message.find(kKey), std::string::npos);
  }
}

TEST_F(LlmTest, TheConfigurationNeverRepeatsAMisplacedKey) {
  const auto message = [](const std::string& yaml) -> std::string {
    try {
      LlmConfig config;
      ConfigDocument::parse("url: http://h\nmodel: m\n" + yaml, "c.yaml").read(config);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(message("api_key_env: OPENAI_API_KEY"), "accepted");
  EXPECT_NE(message("api_key_env: " + kKey).find("c.yaml:3"), std::string::npos);
  EXPECT_EQ(message("api_key_env: " + kKey).find(kKey), std::string::npos);
  EXPECT_NE(message("api_key_env: A\napi_key_file: b").find("one of them"), std::string::npos);
  EXPECT_NE(message("on_failure: ignore").find("on_failure"), std::string::npos);
  LlmConfig config;
  const std::string with_key = "url: https://user:" + kKey + "@h/v1\nmodel: m";
  try {
    ConfigDocument::parse(with_key, "c.yaml").read(config);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find(kKey), std::string::npos) << error.what();
  }
}

TEST_F(LlmTest, StopsCleanlyAndGoesOn) {
  serve(R"({"then": {"delay": 0.03}})");
  config_.concurrency = 3;
  std::atomic<int> looks{0};
  const std::string message = failure(ErrorKind::kInterrupted, 100, [&] { return ++looks > 8; });
  EXPECT_NE(message.find("of 100 passages were answered"), std::string::npos) << message;
  const std::size_t asked_before = server_->asked().size();
  const GenerationOutcome outcome = ask(100);
  EXPECT_GT(outcome.counts.from_journal, 0);
  EXPECT_EQ(outcome.counts.from_journal + outcome.counts.asked, 100);
  EXPECT_EQ(outcome.questions.size(), 200u);
  EXPECT_EQ(server_->asked().size(), asked_before + outcome.counts.asked);
  // Only what was in flight is asked twice.
  EXPECT_LE(server_->asked().size(), 100u + 3);
}

TEST_F(LlmTest, AFullDiskEndsTheRun) {
  serve("{}");
  set_durable_hook([&](DurableOperation operation, const std::string& path) {
    return path == journal_ && operation == DurableOperation::kSync && server_->asked().size() > 2
               ? ENOSPC
               : 0;
  });
  failure(ErrorKind::kResources, 20);
  set_durable_hook({});
  EXPECT_LE(server_->asked().size(), 4u);
}

TEST_F(LlmTest, KeepsToTheLimitsAMinute) {
  serve("{}");
  config_.concurrency = 8;
  config_.requests_per_minute = 600;
  const auto began = std::chrono::steady_clock::now();
  ask(11);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  EXPECT_GE(seconds, 1.0);
  EXPECT_LT(seconds, 5.0);
}

TEST(RequestPace, CountsTokensThatWereUsed) {
  RequestPace pace(0, 60'000);  // a thousand a second
  const auto never = [] { return false; };
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(pace.wait_turn(100, never));
  pace.correct(0, 400);
  EXPECT_TRUE(pace.wait_turn(100, never));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  EXPECT_GE(seconds, 0.5);
  EXPECT_LT(seconds, 2);
  EXPECT_FALSE(pace.wait_turn(100, [] { return true; }));
}

TEST(RequestPace, BacksOffExponentiallyWithReproducibleJitter) {
  std::set<double> seen;
  for (int attempt = 1; attempt < 12; ++attempt) {
    const double whole = std::min(60.0, std::exp2(attempt - 1));
    for (std::int64_t row = 0; row < 20; ++row) {
      const double seconds = backoff_seconds(1, attempt, 7, row);
      EXPECT_GE(seconds, whole / 2);
      EXPECT_LE(seconds, whole);
      EXPECT_EQ(seconds, backoff_seconds(1, attempt, 7, row));
      seen.insert(seconds / whole);
    }
  }
  EXPECT_GT(seen.size(), 200u);
  EXPECT_NE(backoff_seconds(1, 1, 7, 0), backoff_seconds(1, 1, 8, 0));
}

TEST(OpenAILike, FindsTheAddress) {
  EXPECT_EQ(chat_completions_address("http://h:8000"), "http://h:8000/v1/chat/completions");
  EXPECT_EQ(chat_completions_address("http://h:8000/"), "http://h:8000/v1/chat/completions");
  EXPECT_EQ(chat_completions_address("https://h/v1"), "https://h/v1/chat/completions");
  EXPECT_EQ(chat_completions_address("https://h/v1//"), "https://h/v1/chat/completions");
  EXPECT_EQ(chat_completions_address("https://h/v1beta/openai"),
            "https://h/v1beta/openai/chat/completions");
  EXPECT_EQ(chat_completions_address("https://h/v1/chat/completions"),
            "https://h/v1/chat/completions");
}

// A model of one's own.
class Parrot : public LLM {
 public:
  Completion complete(const ChatRequest& request, const StopRequested&) override {
    Completion out;
    out.text = request.prompt.find("passage 1.") != std::string::npos ? "\xff" : "1. So?\n2. Why?";
    return out;
  }
};

TEST_F(LlmTest, TakesAModelOfOnesOwn) {
  Parrot parrot;
  config_.retry_seconds = 0;
  const GenerationOutcome outcome =
      generate_with_llm(parrot, make_passages(3), config_, 2, journal_, 1);
  EXPECT_EQ(outcome.counts.asked, 2);
  EXPECT_EQ(outcome.counts.failed, 1);  // not UTF-8, however often
  EXPECT_EQ(outcome.counts.requests, 2 + config_.attempts);
}

TEST_F(LlmTest, TheApplicationsOwnIsTheDefaultUntilItIsTakenBack) {
  struct Own : LanguageModel {
    std::string name() const override { return "own"; }
    std::string complete(const std::string& prompt) override {
      if (++asked == 1) throw std::runtime_error("not yet");
      return prompt.find("question") != std::string::npos ? "1. So?\n2. Why?" : "";
    }
    std::atomic<int> asked{0};
  };
  const auto own = std::make_shared<Own>();
  set_default_llm(own);
  EXPECT_EQ(default_llm_name(), "application:own");
  LlmConfig config = *default_llm();
  config.retry_seconds = 0;
  const GenerationOutcome outcome = generate_with_llm(make_passages(3), config, 2, journal_, 1);
  EXPECT_EQ(outcome.counts.asked, 3);
  EXPECT_EQ(outcome.counts.retries, 1);
  EXPECT_EQ(outcome.questions.size(), 6u);
  // What a run writes is read again, and refused without the object.
  ConfigDocument::parse("{url: application, model: own}", "c.yaml").read(config);
  set_default_llm(std::string());
  EXPECT_THROW(generate_with_llm(make_passages(3), config, 2, journal_ + "2", 1), Error);
  EXPECT_THROW(set_default_llm(std::shared_ptr<LanguageModel>()), Error);
}

TEST_F(LlmTest, EstimatesWithoutAskingOrWriting) {
  serve("{}");
  config_.price_prompt = 1;
  config_.requests_per_minute = 30;
  const LlmEstimate all = estimate_llm(make_passages(10), config_, 2, journal_);
  EXPECT_EQ(all.requests, 10);
  EXPECT_EQ(all.from_journal, 0);
  EXPECT_GT(all.usage.prompt, 10 * 100);
  EXPECT_DOUBLE_EQ(all.cost, static_cast<double>(all.usage.prompt) / 1e6);
  EXPECT_DOUBLE_EQ(all.least_seconds, 20);
  EXPECT_FALSE(file_exists(journal_));
  EXPECT_TRUE(server_->asked().empty());
  config_.requests_per_minute = 0;
  std::atomic<int> looks{0};
  config_.on_failure = "fail";
  serve(R"({"script": [{}, {}, {}, {"status": 400}]})");
  failure(ErrorKind::kFailed, 10);
  const LlmEstimate rest =
      estimate_llm(make_passages(10), config_, 2, journal_, [](std::string_view) { return 7; });
  EXPECT_EQ(rest.requests, 7);
  EXPECT_EQ(rest.from_journal, 3);
  EXPECT_EQ(rest.usage.prompt, 49);
}

TEST_F(LlmTest, APromptOfOnesOwnIsPartOfTheJournal) {
  serve("{}");
  ask(1);
  config_.prompt_file = scratch_ / "prompt.txt";
  write_file_durably(config_.prompt_file, "Ask {num_questions_per_chunk} of {context_str}");
  EXPECT_NE(failure(ErrorKind::kData, 1).find("a journal of other prompt"), std::string::npos);
  config_.prompt_file.clear();
  EXPECT_NE(failure(ErrorKind::kData, 2).find("a journal of other documents"), std::string::npos);
}

}  // namespace
}  // namespace attune
