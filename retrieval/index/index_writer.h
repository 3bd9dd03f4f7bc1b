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
#include <vector>

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
  // What becomes of a newest generation that is damaged: an error, or the next one is made without
  // it, and that is told.
  enum class Damaged : std::uint8_t { kRefused, kReplaced };

  // Takes the lock on the folder, which ends with this or with the process; reads and verifies the
  // newest generation, removes what dead writers left. kReplaced makes the folder.
  // Error{kResources}: another process writes. Error{kData}: there is something else in the folder,
  // or none.
  IndexWriter(const std::string& directory, Damaged damaged);
  ~IndexWriter();
  IndexWriter(const IndexWriter&) = delete;
  IndexWriter& operator=(const IndexWriter&) = delete;

  // Null: none yet, or a damaged one that is to be replaced.
  const std::shared_ptr<const IndexGeneration>& newest() const { return newest_; }

  // Vectors of texts that the newest generation has in the same space are taken from it; the others
  // are embedded in blocks of 1,024, before each of which `stop_requested` is asked. Returns how
  // many were embedded. Error{kData}: a vector that is not finite.
  std::int64_t write(const IndexContents& contents, const BaseEmbedding& model,
                     const std::function<bool()>& stop_requested);

 private:
  void lock();
  void open_newest();
  void remove_leftovers() const;
  std::vector<std::int64_t> rows_to_keep(const IndexContents& contents) const;
  void switch_to(const CurrentGeneration& next);

  std::string directory_;
  Damaged damaged_;
  int descriptor_ = -1;
  std::int64_t last_number_ = 0;  // of the generations that are there
  std::shared_ptr<const IndexGeneration> newest_;
};

}  // namespace attune
