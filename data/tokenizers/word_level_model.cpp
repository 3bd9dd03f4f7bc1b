#include "data/tokenizers/word_level_model.h"

#include <algorithm>

#include "data/tokenizers/json_place.h"

namespace attune {

WordLevelModel::WordLevelModel(const JsonPlace& section)
    : unknown_token_(section.at("unk_token").text()) {
  const JsonPlace vocabulary = section.at("vocab");
  for (const auto& [token, value] : vocabulary.object().items()) {
    if (!JsonPlace::is_id(value)) vocabulary.member(token, value).id();  // makes the message
    const auto id = value.get<std::int32_t>();
    if (!taken_.insert(id).second) {
      vocabulary.member(token, value).refuse("an id that no other token has");
    }
    ids_.emplace(token, id);
    id_limit_ = std::max(id_limit_, id + 1);
  }
}

std::int32_t WordLevelModel::id_of(std::string_view token) const {
  const auto found = ids_.find(std::string(token));
  return found == ids_.end() ? -1 : found->second;
}

void WordLevelModel::append(std::string_view piece, std::vector<std::int32_t>& out) const {
  std::int32_t id = id_of(piece);
  if (id < 0) id = id_of(unknown_token_);
  if (id < 0) {
    throw_error(ErrorKind::kData, "the tokenizer has no token for ", quote(piece),
                " and its unknown token ", quote(unknown_token_), " is not in its vocabulary");
  }
  out.push_back(id);
}

}  // namespace attune
