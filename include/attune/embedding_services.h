// What a model's calls use beside the model: a cache, a limit of requests and tokens, callbacks.
//
//   attune::EmbeddingServices services;
//   services.cache = attune::open_sqlite_cache("vectors.sqlite");
//   services.limiter = attune::make_rate_limiter(3000, 1'000'000);
//   model->use(services);
//
// A call is cut into batches. For each batch: callbacks hear of its start; the cache is asked; what
// is not there waits for the limiter and is computed; callbacks hear of its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <attune/base_embedding.h>

namespace attune {

struct EmbeddingUsage {
  std::int64_t texts = 0;     // asked for
  std::int64_t tokens = 0;    // computed, where the kind of model knows; prompts included
  std::int64_t cached = 0;    // texts that the cache had
  std::int64_t requests = 0;  // batches computed; of a server's model what it was sent
  std::int64_t failures = 0;  // batches that ended in an error
  double seconds = 0;         // summed over threads, waiting included
};

// Of one batch. What it points to is there during the call only.
struct EmbeddingStart {
  std::int64_t batch = 0;  // a number of the process, the same at the start and the end
  std::string model_name;  // without credentials
  Role role = Role::kText;
  std::span<const std::string_view> chunks;
};
struct EmbeddingEnd {
  std::int64_t batch = 0;
  std::string model_name;
  Role role = Role::kText;
  std::span<const std::string_view> chunks;
  std::span<const float> embeddings;  // [chunks, dimension]; empty after an error
  std::int64_t cached = 0, tokens = 0;
  double seconds = 0;
  std::string error;  // empty: none
};

// Called on the threads that embed, several at a time. An exception ends the call and reaches its
// caller.
class ATTUNE_PUBLIC EmbeddingCallback {
 public:
  virtual ~EmbeddingCallback() = default;
  virtual void on_embedding_start(const EmbeddingStart&) {}
  virtual void on_embedding_end(const EmbeddingEnd&) {}
};

// Vectors by keys: SHA-256 (64 hexadecimal digits) of role, the model's space of that role (which
// holds weights and prompt), dimension and text. The precision of computing is no part of it, as in
// an index: a model in bf16 is given what one in fp32 has put there. Thread-safe.
class ATTUNE_PUBLIC EmbeddingCache {
 public:
  virtual ~EmbeddingCache() = default;
  // Row i of `vectors` [keys, dimension] is filled, and element i of the result is true, where
  // there is such a key.
  virtual std::vector<bool> find(std::span<const std::string> keys, std::span<float> vectors) = 0;
  virtual void put(std::span<const std::string> keys, std::span<const float> vectors) = 0;
};

// In memory, at most so many bytes: what was not used for longest goes first.
ATTUNE_PUBLIC std::shared_ptr<EmbeddingCache> make_memory_cache(std::size_t max_bytes);
// In a file that several processes may share, on a local file system (docs/formats.md). Throws
// attune::Error: a file that is no such cache (data), or cannot be written (resources).
ATTUNE_PUBLIC std::shared_ptr<EmbeddingCache> open_sqlite_cache(const std::string& path);

// Thread-safe.
class ATTUNE_PUBLIC RateLimiter {
 public:
  virtual ~RateLimiter() = default;
  // Returns when a request of about so many tokens may go. Asked for what is computed only.
  virtual void wait(std::int64_t tokens) = 0;
  // What it took beside what wait() was told; may be negative.
  virtual void correct(std::int64_t requests, std::int64_t tokens) = 0;
};

// Evenly spread, never in a burst at the minute's start; 0: no limit. Tokens are taken to be a
// quarter of the bytes and corrected where the model knows better. One limiter may serve several
// models.
ATTUNE_PUBLIC std::shared_ptr<RateLimiter> make_rate_limiter(int requests_per_minute,
                                                             int tokens_per_minute);

struct EmbeddingServices {
  std::shared_ptr<EmbeddingCache> cache = {};
  std::shared_ptr<RateLimiter> limiter = {};
  std::vector<std::shared_ptr<EmbeddingCallback>> callbacks = {};
  // Texts of a batch; 0: as many as the model takes at once, which is fastest for a local model (it
  // sorts them by length and makes its own forwards).
  int embed_batch_size = 0;
};

}  // namespace attune
