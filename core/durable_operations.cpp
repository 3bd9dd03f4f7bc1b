#include "core/durable_operations.h"

#include <cstdio>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

namespace attune {
namespace {

DurableHook& installed_hook() {
  static DurableHook instance;
  return instance;
}

}  // namespace

void set_durable_hook(DurableHook hook) { installed_hook() = std::move(hook); }

namespace durable {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  // Some file systems report a failed write only here. EINTR: closed all the same on Linux.
  bool close() { return ::close(std::exchange(value_, -1)) == 0 || errno == EINTR; }

 private:
  int value_;
};

}  // namespace

const DurableHook& hook() { return installed_hook(); }

void throw_failure(const std::string& path, const char* what, int error) {
  throw_error(ErrorKind::kResources, path, ": cannot ", what, ": ",
              std::generic_category().message(error));
}

void require(int error, const std::string& path, const char* what) {
  if (error != 0) throw_failure(path, what, error);
}

Target split(std::string path) {
  if (path.find('\0') != std::string::npos)
    throw_error(ErrorKind::kResources, path.c_str(), ": a path with a NUL byte in it");
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const std::size_t slash = path.rfind('/');
  Target target;
  if (slash != std::string::npos) target.folder = path.substr(0, slash + 1);
  target.name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (target.name.empty() || target.name == "." || target.name == "..")
    throw_error(ErrorKind::kResources, "cannot write '", path, "': it does not end in a name");
  return target;
}

void create_directory(const std::string& path) {
  require(perform(DurableOperation::kMakeDirectory, path,
                  [&] { return ::mkdir(path.c_str(), 0777) == 0; }),
          path, "make the directory");
}

void make_directories(const std::string& path) {
  std::error_code ignored;
  if (path.empty() || fs::is_directory(path, ignored)) return;
  const fs::path parent =
      fs::path(path.ends_with('/') ? path.substr(0, path.size() - 1) : path).parent_path();
  make_directories(parent.string());
  const int error = perform(DurableOperation::kMakeDirectory, path,
                            [&] { return ::mkdir(path.c_str(), 0777) == 0; });
  if (error == EEXIST && fs::is_directory(path, ignored)) return;  // another process was faster
  require(error, path, "make the directory");
  const std::string above = parent.empty() ? "." : parent.string();
  require(sync_directory(above), above, "write the directory to disk (fsync)");
}

int sync_directory(const std::string& path) {
  return perform(DurableOperation::kSyncDirectory, path, [&] {
    const Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0) return false;
    // Some file systems cannot sync a directory and say so with EINVAL.
    return ::fsync(directory.get()) == 0 || errno == EINVAL;
  });
}

int rename_with(const std::string& from, const std::string& to, unsigned flags) {
  return perform(DurableOperation::kRename, to, [&] {
    return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) == 0;
  });
}

int remove_tree(const std::string& path) {
  return perform(DurableOperation::kRemove, path, [&] {
    std::error_code error;
    fs::remove_all(path, error);
    errno = error.value();
    return !error;
  });
}

void write_all(int descriptor, const std::string& path, std::string_view bytes, std::int64_t at) {
  while (!bytes.empty()) {
    int error = ask(DurableOperation::kWrite, path);
    const std::size_t size = error == kWriteHalf ? (bytes.size() + 1) / 2 : bytes.size();
    ssize_t written = 0;
    if (error == 0 || error == kWriteHalf) {
      written = at < 0 ? ::write(descriptor, bytes.data(), size)
                       : ::pwrite(descriptor, bytes.data(), size, at);
      error = written < 0 ? errno : 0;
    }
    if (error == EINTR) continue;
    require(error, path, "write");
    bytes.remove_prefix(static_cast<std::size_t>(written));
    if (at >= 0) at += written;
  }
}

int truncate_file(int descriptor, const std::string& path, std::int64_t size) {
  return perform(DurableOperation::kTruncate, path,
                 [&] { return ::ftruncate(descriptor, size) == 0; });
}

void write_new_file(const std::string& path, const std::string& shown, const Pieces& fill) {
  int opened = -1;
  require(perform(DurableOperation::kCreate, path,
                  [&] {
                    opened = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
                    return opened >= 0;
                  }),
          shown, "create");
  Descriptor file(opened);
  fill([&](std::string_view piece) { write_all(file.get(), path, piece); });
  // Never tried again: after a failure the system may have dropped the pages and report success.
  require(perform(DurableOperation::kSync, path, [&] { return ::fsync(file.get()) == 0; }), shown,
          "write to disk (fsync)");
  if (!file.close()) throw_failure(shown, "write", errno);
}

}  // namespace durable
}  // namespace attune
