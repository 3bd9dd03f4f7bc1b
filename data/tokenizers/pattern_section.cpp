#include "data/tokenizers/pattern_section.h"

#include "data/tokenizers/characters.h"

namespace attune {

SplitPattern read_pattern(const JsonPlace& section) {
  if (section.object().size() == 1 && section.has("String")) {
    const JsonPlace text = section.at("String");
    return SplitPattern::literal(text.text(), text.where());
  }
  if (section.object().size() == 1 && section.has("Regex")) {
    const JsonPlace text = section.at("Regex");
    return SplitPattern(text.text(), text.where());
  }
  section.refuse("an object with String or Regex");
}

char32_t read_character(const JsonPlace& text) {
  std::size_t end = 0;
  if (text.text().empty()) text.refuse("one character");
  const char32_t c = next_character(text.text(), end);
  if (end != text.text().size()) text.refuse("one character");
  return c;
}

}  // namespace attune
