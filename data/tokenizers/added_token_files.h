// Reads the added tokens of a tokenizer.json and gives them the ids that the peer gives them.
#pragma once

#include <functional>
#include <vector>

#include "data/tokenizers/added_tokens.h"
#include "data/tokenizers/json_place.h"

namespace attune {

// What has to be known of a vocabulary to add tokens to it.
struct VocabularyView {
  std::function<std::int32_t(const std::string&)> id_of;  // -1: none
  std::function<bool(std::int32_t)> has_id;
  std::int32_t num_tokens = 0;
};

// The section "added_tokens" (null: none), in its order. An added token has the vocabulary's own
// id, or else the next one behind the vocabulary and the tokens added before. Refused: another id
// in the file (the peer would use the one that follows, the file means its own), an id that is
// taken, a content that was there before. Empty contents are passed over, as in the peer.
std::vector<AddedToken> read_added_tokens(const JsonPlace& section, const VocabularyView& model);

// The tokens to look for before (`normalized` false) or after normalising, whose contents are
// normalised themselves. Refused: contents that are empty or alike then.
std::vector<AddedToken> tokens_to_match(const std::vector<AddedToken>& tokens, bool normalized,
                                        const std::function<std::string(std::string)>& normalize,
                                        const std::string& place);

}  // namespace attune
