#include "data/chunks/words.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>

#include "data/tokenizers/characters.h"

namespace attune {
namespace {

struct Range {
  char32_t first, last;
};
constexpr Range kUnspaced[] = {
    {0x0E00, 0x0EFF},    // Thai, Lao
    {0x1000, 0x109F},    // Burmese
    {0x1780, 0x17FF},    // Khmer
    {0x2E80, 0x2FDF},    // radicals
    {0x3001, 0x312F},    // punctuation, Hiragana, Katakana, Bopomofo
    {0x3190, 0x4DBF},    // annotations, strokes, extension A
    {0x4E00, 0x9FFF},    // Han
    {0xF900, 0xFAFF},    // compatibility ideographs
    {0xFE30, 0xFE4F},    // vertical forms
    {0xFF01, 0xFF9F},    // full-width forms, half-width Katakana
    {0x1B000, 0x1B16F},  // historic Kana
    {0x20000, 0x323AF},  // extensions B to H
};

bool is_mark(char32_t c) {
  if (c < 0x300) return false;
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
         category == UTF8PROC_CATEGORY_ME;
}

}  // namespace

bool is_white_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  return (Characters::get().flags(c) & unicode_tables::kSpace) != 0 || c == 0x85;
}

bool is_unspaced(char32_t c) {
  if (c < kUnspaced[0].first) return false;
  const Range* range =
      std::upper_bound(std::begin(kUnspaced), std::end(kUnspaced), c,
                       [](char32_t value, const Range& r) { return value < r.first; });
  return c <= (range - 1)->last;
}

bool Words::next(std::string_view& word) {
  std::size_t begin = at_;
  char32_t c = 0;
  do {  // white space
    begin = at_;
    if (at_ == text_.size()) return false;
    c = next_character(text_, at_);
  } while (is_white_space(c));
  was_unspaced_ = is_unspaced(c);
  for (std::size_t behind = at_; behind < text_.size(); at_ = behind) {
    c = next_character(text_, behind);
    if (was_unspaced_ ? !is_mark(c) : is_white_space(c) || is_unspaced(c)) break;
  }
  word = text_.substr(begin, at_ - begin);
  return true;
}

std::int64_t count_words(std::string_view text) {
  std::int64_t words = 0, unspaced = 0;
  Words all(text);
  for (std::string_view word; all.next(word);) ++(all.was_unspaced() ? unspaced : words);
  return words + (unspaced + 1) / 2;
}

std::string_view trim_white_space(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    if (is_white_space(next_character(text, at))) continue;
    text.remove_prefix(begin);
    break;
  }
  while (!text.empty()) {
    std::size_t last = previous_character(text, text.size());
    const std::size_t begin = last;
    if (!is_white_space(next_character(text, last))) return text;
    text = text.substr(0, begin);
  }
  return text;
}

}  // namespace attune
