#include "core/durable.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

DurableHook& hook() {
  static DurableHook instance;
  return instance;
}

// Every operation passes here: first the hook, then the system. Returns an errno or 0.
template <class Call>
int perform(DurableOperation operation, const std::string& path, const Call& call) {
  if (hook()) {
    if (const int error = hook()(operation, path); error != 0) return error;
  }
  return call() ? 0 : errno;
}

[[noreturn]] void throw_failure(const std::string& path, const char* what, int error) {
  throw_error(ErrorKind::kResources, path, ": cannot ", what, ": ",
              std::generic_category().message(error));
}

void require(int error, const std::string& path, const char* what) {
  if (error != 0) throw_failure(path, what, error);
}

void create_directory(const std::string& path) {
  require(perform(DurableOperation::kMakeDirectory, path,
                  [&] { return ::mkdir(path.c_str(), 0777) == 0; }),
          path, "make the directory");
}

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

int sync_directory(const std::string& path) {
  return perform(DurableOperation::kSyncDirectory, path, [&] {
    const Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0) return false;
    // Some file systems cannot sync a directory and say so with EINVAL.
    return ::fsync(directory.get()) == 0 || errno == EINVAL;
  });
}

void write_all(int descriptor, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t written = 0;
    const int error = perform(DurableOperation::kWrite, path, [&] {
      written = ::write(descriptor, bytes.data(), bytes.size());
      return written >= 0;
    });
    if (error == EINTR) continue;
    require(error, path, "write");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

using Pieces = std::function<void(const std::function<void(std::string_view)>&)>;

// A file that did not exist before, whole and on disk. `shown` is the path for messages.
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

struct Target {
  std::string folder, name;
  std::string path() const { return folder + name; }
  std::string beside(const std::string& other) const { return folder + other; }
  std::string folder_to_sync() const { return folder.empty() ? "." : folder; }
};

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

constexpr const char* kTemporaryMark = ".tmp-";
constexpr const char* kAsideMark = ".old-";

std::string unique_path(const Target& target, const char* mark) {
  static std::atomic<std::uint64_t> counter{0};
  std::error_code ignored;
  while (true) {
    std::string path = target.beside(str_cat(".", target.name, mark, ::getpid(), "-", counter++));
    if (!fs::exists(fs::symlink_status(path, ignored))) return path;
  }
}

int remove_tree(const std::string& path) {
  return perform(DurableOperation::kRemove, path, [&] {
    std::error_code error;
    fs::remove_all(path, error);
    errno = error.value();
    return !error;
  });
}

// Best effort while an error is already on its way; a hook that throws must not hide that one.
void remove_quietly(const std::string& path) noexcept {
  try {
    remove_tree(path);
  } catch (...) {
  }
}

// Removes the temporary unless it has been put in its place.
class TemporaryGuard {
 public:
  explicit TemporaryGuard(std::string path) : path_(std::move(path)) {}
  ~TemporaryGuard() {
    if (!released_) remove_quietly(path_);
  }
  TemporaryGuard(const TemporaryGuard&) = delete;
  TemporaryGuard& operator=(const TemporaryGuard&) = delete;
  void release() { released_ = true; }

 private:
  std::string path_;
  bool released_ = false;
};

int rename_with(const std::string& from, const std::string& to, unsigned flags) {
  return perform(DurableOperation::kRename, to, [&] {
    return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) == 0;
  });
}

bool is_unsupported(int error) {
  return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP || error == ENOTTY;
}

void warn_about_leftover(const std::string& path, int error) {
  if (error != 0)
    log_warning(str_cat(path, ": the replaced copy could not be removed: ",
                        std::generic_category().message(error), "; it is safe to delete"));
}

// Puts `temporary` in the place of `target` and makes that durable; on failure what was there is
// there again, and the caller removes the temporary.
class Replacement {
 public:
  Replacement(const std::string& temporary, const Target& target)
      : temporary_(temporary), target_(target), path_(target.path()) {}

  void run() {
    struct stat existing {};
    if (::lstat(path_.c_str(), &existing) != 0) {
      move_into_free_place();
    } else {
      const int error = rename_with(temporary_, path_, RENAME_EXCHANGE);
      if (error == 0) {
        // The old copy has the temporary's name now: a kill from here on leaves the new one in
        // place and a stray that remove_stale_temporaries sweeps.
        sync_or_undo([&] { return rename_with(temporary_, path_, RENAME_EXCHANGE); });
        warn_about_leftover(temporary_, remove_tree(temporary_));
      } else if (!is_unsupported(error)) {
        throw_failure(path_, "replace", error);
      } else if (S_ISDIR(existing.st_mode)) {
        replace_directory_in_two_steps();
      } else {
        replace_file();
      }
    }
  }

 private:
  void move_into_free_place() {
    require(rename_with(temporary_, path_, 0), path_, "put in its place");
    sync_or_undo([&] { return rename_with(path_, temporary_, 0); });
  }

  // The file system knows no exchange, but rename over a file is atomic everywhere. The old one is
  // gone then, so a failed sync leaves the new one, whole.
  void replace_file() {
    require(rename_with(temporary_, path_, 0), path_, "replace");
    if (const int error = sync_directory(target_.folder_to_sync()); error != 0)
      throw_failure(path_, "confirm that the new contents, which are in place, are on disk", error);
  }

  // No exchange: between the two renames a kill leaves no target, but the whole old one beside it
  // under a name by which remove_stale_temporaries brings it back.
  void replace_directory_in_two_steps() {
    const std::string aside = unique_path(target_, kAsideMark);
    require(rename_with(path_, aside, 0), path_, "move the old directory aside");
    try {
      require(rename_with(temporary_, path_, 0), path_, "put in its place");
      sync_or_undo([&] { return rename_with(path_, temporary_, 0); });
    } catch (...) {
      struct stat ignored {};
      if (::lstat(path_.c_str(), &ignored) != 0 && rename_with(aside, path_, 0) != 0)
        log_error(str_cat(path_, ": what was there is now called ", aside));
      throw;
    }
    warn_about_leftover(aside, remove_tree(aside));
  }

  template <class Undo>
  void sync_or_undo(const Undo& undo) {
    int error = 0;
    try {
      error = sync_directory(target_.folder_to_sync());
    } catch (...) {
      undo();
      throw;
    }
    if (error == 0) return;
    if (undo() != 0)
      throw_failure(path_, "confirm that the new contents, which are in place, are on disk", error);
    throw_failure(path_, "write its directory to disk (fsync)", error);
  }

  const std::string& temporary_;
  const Target& target_;
  std::string path_;
};

// The process id in `.NAME<mark>PID-COUNTER`; nothing where `entry` is not such a name.
std::optional<int> owner(std::string_view entry, const std::string& name, const char* mark) {
  const std::string prefix = str_cat(".", name, mark);
  if (!entry.starts_with(prefix)) return std::nullopt;
  const char* const end = entry.data() + entry.size();
  int pid = 0;
  const auto [dash, pid_error] = std::from_chars(entry.data() + prefix.size(), end, pid);
  if (pid_error != std::errc() || pid <= 0 || dash == end || *dash != '-') return std::nullopt;
  std::uint64_t counter = 0;
  const auto [stop, counter_error] = std::from_chars(dash + 1, end, counter);
  if (counter_error != std::errc() || stop != end) return std::nullopt;
  return pid;
}

bool is_gone(int pid) { return ::kill(pid, 0) != 0 && errno == ESRCH; }

}  // namespace

void set_durable_hook(DurableHook new_hook) { hook() = std::move(new_hook); }

void write_file_durably(const std::string& path, std::string_view bytes) {
  const Target target = split(path);
  std::error_code ignored;
  if (fs::is_directory(fs::symlink_status(path, ignored)))
    throw_error(ErrorKind::kResources, path, ": cannot write a file: a directory is there");
  make_directories(target.folder);
  const std::string temporary = unique_path(target, kTemporaryMark);
  TemporaryGuard guard(temporary);
  write_new_file(temporary, path, [&](const auto& piece) { piece(bytes); });
  Replacement(temporary, target).run();
  guard.release();
}

DurableDirectory::DurableDirectory(std::string target) : target_(std::move(target)) {
  const Target parts = split(target_);
  target_ = parts.path();
  struct stat existing {};
  if (::stat(target_.c_str(), &existing) == 0 && !S_ISDIR(existing.st_mode))
    throw_error(ErrorKind::kResources, target_, ": cannot write a directory: a file is there");
  make_directories(parts.folder);
  temporary_ = unique_path(parts, kTemporaryMark);
  create_directory(temporary_);
}

DurableDirectory::~DurableDirectory() {
  if (!committed_) remove_quietly(temporary_);
}

void DurableDirectory::write(const std::string& name, std::string_view bytes) {
  write_pieces(name, [&](const auto& piece) { piece(bytes); });
}

void DurableDirectory::write_pieces(const std::string& name, const Pieces& fill) {
  ATTUNE_ASSERT(!committed_);
  const fs::path relative(name);
  bool is_plain = !name.empty() && !relative.is_absolute() && relative.has_filename() &&
                  name.find('\0') == std::string::npos;
  for (const fs::path& part : relative) is_plain = is_plain && part != ".." && part != ".";
  if (!is_plain)
    throw_error(ErrorKind::kResources, target_, ": refused to write '", name.c_str(),
                "' into it: expected a relative path without '.' or '..'");
  std::string folder = temporary_;
  for (const fs::path& part : relative.parent_path()) {
    folder += "/" + part.string();
    std::error_code ignored;
    if (!fs::is_directory(folder, ignored)) create_directory(folder);
  }
  write_new_file(temporary_ + "/" + name, target_ + "/" + name, fill);
}

void DurableDirectory::copy_file(const std::string& source, const std::string& name) {
  const MappedFile mapped(source);
  const auto bytes = mapped.bytes();
  write(name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void DurableDirectory::commit() {
  ATTUNE_ASSERT(!committed_);
  std::vector<std::string> folders{temporary_};
  for (const auto& entry : fs::recursive_directory_iterator(temporary_))
    if (entry.is_directory()) folders.push_back(entry.path().string());
  for (const std::string& folder : folders)
    require(sync_directory(folder), folder, "write the directory to disk (fsync)");
  Replacement(temporary_, split(target_)).run();
  committed_ = true;
}

AppendFile::AppendFile(const std::string& path) : path_(path) {
  const Target target = split(path);
  make_directories(target.folder);
  std::error_code ignored;
  const bool is_new = !fs::exists(path, ignored);
  require(perform(DurableOperation::kCreate, path,
                  [&] {
                    descriptor_ =
                        ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
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
  struct stat status {};
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
  require(
      perform(DurableOperation::kWrite, path_, [&] { return ::ftruncate(descriptor_, end) == 0; }),
      path_, "cut off the unfinished last line");
}

void AppendFile::append_line(std::string_view line) {
  ATTUNE_ASSERT(line.find('\n') == std::string_view::npos);
  if (descriptor_ < 0)
    throw_error(ErrorKind::kResources, path_, ": cannot write: an earlier sync to disk failed");
  std::string whole(line);
  whole += '\n';
  try {
    write_all(descriptor_, path_, whole);
  } catch (...) {
    // After a short write (a full disk) the line is torn: take its beginning away again.
    try {
      cut_torn_line();
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

void remove_stale_temporaries(const std::string& path) {
  const Target target = split(path);
  std::vector<std::string> temporaries, asides;
  std::error_code error;
  for (fs::directory_iterator entry(target.folder_to_sync(), error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const auto temporary_owner = owner(name, target.name, kTemporaryMark);
    const auto aside_owner = owner(name, target.name, kAsideMark);
    if (temporary_owner && is_gone(*temporary_owner)) temporaries.push_back(target.beside(name));
    if (aside_owner && is_gone(*aside_owner)) asides.push_back(target.beside(name));
  }
  if (error == std::errc::no_such_file_or_directory) return;
  if (error) throw_failure(path, "look for leftovers beside it", error.value());

  std::error_code ignored;
  if (!asides.empty() && !fs::exists(fs::symlink_status(target.path(), ignored))) {
    // Killed between the two renames of a replacement: what was there comes back.
    require(rename_with(asides.back(), target.path(), 0), target.path(), "bring back");
    require(sync_directory(target.folder_to_sync()), target.path(),
            "write its directory to disk (fsync)");
    asides.pop_back();
  }
  temporaries.insert(temporaries.end(), asides.begin(), asides.end());
  for (const std::string& leftover : temporaries)
    require(remove_tree(leftover), leftover, "remove");
}

}  // namespace attune
