#include "core/record_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

namespace attune {
namespace {

// Open and locked against other processes until it goes out of scope.
class LockedFile {
 public:
  explicit LockedFile(const std::string& path)
      : path_(path), descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
    if (descriptor_ < 0 || ::flock(descriptor_, LOCK_EX) != 0) fail("cannot be opened");
  }
  ~LockedFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  LockedFile(const LockedFile&) = delete;
  LockedFile& operator=(const LockedFile&) = delete;

  // The size, after what is no whole record is cut off.
  std::int64_t whole(std::int64_t record_bytes) {
    struct stat status{};
    if (::fstat(descriptor_, &status) != 0) fail("cannot be read");
    const std::int64_t size = status.st_size / record_bytes * record_bytes;
    if (size != status.st_size && ::ftruncate(descriptor_, size) != 0) fail("cannot be shortened");
    return size;
  }

  void write_at(std::int64_t offset, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), offset);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) fail("cannot be written");
      bytes.remove_prefix(static_cast<std::size_t>(written));
      offset += written;
    }
  }

 private:
  [[noreturn]] void fail(const char* what) {
    const int reason = errno;
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
    throw_error(ErrorKind::kResources, path_, ": ", what, ": ", std::strerror(reason));
  }
  std::string path_;
  int descriptor_;
};

}  // namespace

RecordFile::RecordFile(std::string path, std::int64_t record_bytes)
    : path_(std::move(path)), record_bytes_(record_bytes) {
  const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    throw_error(ErrorKind::kResources, folder.string(), ": cannot be made: ", error.message());
  size_ = LockedFile(path_).whole(record_bytes_);
  map_ = std::make_unique<MappedFile>(path_);
}

std::span<const std::byte> RecordFile::records() const {
  return map_->bytes().first(static_cast<std::size_t>(size_));
}

void RecordFile::append(std::string_view records) {
  LockedFile file(path_);
  file.write_at(file.whole(record_bytes_), records);
}

}  // namespace attune
