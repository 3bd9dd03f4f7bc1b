#include "data/tokenizers/byte_level.h"

#include <array>
#include <optional>

#include "data/tokenizers/characters.h"
#include "data/tokenizers/json_place.h"
#include "data/tokenizers/split_pattern.h"

namespace attune {
namespace {

constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

struct ByteCharacter {  // UTF-8
  char bytes[2];
  unsigned char size;
};

std::array<ByteCharacter, 256> make_byte_characters() {
  std::array<ByteCharacter, 256> characters{};
  char32_t other = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) ||
                           (byte >= 0xAE && byte <= 0xFF);
    std::string text;
    append_utf8(printable ? byte : other++, text);
    characters[byte].size = static_cast<unsigned char>(text.size());
    text.copy(characters[byte].bytes, 2);
  }
  return characters;
}

class ByteLevel final : public PreTokenizer {
 public:
  ByteLevel(bool add_prefix_space, std::optional<SplitPattern> pattern)
      : add_prefix_space_(add_prefix_space), pattern_(std::move(pattern)) {}

  bool split(std::string_view text, bool at_start, PieceSink& out) const override {
    std::string spaced;
    if (add_prefix_space_ && !text.starts_with(' ')) {
      spaced.reserve(text.size() + 1);
      spaced.append(1, ' ').append(text);
      text = spaced;
    }
    std::string characters;
    const auto give = [&](std::string_view piece, bool starts) {
      characters.clear();
      append_byte_characters(piece, characters);
      return out.take(characters, starts);
    };
    if (!pattern_) return give(text, at_start);
    PatternMatches matches(*pattern_, text);
    for (PatternMatches::Stretch stretch; matches.next(stretch);) {
      if (!give(text.substr(stretch.begin, stretch.end - stretch.begin),
                at_start && stretch.begin == 0)) {
        return false;
      }
    }
    return true;
  }

 private:
  bool add_prefix_space_;
  std::optional<SplitPattern> pattern_;
};

class ByteLevelNormalizer final : public Normalizer {
 public:
  void normalize(std::string& text) const override {
    std::string characters;
    append_byte_characters(text, characters);
    text = std::move(characters);
  }
};

}  // namespace

void append_byte_characters(std::string_view bytes, std::string& out) {
  static const std::array<ByteCharacter, 256> kCharacters = make_byte_characters();
  const std::size_t begin = out.size();
  out.resize(begin + 2 * bytes.size());
  char* to = out.data() + begin;
  for (const char byte : bytes) {
    const ByteCharacter& character = kCharacters[static_cast<unsigned char>(byte)];
    to[0] = character.bytes[0];
    to[1] = character.bytes[1];  // beyond the end of a single byte; the next one covers it
    to += character.size;
  }
  out.resize(static_cast<std::size_t>(to - out.data()));
}

std::unique_ptr<PreTokenizer> make_byte_level(const JsonPlace& section) {
  section.boolean_or("trim_offsets", true);  // checked; it moves offsets only
  std::optional<SplitPattern> pattern;
  if (section.boolean_or("use_regex", true)) pattern.emplace(kGpt2Pattern, section.where());
  return std::make_unique<ByteLevel>(section.at("add_prefix_space").boolean(), std::move(pattern));
}

std::unique_ptr<Normalizer> make_byte_level_normalizer(const JsonPlace&) {
  return std::make_unique<ByteLevelNormalizer>();
}

}  // namespace attune
