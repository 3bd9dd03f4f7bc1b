#include "data/tokenizers/split_pre_tokenizer.h"

#include <cstdint>
#include <utility>

#include "data/tokenizers/characters.h"
#include "data/tokenizers/json_place.h"
#include "data/tokenizers/pattern_section.h"
#include "data/tokenizers/piece_cutter.h"
#include "data/tokenizers/split_pattern.h"
#include "data/tokenizers/text_classes.h"

namespace attune {
namespace {

class SplitPreTokenizer final : public PreTokenizer {
 public:
  SplitPreTokenizer(SplitPattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
  bool split(std::string_view text, bool at_start, PieceSink& out) const override {
    PatternMatches matches(pattern_, text);
    PieceCutter cutter(behavior_, text, at_start, out);
    for (PatternMatches::Stretch stretch; matches.next(stretch);) {
      if (!cutter.take(stretch.begin, stretch.end, stretch.matches != invert_)) return false;
    }
    return cutter.finish();
  }

 private:
  SplitPattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

// Cuts at every character of a class; `Classify` says to what class a character belongs.
template <class Matches>
class CharacterSplit final : public PreTokenizer {
 public:
  CharacterSplit(Matches matches, SplitBehavior behavior)
      : matches_(matches), behavior_(behavior) {}
  bool split(std::string_view text, bool at_start, PieceSink& out) const override {
    PieceCutter cutter(behavior_, text, at_start, out);
    std::size_t begin = 0;  // of the stretch that does not match
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t here = at;
      if (!matches_(next_character(text, at))) continue;
      if (here > begin && !cutter.take(begin, here, false)) return false;
      if (!cutter.take(here, at, true)) return false;
      begin = at;
    }
    return (begin == text.size() || cutter.take(begin, text.size(), false)) && cutter.finish();
  }

 private:
  Matches matches_;
  SplitBehavior behavior_;
};

template <class Matches>
std::unique_ptr<PreTokenizer> cut_at(Matches matches, SplitBehavior behavior) {
  return std::make_unique<CharacterSplit<Matches>>(matches, behavior);
}

// Words, and runs of what is neither word nor white space.
class WhitespacePreTokenizer final : public PreTokenizer {
 public:
  bool split(std::string_view text, bool at_start, PieceSink& out) const override {
    std::size_t begin = 0;
    std::uint16_t running = text_tables::kRegexSpace;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t here = at;
      const std::uint16_t kind = classes_.value(next_character(text, at)) &
                                 (text_tables::kRegexSpace | text_tables::kWhitespaceWord);
      if (kind == running) continue;
      if (running != text_tables::kRegexSpace && here > begin &&
          !out.take(text.substr(begin, here - begin), at_start && begin == 0)) {
        return false;
      }
      begin = here;
      running = kind;
    }
    return running == text_tables::kRegexSpace || begin == text.size() ||
           out.take(text.substr(begin), at_start && begin == 0);
  }

 private:
  const TextClasses& classes_ = TextClasses::get();
};

}  // namespace

std::unique_ptr<PreTokenizer> make_split(const JsonPlace& section) {
  return std::make_unique<SplitPreTokenizer>(read_pattern(section.at("pattern")),
                                             read_split_behavior(section.at("behavior")),
                                             section.boolean_or("invert", false));
}

std::unique_ptr<PreTokenizer> make_whitespace(const JsonPlace&) {
  return std::make_unique<WhitespacePreTokenizer>();
}

std::unique_ptr<PreTokenizer> make_whitespace_split(const JsonPlace&) {
  return cut_at([&classes = TextClasses::get()](
                    char32_t c) { return (classes.value(c) & text_tables::kRegexSpace) != 0; },
                SplitBehavior::kRemoved);
}

std::unique_ptr<PreTokenizer> make_punctuation(const JsonPlace& section) {
  return cut_at(
      [&characters = Characters::get()](char32_t c) {
        return (characters.flags(c) & unicode_tables::kPunctuation) != 0;
      },
      section.has("behavior") ? read_split_behavior(section.at("behavior"))
                              : SplitBehavior::kIsolated);
}

std::unique_ptr<PreTokenizer> make_digits(const JsonPlace& section) {
  return cut_at([&classes = TextClasses::get()](
                    char32_t c) { return (classes.value(c) & text_tables::kNumeric) != 0; },
                section.at("individual_digits").boolean() ? SplitBehavior::kIsolated
                                                          : SplitBehavior::kContiguous);
}

std::unique_ptr<PreTokenizer> make_char_delimiter_split(const JsonPlace& section) {
  return cut_at(
      [delimiter = read_character(section.at("delimiter"))](char32_t c) { return c == delimiter; },
      SplitBehavior::kRemoved);
}

}  // namespace attune
