#include "data/tokenizers/added_tokens.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "data/tokenizers/characters.h"
#include "data/tokenizers/quote.h"

namespace attune {
namespace {

using unicode_tables::kSpace;
using unicode_tables::kWord;

std::vector<std::pair<std::string_view, std::int32_t>> keys_of(
    const std::vector<AddedToken>& tokens) {
  std::vector<std::pair<std::string_view, std::int32_t>> keys;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    keys.emplace_back(tokens[i].content, static_cast<std::int32_t>(i));
  }
  return keys;
}

bool ends_with(std::string_view text, std::uint16_t flag) {
  if (text.empty()) return false;
  std::size_t at = previous_character(text, text.size());
  return Characters::get().flags(next_character(text, at)) & flag;
}

bool starts_with(std::string_view text, std::uint16_t flag) {
  std::size_t at = 0;
  return !text.empty() && (Characters::get().flags(next_character(text, at)) & flag);
}

}  // namespace

void check_special_ids(const std::function<bool(std::int32_t)>& in_vocabulary,
                       const std::vector<AddedToken>& added,
                       const std::vector<std::int32_t>& prefix,
                       const std::vector<std::int32_t>& suffix, const std::string& place) {
  for (const AddedToken& token : added)
    if (token.id < 0)
      throw_error(ErrorKind::kData, place, ": added token ", quote(token.content),
                  " has the negative id ", token.id);
  const auto is_added = [&](std::int32_t id) {
    return std::any_of(added.begin(), added.end(),
                       [id](const AddedToken& token) { return token.id == id; });
  };
  for (const auto* side : {&prefix, &suffix})
    for (const std::int32_t id : *side)
      if (!in_vocabulary(id) && !is_added(id))
        throw_error(ErrorKind::kData, place, ": every text would get the id ", id,
                    ", which no token of the vocabulary has");
}

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)), trie_(keys_of(tokens_)) {
  for (const AddedToken& token : tokens_) {
    starts_[static_cast<unsigned char>(token.content[0])] = true;
  }
}

bool AddedTokenPieces::find(std::size_t& begin, std::size_t& end, const AddedToken*& token) {
  while (search_from_ < text_.size()) {
    if (!matcher_.starts_[static_cast<unsigned char>(text_[search_from_])]) {
      ++search_from_;
      continue;
    }
    const ByteTrie::Match match =
        matcher_.trie_.longest_prefix(ByteTrie::kRoot, text_.substr(search_from_));
    if (match.length == 0) {
      ++search_from_;
      continue;
    }
    begin = search_from_;
    end = search_from_ += match.length;
    token = &matcher_.tokens_[static_cast<std::size_t>(match.value)];
    // A match beside a word is passed over whole; the peer does not try a shorter one.
    if (!token->single_word ||
        (!ends_with(text_.substr(0, begin), kWord) && !starts_with(text_.substr(end), kWord))) {
      return true;
    }
  }
  return false;
}

bool AddedTokenPieces::next(Piece& piece) {
  if (held_id_ >= 0) {
    piece = {{}, std::exchange(held_id_, -1)};
    return true;
  }
  std::size_t begin = 0, end = 0;
  const AddedToken* token = nullptr;
  if (matcher_.empty() || !find(begin, end, token)) {
    piece = {text_.substr(std::min(piece_from_, text_.size())), -1};
    piece_from_ = text_.size();
    return !piece.text.empty();
  }
  if (token->lstrip) {
    while (begin > piece_from_ && ends_with(text_.substr(0, begin), kSpace)) {
      begin = previous_character(text_, begin);
    }
    begin = std::max(begin, piece_from_);
  }
  if (token->rstrip) {
    while (starts_with(text_.substr(end), kSpace)) next_character(text_, end);
  }
  const std::string_view before =
      begin > piece_from_ ? text_.substr(piece_from_, begin - piece_from_) : std::string_view();
  // As in the peer, the search goes on behind the token itself, not behind what rstrip took.
  piece_from_ = end;
  if (before.empty()) {
    piece = {{}, token->id};
  } else {
    piece = {before, -1};
    held_id_ = token->id;
  }
  return true;
}

}  // namespace attune
