// The one interface through which everything in attune, and everyone who links it, embeds text.
// Shaped after LlamaIndex's BaseEmbedding. All methods are const and thread-safe.
//
// What a call may use beside the model (a cache, a limit, callbacks) is attached with use()
// (attune/embedding_services.h); which model an application uses is asked of attune/settings.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#define ATTUNE_PUBLIC __attribute__((visibility("default")))

namespace attune {

class EmbeddingCallback;
struct EmbeddingServices;
struct EmbeddingUsage;

enum class Role : std::uint8_t { kQuery, kText };  // which stored prompt is put before the text

enum class SimilarityMode : std::uint8_t {
  kCosine,      // 0 where a vector is all zeros
  kDotProduct,  // a . b
  kEuclidean    // -|a - b|: the nearer, the greater
};

// Of two vectors of equal size, in double precision; else Error{kConfig}.
ATTUNE_PUBLIC double similarity(std::span<const float> a, std::span<const float> b,
                                SimilarityMode mode = SimilarityMode::kCosine);

// Called on the caller's thread after every batch with the texts done and all of them.
using EmbeddingProgress = std::function<void(std::size_t done, std::size_t total)>;

// [count, dimension] row-major -> one vector of that dimension.
using AggregateFunction =
    std::function<std::vector<float>(std::span<const float> vectors, std::size_t dimension)>;

class ATTUNE_PUBLIC BaseEmbedding : public std::enable_shared_from_this<BaseEmbedding> {
 public:
  virtual ~BaseEmbedding();
  BaseEmbedding(const BaseEmbedding&) = delete;
  BaseEmbedding& operator=(const BaseEmbedding&) = delete;

  std::vector<float> get_query_embedding(std::string_view query) const;
  std::vector<float> get_text_embedding(std::string_view text) const;
  // Row-major [n, dimension()].
  std::vector<float> get_query_embedding_batch(std::span<const std::string_view> queries,
                                               const EmbeddingProgress& progress = {}) const;
  std::vector<float> get_text_embedding_batch(std::span<const std::string_view> texts,
                                              const EmbeddingProgress& progress = {}) const;
  // One vector for several queries: their mean, or what `aggregate` makes of them. Error{kConfig}:
  // no query.
  std::vector<float> get_agg_embedding_from_queries(std::span<const std::string_view> queries,
                                                    const AggregateFunction& aggregate = {}) const;

  // The same on at most eight threads of the process; an error arrives in the future. A model that
  // a std::shared_ptr holds lives until then, another one must be kept. Not to be waited for inside
  // of a callback.
  std::future<std::vector<float>> aget_query_embedding(std::string query) const;
  std::future<std::vector<float>> aget_text_embedding(std::string text) const;
  std::future<std::vector<float>> aget_query_embedding_batch(
      std::vector<std::string> queries) const;
  std::future<std::vector<float>> aget_text_embedding_batch(std::vector<std::string> texts) const;
  std::future<std::vector<float>> aget_agg_embedding_from_queries(
      std::vector<std::string> queries, AggregateFunction aggregate = {}) const;

  // From the next call on these services are used in place of those before; calls under way end
  // with what they began with. No service changes what the vectors are, so a const model takes
  // them. With a cache the model's weights must not change any more.
  void use(EmbeddingServices services) const;
  // Beside those that are there; one that is there already is not added again.
  void add_callback(std::shared_ptr<EmbeddingCallback> callback) const;
  EmbeddingUsage usage() const;  // since the model was made

  virtual int dimension() const = 0;
  virtual std::string model_name() const = 0;  // without credentials
  // SHA-256 of what decides a passage's vector: an index made in one space is refused by another.
  virtual std::string document_space() const = 0;
  // The same of what decides a query's vector.
  virtual std::string query_space() const = 0;
  // Of an adapter that turns the queries of a base whose documents are its own, too, and so
  // searches an index of the base: query_space() of the base. Of every other model its own.
  virtual std::string base_query_space() const { return query_space(); }

 protected:
  BaseEmbedding();

  // The one thing that a kind implements. out: [texts.size(), dimension()] row-major; there is at
  // least one text.
  virtual void embed(Role role, std::span<const std::string_view> texts,
                     std::span<float> out) const = 0;

  // A kind that knows what a batch took overrides this, too; embed() then calls it.
  struct Taken {
    std::int64_t requests = 1;
    std::int64_t tokens = 0;  // 0: not known
  };
  virtual Taken embed_counted(Role role, std::span<const std::string_view> texts,
                              std::span<float> out) const;

  // What one embed() is given at most; 0: any. A longer text comes alone.
  struct BatchLimits {
    std::size_t texts = 0, bytes = 0;
  };
  virtual BatchLimits batch_limits() const { return {}; }

 private:
  struct State;
  std::vector<float> compute(Role role, std::span<const std::string_view> texts,
                             const EmbeddingProgress& progress) const;
  std::future<std::vector<float>> later(
      std::function<std::vector<float>(const BaseEmbedding&)> work) const;

  std::unique_ptr<State> state_;
};

// How a loaded model embeds; see docs/configuration.md for the same names in YAML.
struct EmbedOptions {
  std::string base;             // of an adapter; left out: the one it was trained on
  int max_length = 0;           // tokens; 0: the model's own limit
  int batch_tokens = 0;         // token budget of one forward; 0: 4096 on the processor, else 16384
  std::string device = "auto";  // auto, cpu, cuda, cuda:N
  std::string precision = "fp32";  // fp32, bf16; int8 (on the processor)
  // Prompts: the model's stored ones unless given here ("" turns one off).
  bool override_prompts = false;
  std::string query_prompt, document_prompt;
  int threads = 0;  // tokenizer threads; 0: all cores
};

// Which model is meant:
//
//   local:DIR, DIR     a model's or an adapter's directory
//   job-..., model-... a finetuned model by the id of its job or its own
//   NAME, ORG/NAME     in the Hugging Face cache; nothing is fetched
//   openai:MODEL@https://HOST/v1?api_key_env=NAME&dimensions=N&batch=N&attempts=N&timeout=SECONDS
//                      a server with OpenAI's POST /embeddings; what follows `?` may be left out.
//                      No key is sent unless the variable that holds it is named
//   vectors:FILE       vectors of known texts (docs/formats.md)
//   mock:DIMENSION     vectors drawn from the text, for tests of applications
//   default            what the user chose: $ATTUNE_EMBED_MODEL, or embed_model in settings.json
//                      (docs/formats.md). There is no other default
//   disabled, none     a model that refuses every use
//
// Throws attune::Error (data or configuration) that names what is missing or not understood, what
// was tried, and what to write.
ATTUNE_PUBLIC std::shared_ptr<const BaseEmbedding> resolve_embed_model(
    const std::string& model, const EmbedOptions& options = {});
// An object is itself; Error{kConfig} where there is none.
ATTUNE_PUBLIC std::shared_ptr<const BaseEmbedding> resolve_embed_model(
    std::shared_ptr<const BaseEmbedding> model);

}  // namespace attune
