#include "kernels/attention.h"

#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tests/kernels/isa_test_case.h"

namespace attune {
namespace {

// The definition, in double precision, one element after the other.
struct Reference {
  std::vector<double> out, grad_qkv;
};

struct Case {
  std::vector<int> lengths;
  int heads, head_dim;
  double dropout;
};

struct Data {
  std::vector<float> qkv, grad_out;
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
    for (std::int64_t i = 0; i < tokens * 3 * hidden; ++i) qkv.push_back(normal(random));
    for (std::int64_t i = 0; i < tokens * hidden; ++i) grad_out.push_back(normal(random));
    problem.qkv = qkv.data();
    problem.cu_seqlens = cu.data();
    problem.sequence_uid = uid.data();
    problem.sequences = static_cast<std::int64_t>(c.lengths.size());
    problem.tokens = tokens;
    problem.heads = c.heads;
    problem.head_dim = c.head_dim;
    problem.scale = 1 / std::sqrt(static_cast<float>(c.head_dim));
    problem.dropout = Dropout::make(c.dropout, 42, 3, 1, DropoutSite::kAttention);
  }
};

Reference reference(const Data& data) {
  const AttentionProblem<float>& p = data.problem;
  const std::int64_t hidden = static_cast<std::int64_t>(p.heads) * p.head_dim, stride = 3 * hidden;
  Reference result{std::vector<double>(p.tokens * hidden), std::vector<double>(p.tokens * stride)};
  for (std::int64_t s = 0; s < p.sequences; ++s) {
    const std::int64_t first = p.cu_seqlens[s], length = p.cu_seqlens[s + 1] - first;
    for (int h = 0; h < p.heads; ++h) {
      const auto at = [&](std::int64_t t, int part, int d) {
        return (first + t) * stride + part * hidden + h * p.head_dim + d;
      };
      for (std::int64_t i = 0; i < length; ++i) {
        std::vector<double> prob(length), mask(length, 1), dp(length);
        double total = 0, delta = 0;
        for (std::int64_t j = 0; j < length; ++j) {
          double score = 0;
          for (int d = 0; d < p.head_dim; ++d)
            score += static_cast<double>(p.qkv[at(i, 0, d)]) * p.qkv[at(j, 1, d)];
          total += prob[j] = std::exp(score * p.scale);
        }
        const std::uint32_t key = dropout_row_key(p.dropout.call_key, p.sequence_uid[s],
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
        for (std::int64_t j = 0; j < length; ++j)
          for (int d = 0; d < p.head_dim; ++d) {
            const double ds = prob[j] * (dp[j] - delta) * p.scale;
            result.grad_qkv[at(i, 0, d)] += ds * p.qkv[at(j, 1, d)];
            result.grad_qkv[at(j, 1, d)] += ds * p.qkv[at(i, 0, d)];
          }
      }
    }
  }
  return result;
}

using Attention = IsaTest;

TEST_P(Attention, EqualsTheDefinitionForwardAndBackward) {
  for (const Case& c :
       {Case{{1}, 1, 4, 0}, Case{{5, 1, 17}, 2, 8, 0}, Case{{64, 65, 130}, 3, 32, 0},
        Case{{33, 7}, 2, 24, 0.3}, Case{{100, 3, 64}, 2, 64, 0.1}}) {
    const Data data(c);
    const Reference expected = reference(data);
    std::vector<float> out(expected.out.size(), -9), lse(c.heads * data.problem.tokens),
        grad(expected.grad_qkv.size(), -9);
    AttentionWorkspace workspace;
    for (std::int64_t i = 0; i < data.problem.items(); ++i)
      attention_forward_cpu(data.problem, i, out.data(), lse.data(), workspace);
    for (std::int64_t i = 0; i < data.problem.items(); ++i)
      attention_backward_cpu(data.problem, i, out.data(), lse.data(), data.grad_out.data(),
                             grad.data(), workspace);
    for (std::size_t i = 0; i < out.size(); ++i) ASSERT_NEAR(out[i], expected.out[i], 3e-6) << i;
    for (std::size_t i = 0; i < grad.size(); ++i)
      ASSERT_NEAR(grad[i], expected.grad_qkv[i], 2e-5) << i;
  }
}

TEST_P(Attention, InBf16RoundsOnlyWhatIsReadAndWritten) {
  Data data(Case{{33, 70}, 2, 24, 0.2});
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
  const AttentionProblem<BFloat16> problem{qkv.data(),  p.cu_seqlens, p.sequence_uid,
                                           p.sequences, p.tokens,     p.heads,
                                           p.head_dim,  p.scale,      p.dropout};
  std::vector<BFloat16> out(expected.out.size()), grad(expected.grad_qkv.size());
  std::vector<float> lse(p.heads * p.tokens);
  AttentionWorkspace workspace;
  for (std::int64_t i = 0; i < problem.items(); ++i) {
    attention_forward_cpu(problem, i, out.data(), lse.data(), workspace);
    attention_backward_cpu(problem, i, out.data(), lse.data(), grad_out.data(), grad.data(),
                           workspace);
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
                         workspace);
  for (float x : out) ASSERT_TRUE(std::isfinite(x));
  for (float x : grad) ASSERT_TRUE(std::isfinite(x));
}

INSTANTIATE_TEST_SUITE_P(Isa, Attention, every_isa());

TEST(KernelIsa, RefusesAnUnknownName) {
  EXPECT_THROW(set_kernel_isa("sse9"), std::invalid_argument);
}

}  // namespace
}  // namespace attune
