// The embedding layer on the device against the plain form on the CPU, whose gradient is checked
// against differences here.
#include <algorithm>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "kernels/embedding.h"
#include "tests/kernels/cuda_device.h"
#include "tests/kernels/kernel_data.h"

namespace attune {
namespace {

struct Case {
  std::int64_t tokens, width;
  double dropout = 0;
  bool norm = true, bias = true, kinds = false;
};

struct Layer {
  static constexpr std::int64_t kWords = 31, kPlaces = 11, kTypes = 3;

  explicit Layer(const Case& c) {
    word = normal_values(kWords * c.width, 1);
    position = normal_values(kPlaces * c.width, 2);
    type = normal_values(kTypes * c.width, 3);
    weight = normal_values(c.width, 4);
    bias = normal_values(c.width, 5);
    for (std::int64_t t = 0; t < c.tokens; ++t) {
      ids.push_back(static_cast<std::int32_t>(t * 7 % kWords));
      places.push_back(static_cast<std::int32_t>(t % kPlaces));
      kinds.push_back(static_cast<std::int32_t>(t % kTypes));
      uid.push_back(t / kPlaces);
    }
    norm.width = c.width;
    norm.epsilon = 1e-12f;
    norm.dropout = Dropout::make(c.dropout, 1, 2, 0, DropoutSite::kEmbeddings);
  }

  // Pointers to vectors on the host, or to their copies made by `place`.
  template <class Place>
  EmbeddingRows rows(const Case& c, const Place& place) const {
    return {place(word), place(position), place(type),
            kWords,      kPlaces,         kTypes,
            place(ids),  place(places),   c.kinds ? place(kinds) : nullptr};
  }
  template <class Place>
  AddLayerNorm with_weights(const Case& c, const Place& place) const {
    AddLayerNorm result = norm;
    result.weight = c.norm ? place(weight) : nullptr;
    result.bias = c.norm && c.bias ? place(bias) : nullptr;
    result.token_uid = place(uid);
    result.positions = place(places);
    return result;
  }

  std::vector<float> word, position, type, weight, bias;
  std::vector<std::int32_t> ids, places, kinds;
  std::vector<std::int64_t> uid;
  AddLayerNorm norm;
};

const auto on_host = [](const auto& values) { return values.data(); };

class EmbeddingOnDevice : public CudaTest {
 protected:
  template <class T>
  void check(const Case& c, bool narrow_kept) {
    SCOPED_TRACE(testing::Message() << c.tokens << " x " << c.width << ", dropout " << c.dropout
                                    << ", bytes " << sizeof(T));
    const Layer layer(c);
    const std::int64_t count = c.tokens * c.width;
    std::vector<float> y(count), n(count), inverse(c.tokens);
    embedding_forward_cpu<T>(layer.rows(c, on_host), layer.with_weights(c, on_host),
                             {y.data(), nullptr, n.data(), nullptr, inverse.data()}, 0, c.tokens);
    const auto place = [this](const auto& values) { return device(values); };
    const AddLayerNorm norm = layer.with_weights(c, place);
    EmbeddingForward<T> forward{space<float>(count), space<T>(count), nullptr, nullptr,
                                space<float>(c.tokens)};
    if (narrow_kept)
      forward.normalized_narrow = space<T>(count);
    else
      forward.normalized = space<float>(count);
    ATTUNE_EXPECT_CUDA(
        embedding_forward_cuda<T>(layer.rows(c, place), norm, forward, c.tokens, nullptr));
    expect_near(host(forward.y, count), y, 2e-5, 0, "y");
    expect_near(host(forward.y_narrow, count), y, 2e-5, kRounding<T>, "y_narrow");
    if (c.norm) {
      expect_near(host(forward.inverse_deviation, c.tokens), inverse, 0, 1e-5, "inverse");
      const std::vector<float> kept = narrow_kept ? widened(host(forward.normalized_narrow, count))
                                                  : host(forward.normalized, count);
      expect_near(kept, n, 1e-5, narrow_kept ? kRounding<T> : 0, "n");
      n = kept;
    }

    const std::vector<float> grad_y = normal_values(count, 6);
    const std::vector<T> grad_narrow = narrowed<T>(normal_values(count, 7));
    std::vector<float> grad_sum(count), grad_weight(c.width, 1), grad_bias(c.width, 2);
    embedding_backward_cpu<T>(layer.with_weights(c, on_host),
                              {grad_y.data(), grad_narrow.data(), n.data(), nullptr, inverse.data(),
                               grad_sum.data(), grad_weight.data(), grad_bias.data()},
                              0, c.tokens);
    float* grad = device(grad_y);  // in place
    float* of_weight = device(std::vector<float>(c.width, 1));
    float* of_bias = device(std::vector<float>(c.width, 2));
    ATTUNE_EXPECT_CUDA(embedding_backward_cuda<T>(
        norm,
        {grad, device(grad_narrow), forward.normalized, forward.normalized_narrow,
         forward.inverse_deviation, grad, of_weight, of_bias},
        c.tokens, space<float>(norm_workspace(c.tokens, c.width)), nullptr));
    expect_near(host(grad, count), grad_sum, 3e-5, 2e-5, "grad_sum");
    const double of_sums = 3e-6 * static_cast<double>(c.tokens + 10);
    expect_near(host(of_weight, c.width), grad_weight, of_sums, 0, "grad_weight");
    expect_near(host(of_bias, c.width), grad_bias, of_sums, 0, "grad_bias");
  }
};

TEST_P(EmbeddingOnDevice, EqualsThePlainForm) {
  for (const Case& c : {Case{13, 384, 0.1}, Case{5, 768}, Case{3, 1024, 0.3, true, false, true},
                        Case{4, 1}, Case{7, 33, 0.2, true, true, true}, Case{0, 384},
                        Case{6, 50, 0.3, false}, Case{6, 128, 0, false}, Case{2, 2052, 0.1}}) {
    check<float>(c, false);
    check<BFloat16>(c, false);
    check<BFloat16>(c, true);
  }
}

TEST_P(EmbeddingOnDevice, RowsOutsideTheTablesBecomeNaN) {
  const Case c{9, 8, 0, true, true, true};
  Layer layer(c);
  layer.ids[1] = Layer::kWords;
  layer.ids[2] = -1;
  layer.places[4] = Layer::kPlaces;
  layer.places[5] = std::numeric_limits<std::int32_t>::min();
  layer.kinds[7] = Layer::kTypes;
  const auto place = [this](const auto& values) { return device(values); };
  float* y = space<float>(72);
  ATTUNE_EXPECT_CUDA(embedding_forward_cuda<float>(layer.rows(c, place),
                                                   layer.with_weights(c, place), {y}, 9, nullptr));
  std::vector<float> plain(72);
  embedding_forward_cpu<float>(layer.rows(c, on_host), layer.with_weights(c, on_host),
                               {plain.data()}, 0, 9);
  const std::vector<float> result = host(y, 72);
  for (int i = 0; i < 72; ++i) {
    const int token = i / 8;
    const bool outside = token == 1 || token == 2 || token == 4 || token == 5 || token == 7;
    ASSERT_EQ(std::isnan(result[i]), outside) << token;
    ASSERT_EQ(std::isnan(plain[i]), outside) << token;
  }
}

TEST_P(EmbeddingOnDevice, TablesMayBeMissing) {
  const Case c{5, 12};
  const Layer layer(c);
  EmbeddingRows rows = layer.rows(c, [this](const auto& values) { return device(values); });
  rows.position = rows.type = nullptr;
  rows.places = nullptr;
  AddLayerNorm norm;
  norm.width = 12;
  float* y = space<float>(60);
  ATTUNE_EXPECT_CUDA(embedding_forward_cuda<float>(rows, norm, {y}, 5, nullptr));
  const std::vector<float> result = host(y, 60);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(result[i], layer.word[layer.ids[i / 12] * 12 + i % 12]);
}

TEST(EmbeddingPlainForm, GradientEqualsDifferences) {
  const Case c{3, 7, 0.3};
  Layer layer(c);
  const std::vector<float> probe = normal_values(21, 9);
  const auto value = [&] {
    std::vector<float> y(21);
    embedding_forward_cpu<float>(layer.rows(c, on_host), layer.with_weights(c, on_host), {y.data()},
                                 0, 3);
    return std::inner_product(y.begin(), y.end(), probe.begin(), 0.0);
  };
  std::vector<float> y(21), n(21), inverse(3), grad(21), grad_weight(7), grad_bias(7);
  embedding_forward_cpu<float>(layer.rows(c, on_host), layer.with_weights(c, on_host),
                               {y.data(), nullptr, n.data(), nullptr, inverse.data()}, 0, 3);
  embedding_backward_cpu<float>(layer.with_weights(c, on_host),
                                {probe.data(), nullptr, n.data(), nullptr, inverse.data(),
                                 grad.data(), grad_weight.data(), grad_bias.data()},
                                0, 3);
  const auto difference = [&](float& x) {
    const float kept = std::exchange(x, x + 1e-2f);
    const double above = value();
    x = kept - 1e-2f;
    const double below = value();
    x = kept;
    return (above - below) / 2e-2;
  };
  for (int t = 0; t < 3; ++t)
    for (int i = 0; i < 7; ++i)
      EXPECT_NEAR(grad[t * 7 + i], difference(layer.word[layer.ids[t] * 7 + i]), 2e-3);
  for (int i = 0; i < 7; ++i) {
    EXPECT_NEAR(grad_weight[i], difference(layer.weight[i]), 2e-4);
    EXPECT_NEAR(grad_bias[i], difference(layer.bias[i]), 2e-4);
  }
}
ATTUNE_INSTANTIATE_CUDA_TESTS(EmbeddingOnDevice);

std::vector<std::int32_t> plan_of(const std::vector<std::int32_t>& rows, std::int64_t capacity,
                                  std::int64_t table_rows, std::int64_t skipped = -1) {
  std::vector<std::int32_t> memory(ScatterPlan::size(capacity), -77);
  make_scatter_plan(rows.data(), static_cast<std::int64_t>(rows.size()), capacity, table_rows,
                    skipped, memory.data());
  return memory;
}

// Row 0: many tokens; 1: a piece exactly; 2: one more than that; 3: skipped; others: few.
std::vector<std::int32_t> tokens_of_all_kinds() {
  std::vector<std::int32_t> rows;
  for (const auto& [row, count] : {std::pair{0, 500}, {1, 64}, {2, 65}, {3, 70}, {5, 1}, {8, 3}})
    rows.insert(rows.end(), count, row);
  std::shuffle(rows.begin(), rows.end(), std::mt19937(1));
  return rows;
}

TEST(ScatterPlan, HoldsEveryTokenOnceAndInOrder) {
  const std::vector<std::int32_t> rows = tokens_of_all_kinds();
  const auto count = static_cast<std::int64_t>(rows.size());
  for (const std::int64_t capacity : {count, count + 300}) {
    const std::vector<std::int32_t> memory = plan_of(rows, capacity, 9, 3);
    const ScatterPlan plan = ScatterPlan::in(memory.data(), capacity);
    std::vector<std::vector<std::int32_t>> of_row(9);
    const auto take = [&](std::int32_t row, std::int32_t begin, std::int32_t end) {
      ASSERT_LE(end - begin, ScatterPlan::kScatterPiece);
      for (std::int32_t i = begin; i < end; ++i) of_row[row].push_back(plan.order[i]);
    };
    for (std::int64_t i = 0; i < capacity; ++i) {
      if (plan.short_row[i] < 0)
        ASSERT_EQ(plan.short_begin[i], plan.short_begin[i + 1]);
      else
        take(plan.short_row[i], plan.short_begin[i], plan.short_begin[i + 1]);
    }
    for (std::int64_t i = 0; i < ScatterPlan::long_pieces(capacity); ++i)
      for (std::int32_t p = plan.long_begin[i]; p < plan.long_begin[i + 1]; ++p)
        take(plan.long_row[i], plan.piece_begin[p], plan.piece_begin[p + 1]);
    for (std::int32_t row = 0; row < 9; ++row) {
      std::vector<std::int32_t> expected;
      for (std::int32_t t = 0; row != 3 && t < count; ++t)
        if (rows[t] == row) expected.push_back(t);
      EXPECT_EQ(of_row[row], expected) << row;
    }
  }
}

TEST(ScatterPlan, AlwaysHasRoomForItsPieces) {
  for (const std::int64_t tokens : {1, 31, 32, 63, 64, 65, 127, 128, 129, 130, 650, 1000})
    for (const std::int64_t each : {1, 64, 65, 66, 127, 128, 129, 1000}) {
      std::vector<std::int32_t> rows;
      for (std::int64_t t = 0; t < tokens; ++t) rows.push_back(static_cast<std::int32_t>(t / each));
      const std::vector<std::int32_t> memory = plan_of(rows, tokens, tokens);  // ASan looks on
      const ScatterPlan plan = ScatterPlan::in(memory.data(), tokens);
      EXPECT_EQ(plan.short_begin[tokens], tokens);
    }
}

TEST(ScatterPlan, RefusesRowsOutsideTheTable) {
  for (const std::int32_t bad : {-1, 9, std::numeric_limits<std::int32_t>::max()}) {
    try {
      plan_of({1, 2, bad}, 3, 9);
      FAIL();
    } catch (const std::invalid_argument& error) {
      EXPECT_EQ(std::string(error.what()),
                "token 2 reads row " + std::to_string(bad) + " of a table of 9 rows");
    }
  }
  EXPECT_THROW(plan_of({1, 2, 3}, 2, 9), std::invalid_argument);
}

class ScatterOnDevice : public CudaTest {};

TEST_P(ScatterOnDevice, AddsWhatThePlainFormAdds) {
  const std::vector<std::int32_t> rows = tokens_of_all_kinds();
  const auto count = static_cast<std::int64_t>(rows.size());
  for (const std::int64_t width : {1, 33, 384})
    for (const std::int64_t capacity : {count, count + 100}) {
      const std::vector<float> from = normal_values(count * width, 2),
                               table = normal_values(9 * width, 3);
      std::vector<float> expected = table, first;
      scatter_add_cpu(from.data(), rows.data(), count, width, 3, expected.data());
      const std::vector<std::int32_t> memory = plan_of(rows, capacity, 9, 3);
      for (int run = 0; run < 2; ++run) {
        float* to = device(table);
        ATTUNE_EXPECT_CUDA(
            scatter_add_cuda(device(from), ScatterPlan::in(device(memory), capacity), width, to,
                             space<float>(scatter_workspace(capacity, width)), nullptr));
        const std::vector<float> found = host(to, 9 * width);
        expect_near(found, expected, 1e-4, 1e-6, "table");
        for (std::int64_t c = 0; c < width; ++c)
          ASSERT_EQ(found[3 * width + c], table[3 * width + c]) << "the skipped row";
        if (run == 0) first = found;
        ASSERT_EQ(found, first) << "equal bits in every run";
      }
    }
}

TEST_P(ScatterOnDevice, OfNoTokensAddsNothing) {
  const std::vector<std::int32_t> memory = plan_of({}, 40, 2);
  float* table = device(std::vector<float>(8, 1));
  ATTUNE_EXPECT_CUDA(scatter_add_cuda(nullptr, ScatterPlan::in(device(memory), 40), 4, table,
                                      space<float>(scatter_workspace(40, 4)), nullptr));
  ATTUNE_EXPECT_CUDA(scatter_add_cuda(nullptr, ScatterPlan(), 4, table, nullptr, nullptr));
  EXPECT_EQ(host(table, 8), std::vector<float>(8, 1));
}
ATTUNE_INSTANTIATE_CUDA_TESTS(ScatterOnDevice);

}  // namespace
}  // namespace attune
