// The simplest model: every piece is a token of the vocabulary, or unknown.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>

#include "data/tokenizers/token_model.h"

namespace attune {

class WordLevelModel final : public TokenModel {
 public:
  // The section "model" with "vocab" and "unk_token". Refused: ids given to two tokens. A piece
  // outside the vocabulary is the unknown token, which may be missing until a piece needs it, as in
  // the peer.
  explicit WordLevelModel(const JsonPlace& section);

  void append(std::string_view piece, std::vector<std::int32_t>& out) const override;
  std::int32_t id_of(std::string_view token) const override;
  bool has_id(std::int32_t id) const override { return taken_.count(id) != 0; }
  std::int32_t num_tokens() const override { return static_cast<std::int32_t>(ids_.size()); }
  std::int32_t id_limit() const override { return id_limit_; }

 private:
  std::unordered_map<std::string, std::int32_t> ids_;
  std::unordered_set<std::int32_t> taken_;
  std::string unknown_token_;
  std::int32_t id_limit_ = 0;
};

}  // namespace attune
