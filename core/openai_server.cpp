#include "core/openai_server.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/error.h"
#include "core/file.h"

namespace attune {
namespace {

constexpr std::size_t kShownBytes = 300;  // of what a server says
constexpr std::size_t kShortestPart = 8;  // of a key that is never shown
constexpr std::size_t kLongestKey = 1024;

std::string trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin));
}

// Messages name the place, never what stands there.
std::string read_key(const OpenAIServerConfig& config) {
  std::string key, place;
  if (!config.api_key_env.empty()) {
    place = "the environment variable " + config.api_key_env;
    const char* const value = std::getenv(config.api_key_env.c_str());
    if (value == nullptr)
      throw_error(ErrorKind::kConfig, place, " (", config.settings,
                  "api_key_env) is not set: export it with the key, or leave api_key_env out "
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

}  // namespace

const Json& member(const Json& value, const char* key) {
  static const Json null;
  if (!value.is_object()) return null;
  const auto found = value.find(key);
  return found == value.end() ? null : *found;
}

std::int64_t token_count(const Json& usage, const char* key) {
  const Json& value = member(usage, key);
  if (!value.is_number_integer()) return 0;
  const double count = value.get<double>();
  return count < 0 || count > 1e12 ? 0 : value.get<std::int64_t>();
}

std::string openai_address(const std::string& url, const std::string& endpoint) {
  std::string address = url;
  while (address.ends_with('/')) address.pop_back();
  if (address.ends_with(endpoint)) return address;
  const std::size_t host = address.find("://");
  const bool has_path =
      host != std::string::npos && address.find('/', host + 3) != std::string::npos;
  return address + (has_path ? "" : "/v1") + endpoint;
}

OpenAIServer::OpenAIServer(OpenAIServerConfig config)
    : config_(std::move(config)),
      address_(openai_address(config_.url, config_.endpoint)),
      key_(read_key(config_)) {}

HttpResult OpenAIServer::post(const Json& body, std::size_t max_answer_bytes,
                              const StopRequested& stop) {
  HttpRequest http{.url = address_, .body = dump_json_like_python(body, -1)};
  if (!key_.empty()) http.headers.push_back("Authorization: Bearer " + key_);
  http.total_seconds = config_.timeout_seconds;
  http.connect_seconds = std::min(http.connect_seconds, config_.timeout_seconds);
  http.max_bytes = max_answer_bytes;
  http.stop = stop;
  return http_.post_json(http);
}

OpenAIOutcome OpenAIServer::judge(const HttpResult& result) const {
  using Status = OpenAIOutcome::Status;
  const std::string& settings = config_.settings;
  switch (result.failure) {
    case HttpFailure::kNone:
      break;
    case HttpFailure::kStopped:
      return {Status::kStopped, "stopped"};
    case HttpFailure::kTransport:
      return {Status::kTryAgain, str_cat(address_, ": ", result.message)};
    case HttpFailure::kTooLarge:
      return {Status::kRefused, str_cat(address_, ": ", result.message)};
    case HttpFailure::kUntrusted:
      throw_error(ErrorKind::kConfig, address_,
                  ": the server's certificate is not trusted: ", result.message,
                  "; SSL_CERT_FILE names the certificate of an authority of your own");
  }
  const int status = result.status;
  if (status >= 200 && status < 300) return {};
  const std::string what = str_cat(address_, ": HTTP ", status, said(result));
  if (status >= 300 && status < 400)
    throw_error(ErrorKind::kConfig, what, "; it points to '", masked(result.redirect),
                "', where a key is not sent by itself: give that address as ", settings, "url");
  if (status == 401 || status == 403)
    throw_error(ErrorKind::kConfig, what, "; ",
                key_.empty() ? "the server wants a key: name it with "
                             : "the server refuses, or does not allow this, the key of ",
                settings, "api_key_env",
                settings.empty() ? "" : " or " + settings + "api_key_file");
  if (status == 404)
    throw_error(ErrorKind::kConfig, what, "; is there a model '", config_.model, "' (", settings,
                "model), and is ", settings, "url right?");
  if (status == 402 ||
      (status == 429 && result.body.find("insufficient_quota") != std::string::npos))
    throw_error(ErrorKind::kConfig, what, "; the account at the server has nothing left to spend");
  const bool again = status == 408 || status == 429 || status >= 500;
  return {again ? Status::kTryAgain : Status::kRefused, what, result.retry_after_seconds};
}

std::string OpenAIServer::said(const HttpResult& result) const {
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

std::string OpenAIServer::masked(std::string_view text) const {
  return without_runs(text, key_, std::min<std::size_t>(kShortestPart, key_.size()));
}

// No placeholder such as "none": texts are made of words.
std::string OpenAIServer::without_key(std::string_view text) const {
  return key_.size() < kShortestPart ? std::string(text) : without_runs(text, key_, key_.size());
}

}  // namespace attune
