// One generation of an index, open for reading: it stays readable as long as this lives, whatever
// is written in the folder meanwhile. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <attune/vector_store_index.h>

#include "core/file.h"
#include "retrieval/hit.h"
#include "retrieval/index/index_manifest.h"
#include "retrieval/index/neighbour_graph.h"
#include "retrieval/unit_rows.h"

namespace attune {

class IndexGeneration {
 public:
  // The newest of the folder. Its manifest, nodes and graph are read and checked whole (SHA-256 and
  // contents); of the vectors the size and the header, which names model and nodes: verify() does
  // the rest. Error{kData}: no index, or the file that is damaged, cut, or of another index.
  static std::shared_ptr<const IndexGeneration> open(const std::string& directory);

  const IndexManifest& manifest() const { return manifest_; }
  const CurrentGeneration& current() const { return current_; }
  const std::string& directory() const { return directory_; }
  std::int64_t size() const { return manifest_.nodes; }

  const std::string& id(std::int64_t row) const { return ids_[row]; }
  std::int64_t find(const std::string& id) const;  // -1: not there
  TextNode node(std::int64_t row) const;
  std::span<const float> vectors() const;  // [size, dimension]
  bool has_graph() const { return graph_ != nullptr; }
  std::span<const std::byte> graph_bytes() const { return graph_file_->bytes(); }

  // Of queries [n, dimension]. With a graph its rows are proposals, scored exactly; `exact` passes
  // it over. Ties by ascending id. `device`: where the exact products are computed.
  std::vector<std::vector<Hit>> search(std::span<const float> queries, int k, bool exact,
                                       const std::string& device) const;

  // Reads the vectors, too: SHA-256 as in the manifest, every number finite. Error{kData}.
  void verify() const;

 private:
  IndexGeneration(std::string directory, CurrentGeneration current);
  void read_nodes();
  void map_vectors();
  void read_graph();
  std::string path(const char* name) const;
  const UnitRows& unit_rows() const;  // made at the first exact search
  std::vector<Hit> search_graph(std::span<const float> query, int k) const;

  std::string directory_;
  CurrentGeneration current_;
  IndexManifest manifest_;
  std::unique_ptr<MappedFile> node_file_, vector_file_, graph_file_;
  std::vector<std::string> ids_;
  std::vector<std::size_t> line_begins_;  // [nodes + 1]
  std::unordered_map<std::string, std::int64_t> row_of_;
  std::vector<std::int64_t> tie_rank_;  // [nodes] place of the row's id among all, ascending
  std::size_t vectors_begin_ = 0;
  std::unique_ptr<NeighbourGraph> graph_;
  mutable std::once_flag unit_rows_once_;
  mutable std::optional<UnitRows> unit_rows_;
  // Of each vector that stands in several rows: by the first, all, by ascending id.
  std::unordered_map<std::int64_t, std::vector<std::int64_t>> copies_;
};

}  // namespace attune
