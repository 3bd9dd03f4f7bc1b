#include "data/lines.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <zlib.h>

#include "core/error.h"
#include "core/file.h"

namespace attune {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 18;

gzFile open_file(const std::string& path) {
  if (path.find('\0') != std::string::npos)
    throw_error(ErrorKind::kData, "a path with a NUL byte in it: ", path.c_str());
  if (!file_exists(path)) throw_error(ErrorKind::kData, path, ": there is no such file");
  if (std::filesystem::is_directory(path))
    throw_error(ErrorKind::kData, path, ": a directory where a file is expected");
  errno = 0;
  gzFile file = gzopen(path.c_str(), "rbe");
  if (file == nullptr)
    throw_error(ErrorKind::kResources, path,
                ": cannot open: ", std::generic_category().message(errno));
  gzbuffer(file, kPieceBytes);
  return file;
}

}  // namespace

void LineReader::Close::operator()(void* file) const { gzclose(static_cast<gzFile>(file)); }

LineReader::LineReader(const std::string& path) : path_(path), file_(open_file(path)) {
  if (path.ends_with(".gz") && gzdirect(static_cast<gzFile>(file_.get())) != 0)
    throw_error(ErrorKind::kData, path, ": not gzip data, although its name ends in .gz");
}

LineReader::~LineReader() = default;

// Appends a piece to what is left in the buffer; false at the end of the file.
bool LineReader::fill() {
  if (file_ == nullptr) return false;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < kPieceBytes)
    buffer_.resize(std::max(2 * buffer_.size(), end_ + kPieceBytes));
  auto* const file = static_cast<gzFile>(file_.get());
  const int got = gzread(file, buffer_.data() + end_, static_cast<unsigned>(kPieceBytes));
  if (got > 0) {
    end_ += static_cast<std::size_t>(got);
    return true;
  }
  int error = Z_OK;
  const std::string reason = gzerror(file, &error);
  const int system_error = errno;
  file_.reset();
  const std::string place = str_cat(path_, ":", line_number_ + 1);
  if (error == Z_BUF_ERROR)
    throw_error(ErrorKind::kData, place, ": the gzip data ends too early: the file is cut off");
  if (error == Z_DATA_ERROR)
    throw_error(ErrorKind::kData, place, ": damaged gzip data (", reason, ")");
  if (error == Z_ERRNO)
    throw_error(ErrorKind::kResources, path_,
                ": cannot read: ", std::generic_category().message(system_error));
  if (error != Z_OK && error != Z_STREAM_END)
    throw_error(ErrorKind::kResources, path_, ": cannot read: ", reason);
  return false;
}

bool LineReader::next(std::string_view& line) {
  std::size_t scanned = 0;  // bytes after begin_ that have no line feed
  while (true) {
    const void* const feed =
        end_ > begin_ + scanned
            ? std::memchr(buffer_.data() + begin_ + scanned, '\n', end_ - begin_ - scanned)
            : nullptr;
    const std::size_t length =
        feed == nullptr
            ? end_ - begin_
            : static_cast<std::size_t>(static_cast<const char*>(feed) - (buffer_.data() + begin_));
    if (length > kMaxLineBytes) {
      file_.reset();
      begin_ = end_ = 0;
      throw_error(ErrorKind::kData, path_, ":", line_number_ + 1, ": a line of more than ",
                  kMaxLineBytes >> 20, " MiB; is this a text file?");
    }
    if (feed == nullptr) {
      scanned = length;
      if (fill()) continue;
      if (length == 0) return false;
    }
    line = std::string_view(buffer_.data() + begin_, length);
    begin_ += length + (feed != nullptr ? 1 : 0);
    line_end_ = feed != nullptr ? "\n" : "";
    if (feed != nullptr && line.ends_with('\r')) {
      line.remove_suffix(1);
      line_end_ = "\r\n";
    }
    ++line_number_;
    if (is_first_ && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    is_first_ = false;
    return true;
  }
}

}  // namespace attune
