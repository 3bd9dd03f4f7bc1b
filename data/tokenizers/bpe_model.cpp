#include "data/tokenizers/bpe_model.h"

#include <algorithm>
#include <array>
#include <limits>
#include <queue>
#include <span>
#include <utility>

#include "data/tokenizers/characters.h"
#include "data/tokenizers/json_place.h"
#include "data/tokenizers/word_cache.h"

namespace attune {
namespace {

constexpr std::string_view kSeparator = "\xE2\x96\x81";  // U+2581, sentencepiece's space
constexpr std::size_t kShortWord = 48;                   // characters; longer ones get a heap

std::string text_or_empty(const JsonPlace& section, const char* key) {
  return section.has(key) ? section.at(key).text() : std::string();
}

std::size_t merges_in(const JsonPlace& section) {
  const std::size_t count = section.at("merges").array().size();
  if (count >= Merge::kNever) section.at("merges").refuse("fewer than 2^32 merges");
  return count;
}

}  // namespace

BpeModel::BpeModel(const JsonPlace& section)
    : plane_ids_(0x10000, -1),
      byte_ids_(256, -1),
      merges_(merges_in(section)),
      prefix_(text_or_empty(section, "continuing_subword_prefix")),
      suffix_(text_or_empty(section, "end_of_word_suffix")),
      fuse_unknown_(section.has("fuse_unk") && section.at("fuse_unk").boolean()),
      byte_fallback_(section.has("byte_fallback") && section.at("byte_fallback").boolean()),
      ignore_merges_(section.has("ignore_merges") && section.at("ignore_merges").boolean()),
      owner_(WordCache::new_owner()),
      place_(section.where()) {
  if (section.has("dropout") && section.at("dropout").value() != 0) {
    section.at("dropout").refuse("null: random merges have no one right result");
  }
  if (std::any_of(prefix_.begin(), prefix_.end(), [](char c) { return c & 0x80; })) {
    section.at("continuing_subword_prefix").refuse("a prefix of ASCII characters, as \"##\"");
  }
  if (section.has("unk_token")) unknown_token_ = section.at("unk_token").text();
  read_vocabulary(section.at("vocab"));
  read_merges(section.at("merges"));
  if (unknown_token_) unknown_id_ = id_of(*unknown_token_);
  find_separator();
}

void BpeModel::read_vocabulary(const JsonPlace& vocabulary) {
  ids_.reserve(vocabulary.object().size());
  for (const auto& [token, value] : vocabulary.object().items()) {
    if (!JsonPlace::is_id(value)) vocabulary.member(token, value).id();  // makes the message
    const auto id = value.get<std::int32_t>();
    if (static_cast<std::size_t>(id) >= taken_.size())
      taken_.resize(static_cast<std::size_t>(id) + 1);
    if (taken_[static_cast<std::size_t>(id)]) {
      vocabulary.member(token, value).refuse("an id that no other token has");
    }
    taken_[static_cast<std::size_t>(id)] = true;
    ids_.emplace(token, id);
    std::size_t end = 0;
    if (token.empty()) continue;
    const char32_t first = next_character(token, end);
    if (end != token.size()) continue;
    if (first < plane_ids_.size()) {
      plane_ids_[first] = id;
    } else {
      distant_ids_.emplace(first, id);
    }
  }
  constexpr char kHex[] = "0123456789ABCDEF";
  for (std::size_t byte = 0; byte < byte_ids_.size(); ++byte) {
    byte_ids_[byte] = id_of(std::string("<0x") + kHex[byte >> 4] + kHex[byte & 15] + ">");
  }
}

void BpeModel::read_merges(const JsonPlace& merges) {
  const bool pairs = !merges.array().empty() && merges.array().front().is_array();
  std::uint32_t rank = 0;
  for (std::size_t i = 0; i < merges.array().size(); ++i) {
    const Json& merge = merges.array()[i];
    if (pairs && merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
        merge[1].is_string()) {
      put_merge(merges, rank++, merge[0].get_ref<const std::string&>(),
                merge[1].get_ref<const std::string&>());
      continue;
    }
    if (pairs || !merge.is_string()) {
      merges.element(i).refuse(pairs ? "two tokens, [\"a\", \"b\"], as the merges before it"
                                     : "two tokens with a space between, as \"a b\"");
    }
    const std::string& line = merge.get_ref<const std::string&>();
    if (line.starts_with("#version")) continue;  // the first line of a merges.txt
    const std::size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
      merges.element(i).refuse("two tokens with one space between, as \"a b\"");
    }
    put_merge(merges, rank++, line.substr(0, space), line.substr(space + 1));
  }
}

void BpeModel::put_merge(const JsonPlace& place, std::uint32_t rank, const std::string& left,
                         const std::string& right) {
  const auto refuse = [&](const std::string& what) {
    throw_error(ErrorKind::kData, place.where(), ": merge ", rank, " (from 0) of ", quote(left),
                " and ", quote(right), ": ", what,
                "; vocabulary and merges must be of the same tokenizer");
  };
  std::array<std::int32_t, 2> ids{};
  for (const auto& [token, id] : {std::pair{&left, &ids[0]}, {&right, &ids[1]}}) {
    *id = id_of(*token);
    if (*id < 0) refuse(str_cat(quote(*token), " is not in the vocabulary"));
  }
  if (right.size() < prefix_.size()) {
    refuse(str_cat("the second is shorter than continuing_subword_prefix ", quote(prefix_)));
  }
  const std::string together = left + right.substr(prefix_.size());
  const std::int32_t id = id_of(together);
  if (id < 0) refuse(str_cat("their result ", quote(together), " is not in the vocabulary"));
  merges_.put(ids[0], ids[1], {rank, id});
}

// Where no token has a separator behind another character, no merge reaches over the place before a
// separator that follows something else, and no run of unknown characters goes over it if the
// separator is a token. So a text that is not cut into words (Gemma's) may be cut there: the ids
// are the same, and words can be cached.
void BpeModel::find_separator() {
  if (ignore_merges_ || !prefix_.empty() || !suffix_.empty() || id_of(kSeparator) < 0) return;
  for (const auto& [token, id] : ids_) {
    for (std::size_t at = token.find(kSeparator); at != std::string::npos;
         at = token.find(kSeparator, at + kSeparator.size())) {
      if (at > 0 && !std::string_view(token).substr(0, at).ends_with(kSeparator)) return;
    }
  }
  cut_before_separator_ = true;
}

std::int32_t BpeModel::id_of(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? -1 : found->second;
}

bool BpeModel::has_id(std::int32_t id) const {
  return id >= 0 && id < id_limit() && taken_[static_cast<std::size_t>(id)];
}

std::int32_t BpeModel::character_id(char32_t c) const {
  if (c < plane_ids_.size()) return plane_ids_[c];
  const auto found = distant_ids_.find(c);
  return found == distant_ids_.end() ? -1 : found->second;
}

void BpeModel::append(std::string_view piece, Ids& out) const {
  if (piece.size() > std::numeric_limits<std::int32_t>::max()) {
    throw_error(ErrorKind::kData, "one word of the text has ", piece.size(),
                " bytes, more than 2^31; cut the text into passages");
  }
  if (ignore_merges_) {
    if (const std::int32_t id = id_of(piece); id >= 0) return out.push_back(id);
  }
  while (cut_before_separator_) {
    std::size_t at = piece.find(kSeparator, 1);
    while (at != std::string_view::npos && piece.substr(0, at).ends_with(kSeparator)) {
      at = piece.find(kSeparator, at + 1);
    }
    if (at == std::string_view::npos) break;
    append_word(piece.substr(0, at), out);
    piece.remove_prefix(at);
  }
  append_word(piece, out);
}

void BpeModel::append_word(std::string_view word, Ids& out) const {
  const std::size_t begin = out.size();
  WordCache::Slot* slot = nullptr;
  if (word.size() <= WordCache::kMaxBytes) {
    slot = &WordCache::of_this_thread().slot(owner_, word);
    if (slot->holds(owner_, word)) {
      out.insert(out.end(), slot->ids.data(), slot->ids.data() + slot->num_ids);
      return;
    }
  }
  append_characters(word, out);
  if (out.size() - begin <= kShortWord) {
    merge_short(out, begin);
  } else {
    merge_long(out, begin);
  }
  if (slot != nullptr) slot->keep(owner_, word, std::span(out).subspan(begin));
}

void BpeModel::append_characters(std::string_view word, Ids& out) const {
  // As in the peer, an unknown token goes out when the next known character comes, or another
  // unknown one that is not fused with it; the bytes of a fallback do not push it out.
  bool held = false;
  std::string decorated;
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t begin = at;
    const char32_t c = next_character(word, at);
    std::string_view text = word.substr(begin, at - begin);
    const bool add_prefix = begin > 0 && !prefix_.empty();
    const bool add_suffix = at == word.size() && !suffix_.empty();
    std::int32_t id;
    if (add_prefix || add_suffix) {
      decorated = str_cat(add_prefix ? prefix_ : "", text, add_suffix ? suffix_ : "");
      text = decorated;
      id = id_of(text);
    } else {
      id = character_id(c);
    }
    if (id >= 0) {
      if (std::exchange(held, false)) out.push_back(unknown_id_);
      out.push_back(id);
      continue;
    }
    const auto byte_id = [this](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
    if (byte_fallback_ &&
        std::all_of(text.begin(), text.end(), [&](char byte) { return byte_id(byte) >= 0; })) {
      for (const char byte : text) out.push_back(byte_id(byte));
      continue;
    }
    if (!unknown_token_) continue;
    if (unknown_id_ < 0) {
      throw_error(ErrorKind::kData, place_, ": there is no token for ", quote(text),
                  ", and the unknown token ", quote(*unknown_token_),
                  " is not in the vocabulary either");
    }
    if (held && !fuse_unknown_) out.push_back(unknown_id_);
    held = true;
  }
  if (held) out.push_back(unknown_id_);
}

void BpeModel::merge_short(Ids& ids, std::size_t begin) const {
  std::size_t count = ids.size() - begin;
  if (count < 2) return;
  std::int32_t* const id = ids.data() + begin;
  std::array<Merge, kShortWord> merges;  // of id[i] and id[i + 1]
  for (std::size_t i = 0; i + 1 < count; ++i) merges[i] = merges_.find(id[i], id[i + 1]);
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (merges[i].rank < merges[best].rank) best = i;
    }
    if (merges[best].rank == Merge::kNever) break;
    id[best] = merges[best].id;
    --count;
    std::copy(id + best + 2, id + count + 1, id + best + 1);
    std::copy(merges.data() + best + 1, merges.data() + count, merges.data() + best);
    if (best > 0) merges[best - 1] = merges_.find(id[best - 1], id[best]);
    if (best + 1 < count) merges[best] = merges_.find(id[best], id[best + 1]);
  }
  ids.resize(begin + count);
}

void BpeModel::merge_long(Ids& ids, std::size_t begin) const {
  struct Symbol {
    std::int32_t id, previous, next;  // id -1: merged into another
  };
  struct Candidate {
    std::uint32_t rank;
    std::int32_t at, id;
    bool operator<(const Candidate& other) const {  // the heap's top is the largest
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };
  const auto count = static_cast<std::int32_t>(ids.size() - begin);
  std::vector<Symbol> symbols(static_cast<std::size_t>(count));
  std::vector<Candidate> candidates;
  candidates.reserve(symbols.size());
  for (std::int32_t i = 0; i < count; ++i) {
    symbols[static_cast<std::size_t>(i)] = {ids[begin + static_cast<std::size_t>(i)], i - 1,
                                            i + 1 < count ? i + 1 : -1};
    if (i == 0) continue;
    const Merge merge = merges_.find(symbols[static_cast<std::size_t>(i) - 1].id,
                                     symbols[static_cast<std::size_t>(i)].id);
    if (merge.rank != Merge::kNever) candidates.push_back({merge.rank, i - 1, merge.id});
  }
  std::priority_queue<Candidate> queue({}, std::move(candidates));
  const auto symbol = [&symbols](std::int32_t at) -> Symbol& {
    return symbols[static_cast<std::size_t>(at)];
  };
  const auto propose = [&](std::int32_t left, std::int32_t right) {
    const Merge merge = merges_.find(symbol(left).id, symbol(right).id);
    if (merge.rank != Merge::kNever) queue.push({merge.rank, left, merge.id});
  };
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Symbol& left = symbol(top.at);
    if (left.id < 0 || left.next < 0) continue;
    Symbol& right = symbol(left.next);
    if (merges_.find(left.id, right.id).id != top.id) continue;  // one of the two has changed
    left.id = top.id;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbol(left.next).previous = top.at;
    if (left.previous >= 0) propose(left.previous, top.at);
    if (left.next >= 0) propose(top.at, left.next);
  }
  ids.resize(begin);
  for (std::int32_t at = 0; at >= 0; at = symbol(at).next) ids.push_back(symbol(at).id);
}

}  // namespace attune
