#include "data/tokenizers/unicode_normalizer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "data/tokenizers/characters.h"
#include "data/tokenizers/text_tables.h"

namespace attune {
namespace {

using namespace text_tables;

// Hangul syllables are composed by arithmetic (The Unicode Standard, section 3.12).
constexpr char32_t kSyllables = 0xAC00, kLeading = 0x1100, kVowels = 0x1161, kTrailing = 0x11A7;
constexpr char32_t kNumLeading = 19, kNumVowels = 21, kNumTrailing = 28;
constexpr char32_t kNumSyllables = kNumLeading * kNumVowels * kNumTrailing;

using Entry = std::pair<std::uint8_t, char32_t>;  // combining class, character

// Which characters a form may change or move: a bit per form, by character.
class Unstable {
 public:
  static const Unstable& get() {
    static const Unstable unstable;
    return unstable;
  }
  bool operator()(UnicodeForm form, char32_t c) const {
    return flags_[pages_[c >> 8] * std::size_t{256} + (c & 255)] >> static_cast<int>(form) & 1;
  }

 private:
  Unstable() {
    constexpr std::uint8_t kAll = 15;
    const auto bit = [](UnicodeForm form) {
      return static_cast<std::uint8_t>(1 << static_cast<int>(form));
    };
    const std::uint8_t decomposed = bit(UnicodeForm::kNfd) | bit(UnicodeForm::kNfkd);
    const std::uint8_t composed = bit(UnicodeForm::kNfc) | bit(UnicodeForm::kNfkc);
    std::vector<std::uint8_t> all(0x110000);
    for (std::size_t i = 0; i < kDecompositionsSize; ++i) {
      const Decomposition& row = kDecompositions[i];
      if (row.canonical_size > 0) all[row.from] |= kAll;
      all[row.from] |= bit(UnicodeForm::kNfkc) | bit(UnicodeForm::kNfkd);
    }
    for (std::size_t i = 0; i < kCompositionsSize; ++i) {
      // What NFC makes stays as it is, but where NFKC takes it apart further.
      const char32_t to = kCompositions[i].to;
      all[to] &= static_cast<std::uint8_t>(~bit(UnicodeForm::kNfc));
      const Decomposition& row =
          *std::lower_bound(kDecompositions, kDecompositions + kDecompositionsSize, to,
                            [](const Decomposition& entry, char32_t c) { return entry.from < c; });
      if (row.canonical_at == row.compatible_at && row.canonical_size == row.compatible_size) {
        all[to] &= static_cast<std::uint8_t>(~bit(UnicodeForm::kNfkc));
      }
      all[kCompositions[i].second] |= composed;
    }
    for (std::size_t i = 0; i < kCombiningSize; ++i) {
      for (char32_t c = kCombining[i].first; c <= kCombining[i].last; ++c) all[c] |= kAll;
    }
    for (char32_t i = 0; i < kNumSyllables; ++i) all[kSyllables + i] |= decomposed;
    for (char32_t i = 0; i < kNumVowels; ++i) all[kVowels + i] |= composed;
    for (char32_t i = 1; i < kNumTrailing; ++i) all[kTrailing + i] |= composed;

    std::map<std::vector<std::uint8_t>, std::uint16_t> numbers;
    for (std::size_t page = 0; page < pages_.size(); ++page) {
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(page * 256);
      std::vector<std::uint8_t> flags(begin, begin + 256);
      const auto [found, added] =
          numbers.emplace(std::move(flags), static_cast<std::uint16_t>(numbers.size()));
      if (added) flags_.insert(flags_.end(), begin, begin + 256);
      pages_[page] = found->second;
    }
  }
  std::array<std::uint16_t, 0x110000 / 256> pages_;
  std::vector<std::uint8_t> flags_;
};

std::uint8_t combining_class(char32_t c) {
  const CombiningRange* const end = kCombining + kCombiningSize;
  const CombiningRange* found =
      std::upper_bound(kCombining, end, c,
                       [](char32_t value, const CombiningRange& row) { return value < row.first; });
  if (found == kCombining || c > (--found)->last) return 0;
  return found->combining_class;
}

void decompose(char32_t c, bool compatible, std::vector<Entry>& out) {
  if (c >= kSyllables && c < kSyllables + kNumSyllables) {
    const char32_t index = c - kSyllables;
    out.emplace_back(0, kLeading + index / (kNumVowels * kNumTrailing));
    out.emplace_back(0, kVowels + index % (kNumVowels * kNumTrailing) / kNumTrailing);
    if (index % kNumTrailing > 0) out.emplace_back(0, kTrailing + index % kNumTrailing);
    return;
  }
  const Decomposition* const end = kDecompositions + kDecompositionsSize;
  const Decomposition* row = std::lower_bound(
      kDecompositions, end, c,
      [](const Decomposition& entry, char32_t value) { return entry.from < value; });
  const bool found = row != end && row->from == c;
  const std::size_t size = !found ? 0 : (compatible ? row->compatible_size : row->canonical_size);
  if (size == 0) return void(out.emplace_back(combining_class(c), c));
  const char32_t* parts = kDecomposed + (compatible ? row->compatible_at : row->canonical_at);
  for (std::size_t i = 0; i < size; ++i) out.emplace_back(combining_class(parts[i]), parts[i]);
}

// The character that the two compose to, or 0.
char32_t compose(char32_t first, char32_t second) {
  if (first - kLeading < kNumLeading && second - kVowels < kNumVowels) {
    return kSyllables + ((first - kLeading) * kNumVowels + (second - kVowels)) * kNumTrailing;
  }
  if (first - kSyllables < kNumSyllables && (first - kSyllables) % kNumTrailing == 0 &&
      second - kTrailing < kNumTrailing && second > kTrailing) {
    return first + (second - kTrailing);
  }
  const Composition* const end = kCompositions + kCompositionsSize;
  const Composition* row = std::lower_bound(kCompositions, end, std::pair(first, second),
                                            [](const Composition& entry, const auto& pair) {
                                              return std::pair(entry.first, entry.second) < pair;
                                            });
  return row != end && row->first == first && row->second == second ? row->to : 0;
}

void order(std::vector<Entry>& run) {
  for (auto begin = run.begin(); begin != run.end();) {
    if (begin->first == 0) {
      ++begin;
      continue;
    }
    const auto end =
        std::find_if(begin, run.end(), [](const Entry& entry) { return entry.first == 0; });
    std::stable_sort(begin, end, [](const Entry& a, const Entry& b) { return a.first < b.first; });
    begin = end;
  }
}

// The canonical composition algorithm (Unicode Standard Annex 15, definition D117).
void compose_all(std::vector<Entry>& run) {
  std::size_t starter = run.size(), size = 0;  // run.size(): none yet
  int last_class = -1;                         // of what was kept since the starter; -1: nothing
  for (const Entry& entry : run) {
    if (starter != run.size() && last_class < entry.first) {
      if (const char32_t together = compose(run[starter].second, entry.second); together != 0) {
        run[starter].second = together;
        continue;
      }
    }
    if (entry.first == 0) {
      starter = size;
      last_class = -1;
    } else {
      last_class = entry.first;
    }
    run[size++] = entry;
  }
  run.resize(size);
}

class UnicodeNormalizer final : public Normalizer {
 public:
  explicit UnicodeNormalizer(UnicodeForm form) : form_(form) {}
  void normalize(std::string& text) const override {
    // Nothing changes below the first letters with marks (U+00A0), or, composed, below the marks.
    const auto plain = form_ == UnicodeForm::kNfc ? 0xCC : 0xC2;
    if (std::all_of(text.begin(), text.end(),
                    [plain](char byte) { return static_cast<unsigned char>(byte) < plain; })) {
      return;
    }
    text = normalize_unicode(form_, text);
  }

 private:
  UnicodeForm form_;
};

}  // namespace

std::string normalize_unicode(UnicodeForm form, std::string_view text) {
  const Unstable& unstable = Unstable::get();
  const bool compatible = form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd;
  const bool composed = form == UnicodeForm::kNfc || form == UnicodeForm::kNfkc;
  std::string out;
  out.reserve(text.size());
  std::vector<Entry> run;
  std::size_t copied = 0, previous = 0;  // `previous`: start of the character before `at`
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t here = at;
    if (!unstable(form, next_character(text, at))) {
      previous = here;
      continue;
    }
    // The stable character before may compose with this one; from the next stable one on, nothing
    // here matters.
    const std::size_t begin = std::max(copied, previous);
    std::size_t end = at;
    while (at < text.size() && unstable(form, next_character(text, at))) end = at;
    out.append(text.substr(copied, begin - copied));
    run.clear();
    for (std::size_t i = begin; i < end;) decompose(next_character(text, i), compatible, run);
    order(run);
    if (composed) compose_all(run);
    for (const Entry& entry : run) append_utf8(entry.second, out);
    copied = previous = at = end;
  }
  return out.append(text.substr(copied));
}

std::unique_ptr<Normalizer> make_nfc(const JsonPlace&) {
  return std::make_unique<UnicodeNormalizer>(UnicodeForm::kNfc);
}
std::unique_ptr<Normalizer> make_nfd(const JsonPlace&) {
  return std::make_unique<UnicodeNormalizer>(UnicodeForm::kNfd);
}
std::unique_ptr<Normalizer> make_nfkc(const JsonPlace&) {
  return std::make_unique<UnicodeNormalizer>(UnicodeForm::kNfkc);
}
std::unique_ptr<Normalizer> make_nfkd(const JsonPlace&) {
  return std::make_unique<UnicodeNormalizer>(UnicodeForm::kNfkd);
}

}  // namespace attune
