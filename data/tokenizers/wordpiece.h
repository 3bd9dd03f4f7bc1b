// The tokenizer of BERT and its family: normalise, split into words, cut each word greedily into
// the longest pieces of the vocabulary (Schuster and Nakajima 2012; Devlin et al. 2019).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/tokenizers/added_tokens.h"
#include "data/tokenizers/bert_normalizer.h"
#include "data/tokenizers/byte_trie.h"
#include "data/tokenizers/tokenizer.h"

namespace attune {

// Everything that decides the ids. wordpiece_files.h reads it from a model directory.
struct BertWordPieceRules {
  BertNormalizerRules normalizer;
  std::vector<std::pair<std::string, std::int32_t>> vocabulary;  // distinct tokens, distinct ids
  std::string unknown_token = "[UNK]";                           // of the vocabulary
  std::string continuation = "##";                               // before a piece inside a word
  std::uint64_t max_characters_per_word = 100;                   // longer words are unknown
  std::vector<AddedToken> added_tokens;
  std::vector<std::int32_t> prefix_ids;  // before every text: [CLS]
  std::vector<std::int32_t> suffix_ids;  // behind it: [SEP]
};

class BertWordPiece final : public Tokenizer {
 public:
  // Refuses (kData, naming `place`) rules that could give an id outside [0, vocabulary_size()).
  BertWordPiece(BertWordPieceRules rules, const std::string& place);

  // A max_length that has no room for the special tokens is an Error{kConfig}. (The peer's unsigned
  // arithmetic wraps around there and does not cut at all.)
  void encode(std::string_view prompt, std::string_view text, int max_length,
              std::vector<std::int32_t>& out) const override;
  // Highest id + 1, added tokens included: an embedding table of as many rows is large enough.
  std::int32_t vocabulary_size() const override { return vocabulary_size_; }
  Fingerprint fingerprint() const override { return fingerprint_; }

 private:
  void append_normalized(std::string_view text, std::size_t limit,
                         std::vector<std::int32_t>& out) const;
  void append_word(std::string_view word, std::vector<std::int32_t>& out) const;

  BertNormalizer normalizer_;
  ByteTrie trie_;
  ByteTrie::Node inside_;  // where the pieces inside a word start
  AddedTokenMatcher raw_tokens_, normalized_tokens_;
  std::uint64_t max_characters_per_word_;
  std::vector<std::int32_t> prefix_ids_, suffix_ids_;
  std::int32_t unknown_id_ = -1;
  std::int32_t vocabulary_size_ = 0;
  Fingerprint fingerprint_;
};

}  // namespace attune
