#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn_like.h>
#include <gtest/gtest.h>

#include "tests/support/tiny_bert.h"
#include "trainer/adamw.h"
#include "trainer/schedule.h"
#include "trainer/train_config.h"

namespace attune {
namespace {

TEST(Schedule, FollowsTransformersFormulas) {
  const Schedule linear{"linear", 4, 10};
  EXPECT_DOUBLE_EQ(linear.factor(0), 0);
  EXPECT_DOUBLE_EQ(linear.factor(3), 0.75);
  EXPECT_DOUBLE_EQ(linear.factor(4), 1);
  EXPECT_DOUBLE_EQ(linear.factor(7), 0.5);
  EXPECT_DOUBLE_EQ(linear.factor(9), 1.0 / 6);
  const Schedule cosine{"cosine", 0, 10};
  EXPECT_DOUBLE_EQ(cosine.factor(0), 1);
  EXPECT_NEAR(cosine.factor(5), 0.5, 1e-12);
  EXPECT_NEAR(cosine.factor(9), 0.5 * (1 + std::cos(0.9 * M_PI)), 1e-12);
  const Schedule constant{"constant", 2, 10};
  EXPECT_DOUBLE_EQ(constant.factor(1), 0.5);
  EXPECT_DOUBLE_EQ(constant.factor(9), 1);
  EXPECT_DOUBLE_EQ((Schedule{"linear", 0, 1}.factor(0)), 1);
}

TEST(AdamW, FollowsItsFormulaAndDecaysMatricesOnly) {
  const auto model = load_tiny_bert();
  ParameterStore& parameters = model->parameters();
  parameters.enable_training();
  AdamW optimizer(parameters, 0.1);
  at::Tensor x = parameters.values().to(at::kDouble), m = x * 0, v = x * 0;
  at::Tensor decay = x * 0;
  decay.narrow(0, 0, parameters.decayed_count()).fill_(0.1);
  for (int step = 1; step <= 5; ++step) {
    at::Tensor gradients = parameters.gradients();
    gradients.copy_(at::randn_like(gradients));
    const at::Tensor g = gradients.to(at::kDouble);
    optimizer.step(1e-2);
    x = x * (1 - 1e-2 * decay);
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    x = x -
        1e-2 * (m / (1 - std::pow(0.9, step))) / ((v / (1 - std::pow(0.999, step))).sqrt() + 1e-8);
  }
  EXPECT_LT((parameters.values() - x).abs().max().item<double>(), 1e-6);
  EXPECT_EQ(optimizer.steps_taken(), 5);
}

TEST(AdamW, MeasuresTheNormAndStepsByScaledGradients) {
  const auto by = [](double gradient, double scale) {
    const auto model = load_tiny_bert();
    ParameterStore& parameters = model->parameters();
    parameters.enable_training();
    at::Tensor gradients = parameters.gradients();
    gradients.fill_(gradient);
    AdamW optimizer(parameters, 0);
    const double norm = gradient * std::sqrt(static_cast<double>(parameters.count()));
    EXPECT_NEAR(optimizer.gradient_norm(), norm, norm * 1e-6);
    optimizer.step(1e-2, scale);
    EXPECT_EQ(gradients.abs().max().item<double>(), 0) << "not ready for the next step";
    return optimizer.first_moments().clone();
  };
  EXPECT_TRUE(at::equal(by(0.5, 0.25), by(0.125, 1)));
}

TEST(AdamW, ClipFactorFollowsTorch) {
  EXPECT_DOUBLE_EQ(clip_factor(4, 1), 1 / (4 + 1e-6));
  EXPECT_DOUBLE_EQ(clip_factor(0.5, 1), 1);
  EXPECT_DOUBLE_EQ(clip_factor(4, 0), 1);  // 0: never
}

TEST(ParameterStore, BiasesAndLayerNormsAreNotDecayed) {
  const auto model = load_tiny_bert();
  std::int64_t undecayed = 0;
  for (const NamedTensor& tensor : model->parameters().stored_tensors())
    if (tensor.name.find("bias") != std::string::npos ||
        tensor.name.find("LayerNorm") != std::string::npos)
      undecayed += tensor.tensor.numel();
  EXPECT_EQ(model->parameters().count() - model->parameters().decayed_count(), undecayed);
}

TEST(TrainConfig, DropoutIsTheModelsOrAProbability) {
  TrainConfig config;
  EXPECT_EQ(config.dropout_probability(), std::nullopt);
  config.dropout = "0.25";
  EXPECT_EQ(config.dropout_probability(), 0.25);
  for (const char* bad : {"1", "-0.1", "0.1x", "", "nan"}) {
    config.dropout = bad;
    EXPECT_EQ(config.dropout_probability(), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace attune
