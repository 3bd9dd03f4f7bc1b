#include "retrieval/index/neighbour_graph.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "core/error.h"
#include "kernels/dot.h"
#include "retrieval/exact_search.h"

namespace attune {
namespace {

constexpr int kDimension = 24;
const Fingerprint kVectors = sha256("vectors");

std::vector<float> random_vectors(int count, std::uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(static_cast<std::size_t>(count) * kDimension);
  for (float& value : out) value = normal(rng);
  return out;
}

// Of the ten nearest of each query, the share that the graph finds too.
double recall(const NeighbourGraph& graph, const std::vector<float>& vectors, int queries) {
  std::vector<std::int64_t> rank(vectors.size() / kDimension);
  std::iota(rank.begin(), rank.end(), 0);
  const std::vector<float> asked = random_vectors(queries, 99);
  const auto exact = exact_search(asked, UnitRows(vectors, kDimension), 10, rank);
  int found = 0;
  for (int i = 0; i < queries; ++i) {
    const auto rows = graph.search(asked.data() + i * kDimension, 10);
    for (const Hit& hit : exact[i]) found += std::ranges::count(rows, hit.row) > 0;
  }
  return found / (10.0 * queries);
}

TEST(DotProduct, EqualsTheSum) {
  for (const int n : {0, 1, 3, 16, 63, 64, 65, 384, 385}) {
    std::vector<float> a(n), b(n);
    double expected = 0;
    for (int i = 0; i < n; ++i) {
      a[i] = static_cast<float>(std::sin(i + 1));
      b[i] = static_cast<float>(std::cos(3 * i));
      expected += static_cast<double>(a[i]) * b[i];
    }
    EXPECT_NEAR(dot_cpu(a.data(), b.data(), n), expected, 1e-5) << n;
  }
}

TEST(NeighbourGraph, FindsTheNearestAndComesBackFromItsBytes) {
  std::vector<float> vectors = random_vectors(3000, 1);
  for (std::size_t i = 0; i < vectors.size(); ++i)  // lengths must not matter
    vectors[i] *= 1.0f + static_cast<float>(i / kDimension % 7);
  NeighbourGraph graph(vectors, kDimension);
  graph.add_rows();
  EXPECT_EQ(graph.size(), 3000);
  EXPECT_GE(recall(graph, vectors, 100), 0.95);

  const std::string bytes = graph.file_bytes(kVectors);
  NeighbourGraph again(vectors, kDimension);
  again.restore(std::as_bytes(std::span(bytes)), kVectors, "graph");
  EXPECT_EQ(again.file_bytes(kVectors), bytes);
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(again.search(vectors.data() + i * kDimension, 10),
              graph.search(vectors.data() + i * kDimension, 10));
}

TEST(NeighbourGraph, Grows) {
  const std::vector<float> vectors = random_vectors(2000, 2);
  std::string bytes;
  {
    NeighbourGraph first(std::span<const float>(vectors.data(), 1200 * kDimension), kDimension);
    first.add_rows();
    bytes = first.file_bytes(kVectors);
  }
  NeighbourGraph grown(vectors, kDimension);
  grown.restore(std::as_bytes(std::span(bytes)), kVectors, "graph");
  EXPECT_EQ(grown.size(), 1200);
  grown.add_rows();
  EXPECT_EQ(grown.size(), 2000);
  EXPECT_GE(recall(grown, vectors, 100), 0.95);
}

TEST(NeighbourGraph, SmallAndEqualRows) {
  const std::vector<float> none;
  EXPECT_TRUE(NeighbourGraph(none, 3).search(std::vector<float>{1, 0, 0}.data(), 5).empty());
  const std::vector<float> vectors = {0, 1, 1, 0, 0, 0, 1, 0, 3e38f, 3e38f, 0, 0};
  NeighbourGraph graph(vectors, 2);
  graph.add_rows();
  EXPECT_EQ(graph.size(), 2) << "zeros and what has no norm are no nodes";
  EXPECT_EQ(graph.first_equal(3), 1);
  EXPECT_EQ(graph.first_equal(5), 2);
  std::vector<std::int64_t> found = graph.search(std::vector<float>{1, 0}.data(), 10);
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, (std::vector<std::int64_t>{0, 1, 2, 4}));
}

// As many copies as fill all links of a node.
TEST(NeighbourGraph, CopiesDoNotCutItApart) {
  std::vector<float> vectors = random_vectors(1000, 4);
  for (int i = 0; i < 400; ++i)
    std::copy_n(vectors.begin(), kDimension, vectors.begin() + i * kDimension);
  NeighbourGraph graph(vectors, kDimension);
  graph.add_rows();
  EXPECT_EQ(graph.size(), 601);
  const std::vector<float> others(vectors.begin() + 400 * kDimension, vectors.end());
  for (int i = 0; i < 600; ++i) {
    const auto found = graph.search(others.data() + i * kDimension, 5);
    EXPECT_EQ(std::ranges::count(found, 400 + i), 1) << i;
  }
}

TEST(NeighbourGraph, AnotherIndexsGraphIsRefused) {
  const std::vector<float> vectors = random_vectors(100, 3);
  NeighbourGraph graph(vectors, kDimension);
  graph.add_rows();
  const std::string bytes = graph.file_bytes(kVectors);
  const auto refusal = [&](const std::string& file, const Fingerprint& of) -> std::string {
    NeighbourGraph other(std::span<const float>(vectors.data(), 90 * kDimension), kDimension);
    try {
      other.restore(std::as_bytes(std::span(file)), of, "some.graph");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(refusal(bytes, kVectors).find("some.graph: it names 100 nodes"), std::string::npos);
  EXPECT_NE(refusal(bytes, sha256("x")).find("other vectors"), std::string::npos);
  EXPECT_NE(refusal("", kVectors).find("some.graph"), std::string::npos);
  EXPECT_NE(refusal(bytes.substr(0, 30), kVectors).find("some.graph"), std::string::npos);
}

}  // namespace
}  // namespace attune
