// What a word is where texts are cut, counted and compared, the same for every language: what
// stands between white space, and in scripts that are written without spaces (Chinese, Japanese,
// Thai, Lao, Khmer, Burmese) each character with its marks. Texts must be UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace attune {

bool is_white_space(char32_t c);
// Of a script written without spaces, or its full-width punctuation.
bool is_unspaced(char32_t c);

// The words of a text, in order.
class Words {
 public:
  explicit Words(std::string_view text) : text_(text) {}
  bool next(std::string_view& word);
  bool was_unspaced() const { return was_unspaced_; }  // whether the last word is one character

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  bool was_unspaced_ = false;
};

// Two characters of an unspaced script count as one word, about what Chinese and Japanese have.
std::int64_t count_words(std::string_view text);

std::string_view trim_white_space(std::string_view text);

}  // namespace attune
