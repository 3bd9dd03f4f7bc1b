#include "retrieval/index/neighbour_graph.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <new>
#include <string_view>
#include <unordered_map>

#include <hnswlib/hnswlib.h>

#include "core/error.h"
#include "core/parallel.h"
#include "kernels/dot.h"
#include "retrieval/unit_rows.h"

namespace attune {
namespace {

constexpr std::string_view kMagic = "ATTHNSW1";
constexpr std::size_t kHeaderBytes = 8 + 8 + 4 + 4 + 32;
constexpr int kBuildWidth = 200;   // candidates looked at when a row is added
constexpr int kSearchWidth = 128;  // and in a search, or as many as are asked for
constexpr std::uint32_t kQuery = std::numeric_limits<std::uint32_t>::max();

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();  // the library's -1

// The library compares "elements"; ours are numbers of rows, and kQuery stands for this.
thread_local const float* current_query = nullptr;

// 0 for zeros (as in exact_search.h) and where the squares are no float.
float inverse_norm(const float* x, int dimension) {
  const float norm = std::sqrt(dot_cpu(x, x, dimension));
  return norm > 1e-12f && std::isfinite(norm) ? 1 / norm : 0;
}

struct Matrix {
  Matrix(const float* vectors, std::int64_t rows, int width);
  const float* row(std::int64_t i) const { return data + i * dimension; }
  bool has_equal_rows(std::int64_t a, std::int64_t b) const {
    return std::memcmp(row(a), row(b), sizeof(float) * dimension) == 0;
  }

  const float* data;
  int dimension;
  std::vector<float> inverse_norms;        // [rows]
  std::vector<std::uint32_t> first_equal;  // [rows]
  std::vector<std::uint32_t> nodes, none;  // of the first ones, ascending
};

Matrix::Matrix(const float* vectors, std::int64_t rows, int width)
    : data(vectors), dimension(width), inverse_norms(rows), first_equal(rows) {
  std::vector<std::size_t> hashes(rows);
  parallel_for(rows, 0, 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      inverse_norms[i] = inverse_norm(row(i), dimension);
      hashes[i] = std::hash<std::string_view>()(
          {reinterpret_cast<const char*>(row(i)), sizeof(float) * dimension});
    }
  });
  std::unordered_map<std::size_t, std::uint32_t> first;
  first.reserve(rows);
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto number = static_cast<std::uint32_t>(i);
    const std::uint32_t found = first.try_emplace(hashes[i], number).first->second;
    first_equal[i] = has_equal_rows(found, i) ? found : number;
    if (first_equal[i] == number) (inverse_norms[i] > 0 ? nodes : none).push_back(number);
  }
}

// 1 - cosine; the query has norm 1.
float distance(const void* a, const void* b, const void* matrix_pointer) {
  const Matrix& matrix = *static_cast<const Matrix*>(matrix_pointer);
  const float* vectors[2];
  float scale = 1;
  const void* elements[] = {a, b};
  for (int i = 0; i < 2; ++i) {
    std::uint32_t row;
    std::memcpy(&row, elements[i], sizeof row);
    if (row == kQuery) {
      vectors[i] = current_query;
    } else {
      vectors[i] = matrix.row(row);
      scale *= matrix.inverse_norms[row];
    }
  }
  return 1 - scale * dot_cpu(vectors[0], vectors[1], matrix.dimension);
}

class RowSpace : public hnswlib::SpaceInterface<float> {
 public:
  explicit RowSpace(Matrix& matrix) : matrix_(matrix) {}
  std::size_t get_data_size() override { return sizeof(std::uint32_t); }
  hnswlib::DISTFUNC<float> get_dist_func() override { return distance; }
  void* get_dist_func_param() override { return &matrix_; }

 private:
  Matrix& matrix_;
};

// Reads numbers that are known to be there.
class Cursor {
 public:
  explicit Cursor(const std::byte* at) : at_(at) {}
  template <class T>
  T take() {
    T value;
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  const std::byte* at() const { return at_; }
  void skip(std::size_t bytes) { at_ += bytes; }

 private:
  const std::byte* at_;
};

template <class T>
void append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string binary(const Fingerprint& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

constexpr std::size_t kListBytes0 = 4 * (1 + std::size_t{NeighbourGraph::kLinks0}),
                      kListBytes = 4 * (1 + std::size_t{NeighbourGraph::kLinks});

template <class... What>
[[noreturn]] void refuse(const std::string& place, const What&... what) {
  throw_error(ErrorKind::kData, place, ": ", what...,
              "; the file is damaged: build the index again");
}

// A graph's bytes, of which everything is checked.
struct GraphFile {
  std::uint32_t max_level = 0, entry = 0;
  std::vector<std::uint32_t> levels;  // [nodes]
  const std::byte *rows, *lists, *upper_lists;

  // Every bound is checked before memory is taken for what it bounds.
  static GraphFile check(std::span<const std::byte> file, const Fingerprint& vectors_sha256,
                         const Matrix& matrix, const std::string& place);

 private:
  void read_levels(std::uint64_t nodes, const Matrix& matrix, const std::string& place);
  void check_list(Cursor list, std::size_t node, std::uint32_t level, std::uint32_t capacity,
                  const std::string& place) const;
};

GraphFile GraphFile::check(std::span<const std::byte> file, const Fingerprint& vectors_sha256,
                           const Matrix& matrix, const std::string& place) {
  if (file.size() < kHeaderBytes || std::memcmp(file.data(), kMagic.data(), kMagic.size()) != 0)
    refuse(place, "expected a graph of neighbours ('", kMagic, "')");
  GraphFile graph;
  Cursor header(file.data() + kMagic.size());
  const auto nodes = header.take<std::uint64_t>();
  graph.max_level = header.take<std::uint32_t>();
  graph.entry = header.take<std::uint32_t>();
  if (std::memcmp(header.at(), binary(vectors_sha256).data(), 32) != 0)
    refuse(place, "it was built over other vectors than those beside it");
  if (nodes > matrix.nodes.size())
    refuse(place, "it names ", nodes, " nodes, vectors.safetensors beside it has ",
           matrix.nodes.size(), " vectors that can be one");
  if ((file.size() - kHeaderBytes) / (8 + kListBytes0) < nodes)
    refuse(place, file.size(), " bytes are too few for ", nodes, " nodes");
  graph.rows = file.data() + kHeaderBytes;
  graph.read_levels(nodes, matrix, place);
  graph.lists = graph.rows + 8 * nodes;
  graph.upper_lists = graph.lists + kListBytes0 * nodes;
  std::uint64_t expected = kHeaderBytes + (8 + kListBytes0) * nodes;
  for (const std::uint32_t level : graph.levels) expected += kListBytes * level;
  if (file.size() != expected) refuse(place, "expected ", expected, " bytes, found ", file.size());
  Cursor upper(graph.upper_lists);
  for (std::size_t i = 0; i < nodes; ++i) {
    graph.check_list(Cursor(graph.lists + kListBytes0 * i), i, 0, NeighbourGraph::kLinks0, place);
    for (std::uint32_t level = 1; level <= graph.levels[i]; ++level) {
      graph.check_list(upper, i, level, NeighbourGraph::kLinks, place);
      upper.skip(kListBytes);
    }
  }
  return graph;
}

void GraphFile::read_levels(std::uint64_t nodes, const Matrix& matrix, const std::string& place) {
  const auto last = matrix.nodes.begin() + static_cast<std::ptrdiff_t>(nodes);
  std::vector<bool> seen(nodes);
  levels.resize(nodes);
  Cursor row_cursor(rows), level_cursor(rows + 4 * nodes);
  for (std::size_t i = 0; i < nodes; ++i) {
    const auto row = row_cursor.take<std::uint32_t>();
    const auto found = std::lower_bound(matrix.nodes.begin(), last, row);
    if (found == last || *found != row || seen[found - matrix.nodes.begin()])
      refuse(place, "node ", i, " has row ", row,
             " again, or one that is no node over the vectors.safetensors beside it");
    seen[found - matrix.nodes.begin()] = true;
    levels[i] = level_cursor.take<std::uint32_t>();
    if (levels[i] > max_level || levels[i] > NeighbourGraph::kMaxLevel)
      refuse(place, "node ", i, " has level ", levels[i], ", the highest is ", max_level);
  }
  if (nodes == 0 ? max_level != kNone || entry != kNone
                 : entry >= nodes || levels[entry] != max_level)
    refuse(place, "it is entered at node ", entry, ", which is not on level ", max_level);
}

void GraphFile::check_list(Cursor list, std::size_t node, std::uint32_t level,
                           std::uint32_t capacity, const std::string& place) const {
  const auto count = list.take<std::uint32_t>();
  if (count > capacity)
    refuse(place, "node ", node, " has ", count, " neighbours on level ", level);
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto neighbour = list.take<std::uint32_t>();
    if (neighbour >= levels.size() || levels[neighbour] < level)
      refuse(place, "node ", node, " has node ", neighbour, " as a neighbour on level ", level,
             ", where there is none");
  }
}

}  // namespace

struct NeighbourGraph::Graph {
  Graph(std::span<const float> vectors, int dimension)
      : matrix(vectors.data(), static_cast<std::int64_t>(vectors.size()) / dimension, dimension),
        space(matrix),
        hnsw(&space, std::max<std::size_t>(matrix.nodes.size(), 1), kLinks, kBuildWidth) {
    hnsw.setEf(kSearchWidth);
  }

  Matrix matrix;
  RowSpace space;
  hnswlib::HierarchicalNSW<float> hnsw;
};

NeighbourGraph::NeighbourGraph(std::span<const float> vectors, int dimension) {
  ATTUNE_ASSERT(dimension >= 1 && vectors.size() % dimension == 0);
  if (vectors.size() / dimension > (std::size_t{1} << 31))
    throw_error(ErrorKind::kResources, "an index of ", vectors.size() / dimension,
                " nodes is too large for approximate search, which takes 2^31; leave it out");
  graph_ = std::make_unique<Graph>(vectors, dimension);
}

NeighbourGraph::~NeighbourGraph() = default;

std::int64_t NeighbourGraph::size() const {
  return static_cast<std::int64_t>(graph_->hnsw.cur_element_count);
}

bool NeighbourGraph::is_complete() const { return size() == std::ssize(graph_->matrix.nodes); }

std::int64_t NeighbourGraph::first_equal(std::int64_t row) const {
  return graph_->matrix.first_equal[row];
}

void NeighbourGraph::restore(std::span<const std::byte> bytes, const Fingerprint& vectors_sha256,
                             const std::string& place) {
  ATTUNE_ASSERT(size() == 0);
  const GraphFile file = GraphFile::check(bytes, vectors_sha256, graph_->matrix, place);
  // As the library's own reader would lay it.
  auto& hnsw = graph_->hnsw;
  ATTUNE_ASSERT(hnsw.size_links_level0_ == kListBytes0 &&
                hnsw.size_links_per_element_ == kListBytes);
  Cursor rows(file.rows), upper(file.upper_lists);
  for (std::size_t i = 0; i < file.levels.size(); ++i) {
    char* element = hnsw.data_level0_memory_ + i * hnsw.size_data_per_element_;
    const auto row = rows.take<std::uint32_t>();
    const hnswlib::labeltype label = row;
    std::memcpy(element, file.lists + kListBytes0 * i, kListBytes0);
    std::memcpy(element + hnsw.offsetData_, &row, sizeof row);
    std::memcpy(element + hnsw.label_offset_, &label, sizeof label);
    if (file.levels[i] > 0) {
      const std::size_t upper_bytes = kListBytes * file.levels[i];
      // One more byte, as the library has it: it prefetches behind the last.
      hnsw.linkLists_[i] = static_cast<char*>(std::malloc(upper_bytes + 1));
      if (!hnsw.linkLists_[i]) throw std::bad_alloc();
      std::memcpy(hnsw.linkLists_[i], upper.at(), upper_bytes);
      upper.skip(upper_bytes);
    }
    hnsw.element_levels_[i] = static_cast<int>(file.levels[i]);
    hnsw.label_lookup_[label] = static_cast<hnswlib::tableint>(i);
    hnsw.cur_element_count = i + 1;
  }
  hnsw.maxlevel_ = static_cast<int>(file.max_level);
  hnsw.enterpoint_node_ = file.entry;
}

void NeighbourGraph::add_rows() {
  const std::int64_t first = size();
  const std::vector<std::uint32_t>& nodes = graph_->matrix.nodes;
  const auto add = [&](std::int64_t i) {
    graph_->hnsw.addPoint(&nodes[i], static_cast<hnswlib::labeltype>(nodes[i]));
  };
  if (is_complete()) return;
  add(first);  // alone: the others need a node to begin at
  parallel_for(std::ssize(nodes) - first - 1, 0, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) add(first + 1 + i);
  });
}

std::string NeighbourGraph::file_bytes(const Fingerprint& vectors_sha256) const {
  const auto& hnsw = graph_->hnsw;
  const auto nodes = static_cast<std::uint64_t>(size());
  std::string bytes(kMagic);
  append(bytes, nodes);
  append(bytes, static_cast<std::uint32_t>(hnsw.maxlevel_));
  append(bytes, static_cast<std::uint32_t>(hnsw.enterpoint_node_));
  bytes += binary(vectors_sha256);
  ATTUNE_ASSERT(bytes.size() == kHeaderBytes);
  for (std::uint64_t i = 0; i < nodes; ++i)
    bytes.append(hnsw.data_level0_memory_ + i * hnsw.size_data_per_element_ + hnsw.offsetData_, 4);
  for (std::uint64_t i = 0; i < nodes; ++i)
    append(bytes, static_cast<std::uint32_t>(hnsw.element_levels_[i]));
  for (std::uint64_t i = 0; i < nodes; ++i)
    bytes.append(hnsw.data_level0_memory_ + i * hnsw.size_data_per_element_, kListBytes0);
  for (std::uint64_t i = 0; i < nodes; ++i)
    if (hnsw.element_levels_[i] > 0)
      bytes.append(hnsw.linkLists_[i],
                   kListBytes * static_cast<std::size_t>(hnsw.element_levels_[i]));
  return bytes;
}

std::vector<std::int64_t> NeighbourGraph::search(const float* query, int count) const {
  const Matrix& matrix = graph_->matrix;
  std::vector<std::int64_t> rows(matrix.none.begin(), matrix.none.end());
  if (size() == 0) return rows;
  std::vector<float> unit(matrix.dimension);
  UnitRows(std::span(query, unit.size()), matrix.dimension, "query").copy_row(0, unit.data());
  current_query = unit.data();
  auto found = graph_->hnsw.searchKnn(&kQuery, static_cast<std::size_t>(count));
  for (; !found.empty(); found.pop()) rows.push_back(static_cast<std::int64_t>(found.top().second));
  return rows;
}

}  // namespace attune
