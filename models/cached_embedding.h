// A base model that embeds each text once: what it gave is kept in files, mapped into memory, that
// outlive the process. For training behind a frozen base, where every epoch, every sweep and every
// evaluation asks for the same vectors.
//
// FOLDER/query-SPACE.vectors and FOLDER/text-SPACE.vectors, SPACE the first 16 digits of
// SHA-256(the role's space, precision, dimension): records of SHA-256(text) (64 digits), the vector
// (dimension x fp32, little-endian) and the CRC-32C of both, in any order (core/record_file.h). A
// record whose sum is wrong (a power failure, a bad disk) is passed over, and its text embedded
// anew.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include <attune/base_embedding.h>

#include "core/record_file.h"
#include "core/stop.h"

namespace attune {

class CachedEmbedding : public BaseEmbedding {
 public:
  // An empty folder: only in memory. `precision`: that with which the base computes.
  CachedEmbedding(std::shared_ptr<const BaseEmbedding> base, const std::string& folder,
                  const std::string& precision = "fp32");

  int dimension() const override { return base_->dimension(); }
  std::string model_name() const override { return base_->model_name(); }
  std::string document_space() const override { return base_->document_space(); }
  std::string query_space() const override { return base_->query_space(); }
  std::int64_t computed() const { return computed_; }  // texts that the base embedded

  // Asked after each block of 1,024 texts that the base embeds: true is Error{kInterrupted}. The
  // blocks before are in the files, and going on later gives equal blocks.
  void stop_when(StopRequested stop_requested) { stop_ = std::move(stop_requested); }

 protected:
  void embed(Role role, std::span<const std::string_view> texts,
             std::span<float> out) const override;

 private:
  struct Store {
    std::unique_ptr<RecordFile> file;                      // null: only in memory
    std::vector<std::vector<float>> added;                 // since then
    std::unordered_map<std::string, const float*> places;  // by SHA-256 of the text
  };
  void open(Role role, const std::string& folder, const std::string& precision);
  // Embeds texts that the store has not, and keeps them there.
  void add(Store& store, Role role, std::span<const std::string_view> texts,
           std::span<const std::string> keys) const;

  std::shared_ptr<const BaseEmbedding> base_;
  StopRequested stop_;
  mutable std::mutex mutex_;
  mutable Store stores_[2];
  mutable std::int64_t computed_ = 0;
};

}  // namespace attune
