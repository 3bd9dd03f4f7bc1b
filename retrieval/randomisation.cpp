#include "retrieval/randomisation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "kernels/counter_dropout.h"

namespace attune {
namespace {

// A bit for each difference: 1 turns its sign. `word` gives the bits of 64 of them.
template <class Word>
double signed_sum(const std::vector<double>& differences, const Word& word) {
  double sum = 0;
  for (std::size_t begin = 0; begin < differences.size(); begin += 64) {
    const std::uint64_t bits = word();
    const std::size_t count = std::min<std::size_t>(64, differences.size() - begin);
    for (std::size_t i = 0; i < count; ++i) {
      const double turned[] = {differences[begin + i], -differences[begin + i]};
      sum += turned[bits >> i & 1];
    }
  }
  return sum;
}

}  // namespace

double paired_randomisation(const std::vector<double>& base, const std::vector<double>& candidate,
                            int rounds, std::uint64_t seed) {
  ATTUNE_ASSERT(!base.empty() && base.size() == candidate.size() && rounds >= 1);
  std::vector<double> differences;
  double found = 0, size = 0;
  for (std::size_t i = 0; i < base.size(); ++i) {
    const double difference = candidate[i] - base[i];
    ATTUNE_ASSERT(std::isfinite(difference));
    if (difference == 0) continue;
    differences.push_back(difference);
    found += difference;
    size += std::fabs(difference);
  }
  if (differences.empty()) return 1;
  const double far = std::fabs(found) - 1e-12 * size;

  const bool exact = differences.size() < 31 && 1 << differences.size() <= rounds;
  const int patterns = exact ? 1 << differences.size() : rounds;
  std::uint64_t state = seed;
  std::int64_t farther = 0;
  for (int pattern = 0; pattern < patterns; ++pattern) {
    const double sum = signed_sum(differences, [&]() -> std::uint64_t {
      return exact ? static_cast<std::uint64_t>(pattern) : mix64(state += 0x9e3779b97f4a7c15ull);
    });
    farther += std::fabs(sum) >= far ? 1 : 0;
  }
  const int one = exact ? 0 : 1;  // of all patterns the one found is among those counted
  return static_cast<double>(farther + one) / static_cast<double>(patterns + one);
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::vector<double> corrected(p.size());
  double largest = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    largest = std::max(largest, static_cast<double>(p.size() - i) * p[order[i]]);
    corrected[order[i]] = std::min(1.0, largest);
  }
  return corrected;
}

}  // namespace attune
