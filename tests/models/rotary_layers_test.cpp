// The layers of the families with rotary positions against ATen's operators, values and gradients.
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/rms_norm.h>
#include <ATen/ops/silu.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "models/glu.h"
#include "models/rms_norm.h"
#include "models/rotary.h"

namespace attune {
namespace {

at::Tensor leaf(at::IntArrayRef sizes) { return at::randn(sizes).requires_grad_(true); }

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// Values of both, and their gradients on all `leaves`.
void expect_equal(const at::Tensor& ours, const at::Tensor& expected,
                  const std::vector<at::Tensor>& leaves) {
  EXPECT_LT(difference(ours, expected), 3e-6);
  const at::Tensor weights = at::randn(ours.sizes());
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& result : {ours, expected}) {
    (result * weights).sum().backward();
    for (const at::Tensor& x : leaves) {
      gradients.push_back(x.grad().clone());
      x.mutable_grad().reset();
    }
  }
  for (std::size_t i = 0; i < leaves.size(); ++i)
    EXPECT_LT(difference(gradients[i], gradients[leaves.size() + i]), 5e-5) << i;
}

TEST(RmsNorm, EqualsAtenAndReachesTheWeight) {
  for (const double offset : {0.0, 1.0}) {
    const at::Tensor x = leaf({300, 24}), weight = leaf({24});
    expect_equal(rms_norm(x, {weight, 1e-6, offset}), at::rms_norm(x, {24}, weight + offset, 1e-6),
                 {x, weight});
  }
}

TEST(RmsNorm, OfQueriesAndKeysLeavesTheValues) {
  const at::Tensor qkv = leaf({50, (4 + 2 * 2) * 8}), query = leaf({8}), key = leaf({8});
  const at::Tensor parts = qkv.view({50, 8, 8});
  const at::Tensor expected =
      at::cat({at::rms_norm(parts.narrow(1, 0, 4), {8}, query, 1e-5),
               at::rms_norm(parts.narrow(1, 4, 2), {8}, key, 1e-5), parts.narrow(1, 6, 2)},
              1)
          .flatten(1);
  expect_equal(norm_query_and_key(qkv, {query, 1e-5}, {key, 1e-5}, 4, 2), expected,
               {qkv, query, key});
}

TEST(Glu, EqualsAten) {
  const at::Tensor z = leaf({40, 2 * 30});
  const at::Tensor a = z.narrow(1, 0, 30), b = z.narrow(1, 30, 30);
  expect_equal(gated(z, glu_activation("gelu")), at::gelu(a) * b, {z});
  expect_equal(gated(z, glu_activation("silu"), /*activated_first=*/false), a * at::silu(b), {z});
  expect_equal(gated(z, glu_activation("gelu_pytorch_tanh")), at::gelu(a, "tanh") * b, {z});
}

PackedTokens two_sequences() {
  PackedBatch batch;
  const std::vector<std::int32_t> ids(9, 5);
  batch.add(ids.data(), 9, 11);
  batch.add(ids.data(), 4, 12);
  return to_device(batch, at::kCPU);
}

// rotate_half's form, as transformers writes it.
TEST(Rotary, EqualsTheRotationOfHalves) {
  const PackedTokens tokens = two_sequences();
  for (const bool interleaved : {false, true}) {
    RotaryFrequencies frequencies = rotary_frequencies(10'000, 6);
    frequencies.interleaved = interleaved;
    const RotaryAngles angles = rotary_angles(frequencies, tokens);
    const at::Tensor qkv = leaf({13, 4 * 8});  // 2 query heads, 1 key head, 6 of 8 numbers turn
    const at::Tensor parts = qkv.view({13, 4, 8});
    at::Tensor x = parts.narrow(1, 0, 3).narrow(2, 0, 6);
    if (interleaved) x = x.unflatten(2, {3, 2}).transpose(2, 3).flatten(2);
    const at::Tensor half = at::cat({-x.narrow(2, 3, 3), x.narrow(2, 0, 3)}, 2);
    const at::Tensor cos = at::cat({angles.cos, angles.cos}, 1).unsqueeze(1),
                     sin = at::cat({angles.sin, angles.sin}, 1).unsqueeze(1);
    at::Tensor turned = x * cos + half * sin;
    if (interleaved) turned = turned.unflatten(2, {2, 3}).transpose(2, 3).flatten(2);
    const at::Tensor heads = at::cat({turned, parts.narrow(1, 0, 3).narrow(2, 6, 2)}, 2);
    const at::Tensor expected = at::cat({heads, parts.narrow(1, 3, 1)}, 1).flatten(1);
    expect_equal(rotate(qkv, angles, 2, 1, 8), expected, {qkv});
    EXPECT_NEAR(angles.cos[3][1].item<double>(), std::cos(3 * std::pow(10'000, -1.0 / 3)), 1e-6);
    EXPECT_EQ(angles.sin[9][0].item<double>(), 0);  // the second sequence begins anew
  }
}

RotaryFrequencies read(const Json& config) {
  ConfigFields fields(config, "config.json");
  RotaryFrequencies rotary = read_rotary(fields, 10'000, 8);
  fields.finish();
  return rotary;
}

TEST(Rotary, ReadsBothSpellingsAndEveryKind) {
  const auto plain = rotary_frequencies(500, 8).frequencies;
  EXPECT_EQ(read({{"rope_theta", 500}}).frequencies, plain);
  EXPECT_EQ(read({{"rope_theta", 500}, {"rope_scaling", nullptr}}).frequencies, plain);
  EXPECT_EQ(
      read({{"rope_parameters", {{"rope_theta", 500}, {"rope_type", "default"}}}}).frequencies,
      plain);
  EXPECT_EQ(read({{"rope_theta", 500}, {"rope_scaling", {{"type", "dynamic"}, {"factor", 2}}}})
                .frequencies,
            plain);
  const auto linear =
      read({{"rope_theta", 500}, {"rope_scaling", {{"type", "linear"}, {"factor", 4}}}});
  const auto ntk = read({{"rope_theta", 500}, {"rope_scaling", {{"type", "ntk"}, {"factor", 2}}}});
  for (int i = 0; i < 4; ++i) {
    EXPECT_FLOAT_EQ(linear.frequencies[i], plain[i] / 4);
    EXPECT_FLOAT_EQ(ntk.frequencies[i],
                    static_cast<float>(std::pow(1000.0, -i / 4.0) / std::pow(2.0, 0.25)));
  }
  EXPECT_EQ(read({{"partial_rotary_factor", 0.5}}).dim(), 4);
}

TEST(Rotary, RefusesWhatItDoesNotKnowByName) {
  const auto refused = [](const Json& config, const std::string& part) {
    try {
      read(config);
      ADD_FAILURE() << config.dump();
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("config.json"), std::string::npos);
    }
  };
  refused({{"rope_scaling", {{"type", "yarn"}, {"factor", 2}}}}, "kind 'yarn' is not supported");
  refused({{"rope_scaling", {{"type", 3}}}}, "kind '3' is not supported");
  refused({{"rope_scaling", {{"type", "linear"}}}}, "\"factor\" is missing");
  refused({{"rope_scaling", {{"type", "linear"}, {"factor", 0}}}}, "\"factor\" is 0");
  refused({{"rope_scaling", {{"type", "linear"}, {"factor", "2"}}}}, "\"factor\" is \"2\"");
  refused({{"rope_scaling", "linear"}}, "expected an object or null");
  refused({{"rope_theta", 0}}, "rope_theta");
  refused({{"rope_theta", "1e4"}}, "rope_theta");
  refused({{"partial_rotary_factor", 0.4}}, "expected an even count");
  refused({{"partial_rotary_factor", 2}}, "partial_rotary_factor");
  refused({{"rope_scaling",
            {{"type", "llama3"}, {"factor", 8}, {"low_freq_factor", 4}, {"high_freq_factor", 1}}}},
          "must be above");
}

}  // namespace
}  // namespace attune
