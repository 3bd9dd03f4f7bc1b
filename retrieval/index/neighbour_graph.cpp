#include "retrieval/index/neighbour_graph.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include <hnswlib/hnswlib.h>

#include "core/error.h"
#include "core/parallel.h"
#include "kernels/dot.h"

namespace attune {
namespace {

constexpr std::string_view kMagic = "ATTHNSW1";
constexpr std::size_t kHeaderBytes = 8 + 8 + 4 + 4 + 32;
constexpr int kBuildWidth = 200;   // candidates looked at when a row is added
constexpr int kSearchWidth = 128;  // and in a search, or as many as are asked for
constexpr std::uint32_t kQuery = std::numeric_limits<std::uint32_t>::max();

// The library compares "elements"; ours are numbers of rows, and kQuery stands for this.
thread_local const float* current_query = nullptr;

float inverse_norm(const float* x, int dimension) {
  const float norm = std::sqrt(dot_cpu(x, x, dimension));
  return norm > 0 && std::isfinite(norm) ? 1 / norm : 0;
}

struct Matrix {
  const float* data;
  int dimension;
  std::vector<float> inverse_norms;
};

// 1 - cosine, up to a positive factor where one of the two is the query.
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
      vectors[i] = matrix.data + static_cast<std::int64_t>(row) * matrix.dimension;
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

}  // namespace

struct NeighbourGraph::Graph {
  Graph(std::span<const float> vectors, int dimension)
      : rows(static_cast<std::int64_t>(vectors.size()) / dimension),
        matrix{vectors.data(), dimension, std::vector<float>(static_cast<std::size_t>(rows))},
        space(matrix),
        hnsw(&space, static_cast<std::size_t>(std::max<std::int64_t>(rows, 1)), kLinks,
             kBuildWidth) {
    parallel_for(rows, 0, 4096, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row)
        matrix.inverse_norms[row] = inverse_norm(matrix.data + row * dimension, dimension);
    });
    hnsw.setEf(kSearchWidth);
  }

  std::int64_t rows;
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

void NeighbourGraph::restore(std::span<const std::byte> file, const Fingerprint& vectors_sha256,
                             const std::string& place) {
  ATTUNE_ASSERT(size() == 0);
  const auto refuse = [&](const auto&... what) {
    throw_error(ErrorKind::kData, place, ": ", what...,
                "; the file is damaged: build the index again");
  };
  const auto is_magic = [&] {
    return file.size() >= kHeaderBytes && std::memcmp(file.data(), kMagic.data(), 8) == 0;
  };
  if (!is_magic()) refuse("expected a graph of neighbours ('ATTHNSW1')");
  Cursor header(file.data() + 8);
  const auto nodes = header.take<std::uint64_t>();
  const auto max_level = header.take<std::uint32_t>(), entry = header.take<std::uint32_t>();
  if (std::memcmp(header.at(), binary(vectors_sha256).data(), 32) != 0)
    refuse("it was built over other vectors than those beside it");
  // Every bound is checked before memory is taken for what it bounds.
  if (nodes == 0 || nodes > static_cast<std::uint64_t>(graph_->rows))
    refuse("it names ", nodes, " nodes, the vectors are ", graph_->rows);
  constexpr std::uint64_t kNodeBytes = 8 + 4 * (1 + std::uint64_t{kLinks0});
  if ((file.size() - kHeaderBytes) / kNodeBytes < nodes)
    refuse(file.size(), " bytes are too few for ", nodes, " nodes");
  const std::byte* rows_at = file.data() + kHeaderBytes;
  const std::byte* levels_at = rows_at + 4 * nodes;
  const std::byte* links_at = levels_at + 4 * nodes;

  std::vector<std::uint32_t> levels(nodes);
  std::vector<bool> seen(nodes);
  std::uint64_t upper_lists = 0;
  Cursor row_cursor(rows_at), level_cursor(levels_at);
  for (std::uint64_t i = 0; i < nodes; ++i) {
    const auto row = row_cursor.take<std::uint32_t>();
    if (row >= nodes || seen[row]) refuse("node ", i, " has row ", row, " again, or one too high");
    seen[row] = true;
    levels[i] = level_cursor.take<std::uint32_t>();
    if (levels[i] > max_level || levels[i] > kMaxLevel)
      refuse("node ", i, " has level ", levels[i], ", the highest is ", max_level);
    upper_lists += levels[i];
  }
  if (entry >= nodes || levels[entry] != max_level)
    refuse("it is entered at node ", entry, ", which is not on level ", max_level);
  const std::uint64_t expected =
      kHeaderBytes + kNodeBytes * nodes + upper_lists * 4 * (1 + std::uint64_t{kLinks});
  if (file.size() != expected) refuse("expected ", expected, " bytes, found ", file.size());

  const auto check_list = [&](Cursor list, std::uint64_t node, std::uint32_t level,
                              std::uint32_t capacity) {
    const auto count = list.take<std::uint32_t>();
    if (count > capacity) refuse("node ", node, " has ", count, " neighbours on level ", level);
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto neighbour = list.take<std::uint32_t>();
      if (neighbour >= nodes || levels[neighbour] < level)
        refuse("node ", node, " has node ", neighbour, " as a neighbour on level ", level,
               ", where there is none");
    }
  };
  constexpr std::size_t kList0 = 4 * (1 + kLinks0), kList = 4 * (1 + kLinks);
  Cursor upper(links_at + kList0 * nodes);
  for (std::uint64_t i = 0; i < nodes; ++i) {
    check_list(Cursor(links_at + kList0 * i), i, 0, kLinks0);
    for (std::uint32_t level = 1; level <= levels[i]; ++level) {
      check_list(upper, i, level, kLinks);
      upper.skip(kList);
    }
  }

  // All is checked: into the library's memory, as its own reader would lay it.
  auto& hnsw = graph_->hnsw;
  ATTUNE_ASSERT(hnsw.size_links_level0_ == kList0 && hnsw.size_links_per_element_ == kList);
  Cursor rows(rows_at);
  upper = Cursor(links_at + kList0 * nodes);
  for (std::uint64_t i = 0; i < nodes; ++i) {
    char* element = hnsw.data_level0_memory_ + i * hnsw.size_data_per_element_;
    const auto row = rows.take<std::uint32_t>();
    const hnswlib::labeltype label = row;
    std::memcpy(element, links_at + kList0 * i, kList0);
    std::memcpy(element + hnsw.offsetData_, &row, sizeof row);
    std::memcpy(element + hnsw.label_offset_, &label, sizeof label);
    if (levels[i] > 0) {
      const std::size_t bytes = kList * levels[i];
      // One more byte, as the library has it: it prefetches behind the last.
      hnsw.linkLists_[i] = static_cast<char*>(std::malloc(bytes + 1));
      if (!hnsw.linkLists_[i]) throw std::bad_alloc();
      std::memcpy(hnsw.linkLists_[i], upper.at(), bytes);
      upper.skip(bytes);
    }
    hnsw.element_levels_[i] = static_cast<int>(levels[i]);
    hnsw.label_lookup_[label] = static_cast<hnswlib::tableint>(i);
    hnsw.cur_element_count = i + 1;
  }
  hnsw.maxlevel_ = static_cast<int>(max_level);
  hnsw.enterpoint_node_ = entry;
}

void NeighbourGraph::add_rows() {
  const std::int64_t first = size();
  const auto add = [&](std::int64_t row) {
    const auto element = static_cast<std::uint32_t>(row);
    graph_->hnsw.addPoint(&element, static_cast<hnswlib::labeltype>(row));
  };
  if (first == graph_->rows) return;
  add(first);  // alone: the others need a node to begin at
  parallel_for(graph_->rows - first - 1, 0, 64, [&](std::int64_t begin, std::int64_t end) {
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
    bytes.append(hnsw.data_level0_memory_ + i * hnsw.size_data_per_element_, 4 * (1 + kLinks0));
  for (std::uint64_t i = 0; i < nodes; ++i)
    if (hnsw.element_levels_[i] > 0)
      bytes.append(hnsw.linkLists_[i], 4 * (1 + std::size_t{kLinks}) *
                                           static_cast<std::size_t>(hnsw.element_levels_[i]));
  return bytes;
}

std::vector<std::int64_t> NeighbourGraph::search(const float* query, int count) const {
  std::vector<std::int64_t> rows;
  if (size() == 0) return rows;
  current_query = query;
  auto found = graph_->hnsw.searchKnn(&kQuery, static_cast<std::size_t>(count));
  for (; !found.empty(); found.pop()) rows.push_back(static_cast<std::int64_t>(found.top().second));
  return rows;
}

}  // namespace attune
