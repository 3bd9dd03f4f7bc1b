// The token ids of a corpus, made once and kept in a file that is mapped: texts may be more than
// memory holds. The file is called KEY.tokens after what decides it (texts and their order,
// tokenizer, prompt, limit), so that another corpus, or another tokenizer, never finds it.
//
// FOLDER/KEY.tokens, little-endian:
//   int32[num_ids]         ids, one text after the other
//   (to a multiple of 8)
//   int64[num_texts + 1]   where each text begins among the ids, and their number
//   trailer                magic, version, counts, the whole key, CRC-32C of ids, offsets, trailer
//
// A file whose size, sums, key or ids are wrong is made anew, never used. It may be deleted at any
// time. Several processes may build the same one: each writes its own, and the last one stays.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/file.h"
#include "core/hash.h"
#include "data/tokenizers/tokenizer.h"

namespace attune {

// Gives the texts in their order, in pieces: calls its argument with one piece after the other.
using TextSource =
    std::function<void(const std::function<void(std::span<const std::string_view>)>&)>;

class TokenCache {
 public:
  // Reads `texts` once, for the key, and once more where they have to be tokenised (as
  // Tokenizer::encode_batch; threads 0: all cores). Memory: a piece, and 4 bytes a text while the
  // file is written. Error{kData}: `texts` gives other texts the second time, or one that is not
  // UTF-8. Error{kResources}: the folder cannot be written.
  TokenCache(const std::string& folder, const Tokenizer& tokenizer, std::string_view prompt,
             int max_length, const TextSource& texts, int threads = 0);

  bool was_built() const { return was_built_; }  // now, as there was no good file
  const std::string& path() const { return path_; }
  std::int64_t num_texts() const { return std::ssize(offsets_) - 1; }
  std::int64_t num_ids() const { return std::ssize(ids_); }
  // Valid while the cache lives.
  std::span<const std::int32_t> operator[](std::int64_t text) const {
    return ids_.subspan(static_cast<std::size_t>(offsets_[text]),
                        static_cast<std::size_t>(offsets_[text + 1] - offsets_[text]));
  }

 private:
  bool open(const Fingerprint& key, std::int32_t vocabulary_size);

  std::string path_;
  std::optional<MappedFile> map_;
  std::span<const std::int32_t> ids_;
  std::span<const std::int64_t> offsets_;
  bool was_built_ = false;
};

}  // namespace attune
