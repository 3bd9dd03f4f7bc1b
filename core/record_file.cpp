#include "core/record_file.h"

#include <cerrno>
#include <utility>

#include <sys/stat.h>

#include "core/durable.h"
#include "core/durable_operations.h"

namespace attune {
namespace {

// The size of a locked file, after what is no whole record is cut off.
std::int64_t whole(const LockFile& file, std::int64_t record_bytes) {
  struct stat status{};
  if (::fstat(file.descriptor(), &status) != 0)
    durable::throw_failure(file.path(), "look at", errno);
  const std::int64_t size = status.st_size / record_bytes * record_bytes;
  if (size != status.st_size)
    durable::require(durable::truncate_file(file.descriptor(), file.path(), size), file.path(),
                     "cut off the unfinished last record");
  return size;
}

}  // namespace

RecordFile::RecordFile(std::string path, std::int64_t record_bytes)
    : path_(std::move(path)), record_bytes_(record_bytes) {
  LockFile file(path_);
  file.lock(/*wait=*/true);
  size_ = whole(file, record_bytes_);
  map_ = std::make_unique<MappedFile>(path_);
}

std::span<const std::byte> RecordFile::records() const {
  return map_->bytes().first(static_cast<std::size_t>(size_));
}

void RecordFile::append(std::string_view records) {
  LockFile file(path_);
  file.lock(/*wait=*/true);
  durable::write_all(file.descriptor(), path_, records, whole(file, record_bytes_));
}

}  // namespace attune
