#include "retrieval/bm25.h"

#include <utf8proc.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace attune {
namespace {

enum class CharacterKind { kSeparator, kWord, kMark, kWordAlone };

// Han, hiragana and katakana blocks of Unicode 15, with the iteration mark and the ideographic
// zero.
bool stands_alone(utf8proc_int32_t c) {
  return (c >= 0x3005 && c <= 0x3007) || (c >= 0x3041 && c <= 0x30ff) ||
         (c >= 0x31f0 && c <= 0x31ff) || (c >= 0x3400 && c <= 0x4dbf) ||
         (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) ||
         (c >= 0xff66 && c <= 0xff9f) || (c >= 0x1b000 && c <= 0x1b16f) ||
         (c >= 0x20000 && c <= 0x323af);
}

CharacterKind kind_of(utf8proc_int32_t c) {
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return CharacterKind::kMark;
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return stands_alone(c) ? CharacterKind::kWordAlone : CharacterKind::kWord;
    default:
      return CharacterKind::kSeparator;
  }
}

void append(utf8proc_int32_t c, std::string& word) {
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t count = utf8proc_encode_char(c, bytes);
  word.append(reinterpret_cast<const char*>(bytes), count);
}

}  // namespace

std::vector<std::string> bm25_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool alone = false;  // `word` is one Han or kana character
  const auto finish = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  auto left = static_cast<utf8proc_ssize_t>(text.size());
  while (left > 0) {
    utf8proc_int32_t c;
    const utf8proc_ssize_t length =
        std::max<utf8proc_ssize_t>(utf8proc_iterate(bytes, left, &c), 1);
    bytes += length;
    left -= length;
    // utf8proc_iterate leaves -1 where the bytes are not UTF-8.
    const CharacterKind kind = c < 0 ? CharacterKind::kSeparator : kind_of(c);
    if (kind == CharacterKind::kMark) {
      if (!word.empty()) append(c, word);  // a mark on nothing is dropped
      continue;
    }
    if (alone || kind != CharacterKind::kWord) finish();
    alone = kind == CharacterKind::kWordAlone;
    if (kind != CharacterKind::kSeparator) append(utf8proc_tolower(c), word);
  }
  finish();
  return words;
}

Bm25Index::Bm25Index(std::span<const std::string> passages, double k1, double b)
    : num_passages_(static_cast<std::int64_t>(passages.size())) {
  ATTUNE_ASSERT(num_passages_ <= INT32_MAX && k1 >= 0 && b >= 0 && b <= 1);
  std::vector<double> lengths(passages.size());
  double total = 0;
  for (std::int32_t row = 0; row < num_passages_; ++row) {
    const std::vector<std::string> words = bm25_words(passages[row]);
    for (const std::string& word : words) {
      std::vector<Posting>& postings = postings_[word];
      if (postings.empty() || postings.back().row != row) postings.push_back({row, 0});
      postings.back().weight += 1;  // for now the count of the word
    }
    lengths[row] = static_cast<double>(words.size());
    total += lengths[row];
  }

  const double average = total > 0 ? total / static_cast<double>(num_passages_) : 1;
  for (auto& [word, postings] : postings_) {
    const auto holders = static_cast<double>(postings.size());
    const double idf =
        std::log1p((static_cast<double>(num_passages_) - holders + 0.5) / (holders + 0.5));
    for (Posting& posting : postings) {
      const double count = posting.weight;
      const double norm = k1 * (1 - b + b * lengths[posting.row] / average);
      posting.weight = static_cast<float>(idf * count / (count + norm));
    }
    postings.shrink_to_fit();
  }
}

std::vector<Hit> Bm25Index::search(std::string_view query, int k) const {
  ATTUNE_ASSERT(k >= 1);
  std::vector<float> scores(num_passages_, 0.0f);
  std::vector<Hit> hits;
  for (const std::string& word : bm25_words(query)) {
    const auto found = postings_.find(word);
    if (found == postings_.end()) continue;
    for (const Posting& posting : found->second) {
      // Weights are above 0, so a score of 0 has not been touched.
      if (scores[posting.row] == 0) hits.push_back({posting.row, 0});
      scores[posting.row] += posting.weight;
    }
  }
  for (Hit& hit : hits) hit.score = scores[hit.row];
  const auto before = [](const Hit& a, const Hit& other) {
    return a.score != other.score ? a.score > other.score : a.row < other.row;
  };
  if (hits.size() > static_cast<std::size_t>(k)) {
    std::nth_element(hits.begin(), hits.begin() + k, hits.end(), before);
    hits.resize(k);
  }
  std::sort(hits.begin(), hits.end(), before);
  return hits;
}

}  // namespace attune
