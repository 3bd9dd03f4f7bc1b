#include "retrieval/index/index_generation.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "core/error.h"
#include "core/shell_word.h"
#include "models/device.h"
#include "retrieval/exact_search.h"
#include "retrieval/index/node_lines.h"

namespace attune {
namespace {

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw_error(ErrorKind::kData, path, ": ", what,
              "; the file is damaged or of another index: bring it back, or build the index again");
}

void check_size(const std::string& path, std::uint64_t found, std::uint64_t expected) {
  if (found != expected) refuse(path, str_cat(found, " bytes, manifest.json expects ", expected));
}

void check_sha256(const MappedFile& file, const Fingerprint& expected) {
  const Fingerprint found = sha256(text_of(file.bytes()));
  if (found != expected)
    refuse(file.path(), str_cat("SHA-256 ", found, ", manifest.json expects ", expected));
}

}  // namespace

std::shared_ptr<const IndexGeneration> IndexGeneration::open(const std::string& directory) {
  auto current = read_current(directory);
  if (!current)
    throw_error(ErrorKind::kData, directory, ": there is no index; make one: attune index build ",
                shell_word(directory), " --model M --input FILE");
  // A generation may be replaced and removed while it is opened. Each turn means that someone
  // finished a write in between, so it ends.
  for (;;) {
    try {
      return std::shared_ptr<const IndexGeneration>(new IndexGeneration(directory, *current));
    } catch (const Error&) {
      const auto newest = read_current(directory);
      if (!newest || newest->number == current->number) throw;
      current = newest;
    }
  }
}

IndexGeneration::IndexGeneration(std::string directory, CurrentGeneration current)
    : directory_(std::move(directory)), current_(std::move(current)) {
  const std::string manifest_path = path("manifest.json");
  const std::string manifest = read_file(manifest_path, 1 << 20);
  if (sha256(manifest) != current_.manifest)
    refuse(manifest_path, "its SHA-256 is not the one in current.json");
  manifest_ = IndexManifest::parse(manifest, manifest_path);
  read_nodes();
  map_vectors();
  if (manifest_.graph_file) read_graph();
}

std::string IndexGeneration::path(const char* name) const {
  return directory_ + "/" + current_.name() + "/" + name;
}

void IndexGeneration::read_nodes() {
  const std::string file_path = path("nodes.jsonl");
  node_file_ = std::make_unique<MappedFile>(file_path);
  check_size(file_path, node_file_->bytes().size(), manifest_.node_file.size);
  check_sha256(*node_file_, manifest_.node_file.sha256);
  const std::string_view text = text_of(node_file_->bytes());
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    const auto row = static_cast<std::int64_t>(ids_.size());
    const std::string place = str_cat(file_path, ":", row + 1);
    if (end == std::string_view::npos) refuse(place, "the last line has no end");
    ids_.push_back(parse_node_line(text.substr(begin, end - begin), place).id);
    line_begins_.push_back(begin);
    if (!row_of_.emplace(ids_.back(), row).second) refuse(place, "this id stands there already");
    begin = end + 1;
  }
  line_begins_.push_back(text.size());
  if (std::ssize(ids_) != manifest_.nodes)
    refuse(file_path, str_cat(ids_.size(), " lines, manifest.json expects ", manifest_.nodes));

  std::vector<std::int64_t> order(ids_.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](std::int64_t a, std::int64_t b) { return ids_[a] < ids_[b]; });
  tie_rank_.resize(ids_.size());
  for (std::size_t rank = 0; rank < order.size(); ++rank)
    tie_rank_[order[rank]] = static_cast<std::int64_t>(rank);
}

void IndexGeneration::map_vectors() {
  const std::string file_path = path("vectors.safetensors"), header = manifest_.vector_header();
  vector_file_ = std::make_unique<MappedFile>(file_path);
  const auto bytes = vector_file_->bytes();
  check_size(file_path, bytes.size(), manifest_.vector_file.size);
  check_size(file_path, bytes.size(), header.size() + manifest_.vector_bytes());
  if (!text_of(bytes).starts_with(header))
    refuse(file_path, "its header does not name the model, the nodes and the shape of this index");
  vectors_begin_ = header.size();
}

void IndexGeneration::read_graph() {
  const std::string file_path = path("neighbours.graph");
  graph_file_ = std::make_unique<MappedFile>(file_path);
  check_size(file_path, graph_file_->bytes().size(), manifest_.graph_file->size);
  check_sha256(*graph_file_, manifest_.graph_file->sha256);
  graph_ = std::make_unique<NeighbourGraph>(vectors(), manifest_.space.dimension);
  graph_->restore(graph_file_->bytes(), manifest_.vector_file.sha256, file_path);
  if (!graph_->is_complete())
    refuse(file_path, str_cat("its ", graph_->size(), " nodes are not all of the index"));
  for (std::int64_t row = 0; row < size(); ++row)
    if (const std::int64_t first = graph_->first_equal(row); first != row)
      copies_[first].push_back(row);
  for (auto& [first, equal] : copies_) {
    equal.push_back(first);
    std::sort(equal.begin(), equal.end(),
              [&](std::int64_t a, std::int64_t b) { return tie_rank_[a] < tie_rank_[b]; });
  }
}

std::int64_t IndexGeneration::find(const std::string& id) const {
  const auto found = row_of_.find(id);
  return found == row_of_.end() ? -1 : found->second;
}

TextNode IndexGeneration::node(std::int64_t row) const {
  const std::string_view text = text_of(node_file_->bytes());
  const std::size_t begin = line_begins_[row], end = line_begins_[row + 1] - 1;
  return parse_node_line(text.substr(begin, end - begin),
                         str_cat(path("nodes.jsonl"), ":", row + 1));
}

std::span<const float> IndexGeneration::vectors() const {
  return {reinterpret_cast<const float*>(vector_file_->bytes().data() + vectors_begin_),
          static_cast<std::size_t>(manifest_.nodes) * manifest_.space.dimension};
}

const UnitRows& IndexGeneration::unit_rows() const {
  std::call_once(unit_rows_once_,
                 [this] { unit_rows_.emplace(vectors(), manifest_.space.dimension); });
  return *unit_rows_;
}

std::vector<Hit> IndexGeneration::search_graph(std::span<const float> query, int k) const {
  const std::vector<std::int64_t> rows = graph_->search(query.data(), k);
  std::vector<float> proposals;
  for (const std::int64_t row : rows) {
    const auto vector = vectors().subspan(row * query.size(), query.size());
    proposals.insert(proposals.end(), vector.begin(), vector.end());
  }
  std::vector<std::int64_t> any_order(rows.size());
  std::iota(any_order.begin(), any_order.end(), 0);
  const int all = std::max(1, static_cast<int>(rows.size()));
  const auto most = static_cast<std::size_t>(k);
  const auto scored =
      exact_search(query, UnitRows(proposals, static_cast<int>(query.size())), all, any_order);
  std::vector<Hit> hits;
  for (const Hit& hit : scored[0]) {
    const std::int64_t row = rows[hit.row];
    const auto copies = copies_.find(row);
    if (copies == copies_.end()) {
      hits.push_back({row, hit.score});
      continue;
    }
    for (std::size_t i = 0; i < std::min(most, copies->second.size()); ++i)
      hits.push_back({copies->second[i], hit.score});
  }
  std::sort(hits.begin(), hits.end(), [&](const Hit& a, const Hit& b) {
    return a.score != b.score ? a.score > b.score : tie_rank_[a.row] < tie_rank_[b.row];
  });
  hits.resize(std::min(most, hits.size()));
  return hits;
}

std::vector<std::vector<Hit>> IndexGeneration::search(std::span<const float> queries, int k,
                                                      bool exact, const std::string& device) const {
  const int dimension = manifest_.space.dimension;
  ATTUNE_ASSERT(queries.size() % dimension == 0);
  if (k < 1)
    throw_error(ErrorKind::kConfig, "a search for the ", k, " best nodes: at least 1 is found");
  if (!graph_ || exact) {
    const at::Device place = resolve_device(device);
    return place.is_cuda() ? exact_search_on(place, queries, unit_rows(), k, tie_rank_)
                           : exact_search(queries, unit_rows(), k, tie_rank_);
  }
  std::vector<std::vector<Hit>> found;
  for (; !queries.empty(); queries = queries.subspan(dimension))
    found.push_back(search_graph(queries.first(dimension), k));
  return found;
}

void IndexGeneration::verify() const {
  check_sha256(*vector_file_, manifest_.vector_file.sha256);
  const auto numbers = vectors();
  const auto bad =
      std::find_if(numbers.begin(), numbers.end(), [](float x) { return !std::isfinite(x); });
  if (bad != numbers.end()) {
    const auto row = (bad - numbers.begin()) / manifest_.space.dimension;
    refuse(vector_file_->path(), str_cat("the vector of '", id(row), "' holds NaN or infinity"));
  }
}

}  // namespace attune
