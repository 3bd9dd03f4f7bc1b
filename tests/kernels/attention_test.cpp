#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/kernels/isa_test_case.h"

namespace attune {
namespace {

// The definition, in double precision, one element after the other.
struct Reference {
  std::vector<double> out, grad_qkv, grad_bias;
};

constexpr int kAll = AttentionProblem<float>::kUnlimited;

struct Case {
  std::vector<int> lengths;
  int heads, head_dim;
  double dropout;
  int kv_heads = heads;
  int left = kAll, right = kAll;
  bool bias = false;
  float scale = 1 / std::sqrt(static_cast<float>(head_dim));
};

struct Data {
  std::vector<float> qkv, grad_out, bias;
  std::vector<std::int32_t> cu = {0};
  std::vector<std::int64_t> uid;
  AttentionProblem<float> problem;

  explicit Data(const Case& c) {
    for (std::size_t s = 0; s < c.lengths.size(); ++s) {
      cu.push_back(cu.back() + c.lengths[s]);
      uid.push_back(1000 + 7 * static_cast<std::int64_t>(s));
    }
    const std::int64_t tokens = cu.back(), hidden = static_cast<std::int64_t>(c.heads) * c.head_dim;
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    problem.heads = c.heads;
    problem.kv_heads = c.kv_heads;
    problem.head_dim = c.head_dim;
    for (std::int64_t i = 0; i < tokens * problem.row_width(); ++i) qkv.push_back(normal(random));
    for (std::int64_t i = 0; i < tokens * hidden; ++i) grad_out.push_back(normal(random));
    problem.qkv = qkv.data();
    problem.cu_seqlens = cu.data();
    problem.sequence_uid = uid.data();
    problem.sequences = static_cast<std::int64_t>(c.lengths.size());
    problem.tokens = tokens;
    problem.scale = c.scale;
    problem.dropout = Dropout::make(c.dropout, 42, 3, 1, DropoutSite::kAttention);
    problem.left = c.left;
    problem.right = c.right;
    if (!c.bias) return;
    problem.reach = *std::max_element(c.lengths.begin(), c.lengths.end()) + 2;
    for (std::int64_t i = 0; i < c.heads * (2 * problem.reach + 1); ++i)
      bias.push_back(normal(random));
    problem.bias = bias.data();
  }
};

Reference reference(const Data& data) {
  const AttentionProblem<float>& p = data.problem;
  const std::int64_t hidden = static_cast<std::int64_t>(p.heads) * p.head_dim;
  const int group = p.heads / p.kv_heads;
  Reference result{std::vector<double>(p.tokens * hidden),
                   std::vector<double>(p.tokens * p.row_width()),
                   std::vector<double>(p.heads * 2 * p.tokens)};
  for (std::int64_t s = 0; s < p.sequences; ++s) {
    const std::int64_t first = p.cu_seqlens[s], length = p.cu_seqlens[s + 1] - first;
    for (int h = 0; h < p.heads; ++h) {
      const int first_column[] = {h, p.heads + h / group, p.heads + p.kv_heads + h / group};
      const auto at = [&](std::int64_t t, int part, int d) {
        return (first + t) * p.row_width() + first_column[part] * p.head_dim + d;
      };
      for (std::int64_t i = 0; i < length; ++i) {
        std::vector<double> prob(length), mask(length, 1), dp(length);
        double total = 0, delta = 0;
        for (std::int64_t j = 0; j < length; ++j) {
          if (j < i - p.left || j > i + p.right) continue;
          double score = 0;
          for (int d = 0; d < p.head_dim; ++d)
            score += static_cast<double>(p.qkv[at(i, 0, d)]) * p.qkv[at(j, 1, d)];
          score *= p.scale;
          if (p.bias) score += p.bias[h * (2 * p.reach + 1) + p.reach + j - i];
          total += prob[j] = std::exp(score);
        }
        const std::uint32_t key = dropout_row_key(p.dropout.call_key(), p.sequence_uid[s],
                                                  static_cast<std::uint64_t>(h) << 32 | i);
        for (std::int64_t j = 0; j < length; ++j) {
          prob[j] /= total;
          if (p.dropout.on())
            mask[j] = hash32(key + static_cast<std::uint32_t>(j)) >= p.dropout.threshold
                          ? p.dropout.scale
                          : 0;
          for (int d = 0; d < p.head_dim; ++d) {
            const std::int64_t o = (first + i) * hidden + h * p.head_dim + d;
            result.out[o] += prob[j] * mask[j] * p.qkv[at(j, 2, d)];
            dp[j] += data.grad_out[o] * p.qkv[at(j, 2, d)] * mask[j];
            result.grad_qkv[at(j, 2, d)] += prob[j] * mask[j] * data.grad_out[o];
          }
          delta += prob[j] * dp[j];
        }
        for (std::int64_t j = 0; j < length; ++j) {
          const double ds = prob[j] * (dp[j] - delta);
          result.grad_bias[2 * (h * p.tokens + first) + length - 1 + j - i] += ds;
          for (int d = 0; d < p.head_dim; ++d) {
            result.grad_qkv[at(i, 0, d)] += ds * p.scale * p.qkv[at(j, 1, d)];
            result.grad_qkv[at(j, 1, d)] += ds * p.scale * p.qkv[at(i, 0, d)];
          }
        }
      }
    }
  }
  return result;
}

using Attention = IsaTest;

void expect_the_definition(const Case& c) {
  const Data data(c);
  const Reference expected = reference(data);
  std::vector<float> out(expected.out.size(), -9), lse(c.heads * data.problem.tokens),
      grad(expected.grad_qkv.size(), -9), grad_bias(expected.grad_bias.size(), -9);
  AttentionWorkspace workspace;
  for (std::int64_t i = 0; i < data.problem.items(); ++i)
    attention_forward_cpu(data.problem, i, out.data(), lse.data(), workspace);
  for (std::int64_t i = 0; i < data.problem.items(); ++i)
    attention_backward_cpu(data.problem, i, out.data(), lse.data(), data.grad_out.data(),
                           grad.data(), c.bias ? grad_bias.data() : nullptr, workspace);
  for (std::size_t i = 0; i < out.size(); ++i) ASSERT_NEAR(out[i], expected.out[i], 3e-6) << i;
  for (std::size_t i = 0; i < grad.size(); ++i)
    ASSERT_NEAR(grad[i], expected.grad_qkv[i], 2e-5) << i;
  if (!c.bias) return;
  for (std::size_t i = 0; i < grad_bias.size(); ++i)
    ASSERT_NEAR(grad_bias[i], expected.grad_bias[i], 2e-5) << i;
}

TEST_P(Attention, EqualsTheDefinitionForwardAndBackward) {
  for (const Case& c :
       {Case{{1}, 1, 4, 0}, Case{{5, 1, 17}, 2, 8, 0}, Case{{64, 65, 130}, 3, 32, 0},
        Case{{33, 7}, 2, 24, 0.3}, Case{{100, 3, 64}, 2, 64, 0.1}})
    expect_the_definition(c);
}

TEST_P(Attention, HeadsShareKeyHeads) {
  expect_the_definition({{1, 70, 9}, 4, 16, 0, /*kv_heads=*/2});
  expect_the_definition({{66, 5}, 3, 8, 0.2, /*kv_heads=*/1, kAll, kAll, false, /*scale=*/0.25f});
}

TEST_P(Attention, CausalAndWindowsSeeWhatTheyShould) {
  for (const auto& [left, right] :
       {std::pair{kAll, 0}, {64, 64}, {3, 3}, {0, 0}, {20, 0}, {0, kAll}, {15, 16}, {1000, 1000}}) {
    SCOPED_TRACE(std::to_string(left) + " " + std::to_string(right));
    expect_the_definition({{1, 200, 16, 67}, 2, 16, 0, 2, left, right});
    expect_the_definition({{130, 31}, 2, 8, 0.25, 1, left, right});
  }
}

TEST_P(Attention, TheBiasIsOfHeadAndDistanceAndHasItsGradient) {
  expect_the_definition({{1, 70, 33}, 3, 16, 0, 3, kAll, kAll, /*bias=*/true});
  expect_the_definition({{90, 2}, 4, 8, 0.2, 2, kAll, 0, /*bias=*/true, /*scale=*/1});
  expect_the_definition({{90, 130}, 2, 8, 0, 2, 20, 9, /*bias=*/true});
}

// Queries that cannot see a key may not even read it: windows skip work.
TEST_P(Attention, WhatIsFarOutsideTheWindowIsNotRead) {
  Data data({{400}, 1, 8, 0, 1, 10, 10});
  const Data clean({{400}, 1, 8, 0, 1, 10, 10});
  for (std::int64_t t = 200; t < 400; ++t)  // keys and values behind the first half's windows
    for (std::int64_t d = 8; d < 24; ++d) data.qkv[t * 24 + d] = NAN;
  std::vector<float> out(400 * 8), expected(400 * 8), lse(400);
  AttentionWorkspace workspace;
  attention_forward_cpu(data.problem, 0, out.data(), lse.data(), workspace);
  attention_forward_cpu(clean.problem, 0, expected.data(), lse.data(), workspace);
  for (std::size_t i = 0; i < 128 * 8; ++i) ASSERT_EQ(out[i], expected[i]) << i;
}

TEST_P(Attention, InBf16RoundsOnlyWhatIsReadAndWritten) {
  Data data(Case{{33, 70}, 2, 24, 0.2, 1, 40, 12, true});
  const auto round = [](std::vector<float>& values) {
    std::vector<BFloat16> narrowed;
    for (float& x : values) {
      narrowed.push_back(narrow<BFloat16>(x));
      x = widen(narrowed.back());
    }
    return narrowed;
  };
  const std::vector<BFloat16> qkv = round(data.qkv), grad_out = round(data.grad_out);
  const Reference expected = reference(data);
  const AttentionProblem<float>& p = data.problem;
  const AttentionProblem<BFloat16> problem{
      qkv.data(), p.cu_seqlens, p.sequence_uid, p.sequences, p.tokens, p.heads, p.kv_heads,
      p.head_dim, p.scale,      p.dropout,      p.left,      p.right,  p.bias,  p.reach};
  std::vector<BFloat16> out(expected.out.size()), grad(expected.grad_qkv.size());
  std::vector<float> lse(p.heads * p.tokens);
  AttentionWorkspace workspace;
  for (std::int64_t i = 0; i < problem.items(); ++i) {
    attention_forward_cpu(problem, i, out.data(), lse.data(), workspace);
    attention_backward_cpu(problem, i, out.data(), lse.data(), grad_out.data(), grad.data(),
                           /*grad_bias=*/nullptr, workspace);
  }
  // 2^-8 is the rounding of a bf16; the gradient's row sum also reads the rounded output.
  for (std::size_t i = 0; i < out.size(); ++i)
    ASSERT_NEAR(widen(out[i]), expected.out[i], std::abs(expected.out[i]) / 256 + 1e-5) << i;
  for (std::size_t i = 0; i < grad.size(); ++i)
    ASSERT_NEAR(widen(grad[i]), expected.grad_qkv[i], std::abs(expected.grad_qkv[i]) / 256 + 1e-2)
        << i;
}

TEST_P(Attention, ASequenceGivesTheSameBitsAloneAndAmongOthers) {
  const Data together(Case{{40, 21, 9}, 2, 16, 0.2});
  std::vector<float> out(together.problem.tokens * 32), lse(2 * together.problem.tokens);
  AttentionWorkspace workspace;
  for (std::int64_t i = 0; i < together.problem.items(); ++i)
    attention_forward_cpu(together.problem, i, out.data(), lse.data(), workspace);

  AttentionProblem<float> alone = together.problem;
  const std::int32_t cu[] = {0, 21};
  alone.cu_seqlens = cu;
  alone.qkv = together.problem.qkv + 40 * 96;
  alone.sequence_uid = together.uid.data() + 1;
  alone.sequences = 1;
  alone.tokens = 21;
  std::vector<float> out_alone(21 * 32), lse_alone(2 * 21);
  for (std::int64_t i = 0; i < alone.items(); ++i)
    attention_forward_cpu(alone, i, out_alone.data(), lse_alone.data(), workspace);
  for (std::size_t i = 0; i < out_alone.size(); ++i) ASSERT_EQ(out_alone[i], out[40 * 32 + i]) << i;
}

TEST_P(Attention, LargeScoresStayFinite) {
  Data data(Case{{20}, 1, 8, 0});
  for (float& x : data.qkv) x *= 100;
  std::vector<float> out(20 * 8), lse(20), grad(20 * 24);
  AttentionWorkspace workspace;
  attention_forward_cpu(data.problem, 0, out.data(), lse.data(), workspace);
  attention_backward_cpu(data.problem, 0, out.data(), lse.data(), data.grad_out.data(), grad.data(),
                         /*grad_bias=*/nullptr, workspace);
  for (float x : out) ASSERT_TRUE(std::isfinite(x));
  for (float x : grad) ASSERT_TRUE(std::isfinite(x));
}

INSTANTIATE_TEST_SUITE_P(Isa, Attention, every_isa());

TEST(KernelIsa, RefusesAnUnknownName) {
  EXPECT_THROW(set_kernel_isa("sse9"), std::invalid_argument);
}

}  // namespace
}  // namespace attune
