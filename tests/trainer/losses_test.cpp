#include <algorithm>
#include <cmath>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/losses.h"
#include "trainer/losses/corpus_softmax.h"
#include "trainer/losses/infonce.h"
#include "trainer/losses/multiple_negatives_ranking.h"

namespace attune {
namespace {

// Torch's generator begins with another seed in every process.
class SameNumbers : public ::testing::Environment {
  void SetUp() override {
    at::Generator generator = at::detail::getDefaultCPUGenerator();
    generator.set_current_seed(42);
  }
};
[[maybe_unused]] const auto* const kSameNumbers =
    ::testing::AddGlobalTestEnvironment(new SameNumbers);

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

at::Tensor unit(const at::Tensor& x) { return x / at::linalg_vector_norm(x, 2, {1}, true); }

TEST(CorpusSoftmax, EqualsItsDefinitionInBlocksOfAnySize) {
  const TrainingBatch batch = batch_of({{3}, {0, 10}, {7, 2, 1}});
  const at::Tensor queries = at::randn({3, 6}), documents = at::randn({11, 6});
  const at::Tensor leaf = queries.to(at::kDouble).requires_grad_(true);
  const at::Tensor scores = 5 * at::matmul(unit(leaf), unit(documents.to(at::kDouble)).t());
  std::vector<at::Tensor> terms;
  for (std::size_t i = 0; i < batch.relevant.size(); ++i)
    for (const std::int64_t p : batch.relevant[i]) {
      std::vector<at::Tensor> candidates = {scores[static_cast<std::int64_t>(i)][p].unsqueeze(0)};
      for (std::int64_t j = 0; j < documents.size(0); ++j)
        if (std::find(batch.relevant[i].begin(), batch.relevant[i].end(), j) ==
            batch.relevant[i].end())
          candidates.push_back(scores[static_cast<std::int64_t>(i)][j].unsqueeze(0));
      terms.push_back((at::logsumexp(at::cat(candidates), {0}) - candidates[0].squeeze()) /
                      (3.0 * static_cast<double>(batch.relevant[i].size())));
    }
  at::Tensor expected = terms[0];
  for (std::size_t i = 1; i < terms.size(); ++i) expected = expected + terms[i];
  expected.backward();
  for (std::int64_t block : {1, 4, 11, 100}) {
    const LossOutput ours = CorpusSoftmaxLoss(documents, 5, block).evaluate(queries, batch);
    EXPECT_NEAR(ours.value.item<double>(), expected.item<double>(), 1e-5) << block;
    EXPECT_LT((ours.gradient - leaf.grad()).abs().max().item<double>(), 1e-5) << block;
  }
}

TEST(CorpusSoftmax, TrainedDocumentsGetTheirGradientInBlocksOfAnySize) {
  const TrainingBatch batch = batch_of({{3}, {0, 10}, {7, 2, 1}});
  const at::Tensor queries = at::randn({3, 6}), documents = at::randn({11, 6});
  const at::Tensor both = at::cat({queries, documents});
  const LossOutput frozen = CorpusSoftmaxLoss(documents, 5).evaluate(queries, batch);
  const at::Tensor leaf = both.to(at::kDouble).requires_grad_(true);
  const at::Tensor scores =
      5 * at::matmul(unit(leaf.narrow(0, 0, 3)), unit(leaf.narrow(0, 3, 11)).t());
  at::Tensor expected;
  for (std::size_t i = 0; i < batch.relevant.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    for (const std::int64_t p : batch.relevant[i]) {
      std::vector<at::Tensor> candidates = {scores[row][p].unsqueeze(0)};
      for (std::int64_t j = 0; j < 11; ++j)
        if (std::find(batch.relevant[i].begin(), batch.relevant[i].end(), j) ==
            batch.relevant[i].end())
          candidates.push_back(scores[row][j].unsqueeze(0));
      const at::Tensor term = (at::logsumexp(at::cat(candidates), {0}) - candidates[0].squeeze()) /
                              (3.0 * static_cast<double>(batch.relevant[i].size()));
      expected = expected.defined() ? expected + term : term;
    }
  }
  expected.backward();
  for (std::int64_t block : {1, 4, 11, 100}) {
    const LossOutput ours = CorpusSoftmaxLoss(5, block).evaluate(both, batch);
    EXPECT_NEAR(ours.value.item<double>(), frozen.value.item<double>(), 1e-6) << block;
    EXPECT_LT((ours.gradient - leaf.grad()).abs().max().item<double>(), 1e-5) << block;
  }
}

TEST(CorpusSoftmax, AQueryToWhichEverythingIsRelevantHasNothingToLearn) {
  const LossOutput output =
      CorpusSoftmaxLoss(at::randn({2, 4}), 20).evaluate(at::randn({1, 4}), batch_of({{0, 1}}));
  EXPECT_NEAR(output.value.item<double>(), 0, 1e-6);
  EXPECT_NEAR(output.gradient.abs().max().item<double>(), 0, 1e-6);
}

TEST(EveryLoss, GradientAgreesWithFiniteDifferencesAndFp32WithFp64) {
  for (const LossCase& c : every_loss()) {
    const auto loss = make_loss(c.config);
    const TrainingBatch batch = batch_of(4, c.columns, c.labels_per_row);
    const at::Tensor vectors = at::randn({4 * c.columns, 6});
    const at::Tensor exact = vectors.to(at::kDouble);
    const LossOutput fp64 = loss->evaluate(exact, batch), fp32 = loss->evaluate(vectors, batch);
    EXPECT_GT(fp64.gradient.abs().max().item<double>(), 1e-4) << c.name;
    const double size = std::max(1.0, fp64.gradient.abs().max().item<double>());
    EXPECT_LT(gradient_error(*loss, exact, batch) / size, 1e-6) << c.name;
    EXPECT_LT((fp32.gradient - fp64.gradient).abs().max().item<double>() / size, 2e-5) << c.name;
    EXPECT_NEAR(fp32.value.item<double>(), fp64.value.item<double>(),
                2e-5 * std::max(1.0, fp64.value.item<double>()))
        << c.name;
  }
  const CorpusSoftmaxLoss corpus(at::randn({9, 4}, at::kDouble), 5, 4);
  EXPECT_LT(gradient_error(corpus, at::randn({2, 4}, at::kDouble), batch_of({{3}, {0, 4}})), 1e-6);
}

TEST(EveryLoss, HardnessIsAWeightAndNotDifferentiated) {
  // strength * cos is a constant in the gradient: that of the same loss with its logits moved.
  for (const char* mode : {"in_batch_negatives", "hard_negatives", "all_negatives"}) {
    MnrlSettings settings;
    settings.scale = 5;
    settings.hardness_strength = 3;
    settings.harder_in_batch = std::string(mode) != "hard_negatives";
    settings.harder_own = std::string(mode) != "in_batch_negatives";
    const at::Tensor vectors = at::randn({9, 4}, at::kDouble), leaf = vectors.clone();
    leaf.requires_grad_(true);
    const at::Tensor units = unit(leaf),
                     cosines = units.narrow(0, 0, 3).matmul(units.narrow(0, 3, 6).t());
    at::Tensor moved = 5 * cosines;
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 6; ++j) {
        const bool own = j % 3 == i, hard = own && j >= 3;
        if ((!own && settings.harder_in_batch) || (hard && settings.harder_own))
          moved = moved.clone().index_put({at::tensor(i), at::tensor(j)},
                                          moved[i][j] + 3 * cosines[i][j].detach());
      }
    const at::Tensor expected = at::cross_entropy_loss(moved, at::arange(3));
    expected.backward();
    const LossOutput ours =
        MultipleNegativesRankingLoss(settings).evaluate(vectors, batch_of(3, 3));
    EXPECT_NEAR(ours.value.item<double>(), expected.item<double>(), 1e-12) << mode;
    EXPECT_LT((ours.gradient - leaf.grad()).abs().max().item<double>(), 1e-12) << mode;
  }
}

TEST(EveryLoss, ZeroVectorsAndEqualTextsGiveFiniteNumbers) {
  for (const LossCase& c : every_loss()) {
    at::Tensor vectors = at::randn({4 * c.columns, 6});
    vectors[0].zero_();
    vectors[5].copy_(vectors[1]);  // query and positive of one row are equal: a distance of 0
    vectors[6].copy_(vectors[7]);
    const LossOutput output =
        make_loss(c.config)->evaluate(vectors, batch_of(4, c.columns, c.labels_per_row));
    EXPECT_TRUE(std::isfinite(output.value.item<double>())) << c.name;
    EXPECT_TRUE(std::isfinite(output.gradient.abs().max().item<double>())) << c.name;
  }
}

TEST(EveryLoss, RowsThatDoNotFitAreRefused) {
  for (const LossCase& c : every_loss()) {
    const auto loss = make_loss(c.config);
    loss->check({"rows", c.columns, c.labels_per_row}, 6);
    EXPECT_THROW(loss->check({"rows", 1, c.labels_per_row}, 6), Error) << c.name;
    if (c.labels_per_row > 0) {
      EXPECT_THROW(loss->check({"rows", c.columns, 7}, 6), Error) << c.name;
    }
    if (!c.config.matryoshka.dims.empty()) {
      EXPECT_THROW(loss->check({"rows", c.columns, c.labels_per_row}, 5), Error) << c.name;
    }
  }
}

TEST(InfoNce, OfPassagesThatAreAllDifferentIsMnrl) {
  const at::Tensor vectors = at::randn({12, 6});
  const TrainingBatch batch = batch_of(4, 3);
  const LossOutput ours = InfoNceLoss().evaluate(vectors, batch),
                   mnrl = MultipleNegativesRankingLoss().evaluate(vectors, batch);
  EXPECT_NEAR(ours.value.item<double>(), mnrl.value.item<double>(), 1e-5);
  EXPECT_LT((ours.gradient - mnrl.gradient).abs().max().item<double>(), 1e-5);
}

TEST(InfoNce, PassagesThatAnswerTheQueryArePositivesOrLeftOut) {
  // Passage 0 is the positive of rows 0 and 1; passage 2 (row 2's) answers query 0, too.
  const at::Tensor vectors = at::randn({6, 5}, at::kDouble);
  TrainingBatch batch = batch_of(3, 2);
  batch.document_id = {0, 0, 2};
  batch.relevant = {{0, 2}, {0}, {2}};
  const at::Tensor units = unit(vectors);
  const auto s = [&](int i, int place) {
    return 20 * units[i].dot(units[3 + place]).item<double>();
  };
  const auto term = [](double positive, double negative) {
    return std::log(std::exp(positive) + std::exp(negative)) - positive;
  };
  const double others = term(s(1, 0), s(1, 2)) + term(s(2, 2), s(2, 0));
  InfoNceSettings settings;  // row 0: two positives and no negative, so nothing to learn
  EXPECT_NEAR(InfoNceLoss(settings).evaluate(vectors, batch).value.item<double>(), others / 3,
              1e-9);
  settings.own_positive = true;  // row 0: passage 2 is neither
  EXPECT_NEAR(InfoNceLoss(settings).evaluate(vectors, batch).value.item<double>(), others / 3,
              1e-9);
  settings.mask_documents = false;  // row 0: passage 2 is a negative
  EXPECT_NEAR(InfoNceLoss(settings).evaluate(vectors, batch).value.item<double>(),
              (others + term(s(0, 0), s(0, 2))) / 3, 1e-9);
  settings = {};
  batch.relevant = {{0, 2}, {0, 2}, {0, 2}};  // all relevant: a gradient of 0, not NaN
  EXPECT_EQ(InfoNceLoss(settings).evaluate(vectors, batch).gradient.abs().max().item<double>(), 0);
}

TEST(InfoNce, NegativesNearerThanThePositiveLessTheMarginAreLeftOut) {
  // Cosines of query 0: positive .6, the others .8 and .5.
  const at::Tensor vectors =
      at::tensor({1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.6, 0.8, 0.8, 0.6, 0.5, std::sqrt(0.75)})
          .view({6, 2});
  TrainingBatch batch = batch_of(3, 2);
  InfoNceSettings settings;
  settings.scale = 1;
  settings.mask_margin = true;
  const auto sum = [](std::initializer_list<double> cosines) {
    double total = 0;
    for (const double cosine : cosines) total += std::exp(cosine);
    return std::log(total);
  };
  const double row_1 = sum({.8, .6, .5}) - .8;
  const double row_2 = sum({.5}) - .5, row_2_wide = sum({.5, .6}) - .5;
  EXPECT_NEAR(InfoNceLoss(settings).evaluate(vectors, batch).value.item<double>(),
              ((sum({.6, .5}) - .6) + row_1 + row_2) / 3, 1e-9);
  settings.margin = -0.15;
  EXPECT_NEAR(InfoNceLoss(settings).evaluate(vectors, batch).value.item<double>(),
              ((sum({.6, .5}) - .6) + row_1 + row_2_wide) / 3, 1e-9);
}

}  // namespace
}  // namespace attune
