// Writes a new generation of an index and switches to it; whoever reads the old one goes on.
//
// Order: the whole generation as a directory of its own (core/durable.h), then current.json, which
// names it, then the old generation is removed. A process that dies leaves the old or the new
// current.json, and perhaps a directory that nothing names: the next writer removes it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include <attune/vector_store_index.h>

#include "retrieval/index/index_generation.h"

namespace attune {

// What the next generation holds.
struct IndexContents {
  std::span<const TextNode> nodes;  // checked_nodes()
  IndexSpace space;
  bool approximate = false;
};

class IndexWriter {
 public:
  // Makes the folder and takes the lock on it, which ends with this or with the process; removes
  // what dead writers left. Error{kResources}: another process writes. Error{kData}: there is
  // something else in the folder.
  explicit IndexWriter(const std::string& directory);
  ~IndexWriter();
  IndexWriter(const IndexWriter&) = delete;
  IndexWriter& operator=(const IndexWriter&) = delete;

  // Null: none yet.
  const std::shared_ptr<const IndexGeneration>& newest() const { return newest_; }

  // Vectors of texts that the newest generation has in the same space are taken from it, after its
  // vectors were verified; the others are embedded in blocks of 1,024, after each of which
  // `stop_requested` is asked. Returns how many were embedded. Error{kData}: a damaged old
  // generation, a vector that is not finite.
  std::int64_t write(const IndexContents& contents, const BaseEmbedding& model,
                     const std::function<bool()>& stop_requested);

 private:
  void remove_leftovers() const;
  void switch_to(const CurrentGeneration& next);

  std::string directory_;
  int descriptor_ = -1;
  std::shared_ptr<const IndexGeneration> newest_;
};

}  // namespace attune
