// A graph of near neighbours over the rows of a matrix: approximate nearest neighbours by cosine
// similarity (HNSW, Malkov and Yashunin 2018, by hnswlib). The library builds and searches; the
// file is read and written here, because the library's own reader trusts what it reads (hnswlib
// issue 673), and keeps a second copy of the vectors.
//
// Of equal rows the first alone is a node: more copies of a vector than a node has links would
// otherwise link to each other alone, and cut the graph apart. Rows of zeros, and those whose norm
// is no float, are no nodes; they are proposed in every search.
//
// File, little-endian: "ATTHNSW1", u64 nodes, u32 max_level, u32 entry node (both 2^32 - 1 where
// there are no nodes), SHA-256 of the vectors file (32 bytes); u32 row[nodes], in any order; u32
// level[nodes]; u32 count and kLinks0 ids for every node; then, node after node, u32 count and
// kLinks ids for each of its levels above 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/hash.h"

namespace attune {

class NeighbourGraph {
 public:
  static constexpr std::uint32_t kLinks = 16, kLinks0 = 2 * kLinks, kMaxLevel = 32;

  // Over vectors [rows, dimension], which outlive it; empty still. At most 2^31 rows.
  NeighbourGraph(std::span<const float> vectors, int dimension);
  ~NeighbourGraph();
  NeighbourGraph(const NeighbourGraph&) = delete;
  NeighbourGraph& operator=(const NeighbourGraph&) = delete;

  // Takes the nodes of a file, which are the first rows of the matrix, before anything else was
  // added. Error{kData} with `place`: cut, damaged, or of other vectors than `vectors_sha256`.
  // Whatever the bytes are, a search stays inside of the matrix.
  void restore(std::span<const std::byte> file, const Fingerprint& vectors_sha256,
               const std::string& place);
  // Adds the rows that are not in it, on all cores: two builds differ in their links.
  void add_rows();

  std::int64_t size() const;  // nodes
  bool is_complete() const;   // every row that is to be a node is one
  std::string file_bytes(const Fingerprint& vectors_sha256) const;

  // About the `count` nearest nodes of those added and all rows that can be none, in no order; each
  // stands for the rows that equal it. Thread-safe.
  std::vector<std::int64_t> search(const float* query, int count) const;
  // The first row with the same numbers: itself, where there is none before.
  std::int64_t first_equal(std::int64_t row) const;

 private:
  struct Graph;
  std::unique_ptr<Graph> graph_;
};

}  // namespace attune
