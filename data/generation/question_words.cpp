#include "data/generation/question_words.h"

#include <utf8proc.h>

#include <algorithm>

#include "data/chunks/sentences.h"
#include "data/chunks/words.h"

namespace attune {
namespace {

enum class Kind : std::uint8_t { kOther, kDigit, kLetter, kUnspaced };

struct Character {
  Kind kind = Kind::kOther;
  std::size_t bytes = 1;
  utf8proc_int32_t code = 0;
};

bool is_digit(utf8proc_int32_t c) { return c >= '0' && c <= '9'; }
bool is_capital(utf8proc_int32_t c) { return c >= 'A' && c <= 'Z'; }

Character character_at(std::string_view text, std::size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 0x80) {
    const char lower = static_cast<char>(byte | 0x20);
    if ((lower >= 'a' && lower <= 'z') || byte == '_') return {Kind::kLetter, 1, byte};
    return {is_digit(byte) ? Kind::kDigit : Kind::kOther, 1, byte};
  }
  utf8proc_int32_t code = 0;
  const auto bytes = utf8proc_iterate(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data() + at),
      static_cast<utf8proc_ssize_t>(std::min<std::size_t>(text.size() - at, 4)), &code);
  if (bytes <= 0) return {};
  const auto size = static_cast<std::size_t>(bytes);
  switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
      return {is_unspaced(static_cast<char32_t>(code)) ? Kind::kUnspaced : Kind::kLetter, size,
              code};
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
      return {Kind::kDigit, size, code};
    default:
      return {Kind::kOther, size, code};
  }
}

bool is_in_word(Kind kind) { return kind == Kind::kLetter || kind == Kind::kDigit; }

bool is_joiner(const Character& c) {
  return c.code == '\'' || c.code == '-' || c.code == '.' || c.code == 0x2019 || c.code == 0x2010;
}

// Signs of code, tables and drawings.
bool is_sign(char c) {
  return std::string_view("{}[]<>=_\\|;#$%&*+~^@/`").find(c) != std::string_view::npos;
}

}  // namespace

bool WordReader::next() {
  gap_ = end_;
  std::size_t at = end_;
  Character c;
  while (at < text_.size()) {
    c = character_at(text_, at);
    if (c.kind != Kind::kOther) break;
    at += c.bytes;
  }
  begin_ = end_ = at;
  if (at == text_.size()) return false;
  has_letter_ = c.kind != Kind::kDigit;
  is_unspaced_ = c.kind == Kind::kUnspaced;
  end_ = at + c.bytes;
  if (is_unspaced_) {  // with its marks
    while (end_ < text_.size()) {
      c = character_at(text_, end_);
      if (c.kind != Kind::kUnspaced || utf8proc_category(c.code) != UTF8PROC_CATEGORY_MN) break;
      end_ += c.bytes;
    }
    return true;
  }
  while (end_ < text_.size()) {
    c = character_at(text_, end_);
    if (is_in_word(c.kind)) {
      has_letter_ |= c.kind == Kind::kLetter;
      end_ += c.bytes;
      continue;
    }
    if (!is_joiner(c) || end_ + c.bytes == text_.size()) break;
    const Character behind = character_at(text_, end_ + c.bytes);
    if (!is_in_word(behind.kind)) break;
    if (c.code == '.' && is_digit(text_[end_ - 1]) && is_capital(behind.code)) break;  // "1860.It"
    end_ += c.bytes;
  }
  const char last = text_[end_ - 1];
  if (end_ < text_.size() && text_[end_] == '#' && is_capital(last)) ++end_;
  if (text_.substr(end_, 2) == "++") end_ += 2;
  return true;
}

std::string lower_case(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    if (is_capital(c.code)) {
      result += static_cast<char>(c.code - 'A' + 'a');
    } else if (c.code < 0x80) {
      result += text[at];
    } else {
      utf8proc_uint8_t bytes[4];
      const auto size = utf8proc_encode_char(utf8proc_tolower(c.code), bytes);
      result.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    }
    at += c.bytes;
  }
  return result;
}

std::string folded(std::string_view text) {
  std::string result;
  for (WordReader words(text); words.next();) {
    if (!result.empty()) result += ' ';
    result += lower_case(words.word());
  }
  return result;
}

std::vector<std::uint64_t> word_hashes(std::string_view text) {
  std::vector<std::uint64_t> hashes;
  for (WordReader words(text); words.next();) {
    std::uint64_t hash = 0xCBF29CE484222325;
    for (const char c : lower_case(words.word()))
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
    hashes.push_back(hash);
  }
  return hashes;
}

std::vector<std::string_view> readable_sentences(std::string_view text) {
  std::vector<std::string_view> sentences = split_sentences(text);
  std::erase_if(sentences, [](std::string_view sentence) {
    for (const std::string_view start : {">>>", "...", "$ ", "# ", "// ", "  "})
      if (sentence.starts_with(start)) return true;
    const auto signs = std::count_if(sentence.begin(), sentence.end(), is_sign);
    return static_cast<std::size_t>(signs) * 10 >= sentence.size();
  });
  return sentences;
}

bool is_whole_sentence(std::string_view sentence) {
  while (!sentence.empty()) {
    bool is_closing = false;
    for (const std::string_view closing : {"\"", "'", ")", "”", "’", "»", "」", "』", "）"}) {
      if (!sentence.ends_with(closing)) continue;
      sentence.remove_suffix(closing.size());
      is_closing = true;
      break;
    }
    if (!is_closing) break;
  }
  bool is_ended = false;
  for (const std::string_view mark : {".", "?", "!", "…", "。", "？", "！", "．", "।", "؟"})
    is_ended |= sentence.ends_with(mark);
  if (!is_ended) return false;
  WordReader words(sentence);
  for (int count = 0; count < 4; ++count)
    if (!words.next()) return false;
  return true;
}

}  // namespace attune
