// linear, attention, dropout, LayerNorm, embeddings and pooling against their plain definitions,
// with their gradients.
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <gtest/gtest.h>

#include "models/attention.h"
#include "models/dropout.h"
#include "models/layer_norm.h"
#include "models/linear.h"
#include "models/pooling.h"
#include "models/quantized_linear.h"
#include "models/token_embedding.h"

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

ForwardOptions in_type(at::ScalarType compute) {
  ForwardOptions options;
  options.compute = compute;
  return options;
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

TEST(Linear, WithGeluEqualsTheTwoApart) {
  const std::vector<at::Tensor> inputs = {at::randn({37, 24}), at::randn({50, 24}),
                                          at::randn({50})};
  const at::Tensor weights = at::randn({37, 50});
  for (const auto& [compute, tolerance] : {std::pair(at::kFloat, 2e-5), {at::kBFloat16, 0.6}}) {
    const Gradients fused = run(inputs, weights, [&](const auto& in) {
      return linear_gelu(in[0], {in[1], in[2]}, {}, in_type(compute)).to(at::kFloat);
    });
    const Gradients apart = run(inputs, weights, [&](const auto& in) {
      return at::gelu(linear(in[0], {in[1], in[2]}, at::kFloat));
    });
    EXPECT_LT(worst(fused.value, apart.value), tolerance);
    for (int i = 0; i < 3; ++i) EXPECT_LT(worst(fused.grads[i], apart.grads[i]), tolerance) << i;
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(at::equal(
        linear_gelu(inputs[0], {inputs[1], inputs[2]}, {}, in_type(compute)).to(at::kFloat),
        fused.value));
  }
}

TEST(Linear, PackedServesTheSameNumbers) {
  const at::NoGradGuard no_grad;
  const at::Tensor x = at::randn({37, 24});
  const Linear plain{at::randn({50, 24}), at::randn({50})};
  for (const auto& [compute, tolerance] : {std::pair(at::kFloat, 1e-5), {at::kBFloat16, 0.1}}) {
    Linear packed = plain;
    pack(packed, compute);
    EXPECT_LT(worst(linear(x, packed, compute).to(at::kFloat), linear(x, plain, compute)),
              tolerance);
    EXPECT_LT(worst(linear_gelu(x, packed, {}, in_type(compute)).to(at::kFloat),
                    linear_gelu(x, plain, {}, in_type(compute))),
              tolerance);
    // Another type than it was packed for: the weight itself.
    const at::ScalarType other = compute == at::kFloat ? at::kBFloat16 : at::kFloat;
    EXPECT_TRUE(at::equal(linear(x, packed, other), linear(x, plain, other)));
  }
}

TEST(Linear, InInt8IsNearAndDoesNotDependOnTheOtherRows) {
  if (!has_int8_products()) GTEST_SKIP() << "this processor has neither AVX512-VNNI nor AVX-VNNI";
  const at::NoGradGuard no_grad;
  const at::Tensor x = at::randn({37, 96}).to(at::kBFloat16);
  const Linear plain{at::randn({50, 96}), at::randn({50})};
  Linear packed = plain;
  pack(packed, at::kChar);
  const at::Tensor y = linear(x, packed, at::kBFloat16);
  const at::Tensor exact = linear(x.to(at::kFloat), plain, at::kFloat);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  // Roundings of a 254th of the range each, over 96 terms of size 1: about 0.01 * sqrt(96).
  EXPECT_LT(worst(y.to(at::kFloat), exact), 0.5);
  EXPECT_GT(worst(y.to(at::kFloat), linear(x, plain, at::kBFloat16).to(at::kFloat)), 1e-3);
  at::Tensor others = x.clone();
  others.slice(0, 1).mul_(100);
  EXPECT_TRUE(at::equal(linear(others, packed, at::kBFloat16)[0], y[0]));
  EXPECT_LT(
      worst(linear_gelu(x, packed, {}, in_type(at::kBFloat16)).to(at::kFloat), at::gelu(exact)),
      0.5);
  EXPECT_TRUE(at::equal(linear(x, packed, at::kFloat), linear(x, plain, at::kFloat)));
}

// What the arena relies on: a leaf that has a gradient gets the next one added to it in place.
TEST(Linear, AddsToTheGradientThatIsThere) {
  const at::Tensor x = at::randn({9, 8});
  for (at::ScalarType compute : {at::kFloat, at::kBFloat16}) {
    const Linear layer{at::randn({5, 8}).requires_grad_(true), at::randn({5}).requires_grad_(true)};
    linear(x, layer, compute).sum().backward();
    const at::Tensor weight_once = layer.weight.grad().clone(),
                     bias_once = layer.bias.grad().clone();
    const void* place = layer.weight.grad().const_data_ptr();
    linear(x, layer, compute).sum().backward();
    EXPECT_EQ(layer.weight.grad().const_data_ptr(), place);
    EXPECT_LT(worst(layer.weight.grad(), 2 * weight_once), 1e-5);
    EXPECT_LT(worst(layer.bias.grad(), 2 * bias_once), 1e-5);
  }
}

TEST(AddLayerNorm, EqualsItsDefinitionWithTheGradientsOfBothReaders) {
  const PackedTokens tokens = to_device(batch_of({200, 57}), at::kCPU);
  const std::vector<at::Tensor> inputs = {at::randn({257, 24}), at::randn({257, 24}),
                                          at::randn({24}), at::randn({24})};
  const at::Tensor weights = at::randn({257, 24});
  for (double probability : {0.0, 0.3}) {
    const Dropout mask = Dropout::make(probability, 1, 2, 0, DropoutSite::kOutput);
    const auto ours = [&](at::ScalarType compute) {
      return run(inputs, weights, [&](const auto& in) {
        const Stream y = add_layer_norm(in[0], in[1], {in[2], in[3], 1e-12}, tokens, mask, compute);
        return y.residual * 2 + y.input;
      });
    };
    const Gradients expected = run(inputs, weights, [&](const auto& in) {
      return 3 * at::layer_norm(dropout(in[0], tokens, mask) + in[1], {24}, in[2], in[3], 1e-12);
    });
    const Gradients exact = ours(at::kFloat), rounded = ours(at::kBFloat16);
    EXPECT_LT(worst(exact.value, expected.value), 2e-5);
    EXPECT_LT(worst(rounded.value, expected.value), 0.2);
    for (int i = 0; i < 4; ++i) {
      EXPECT_LT(worst(exact.grads[i], expected.grads[i]), 2e-4) << i;
      EXPECT_LT(worst(rounded.grads[i], expected.grads[i]), 1.0) << i;
    }
  }
}

TEST(AddLayerNorm, WithoutAResidualAndWithOneReader) {
  const PackedTokens tokens = to_device(batch_of({6}), at::kCPU);
  const std::vector<at::Tensor> inputs = {at::randn({6, 24}), at::randn({24}), at::randn({24})};
  const at::Tensor weights = at::randn({6, 24});
  const Gradients ours = run(inputs, weights, [&](const auto& in) {
    return add_layer_norm(in[0], {}, {in[1], in[2], 1e-5}, tokens, {}, at::kFloat).residual;
  });
  const Gradients expected = run(inputs, weights, [&](const auto& in) {
    return at::layer_norm(in[0], {24}, in[1], in[2], 1e-5);
  });
  EXPECT_LT(worst(ours.value, expected.value), 1e-5);
  for (int i = 0; i < 3; ++i) EXPECT_LT(worst(ours.grads[i], expected.grads[i]), 5e-5) << i;
}

TEST(TokenEmbedding, EqualsTheSumOfItsTablesWithTheirGradients) {
  PackedBatch batch;
  const std::vector<std::int32_t> ids = {3, 0, 3, 5};
  batch.add(ids.data(), 4, 0, 0);
  batch.add(ids.data(), 2, 1, 0);
  const PackedTokens tokens = to_device(batch, at::kCPU);
  const std::vector<at::Tensor> inputs = {at::randn({7, 24}), at::randn({9, 24}),
                                          at::randn({2, 24})};
  const at::Tensor weights = at::randn({6, 24});
  const Gradients ours = run(inputs, weights, [&](const auto& in) {
    return embed_tokens(tokens, {in[0], in[1], in[2], /*padding_row=*/0});
  });
  const Gradients expected = run(inputs, weights, [&](const auto& in) {
    return at::embedding(in[0], tokens.ids, 0) + in[2].select(0, 0) +
           at::embedding(in[1], tokens.positions);
  });
  EXPECT_LT(worst(ours.value, expected.value), 1e-6);
  for (int i = 0; i < 3; ++i) EXPECT_LT(worst(ours.grads[i], expected.grads[i]), 1e-6) << i;
  EXPECT_THROW(embed_tokens(tokens, {inputs[0].narrow(0, 0, 5), inputs[1], inputs[2], 0}),
               std::exception);
}

TEST(TokenEmbedding, WithItsLayerNormAndDropoutEqualsTheThreeApart) {
  PackedBatch batch;
  const std::vector<std::int32_t> ids = {3, 0, 3, 5, 6, 1};
  batch.add(ids.data(), 6, 7, 0);
  batch.add(ids.data(), 2, 8, 0);
  const PackedTokens tokens = to_device(batch, at::kCPU);
  // Rows of another place than the token's, which dropout must not go by.
  const PackedTokens rows = with_positions(tokens, tokens.positions + 2, 9);
  const std::vector<at::Tensor> inputs = {at::randn({7, 24}), at::randn({9, 24}),
                                          at::randn({2, 24}), at::randn({24}), at::randn({24})};
  const at::Tensor weights = at::randn({8, 24});
  for (double probability : {0.0, 0.3}) {
    const Dropout mask = Dropout::make(probability, 1, 2, 0, DropoutSite::kEmbeddings);
    const auto ours = [&](at::ScalarType compute) {
      return run(inputs, weights, [&](const auto& in) {
        const Stream y = embed_layer_norm(rows, {in[0], in[1], in[2], /*padding_row=*/0},
                                          {in[3], in[4], 1e-12}, tokens, mask, compute);
        return y.residual * 2 + y.input;
      });
    };
    const Gradients expected = run(inputs, weights, [&](const auto& in) {
      const at::Tensor sum = at::embedding(in[0], rows.ids, 0) + in[2].select(0, 0) +
                             at::embedding(in[1], rows.positions);
      return 3 * dropout(at::layer_norm(sum, {24}, in[3], in[4], 1e-12), tokens, mask);
    });
    const Gradients exact = ours(at::kFloat), rounded = ours(at::kBFloat16);
    EXPECT_LT(worst(exact.value, expected.value), 2e-5);
    EXPECT_LT(worst(rounded.value, expected.value), 0.1);
    for (int i = 0; i < 5; ++i) {
      EXPECT_LT(worst(exact.grads[i], expected.grads[i]), 2e-4) << i;
      EXPECT_LT(worst(rounded.grads[i], expected.grads[i]), 0.5) << i;
    }
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

TEST(PackedAttention, InBf16StaysNearFp32) {
  const PackedTokens tokens = to_device(batch_of({9, 1, 70}), at::kCPU);
  const std::vector<at::Tensor> inputs = {at::randn({80, 3 * 2 * 16})};
  const at::Tensor weights = at::randn({80, 32});
  const auto in_type = [&](at::ScalarType type) {
    return run(inputs, weights, [&](const auto& in) {
      return attention(in[0].to(type), tokens, {2, 16, 0.2}, {}, 0).to(at::kFloat);
    });
  };
  const Gradients rounded = in_type(at::kBFloat16), exact = in_type(at::kFloat);
  EXPECT_LT(worst(rounded.value, exact.value), 0.05);
  EXPECT_LT(worst(rounded.grads[0], exact.grads[0]), 0.2);
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
    check(PoolingMode::kLastToken,
          [](const at::Tensor& rows, const at::Tensor&) { return rows.select(0, -1); });
    check(PoolingMode::kWeightedMean, [&](const at::Tensor& rows, const at::Tensor&) {
      const at::Tensor places = at::arange(pool_from + 1, pool_from + 1 + rows.size(0), at::kFloat);
      return places.matmul(rows) / places.sum();
    });
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
