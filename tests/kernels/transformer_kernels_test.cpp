// LayerNorm, GELU, AdamW and cross-entropy against their definitions in double precision.
#include <cmath>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/adamw.h"
#include "kernels/cross_entropy.h"
#include "kernels/gelu.h"
#include "kernels/layer_norm.h"
#include "kernels/quantize.h"
#include "tests/kernels/isa_test_case.h"

namespace attune {
namespace {

std::vector<float> normal(std::size_t count, unsigned seed, float spread = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution(0, spread);
  std::vector<float> values(count);
  for (float& x : values) x = distribution(random);
  return values;
}

template <class T>
std::vector<T> rounded(std::vector<float>& values) {
  std::vector<T> result;
  for (float& x : values) {
    result.push_back(narrow<T>(x));
    x = widen(result.back());
  }
  return result;
}

TEST(BFloat16, RoundsToNearestEvenAndKeepsWhatIsNotFinite) {
  EXPECT_EQ(narrow<BFloat16>(1.f).bits, 0x3f80);
  EXPECT_EQ(narrow<BFloat16>(1 + 1.f / 256).bits, 0x3f80);  // half way: to even
  EXPECT_EQ(narrow<BFloat16>(1 + 3.f / 256).bits, 0x3f82);  // half way: to even
  EXPECT_EQ(narrow<BFloat16>(1 + 1.01f / 256).bits, 0x3f81);
  EXPECT_TRUE(std::isinf(widen(narrow<BFloat16>(std::numeric_limits<float>::max()))));
  EXPECT_TRUE(std::isnan(widen(narrow<BFloat16>(std::bit_cast<float>(0x7fffffffu)))));
  EXPECT_TRUE(std::isnan(widen(narrow<BFloat16>(-std::numeric_limits<float>::quiet_NaN()))));
}

using AddLayerNormKernel = IsaTest;

struct LayerNormCase {
  std::int64_t rows, width;
  double dropout;
  bool residual;
};

template <class T>
void check_layer_norm(const LayerNormCase& c, double tolerance) {
  const std::size_t count = c.rows * c.width;
  std::vector<float> x = normal(count, 1), residual = normal(count, 2), weight = normal(c.width, 3),
                     bias = normal(c.width, 4), grad_wide = normal(count, 5),
                     grad_narrow = normal(count, 6);
  const std::vector<T> x_typed = rounded<T>(x), grad_typed = rounded<T>(grad_narrow);
  std::vector<std::int64_t> uid;
  std::vector<std::int32_t> positions;
  for (std::int64_t t = 0; t < c.rows; ++t) {
    uid.push_back(50 + t / 3);
    positions.push_back(static_cast<std::int32_t>(t % 3));
  }
  AddLayerNorm norm{c.width,
                    1e-5f,
                    weight.data(),
                    bias.data(),
                    Dropout::make(c.dropout, 1, 2, 0, DropoutSite::kOutput),
                    uid.data(),
                    positions.data()};

  std::vector<float> y(count), normalized(count), inverse(c.rows), grad_residual(count),
      grad_weight(c.width), grad_bias(c.width);
  std::vector<T> y_narrow(count), grad_x(count);
  add_layer_norm_forward_cpu<T>(norm,
                                {x_typed.data(), c.residual ? residual.data() : nullptr, y.data(),
                                 y_narrow.data(), normalized.data(), inverse.data()},
                                0, c.rows);
  add_layer_norm_backward_cpu<T>(
      norm,
      {grad_wide.data(), grad_typed.data(), normalized.data(), inverse.data(), grad_residual.data(),
       grad_x.data(), grad_weight.data(), grad_bias.data()},
      0, c.rows);
  std::vector<float> inference(count);
  add_layer_norm_forward_cpu<T>(norm,
                                {x_typed.data(), c.residual ? residual.data() : nullptr,
                                 inference.data(), nullptr, nullptr, nullptr},
                                0, c.rows);

  std::vector<double> expected_weight(c.width), expected_bias(c.width);
  for (std::int64_t t = 0; t < c.rows; ++t) {
    const std::uint32_t key = dropout_row_key(norm.dropout.call_key(), uid[t], positions[t]);
    std::vector<double> s(c.width), mask(c.width, 1), n(c.width), h(c.width);
    double mean = 0, variance = 0, mean_h = 0, mean_hn = 0;
    for (std::int64_t i = 0; i < c.width; ++i) {
      if (norm.dropout.on())
        mask[i] = hash32(key + static_cast<std::uint32_t>(i)) >= norm.dropout.threshold
                      ? norm.dropout.scale
                      : 0;
      s[i] = mask[i] * x[t * c.width + i] + (c.residual ? residual[t * c.width + i] : 0);
      mean += s[i] / c.width;
    }
    for (double value : s) variance += (value - mean) * (value - mean) / c.width;
    const double deviation = std::sqrt(variance + 1e-5);
    for (std::int64_t i = 0; i < c.width; ++i) {
      const std::int64_t at = t * c.width + i;
      n[i] = (s[i] - mean) / deviation;
      ASSERT_NEAR(y[at], n[i] * weight[i] + bias[i], 5e-6);
      ASSERT_EQ(widen(y_narrow[at]), widen(narrow<T>(y[at])));
      ASSERT_NEAR(inference[at], y[at], 1e-6);
      const double g = static_cast<double>(grad_wide[at]) + grad_narrow[at];
      expected_weight[i] += g * n[i];
      expected_bias[i] += g;
      h[i] = g * weight[i];
      mean_h += h[i] / c.width;
      mean_hn += h[i] * n[i] / c.width;
    }
    for (std::int64_t i = 0; i < c.width; ++i) {
      const std::int64_t at = t * c.width + i;
      const double expected = (h[i] - mean_h - n[i] * mean_hn) / deviation;
      ASSERT_NEAR(grad_residual[at], expected, 2e-5);
      ASSERT_NEAR(widen(grad_x[at]), mask[i] * expected,
                  2e-5 + tolerance * std::abs(mask[i] * expected));
    }
  }
  for (std::int64_t i = 0; i < c.width; ++i) {
    ASSERT_NEAR(grad_weight[i], expected_weight[i], 2e-5);
    ASSERT_NEAR(grad_bias[i], expected_bias[i], 2e-5);
  }
}

TEST_P(AddLayerNormKernel, EqualsTheDefinitionForwardAndBackward) {
  for (const LayerNormCase& c :
       {LayerNormCase{7, 48, 0, true}, LayerNormCase{5, 33, 0.3, true},
        LayerNormCase{3, 384, 0.1, false}, LayerNormCase{2, 5, 0, false}}) {
    check_layer_norm<float>(c, 0);
    check_layer_norm<BFloat16>(c, 1.0 / 256);
  }
}
INSTANTIATE_TEST_SUITE_P(Isa, AddLayerNormKernel, every_isa());

using GeluKernel = IsaTest;

TEST_P(GeluKernel, EqualsTheErrorFunctionForEveryMagnitude) {
  std::vector<float> x;
  for (float value = -40; value <= 40; value += 0.0037f) x.push_back(value);
  x.push_back(0);
  const auto count = static_cast<std::int64_t>(x.size());
  std::vector<float> y(x.size()), derivative(x.size()), alone(x.size());
  gelu_cpu<float>(x.data(), y.data(), derivative.data(), 0, count);
  gelu_cpu<float>(x.data(), alone.data(), nullptr, 0, count);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double value = x[i], phi = 0.5 * std::erfc(-value / std::sqrt(2.0));
    ASSERT_NEAR(y[i], value * phi, 1e-7 * std::max(1.0, std::abs(value))) << value;
    ASSERT_NEAR(derivative[i], phi + value * std::exp(-value * value / 2) / std::sqrt(2 * M_PI),
                2e-7)
        << value;
    ASSERT_EQ(alone[i], y[i]);
  }
}

TEST_P(GeluKernel, InBf16RoundsTheFp32Result) {
  std::vector<float> x = normal(1000, 9, 3);
  const std::vector<BFloat16> narrowed = rounded<BFloat16>(x);
  std::vector<BFloat16> y(1000), derivative(1000);
  std::vector<float> y_wide(1000), derivative_wide(1000);
  gelu_cpu<BFloat16>(narrowed.data(), y.data(), derivative.data(), 0, 1000);
  gelu_cpu<float>(x.data(), y_wide.data(), derivative_wide.data(), 0, 1000);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_NEAR(widen(y[i]), y_wide[i], std::abs(y_wide[i]) / 256);
    ASSERT_NEAR(widen(derivative[i]), derivative_wide[i], std::abs(derivative_wide[i]) / 256);
  }
}

TEST_P(GeluKernel, KeepsNaN) {
  const float x[] = {std::numeric_limits<float>::quiet_NaN(),
                     -std::numeric_limits<float>::infinity()};
  float y[2], derivative[2];
  gelu_cpu<float>(x, y, derivative, 0, 2);
  EXPECT_TRUE(std::isnan(y[0]) && std::isnan(derivative[0]));
  EXPECT_FALSE(y[1] > 0);  // the limit is 0; torch gives NaN
}
INSTANTIATE_TEST_SUITE_P(Isa, GeluKernel, every_isa());

using QuantizeKernel = IsaTest;

TEST_P(QuantizeKernel, RoundsEachRowByItsOwnScale) {
  constexpr int kRows = 5, kWidth = 37;
  std::vector<float> x = normal(kRows * kWidth, 21, 1);
  for (int j = 0; j < kWidth; ++j) {
    x[kWidth + j] *= 1000;
    x[2 * kWidth + j] = 0;
  }
  std::vector<std::uint8_t> q(x.size());
  std::vector<float> scales(kRows);
  quantize_rows_cpu(x.data(), kWidth, q.data(), scales.data(), 0, kRows);
  for (int i = 0; i < kRows; ++i) {
    const auto row = std::span(x).subspan(i * kWidth, kWidth);
    float largest = 0;
    for (float value : row) largest = std::max(largest, std::abs(value));
    ASSERT_EQ(scales[i], largest / 127) << i;
    for (int j = 0; j < kWidth; ++j)
      ASSERT_NEAR((q[i * kWidth + j] - kQuantizedZero) * scales[i], row[j], scales[i] * 0.5001f)
          << i << " " << j;
  }
}

TEST_P(QuantizeKernel, ScalesTheProductBackAndAddsTheBias) {
  constexpr int kRows = 3, kWidth = 21;
  const std::vector<float> product = normal(kRows * kWidth, 22, 100), bias = normal(kWidth, 23, 1);
  const std::vector<float> scales = {0.01f, 0, 2};
  std::vector<float> y = product;
  rescale_rows_cpu(y.data(), kWidth, scales.data(), bias.data(), 0, kRows);
  for (int i = 0; i < kRows * kWidth; ++i) {
    const float expected = product[i] * scales[i / kWidth] + bias[i % kWidth];
    ASSERT_NEAR(y[i], expected, 1e-6 * std::abs(product[i]) * scales[i / kWidth] + 1e-7);
  }
}

TEST_P(QuantizeKernel, RowsThatAreNotFiniteDoNotBecomeNumbers) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    std::vector<float> x(40, 1.f);
    x[33] = bad;
    std::vector<std::uint8_t> q(40);
    std::vector<float> scales(2);
    quantize_rows_cpu(x.data(), 20, q.data(), scales.data(), 0, 2);
    EXPECT_EQ(scales[0], 1.f / 127);
    EXPECT_TRUE(std::isnan(scales[1]));
  }
}
INSTANTIATE_TEST_SUITE_P(Isa, QuantizeKernel, every_isa());

using AdamWKernel = IsaTest;

TEST_P(AdamWKernel, FollowsItsFormulaAndZeroesTheGradients) {
  constexpr int kCount = 101, kBegin = 3;
  std::vector<float> values = normal(kCount, 1), first(kCount), second(kCount);
  const float untouched = values[0];
  std::vector<double> x(values.begin(), values.end()), m(kCount), v(kCount);
  for (int t = 1; t <= 4; ++t) {
    std::vector<float> gradients = normal(kCount, 10 + t);
    AdamWStep step;
    step.learning_rate = 1e-2f;
    step.gradient_scale = 0.5f;
    step.keep = 1 - 1e-2f * 0.1f;
    step.beta1 = 0.9f;
    step.beta2 = 0.999f;
    step.epsilon = 1e-8f;
    step.one_minus_beta1 = 0.1f;
    step.one_minus_beta2 = 0.001f;
    step.correction1 = static_cast<float>(1 - std::pow(0.9, t));
    step.correction2_root = static_cast<float>(std::sqrt(1 - std::pow(0.999, t)));
    for (int i = kBegin; i < kCount; ++i) {
      const double g = 0.5 * gradients[i];
      x[i] *= 1 - 1e-2 * 0.1;
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.999 * v[i] + 0.001 * g * g;
      x[i] -= 1e-2 * (m[i] / (1 - std::pow(0.9, t))) /
              (std::sqrt(v[i] / (1 - std::pow(0.999, t))) + 1e-8);
    }
    adamw_cpu(step, values.data(), gradients.data(), first.data(), second.data(), kBegin, kCount);
    for (int i = kBegin; i < kCount; ++i) ASSERT_EQ(gradients[i], 0);
    ASSERT_NE(gradients[0], 0);
  }
  for (int i = kBegin; i < kCount; ++i) ASSERT_NEAR(values[i], x[i], 1e-6) << i;
  EXPECT_EQ(values[0], untouched);
}

TEST_P(AdamWKernel, SumOfSquaresIsExactOverMillions) {
  const std::vector<float> x(5'000'000, 0.1f);
  const double square = static_cast<double>(0.1f) * 0.1f;
  EXPECT_NEAR(sum_of_squares_cpu(x.data(), 0, 5'000'000), 5e6 * square, 5e6 * square * 1e-9);
  EXPECT_NEAR(sum_of_squares_cpu(x.data(), 3, 10), 7 * square, 1e-12);
}
INSTANTIATE_TEST_SUITE_P(Isa, AdamWKernel, every_isa());

using CrossEntropyKernel = IsaTest;

TEST_P(CrossEntropyKernel, EqualsTheDefinitionWithItsGradient) {
  const std::int64_t rows = 6, columns = 21;
  const std::vector<float> x = normal(rows * columns, 3);
  std::vector<float> grad = x, losses(rows);
  const double scale = 20, factor = 0.25;
  cross_entropy_cpu(grad.data(), columns, 0, 20, 0.25, losses.data(), 0, rows);
  for (std::int64_t i = 0; i < rows; ++i) {
    double total = 0;
    for (std::int64_t j = 0; j < columns; ++j) total += std::exp(scale * x[i * columns + j]);
    EXPECT_NEAR(losses[i], std::log(total) - scale * x[i * columns + i], 1e-5);
    for (std::int64_t j = 0; j < columns; ++j)
      EXPECT_NEAR(grad[i * columns + j],
                  factor * (std::exp(scale * x[i * columns + j]) / total - (i == j)), 1e-6);
  }
}

TEST_P(CrossEntropyKernel, LargeScoresStayFinite) {
  std::vector<float> x = {3e4f, -3e4f, 3e4f, -3e4f}, losses(2);
  cross_entropy_cpu(x.data(), 2, 0, 1, 1, losses.data(), 0, 2);
  EXPECT_NEAR(losses[0], 0, 1e-6);
  EXPECT_NEAR(losses[1], 6e4, 1e-2);
  EXPECT_NEAR(x[2], 1, 1e-6);
  EXPECT_NEAR(x[3], -1, 1e-6);
}
INSTANTIATE_TEST_SUITE_P(Isa, CrossEntropyKernel, every_isa());

}  // namespace
}  // namespace attune
