#include "data/generation/llm_openai.h"

#include <utility>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"

namespace attune {
namespace {

constexpr std::size_t kMaxAnswerBytes = std::size_t{8} << 20;

Completion failure(Completion::Status status, std::string problem) {
  Completion out;
  out.status = status;
  out.problem = std::move(problem);
  return out;
}

}  // namespace

std::string chat_completions_address(const std::string& url) {
  return openai_address(url, "/chat/completions");
}

OpenAILike::OpenAILike(const LlmConfig& config)
    : config_(config),
      server_({config.url, "/chat/completions", config.model, config.api_key_env,
               config.api_key_file, "llm.", config.timeout_seconds}),
      fields_(kMaxTokens | kTemperature | kResponseFormat) {
  if (config.structured == "text") fields_ = kMaxTokens | kTemperature;
}

HttpResult OpenAILike::post(const ChatRequest& request, unsigned fields,
                            const StopRequested& stop) {
  Json body = {{"model", config_.model},
               {"messages", Json::array({{{"role", "user"}, {"content", request.prompt}}})}};
  body[fields & kMaxTokens ? "max_tokens" : "max_completion_tokens"] = config_.max_tokens;
  if (fields & kTemperature) body["temperature"] = config_.temperature;
  if (fields & kResponseFormat && !request.json_schema.empty())
    body["response_format"] = {{"type", "json_schema"},
                               {"json_schema",
                                {{"name", "answer"},
                                 {"strict", true},
                                 {"schema", parse_json(request.json_schema, "schema")}}}};
  return server_.post(body, kMaxAnswerBytes, stop);
}

// Whether the request is worth sending again without a field that it had and the server names.
bool OpenAILike::concede(const HttpResult& result, unsigned fields) {
  if (result.status != 400 && result.status != 422) return false;
  const auto named = [&](const char* word) { return result.body.find(word) != std::string::npos; };
  unsigned field = 0;
  const char* instead = "";
  if (fields & kMaxTokens && named("max_completion_tokens")) {
    field = kMaxTokens;
    instead = "takes max_completion_tokens, not max_tokens";
  } else if (fields & kResponseFormat && config_.structured == "auto" &&
             (named("response_format") || named("json_schema"))) {
    field = kResponseFormat;
    instead = "knows no response_format: answers are read as text (llm.structured)";
  } else if (fields & kTemperature && named("temperature")) {
    field = kTemperature;
    instead = "takes no temperature: its own is used";
  }
  if (field == 0) return false;
  if (fields_.fetch_and(~field) & field)
    log_info(str_cat(server_.address(), ": the server ", instead));
  return true;
}

Completion OpenAILike::complete(const ChatRequest& request, const StopRequested& stop) {
  for (std::int64_t requests = 1;; ++requests) {
    const unsigned fields = fields_.load();
    const HttpResult result = post(request, fields, stop);
    // Each time a field that was sent falls away, so this ends.
    if (result.failure == HttpFailure::kNone && concede(result, fields)) continue;
    Completion out = read(result);
    out.requests = requests;
    return out;
  }
}

Completion OpenAILike::read(const HttpResult& result) const {
  const OpenAIOutcome outcome = server_.judge(result);
  using Status = Completion::Status;
  switch (outcome.status) {
    case OpenAIOutcome::Status::kAnswered:
      return read_answer(result);
    case OpenAIOutcome::Status::kStopped:
      return failure(Status::kStopped, outcome.problem);
    case OpenAIOutcome::Status::kRefused:
      return failure(Status::kRefused, outcome.problem);
    case OpenAIOutcome::Status::kTryAgain:
      break;
  }
  Completion out = failure(Status::kTryAgain, outcome.problem);
  out.retry_after_seconds = outcome.retry_after_seconds;
  return out;
}

Completion OpenAILike::read_answer(const HttpResult& result) const {
  using Status = Completion::Status;
  Json value;
  try {
    value = parse_json(result.body, "answer");
  } catch (const Error& error) {
    return failure(Status::kTryAgain, str_cat(server_.address(), ": what came is not JSON (",
                                              server_.masked(error.what()), ") but '",
                                              server_.masked(result.content_type), "'"));
  }
  Completion out;
  const Json& usage = member(value, "usage");
  out.usage = {token_count(usage, "prompt_tokens"), token_count(usage, "completion_tokens")};
  const Json& choices = member(value, "choices");
  static const Json null;
  const Json& choice = choices.is_array() && !choices.empty() ? choices.front() : null;
  const Json& content = member(member(choice, "message"), "content");
  const Json& finish = member(choice, "finish_reason");
  out.cut_off = finish == "length";
  if (choice.is_null()) {
    out.status = Status::kTryAgain;
    out.problem =
        str_cat(server_.address(), ": the answer has no choices[0]", server_.said(result));
  } else if (!content.is_string() || content.get_ref<const std::string&>().empty()) {
    out.status = Status::kRefused;
    out.problem = str_cat(
        server_.address(), ": the answer holds no text",
        out.cut_off
            ? "; llm.max_tokens was used up, by reasoning perhaps: raise it"
            : str_cat(" (finish_reason ", server_.masked(finish.dump()).substr(0, 60), ")"));
  } else {
    out.text = content.get<std::string>();
    out.text = server_.without_key(out.text);
  }
  return out;
}

}  // namespace attune
