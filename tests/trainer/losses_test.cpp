#include <cmath>
#include <numeric>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "trainer/losses/multiple_negatives_ranking.h"

namespace attune {
namespace {

TrainingBatch batch_of(int rows, int columns) {
  TrainingBatch batch;
  batch.rows = rows;
  batch.columns = columns;
  batch.sequence_of.resize(static_cast<std::size_t>(rows) * columns);
  std::iota(batch.sequence_of.begin(), batch.sequence_of.end(), 0);
  return batch;
}

TEST(Mnrl, EqualsCrossEntropyOfScaledCosinesWithItsGradient) {
  for (int columns : {2, 3, 5}) {
    const int rows = 7;
    const at::Tensor vectors = at::randn({rows * columns, 12});
    const LossOutput ours =
        MultipleNegativesRankingLoss(20).evaluate(vectors, batch_of(rows, columns));

    const at::Tensor leaf = vectors.to(at::kDouble).requires_grad_(true);
    const at::Tensor unit = leaf / at::linalg_vector_norm(leaf, 2, {1}, true);
    const at::Tensor scores =
        20 * at::matmul(unit.narrow(0, 0, rows), unit.narrow(0, rows, rows * (columns - 1)).t());
    const at::Tensor expected = at::cross_entropy_loss(scores, at::arange(rows));
    expected.backward();
    EXPECT_NEAR(ours.value.item<double>(), expected.item<double>(), 1e-5);
    EXPECT_LT((ours.gradient - leaf.grad()).abs().max().item<double>(), 1e-5);
  }
}

TEST(Mnrl, GradientAgreesWithFiniteDifferences) {
  const at::Tensor vectors = at::randn({9, 4});
  const TrainingBatch batch = batch_of(3, 3);
  const MultipleNegativesRankingLoss loss(5);
  const at::Tensor gradient = loss.evaluate(vectors, batch).gradient;
  const double step = 1e-2;  // fp32: the difference must stand above rounding
  for (int i = 0; i < 9; ++i)
    for (int j = 0; j < 4; ++j) {
      at::Tensor up = vectors.clone(), down = vectors.clone();
      up[i][j] += step;
      down[i][j] -= step;
      const double slope =
          (loss.evaluate(up, batch).value - loss.evaluate(down, batch).value).item<double>() /
          (2 * step);
      EXPECT_NEAR(gradient[i][j].item<double>(), slope, 5e-3) << i << " " << j;
    }
}

TEST(Mnrl, KnownValues) {
  // Orthogonal pairs: own cosine 1, others 0.
  const at::Tensor eye = at::eye(4);
  EXPECT_NEAR(MultipleNegativesRankingLoss(1)
                  .evaluate(at::cat({eye, eye}), batch_of(4, 2))
                  .value.item<double>(),
              std::log(std::exp(1) + 3) - 1, 1e-6);
  // Four copies of one pair: nothing can be told apart.
  const at::Tensor same = at::randn({1, 6}).expand({8, 6}).contiguous();
  EXPECT_NEAR(MultipleNegativesRankingLoss(20).evaluate(same, batch_of(4, 2)).value.item<double>(),
              std::log(4), 1e-5);
}

TEST(Mnrl, OrderOfTheRowsChangesNothing) {
  const at::Tensor vectors = at::randn({10, 8});
  TrainingBatch batch = batch_of(5, 2), turned = batch;
  for (int i = 0; i < 5; ++i) {
    turned.sequence_of[i] = (i + 2) % 5;
    turned.sequence_of[5 + i] = 5 + (i + 2) % 5;
  }
  const MultipleNegativesRankingLoss loss;
  const LossOutput a = loss.evaluate(vectors, batch), b = loss.evaluate(vectors, turned);
  EXPECT_NEAR(a.value.item<double>(), b.value.item<double>(), 1e-5);
  EXPECT_LT((a.gradient - b.gradient).abs().max().item<double>(), 5e-6);
}

TEST(Mnrl, ASequenceInTwoPlacesGetsBothGradients) {
  const at::Tensor vectors = at::randn({8, 6});
  TrainingBatch apart = batch_of(4, 2);
  at::Tensor doubled = vectors.clone();
  doubled[6].copy_(vectors[5]);
  const LossOutput expected = MultipleNegativesRankingLoss().evaluate(doubled, apart);
  TrainingBatch shared = apart;
  shared.sequence_of[6] = 5;
  const LossOutput ours = MultipleNegativesRankingLoss().evaluate(vectors, shared);
  EXPECT_NEAR(ours.value.item<double>(), expected.value.item<double>(), 1e-6);
  EXPECT_LT(
      (ours.gradient[5] - expected.gradient[5] - expected.gradient[6]).abs().max().item<double>(),
      1e-6);
  EXPECT_EQ(ours.gradient[6].abs().max().item<double>(), 0);
}

TEST(Mnrl, AZeroVectorGivesAFiniteLoss) {
  at::Tensor vectors = at::randn({4, 6});
  vectors[0].zero_();
  EXPECT_TRUE(std::isfinite(
      MultipleNegativesRankingLoss().evaluate(vectors, batch_of(2, 2)).value.item<double>()));
}

TEST(Mnrl, ABatchOfOneRowHasNothingToLearn) {
  const LossOutput output =
      MultipleNegativesRankingLoss().evaluate(at::randn({2, 6}), batch_of(1, 2));
  EXPECT_NEAR(output.value.item<double>(), 0, 1e-6);
  EXPECT_LT(output.gradient.abs().max().item<double>(), 1e-5);
}

}  // namespace
}  // namespace attune
