// The unigram model of tokenizer.json: of all ways to cut a piece into tokens the one with the
// highest sum of scores (Viterbi; Kudo 2018), as the `tokenizers` package finds it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/tokenizers/double_array.h"
#include "data/tokenizers/token_model.h"

namespace attune {

class UnigramModel final : public TokenModel {
 public:
  // The section "model": "vocab", a list of [token, score] whose index is the id; "unk_id" (null: a
  // character that is no token is an error when it comes, as in the peer); "byte_fallback".
  // Refused: no tokens, an unknown id that none of them has, a score that is not a finite number,
  // sampling.
  explicit UnigramModel(const JsonPlace& section);

  // A character that is no token costs 10 more than the worst token; neighbours of that kind become
  // one unknown token, or with byte_fallback the tokens <0x00> to <0xFF> of their bytes, if the
  // vocabulary has all that are needed. Of sums alike the one that is found first counts: whose
  // last token is the longest. Time and memory linear in the piece (times the longest token), no
  // allocation for pieces of less than kShortPiece bytes.
  void append(std::string_view piece, std::vector<std::int32_t>& out) const override;

  std::int32_t id_of(std::string_view token) const override { return trie_.find(token); }
  bool has_id(std::int32_t id) const override { return id >= 0 && id < num_tokens(); }
  std::int32_t num_tokens() const override { return static_cast<std::int32_t>(scores_.size()); }
  std::int32_t id_limit() const override { return num_tokens(); }

 private:
  struct End {  // of the best way to a byte of the piece
    double score;
    std::uint32_t start;  // of its last token
    std::int32_t id;      // of that token; -1: no way leads here
  };
  static constexpr std::size_t kShortPiece = 192;
  void append(std::string_view piece, End* ends, std::vector<std::int32_t>& out) const;
  void append_unknown(std::string_view text, std::vector<std::int32_t>& out) const;

  DoubleArray trie_;
  std::vector<double> scores_;
  double unknown_score_ = 0.0;
  std::int32_t unknown_id_ = -1;
  bool byte_fallback_;
  std::array<std::int32_t, 256> byte_ids_;  // -1: no such token
};

}  // namespace attune
