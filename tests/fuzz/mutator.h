// Changes to bytes that nobody would make: bits, lengths, pieces cut, doubled, moved in from
// another input, words of the format put where they do not belong, one of them again and again
// (nesting).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace attune {

class Mutator {
 public:
  // `corpus` is not empty and outlives this, as `words`, which may be empty, do.
  Mutator(const std::vector<std::string>& corpus, const std::vector<std::string>& words,
          std::uint64_t seed)
      : corpus_(corpus), words_(words), random_(seed) {}

  std::string next() {
    std::string bytes = any();
    for (std::size_t change = std::size_t{1} << below(5); change > 0; --change) apply(bytes);
    if (bytes.size() > kMostBytes) bytes.resize(kMostBytes);
    return bytes;
  }
  std::size_t below(std::size_t end) { return end == 0 ? 0 : random_() % end; }

 private:
  static constexpr std::size_t kMostBytes = std::size_t{16} << 10;

  const std::string& any() { return corpus_[below(corpus_.size())]; }

  void apply(std::string& bytes) {
    const std::size_t at = below(bytes.size() + 1);
    const std::size_t length = below(std::min<std::size_t>(bytes.size() - at, 64) + 1);
    const bool inside = at < bytes.size();
    switch (below(10)) {
      case 0:
        if (inside) bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 1:
        if (inside) bytes[at] = static_cast<char>(random_());
        break;
      case 2:
        bytes.erase(at, length);
        break;
      case 3:
        bytes.insert(below(bytes.size() + 1), bytes.substr(at, length));
        break;
      case 4:
        put_number(bytes, at);
        break;
      case 5: {
        const std::string& other = any();
        bytes.replace(at, length, other.substr(below(other.size() + 1), below(200)));
        break;
      }
      case 6:
        change_digit(bytes, at);
        break;
      case 7:
        if (below(8) == 0) bytes.resize(at);
        break;
      case 8:
        if (below(8) == 0 && !words_.empty()) {
          const std::string& word = words_[below(words_.size())];
          std::string many;
          for (std::size_t i = below(2000); i > 0; --i) many += word;
          bytes.insert(at, many);
        }
        break;
      default:
        if (!words_.empty()) bytes.replace(at, below(2) * length, words_[below(words_.size())]);
    }
  }

  // One at which sizes and signs change, of 1 to 8 bytes.
  void put_number(std::string& bytes, std::size_t at) {
    static constexpr std::array<std::uint64_t, 12> kNumbers = {
        0,      1,          0x7f,       0x80,       0xff,       0x7fff,
        0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 1ULL << 62, ~0ULL};
    const std::uint64_t value = kNumbers[below(kNumbers.size())];
    const std::size_t width = std::size_t{1} << below(4);
    if (at + width <= bytes.size()) std::memcpy(bytes.data() + at, &value, width);
  }

  // A digit near `at`, so that numbers in text change their value and not only their syntax.
  void change_digit(std::string& bytes, std::size_t at) {
    const std::size_t found = bytes.find_first_of("0123456789", at);
    if (found == std::string::npos) return;
    if (below(8) == 0)
      bytes.insert(found, below(2) ? "9999999999" : "-");
    else
      bytes[found] = static_cast<char>('0' + below(10));
  }

  const std::vector<std::string>& corpus_;
  const std::vector<std::string>& words_;
  std::mt19937_64 random_;
};

}  // namespace attune
