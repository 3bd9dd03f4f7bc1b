#include "data/generation/llm_openai.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"

namespace attune {
namespace {

constexpr std::size_t kMaxAnswerBytes = std::size_t{8} << 20;
constexpr std::size_t kShownBytes = 300;  // of what a server says
constexpr std::size_t kShortestPart = 8;  // of a key that is never shown
constexpr std::size_t kLongestKey = 1024;

std::string trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin));
}

// Messages name the place, never what stands there.
std::string read_key(const LlmConfig& config) {
  std::string key, place;
  if (!config.api_key_env.empty()) {
    place = "the environment variable " + config.api_key_env;
    const char* const value = std::getenv(config.api_key_env.c_str());
    if (value == nullptr)
      throw_error(ErrorKind::kConfig, place,
                  " (llm.api_key_env) is not set: export it with the key, or leave api_key_env out "
                  "for a server without keys");
    key = trimmed(value);
  } else if (!config.api_key_file.empty()) {
    place = config.api_key_file;
    key = trimmed(read_file(place, 64 << 10));
  } else {
    return {};
  }
  if (key.empty() || key.size() > kLongestKey ||
      std::any_of(key.begin(), key.end(), [](char c) { return c <= ' ' || c > '~'; }))
    throw_error(ErrorKind::kConfig, place,
                " holds no key: expected one line of printable ASCII without blanks");
  return key;
}

// Of a message's object or array, the member; null where there is none.
const Json& member(const Json& value, const char* key) {
  static const Json null;
  if (!value.is_object()) return null;
  const auto found = value.find(key);
  return found == value.end() ? null : *found;
}

std::int64_t tokens(const Json& usage, const char* key) {
  const Json& value = member(usage, key);
  if (!value.is_number_integer()) return 0;
  const double count = value.get<double>();
  return count < 0 || count > 1e12 ? 0 : value.get<std::int64_t>();
}

// The text with [key] for every part of `key` of at least `shortest` characters.
std::string without_runs(std::string_view text, std::string_view key, std::size_t shortest) {
  if (key.empty()) return std::string(text);
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t longest = 0;
    for (std::size_t from = 0; from + shortest <= key.size(); ++from) {
      const std::string_view part = key.substr(from);
      std::size_t same = 0;
      while (at + same < text.size() && same < part.size() && text[at + same] == part[same]) ++same;
      longest = std::max(longest, same);
    }
    if (longest >= shortest) {
      out += "[key]";
      at += longest;
    } else {
      out += text[at++];
    }
  }
  return out;
}

Completion failure(Completion::Status status, std::string problem) {
  Completion out;
  out.status = status;
  out.problem = std::move(problem);
  return out;
}

}  // namespace

std::string chat_completions_address(const std::string& url) {
  std::string address = url;
  while (address.ends_with('/')) address.pop_back();
  if (address.ends_with("/chat/completions")) return address;
  const std::size_t host = address.find("://");
  const bool has_path =
      host != std::string::npos && address.find('/', host + 3) != std::string::npos;
  return address + (has_path ? "" : "/v1") + "/chat/completions";
}

OpenAILike::OpenAILike(const LlmConfig& config)
    : config_(config),
      address_(chat_completions_address(config.url)),
      key_(read_key(config)),
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
  HttpRequest http{.url = address_, .body = dump_json_like_python(body, -1)};
  if (!key_.empty()) http.headers.push_back("Authorization: Bearer " + key_);
  http.total_seconds = config_.timeout_seconds;
  http.connect_seconds = std::min(http.connect_seconds, config_.timeout_seconds);
  http.max_bytes = kMaxAnswerBytes;
  http.stop = stop;
  return http_.post_json(http);
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
  if (fields_.fetch_and(~field) & field) log_info(str_cat(address_, ": the server ", instead));
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
  using Status = Completion::Status;
  switch (result.failure) {
    case HttpFailure::kNone:
      break;
    case HttpFailure::kStopped:
      return failure(Status::kStopped, "stopped");
    case HttpFailure::kTransport:
      return failure(Status::kTryAgain, str_cat(address_, ": ", result.message));
    case HttpFailure::kTooLarge:
      return failure(Status::kRefused, str_cat(address_, ": ", result.message));
    case HttpFailure::kUntrusted:
      throw_error(ErrorKind::kConfig, address_,
                  ": the server's certificate is not trusted: ", result.message,
                  "; SSL_CERT_FILE names the certificate of an authority of your own");
  }
  const int status = result.status;
  if (status >= 200 && status < 300) return read_answer(result);
  const std::string what = str_cat(address_, ": HTTP ", status, said(result));
  if (status >= 300 && status < 400)
    throw_error(ErrorKind::kConfig, what, "; it points to '", masked(result.redirect),
                "', where a key is not sent by itself: give that address as llm.url");
  if (status == 401 || status == 403)
    throw_error(ErrorKind::kConfig, what, "; ",
                key_.empty() ? "the server wants a key: name it with llm.api_key_env or "
                               "llm.api_key_file"
                             : "the server refuses the key of llm.api_key_env or api_key_file, or "
                               "what it may be used for");
  if (status == 404)
    throw_error(ErrorKind::kConfig, what, "; is there a model '", config_.model,
                "' (llm.model), and is llm.url right?");
  if (status == 402 ||
      (status == 429 && result.body.find("insufficient_quota") != std::string::npos))
    throw_error(ErrorKind::kConfig, what, "; the account at the server has nothing left to spend");
  const bool again = status == 408 || status == 429 || status >= 500;
  Completion out = failure(again ? Status::kTryAgain : Status::kRefused, what);
  out.retry_after_seconds = result.retry_after_seconds;
  return out;
}

Completion OpenAILike::read_answer(const HttpResult& result) const {
  using Status = Completion::Status;
  Json value;
  try {
    value = parse_json(result.body, "answer");
  } catch (const Error& error) {
    return failure(Status::kTryAgain,
                   str_cat(address_, ": what came is not JSON (", masked(error.what()), ") but '",
                           masked(result.content_type), "'"));
  }
  Completion out;
  const Json& usage = member(value, "usage");
  out.usage = {tokens(usage, "prompt_tokens"), tokens(usage, "completion_tokens")};
  const Json& choices = member(value, "choices");
  static const Json null;
  const Json& choice = choices.is_array() && !choices.empty() ? choices.front() : null;
  const Json& content = member(member(choice, "message"), "content");
  const Json& finish = member(choice, "finish_reason");
  out.cut_off = finish == "length";
  if (choice.is_null()) {
    out.status = Status::kTryAgain;
    out.problem = str_cat(address_, ": the answer has no choices[0]", said(result));
  } else if (!content.is_string() || content.get_ref<const std::string&>().empty()) {
    out.status = Status::kRefused;
    out.problem = str_cat(
        address_, ": the answer holds no text",
        out.cut_off ? "; llm.max_tokens was used up, by reasoning perhaps: raise it"
                    : str_cat(" (finish_reason ", masked(finish.dump()).substr(0, 60), ")"));
  } else {
    out.text = content.get<std::string>();
    // Only all of it, and no placeholder such as "none": an answer is made of words.
    if (key_.size() >= kShortestPart) out.text = without_runs(out.text, key_, key_.size());
  }
  return out;
}

// What the server says to a status, for a message: " (...)".
std::string OpenAILike::said(const HttpResult& result) const {
  std::string text = result.body.substr(0, 64 << 10);
  try {
    const Json value = parse_json(result.body, "answer");
    const Json& error = member(value, "error");
    for (const Json* place :
         {&member(error, "message"), &error, &member(value, "message"), &member(value, "detail")})
      if (place->is_string()) {
        text = place->get<std::string>();
        break;
      }
  } catch (const Error&) {
  }
  text = masked(trimmed(text));
  if (text.size() > kShownBytes) {
    std::size_t end = kShownBytes;
    while (end > 0 && (text[end] & 0xc0) == 0x80) --end;  // not inside a character
    text = text.substr(0, end) + "...";
  }
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  if (find_invalid_utf8(text) != std::string::npos) text = "bytes that are not text";
  return text.empty() ? "" : " (" + text + ")";
}

std::string OpenAILike::masked(std::string_view text) const {
  return without_runs(text, key_, std::min<std::size_t>(kShortestPart, key_.size()));
}

}  // namespace attune
