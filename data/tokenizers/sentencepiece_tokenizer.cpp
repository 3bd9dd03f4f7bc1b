#include "data/tokenizers/sentencepiece_tokenizer.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "data/tokenizers/quote.h"

namespace attune {
namespace {

void check_ids(const SentencePieceModel& model, const SentencePieceRules& rules,
               const std::string& place) {
  ATTUNE_ASSERT(rules.ids.size() == static_cast<std::size_t>(model.size()));
  std::unordered_set<std::int32_t> ids;
  for (const std::int32_t id : rules.ids) {
    if (id < 0) throw_error(ErrorKind::kData, place, ": a piece has the negative id ", id);
    ids.insert(id);
  }
  check_special_ids([&](std::int32_t id) { return ids.contains(id); }, rules.added_tokens,
                    rules.prefix_ids, rules.suffix_ids, place);
}

Fingerprint fingerprint_of(std::string_view file, const SentencePieceRules& rules) {
  Sha256 hash;
  const auto put = [&hash](std::string_view part) {
    hash.update(str_cat(part.size(), ":")).update(part);
  };
  put("SentencePiece 1");
  put(file);
  for (const auto* ids : {&rules.ids, &rules.prefix_ids, &rules.suffix_ids}) {
    std::string text;
    for (const std::int32_t id : *ids) text += str_cat(id, " ");
    put(text);
  }
  auto added = rules.added_tokens;
  std::sort(added.begin(), added.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  for (const AddedToken& token : added) {
    put(token.content);
    put(str_cat(token.id, token.single_word, token.lstrip, token.rstrip));
  }
  return hash.hex();
}

}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(SentencePieceModel model, std::string_view file,
                                               SentencePieceRules rules, const std::string& place)
    : model_(std::move(model)),
      ids_(rules.ids),
      prefix_ids_(rules.prefix_ids),
      suffix_ids_(rules.suffix_ids),
      added_tokens_(rules.added_tokens),
      fingerprint_(fingerprint_of(file, rules)) {
  check_ids(model_, rules, place);
  for (const std::int32_t id : ids_) vocabulary_size_ = std::max(vocabulary_size_, id + 1);
  for (const AddedToken& token : rules.added_tokens) {
    vocabulary_size_ = std::max(vocabulary_size_, token.id + 1);
  }
}

void SentencePieceTokenizer::encode(std::string_view prompt, std::string_view text, int max_length,
                                    std::vector<std::int32_t>& out) const {
  const std::size_t room = room_for_text(max_length, prefix_ids_.size() + suffix_ids_.size());
  std::string joined;
  text = join_checked(prompt, text, joined);
  out.insert(out.end(), prefix_ids_.begin(), prefix_ids_.end());
  const std::size_t limit = out.size() + room;
  std::vector<int> pieces;
  AddedTokenPieces parts(added_tokens_, text);
  for (AddedTokenPieces::Piece part; out.size() < limit && parts.next(part);) {
    if (part.id >= 0) {
      out.push_back(part.id);
      continue;
    }
    pieces.clear();
    model_.append(part.text, pieces);
    for (const int piece : pieces) out.push_back(ids_[static_cast<std::size_t>(piece)]);
  }
  if (out.size() > limit) out.resize(limit);
  out.insert(out.end(), suffix_ids_.begin(), suffix_ids_.end());
}

}  // namespace attune
