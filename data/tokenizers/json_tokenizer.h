// The tokenizer that a tokenizer.json describes, whatever it is made of: added tokens found in the
// raw text, normalizer, added tokens found in normalised text, pre-tokenizer, model, special tokens
// around all. Equal to `tokenizers` 0.23's Tokenizer. BERT's own kind has a faster one of its own
// (wordpiece.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizers/added_tokens.h"
#include "data/tokenizers/json_place.h"
#include "data/tokenizers/normalizer.h"
#include "data/tokenizers/post_processor.h"
#include "data/tokenizers/pre_tokenizer.h"
#include "data/tokenizers/token_model.h"
#include "data/tokenizers/tokenizer.h"

namespace attune {

enum class TruncationSide : std::uint8_t { kRight, kLeft };  // where a text too long is cut

class JsonTokenizer final : public Tokenizer {
 public:
  // A parsed tokenizer.json, which is not needed afterwards; `place` is its path. What attune does
  // not do is an Error{kData} that names it. `side`: see truncation_side().
  JsonTokenizer(const Json& file, const std::string& place,
                TruncationSide side = TruncationSide::kRight);

  // A max_length that has no room for the special tokens is an Error{kConfig}.
  void encode(std::string_view prompt, std::string_view text, int max_length,
              std::vector<std::int32_t>& out) const override;
  // Highest id + 1, added tokens included: an embedding table of as many rows is large enough.
  std::int32_t vocabulary_size() const override { return vocabulary_size_; }
  Fingerprint fingerprint() const override { return fingerprint_; }

 private:
  void append_normalized(std::string_view text, bool at_start, std::size_t limit,
                         std::vector<std::int32_t>& out) const;
  std::string normalized(std::string text) const;

  std::unique_ptr<Normalizer> normalizer_;
  std::unique_ptr<PreTokenizer> pre_tokenizer_;
  std::unique_ptr<TokenModel> model_;
  SpecialIds special_;
  std::vector<AddedToken> added_tokens_;
  AddedTokenMatcher raw_tokens_, normalized_tokens_;
  TruncationSide side_;
  std::int32_t vocabulary_size_ = 0;
  Fingerprint fingerprint_;
};

// Where transformers cuts: truncation_side of tokenizer_config.json (null: no such file), else the
// direction of tokenizer.json's truncation section, else right.
TruncationSide truncation_side(const Json& tokenizer, const std::string& place, const Json& config,
                               const std::string& config_place);

}  // namespace attune
