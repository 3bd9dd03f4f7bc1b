#include "retrieval/exact_search.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/topk.h>
#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "core/error.h"
#include "kernels/dot.h"

namespace attune {
namespace {

constexpr std::int64_t kQueryRows = 128;

// Score descending, then tie rank ascending.
struct Better {
  std::span<const std::int64_t> tie_rank;
  bool operator()(const Hit& a, const Hit& b) const {
    return a.score != b.score ? a.score > b.score : tie_rank[a.row] < tie_rank[b.row];
  }
};

struct Scratch {
  std::vector<float> scores, row;
  std::vector<Hit> hits;
};

// Bound of what a proposal may lie beside the exact score: a float dot product in any order (Higham
// 2002, 3.1), the roundings of the divided rows and of the scale, and some slack.
double proposal_error(int dimension) { return (dimension + 16) * 0x1p-24; }

float exact_score(const float* query, const UnitRows& corpus, std::int64_t row,
                  std::vector<float>& divided) {
  divided.resize(corpus.dimension());
  corpus.copy_row(row, divided.data());
  return unit_dot(query, divided.data(), corpus.dimension());
}

// The k best of both, the k-th best last.
void keep_best(std::vector<Hit>& hits, std::size_t k, const Better& better,
               std::vector<Hit>& best) {
  if (hits.size() >= k) {
    std::nth_element(hits.begin(), hits.begin() + (k - 1), hits.end(), better);
    hits.resize(k);
  }
  best.assign(hits.begin(), hits.end());
}

// Puts the rows of a block among `best`: at most k hits, the k-th best last. The matrix product
// only proposes (`scores` [block.rows]); whatever it puts within its own error of the k-th best is
// scored again exactly. `query` [dimension] is divided by its norm.
void add_block(const UnitRows& corpus, const UnitRows::Block& block, const float* scores,
               const float* query, std::size_t k, const Better& better, Scratch& scratch,
               std::vector<Hit>& best) {
  const double error = proposal_error(corpus.dimension());
  scratch.scores.resize(block.rows);
  for (std::int64_t i = 0; i < block.rows; ++i) scratch.scores[i] = scores[i] * block.scale[i];
  double floor = -std::numeric_limits<double>::infinity();
  if (best.size() == k) {
    floor = best.back().score - error;
  } else if (block.rows > static_cast<std::int64_t>(k)) {
    std::vector<float> ordered = scratch.scores;
    const auto kth = ordered.begin() + (k - 1);
    std::nth_element(ordered.begin(), kth, ordered.end(), std::greater<>());
    floor = *kth - 2 * error;
  }
  scratch.hits = best;
  for (std::int64_t i = 0; i < block.rows; ++i)
    if (scratch.scores[i] >= floor)
      scratch.hits.push_back(
          {block.first + i, exact_score(query, corpus, block.first + i, scratch.row)});
  keep_best(scratch.hits, k, better, best);
}

at::Tensor as_matrix(const float* values, std::int64_t rows, std::int64_t columns) {
  return at::from_blob(const_cast<float*>(values), {rows, columns}, at::kFloat);  // only read
}

// [count, block.rows]: queries [count, dimension] against the rows of a block, not yet scaled. A
// few queries read each row once, at the memory's speed; a matrix library is made for many.
at::Tensor products(const float* queries, std::int64_t count, const UnitRows::Block& block,
                    int dimension) {
  constexpr std::int64_t kFew = 3, kRowsOfThread = 256;
  if (count > kFew)
    return at::mm(as_matrix(queries, count, dimension),
                  as_matrix(block.vectors, block.rows, dimension).t());
  const at::Tensor out = at::empty({count, block.rows}, at::kFloat);
  float* scores = out.mutable_data_ptr<float>();
  at::parallel_for(0, block.rows, kRowsOfThread, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row)
      for (std::int64_t i = 0; i < count; ++i)
        scores[i * block.rows + row] =
            dot_cpu(queries + i * dimension, block.vectors + row * dimension, dimension);
  });
  return out;
}

// Queries on a device: a block's product there, and of it only what may be among the best.
class DeviceProducts {
 public:
  DeviceProducts(const std::vector<float>& queries, int dimension, const at::Device& device)
      : dimension_(dimension),
        queries_(as_matrix(queries.data(), std::ssize(queries) / dimension, dimension).to(device)) {
  }

  // The block that is searched next, which outlives that.
  void take(const UnitRows::Block& block) {
    first_row_ = block.first;
    vectors_ = as_matrix(block.vectors, block.rows, dimension_).to(queries_.device());
    scale_ = as_matrix(block.scale.data(), 1, block.rows).to(queries_.device());
  }

  struct Proposal {
    std::int64_t query, row;  // query: from the first
  };
  // Of the queries [first, first + floors.size()): every row of the block that is among a query's k
  // best of the block and not below its floor, by exact scores.
  std::vector<Proposal> propose(std::int64_t first, std::int64_t k,
                                std::vector<float> floors) const {
    const at::NoTF32Guard full_precision;
    const std::int64_t count = std::ssize(floors);
    const auto error = static_cast<float>(proposal_error(dimension_));
    const at::Tensor scores = at::mm(queries_.narrow(0, first, count), vectors_.t()) * scale_;
    at::Tensor floor = as_matrix(floors.data(), count, 1).to(scores.device()) - error;
    if (vectors_.size(0) > k)
      floor = floor.maximum(std::get<0>(at::topk(scores, k, 1)).narrow(1, k - 1, 1) - 2 * error);
    const at::Tensor places = (scores >= floor).nonzero().cpu().contiguous();
    const std::int64_t* place = places.const_data_ptr<std::int64_t>();
    std::vector<Proposal> proposals;
    for (std::int64_t i = 0; i < places.size(0); ++i)
      proposals.push_back({place[2 * i], first_row_ + place[2 * i + 1]});
    return proposals;
  }

 private:
  int dimension_;
  std::int64_t first_row_ = 0;
  at::Tensor queries_, vectors_, scale_;
};

// All of `rows`, divided: [size, dimension].
std::vector<float> divided(const UnitRows& rows) {
  std::vector<float> out(static_cast<std::size_t>(rows.size()) * rows.dimension());
  for (std::int64_t i = 0; i < rows.size(); ++i)
    rows.copy_row(i, out.data() + i * rows.dimension());
  return out;
}

void check(const UnitRows& corpus, int k, std::size_t ranks, std::int64_t block_rows) {
  ATTUNE_ASSERT(k >= 1 && block_rows >= 1);
  ATTUNE_ASSERT(ranks == static_cast<std::size_t>(corpus.size()));
}

}  // namespace

std::vector<std::vector<Hit>> exact_search(std::span<const float> queries, const UnitRows& corpus,
                                           int k, std::span<const std::int64_t> tie_rank,
                                           std::int64_t block_rows) {
  check(corpus, k, tie_rank.size(), block_rows);
  const int dimension = corpus.dimension();
  const std::vector<float> asked = divided(UnitRows(queries, dimension, "query"));
  const Better better{tie_rank};

  const std::int64_t num_queries = std::ssize(asked) / dimension;
  const std::int64_t num_groups = (num_queries + kQueryRows - 1) / kQueryRows;
  std::vector<std::vector<Hit>> found(num_queries);
  for (std::int64_t first = 0; first < corpus.size(); first += block_rows) {
    const auto block = corpus.block(first, std::min(block_rows, corpus.size() - first));
    // One thread a group of queries: the product inside a parallel region runs on its own thread.
    at::parallel_for(0, num_groups, 1, [&](std::int64_t begin, std::int64_t end) {
      Scratch scratch;
      for (std::int64_t query = begin * kQueryRows; query < std::min(end * kQueryRows, num_queries);
           query += kQueryRows) {
        const std::int64_t count = std::min(kQueryRows, num_queries - query);
        const float* rows = asked.data() + query * dimension;
        const at::Tensor product = products(rows, count, block, dimension);
        const float* scores = product.const_data_ptr<float>();
        for (std::int64_t i = 0; i < count; ++i)
          add_block(corpus, block, scores + i * block.rows, rows + i * dimension, k, better,
                    scratch, found[query + i]);
      }
    });
  }
  at::parallel_for(0, num_queries, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) std::sort(found[i].begin(), found[i].end(), better);
  });
  return found;
}

float cosine_similarity(std::span<const float> a, std::span<const float> b) {
  ATTUNE_ASSERT(!a.empty() && a.size() == b.size());
  const auto dimension = static_cast<int>(a.size());
  const std::vector<float> x = divided(UnitRows(a, dimension)), y = divided(UnitRows(b, dimension));
  return unit_dot(x.data(), y.data(), dimension);
}

std::vector<std::vector<Hit>> exact_search_on(const at::Device& device,
                                              std::span<const float> queries,
                                              const UnitRows& corpus, int k,
                                              std::span<const std::int64_t> tie_rank,
                                              std::int64_t block_rows) {
  check(corpus, k, tie_rank.size(), block_rows);
  const int dimension = corpus.dimension();
  const std::vector<float> asked = divided(UnitRows(queries, dimension, "query"));
  const auto wanted = static_cast<std::size_t>(k);
  const Better better{tie_rank};
  const c10::DeviceGuard on_device(device);
  const std::int64_t num_queries = std::ssize(asked) / dimension;
  DeviceProducts products(asked, dimension, device);
  std::vector<std::vector<Hit>> found(num_queries);
  std::vector<float> scratch;
  for (std::int64_t first = 0; first < corpus.size(); first += block_rows) {
    const auto block = corpus.block(first, std::min(block_rows, corpus.size() - first));
    products.take(block);
    for (std::int64_t query = 0; query < num_queries; query += kQueryRows) {
      const std::int64_t count = std::min(kQueryRows, num_queries - query);
      std::vector<std::vector<Hit>> hits(found.begin() + query, found.begin() + query + count);
      std::vector<float> floors(count, -2);  // below every cosine
      for (std::int64_t i = 0; i < count; ++i)
        if (hits[i].size() == wanted) floors[i] = hits[i].back().score;
      for (const auto& [i, row] : products.propose(query, k, std::move(floors)))
        hits[i].push_back(
            {row, exact_score(asked.data() + (query + i) * dimension, corpus, row, scratch)});
      for (std::int64_t i = 0; i < count; ++i) keep_best(hits[i], wanted, better, found[query + i]);
    }
  }
  for (std::vector<Hit>& best : found) std::sort(best.begin(), best.end(), better);
  return found;
}

}  // namespace attune
