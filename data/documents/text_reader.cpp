#include "data/documents/text_reader.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace attune {
namespace {

struct Line {
  std::string text;        // collapsed
  std::int64_t width = 0;  // characters
};

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

std::int64_t width_of(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return !continues_character(c); });
}

std::int32_t character_at(std::string_view text, std::size_t begin) {
  utf8proc_int32_t character = -1;
  utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + begin),
                   static_cast<utf8proc_ssize_t>(text.size() - begin), &character);
  return character;
}

std::size_t last_character(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while (begin > 0 && continues_character(text[begin])) --begin;
  return begin;
}

// Chinese and Japanese, which are written without spaces; not Korean, which has them.
bool is_written_without_spaces(std::int32_t c) {
  return (c >= 0x2E80 && c <= 0x31FF) || (c >= 0x3400 && c <= 0x9FFF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFE30 && c <= 0xFE4F) ||
         (c >= 0xFF00 && c <= 0xFFEF) || (c >= 0x20000 && c <= 0x3FFFF);
}

bool is_letter(std::int32_t c) {
  const utf8proc_category_t category = utf8proc_category(c);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool is_hyphenated(std::string_view text, std::string_view next) {
  if (text.size() < 2 || text.back() != '-') return false;
  const std::string_view word = text.substr(0, text.size() - 1);
  return is_letter(character_at(word, last_character(word))) &&
         utf8proc_category(character_at(next, 0)) == UTF8PROC_CATEGORY_LL;
}

// "- x", "* x", "• x", "1. x", "(a) x" and the like.
bool begins_item(std::string_view line) {
  const std::size_t end = line.find(' ');
  if (end == std::string_view::npos) return false;
  const std::string_view word = line.substr(0, end);
  if (word == "-" || word == "*" || word == "+" || word == "\xE2\x80\xA2") return true;
  return word.size() <= 4 && (word.back() == ')' || (word.back() == '.' && word[0] <= '9'));
}

// The length of the white space or control character at this place, 0 if it is another one.
std::size_t space_at(std::string_view text, std::size_t at) {
  if (static_cast<unsigned char>(text[at]) <= ' ' || text[at] == '\x7F') return 1;
  return text[at] == '\xC2' && text.substr(at, 2) == "\xC2\xA0" ? 2 : 0;
}

// A blank line has no text.
Line collapse(std::string_view line) {
  Line result;
  for (std::size_t at = 0; at < line.size();) {
    if (const std::size_t space = space_at(line, at); space > 0) {
      at += space;
      continue;
    }
    const std::size_t begin = at;
    while (at < line.size() && space_at(line, at) == 0) ++at;
    if (!result.text.empty()) result.text += ' ';
    result.text += line.substr(begin, at - begin);
  }
  result.width = width_of(result.text);
  return result;
}

void append_paragraph(std::vector<Line>& lines, bool join_hyphens, std::string& out) {
  std::int64_t longest = 0;
  for (const Line& line : lines) longest = std::max(longest, line.width);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string& next = lines[i].text;
    if (i > 0) {
      const std::string_view word = std::string_view(next).substr(0, next.find(' '));
      const std::int64_t needed = lines[i - 1].width + 1 + width_of(word);
      if (join_hyphens && is_hyphenated(lines[i - 1].text, next)) {
        out.pop_back();
      } else if (4 * needed <= 3 * longest || begins_item(next)) {
        out += '\n';
      } else if (!is_written_without_spaces(character_at(next, 0)) ||
                 !is_written_without_spaces(
                     character_at(lines[i - 1].text, last_character(lines[i - 1].text)))) {
        out += ' ';
      }
    } else if (!out.empty()) {
      out += '\n';
    }
    out += next;
  }
  lines.clear();
}

}  // namespace

std::string unwrap_paragraphs(std::string_view text, bool join_hyphens) {
  std::string out;
  std::vector<Line> paragraph;
  for (std::size_t begin = 0; begin < text.size();) {
    // A carriage return ends a line too, before a line feed or alone.
    const std::size_t end = std::min(text.find_first_of("\n\r", begin), text.size());
    Line line = collapse(text.substr(begin, end - begin));
    if (line.text.empty())
      append_paragraph(paragraph, join_hyphens, out);
    else
      paragraph.push_back(std::move(line));
    begin = end + (text.substr(end, 2) == "\r\n" ? 2 : 1);
  }
  append_paragraph(paragraph, join_hyphens, out);
  return out;
}

DocumentContent parse_text(std::string_view text) {
  DocumentContent document;
  std::string unwrapped = unwrap_paragraphs(text, false);
  if (!unwrapped.empty()) document.sections.push_back({{}, std::move(unwrapped)});
  return document;
}

}  // namespace attune
