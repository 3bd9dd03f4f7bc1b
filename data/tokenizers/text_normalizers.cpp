#include "data/tokenizers/text_normalizers.h"

#include <utility>

#include "data/tokenizers/characters.h"
#include "data/tokenizers/json_place.h"
#include "data/tokenizers/pattern_section.h"
#include "data/tokenizers/text_classes.h"

namespace attune {
namespace {

// Calls put(c, out) for every character of the text.
template <class Put>
void rewrite(std::string& text, const Put& put) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) put(next_character(text, at), out);
  text = std::move(out);
}

class Lowercase final : public Normalizer {
 public:
  void normalize(std::string& text) const override {
    const Characters& characters = Characters::get();
    rewrite(text, [&](char32_t c, std::string& out) {
      if (!(characters.flags(c) & kHasLower)) return append_utf8(c, out);
      append_utf8(characters.lower(c), out);
      if (c == 0x130) append_utf8(0x307, out);  // the one lower case of two characters
    });
  }
};

class StripAccents final : public Normalizer {
 public:
  void normalize(std::string& text) const override {
    const TextClasses& classes = TextClasses::get();
    rewrite(text, [&](char32_t c, std::string& out) {
      if (!(classes.value(c) & text_tables::kMark)) append_utf8(c, out);
    });
  }
};

class Strip final : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  void normalize(std::string& text) const override {
    const TextClasses& classes = TextClasses::get();
    const auto is_space = [&](std::size_t at) {
      return (classes.value(next_character(text, at)) & text_tables::kRegexSpace) != 0;
    };
    while (right_ && !text.empty()) {
      const std::size_t last = previous_character(text, text.size());
      if (!is_space(last)) break;
      text.resize(last);
    }
    std::size_t begin = 0;
    while (left_ && begin < text.size() && is_space(begin)) next_character(text, begin);
    text.erase(0, begin);
  }

 private:
  bool left_, right_;
};

class Replace final : public Normalizer {
 public:
  Replace(SplitPattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void normalize(std::string& text) const override {
    std::string out;
    out.reserve(text.size());
    PatternMatches matches(pattern_, text);
    for (PatternMatches::Stretch stretch; matches.next(stretch);) {
      if (stretch.matches) {
        out += content_;
      } else {
        out.append(text, stretch.begin, stretch.end - stretch.begin);
      }
    }
    text = std::move(out);
  }

 private:
  SplitPattern pattern_;
  std::string content_;
};

class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::string text) : text_(std::move(text)) {}
  void normalize(std::string& text) const override {
    if (!text.empty()) text.insert(0, text_);
  }

 private:
  std::string text_;
};

}  // namespace

std::unique_ptr<Normalizer> make_lowercase(const JsonPlace&) {
  return std::make_unique<Lowercase>();
}

std::unique_ptr<Normalizer> make_strip_accents(const JsonPlace&) {
  return std::make_unique<StripAccents>();
}

std::unique_ptr<Normalizer> make_strip(const JsonPlace& section) {
  return std::make_unique<Strip>(section.at("strip_left").boolean(),
                                 section.at("strip_right").boolean());
}

std::unique_ptr<Normalizer> make_replace(const JsonPlace& section) {
  return std::make_unique<Replace>(read_pattern(section.at("pattern")),
                                   section.at("content").text());
}

std::unique_ptr<Normalizer> make_prepend(const JsonPlace& section) {
  return std::make_unique<Prepend>(section.at("prepend").text());
}

}  // namespace attune
