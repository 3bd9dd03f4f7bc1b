#include "data/tokenizers/metaspace.h"

#include <cstdint>
#include <string>
#include <utility>

#include "data/tokenizers/characters.h"
#include "data/tokenizers/json_place.h"
#include "data/tokenizers/pattern_section.h"
#include "data/tokenizers/piece_cutter.h"

namespace attune {
namespace {

enum class Scheme : std::uint8_t { kAlways, kNever, kFirst };

class Metaspace final : public PreTokenizer {
 public:
  Metaspace(std::string replacement, Scheme scheme, bool split)
      : replacement_(std::move(replacement)), scheme_(scheme), split_(split) {}

  bool split(std::string_view text, bool at_start, PieceSink& out) const override {
    std::string spaced;
    spaced.reserve(text.size() + text.size() / 2 + replacement_.size());
    const bool prepend = scheme_ == Scheme::kAlways || (scheme_ == Scheme::kFirst && at_start);
    if (prepend && !text.starts_with(' ') && !text.starts_with(replacement_)) {
      spaced += replacement_;
    }
    for (const char byte : text) {
      if (byte == ' ') {
        spaced += replacement_;
      } else {
        spaced += byte;
      }
    }
    if (!split_) return out.take(spaced, at_start);
    PieceCutter cutter(SplitBehavior::kMergedWithNext, spaced, at_start, out);
    for (std::size_t at = 0; at < spaced.size();) {
      const std::size_t found = spaced.find(replacement_, at);
      const std::size_t end = found == std::string::npos ? spaced.size() : found;
      if (end > at && !cutter.take(at, end, false)) return false;
      at = end;
      if (found == std::string::npos) break;
      if (!cutter.take(at, at + replacement_.size(), true)) return false;
      at += replacement_.size();
    }
    return cutter.finish();
  }

 private:
  std::string replacement_;
  Scheme scheme_;
  bool split_;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_metaspace(const JsonPlace& section) {
  const JsonPlace replacement = section.at("replacement");
  read_character(replacement);
  Scheme scheme = Scheme::kAlways;
  if (section.has("prepend_scheme")) {
    const JsonPlace name = section.at("prepend_scheme");
    if (name.text() == "first") {
      scheme = Scheme::kFirst;
    } else if (name.text() == "never") {
      scheme = Scheme::kNever;
    } else if (name.text() != "always") {
      name.refuse("always, never or first");
    }
  }
  // Of older files; the peer refuses it too where the two do not agree.
  if (section.has("add_prefix_space") && !section.at("add_prefix_space").boolean() &&
      scheme != Scheme::kNever) {
    section.at("add_prefix_space").refuse("true, or \"prepend_scheme\": \"never\" beside it");
  }
  const bool split = !section.has("split") || section.at("split").boolean();
  return std::make_unique<Metaspace>(replacement.text(), scheme, split);
}

}  // namespace attune
