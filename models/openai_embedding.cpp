#include "models/openai_embedding.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/base64.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/served_model.h"

namespace attune {
namespace {

constexpr std::size_t kBytesOfRequest = 256 << 10;  // OpenAI takes 300,000 tokens
constexpr std::int64_t kLongestPause = 120;         // seconds, whatever a server asks
constexpr int kWidest = 1 << 16;
constexpr std::size_t kBytesOfNumber = 32;  // as text, at most
constexpr std::array<std::string_view, 5> kSettings = {"api_key_env", "dimensions", "batch",
                                                       "attempts", "timeout"};

bool never() { return false; }

}  // namespace

OpenAIEmbedding::OpenAIEmbedding(OpenAIEmbeddingConfig config)
    : config_(std::move(config)),
      server_({config_.url, "/embeddings", config_.model, config_.api_key_env, "", "",
               static_cast<double>(config_.timeout_seconds)}),
      dimension_(config_.dimensions) {}

std::shared_ptr<const BaseEmbedding> OpenAIEmbedding::resolve(const std::string& text,
                                                              const EmbedOptions& options) {
  const std::string place = "model openai:MODEL@URL";
  OpenAIEmbeddingConfig config;
  const ServedModel served = parse_served_model(text, kSettings, place);
  config.url = served.url;
  while (config.url.ends_with('/')) config.url.pop_back();
  config.model = served.model;
  if (const auto key = served.settings.find("api_key_env"); key != served.settings.end())
    config.api_key_env = key->second;
  config.dimensions = served_number(served, "dimensions", 0, 1, kWidest, place);
  config.batch = served_number(served, "batch", config.batch, 1, 2048, place);
  config.attempts = served_number(served, "attempts", config.attempts, 1, 20, place);
  config.timeout_seconds = served_number(served, "timeout", config.timeout_seconds, 1, 3600, place);
  if (options.override_prompts) {
    config.query_prompt = options.query_prompt;
    config.document_prompt = options.document_prompt;
  }
  return std::make_shared<OpenAIEmbedding>(std::move(config));
}

int OpenAIEmbedding::dimension() const {
  if (const int known = dimension_; known > 0) return known;
  const std::scoped_lock lock(learning_);
  if (dimension_ == 0) {
    const Answer answer = ask({"dimension"});
    dimension_ = static_cast<int>(answer.vectors[0].size());
  }
  return dimension_;
}

std::string OpenAIEmbedding::space(const std::string& prompt) const {
  return sha256(str_cat("openai embeddings\n", server_.address(), "\n", config_.model, "\n",
                        dimension(), "\n", prompt));
}

BaseEmbedding::BatchLimits OpenAIEmbedding::batch_limits() const {
  return {static_cast<std::size_t>(config_.batch), kBytesOfRequest};
}

BaseEmbedding::Taken OpenAIEmbedding::embed_counted(Role role,
                                                    std::span<const std::string_view> texts,
                                                    std::span<float> out) const {
  const std::string& prompt = role == Role::kQuery ? config_.query_prompt : config_.document_prompt;
  std::vector<std::string> whole;
  for (const std::string_view text : texts) whole.push_back(prompt + std::string(text));
  const Answer answer = ask(whole);
  auto row = out.begin();
  for (const std::vector<float>& vector : answer.vectors)
    row = std::copy(vector.begin(), vector.end(), row);
  return answer.taken;
}

OpenAIEmbedding::Answer OpenAIEmbedding::ask(const std::vector<std::string>& texts) const {
  Answer answer;
  answer.taken.requests = 0;
  const std::size_t width = dimension_ > 0 ? static_cast<std::size_t>(dimension_) : kWidest;
  const std::size_t most_bytes = (1 << 16) + texts.size() * (1024 + width * kBytesOfNumber);
  for (int attempt = 1;;) {
    pace_.wait_turn(0, never);
    const bool base64 = base64_;
    Json body = {{"model", config_.model}, {"input", texts}};
    if (base64) body["encoding_format"] = "base64";
    if (config_.dimensions > 0) body["dimensions"] = config_.dimensions;
    const HttpResult result = server_.post(body, most_bytes);
    ++answer.taken.requests;
    if (base64 && (result.status == 400 || result.status == 422) &&
        result.body.find("encoding_format") != std::string::npos) {
      if (base64_.exchange(false))
        log_info(str_cat(server_.address(), ": the server knows no base64: vectors come as text"));
      continue;
    }
    OpenAIOutcome outcome = server_.judge(result);
    if (outcome.status == OpenAIOutcome::Status::kAnswered) {
      try {
        read(result, texts.size(), answer);
        return answer;
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kFailed) throw;
        outcome = {OpenAIOutcome::Status::kTryAgain, error.what()};
      }
    }
    if (outcome.status != OpenAIOutcome::Status::kTryAgain) refuse(outcome.problem);
    if (attempt == config_.attempts)
      throw_error(ErrorKind::kFailed, outcome.problem, "; given up after ", attempt,
                  attempt == 1 ? " attempt" : " attempts");
    log_warning(str_cat(outcome.problem, "; trying again"));
    if (outcome.retry_after_seconds > 0)
      pace_.pause(static_cast<double>(std::min(outcome.retry_after_seconds, kLongestPause)));
    else
      wait_for(backoff_seconds(config_.retry_seconds, attempt, 0, answer.taken.requests), never);
    ++attempt;
  }
}

void OpenAIEmbedding::refuse(const std::string& what) const {
  const bool named = what.starts_with(server_.address());
  throw_error(ErrorKind::kData, named ? what : server_.address() + ": " + what);
}

void OpenAIEmbedding::read(const HttpResult& result, std::size_t rows, Answer& answer) const {
  Json value;
  try {
    value = parse_json(result.body, "answer");
  } catch (const Error& error) {
    throw_error(ErrorKind::kFailed, server_.address(), ": what came is not JSON (",
                server_.masked(error.what()), ") but '", server_.masked(result.content_type), "'");
  }
  const Json& data = member(value, "data");
  if (!data.is_array())
    refuse("the answer has no array 'data'" + server_.said(result) +
           "; is this the address of embeddings?");
  if (data.size() != rows)
    refuse(str_cat("the answer has ", data.size(), " vectors for ", rows, " texts"));
  std::vector<std::vector<float>> vectors(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    const Json& index = member(data[i], "index");
    if (!index.is_number_integer() || index < 0 || index >= rows)
      refuse(str_cat("data[", i, "].index: expected a whole number from 0 to ", rows - 1));
    std::vector<float>& vector = vectors[index.get<std::size_t>()];
    if (!vector.empty()) refuse(str_cat("data[", i, "].index: is there twice"));
    vector = read_vector(member(data[i], "embedding"), i);
  }
  answer.vectors = std::move(vectors);
  answer.taken.tokens = token_count(member(value, "usage"), "prompt_tokens");
}

std::vector<float> OpenAIEmbedding::read_vector(const Json& value, std::size_t row) const {
  const std::string place = str_cat("data[", row, "].embedding");
  std::vector<float> vector;
  if (value.is_string()) {
    const auto bytes = decode_base64(value.get_ref<const std::string&>());
    if (!bytes || bytes->size() % sizeof(float) != 0)
      refuse(place + ": is no base64 of 32-bit numbers");
    vector.resize(bytes->size() / sizeof(float));
    std::memcpy(vector.data(), bytes->data(), bytes->size());
  } else if (value.is_array()) {
    for (const Json& number : value) {
      if (!number.is_number()) refuse(place + ": holds something that is no number");
      vector.push_back(static_cast<float>(number.get<double>()));
    }
  } else {
    refuse(place + ": expected numbers or base64");
  }
  const int expected = dimension_;
  if (vector.empty() || vector.size() > kWidest ||
      (expected > 0 && vector.size() != static_cast<std::size_t>(expected)))
    refuse(str_cat(place, ": has ", vector.size(), " numbers, expected ",
                   expected > 0 ? std::to_string(expected) : "1 to 65536",
                   config_.dimensions > 0 ? " (dimensions)" : ""));
  if (!std::all_of(vector.begin(), vector.end(), [](float x) { return std::isfinite(x); }))
    refuse(place + ": holds NaN or infinity");
  return vector;
}

}  // namespace attune
