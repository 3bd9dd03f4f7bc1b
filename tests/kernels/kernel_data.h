// Numbers for the tests of kernels.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/bfloat16.h"

namespace attune {

inline std::vector<float> normal_values(std::int64_t count, unsigned seed, float spread = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution(0, spread);
  std::vector<float> values(count);
  for (float& x : values) x = distribution(random);
  return values;
}

template <class T>
std::vector<T> narrowed(const std::vector<float>& values) {
  std::vector<T> result;
  for (const float x : values) result.push_back(narrow<T>(x));
  return result;
}

template <class T>
std::vector<float> widened(const std::vector<T>& values) {
  std::vector<float> result;
  for (const T x : values) result.push_back(widen(x));
  return result;
}

// The largest error that rounding to T makes, relative.
template <class T>
constexpr double kRounding = sizeof(T) == 4 ? 1.2e-7 : 1.0 / 256;

// |actual - expected| <= absolute + relative * |expected|, and neither is NaN.
template <class A, class B>
void expect_near(const std::vector<A>& actual, const std::vector<B>& expected, double absolute,
                 double relative, const char* what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double a = widen(actual[i]), b = widen(expected[i]);
    ASSERT_LE(std::abs(a - b), absolute + relative * std::abs(b))
        << what << "[" << i << "] is " << a << ", expected " << b;
  }
}

}  // namespace attune
