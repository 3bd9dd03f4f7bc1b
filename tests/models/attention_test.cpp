#include "models/attention.h"

#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "models/device.h"

namespace attune {
namespace {

PackedTokens some_sequences(const at::Device& device) {
  PackedBatch batch;
  const std::vector<std::int32_t> ids(70, 5);
  for (int length : {40, 1, 70, 23}) batch.add(ids.data(), length, 11 + length);
  return to_device(batch, device);
}

struct Gradients {
  at::Tensor out, qkv, bias;
};

template <class Attention>
Gradients gradients(const at::Tensor& qkv, const at::Tensor& bias, AttentionSpec spec,
                    const Attention& run) {
  const at::Tensor leaf = qkv.clone().requires_grad_(true);
  spec.bias = bias.defined() ? bias.clone().requires_grad_(true) : bias;
  const at::Tensor out = run(leaf, spec);
  (out * out.detach().sin()).sum().backward();
  return {out.detach(), leaf.grad(), bias.defined() ? spec.bias.grad() : bias};
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// Every kind that a family has.
std::vector<AttentionSpec> specs() {
  return {{3, 16, 0},
          {4, 8, 0, /*kv_heads=*/2, /*scale=*/0.3},
          {4, 8, 0, 1, 0, AttentionSpec::kAll, /*right=*/0},
          {2, 16, 0, 2, 0, /*left=*/6, /*right=*/6},
          {2, 16, 0, 2, 0, 30, 0}};
}

at::Tensor queries_keys_values(const AttentionSpec& spec) {
  const int kv_heads = spec.kv_heads == 0 ? spec.heads : spec.kv_heads;
  return at::randn({134, (spec.heads + 2 * kv_heads) * spec.head_dim});
}

// The kernel of the processor and the path of ATen's operators, which CUDA takes too.
TEST(Attention, DenseOperatorsGiveTheSameNumbersAndGradients) {
  const PackedTokens tokens = some_sequences(at::kCPU);
  for (const AttentionSpec& spec : specs())
    for (const bool with_bias : {false, true}) {
      const at::Tensor qkv = queries_keys_values(spec);
      const at::Tensor bias = with_bias ? at::randn({spec.heads, 2 * 75 + 1}) : at::Tensor();
      const Gradients kernel = gradients(qkv, bias, spec, [&](const auto& x, const auto& s) {
        return attention(x, tokens, s, {}, 0);
      });
      const Gradients dense = gradients(qkv, bias, spec, [&](const auto& x, const auto& s) {
        return dense_attention(x, tokens, s);
      });
      EXPECT_LT(difference(kernel.out, dense.out), 3e-6);
      EXPECT_LT(difference(kernel.qkv, dense.qkv), 2e-5);
      if (with_bias) {
        EXPECT_LT(difference(kernel.bias, dense.bias), 5e-5);
      }
    }
}

TEST(CudaAttention, EqualsTheProcessorsForEveryKind) {
  at::Device device = at::kCPU;
  try {
    device = resolve_device("cuda");
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();
  }
  const PackedTokens host = some_sequences(at::kCPU), gpu = some_sequences(device);
  for (const AttentionSpec& spec : specs())
    for (const bool with_bias : {false, true})
      for (const auto& [type, tolerance] : {std::pair{at::kFloat, 2e-5}, {at::kBFloat16, 0.1}}) {
        const at::Tensor qkv = queries_keys_values(spec);
        const at::Tensor bias = with_bias ? at::randn({spec.heads, 2 * 75 + 1}) : at::Tensor();
        const Gradients expected = gradients(qkv, bias, spec, [&](const auto& x, const auto& s) {
          return attention(x, host, s, {}, 0);
        });
        const Gradients ours =
            gradients(qkv.to(device), with_bias ? bias.to(device) : bias, spec,
                      [&, type = type](const auto& x, const auto& s) {
                        return attention(x.to(type), gpu, s, {}, 0).to(at::kFloat);
                      });
        EXPECT_LT(difference(ours.out.cpu(), expected.out), tolerance);
        EXPECT_LT(difference(ours.qkv.cpu(), expected.qkv), 4 * tolerance);
        if (with_bias) {
          EXPECT_LT(difference(ours.bias.cpu(), expected.bias), 20 * tolerance);
        }
      }
}

}  // namespace
}  // namespace attune
