// A language model that answers prompts. One of your own derives from LLM and is given to
// generate_with_llm (data/generation/llm_generation.h), which repeats, limits, journals and counts.
#pragma once

#include <cstdint>
#include <string>

#include "core/stop.h"

namespace attune {

struct ChatRequest {
  std::string prompt;  // UTF-8
  // A JSON schema that the answer should follow, where the model can be held to one; empty: none.
  std::string json_schema = {};
};

struct TokenUsage {
  std::int64_t prompt = 0, completion = 0;  // 0 where the server does not tell
  TokenUsage& operator+=(const TokenUsage& other) {
    prompt += other.prompt;
    completion += other.completion;
    return *this;
  }
};

struct Completion {
  enum class Status : std::uint8_t {
    kAnswered,
    kTryAgain,  // may go well another time: overloaded, out of reach, an answer cut off on its way
    kRefused,   // would come to the same another time: this prompt is too long, not allowed, ...
    kStopped
  };
  Status status = Status::kAnswered;
  std::string text;          // UTF-8, of an answer
  bool cut_off = false;      // the answer ends at the token limit, not where the model ended
  std::string problem = {};  // why there is no answer; without keys
  std::int64_t retry_after_seconds = 0;  // what the server asks to wait
  std::int64_t requests = 1;             // that it took
  TokenUsage usage;
};

class LLM {
 public:
  virtual ~LLM() = default;
  // Asks once; called from several threads. Returns kStopped soon after `stop` comes true. Throws
  // Error for what every further prompt would meet: a refused key, an unknown model.
  virtual Completion complete(const ChatRequest& request, const StopRequested& stop) = 0;
};

}  // namespace attune
