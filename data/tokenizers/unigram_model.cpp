#include "data/tokenizers/unigram_model.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "data/tokenizers/characters.h"
#include "data/tokenizers/json_place.h"
#include "data/tokenizers/quote.h"

namespace attune {
namespace {

constexpr double kUnknownPenalty = 10.0;

std::vector<std::pair<std::string_view, std::int32_t>> keys_of(const JsonPlace& vocabulary) {
  const Json& list = vocabulary.array();
  if (list.empty() || list.size() > static_cast<std::size_t>(kMaxTokenIds)) {
    vocabulary.refuse(str_cat("1 to ", kMaxTokenIds, " tokens with their scores"));
  }
  std::vector<std::pair<std::string_view, std::int32_t>> keys;
  keys.reserve(list.size());
  for (std::size_t id = 0; id < list.size(); ++id) {
    const Json& entry = list[id];
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number() ||
        !std::isfinite(entry[1].get<double>())) {
      vocabulary.element(id).refuse("a token and its score, a finite number");
    }
    keys.emplace_back(entry[0].get_ref<const std::string&>(), static_cast<std::int32_t>(id));
  }
  return keys;
}

}  // namespace

UnigramModel::UnigramModel(const JsonPlace& section)
    : trie_(keys_of(section.at("vocab")), section.where()),
      byte_fallback_(section.boolean_or("byte_fallback", false)) {
  for (const char* key : {"alpha", "nbest_size"}) {
    if (section.has(key)) section.at(key).refuse("null (attune does not draw tokens at random)");
  }
  const Json& vocabulary = section.at("vocab").value();
  double worst = std::numeric_limits<double>::infinity();
  scores_.reserve(vocabulary.size());
  for (const Json& entry : vocabulary) {
    scores_.push_back(entry[1].get<double>());
    worst = std::min(worst, scores_.back());
  }
  unknown_score_ = worst - kUnknownPenalty;
  if (section.has("unk_id")) {
    const JsonPlace unknown = section.at("unk_id");
    unknown_id_ = unknown.id();
    if (!has_id(unknown_id_)) {
      unknown.refuse(str_cat("null or the id of one of the ", num_tokens(), " tokens"));
    }
  }
  constexpr char kHex[] = "0123456789ABCDEF";
  for (std::size_t byte = 0; byte < byte_ids_.size(); ++byte) {
    byte_ids_[byte] = trie_.find(std::string{'<', '0', 'x', kHex[byte >> 4], kHex[byte & 15], '>'});
  }
}

void UnigramModel::append(std::string_view piece, std::vector<std::int32_t>& out) const {
  if (piece.size() < kShortPiece) {
    std::array<End, kShortPiece> ends;
    append(piece, ends.data(), out);
  } else {
    if (piece.size() >= std::numeric_limits<std::uint32_t>::max()) {
      throw_error(ErrorKind::kData, "a piece of ", piece.size(),
                  " bytes; expected less than 4 GiB");
    }
    std::vector<End> ends(piece.size() + 1);
    append(piece, ends.data(), out);
  }
}

void UnigramModel::append(std::string_view piece, End* ends, std::vector<std::int32_t>& out) const {
  const auto size = static_cast<std::uint32_t>(piece.size());
  ends[0] = {0.0, 0, 0};
  for (std::uint32_t i = 1; i <= size; ++i) ends[i].id = -1;
  const auto is_better = [ends](std::uint32_t end, double score) {
    return ends[end].id < 0 || score > ends[end].score;
  };
  for (std::uint32_t start = 0; start < size;) {
    std::size_t next = start;
    next_character(piece, next);
    const double here = ends[start].score;
    bool is_token = false;  // the character alone
    DoubleArray::Walk walk(trie_);
    for (std::uint32_t end = start; end < size && walk.step(piece[end]);) {
      ++end;
      const std::int32_t id = walk.value();
      if (id < 0) continue;
      const double score = scores_[static_cast<std::size_t>(id)] + here;
      if (is_better(end, score)) ends[end] = {score, start, id};
      if (end == next) is_token = true;
    }
    if (!is_token && is_better(static_cast<std::uint32_t>(next), unknown_score_ + here)) {
      if (unknown_id_ < 0) {
        throw_error(ErrorKind::kData, "the character ", quote(piece.substr(start, next - start)),
                    " is in no token, and the model has no unknown token (\"unk_id\" of its ",
                    "tokenizer.json is null); leave the text out, or use a model that has one");
      }
      ends[next] = {unknown_score_ + here, start, unknown_id_};
    }
    start = static_cast<std::uint32_t>(next);
  }

  // Backwards along the best way, then turned round; neighbouring unknown tokens are one.
  const std::size_t first = out.size();
  std::size_t unknown_end = 0;
  const auto close_unknown = [&](std::uint32_t start) {
    if (unknown_end == 0) return;
    const std::size_t old_size = out.size();
    append_unknown(piece.substr(start, unknown_end - start), out);
    std::reverse(out.begin() + static_cast<std::ptrdiff_t>(old_size), out.end());
    unknown_end = 0;
  };
  for (std::uint32_t end = size; end > 0; end = ends[end].start) {
    if (ends[end].id == unknown_id_) {
      if (unknown_end == 0) unknown_end = end;
    } else {
      close_unknown(end);
      out.push_back(ends[end].id);
    }
  }
  close_unknown(0);
  std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
}

// The peer looks the joined text up again, which finds the unknown token where the text spells it.
void UnigramModel::append_unknown(std::string_view text, std::vector<std::int32_t>& out) const {
  if (const std::int32_t id = trie_.find(text); id >= 0) {
    out.push_back(id);
    return;
  }
  const auto has_token = [this](char byte) {
    return byte_ids_[static_cast<unsigned char>(byte)] >= 0;
  };
  if (!byte_fallback_ || !std::all_of(text.begin(), text.end(), has_token)) {
    out.push_back(unknown_id_);
    return;
  }
  for (const char byte : text) out.push_back(byte_ids_[static_cast<unsigned char>(byte)]);
}

}  // namespace attune
