#include "data/tokenizers/bert_normalizer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "data/tokenizers/json_place.h"

namespace attune {
namespace {

using namespace unicode_tables;

constexpr char kDrop = static_cast<char>(0x80);

// kSpace and kPunctuation of ASCII, for the splitter's inner loop.
std::array<std::uint8_t, 128> make_ascii_breaks() {
  std::array<std::uint8_t, 128> breaks{};
  for (char32_t c = 0; c < 128; ++c) {
    breaks[c] = static_cast<std::uint8_t>(Characters::get().flags(c) & (kSpace | kPunctuation));
  }
  return breaks;
}

}  // namespace

// Takes normalised characters and writes them, holding back what canonical ordering may still move.
class NormalizerOutput {
 public:
  NormalizerOutput(const BertNormalizer& normalizer, std::string& out)
      : characters_(normalizer.characters_), rules_(normalizer.rules_), out_(out) {}
  ~NormalizerOutput() { end_of_run(); }

  void put(char32_t c) {
    const std::uint16_t flags = characters_.flags(c);
    if (!rules_.strip_accents) return write(c, flags);
    if (flags & kDropped) {
      if (!(flags & kNonstarter)) end_of_run();
    } else if (flags & kHasStripped) {
      std::array<char32_t, 3> hangul;
      for (const char32_t part : characters_.stripped(c, hangul)) {
        put_stripped(part, characters_.flags(part));
      }
    } else {
      put_stripped(c, flags);
    }
  }

  void end_of_run() {
    if (run_.empty()) return;
    std::stable_sort(run_.begin(), run_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [combining_class, c] : run_) write(c, characters_.flags(c));
    run_.clear();
  }

 private:
  void put_stripped(char32_t c, std::uint16_t flags) {
    if (flags & kNonstarter) {
      run_.emplace_back(characters_.combining_class(c), c);
    } else {
      end_of_run();
      write(c, flags);
    }
  }

  void write(char32_t c, std::uint16_t flags) {
    if (!rules_.lowercase || !(flags & kHasLower)) return append_utf8(c, out_);
    append_utf8(characters_.lower(c), out_);
    if (c == 0x130) append_utf8(0x307, out_);  // the one lower case of two characters
  }

  const Characters& characters_;
  const BertNormalizerRules& rules_;
  std::string& out_;
  std::vector<std::pair<std::uint8_t, char32_t>> run_;  // nonstarters, with their combining classes
};

BertNormalizerRules read_bert_normalizer(const JsonPlace& section) {
  section.require_type("BertNormalizer");
  BertNormalizerRules rules;
  rules.clean_text = section.at("clean_text").boolean();
  rules.handle_chinese_chars = section.at("handle_chinese_chars").boolean();
  rules.lowercase = section.at("lowercase").boolean();
  rules.strip_accents =
      section.has("strip_accents") ? section.at("strip_accents").boolean() : rules.lowercase;
  return rules;
}

BertNormalizer::BertNormalizer(const BertNormalizerRules& rules)
    : characters_(Characters::get()), rules_(rules) {
  for (char32_t c = 0; c < 128; ++c) {
    const std::uint16_t flags = characters_.flags(c);
    char to = static_cast<char>(c);
    if (rules.clean_text && (flags & kRemoved)) to = kDrop;
    if (rules.clean_text && !(flags & kRemoved) && (flags & kSpace)) to = ' ';
    if (rules.lowercase && (flags & kHasLower)) to = static_cast<char>(characters_.lower(c));
    ascii_[c] = to;
  }
}

void BertNormalizer::append(std::string_view text, std::string& out) const {
  NormalizerOutput output(*this, out);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
    if (at > begin) {
      output.end_of_run();
      const std::size_t old_size = out.size();
      out.resize(old_size + (at - begin));
      char* to = out.data() + old_size;
      for (std::size_t i = begin; i < at; ++i) {
        *to = ascii_[static_cast<unsigned char>(text[i])];
        to += *to != kDrop;
      }
      out.resize(static_cast<std::size_t>(to - out.data()));
      continue;
    }
    const char32_t c = next_character(text, at);
    const std::uint16_t flags = characters_.flags(c);
    if (rules_.clean_text && (flags & kRemoved)) continue;
    if (rules_.clean_text && (flags & kSpace)) {
      output.put(' ');
    } else if (rules_.handle_chinese_chars && (flags & kChinese)) {
      output.put(' ');
      output.put(c);
      output.put(' ');
    } else {
      output.put(c);
    }
  }
}

std::string BertNormalizer::normalize(std::string_view text) const {
  std::string out;
  append(text, out);
  return out;
}

bool BertWords::next(std::string_view& word) {
  static const std::array<std::uint8_t, 128> kAsciiBreaks = make_ascii_breaks();
  const Characters& characters = Characters::get();
  std::size_t begin = at_;
  while (at_ < text_.size()) {
    const std::size_t here = at_;
    const auto byte = static_cast<unsigned char>(text_[here]);
    std::uint16_t flags;
    if (byte < 0x80) {
      flags = kAsciiBreaks[byte];
      ++at_;
    } else {
      flags = characters.flags(next_character(text_, at_)) & (kSpace | kPunctuation);
    }
    if (flags == 0) continue;
    if (here > begin) {  // the word ends before this character
      if (!(flags & kSpace)) at_ = here;
      word = text_.substr(begin, here - begin);
      return true;
    }
    if (!(flags & kSpace)) {
      word = text_.substr(here, at_ - here);
      return true;
    }
    begin = at_;
  }
  word = text_.substr(begin);
  return !word.empty();
}

}  // namespace attune
