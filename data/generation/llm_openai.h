// Any server with OpenAI's POST /chat/completions: OpenAI itself, vLLM, llama.cpp, Ollama,
// `transformers serve`, ... (LlamaIndex's OpenAILike).
//
// What a server does not know is left out from then on, and said once: response_format with
// llm.structured auto, max_tokens (newer models of OpenAI want max_completion_tokens), temperature
// (models that reason refuse it). Such a server tells it with 400 or 422 and the name of the field.
// The key is kept as core/openai_server.h says.
#pragma once

#include <atomic>
#include <string>

#include "core/openai_server.h"
#include "data/generation/llm.h"
#include "data/generation/llm_config.h"

namespace attune {

class OpenAILike : public LLM {
 public:
  // Reads the key. Error{kConfig}: no such variable, an empty or impossible key.
  explicit OpenAILike(const LlmConfig& config);
  // Error{kConfig} as OpenAIServer::judge().
  Completion complete(const ChatRequest& request, const StopRequested& stop) override;

 private:
  // What a request holds beside model and messages; flags, so that threads may share them.
  enum Field : unsigned { kResponseFormat = 1, kMaxTokens = 2, kTemperature = 4 };
  HttpResult post(const ChatRequest& request, unsigned fields, const StopRequested& stop);
  bool concede(const HttpResult& result, unsigned fields);
  Completion read(const HttpResult& result) const;
  Completion read_answer(const HttpResult& result) const;

  LlmConfig config_;
  OpenAIServer server_;
  std::atomic<unsigned> fields_;
};

// Where requests go: `url` with /chat/completions, and /v1 before it where `url` has no path.
std::string chat_completions_address(const std::string& url);

}  // namespace attune
