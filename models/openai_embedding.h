// An embedding model behind a server with OpenAI's POST /embeddings: OpenAI itself, vLLM,
// text-embeddings-inference, llama.cpp, Ollama, ... (LlamaIndex's OpenAIEmbedding and
// OpenAILikeEmbedding). Texts are sent as they are, line ends in them.
//
// Its space is the SHA-256 of address, model, dimension and prompts, all that is known from
// outside: a server that gets other weights under the same name is not noticed
// (docs/decisions/024-serving.md).
//
// Vectors are asked for as base64, and as numbers where the server refuses `encoding_format`; both
// are read whatever was asked for. Rows are put in order by their `index`. What is not one finite
// vector of the model's dimension for each text is Error{kData}.
//
// The key is kept as core/openai_server.h says.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>

#include <attune/base_embedding.h>

#include "core/openai_server.h"
#include "core/request_pace.h"

namespace attune {

struct OpenAIEmbeddingConfig {
  std::string url, model;
  std::string api_key_env;    // the variable that holds the key; empty: none is sent
  int dimensions = 0;         // asked of the server; 0: the model's own, learnt with one request
  int batch = 2048;           // texts of a request
  int attempts = 6;           // of a request that fails in a way that may pass
  double retry_seconds = 1;   // about how long the second attempt waits, then twice as long, ...
  int timeout_seconds = 120;  // for an answer
  std::string query_prompt, document_prompt;  // put before the texts here
};

class OpenAIEmbedding : public BaseEmbedding {
 public:
  // Asks nobody yet. Error{kConfig}: the key.
  explicit OpenAIEmbedding(OpenAIEmbeddingConfig config);
  // `text`: MODEL@URL?NAME=VALUE; see resolve_embed_model.
  // Error{kConfig}: what is not written so. Of `options` the prompts are taken.
  static std::shared_ptr<const BaseEmbedding> resolve(const std::string& text,
                                                      const EmbedOptions& options);

  // Error{kConfig} of OpenAIServer::judge(); {kFailed}: no answer after all attempts; {kData}: a
  // request that is refused, or an answer that is none.
  int dimension() const override;
  std::string model_name() const override { return config_.model + "@" + config_.url; }
  std::string document_space() const override { return space(config_.document_prompt); }
  std::string query_space() const override { return space(config_.query_prompt); }

 protected:
  void embed(Role role, std::span<const std::string_view> texts,
             std::span<float> out) const override {
    embed_counted(role, texts, out);
  }
  Taken embed_counted(Role role, std::span<const std::string_view> texts,
                      std::span<float> out) const override;
  BatchLimits batch_limits() const override;

 private:
  struct Answer {
    std::vector<std::vector<float>> vectors;
    Taken taken;
  };
  Answer ask(const std::vector<std::string>& texts) const;
  void read(const HttpResult& result, std::size_t rows, Answer& answer) const;
  std::vector<float> read_vector(const Json& value, std::size_t row) const;
  std::string space(const std::string& prompt) const;
  [[noreturn]] void refuse(const std::string& what) const;

  OpenAIEmbeddingConfig config_;
  mutable OpenAIServer server_;     // its connections
  mutable RequestPace pace_{0, 0};  // pauses that the server asks for
  mutable std::atomic<bool> base64_{true};
  mutable std::mutex learning_;
  mutable std::atomic<int> dimension_{0};  // 0: not known yet
};

}  // namespace attune
