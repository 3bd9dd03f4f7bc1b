#include "retrieval/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "core/error.h"
#include "kernels/counter_dropout.h"

namespace attune {
namespace {

// splitmix64 (Steele, Lea & Flood 2014): the standard library's distributions differ between
// vendors.
class RowSampler {
 public:
  RowSampler(std::uint64_t seed, std::uint32_t count)
      : state_(seed), count_(count), threshold_((0u - count) % count) {}

  // Uniform in [0, count) without bias: Lemire 2019, multiplication with rejection.
  std::uint32_t next() {
    for (;;) {
      const std::uint64_t product = (next_bits() >> 32) * count_;
      if (static_cast<std::uint32_t>(product) >= threshold_) return product >> 32;
    }
  }

 private:
  std::uint64_t next_bits() { return mix64(state_ += 0x9e3779b97f4a7c15ull); }

  std::uint64_t state_;
  std::uint32_t count_, threshold_;
};

// A fraction as points with one decimal; never "-0.0".
std::string points(double fraction, bool sign = false) {
  double rounded = std::round(fraction * 1000) / 10;
  if (rounded == 0) rounded = 0;
  char text[32];
  std::snprintf(text, sizeof text, sign ? "%+.1f" : "%.1f", rounded);
  return text;
}

}  // namespace

PairedDifference paired_bootstrap(const std::vector<double>& base,
                                  const std::vector<double>& candidate, int resamples,
                                  std::uint64_t seed, double confidence, int comparisons) {
  ATTUNE_ASSERT(!base.empty() && base.size() == candidate.size() && base.size() <= UINT32_MAX);
  ATTUNE_ASSERT(resamples >= 1 && confidence > 0 && confidence < 1 && comparisons >= 1);
  const std::size_t count = base.size();
  std::vector<double> differences(count);
  for (std::size_t i = 0; i < count; ++i) differences[i] = candidate[i] - base[i];

  RowSampler sampler(seed, static_cast<std::uint32_t>(count));
  std::vector<double> means(resamples);
  for (double& mean : means) {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += differences[sampler.next()];
    mean = sum / static_cast<double>(count);
  }
  std::sort(means.begin(), means.end());

  // The 1e-9 keeps 10,000 resamples at 0.9 from ending as 499.99...
  const auto cut =
      static_cast<std::size_t>(resamples * (1 - confidence) / (2.0 * comparisons) + 1e-9);
  PairedDifference result;
  result.difference =
      std::accumulate(differences.begin(), differences.end(), 0.0) / static_cast<double>(count);
  result.low = means[cut];
  result.high = means[means.size() - 1 - cut];
  result.confidence = confidence;
  result.comparisons = comparisons;
  return result;
}

std::string verdict(const PairedDifference& difference) {
  char number[32];
  std::snprintf(number, sizeof number, "%g %% interval ", difference.confidence * 100);
  std::string percent = number;
  if (difference.comparisons > 1)
    percent += str_cat("for all ", difference.comparisons, " candidates ");
  if (difference.better())
    return str_cat("better by ", points(difference.difference), " points (", percent,
                   points(difference.low), " to ", points(difference.high), ")");
  if (difference.worse())
    return str_cat("worse by ", points(-difference.difference), " points (", percent,
                   points(-difference.high), " to ", points(-difference.low), ")");
  return str_cat("not shown to be better (", points(difference.difference, true), " points, ",
                 percent, points(difference.low), " to ", points(difference.high), ")");
}

}  // namespace attune
