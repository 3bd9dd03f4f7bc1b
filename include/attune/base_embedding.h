// The one interface through which everything in attune, and everyone who links it, embeds text.
// Shaped after LlamaIndex's BaseEmbedding. All methods are const and thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#define ATTUNE_PUBLIC __attribute__((visibility("default")))

namespace attune {

enum class Role : std::uint8_t { kQuery, kText };  // which stored prompt is put before the text

class ATTUNE_PUBLIC BaseEmbedding {
 public:
  virtual ~BaseEmbedding() = default;

  std::vector<float> get_query_embedding(std::string_view query) const;
  std::vector<float> get_text_embedding(std::string_view text) const;
  // Row-major [n, dimension()].
  std::vector<float> get_query_embedding_batch(std::span<const std::string_view> queries) const;
  std::vector<float> get_text_embedding_batch(std::span<const std::string_view> texts) const;

  virtual int dimension() const = 0;
  virtual std::string model_name() const = 0;
  // SHA-256 of what decides a passage's vector: an index made in one space is refused by another.
  virtual std::string document_space() const = 0;
  // The same of what decides a query's vector.
  virtual std::string query_space() const = 0;

 protected:
  // out: [texts.size(), dimension()] row-major.
  virtual void embed(Role role, std::span<const std::string_view> texts,
                     std::span<float> out) const = 0;
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

// "local:DIR", a directory, or a name found in the Hugging Face cache (no network is used). Throws
// attune::Error (data) naming what is missing or not understood.
ATTUNE_PUBLIC std::shared_ptr<const BaseEmbedding> resolve_embed_model(
    const std::string& model, const EmbedOptions& options = {});

}  // namespace attune
