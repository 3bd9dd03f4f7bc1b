#include "data/tokenizers/wordpiece.h"

#include <algorithm>
#include <unordered_set>

#include "core/error.h"
#include "data/tokenizers/added_token_files.h"
#include "data/tokenizers/quote.h"

namespace attune {
namespace {

std::vector<std::pair<std::string_view, std::int32_t>> keys_of(const BertWordPieceRules& rules) {
  return {rules.vocabulary.begin(), rules.vocabulary.end()};
}

void check_ids(const BertWordPieceRules& rules, const std::string& place) {
  std::unordered_set<std::int32_t> ids;
  std::unordered_set<std::string_view> tokens;
  for (const auto& [token, id] : rules.vocabulary) {
    if (id < 0)
      throw_error(ErrorKind::kData, place, ": ", quote(token), " has the negative id ", id);
    if (!ids.insert(id).second) {
      throw_error(ErrorKind::kData, place, ": id ", id, " (", quote(token),
                  ") is given to two tokens; every token needs an id of its own");
    }
    if (!tokens.insert(token).second) {
      throw_error(ErrorKind::kData, place, ": ", quote(token), " is in the vocabulary twice");
    }
  }
  check_special_ids([&](std::int32_t id) { return ids.contains(id); }, rules.added_tokens,
                    rules.prefix_ids, rules.suffix_ids, place);
}

Fingerprint fingerprint_of(const BertWordPieceRules& rules) {
  Sha256 hash;
  const auto put = [&hash](std::string_view part) {
    hash.update(str_cat(part.size(), ":")).update(part);
  };
  const BertNormalizerRules& n = rules.normalizer;
  put("BertWordPiece 1");
  put(str_cat(n.clean_text, n.handle_chinese_chars, n.strip_accents, n.lowercase));
  put(rules.unknown_token);
  put(rules.continuation);
  put(str_cat(rules.max_characters_per_word));
  auto vocabulary = keys_of(rules);
  std::sort(vocabulary.begin(), vocabulary.end());
  put(str_cat(vocabulary.size()));
  for (const auto& [token, id] : vocabulary) {
    put(token);
    put(str_cat(id));
  }
  auto added = rules.added_tokens;
  std::sort(added.begin(), added.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  put(str_cat(added.size()));
  for (const AddedToken& token : added) {
    put(token.content);
    put(str_cat(token.id, token.single_word, token.lstrip, token.rstrip, token.normalized));
  }
  for (const auto* side : {&rules.prefix_ids, &rules.suffix_ids}) {
    put(str_cat(side->size()));
    for (const std::int32_t id : *side) put(str_cat(id));
  }
  return hash.hex();
}

const BertWordPieceRules& checked(const BertWordPieceRules& rules, const std::string& place) {
  check_ids(rules, place);
  return rules;
}

}  // namespace

BertWordPiece::BertWordPiece(BertWordPieceRules rules, const std::string& place)
    : normalizer_(checked(rules, place).normalizer),
      trie_(keys_of(rules)),
      inside_(trie_.descend(ByteTrie::kRoot, rules.continuation)),
      raw_tokens_(tokens_to_match(rules.added_tokens, false, nullptr, place)),
      normalized_tokens_(tokens_to_match(
          rules.added_tokens, true,
          [this](const std::string& text) { return normalizer_.normalize(text); }, place)),
      max_characters_per_word_(rules.max_characters_per_word),
      prefix_ids_(rules.prefix_ids),
      suffix_ids_(rules.suffix_ids),
      fingerprint_(fingerprint_of(rules)) {
  for (const auto& [token, id] : rules.vocabulary) {
    if (token == rules.unknown_token) unknown_id_ = id;
    vocabulary_size_ = std::max(vocabulary_size_, id + 1);
  }
  if (unknown_id_ < 0) {
    throw_error(ErrorKind::kData, place, ": the unknown token ", quote(rules.unknown_token),
                " is not in the vocabulary of ", rules.vocabulary.size(), " tokens");
  }
  for (const AddedToken& token : rules.added_tokens) {
    vocabulary_size_ = std::max(vocabulary_size_, token.id + 1);
  }
}

void BertWordPiece::append_word(std::string_view word, std::vector<std::int32_t>& out) const {
  // A character has at least one byte, so most words need no counting.
  if (word.size() > max_characters_per_word_) {
    const auto characters = std::count_if(word.begin(), word.end(), [](char byte) {
      return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
    });
    if (static_cast<std::uint64_t>(characters) > max_characters_per_word_) {
      out.push_back(unknown_id_);
      return;
    }
  }
  const std::size_t old_size = out.size();
  for (ByteTrie::Node from = ByteTrie::kRoot; !word.empty(); from = inside_) {
    const ByteTrie::Match match = trie_.longest_prefix(from, word);
    if (match.length == 0) {  // one piece missing: the whole word is unknown
      out.resize(old_size);
      out.push_back(unknown_id_);
      return;
    }
    out.push_back(match.value);
    word.remove_prefix(match.length);
  }
}

void BertWordPiece::append_normalized(std::string_view text, std::size_t limit,
                                      std::vector<std::int32_t>& out) const {
  // Parts are cut behind a space, where neither normalising nor splitting looks back; a text that
  // is far too long is then read only as far as it is used. Tokens may span spaces: no parts then.
  constexpr std::size_t kPart = 8192;
  std::string normalized;
  while (!text.empty() && out.size() < limit) {
    std::size_t size = text.size();
    if (normalized_tokens_.empty() && size > kPart) {
      const std::size_t space = text.find(' ', kPart);
      if (space != std::string_view::npos) size = space + 1;
    }
    normalized.clear();
    normalizer_.append(text.substr(0, size), normalized);
    text.remove_prefix(size);
    AddedTokenPieces pieces(normalized_tokens_, normalized);
    for (AddedTokenPieces::Piece piece; out.size() < limit && pieces.next(piece);) {
      if (piece.id >= 0) {
        out.push_back(piece.id);
        continue;
      }
      BertWords words(piece.text);
      for (std::string_view word; out.size() < limit && words.next(word);) append_word(word, out);
    }
  }
}

void BertWordPiece::encode(std::string_view prompt, std::string_view text, int max_length,
                           std::vector<std::int32_t>& out) const {
  const std::size_t room = room_for_text(max_length, prefix_ids_.size() + suffix_ids_.size());
  std::string joined;
  text = join_checked(prompt, text, joined);
  out.insert(out.end(), prefix_ids_.begin(), prefix_ids_.end());
  const std::size_t limit = out.size() + room;
  AddedTokenPieces pieces(raw_tokens_, text);
  for (AddedTokenPieces::Piece piece; out.size() < limit && pieces.next(piece);) {
    if (piece.id >= 0) {
      out.push_back(piece.id);
    } else {
      append_normalized(piece.text, limit, out);
    }
  }
  if (out.size() > limit) out.resize(limit);  // the last word may have more pieces than fit
  out.insert(out.end(), suffix_ids_.begin(), suffix_ids_.end());
}

}  // namespace attune
