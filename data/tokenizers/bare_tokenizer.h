// A tokenizer without its special tokens: `tokenizers`' add_special_tokens=False, as static
// embeddings are given their texts.
#pragma once

#include <memory>
#include <optional>

#include "data/tokenizers/tokenizer.h"

namespace attune {

class BareTokenizer final : public Tokenizer {
 public:
  // `nothing`, if given: the id that stands for a text without tokens, which gives none otherwise.
  explicit BareTokenizer(std::unique_ptr<Tokenizer> whole,
                         std::optional<std::int32_t> nothing = {});

  void encode(std::string_view prompt, std::string_view text, int max_length,
              std::vector<std::int32_t>& out) const override;
  std::int32_t vocabulary_size() const override { return whole_->vocabulary_size(); }
  Fingerprint fingerprint() const override;

 private:
  std::unique_ptr<Tokenizer> whole_;
  std::optional<std::int32_t> nothing_;
  int before_ = 0, behind_ = 0;  // special tokens around every text
};

}  // namespace attune
