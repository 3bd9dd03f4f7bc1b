// BERT's normaliser and pre-tokeniser, equal to `tokenizers` 0.23's BertNormalizer and
// BertPreTokenizer for every string. Steps, in the peer's order, each by its switch:
//   clean_text            drops control characters, U+0000 and U+FFFD; white space becomes U+0020
//   handle_chinese_chars  puts spaces around CJK ideographs, so that each is a word
//   strip_accents         canonical decomposition (NFD), then nonspacing marks are dropped
//   lowercase             character by character (no final-sigma rule)
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "data/tokenizers/characters.h"

namespace attune {

class JsonPlace;  // json_place.h

struct BertNormalizerRules {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
  bool operator==(const BertNormalizerRules&) const = default;
};

// The section "normalizer" of a tokenizer.json, of type BertNormalizer.
BertNormalizerRules read_bert_normalizer(const JsonPlace& section);

class BertNormalizer {  // immutable and thread-safe
 public:
  explicit BertNormalizer(const BertNormalizerRules& rules);
  const BertNormalizerRules& rules() const { return rules_; }
  // Appends what becomes of `text`, which must be UTF-8. Normalising is independent on both sides
  // of a white space character, so a long text may be given in parts cut behind one.
  void append(std::string_view text, std::string& out) const;
  std::string normalize(std::string_view text) const;

 private:
  friend class NormalizerOutput;
  const Characters& characters_;
  BertNormalizerRules rules_;
  std::array<char, 128> ascii_;  // 0x80: dropped
};

// The words of normalised text, in order: split at white space (dropped), every punctuation
// character a word of its own.
class BertWords {
 public:
  explicit BertWords(std::string_view text) : text_(text) {}
  bool next(std::string_view& word);

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace attune
