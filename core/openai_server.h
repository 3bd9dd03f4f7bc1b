// A server with OpenAI's API, asked at one of its endpoints: where requests go, the key, and what
// its answers mean. Of language models (data/generation/llm_openai.h) and of embedding models
// (models/openai_embedding.h).
//
// The key goes into one header of the requests and nowhere else. Servers repeat keys in what they
// answer: [key] stands for it, and for any part of 8 characters, in everything that leaves here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/http_client.h"
#include "core/json.h"
#include "core/stop.h"

namespace attune {

struct OpenAIServerConfig {
  std::string url, endpoint;  // https://HOST/v1, /embeddings
  std::string model;
  std::string api_key_env, api_key_file;  // which of them holds the key; neither: none is sent
  std::string settings;                   // before their names in messages: "llm."
  double timeout_seconds = 120;           // for a whole answer
};

// What came of a request.
struct OpenAIOutcome {
  enum class Status : std::uint8_t {
    kAnswered,
    kTryAgain,  // may go well another time: overloaded, out of reach, an answer cut off on its way
    kRefused,   // would come to the same another time
    kStopped
  };
  Status status = Status::kAnswered;
  std::string problem = {};              // why there is no answer; without keys
  std::int64_t retry_after_seconds = 0;  // what the server asks to wait
};

// Thread-safe.
class OpenAIServer {
 public:
  // Reads the key. Error{kConfig}: no such variable, an empty or impossible key.
  explicit OpenAIServer(OpenAIServerConfig config);

  HttpResult post(const Json& body, std::size_t max_answer_bytes, const StopRequested& stop = {});
  // Error{kConfig} for what every further request would meet: the server refuses the key (401,
  // 403), knows no such model or address (404), points elsewhere (3xx), has no certificate that is
  // trusted, or wants to be paid first.
  OpenAIOutcome judge(const HttpResult& result) const;
  // What the server says beside a status, for a message: " (...)" or nothing.
  std::string said(const HttpResult& result) const;
  std::string masked(std::string_view text) const;       // for messages: no part of the key
  std::string without_key(std::string_view text) const;  // the whole key alone; of 8 and more
  const std::string& address() const { return address_; }

 private:
  OpenAIServerConfig config_;
  std::string address_, key_;
  HttpClient http_;
};

// `url` with the endpoint, and /v1 before it where `url` has no path.
std::string openai_address(const std::string& url, const std::string& endpoint);

// Of an object the member, null where there is none or `value` is no object.
const Json& member(const Json& value, const char* key);

// Of an answer's `usage`; 0 where the server does not tell.
std::int64_t token_count(const Json& usage, const char* key);

}  // namespace attune
