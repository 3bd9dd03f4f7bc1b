// Rotary turns, RMSNorm and gated units against their definitions in double precision, and their
// gradients against differences of these.
#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/glu.h"
#include "kernels/rms_norm.h"
#include "kernels/rotary.h"
#include "tests/kernels/isa_test_case.h"

namespace attune {
namespace {

std::vector<float> normal(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution;
  std::vector<float> values(count);
  for (float& x : values) x = distribution(random);
  return values;
}

std::vector<BFloat16> narrowed(std::vector<float>& values) {
  std::vector<BFloat16> result;
  for (float& x : values) {
    result.push_back(narrow<BFloat16>(x));
    x = widen(result.back());
  }
  return result;
}

// Central differences of sum(weights * f(x)).
std::vector<double> differences(
    const std::vector<double>& x, const std::vector<float>& weights,
    const std::function<std::vector<double>(const std::vector<double>&)>& f) {
  std::vector<double> gradient(x.size());
  const auto sum = [&](const std::vector<double>& at) {
    const std::vector<double> y = f(at);
    double total = 0;
    for (std::size_t i = 0; i < y.size(); ++i) total += y[i] * weights[i];
    return total;
  };
  for (std::size_t i = 0; i < x.size(); ++i) {
    constexpr double kStep = 1e-5;
    std::vector<double> up = x, down = x;
    up[i] += kStep;
    down[i] -= kStep;
    gradient[i] = (sum(up) - sum(down)) / (2 * kStep);
  }
  return gradient;
}

using RotaryKernel = IsaTest;

TEST_P(RotaryKernel, TurnsPairsAndBackAgain) {
  constexpr int kTokens = 3, kHeads = 5, kRotated = 4, kWidth = 20;
  for (const int dim : {20, 12, 2})
    for (const bool interleaved : {false, true}) {
      const std::vector<float> x = normal(kTokens * kHeads * kWidth, 1);
      std::vector<float> cos, sin;
      for (int t = 0; t < kTokens; ++t)
        for (int i = 0; i < dim / 2; ++i) {
          cos.push_back(std::cos(t * 0.7f + static_cast<float>(i)));
          sin.push_back(std::sin(t * 0.7f + static_cast<float>(i)));
        }
      Rotation rotation{kHeads, kRotated, kWidth, dim, interleaved, cos.data(), sin.data(), false};
      std::vector<float> y(x.size(), -9);
      rotate_cpu(rotation, x.data(), y.data(), 0, kTokens);
      for (int t = 0; t < kTokens; ++t)
        for (int h = 0; h < kHeads; ++h)
          for (int i = 0; i < kWidth; ++i) {
            const std::size_t at = (t * kHeads + h) * kWidth;
            double expected = x[at + i];
            if (h < kRotated && i < dim) {
              const int pair = interleaved ? i / 2 : i % (dim / 2);
              const bool second = interleaved ? i % 2 == 1 : i >= dim / 2;
              const int other =
                  interleaved ? i + (second ? -1 : 1) : i + (second ? -dim / 2 : dim / 2);
              const double angle = t * 0.7 + pair;
              expected =
                  x[at + i] * std::cos(angle) + (second ? 1 : -1) * x[at + other] * std::sin(angle);
            }
            ASSERT_NEAR(y[at + i], expected, 2e-6) << dim << interleaved << " " << t << h << i;
          }
      rotation.back = true;
      rotate_cpu(rotation, y.data(), y.data(), 0, kTokens);  // in place
      for (std::size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(y[i], x[i], 2e-6);
    }
}

INSTANTIATE_TEST_SUITE_P(Isa, RotaryKernel, every_isa());

using RmsNormKernel = IsaTest;

TEST_P(RmsNormKernel, EqualsTheDefinitionWithItsGradient) {
  constexpr int kRows = 3, kHeads = 2, kWidth = 19, kStride = 50;
  const std::vector<float> weight = normal(kWidth, 1), x = normal(kRows * kStride, 2),
                           grad = normal(kRows * kStride, 3);
  for (const float offset : {0.f, 1.f}) {
    const RmsNorm norm{kStride, kHeads, kWidth, 1e-3f, offset, weight.data()};
    std::vector<float> y(x.size(), -9), grad_x(x.size(), -9), grad_weight(kWidth);
    rms_norm_forward_cpu(norm, x.data(), y.data(), 0, kRows);
    rms_norm_backward_cpu(norm, x.data(), grad.data(), grad_x.data(), grad_weight.data(), 0, kRows);
    std::vector<double> expected_weight(kWidth);
    for (int row = 0; row < kRows; ++row)
      for (int head = 0; head < kHeads; ++head) {
        const std::size_t at = row * kStride + head * kWidth;
        const auto definition = [&](const std::vector<double>& values) {
          double squares = 0;
          for (double value : values) squares += value * value;
          std::vector<double> result;
          for (int i = 0; i < kWidth; ++i)
            result.push_back(values[i] / std::sqrt(squares / kWidth + 1e-3) * (offset + weight[i]));
          return result;
        };
        const std::vector<double> values(x.begin() + at, x.begin() + at + kWidth);
        const std::vector<float> weights(grad.begin() + at, grad.begin() + at + kWidth);
        const std::vector<double> expected = definition(values),
                                  slopes = differences(values, weights, definition);
        for (int i = 0; i < kWidth; ++i) {
          ASSERT_NEAR(y[at + i], expected[i], 2e-6);
          ASSERT_NEAR(grad_x[at + i], slopes[i], 1e-5);
          expected_weight[i] += weights[i] * expected[i] / (offset + weight[i]);
        }
      }
    for (int i = 0; i < kWidth; ++i) ASSERT_NEAR(grad_weight[i], expected_weight[i], 1e-5);
    EXPECT_EQ(y[kHeads * kWidth], -9);  // what stands behind the heads is not touched
    EXPECT_EQ(grad_x[kHeads * kWidth], -9);
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, RmsNormKernel, every_isa());

double activation(GluActivation kind, double x) {
  if (kind == GluActivation::kSilu) return x / (1 + std::exp(-x));
  if (kind == GluActivation::kGelu) return x * (1 + std::erf(x / std::sqrt(2.0))) / 2;
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

using GluKernel = IsaTest;

TEST_P(GluKernel, EqualsTheDefinitionWithItsGradient) {
  constexpr std::int64_t kRows = 3, kWidth = 21;
  for (const GluActivation kind :
       {GluActivation::kGelu, GluActivation::kGeluTanh, GluActivation::kSilu})
    for (const bool first : {true, false}) {
      std::vector<float> z = normal(2 * kRows * kWidth, 4);
      z[0] = 90;  // far out on both sides, and nothing
      z[1] = -90;
      z[2] = 0;
      z[kWidth] = 40;
      z[kWidth + 1] = -40;
      z[kWidth + 2] = 0;
      const std::vector<float> grad = normal(kRows * kWidth, 5);
      const Glu glu{kind, kWidth, first};
      std::vector<float> y(kRows * kWidth, -9), grad_z(z.size(), -9);
      glu_forward_cpu(glu, z.data(), y.data(), 0, kRows);
      glu_backward_cpu(glu, z.data(), grad.data(), grad_z.data(), 0, kRows);
      for (std::int64_t row = 0; row < kRows; ++row)
        for (std::int64_t i = 0; i < kWidth; ++i) {
          const std::size_t at = 2 * row * kWidth + i;
          const std::size_t g = first ? at : at + kWidth, u = first ? at + kWidth : at;
          const double value = activation(kind, z[g]);
          const double slope =
              (activation(kind, z[g] + 1e-6) - activation(kind, z[g] - 1e-6)) / 2e-6;
          const double scale = 1 + std::abs(z[u]) * (1 + std::abs(z[g]));
          ASSERT_NEAR(y[row * kWidth + i], value * z[u], 1e-6 * scale);
          ASSERT_NEAR(grad_z[g], grad[row * kWidth + i] * slope * z[u], 2e-6 * scale);
          ASSERT_NEAR(grad_z[u], grad[row * kWidth + i] * value, 2e-6 * scale);
        }
    }
}

TEST_P(GluKernel, InBf16RoundsOnlyWhatIsReadAndWritten) {
  std::vector<float> z = normal(2 * 40, 4);
  const std::vector<BFloat16> typed = narrowed(z);
  std::vector<float> y(40);
  std::vector<BFloat16> y_typed(40);
  const Glu glu{GluActivation::kSilu, 40, true};
  glu_forward_cpu(glu, z.data(), y.data(), 0, 1);
  glu_forward_cpu(glu, typed.data(), y_typed.data(), 0, 1);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(y_typed[i].bits, narrow<BFloat16>(y[i]).bits);
}

INSTANTIATE_TEST_SUITE_P(Isa, GluKernel, every_isa());

}  // namespace
}  // namespace attune
