#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/durable.h"
#include "core/durable_operations.h"
#include "core/error.h"

namespace attune {

using durable::make_directories;
using durable::perform;
using durable::require;
using durable::split;
using durable::sync_directory;
using durable::Target;
using durable::throw_failure;
using durable::truncate_file;
using durable::write_all;
namespace fs = std::filesystem;

AppendFile::AppendFile(const std::string& path, Contents contents) : path_(path) {
  const Target target = split(path);
  const int exclusive = contents == Contents::kRecords ? O_EXCL : 0;
  make_directories(target.folder);
  std::error_code ignored;
  const bool is_new = !fs::exists(path, ignored);
  require(perform(DurableOperation::kCreate, path,
                  [&] {
                    descriptor_ = ::open(path.c_str(),
                                         O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | exclusive, 0666);
                    return descriptor_ >= 0;
                  }),
          path, "open for appending");
  try {
    if (is_new)
      require(sync_directory(target.folder_to_sync()), path, "write its directory to disk (fsync)");
    cut_torn_line();
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

AppendFile::~AppendFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void AppendFile::cut_torn_line() {
  struct stat status{};
  if (::fstat(descriptor_, &status) != 0) throw_failure(path_, "look at", errno);
  if (!S_ISREG(status.st_mode)) return;
  std::array<char, 4096> block;
  off_t end = status.st_size;  // behind the last newline seen so far, or the file's end
  while (end > 0) {
    const off_t begin =
        end > static_cast<off_t>(block.size()) ? end - static_cast<off_t>(block.size()) : 0;
    const ssize_t got =
        ::pread(descriptor_, block.data(), static_cast<std::size_t>(end - begin), begin);
    if (got < 0 && errno == EINTR) continue;
    if (got != end - begin) throw_failure(path_, "read", got < 0 ? errno : EIO);
    const std::size_t newline =
        std::string_view(block.data(), static_cast<std::size_t>(got)).rfind('\n');
    if (newline != std::string_view::npos) {
      end = begin + static_cast<off_t>(newline) + 1;
      break;
    }
    end = begin;
  }
  if (end == status.st_size) return;
  require(truncate_file(descriptor_, path_, end), path_, "cut off the unfinished last line");
}

void AppendFile::append_line(std::string_view line) {
  ATTUNE_ASSERT(line.find('\n') == std::string_view::npos);
  append(std::string(line) + '\n');
}

void AppendFile::append_record(std::string_view bytes) { append(bytes); }

void AppendFile::append(std::string_view bytes) {
  if (descriptor_ < 0)
    throw_error(ErrorKind::kResources, path_, ": cannot write: an earlier sync to disk failed");
  struct stat before{};
  if (::fstat(descriptor_, &before) != 0) throw_failure(path_, "look at", errno);
  try {
    write_all(descriptor_, path_, bytes);
  } catch (...) {
    // After a short write (a full disk) the end is torn: take what there is of it away again.
    try {
      if (S_ISREG(before.st_mode)) truncate_file(descriptor_, path_, before.st_size);
    } catch (...) {
    }
    throw;
  }
}

void AppendFile::sync() {
  if (descriptor_ < 0)
    throw_error(ErrorKind::kResources, path_, ": cannot write: an earlier sync to disk failed");
  const int error =
      perform(DurableOperation::kSync, path_, [&] { return ::fsync(descriptor_) == 0; });
  if (error == 0) return;
  ::close(std::exchange(descriptor_, -1));  // a second fsync might hide the loss
  throw_failure(path_, "write to disk (fsync)", error);
}

}  // namespace attune
