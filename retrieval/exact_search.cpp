#include "retrieval/exact_search.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/topk.h>
#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "core/error.h"

namespace attune {
namespace {

constexpr std::int64_t kQueryRows = 128;

// Divides by the norm, which is returned squared. The floor is that of
// torch.nn.functional.normalize, so that zeros stay zeros.
double normalise_row(const float* in, int dimension, float* out) {
  double squares = 0;
  for (int i = 0; i < dimension; ++i) squares += static_cast<double>(in[i]) * in[i];
  const double norm = std::max(std::sqrt(squares), 1e-12);
  for (int i = 0; i < dimension; ++i) out[i] = static_cast<float>(in[i] / norm);
  return squares;
}

// Rows [first, first + rows) divided by their norms; `what` names them in errors.
std::vector<float> normalised(std::span<const float> vectors, std::int64_t first, std::int64_t rows,
                              int dimension, const char* what) {
  std::vector<float> out(static_cast<std::size_t>(rows) * dimension);
  at::parallel_for(0, rows, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const double squares = normalise_row(vectors.data() + (first + row) * dimension, dimension,
                                           out.data() + row * dimension);
      if (!std::isfinite(squares))
        throw_error(
            ErrorKind::kData, "the embedding of ", what, " ", first + row,
            " holds NaN or infinity; the model's weights are damaged or its training diverged");
    }
  });
  return out;
}

float exact_score(const float* a, const float* b, int dimension) {
  double lanes[4] = {};  // four sums, so that the additions need not wait for each other
  int i = 0;
  for (; i + 4 <= dimension; i += 4)
    for (int lane = 0; lane < 4; ++lane)
      lanes[lane] += static_cast<double>(a[i + lane]) * b[i + lane];
  for (; i < dimension; ++i) lanes[0] += static_cast<double>(a[i]) * b[i];
  return static_cast<float>((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]));
}

// Score descending, then tie rank ascending.
struct Better {
  std::span<const std::int64_t> tie_rank;
  bool operator()(const Hit& a, const Hit& b) const {
    return a.score != b.score ? a.score > b.score : tie_rank[a.row] < tie_rank[b.row];
  }
};

struct Scratch {
  std::vector<float> scores;
  std::vector<Hit> hits;
};

// A block of the corpus against one query.
struct BlockScores {
  const float* scores;  // [rows] by the matrix product
  const float* query;   // [dimension] normalised
  const float* block;   // [rows, dimension] normalised
  std::int64_t first_row, rows;
  int dimension;
};

// Bound of a float dot product of unit vectors in any order (Higham 2002, 3.1), and some slack.
double product_error(int dimension) { return (dimension + 8) * 0x1p-24; }

// The k best of both, the k-th best last.
void keep_best(std::vector<Hit>& hits, std::size_t k, const Better& better,
               std::vector<Hit>& best) {
  if (hits.size() >= k) {
    std::nth_element(hits.begin(), hits.begin() + (k - 1), hits.end(), better);
    hits.resize(k);
  }
  best.assign(hits.begin(), hits.end());
}

// Puts the block's rows among `best`: at most k hits, the k-th best last. The matrix product only
// proposes; whatever it puts within its own rounding error of the k-th best is scored again
// exactly.
void add_block(const BlockScores& in, std::size_t k, const Better& better, Scratch& scratch,
               std::vector<Hit>& best) {
  const double error = product_error(in.dimension);
  double floor = -std::numeric_limits<double>::infinity();
  if (best.size() == k) {
    floor = best.back().score - error;
  } else if (in.rows > static_cast<std::int64_t>(k)) {
    scratch.scores.assign(in.scores, in.scores + in.rows);
    const auto kth = scratch.scores.begin() + (k - 1);
    std::nth_element(scratch.scores.begin(), kth, scratch.scores.end(), std::greater<>());
    floor = *kth - 2 * error;
  }
  scratch.hits = best;
  for (std::int64_t row = 0; row < in.rows; ++row)
    if (in.scores[row] >= floor)
      scratch.hits.push_back(
          {in.first_row + row, exact_score(in.query, in.block + row * in.dimension, in.dimension)});
  keep_best(scratch.hits, k, better, best);
}

at::Tensor as_matrix(std::vector<float>& values, std::int64_t first, std::int64_t rows,
                     int dimension) {
  return at::from_blob(values.data() + first * dimension, {rows, dimension}, at::kFloat);
}

// Queries on a device: a block's product there, and of it only what may be among the best.
class DeviceProducts {
 public:
  DeviceProducts(std::vector<float>& queries, int dimension, const at::Device& device)
      : dimension_(dimension),
        queries_(as_matrix(queries, 0, std::ssize(queries) / dimension, dimension).to(device)) {}

  // The block [rows, dimension] (normalised) that is searched next, which outlives that.
  void take(std::vector<float>& block) {
    block_ = as_matrix(block, 0, std::ssize(block) / dimension_, dimension_).to(queries_.device());
  }

  struct Proposal {
    std::int64_t query, row;  // query: from the first; row: in the block
  };
  // Of the queries [first, first + floors.size()): every row of the block that is among a query's k
  // best of the block and not below its floor, by exact scores.
  std::vector<Proposal> propose(std::int64_t first, std::int64_t k,
                                std::vector<float> floors) const {
    const at::NoTF32Guard full_precision;
    const std::int64_t count = std::ssize(floors);
    const auto error = static_cast<float>(product_error(dimension_));
    const at::Tensor scores = at::mm(queries_.narrow(0, first, count), block_.t());
    const at::Tensor given = at::from_blob(floors.data(), {count}, at::kFloat);
    at::Tensor floor = given.to(scores.device()) - error;
    if (block_.size(0) > k)
      floor = floor.maximum(std::get<0>(at::topk(scores, k, 1)).select(1, k - 1) - 2 * error);
    const at::Tensor places = (scores >= floor.unsqueeze(1)).nonzero().cpu().contiguous();
    const std::int64_t* place = places.const_data_ptr<std::int64_t>();
    std::vector<Proposal> proposals;
    for (std::int64_t i = 0; i < places.size(0); ++i)
      proposals.push_back({place[2 * i], place[2 * i + 1]});
    return proposals;
  }

 private:
  int dimension_;
  at::Tensor queries_, block_;
};

// Input of a search, checked: the queries divided by their norms, the corpus block by block.
struct Input {
  Input(std::span<const float> queries, std::span<const float> corpus_, int dimension_, int k,
        std::size_t rows, std::int64_t block_rows_)
      : corpus(corpus_),
        dimension(dimension_),
        num_rows(static_cast<std::int64_t>(rows)),
        block_rows(block_rows_) {
    ATTUNE_ASSERT(dimension >= 1 && k >= 1 && block_rows >= 1);
    ATTUNE_ASSERT(queries.size() % dimension == 0 && corpus.size() == rows * dimension);
    num_queries = static_cast<std::int64_t>(queries.size() / dimension);
    query_rows = normalised(queries, 0, num_queries, dimension, "query");
  }
  // Rows [first, first + block_rows), or as many as there are.
  std::vector<float> block(std::int64_t first) const {
    return normalised(corpus, first, std::min(block_rows, num_rows - first), dimension, "passage");
  }

  std::span<const float> corpus;
  int dimension;
  std::int64_t num_rows, block_rows, num_queries = 0;
  std::vector<float> query_rows;  // [num_queries, dimension]
};

}  // namespace

std::vector<std::vector<Hit>> exact_search(std::span<const float> queries,
                                           std::span<const float> corpus, int dimension, int k,
                                           std::span<const std::int64_t> tie_rank,
                                           std::int64_t block_rows) {
  Input in(queries, corpus, dimension, k, tie_rank.size(), block_rows);
  const Better better{tie_rank};

  const std::int64_t num_queries = in.num_queries;
  const std::int64_t num_groups = (num_queries + kQueryRows - 1) / kQueryRows;
  std::vector<std::vector<Hit>> found(num_queries);
  for (std::int64_t first = 0; first < in.num_rows; first += block_rows) {
    std::vector<float> block = in.block(first);
    const std::int64_t rows = std::ssize(block) / dimension;
    // One thread a group of queries: the product inside a parallel region runs on its own thread.
    at::parallel_for(0, num_groups, 1, [&](std::int64_t begin, std::int64_t end) {
      Scratch scratch;
      for (std::int64_t query = begin * kQueryRows; query < std::min(end * kQueryRows, num_queries);
           query += kQueryRows) {
        const std::int64_t count = std::min(kQueryRows, num_queries - query);
        const at::Tensor product = at::mm(as_matrix(in.query_rows, query, count, dimension),
                                          as_matrix(block, 0, rows, dimension).t());
        const float* scores = product.const_data_ptr<float>();
        for (std::int64_t i = 0; i < count; ++i)
          add_block({scores + i * rows, in.query_rows.data() + (query + i) * dimension,
                     block.data(), first, rows, dimension},
                    k, better, scratch, found[query + i]);
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
  std::vector<float> x(a.size()), y(b.size());
  normalise_row(a.data(), dimension, x.data());
  normalise_row(b.data(), dimension, y.data());
  return exact_score(x.data(), y.data(), dimension);
}

std::vector<std::vector<Hit>> exact_search_on(const at::Device& device,
                                              std::span<const float> queries,
                                              std::span<const float> corpus, int dimension, int k,
                                              std::span<const std::int64_t> tie_rank,
                                              std::int64_t block_rows) {
  Input in(queries, corpus, dimension, k, tie_rank.size(), block_rows);
  const auto wanted = static_cast<std::size_t>(k);
  const Better better{tie_rank};
  const c10::DeviceGuard on_device(device);
  const std::int64_t num_queries = in.num_queries;
  DeviceProducts products(in.query_rows, dimension, device);
  std::vector<std::vector<Hit>> found(num_queries);
  for (std::int64_t first = 0; first < in.num_rows; first += block_rows) {
    std::vector<float> block = in.block(first);
    products.take(block);
    for (std::int64_t query = 0; query < num_queries; query += kQueryRows) {
      const std::int64_t count = std::min(kQueryRows, num_queries - query);
      std::vector<std::vector<Hit>> hits(found.begin() + query, found.begin() + query + count);
      std::vector<float> floors(count, -2);  // below every cosine
      for (std::int64_t i = 0; i < count; ++i)
        if (hits[i].size() == wanted) floors[i] = hits[i].back().score;
      for (const auto& [i, row] : products.propose(query, k, std::move(floors)))
        hits[i].push_back({first + row, exact_score(in.query_rows.data() + (query + i) * dimension,
                                                    block.data() + row * dimension, dimension)});
      for (std::int64_t i = 0; i < count; ++i) keep_best(hits[i], wanted, better, found[query + i]);
    }
  }
  for (std::vector<Hit>& best : found) std::sort(best.begin(), best.end(), better);
  return found;
}

}  // namespace attune
