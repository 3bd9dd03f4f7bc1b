// Reading whole files and mapping big ones. Every error is an Error with the path in it: kData for
// a missing or unreadable file's contents, kResources for permissions and I/O errors.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace attune {

// Whether a file or folder is there. A link that leads nowhere (a half-fetched model), a loop of
// links or a folder that may not be searched is an Error{kData}, never the same as "absent".
bool file_exists(const std::string& path);

std::string read_file(const std::string& path, std::size_t max_bytes = std::size_t{4} << 30);

// As read_file; a path ending in .gz, or bytes that start with the gzip magic, are decompressed.
std::string read_text_file(const std::string& path, std::size_t max_bytes = std::size_t{4} << 30);

// Checks UTF-8 (no overlong forms, no surrogates). Returns the offset of the first bad byte, or
// npos.
std::size_t find_invalid_utf8(std::string_view bytes);

// A read-only memory map; an empty file maps to an empty span. Movable.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&&) noexcept;
  MappedFile& operator=(MappedFile&&) noexcept;
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace attune
