// Byte-pair encoding (Sennrich et al. 2016) as `tokenizers` 0.23 does it: a piece starts as its
// characters, and the pair of neighbours whose merge stands first in the list becomes one token
// until no pair is left. A word of n characters takes O(n log n).
//
// Read from the section "model" of type BPE: vocab, merges ("a b" or ["a", "b"]), unk_token,
// continuing_subword_prefix, end_of_word_suffix, fuse_unk, byte_fallback (a character that is
// missing becomes the tokens "<0xXX>" of its bytes), ignore_merges (a piece that is a token is not
// cut). Dropout other than 0 is refused: it is for training.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/tokenizers/merge_table.h"
#include "data/tokenizers/token_model.h"

namespace attune {

class BpeModel final : public TokenModel {
 public:
  // Refused (kData, with the place): ids of two tokens, merges that are not two tokens of the
  // vocabulary or whose result is none of it, and what the options above cannot mean.
  explicit BpeModel(const JsonPlace& section);

  // A character that is missing is left out where there is no unknown token, as in the peer.
  void append(std::string_view piece, std::vector<std::int32_t>& out) const override;
  std::int32_t id_of(std::string_view token) const override;
  bool has_id(std::int32_t id) const override;
  std::int32_t num_tokens() const override { return static_cast<std::int32_t>(ids_.size()); }
  std::int32_t id_limit() const override { return static_cast<std::int32_t>(taken_.size()); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  using Ids = std::vector<std::int32_t>;

  void read_vocabulary(const JsonPlace& vocabulary);
  void read_merges(const JsonPlace& merges);
  void put_merge(const JsonPlace& place, std::uint32_t rank, const std::string& left,
                 const std::string& right);
  void find_separator();
  void append_word(std::string_view word, Ids& out) const;
  // The ids of the word's characters.
  void append_characters(std::string_view word, Ids& out) const;
  std::int32_t character_id(char32_t c) const;
  void merge_short(Ids& ids, std::size_t begin) const;
  void merge_long(Ids& ids, std::size_t begin) const;

  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> ids_;
  std::vector<bool> taken_;                                 // [id_limit]
  std::vector<std::int32_t> plane_ids_;                     // of U+0000 to U+FFFF, -1: none
  std::unordered_map<char32_t, std::int32_t> distant_ids_;  // of the others
  std::vector<std::int32_t> byte_ids_;                      // [256] of "<0xXX>", -1: none
  MergeTable merges_;
  std::string prefix_, suffix_;  // of characters inside a word; of its last character
  std::optional<std::string> unknown_token_;
  std::int32_t unknown_id_ = -1;  // -1: not in the vocabulary
  bool fuse_unknown_, byte_fallback_, ignore_merges_;
  bool cut_before_separator_ = false;  // see find_separator()
  std::uint32_t owner_;                // in the WordCache
  std::string place_;
};

}  // namespace attune
