// Records of one size that several processes append to, under a lock, and read by memory map: for
// caches, whose loss costs time and nothing else. What a killed process left of a last record is
// cut off when the file is next opened or appended to.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/file.h"

namespace attune {

class RecordFile {
 public:
  // Makes the file and its folder if they are not there. Error{kResources}.
  RecordFile(std::string path, std::int64_t record_bytes);
  // A whole number of records: those there when it was opened. Valid while this lives.
  std::span<const std::byte> records() const;
  void append(std::string_view records);

 private:
  std::string path_;
  std::int64_t record_bytes_, size_ = 0;
  std::unique_ptr<MappedFile> map_;
};

}  // namespace attune
