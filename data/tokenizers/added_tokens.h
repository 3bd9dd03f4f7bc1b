// Tokens that are found in the text as they stand ("[SEP]", "[MASK]", tokens added by a finetuner),
// before or after normalising, as `tokenizers`' AddedVocabulary finds them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizers/byte_trie.h"

namespace attune {

struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool single_word = false;  // not beside a word character
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // and behind it
  bool normalized = false;   // matched in normalised text, after being normalised itself
  bool operator==(const AddedToken&) const = default;
};

// Error{kData} with `place` where an added token's id is negative, or one that every text gets
// before or behind its own is neither an added token's nor one of the vocabulary.
void check_special_ids(const std::function<bool(std::int32_t)>& in_vocabulary,
                       const std::vector<AddedToken>& added,
                       const std::vector<std::int32_t>& prefix,
                       const std::vector<std::int32_t>& suffix, const std::string& place);

class AddedTokenMatcher {  // immutable and thread-safe
 public:
  // The contents are what is looked for (normalised already where that is asked for); they must be
  // distinct and not empty.
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);
  AddedTokenMatcher(const AddedTokenMatcher&) = delete;  // the trie's keys are tokens_
  bool empty() const { return tokens_.empty(); }

 private:
  friend class AddedTokenPieces;
  std::vector<AddedToken> tokens_;
  ByteTrie trie_;          // values are indices of tokens_
  bool starts_[256] = {};  // bytes that a token may start with
};

// Cuts a text into tokens found in it (leftmost, longest first) and the pieces between them, in
// order.
class AddedTokenPieces {
 public:
  struct Piece {
    std::string_view text;
    std::int32_t id;  // -1: text
  };
  AddedTokenPieces(const AddedTokenMatcher& matcher, std::string_view text)
      : matcher_(matcher), text_(text) {}
  bool next(Piece& piece);

 private:
  bool find(std::size_t& begin, std::size_t& end, const AddedToken*& token);

  const AddedTokenMatcher& matcher_;
  std::string_view text_;
  std::size_t search_from_ = 0;
  std::size_t piece_from_ = 0;  // where the next piece of text starts
  std::int32_t held_id_ = -1;   // a token whose piece of text went out first
};

}  // namespace attune
