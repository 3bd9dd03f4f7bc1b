// An index in a folder: generations, of which current.json names one (docs/formats.md). Whoever
// reads goes on with the generation that was opened.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "retrieval/index/index_generation.h"
#include "retrieval/index/index_storage.h"

namespace attune {

class FolderStorage : public IndexStorage {
 public:
  explicit FolderStorage(std::string directory);

  const std::string& place() const override { return directory_; }
  Held held() const override;
  std::string state() const override;
  std::vector<TextNode> nodes() const override;
  void verify() const override;
  bool reopen(const IndexModel* model) override;
  std::vector<std::vector<NodeWithScore>> search(const IndexModel& model,
                                                 std::span<const float> queries, int k,
                                                 const RetrieverOptions& options) const override;
  IndexChanges build(const IndexModel& model, const IndexSpace& space, bool approximate,
                     std::span<const TextNode> nodes) override;
  IndexChanges insert(const IndexModel& model, std::span<const TextNode> nodes) override;
  IndexChanges remove(const IndexModel& model, std::span<const std::string> ids) override;
  IndexChanges refresh(const IndexModel& model, std::span<const TextNode> nodes) override;

 private:
  using Generation = std::shared_ptr<const IndexGeneration>;
  // Turns the nodes of the newest generation into those of the next, and says whether there is a
  // difference.
  using Change = std::function<bool(const IndexGeneration& old, std::vector<TextNode>& nodes)>;

  Generation current() const;  // opens the newest where none is open
  void adopt(Generation written) const;
  void set_current(Generation generation) const;
  void check(const IndexGeneration& generation, const IndexModel& model) const;
  IndexChanges update(const IndexModel& model, const Change& change);  // one new generation

  const std::string directory_;
  mutable std::mutex mutex_;  // of current_
  mutable Generation current_;
  // Held from the opening of a generation until it is adopted, so that the last one opened stays:
  // its number says nothing where somebody has brought back or made anew the whole folder.
  mutable std::mutex opening_;
};

}  // namespace attune
