#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/zeros.h>
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
    optimizer.step(at::zeros({}), 1e-2, /*max_norm=*/0);
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
  const auto by = [](double gradient, double max_norm) {
    const auto model = load_tiny_bert();
    ParameterStore& parameters = model->parameters();
    parameters.enable_training();
    at::Tensor gradients = parameters.gradients();
    gradients.fill_(gradient);
    AdamW optimizer(parameters, 0);
    const double norm = gradient * std::sqrt(static_cast<double>(parameters.count()));
    StepOutcome outcome = optimizer.step(at::zeros({}), 1e-2, max_norm);
    EXPECT_NEAR(outcome.wait().grad_norm, norm, norm * 1e-6);
    EXPECT_EQ(gradients.abs().max().item<double>(), 0) << "not ready for the next step";
    return optimizer.first_moments().clone();
  };
  const double norm = 0.5 * std::sqrt(static_cast<double>(load_tiny_bert()->parameters().count()));
  const auto scale = static_cast<float>(clip_factor(norm, norm / 4));
  EXPECT_TRUE(at::equal(by(0.5, norm / 4), by(0.5f * scale, 0)));
}

TEST(AdamW, AStepThatIsNotFiniteChangesNothing) {
  for (const bool bad_loss : {false, true}) {
    const auto model = load_tiny_bert();
    ParameterStore& parameters = model->parameters();
    parameters.enable_training();
    parameters.gradients().fill_(bad_loss ? 1.0 : NAN);
    AdamW optimizer(parameters, 0.1);
    const at::Tensor before = parameters.values().clone();
    StepOutcome outcome = optimizer.step(at::full({}, bad_loss ? INFINITY : 0.0), 1e-2, 1);
    EXPECT_FALSE(outcome.wait().finite());
    EXPECT_TRUE(at::equal(parameters.values(), before));
    EXPECT_EQ(optimizer.first_moments().abs().max().item<double>(), 0);
    EXPECT_EQ(parameters.gradients().abs().max().item<double>(), 0);
    EXPECT_EQ(optimizer.steps_taken(), 0);
  }
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
