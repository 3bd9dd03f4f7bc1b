// A text file line by line, in bounded memory: also of files that are larger than it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace attune {

// Gzip data (known by its first bytes) is decompressed as it is read. A byte order mark of UTF-8 is
// skipped. A line ends with LF or CR LF, the last one also with the file. Bytes are not checked to
// be UTF-8.
class LineReader {
 public:
  static constexpr std::size_t kMaxLineBytes = std::size_t{64} << 20;

  // Error{kData}: no such file, a directory, a name in .gz without gzip data. Error{kResources}: no
  // permission.
  explicit LineReader(const std::string& path);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // The next line without its end, valid until the next call; false after the last one.
  // Error{kData} with "path:line": longer than kMaxLineBytes, damaged or cut gzip data; the reader
  // is at its end then. Error{kResources}: reading fails.
  bool next(std::string_view& line);
  std::int64_t line_number() const { return line_number_; }  // of that line, from 1
  std::string_view line_end() const { return line_end_; }    // "\n", "\r\n", or "" at the end
  const std::string& path() const { return path_; }

 private:
  bool fill();
  struct Close {
    void operator()(void* file) const;
  };
  std::string path_;
  std::unique_ptr<void, Close> file_;  // zlib's gzFile: reads plain files, too
  std::string buffer_;                 // [begin_, end_) is not given yet
  std::size_t begin_ = 0, end_ = 0;
  bool is_first_ = true;
  std::int64_t line_number_ = 0;
  std::string_view line_end_;
};

}  // namespace attune
