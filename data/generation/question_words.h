// Words as questions are made of and compared by: without the punctuation that data/chunks/words.h
// leaves on them. And which sentences of a text are prose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

// Reads the words of a text one after the other. A word is a run of letters, marks, digits and '_',
// with single joiners between them ("os.path", "it's", "well-known", "3.11") and the signs of "C++"
// and "C#" behind it. In scripts without spaces between words (data/chunks/words.h) every character
// is a word. Bytes that are not UTF-8 separate words.
class WordReader {
 public:
  explicit WordReader(std::string_view text) : text_(text) {}
  bool next();  // false after the last word
  std::string_view word() const { return text_.substr(begin_, end_ - begin_); }
  std::string_view gap() const { return text_.substr(gap_, begin_ - gap_); }  // before the word
  std::string_view rest() const { return text_.substr(end_); }                // behind the word
  bool has_letter() const { return has_letter_; }
  bool is_unspaced() const { return is_unspaced_; }  // one character of such a script

 private:
  std::string_view text_;
  std::size_t gap_ = 0, begin_ = 0, end_ = 0;
  bool has_letter_ = false, is_unspaced_ = false;
};

// In lower case, character by character; bytes that are not UTF-8 stay.
std::string lower_case(std::string_view text);

// The words in lower case, joined with one space: how questions are compared.
std::string folded(std::string_view text);

// The first 64 bits of the words of a text in lower case, hashed (FNV-1a), in their order.
std::vector<std::uint64_t> word_hashes(std::string_view text);

// The sentences of a text that are not code, tables or signs: fewer than one in ten of their
// characters is a sign that prose does not use, and they do not begin as a console's line does.
// Text that is not UTF-8 is an Error{kData}.
std::vector<std::string_view> readable_sentences(std::string_view text);

// Whether a readable sentence is a whole one: at least four words, and a full stop, question mark
// or exclamation mark (of any of these scripts) at its end.
bool is_whole_sentence(std::string_view sentence);

}  // namespace attune
