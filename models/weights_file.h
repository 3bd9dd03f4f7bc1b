// safetensors, read by memory map and written through the durable layer. Format:
// github.com/huggingface/safetensors, README "Format". A file is hostile until parsed: the header
// is at most 100,000,000 bytes, every tensor's bytes lie in the file, do not overlap, leave no
// hole, and match its shape and dtype; each product is checked for overflow. Errors are
// Error{kData} with file, tensor and reason.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include "core/file.h"
#include "core/hash.h"

namespace attune {

struct WeightEntry {
  std::string dtype;  // "F32", "BF16", ...
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;  // in the map, valid while the Weights live
  std::string file;
};

// All tensors of a model directory by name.
class Weights {
 public:
  // One safetensors file.
  static Weights from_file(const std::string& path);
  // DIR/model.safetensors, or the shards that DIR/model.safetensors.index.json names. A directory
  // that holds only pickles is refused with the way to convert them.
  static Weights from_directory(const std::string& directory);

  const WeightEntry* find(const std::string& name) const;  // null if absent
  const std::map<std::string, WeightEntry>& entries() const { return entries_; }
  // A copy as it is typed in the file, on the CPU.
  at::Tensor stored(const std::string& name) const;
  // Copies into `target` (any float type and device), converting from F32, F16, BF16 or F64. The
  // shape must be the target's.
  void copy_to(const std::string& name, at::Tensor target) const;
  void rename(const std::string& from, const std::string& to);

 private:
  void add_file(const std::string& path);
  std::vector<std::shared_ptr<const MappedFile>> files_;
  std::map<std::string, WeightEntry> entries_;
};

// A tensor to write: any device, written as it is typed.
struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

struct WrittenFile {
  std::uint64_t size = 0;
  Fingerprint sha256;
};

class DurableDirectory;
// Writes `name` inside `directory`, tensors in the given order, with metadata {"format": "pt"}.
WrittenFile write_safetensors(DurableDirectory& directory, const std::string& name,
                              const std::vector<NamedTensor>& tensors);

}  // namespace attune
