#include "data/chunks/near_duplicates.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <unordered_map>

#include "core/error.h"
#include "core/parallel.h"
#include "data/chunks/words.h"
#include "data/union_find.h"

namespace attune {
namespace {

constexpr std::size_t kShingleWords = 5;
constexpr double kMissed = 1e-4;  // of pairs at the threshold
constexpr int kMostBands = 32, kMostRows = 8;

std::uint64_t mix(std::uint64_t x) {  // the finaliser of SplitMix64 (Steele et al. 2014)
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
  x = (x ^ x >> 27) * 0x94D049BB133111EB;
  return x ^ x >> 31;
}

std::uint64_t hash_of(std::string_view word) {  // FNV-1a
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char byte : word) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
  return mix(hash);
}

// The distinct shingles' hashes, ascending.
std::vector<std::uint64_t> shingles_of(std::string_view text) {
  std::vector<std::uint64_t> shingles;
  std::array<std::uint64_t, kShingleWords> last{};  // in a ring
  std::size_t count = 0;
  const auto add = [&](std::size_t words) {
    std::uint64_t hash = words;
    for (std::size_t i = count - words; i < count; ++i)
      hash = mix(hash * 0x9E3779B97F4A7C15 + last[i % kShingleWords]);
    shingles.push_back(hash);
  };
  Words words(text);
  for (std::string_view word; words.next(word);) {
    last[count++ % kShingleWords] = hash_of(word);
    if (count >= kShingleWords) add(kShingleWords);
  }
  if (shingles.empty()) add(count);
  std::sort(shingles.begin(), shingles.end());
  shingles.erase(std::unique(shingles.begin(), shingles.end()), shingles.end());
  return shingles;
}

double similarity(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b) {
  std::size_t shared = 0;
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    if (a[i] == b[j])
      ++shared, ++i, ++j;
    else
      ++(a[i] < b[j] ? i : j);
  }
  return static_cast<double>(shared) / static_cast<double>(a.size() + b.size() - shared);
}

// Texts of which a band of MinHashes is equal share that band's bucket.
class Buckets {
 public:
  Buckets(std::span<const std::string_view> texts, double threshold, int threads)
      : texts_(texts), threshold_(threshold) {
    ATTUNE_ASSERT(threshold > 0 && threshold <= 1);
    // A pair of similarity t shares a band of r rows with probability t^r, so at least one of b
    // bands with 1 - (1 - t^r)^b: as many rows, for few candidates, as the bands allow.
    const double least = 1 - std::pow(kMissed, 1.0 / kMostBands);
    while (rows_ < kMostRows && std::pow(threshold, rows_ + 1) >= least) ++rows_;
    const double found = std::pow(threshold, rows_);
    bands_ = found < 1 ? static_cast<int>(std::ceil(std::log(kMissed) / std::log1p(-found))) : 1;
    bands_ = std::clamp(bands_, 1, 4 * kMostBands);
    keys_.resize(texts.size() * static_cast<std::size_t>(bands_));
    parallel_for(size(), threads, 64, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) write_keys(row);
    });
  }

  std::int64_t size() const { return static_cast<std::int64_t>(texts_.size()); }
  int bands() const { return bands_; }
  std::uint64_t key(std::int64_t row, int band) const {
    return keys_[static_cast<std::size_t>(row * bands_ + band)];
  }

  bool near(std::int64_t row, std::int64_t other) {
    if (row != row_of_shingles_) shingles_ = shingles_of(texts_[row]), row_of_shingles_ = row;
    return texts_[row] == texts_[other] ||
           similarity(shingles_, shingles_of(texts_[other])) >= threshold_;
  }

 private:
  void write_keys(std::int64_t row) {
    const std::vector<std::uint64_t> shingles = shingles_of(texts_[row]);
    for (int band = 0; band < bands_; ++band) {
      std::uint64_t key = static_cast<std::uint64_t>(band);
      for (int i = 0; i < rows_; ++i) {
        // x -> factor * x + term permutes the 64-bit numbers, for an odd factor.
        const std::uint64_t number = static_cast<std::uint64_t>(band * rows_ + i);
        const std::uint64_t factor = mix(2 * number + 1) | 1, term = mix(2 * number + 2);
        std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
        for (const std::uint64_t shingle : shingles)
          least = std::min(least, factor * shingle + term);
        key = mix(key * 0x9E3779B97F4A7C15 + least);
      }
      keys_[static_cast<std::size_t>(row * bands_ + band)] = key;
    }
  }

  std::span<const std::string_view> texts_;
  double threshold_;
  int rows_ = 1, bands_ = 1;
  std::vector<std::uint64_t> keys_;      // [texts][bands]
  std::vector<std::uint64_t> shingles_;  // of the row last asked for
  std::int64_t row_of_shingles_ = -1;
};

// Adds one bucket's rows to their groups. A row is held against others until it joins them, so that
// a bucket of copies takes linear time.
void join(std::span<const std::int64_t> rows, Buckets& buckets, UnionFind& groups) {
  std::vector<std::vector<std::int64_t>> parts;  // the rows so far, by group
  for (const std::int64_t row : rows) {
    std::vector<std::int64_t> own = {row};
    std::erase_if(parts, [&](std::vector<std::int64_t>& part) {
      const bool is_joined = groups.find(part[0]) == groups.find(row) ||
                             std::any_of(part.begin(), part.end(), [&](std::int64_t other) {
                               return buckets.near(row, other);
                             });
      if (!is_joined) return false;
      groups.join(part[0], row);
      if (own.size() < part.size()) own.swap(part);
      own.insert(own.end(), part.begin(), part.end());
      return true;
    });
    parts.push_back(std::move(own));
  }
}

}  // namespace

double jaccard_similarity(std::string_view left, std::string_view right) {
  return similarity(shingles_of(left), shingles_of(right));
}

std::vector<std::int64_t> first_near_duplicate(std::span<const std::string_view> texts,
                                               double threshold, int threads) {
  Buckets buckets(texts, threshold, threads);
  std::vector<std::int64_t> first(texts.size(), -1);
  const auto bands = static_cast<std::size_t>(buckets.bands());
  // A bucket's kept rows, from the last: newest[key], then older[row][band] until -1.
  std::unordered_map<std::uint64_t, std::int64_t> newest;
  std::vector<std::int64_t> older(texts.size() * bands, -1), candidates;
  for (std::int64_t row = 0; row < buckets.size(); ++row) {
    candidates.clear();
    std::int64_t* const before = older.data() + static_cast<std::size_t>(row) * bands;
    for (int band = 0; band < buckets.bands(); ++band) {
      const auto found = newest.find(buckets.key(row, band));
      if (found != newest.end()) before[band] = found->second;
      for (std::int64_t other = before[band]; other >= 0;
           other = older[static_cast<std::size_t>(other) * bands + band])
        candidates.push_back(other);
    }
    std::sort(candidates.begin(), candidates.end());
    candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
    const auto near = std::find_if(candidates.begin(), candidates.end(),
                                   [&](std::int64_t other) { return buckets.near(row, other); });
    if (near != candidates.end()) {
      first[row] = *near;
    } else {
      for (int band = 0; band < buckets.bands(); ++band) newest[buckets.key(row, band)] = row;
    }
  }
  return first;
}

std::vector<std::int64_t> near_duplicate_groups(std::span<const std::string_view> texts,
                                                double threshold, int threads) {
  Buckets buckets(texts, threshold, threads);
  UnionFind groups(buckets.size());
  std::vector<std::int64_t> rows(texts.size());
  for (int band = 0; band < buckets.bands(); ++band) {
    const auto key = [&](std::int64_t row) { return buckets.key(row, band); };
    std::iota(rows.begin(), rows.end(), 0);
    std::sort(rows.begin(), rows.end(), [&](std::int64_t a, std::int64_t b) {
      return std::pair(key(a), a) < std::pair(key(b), b);
    });
    for (std::size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
      while (end < rows.size() && key(rows[end]) == key(rows[begin])) ++end;
      if (end - begin > 1) join(std::span(rows).subspan(begin, end - begin), buckets, groups);
    }
  }
  std::vector<std::int64_t> first(texts.size());
  for (std::int64_t row = 0; row < buckets.size(); ++row) first[row] = groups.find(row);
  return first;
}

}  // namespace attune
