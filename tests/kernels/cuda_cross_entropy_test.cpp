// The contrastive kernels on the device against the plain form on the CPU, which is held to
// cross_entropy_cpu and to differences here.
#include <algorithm>
#include <limits>
#include <utility>

#include "kernels/cross_entropy.h"
#include "tests/kernels/cuda_device.h"
#include "tests/kernels/kernel_data.h"

namespace attune {
namespace {

struct Case {
  std::int64_t rows, columns, first_target = 0;
  bool mask = false, ids = false;
  std::int64_t offset = 0;  // elements from where packs could be read
};

// Every way a row is kept: one pack a thread, several, single columns; longer ones are read twice.
const Case kCases[] = {{5, 8},
                       {3, 1024, 7, true},
                       {4, 384, 380, false, true},
                       {1, 1},
                       {1, 21, 20, true, true},
                       {3, 1028, 0, true, true},
                       {2, 16384, 9000},
                       {2, 16388, 16386, true, true},
                       {2, 16385, 5, false, true},
                       {3, 64, 1, true, true, 1},
                       {2, 1023, 100},
                       {0, 8}};

struct Data {
  explicit Data(const Case& c) {
    x = normal_values(c.rows * c.columns, 1);
    for (std::int64_t i = 0; c.mask && i < c.rows * c.columns; ++i)
      left_out.push_back(i % 5 == 2 ? 3 : 0);  // some targets, too: they stay in
    for (std::int64_t j = 0; c.ids && j < c.columns; ++j)
      column_ids.push_back((std::int64_t{1} << 40) + j % 7);
    for (std::int64_t i = 0; c.ids && i < c.rows; ++i)
      row_ids.push_back(column_ids[c.first_target + i]);
  }
  template <class Place>
  ContrastiveScores scores(const Case& c, float* scores, const Place& place) const {
    return {scores,
            c.rows,
            c.columns,
            c.first_target,
            20,
            c.mask ? place(left_out) : nullptr,
            c.ids ? place(row_ids) : nullptr,
            c.ids ? place(column_ids) : nullptr};
  }
  std::vector<float> x;
  std::vector<std::uint8_t> left_out;
  std::vector<std::int64_t> row_ids, column_ids;
};

const auto on_host = [](const auto& values) { return values.data(); };

class ContrastiveOnDevice : public CudaTest {
 protected:
  auto place() {
    return [this](const auto& values) { return device(values); };
  }
  float* scores_at(const std::vector<float>& x, std::int64_t offset) {
    std::vector<float> moved(offset);
    moved.insert(moved.end(), x.begin(), x.end());
    return device(moved) + offset;
  }
};

TEST_P(ContrastiveOnDevice, EqualsThePlainForm) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(testing::Message() << c.rows << " x " << c.columns);
    const Data data(c);
    std::vector<float> grad = data.x, losses(c.rows);
    contrastive_cross_entropy_cpu(data.scores(c, grad.data(), on_host), 0.25f, losses.data());
    float *x = scores_at(data.x, c.offset), *loss = space<float>(c.rows);
    ATTUNE_EXPECT_CUDA(
        contrastive_cross_entropy_cuda(data.scores(c, x, place()), 0.25f, loss, nullptr));
    expect_near(host(loss, c.rows), losses, 1e-5, 1e-6, "losses");
    expect_near(host(x, c.rows * c.columns), grad, 2e-6, 2e-5, "gradient");
  }
}

TEST_P(ContrastiveOnDevice, ManyColumns) {
  const Case c{2, 65536, 65534, false, true};
  const Data data(c);
  std::vector<float> grad = data.x, losses(2);
  contrastive_cross_entropy_cpu(data.scores(c, grad.data(), on_host), 1, losses.data());
  float *x = device(data.x), *loss = space<float>(2);
  ATTUNE_EXPECT_CUDA(contrastive_cross_entropy_cuda(data.scores(c, x, place()), 1, loss, nullptr));
  expect_near(host(loss, 2), losses, 1e-4, 1e-6, "losses");
  expect_near(host(x, 2 * c.columns), grad, 1e-6, 1e-4, "gradient");
}

// Rows have the same bits in one chunk and in several.
TEST_P(ContrastiveOnDevice, ChunksDoNotMatter) {
  for (const std::int64_t columns : {24, 16500}) {
    const Case whole{6, columns}, head{4, columns}, tail{2, columns, 4};
    const Data data(whole);
    float *x = device(data.x), *split = device(data.x), *loss = space<float>(6),
          *split_loss = space<float>(6);
    ATTUNE_EXPECT_CUDA(
        contrastive_cross_entropy_cuda(data.scores(whole, x, place()), 1, loss, nullptr));
    ATTUNE_EXPECT_CUDA(
        contrastive_cross_entropy_cuda(data.scores(head, split, place()), 1, split_loss, nullptr));
    ATTUNE_EXPECT_CUDA(contrastive_cross_entropy_cuda(
        data.scores(tail, split + 4 * columns, place()), 1, split_loss + 4, nullptr));
    EXPECT_EQ(host(x, 6 * columns), host(split, 6 * columns));
    EXPECT_EQ(host(loss, 6), host(split_loss, 6));
  }
}

TEST_P(ContrastiveOnDevice, LargeScoresStayFiniteAndWhatIsNotGoesOn) {
  for (const std::int64_t columns : {8, 16388}) {
    Case c{2, columns};
    Data data(c);
    for (float& x : data.x) x = -3e4f;
    data.x[0] = data.x[columns] = 3e4f;
    float *x = device(data.x), *loss = space<float>(2);
    ATTUNE_EXPECT_CUDA(
        contrastive_cross_entropy_cuda(data.scores(c, x, place()), 1, loss, nullptr));
    std::vector<float> losses = host(loss, 2);
    EXPECT_EQ(losses[0], 0);
    EXPECT_NEAR(losses[1], 20 * 6e4, 1);
    EXPECT_EQ(host(x, 2 * columns)[columns], 1);
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), INFINITY}) {
      data.x[5] = bad;
      ATTUNE_EXPECT_CUDA(contrastive_cross_entropy_cuda(data.scores(c, device(data.x), place()), 1,
                                                        loss, nullptr));
      losses = host(loss, 2);
      EXPECT_FALSE(std::isfinite(losses[0]));
      EXPECT_TRUE(std::isfinite(losses[1])) << "another row";
    }
  }
}

TEST_P(ContrastiveOnDevice, RefusesTargetsThatAreNotThere) {
  float x[8] = {}, losses[4];
  std::int64_t ids[8] = {};
  for (ContrastiveScores bad :
       {ContrastiveScores{x, 2, 4, 3}, ContrastiveScores{x, 2, 4, -1},
        ContrastiveScores{x, 4, 2, 0}, ContrastiveScores{x, 2, 4, 0, 1, nullptr, ids, nullptr}}) {
    EXPECT_NE(contrastive_cross_entropy_cuda(bad, 1, losses, nullptr), 0);
    EXPECT_NE(log_sum_exp_cuda(bad, losses, nullptr, nullptr), 0);
    EXPECT_NE(symmetric_cross_entropy_cuda(bad, {0.5f, 0.5f, 4}, x, x, 1, losses, nullptr), 0);
  }
  const ContrastiveScores fine{x, 2, 4, 1};
  EXPECT_NE(symmetric_cross_entropy_cuda(fine, {0.5f, 0.5f, 2}, x, x, 1, losses, nullptr), 0)
      << "row 1's target has no loss of its column";
}

TEST_P(ContrastiveOnDevice, SymmetricEqualsThePlainForm) {
  for (const Case& shape : kCases) {
    // Two chunks of all the rows that the target columns have.
    const std::int64_t targets = std::min<std::int64_t>(shape.columns, shape.rows + 3);
    SCOPED_TRACE(testing::Message() << targets << " x " << shape.columns);
    Case c = shape;
    c.rows = targets;
    c.first_target = 0;
    const Data data(c);
    const std::int64_t split = targets / 2;
    std::vector<float> grad = data.x, losses(targets), row_lse(targets),
                       column_lse(c.columns, -INFINITY);
    const ContrastiveScores plain = data.scores(c, grad.data(), on_host);
    log_sum_exp_cpu(plain, row_lse.data(), column_lse.data());
    const SymmetricShares shares{0.75f, 0.25f, targets};
    symmetric_cross_entropy_cpu(plain, shares, row_lse.data(), column_lse.data(), 0.5f,
                                losses.data());

    float *x = scores_at(data.x, c.offset), *loss = space<float>(targets),
          *rows = space<float>(targets),
          *columns = device(std::vector<float>(c.columns, -INFINITY));
    const ContrastiveScores whole = data.scores(c, x, place());
    const auto chunk = [&](std::int64_t begin, std::int64_t end) {
      ContrastiveScores part = whole;
      part.x += begin * c.columns;
      part.rows = end - begin;
      part.first_target = begin;
      if (part.left_out) part.left_out += begin * c.columns;
      if (part.row_ids) part.row_ids += begin;
      return part;
    };
    for (const auto& [begin, end] : {std::pair{std::int64_t{0}, split}, {split, targets}})
      ATTUNE_EXPECT_CUDA(log_sum_exp_cuda(chunk(begin, end), rows + begin, columns, nullptr));
    expect_near(host(rows, targets), row_lse, 1e-5, 1e-6, "row_lse");
    const std::vector<float> found = host(columns, c.columns);
    for (std::int64_t j = 0; j < c.columns; ++j) {
      if (column_lse[j] == -INFINITY)
        ASSERT_EQ(found[j], -INFINITY) << j;
      else
        ASSERT_NEAR(found[j], column_lse[j], 1e-5 + 1e-6 * std::abs(column_lse[j])) << j;
    }
    for (const auto& [begin, end] : {std::pair{std::int64_t{0}, split}, {split, targets}})
      ATTUNE_EXPECT_CUDA(symmetric_cross_entropy_cuda(chunk(begin, end), shares, rows + begin,
                                                      columns, 0.5f, loss + begin, nullptr));
    expect_near(host(loss, targets), losses, 2e-5, 1e-6, "losses");
    expect_near(host(x, targets * c.columns), grad, 2e-6, 3e-5, "gradient");
  }
}
ATTUNE_INSTANTIATE_CUDA_TESTS(ContrastiveOnDevice);

TEST(ContrastivePlainForm, WithoutMasksIsTheProcessorsCrossEntropy) {
  const Case c{6, 21};
  const Data data(c);
  std::vector<float> x = data.x, fast = data.x, losses(6), fast_losses(6);
  contrastive_cross_entropy_cpu(data.scores(c, x.data(), on_host), 0.25f, losses.data());
  cross_entropy_cpu(fast.data(), 21, 0, 20, 0.25f, fast_losses.data(), 0, 6);
  expect_near(fast, x, 1e-6, 0, "gradient");
  expect_near(fast_losses, losses, 1e-5, 0, "losses");
}

TEST(ContrastivePlainForm, GradientsEqualDifferences) {
  const Case c{4, 6, 0, true, true};
  Data data(c);
  for (float& x : data.x) x *= 0.05f;
  for (const bool symmetric : {false, true}) {
    const SymmetricShares shares{0.75f, 0.25f, 5};
    std::vector<float> losses(4), grad;
    const auto value = [&] {
      grad = data.x;
      const ContrastiveScores scores = data.scores(c, grad.data(), on_host);
      if (symmetric) {
        std::vector<float> row_lse(4), column_lse(6, -INFINITY);
        log_sum_exp_cpu(scores, row_lse.data(), column_lse.data());
        symmetric_cross_entropy_cpu(scores, shares, row_lse.data(), column_lse.data(), 20,
                                    losses.data());
      } else {
        contrastive_cross_entropy_cpu(scores, 20, losses.data());
      }
      double total = 0;
      for (const float loss : losses) total += loss;
      return total;
    };
    value();
    std::vector<float> expected = grad;
    for (int i = 0; i < 24; ++i) {
      // Column 4 has a share but no row here whose target it is: its loss is no one's.
      if (symmetric && i % 6 == 4) continue;
      const float kept = std::exchange(data.x[i], data.x[i] + 1e-3f);
      const double above = value();
      data.x[i] = kept - 1e-3f;
      const double below = value();
      data.x[i] = kept;
      EXPECT_NEAR(expected[i], (above - below) / 2e-3, 2e-2) << i << " " << symmetric;
    }
  }
}

}  // namespace
}  // namespace attune
