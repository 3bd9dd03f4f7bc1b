// linear, attention, dropout and pooling against their plain definitions, with their gradients.
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <gtest/gtest.h>

#include "models/attention.h"
#include "models/dropout.h"
#include "models/linear.h"
#include "models/pooling.h"

namespace attune {
namespace {

PackedBatch batch_of(const std::vector<int>& lengths, int pool_from = 0) {
  PackedBatch batch;
  for (std::size_t s = 0; s < lengths.size(); ++s) {
    const std::vector<std::int32_t> ids(lengths[s], 1);
    batch.add(ids.data(), lengths[s], 100 + static_cast<std::int64_t>(s), pool_from);
  }
  return batch;
}

double worst(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

struct Gradients {
  at::Tensor value;
  std::vector<at::Tensor> grads;
};

template <class Function>
Gradients run(const std::vector<at::Tensor>& inputs, const at::Tensor& weights,
              const Function& function) {
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& x : inputs) leaves.push_back(x.detach().clone().requires_grad_(true));
  const at::Tensor value = function(leaves);
  (value * weights).sum().backward();
  Gradients result{value.detach(), {}};
  for (const at::Tensor& leaf : leaves) result.grads.push_back(leaf.grad());
  return result;
}

TEST(Linear, EqualsItsDefinitionInAllThreeDirections) {
  const std::vector<at::Tensor> inputs = {at::randn({37, 24}), at::randn({50, 24}),
                                          at::randn({50})};
  const at::Tensor weights = at::randn({37, 50});
  const Gradients ours = run(
      inputs, weights, [](const auto& in) { return linear(in[0], {in[1], in[2]}, at::kFloat); });
  const Gradients expected = run(inputs, weights, [](const auto& in) {
    return at::matmul(in[0].to(at::kDouble), in[1].to(at::kDouble).t())
        .add(in[2].to(at::kDouble))
        .to(at::kFloat);
  });
  EXPECT_LT(worst(ours.value, expected.value), 2e-5);
  for (int i = 0; i < 3; ++i) EXPECT_LT(worst(ours.grads[i], expected.grads[i]), 5e-5) << i;
}

TEST(Linear, InBf16RoundsItsInputsAndReachesTheFp32Parameters) {
  const std::vector<at::Tensor> inputs = {at::randn({37, 24}), at::randn({50, 24}),
                                          at::randn({50})};
  const at::Tensor weights = at::randn({37, 50});
  const auto with = [&](at::ScalarType compute) {
    return run(inputs, weights, [&](const auto& in) {
      return linear(in[0], {in[1], in[2]}, compute).to(at::kFloat);
    });
  };
  const Gradients exact = with(at::kFloat), rounded = with(at::kBFloat16);
  EXPECT_GT(worst(exact.value, rounded.value), 1e-4);  // it really is another precision
  EXPECT_LT(worst(exact.value, rounded.value), 0.15);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(rounded.grads[i].scalar_type(), at::kFloat);
    EXPECT_LT(worst(exact.grads[i], rounded.grads[i]), 0.6) << i;
  }
}

at::Tensor plain_attention(const at::Tensor& qkv, const std::vector<int>& lengths, int heads,
                           int head_dim) {
  std::vector<at::Tensor> outputs;
  std::int64_t first = 0;
  for (int length : lengths) {
    const at::Tensor parts =
        qkv.narrow(0, first, length).view({length, 3, heads, head_dim}).permute({1, 2, 0, 3});
    const at::Tensor scores = at::matmul(parts[0], parts[1].transpose(1, 2)) / std::sqrt(head_dim);
    outputs.push_back(at::matmul(at::softmax(scores, -1), parts[2])
                          .transpose(0, 1)
                          .reshape({length, heads * head_dim}));
    first += length;
  }
  return at::cat(outputs);
}

TEST(PackedAttention, EqualsSoftmaxAttentionOfEachSequence) {
  const std::vector<int> lengths = {9, 1, 70};
  const PackedTokens tokens = to_device(batch_of(lengths), at::kCPU);
  const std::vector<at::Tensor> inputs = {at::randn({80, 3 * 2 * 16})};
  const at::Tensor weights = at::randn({80, 32});
  const Gradients ours = run(
      inputs, weights, [&](const auto& in) { return attention(in[0], tokens, {2, 16, 0}, {}, 0); });
  const Gradients expected =
      run(inputs, weights, [&](const auto& in) { return plain_attention(in[0], lengths, 2, 16); });
  EXPECT_LT(worst(ours.value, expected.value), 3e-6);
  EXPECT_LT(worst(ours.grads[0], expected.grads[0]), 2e-5);
}

TEST(PackedAttention, DropoutChangesWithTheStepAndNotWithTheCall) {
  const PackedTokens tokens = to_device(batch_of({30, 12}), at::kCPU);
  const at::Tensor qkv = at::randn({42, 96});
  ForwardOptions options;
  options.seed = 1;
  const auto at_step = [&](std::int64_t step) {
    options.step = step;
    return attention(qkv, tokens, {2, 16, 0.5}, options, 0);
  };
  EXPECT_TRUE(at::equal(at_step(3), at_step(3)));
  EXPECT_GT(worst(at_step(3), at_step(4)), 0.01);
}

TEST(CounterDropoutFunction, ItsGradientIsItsMask) {
  const PackedTokens tokens = to_device(batch_of({5, 6}), at::kCPU);
  const Dropout mask = Dropout::make(0.4, 1, 2, 0, DropoutSite::kOutput);
  const at::Tensor x = at::randn({11, 20}).abs() + 1;
  const Gradients ours =
      run({x}, at::ones_like(x), [&](const auto& in) { return dropout(in[0], tokens, mask); });
  EXPECT_LT(worst(ours.grads[0], ours.value / x), 1e-6);
  EXPECT_GT((ours.value == 0).sum().item<int>(), 20);
}

TEST(Pooling, EqualsTheDefinitionsWithTheirGradients) {
  for (int pool_from : {0, 2}) {
    const std::vector<int> lengths = {4, 9, 3};
    const PackedTokens tokens = to_device(batch_of(lengths, pool_from), at::kCPU);
    const std::vector<at::Tensor> inputs = {at::randn({16, 6})};
    const auto each = [&](const at::Tensor& x, const auto& reduce) {
      std::vector<at::Tensor> rows;
      std::int64_t first = 0;
      for (int length : lengths) {
        rows.push_back(reduce(x.narrow(0, first + pool_from, length - pool_from), x[first]));
        first += length;
      }
      return at::stack(rows);
    };
    const auto check = [&](PoolingMode mode, const auto& reduce) {
      const at::Tensor weights = at::randn({3, 6});
      const Gradients ours =
          run(inputs, weights, [&](const auto& in) { return pool(in[0], tokens, {mode}); });
      const Gradients expected =
          run(inputs, weights, [&](const auto& in) { return each(in[0], reduce); });
      EXPECT_LT(worst(ours.value, expected.value), 1e-6) << pooling_name(mode);
      EXPECT_LT(worst(ours.grads[0], expected.grads[0]), 1e-6) << pooling_name(mode);
    };
    check(PoolingMode::kMean,
          [](const at::Tensor& rows, const at::Tensor&) { return rows.mean(0); });
    check(PoolingMode::kMeanSqrtLen, [](const at::Tensor& rows, const at::Tensor&) {
      return rows.sum(0) / std::sqrt(static_cast<double>(rows.size(0)));
    });
    check(PoolingMode::kMax,
          [](const at::Tensor& rows, const at::Tensor&) { return std::get<0>(rows.max(0)); });
    check(PoolingMode::kCls, [](const at::Tensor&, const at::Tensor& first) { return first; });
  }
}

TEST(Pooling, SeveralModesStandSideBySide) {
  const PackedTokens tokens = to_device(batch_of({4, 2}), at::kCPU);
  const at::Tensor x = at::randn({6, 5});
  const at::Tensor both = pool(x, tokens, {PoolingMode::kCls, PoolingMode::kMean});
  EXPECT_TRUE(at::equal(both.narrow(1, 0, 5), pool(x, tokens, {PoolingMode::kCls})));
  EXPECT_TRUE(at::equal(both.narrow(1, 5, 5), pool(x, tokens, {PoolingMode::kMean})));
}

}  // namespace
}  // namespace attune
